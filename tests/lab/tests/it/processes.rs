//! Programs that behave badly, in place of helm and the AppServer: they cannot outlive a plugin, hang it, fill its memory or its log, or show secrets.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use lab::fixtures::{Patch, write_rpo};
use lab::plugin::{self, Ended};
use lab::{figures, folder, process};

const SECRET: &str = "q7Lr2ZpX9mWv4KtB8nYc";

/// A workspace whose helm is a script; `$HERE` in it is the workspace.
struct Site {
    workspace: PathBuf,
    helm: PathBuf,
}

impl Site {
    fn new(script: &str) -> Self {
        let workspace = folder::temporary("processes").unwrap();
        for folder in ["bucket", "chart"] {
            fs::create_dir_all(workspace.join(folder)).unwrap();
        }
        fs::write(workspace.join("chart/Chart.yaml"), "apiVersion: v2\nname: acme\nversion: 1.0.0\n")
            .unwrap();
        let helm = workspace.join("helm");
        write_script(&helm, &workspace, script);
        Self { workspace, helm }
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        vec![
            ("bucket", format!("file://{}", self.workspace.join("bucket").display())),
            ("chart", "chart".to_owned()),
            ("version", "1.0.0".to_owned()),
            ("helm", self.helm.display().to_string()),
            ("log_level", "debug".to_owned()),
        ]
    }

    fn run(&self) -> Ended {
        plugin::run("plugin-chart-publish", &self.workspace, &self.settings()).unwrap()
    }

    /// The processes whose numbers the script has left in files `*.pid`.
    fn processes(&self) -> Vec<String> {
        let files = fs::read_dir(&self.workspace).unwrap().map(|entry| entry.unwrap().path());
        let files = files.filter(|path| path.extension().is_some_and(|extension| extension == "pid"));
        files.map(|path| fs::read_to_string(path).unwrap().trim().to_owned()).collect()
    }
}

fn write_script(path: &Path, here: &Path, text: &str) {
    fs::write(path, format!("#!/bin/sh\nHERE={}\n{text}\n", here.display())).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// A dead process may stay in the table until its new parent looks at it.
fn is_running(process: &str) -> bool {
    let status = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    !status.is_empty() && !status.contains(") Z ")
}

fn wait_until(condition: impl Fn() -> bool) -> Duration {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < Duration::from_secs(30), "it did not come to pass");
        thread::sleep(Duration::from_millis(5));
    }
    begun.elapsed()
}

/// A wrapper around helm, what that starts, and something that has detached itself from all of them and keeps the pipes open.
const FAMILY: &str = "id() { echo $2 > $HERE/$1.new; mv $HERE/$1.new $HERE/$1.pid; }
sh -c 'sleep 301 & echo $! > $0/child.new; mv $0/child.new $0/child.pid; wait' $HERE &
(setsid sh -c 'sleep 302 & echo $! > $0/daemon.new; mv $0/daemon.new $0/daemon.pid' $HERE &)
id wrapper $$";

/// Within a second, which the fastest of three runs must keep: whatever else the machine does makes an end slower, never faster.
/// Each has five seconds, far less than the five minutes after which the processes would end by themselves.
#[test]
fn a_plugin_killed_under_a_shell_takes_all_that_it_started_with_it_at_once() {
    let (times, counts): (Vec<Duration>, Vec<usize>) = (0..3)
        .map(|_| {
            let site = Site::new(&format!("{FAMILY}\nwait\nsleep 303"));
            let variables =
                plugin::command("plugin-chart-publish", &site.workspace, &site.settings()).unwrap();
            let mut shell = process::command("/bin/sh");
            shell.args(["-c", "\"$0\" & echo $! > plugin; wait"]).arg(variables.get_program());
            shell.env_clear().current_dir(&site.workspace).stdout(std::process::Stdio::null());
            shell.env("PATH", "/usr/bin:/bin");
            shell.envs(variables.get_envs().filter_map(|(name, value)| Some((name, value?))));
            let mut shell = shell.spawn().unwrap();
            wait_until(|| site.processes().len() == 3);
            let processes = site.processes();
            assert!(processes.iter().all(|process| is_running(process)));

            let plugin = fs::read_to_string(site.workspace.join("plugin")).unwrap();
            let killed = process::command("/bin/sh").args(["-c", "kill -9 $0", plugin.trim()]).status();
            assert!(killed.unwrap().success());
            let time = wait_until(|| !processes.iter().any(|process| is_running(process)));
            shell.wait().unwrap();
            (time, processes.len())
        })
        .unzip();
    assert!(times.iter().min().unwrap() < &Duration::from_secs(1), "{times:?}");
    assert!(times.iter().all(|time| time < &Duration::from_secs(5)), "{times:?}");
    let count = counts.iter().sum::<usize>() as u64;
    figures::note("processes", "processes that ended with their killed plugin", count).unwrap();
}

