//! Nothing of the lab outlives the process that started it.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use lab::process::command;

/// A process of its own with a tool, both findable by what it says and where it works.
fn owner(folder: &Path) -> (Child, u32) {
    fs::create_dir_all(folder).unwrap();
    let mut hold = command(env!("CARGO_BIN_EXE_lab"));
    // Without a cache of its own: `HOME` and the rest are inherited.
    hold.arg("hold").env("TMPDIR", folder).env_remove("ESTEIRA_LAB_KEEP");
    let mut owner = hold.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(owner.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let tool = line.trim().parse().unwrap_or_else(|_| panic!("no tool was started: `{line}`"));
    (owner, tool)
}

/// A dead process may stay in the table until its new parent looks at it.
fn is_running(process: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    !status.is_empty() && !status.contains(") Z ")
}

fn becomes_true(within: Duration, condition: impl Fn() -> bool) -> bool {
    let end = Instant::now() + within;
    while Instant::now() < end {
        if condition() {
            return true;
        }
        thread::sleep(Duration::from_millis(20));
    }
    condition()
}

#[test]
fn a_tool_and_its_files_are_gone_soon_after_its_owner_is_killed() {
    let folder = lab::folder::temporary("owner").unwrap();
    let (mut owner, tool) = owner(&folder);
    assert!(is_running(tool));
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);

    // SIGKILL: the owner has no chance to clean up.
    owner.kill().unwrap();
    owner.wait().unwrap();
    assert!(becomes_true(Duration::from_secs(2), || !is_running(tool)), "{tool} still runs");
    let is_empty = || fs::read_dir(&folder).unwrap().count() == 0;
    assert!(becomes_true(Duration::from_secs(10), is_empty), "files are left in {}", folder.display());
}

#[test]
fn a_tool_outlives_the_thread_that_asked_for_it() {
    let log = lab::folder::temporary("thread").unwrap().join("sleep.log");
    let mut sleep = command("sleep");
    sleep.arg("60");
    let process = thread::spawn(move || lab::process::Process::start(&sleep, &log)).join().unwrap().unwrap();
    thread::sleep(Duration::from_millis(300));
    process.must_run().unwrap();
    let id = process.id();
    drop(process);
    assert!(!is_running(id));
}
