//! A plugin as the first process of a container: it hears SIGTERM, which the kernel keeps from a first process that does not ask for it, and it
//! leaves no dead processes behind.

use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use lab::fixtures::Site;
use lab::plugin::{self, Ended};
use lab::process::{output, spawn};
use lab::wire::{Answer, Wire};
use lab::{Containers, containers, figures, folder};

use super::runs::{in_container, shared_folder};

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < end, "{what}: it did not come to pass");
        thread::sleep(Duration::from_millis(10));
    }
}

/// After the time that `podman stop` gives, it would be SIGKILL and 137.
#[test]
fn a_plugin_that_is_stopped_ends_in_time_with_75() {
    let Some(containers) = containers() else { return };
    let server = Wire::start(|_| Answer::Silence(Duration::from_secs(50))).unwrap();
    let site = Site::package().unwrap();
    let name = folder::unique_name(&format!("stop-{}", std::process::id()));
    let run = site.command(&server.url(), &[]).unwrap();
    let mut run = in_container(containers, site.plugin, &run, &["--name", &name]);
    run.stdout(Stdio::piped()).stderr(Stdio::piped());
    let run = spawn(run).unwrap();
    wait_until("a request", || !server.heard().is_empty());
    let mut stop = containers.command("podman");
    stop.args(["stop", "--time", "30", &name]);
    output(stop, "").unwrap();
    let ended = Ended::of(&run.wait_with_output().unwrap());
    assert_eq!(ended.code, 75, "{}", ended.log);
    assert!(ended.log.contains("told to stop"), "{}", ended.log);
    figures::note("images", "SIGTERM to a container: told by the exit code", 1).unwrap();
}

/// Dead processes of the container that nobody has looked at.
fn zombies(containers: &Containers, name: &str) -> Vec<String> {
    let mut top = containers.command("podman");
    top.args(["top", name, "state", "pid", "comm"]);
    let table = output(top, "").unwrap();
    table.lines().filter(|line| line.starts_with('Z')).map(str::to_owned).collect()
}

/// The machine's own shell stands in for a tool that leaves children behind: a scratch image has none.
#[test]
fn what_a_tool_leaves_behind_is_reaped_while_the_plugin_is_the_first_process() {
    let Some(containers) = containers() else { return };
    let workspace = shared_folder("zombies");
    for folder in ["bucket", "chart"] {
        std::fs::create_dir(workspace.join(folder)).unwrap();
    }
    std::fs::write(workspace.join("chart/Chart.yaml"), "apiVersion: v2\nname: acme\nversion: 1.0.0\n")
        .unwrap();
    let helm = "#!/usr/bin/sh\n(/usr/bin/setsid /usr/bin/sh -c '/usr/bin/sleep 0.1 & echo > orphaned' &)\n\
                while [ ! -e seen ]; do /usr/bin/sleep 0.1; done\nexit 1\n";
    write_program(&workspace.join("helm"), helm);
    let settings = [
        ("bucket", "file:///drone/src/bucket"),
        ("chart", "chart"),
        ("version", "1.0.0"),
        ("helm", "/drone/src/helm"),
    ];
    let name = folder::unique_name(&format!("zombies-{}", std::process::id()));
    let run = plugin::command("plugin-chart-publish", &workspace, &settings).unwrap();
    let shell = ["--volume", "/usr:/usr:ro", "--volume", "/lib64:/lib64:ro", "--volume", "/lib:/lib:ro"];
    let options = [&["--name", &name], &shell[..]].concat();
    let mut run = in_container(containers, "plugin-chart-publish", &run, &options);
    run.stdout(Stdio::piped()).stderr(Stdio::piped());
    let run = spawn(run).unwrap();
    let orphaned = workspace.join("orphaned");
    wait_until("an orphan", || orphaned.exists());
    thread::sleep(Duration::from_millis(300));
    wait_until("its end", || zombies(containers, &name).is_empty());
    std::fs::write(workspace.join("seen"), "").unwrap();
    let ended = Ended::of(&run.wait_with_output().unwrap());
    assert_eq!(ended.code, 1, "the tool failed in the end: {}", ended.log);
}

fn write_program(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}