#[test]
fn a_plugin_that_is_told_to_stop_takes_all_that_it_started_with_it() {
    let site = Site::new(&format!("{FAMILY}\nwait\nsleep 303"));
    let run = plugin::start("plugin-chart-publish", &site.workspace, &site.settings()).unwrap();
    wait_until(|| site.processes().len() == 3);
    process::terminate(run.id()).unwrap();
    let ended = Ended::of(&run.wait_with_output().unwrap());
    assert_eq!(ended.code, 75, "{}", ended.log);
    let processes = site.processes();
    wait_until(|| !processes.iter().any(|process| is_running(process)));
}

#[test]
fn a_tool_whose_supervisor_was_killed_does_not_go_on_alone() {
    let site = Site::new("echo $$ > $HERE/tool.pid; kill -9 $PPID; sleep 305");
    let ended = site.run();
    assert!(ended.log.contains("ended with signal: 9 (SIGKILL)"), "{}", ended.log);
    let processes = site.processes();
    wait_until(|| !is_running(&processes[0]));
}

#[test]
fn what_a_tool_leaves_behind_ends_with_it_and_is_not_waited_for() {
    let site = Site::new(&format!("{FAMILY}\nwhile ! [ -e $HERE/daemon.pid ]; do sleep 0.05; done; exit 7"));
    let ended = site.run();
    assert!(ended.log.contains("ended with exit status: 7"), "{}", ended.log);
    let processes = site.processes();
    assert_eq!(processes.len(), 3);
    assert!(!processes.iter().any(|process| is_running(process)), "{processes:?}");
}

#[test]
fn how_a_tool_ended_is_told_as_if_nothing_stood_between() {
    for (signal, name) in [(9, "SIGKILL"), (11, "SIGSEGV"), (15, "SIGTERM"), (6, "SIGABRT")] {
        let ended = Site::new(&format!("kill -{signal} $$")).run();
        assert!(ended.log.contains(&format!("ended with signal: {signal} ({name})")), "{}", ended.log);
    }
    // Its own group is its own.
    let ended = Site::new("trap '' TERM; kill -15 0; echo alone >&2; exit 9").run();
    assert!(ended.log.contains("ended with exit status: 9") && ended.log.contains("alone"), "{}", ended.log);
}

#[test]
fn bytes_without_meaning_and_a_last_line_without_end_are_shown() {
    let ended = Site::new("printf 'ok \\377\\376\\n' >&2; printf 'the last words' >&2; exit 5").run();
    assert!(
        ended.log.contains("ok \u{fffd}\u{fffd}") && ended.log.contains("the last words"),
        "{}",
        ended.log
    );
}

#[test]
fn a_tool_that_floods_fills_neither_memory_nor_log() {
    let line = "x".repeat(99);
    let flood =
        |bytes: u64| format!("yes {line} | head -c {bytes} >&2 & yes {line} | head -c {bytes}; wait; exit 4");
    let runs = [("info", 1_u64 << 30), ("debug", 64 << 20)];
    for (level, bytes) in runs {
        let site = Site::new(&flood(bytes));
        let mut settings = site.settings();
        settings.retain(|(name, _)| *name != "log_level");
        settings.push(("log_level", level.to_owned()));
        let mut command = plugin::command("plugin-chart-publish", &site.workspace, &settings).unwrap();
        command.env("PATH", "/usr/bin:/bin");
        let measured = lab::run_measured(command).unwrap();
        let log = &measured.stdout;
        assert!(log.contains("ended with exit status: 4"), "{}", &log[log.len().saturating_sub(2000)..]);
        assert!(measured.peak_rss_bytes < 64 << 20, "{} MiB", measured.peak_rss_bytes >> 20);
        assert!(log.len() < 1 << 20, "{} bytes of log", log.len());
        if level == "debug" {
            let count = bytes / 100 + 1 - 1020;
            assert_eq!(log.matches(&format!("[{count} lines are not shown]")).count(), 2);
        }
    }
    // Each floods both streams.
    let mebibytes = runs.iter().map(|(_, bytes)| (2 * bytes) >> 20).sum();
    figures::note("processes", "MiB of output that filled neither memory nor log", mebibytes).unwrap();
}

