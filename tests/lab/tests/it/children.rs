//! What a plugin starts does not outlive it, and is told of as if nothing stood between them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use lab::{folder, plugin};

fn settings(workspace: &Path, helm: &Path) -> Vec<(&'static str, String)> {
    let chart = workspace.join("chart");
    fs::create_dir_all(&chart).unwrap();
    fs::write(chart.join("Chart.yaml"), "apiVersion: v2\nname: acme\nversion: 1.0.0\n").unwrap();
    vec![
        ("bucket", format!("file://{}", workspace.join("bucket").display())),
        ("chart", "chart".to_owned()),
        ("version", "1.0.0".to_owned()),
        ("helm", helm.display().to_string()),
    ]
}

fn script(path: &Path, text: &str) {
    fs::write(path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// A dead process may stay in the table until its new parent looks at it.
fn is_running(process: &str) -> bool {
    let status = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    !status.is_empty() && !status.contains(") Z ")
}

fn wait_until(condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < Duration::from_secs(20), "it did not come to pass");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_killed_plugin_takes_its_helm_with_it() {
    let workspace = folder::temporary("children").unwrap();
    fs::create_dir_all(workspace.join("bucket")).unwrap();
    let (helm, id) = (workspace.join("helm"), workspace.join("id"));
    script(&helm, &format!("echo $$ > {0}.new; mv {0}.new {0}; exec sleep 300", id.display()));
    let mut run = plugin::start("plugin-chart-publish", &workspace, &settings(&workspace, &helm)).unwrap();
    wait_until(|| id.is_file());
    let process = fs::read_to_string(&id).unwrap().trim().to_owned();
    assert!(is_running(&process));

    // SIGKILL, as Drone cancels: the plugin has no chance to end anything.
    run.kill().unwrap();
    run.wait().unwrap();
    wait_until(|| !is_running(&process));
}

#[test]
fn a_helm_that_cannot_be_started_is_named_with_its_path_and_the_reason() {
    let workspace = folder::temporary("children").unwrap();
    fs::create_dir_all(workspace.join("bucket")).unwrap();
    let ended =
        plugin::run("plugin-chart-publish", &workspace, &settings(&workspace, Path::new("/nowhere/helm")))
            .unwrap();
    assert_eq!(ended.code, 1, "{}", ended.log);
    for text in
        ["cannot start `/nowhere/helm package", "because: No such file or directory", "hint: put helm"]
    {
        assert!(ended.log.contains(text), "`{text}` is not in:\n{}", ended.log);
    }
}

#[test]
fn a_child_sees_nothing_of_what_stands_between() {
    let workspace = folder::temporary("children").unwrap();
    fs::create_dir_all(workspace.join("bucket")).unwrap();
    let (helm, seen) = (workspace.join("helm"), workspace.join("seen"));
    script(&helm, &format!("(echo \"$0 $1\"; env) > {}; exit 7", seen.display()));
    let ended = plugin::run("plugin-chart-publish", &workspace, &settings(&workspace, &helm)).unwrap();
    assert!(ended.log.contains("ended with exit status: 7"), "{}", ended.log);
    let seen = fs::read_to_string(&seen).unwrap();
    assert!(seen.starts_with(&format!("{} package\n", helm.display())), "{seen}");
    assert!(!seen.contains("PLUGIN_") && !seen.contains("run-as-child-of"), "{seen}");
}
