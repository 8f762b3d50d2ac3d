//! Ends a program by SIGKILL just before the n-th system call that would change something in a folder.
//! It may not know what the program does. Run by tests as the hidden subcommand `lab trace`, in a process of its own, because a tracer waits
//! for whatever its thread started.
//!
//! From ptrace(2) of the Linux manual: a tracee that is killed while it stands before a system call does not make it.

mod calls;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::error::{Attempt as _, Error};
use crate::process::{command, output};
use crate::shim::lab_program;

/// What became of a traced program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traced {
    /// The changes that it made, or was about to make when it was cut, in order: the system call and what it was made on.
    pub changes: Vec<String>,
    /// Whether it was cut.
    pub is_cut: bool,
}

/// Runs a program to its end, or to just before its `cut`-th change in `folder` (0: none).
pub fn trace(folder: &Path, cut: usize, program: &Command) -> Result<Traced, Error> {
    let mut tracer = command(lab_program()?);
    tracer.arg("trace").arg(folder).arg(cut.to_string()).arg(program.get_program()).args(program.get_args());
    tracer.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let said = output(tracer, "")?;
    let mut changes: Vec<String> = said.lines().map(str::to_owned).collect();
    let end = changes.pop().unwrap_or_default();
    Ok(Traced { changes, is_cut: end == "cut" })
}

/// The program that is to be traced: it says so and becomes it.
pub fn begin(program: &OsString, arguments: &[OsString]) -> Result<(), Error> {
    let forbidden = || {
        "cannot be traced: the kernel or the container forbids ptrace (see /proc/sys/kernel/yama/ptrace_scope, and \
         `--cap-add SYS_PTRACE`)"
            .to_owned()
    };
    ptrace::traceme().attempting(forbidden)?;
    let failure = command(program).args(arguments).exec();
    Err(failure).attempting(|| "cannot run the traced program".to_owned())
}

/// The tracer: says the changes, a line each, and at the end `cut` or `ended`.
pub fn run(
    folder: &OsString,
    cut: &OsString,
    program: &OsString,
    arguments: &[OsString],
) -> Result<(), Error> {
    let cut = cut.to_str().and_then(|cut| cut.parse().ok()).unwrap_or_default();
    let mut traced = command(lab_program()?);
    traced.arg("traced").arg(program).args(arguments).stdin(Stdio::null()).stdout(Stdio::null());
    // By this thread itself: the kernel makes the thread that forks the tracer.
    let child = traced.spawn().attempting(|| "cannot start what is to be traced".to_owned())?;
    let root = Pid::from_raw(i32::try_from(child.id()).attempting(|| "no process id".to_owned())?);
    let mut tracer =
        Tracer { folder: PathBuf::from(folder), cut, root, inside: BTreeSet::new(), changes: Vec::new() };
    let end = tracer.follow()?;
    let mut text = tracer.changes.join("\n");
    text = format!("{text}\n{end}\n");
    std::io::stdout()
        .write_all(text.trim_start().as_bytes())
        .attempting(|| "cannot say what was seen".to_owned())
}

struct Tracer {
    folder: PathBuf,
    cut: usize,
    root: Pid,
    /// The threads that are inside of a system call.
    inside: BTreeSet<Pid>,
    changes: Vec<String>,
}

impl Tracer {
    fn follow(&mut self) -> Result<&'static str, Error> {
        let attempt = || "cannot trace".to_owned();
        match waitpid(self.root, Some(WaitPidFlag::__WALL)).attempting(attempt)? {
            WaitStatus::Stopped(_, Signal::SIGTRAP) => {}
            other => {
                return Err(Error::new(format!(
                    "cannot trace: it began with {other:?}; is ptrace permitted here?"
                )));
            }
        }
        let options = Options::PTRACE_O_TRACESYSGOOD
            | Options::PTRACE_O_TRACECLONE
            | Options::PTRACE_O_TRACEFORK
            | Options::PTRACE_O_TRACEVFORK
            | Options::PTRACE_O_TRACEEXEC
            | Options::PTRACE_O_EXITKILL;
        ptrace::setoptions(self.root, options).attempting(attempt)?;
        ptrace::syscall(self.root, None).attempting(attempt)?;
        loop {
            match waitpid(None, Some(WaitPidFlag::__WALL)).attempting(attempt)? {
                WaitStatus::Exited(process, code) if process == self.root => {
                    return if code == 0 {
                        Ok("ended")
                    } else {
                        Err(Error::new(format!("it failed: exit code {code}")))
                    };
                }
                WaitStatus::Signaled(process, Signal::SIGKILL, _)
                    if process == self.root && self.is_over() =>
                {
                    return Ok("cut");
                }
                WaitStatus::Signaled(process, signal, _) if process == self.root => {
                    return Err(Error::new(format!("it was ended by {signal}")));
                }
                WaitStatus::PtraceSyscall(thread) => self.at_call(thread)?,
                WaitStatus::PtraceEvent(thread, ..)
                | WaitStatus::Stopped(thread, Signal::SIGSTOP | Signal::SIGTRAP) => go_on(thread, None),
                WaitStatus::Stopped(thread, signal) => go_on(thread, Some(signal)),
                _ => {}
            }
        }
    }

    /// Whether the last change counted is the one that must not be made.
    fn is_over(&self) -> bool {
        self.cut > 0 && self.changes.len() >= self.cut
    }

    fn at_call(&mut self, thread: Pid) -> Result<(), Error> {
        let is_entry = !self.inside.remove(&thread);
        if is_entry {
            self.inside.insert(thread);
            // Once it is over, other threads may still be reported on their way to the end.
            if !self.is_over()
                && let Some(change) = calls::change(thread, &self.folder)
            {
                self.changes.push(change);
                if self.is_over() {
                    return kill(self.root, Signal::SIGKILL).attempting(|| "cannot cut it".to_owned());
                }
            }
        }
        go_on(thread, None);
        Ok(())
    }
}

/// A thread that is being killed cannot be told to go on, and need not be.
fn go_on(thread: Pid, signal: Option<Signal>) {
    let _ = ptrace::syscall(thread, signal);
}