#[test]
fn no_cut_of_an_output_shows_half_a_secret() {
    // At the ends of what is shown of a line, of what is read of it, of what is looked at for the last words, and of what is kept.
    let lengths = ["985", "990", "995", "32760", "65525", "65530", "1048560"];
    let kept = ["1", "2", "3", "4", "5", "6", "7", "8", "9"];
    let script = format!(
        "printf '{first}' >&2; sleep 0.3; printf '{second} in two pieces\\n' >&2
for length in {lengths}; do
  head -c $length /dev/zero | tr '\\0' 'x'; printf '{SECRET}'; head -c 700 /dev/zero | tr '\\0' 'y'; echo
done >&2
head -c 1048000 /dev/zero | tr '\\0' '\\n' >&2
for number in {kept}; do head -c 990 /dev/zero | tr '\\0' 'z'; echo '{SECRET}'; done >&2
exit 6",
        first = &SECRET[..9],
        second = &SECRET[9..],
        lengths = lengths.join(" "),
        kept = kept.join(" "),
    );
    let site = Site::new(&script);
    let mut settings = site.settings();
    settings.extend([("access_key", "someone".to_owned()), ("secret_key", SECRET.to_owned())]);
    let ended = plugin::run("plugin-chart-publish", &site.workspace, &settings).unwrap();
    assert!(
        ended.log.contains("ended with exit status: 6") && ended.log.contains("[hidden]"),
        "{}",
        ended.log
    );
    for start in 0..=SECRET.len() - 6 {
        let piece = &SECRET[start..start + 6];
        assert!(!ended.log.contains(piece), "`{piece}` is in the log");
    }
    let places = lengths.len() + kept.len();
    figures::note("processes", "secrets where an output may be cut", places as u64).unwrap();
}

/// plugin-rpo with one patch and an AppServer that does `script` when it should apply it.
fn rpo(script: &str, settings: &[(&'static str, &str)]) -> (Ended, Site) {
    let site = Site::new("");
    let bucket = site.workspace.join("bucket");
    fs::create_dir_all(bucket.join("base")).unwrap();
    fs::create_dir_all(bucket.join("applypatch")).unwrap();
    write_rpo(&bucket.join("base/tttm120.rpo"), 1, 10_000).unwrap();
    Patch::new(1).payload(5000).write(&bucket.join("applypatch/one.ptm")).unwrap();
    let version = "if [ \"$1\" = -version ]; then echo 20.3; exit; fi";
    write_script(&site.workspace.join("appsrvlinux"), &site.workspace, &format!("{version}\n{script}"));
    let mut all = vec![
        ("bucket", format!("file://{}", bucket.display())),
        ("appserver", site.workspace.display().to_string()),
        ("release", "12.1.2410".to_owned()),
        ("rpo_source", "base".to_owned()),
    ];
    all.extend(settings.iter().map(|(name, value)| (*name, (*value).to_owned())));
    (plugin::run("plugin-rpo", &site.workspace, &all).unwrap(), site)
}

#[test]
fn a_tool_that_falls_silent_is_ended_long_before_its_time_limit() {
    let script = "echo Loading functions from server; printf 'half a line'; sleep 304";
    let (ended, _) = rpo(script, &[("idle_timeout", "2s")]);
    assert_eq!(ended.code, 75, "{}", ended.log);
    assert!(!ended.log.contains("half a line"), "what was cut may be half a secret: {}", ended.log);
    for text in
        ["had written nothing for 2s", "Loading functions from server", "  half a\n", "raise `idle_timeout`"]
    {
        assert!(ended.log.contains(text), "`{text}` is not in:\n{}", ended.log);
    }
}

#[test]
fn a_tool_that_chatters_and_will_not_hear_is_ended_at_its_time_limit() {
    let script = "trap '' TERM; echo $$ > $HERE/chatter.pid; while :; do echo still at it; sleep 0.2; done";
    let (ended, site) = rpo(script, &[("idle_timeout", "1h"), ("apply_timeout", "2s")]);
    assert_eq!(ended.code, 75, "{}", ended.log);
    for text in ["was ended after 2s", "still at it", "raise `apply_timeout`"] {
        assert!(ended.log.contains(text), "`{text}` is not in:\n{}", ended.log);
    }
    assert!(!is_running(&site.processes()[0]));
}

#[test]
fn a_tool_that_is_asked_to_end_may_say_so_and_so_may_those_it_started() {
    let script = "sh -c 'trap \"echo child heard >&2; exit\" TERM; while :; do sleep 0.1; done' &
trap 'echo heard >&2; wait; exit' TERM; while :; do sleep 0.1; done";
    let (ended, _) = rpo(script, &[("apply_timeout", "2s")]);
    assert!(ended.log.contains("heard") && ended.log.contains("child heard"), "{}", ended.log);
}
