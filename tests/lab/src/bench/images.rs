//! Figures of the plugins' images, as `make images` has made them: sizes, how soon a container says its first line, memory while it waits.
//! It may not judge them.
//! Called by `make bench-images`.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::containers::Containers;
use crate::error::{Attempt as _, Error};
use crate::fixtures::Site;
use crate::measure::{memory, run_measured};
use crate::process::{output, spawn};
use crate::standin::appserver;
use crate::wire::{Answer, Wire};
use crate::{containers, folder, image, plugin};

const RUNS: usize = 21;

/// What `Dockerfiles/images` has written of an image.
struct Made {
    plugin: String,
    unpacked: u64,
    compressed: u64,
}

/// Measures the images in `folder` and writes their section of the page.
pub fn write(folder: &Path, page: &Path) -> Result<(), Error> {
    let containers = containers().ok_or_else(|| Error::new("podman cannot run here"))?;
    let made = made(folder)?;
    let trivial = trivial(containers, &folder.join("programs/ca-certificates.crt"))?;
    let mut text = format!(
        "## Images\n\nWritten by `make bench-images` (release build, {} cores, podman {}). *Start* is from `podman run` to the first line: the median of \
         {RUNS}\npairs of runs, one of the plugin without settings and one of an image whose program only prints a file, and the median of what the\n\
         plugin took longer (limit: 20 ms). *At rest*: resident memory of a plugin that waits for a server's answer (limit: 10 MB). Limits of the sizes,\n\
         compressed: 12 MB without a helm, 60 MB with. The machine may have been busy with other work: only what was measured in pairs can be compared.\n\n\
         | image | unpacked | compressed | start | trivial program's | longer by | at rest |\n|---|---|---|---|---|---|---|\n",
        super::cores()?,
        version(containers)?,
    );
    for one in &made {
        let name = load(containers, folder, &one.plugin)?;
        let (start, other, longer) = starts(containers, &name, &trivial)?;
        let resting = at_rest(containers, &one.plugin, &name)?;
        let megabytes = |bytes: u64| bytes as f64 / 1e6;
        let line = format!(
            "| {} | {:.1} MB | {:.1} MB | {start:.0} ms | {other:.0} ms | {longer:.1} ms | {:.1} MB |",
            one.plugin,
            megabytes(one.unpacked),
            megabytes(one.compressed),
            megabytes(resting),
        );
        crate::say(&line);
        // Writing into a String cannot fail.
        let _ = writeln!(text, "{line}");
    }
    super::write_section(page, "images", &text)
}

fn made(folder: &Path) -> Result<Vec<Made>, Error> {
    let sizes = folder.join("sizes");
    let attempt = || format!("cannot read `{}`, which `make images` writes", sizes.display());
    let text = fs::read_to_string(&sizes).attempting(attempt)?;
    let made = text.lines().map(|line| {
        let [plugin, unpacked, compressed, _] = line.split(' ').collect::<Vec<_>>()[..] else {
            return Err(Error::new(format!("{}: {line}", attempt())));
        };
        let number = |text: &str| text.parse().attempting(attempt);
        Ok(Made { plugin: plugin.to_owned(), unpacked: number(unpacked)?, compressed: number(compressed)? })
    });
    made.collect()
}

fn version(containers: &Containers) -> Result<String, Error> {
    let mut podman = containers.command("podman");
    podman.args(["version", "--format", "{{.Client.Version}}"]);
    output(podman, "").map(|version| version.trim().to_owned())
}

/// Its name in the lab's own storage.
fn load(containers: &Containers, folder: &Path, plugin: &str) -> Result<String, Error> {
    let mut load = containers.command("podman");
    load.args(["load", "--quiet", "--input"]).arg(folder.join(format!("{plugin}.tar")));
    output(load, "").map(|_| image::name(plugin))
}

/// An image of a program that does nothing but print.
fn trivial(containers: &Containers, printed: &Path) -> Result<String, Error> {
    if !printed.is_file() {
        return Err(Error::new("`make images` has not been run"));
    }
    let context = folder::temporary("trivial")?;
    let attempt = || "cannot make a trivial image".to_owned();
    fs::copy(plugin::programs()?.join("ca-certificates"), context.join("program")).attempting(attempt)?;
    fs::write(context.join("Dockerfile"), "FROM scratch\nCOPY program /program\nENTRYPOINT [\"/program\"]\n")
        .attempting(attempt)?;
    let mut build = containers.command("buildah");
    build.args(["bud", "--quiet", "--isolation", "chroot", "--tag", "localhost/trivial"]).arg(&context);
    output(build, "").map(|_| "localhost/trivial".to_owned())
}

