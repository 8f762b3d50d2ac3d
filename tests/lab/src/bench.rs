//! Figures of the plugins: how soon they say their first line, and how much memory large files take.
//! It may not judge them; tests hold memory to its limit, and nothing is held to a time.
//! Called by `make bench`, `make bench-images` and by the tests of the limits.

pub mod images;

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

use crate::error::{Attempt as _, Error};
use crate::fixtures::{Patch, write_rpo};
use crate::measure::{Measured, run_measured};
use crate::s3::S3;
use crate::standin::appserver;
use crate::{folder, plugin};

const RUNS: usize = 21;

/// Times from a plugin's start to its first line, without any settings; the shortest first.
fn start_up(name: &str, runs: usize) -> Result<Vec<Duration>, Error> {
    let workspace = folder::temporary("start-up")?;
    let mut times = Vec::new();
    for _ in 0..runs {
        let measured = run_measured(plugin::command::<&str>(name, &workspace, &[])?)?;
        times.push(measured.first_output.ok_or_else(|| Error::new(format!("{name} said nothing")))?);
    }
    times.sort();
    Ok(times)
}

/// plugin-package packs one component of this size, which cannot be compressed, and uploads it.
pub async fn package(s3: &S3, size: u64) -> Result<Measured, Error> {
    let workspace = folder::temporary("package")?;
    let component = workspace.join("components/large");
    let attempt = || "cannot make a large component".to_owned();
    fs::create_dir_all(&component).attempting(attempt)?;
    fs::write(component.join("VERSION"), "1\n").attempting(attempt)?;
    random_file(&component.join("data"), size).attempting(attempt)?;
    let settings =
        [bucket(s3, &s3.create_bucket().await?), vec![("source", "components".to_owned())]].concat();
    let measured = measured("plugin-package", &workspace, settings).await;
    fs::remove_dir_all(&workspace).attempting(attempt)?;
    measured
}

/// plugin-rpo takes a base RPO of this size from a bucket, applies a patch and publishes the result there.
pub async fn rpo(s3: &S3, size: u64) -> Result<Measured, Error> {
    let workspace = folder::temporary("rpo")?;
    let server = workspace.join("appserver");
    appserver::install(&server)?;
    let attempt = || "cannot make a large RPO".to_owned();
    let (base, patch) = (workspace.join("tttm120.rpo"), workspace.join("one.ptm"));
    write_rpo(&base, 1, size).attempting(attempt)?;
    Patch::new(2).payload(1 << 20).write(&patch).attempting(attempt)?;
    let name = s3.create_bucket().await?;
    s3.upload(&name, "base/tttm120.rpo", &base).await?;
    s3.upload(&name, "applypatch/one.ptm", &patch).await?;
    fs::remove_file(&base).attempting(attempt)?;
    let own = [
        ("release", "12.1.2410".to_owned()),
        ("rpo_source", "base".to_owned()),
        ("appserver", server.display().to_string()),
    ];
    let measured = measured("plugin-rpo", &workspace, [bucket(s3, &name), own.to_vec()].concat()).await;
    fs::remove_dir_all(&workspace).attempting(attempt)?;
    measured
}

/// Measures everything and writes it into the page.
pub async fn write(page: &Path) -> Result<(), Error> {
    let s3 = crate::s3::s3();
    let mut text = format!(
        "Written by `make bench` (release build, {} cores, MinIO on the same machine). The machines are noisy: compare\n\
         within one run.\n\n## Start to first line\n\n{RUNS} runs without settings; the limit is 50 ms.\n\n| plugin | median | fastest |\n|---|---|---|\n",
        cores()?
    );
    let mut line = |line: String| {
        crate::say(&line);
        // Writing into a String cannot fail.
        let _ = writeln!(text, "{line}");
    };
    for name in plugin::all()? {
        let times = start_up(&name, RUNS)?;
        let milliseconds = |index: usize| times[index].as_secs_f64() * 1000.0;
        line(format!("| {name} | {:.1} ms | {:.1} ms |", milliseconds(RUNS / 2), milliseconds(0)));
    }
    line("\n## Memory\n\nPeak of resident memory; the limit is 128 MiB.\n\n| what | memory | time |\n|---|---|---|".to_owned());
    let packed = package(s3, 1 << 30).await?;
    line(row("plugin-package packs 1 GiB that cannot be compressed and uploads it", &packed)?);
    let published = rpo(s3, 600 << 20).await?;
    line(row("plugin-rpo takes a base of 600 MiB, applies a patch and publishes the result", &published)?);
    write_section(page, "plugins", &text)
}

/// Puts a section between its marks; the others stay as they are, because another command measured them.
fn write_section(page: &Path, name: &str, text: &str) -> Result<(), Error> {
    let attempt = || format!("cannot write the section `{name}` of `{}`", page.display());
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->"));
    let whole = fs::read_to_string(page).attempting(attempt)?;
    let (before, rest) = whole.split_once(&begin).ok_or_else(|| Error::new(attempt()))?;
    let (_, after) = rest.split_once(&end).ok_or_else(|| Error::new(attempt()))?;
    fs::write(page, format!("{before}{begin}\n{text}\n{end}{after}")).attempting(attempt)
}

fn cores() -> Result<usize, Error> {
    let cores = std::thread::available_parallelism().attempting(|| "cannot count the cores".to_owned())?;
    Ok(cores.get())
}

fn row(what: &str, measured: &Measured) -> Result<String, Error> {
    if !measured.status.success() {
        return Err(Error::new(format!("{what}: {}{}", measured.stdout, measured.stderr)));
    }
    let memory = measured.peak_rss_bytes / (1 << 20);
    Ok(format!("| {what} | {memory} MiB | {:.1} s |", measured.wall.as_secs_f64()))
}

async fn measured(
    name: &str,
    workspace: &Path,
    settings: Vec<(&'static str, String)>,
) -> Result<Measured, Error> {
    let command = plugin::command(name, workspace, &settings)?;
    let run = tokio::task::spawn_blocking(move || run_measured(command));
    run.await.attempting(|| format!("cannot measure {name}"))?
}

fn bucket(s3: &S3, name: &str) -> Vec<(&'static str, String)> {
    vec![
        ("bucket", format!("s3://{name}")),
        ("endpoint", s3.endpoint().to_owned()),
        ("access_key", s3.access_key().to_owned()),
        ("secret_key", s3.secret_key().to_owned()),
    ]
}

fn random_file(path: &Path, size: u64) -> io::Result<()> {
    let mut random = File::open("/dev/urandom")?.take(size);
    io::copy(&mut random, &mut File::create(path)?).map(drop)
}
