//! What stands between a plugin and its tool while the tool runs. It holds one end of a pipe, its standard input: a byte asks the tool and all that
//! it started to end, and the pipe's end, which comes when the plugin ends in whatever way, makes them. As the tool's "subreaper" it inherits what
//! a tool detaches from itself, so that nothing can get away: when the tool has ended, what it left behind is ended too.

use std::io::{self, Read as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{
    Pid, Resource, Rlimit, Signal, WaitOptions, WaitStatus, getpid, kill_process, set_child_subreaper,
    setrlimit, wait,
};

use super::family;

/// What the tool has left behind gets this long to end by itself: the last filter of a pipe, for example.
const PATIENCE: Duration = Duration::from_secs(1);
/// No longer than this is tried to end what will not end; something in the middle of a system call may hang for ever.
const LONGEST_END: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(10);

/// Runs the tool to its end and ends as it did.
///
/// # Errors
/// When the tool cannot be started.
pub(super) fn run(tool: &mut Command) -> io::Result<ExitCode> {
    set_child_subreaper(Some(getpid()))?;
    // A group of its own: a script that signals its whole group means itself, not us.
    let tool = tool.stdin(Stdio::null()).process_group(0).spawn()?;
    thread::Builder::new().spawn(obey)?;
    let status = reap_until(Pid::from_child(&tool))?;
    end_the_rest();
    Ok(end_as(status))
}

/// Does what the plugin at the other end of standard input wants, until there is none.
fn obey() {
    let mut order = [0];
    loop {
        match io::stdin().read(&mut order) {
            Ok(1..) => family::send(Signal::TERM),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => break,
        }
    }
    let begun = Instant::now();
    // Again and again: what is being forked at this moment is in no list.
    while begun.elapsed() < LONGEST_END {
        family::send(Signal::KILL);
        thread::sleep(PAUSE);
    }
}

fn reap_until(tool: Pid) -> io::Result<WaitStatus> {
    loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid == tool => return Ok(status),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn end_the_rest() {
    let begun = Instant::now();
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some(_)) => continue,
            Ok(None) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return,
        }
        let waited = begun.elapsed();
        if waited >= PATIENCE + LONGEST_END {
            return;
        }
        if waited >= PATIENCE {
            family::send(Signal::KILL);
        }
        thread::sleep(PAUSE);
    }
}

/// By the same signal as the tool, where that can be: the plugin is told of the tool as if nothing stood between them.
fn end_as(status: WaitStatus) -> ExitCode {
    if let Some(code) = status.exit_status() {
        return ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX));
    }
    let number = status.terminating_signal().unwrap_or_default();
    if let Some(signal) = Signal::from_named_raw(number) {
        // The tool's own dump of its memory is enough.
        let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
        // Twice: some signals have a handler that steps aside at the first one.
        let _ = kill_process(getpid(), signal);
        let _ = kill_process(getpid(), signal);
    }
    ExitCode::from(u8::try_from(128 + number).unwrap_or(u8::MAX))
}