/// Medians, in milliseconds: of the image, of the other one, and of the differences within each pair of runs.
fn starts(containers: &Containers, image: &str, other: &str) -> Result<(f64, f64, f64), Error> {
    let (mut these, mut those, mut differences) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let pair = [first_line(containers, image)?, first_line(containers, other)?];
        let [this, that] = pair.map(|time| time.as_secs_f64() * 1000.0);
        these.push(this);
        those.push(that);
        differences.push(this - that);
    }
    Ok((median(these), median(those), median(differences)))
}

fn first_line(containers: &Containers, image: &str) -> Result<Duration, Error> {
    let measured = run_measured(run(containers, &["--rm", image]))?;
    measured.first_output.ok_or_else(|| Error::new(format!("{image} said nothing")))
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

fn run(containers: &Containers, arguments: &[&str]) -> Command {
    let mut podman = containers.command("podman");
    podman.args(["run", "--network", "host"]).args(arguments);
    podman
}

/// Resident memory, in bytes, of a plugin whose server takes its time.
fn at_rest(containers: &Containers, plugin: &str, image: &str) -> Result<u64, Error> {
    let server = Wire::start(|_| Answer::Silence(Duration::from_secs(30)))?;
    let waiting = waiting(plugin, &server)?;
    let workspace = waiting.get_current_dir().unwrap_or(Path::new("/")).display();
    let name = folder::unique_name("resting");
    let mut podman = run(containers, &["--rm", "--name", &name, "--workdir", "/drone/src"]);
    podman.arg("--volume").arg(format!("{workspace}:/drone/src"));
    for (name, value) in waiting.get_envs() {
        podman.arg("--env").arg(format!("{}={}", name.display(), value.unwrap_or_default().display()));
    }
    podman.arg(image).stdout(Stdio::null()).stderr(Stdio::null());
    let mut running = spawn(podman).attempting(|| format!("cannot run {image}"))?;
    let until = Instant::now() + Duration::from_secs(20);
    while server.heard().is_empty() && Instant::now() < until {
        thread::sleep(Duration::from_millis(20));
    }
    // What the request itself took is given back or not by now.
    thread::sleep(Duration::from_secs(1));
    let mut process = containers.command("podman");
    process.args(["inspect", "--format", "{{.State.Pid}}", &name]);
    let process = output(process, "")?;
    let resident = process.trim().parse().ok().and_then(|id| memory(id, "VmRSS"));
    let mut remove = containers.command("podman");
    remove.args(["rm", "--force", "--time", "0", &name]);
    output(remove, "")?;
    running.wait().attempting(|| format!("cannot wait for {image}"))?;
    resident.ok_or_else(|| Error::new(format!("{plugin} did not wait for its server")))
}

/// The plugin about to ask a server.
fn waiting(plugin: &str, server: &Wire) -> Result<Command, Error> {
    let site = match plugin {
        "plugin-rpo" => Site::rpo()?,
        "plugin-package" => Site::package()?,
        "plugin-image-bump" => Site::bump()?,
        "plugin-chart-publish" => Site::chart()?,
        _ => return rollout(server),
    };
    if plugin == "plugin-rpo" {
        appserver::install(&site.workspace)?;
    }
    site.command(&server.url(), &[("appserver", "/drone/src"), ("helm", "")])
}

fn rollout(server: &Wire) -> Result<Command, Error> {
    let kubeconfig = format!(
        r#"{{"clusters":[{{"name":"c","cluster":{{"server":"{}"}}}}],"users":[{{"name":"u","user":{{}}}}],"contexts":[{{"name":"c","context":{{"cluster":"c","user":"u"}}}}],"current-context":"c"}}"#,
        server.url()
    );
    let settings = [
        ("profile", "smarterp-release"),
        ("bucket", "file:///drone/src"),
        ("version", "12.1.2410"),
        ("namespaces", "acme"),
        ("kubeconfig", &kubeconfig),
    ];
    plugin::command("plugin-rollout", &folder::temporary("waiting")?, &settings)
}
