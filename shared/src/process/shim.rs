//! The tiny program between us and a tool: this binary again, which binds its life to ours and becomes the tool. Drone and Jenkins end a
//! plugin with SIGKILL, which nobody can hear; a helm that goes on by itself would change what nobody watches any more.
//!
//! The kernel sends the signal when the *thread* that started the tool ends: the threads of tokio that run async code last as long as
//! the run does; those for blocking work do not, so no program is started there. What the tool itself starts is not ended by this signal.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::{Pid, Signal, getpid, getppid, set_parent_process_death_signal};

use super::Output;

/// The hidden first argument that makes this binary the shim: `--run-as-child-of <our pid> <program> <arguments…>`.
const ARGUMENT: &str = "--run-as-child-of";
/// As shells say that a program cannot be run; counts only together with [`NOT_STARTED`].
const EXIT_CODE: u8 = 126;
/// What the shim writes, followed by the error's number, when it cannot become the tool.
const NOT_STARTED: &str = "esteira: the program was not started, error number ";

/// Whether this binary hears [`ARGUMENT`]: only those that begin with `entry::main` do, tests do not.
static IS_ARMED: AtomicBool = AtomicBool::new(false);

/// From now on programs are started by way of the shim.
pub(crate) fn arm() {
    IS_ARMED.store(true, Ordering::Relaxed);
}

/// What to start instead of `program`, and the arguments to put before its own.
pub(super) fn around(program: &Path) -> (PathBuf, Vec<OsString>) {
    if !IS_ARMED.load(Ordering::Relaxed) {
        return (program.to_owned(), Vec::new());
    }
    let owner = getpid().as_raw_pid().to_string();
    // Works even if the file was replaced since we began.
    (PathBuf::from("/proc/self/exe"), vec![ARGUMENT.into(), owner.into(), program.into()])
}

/// Why the shim could not become the tool, if that is what `output` says.
pub(super) fn reason_not_started(output: &Output) -> Option<io::Error> {
    if output.status.code() != Some(i32::from(EXIT_CODE)) {
        return None;
    }
    let number = output.stderr.trim().strip_prefix(NOT_STARTED)?.parse().ok()?;
    Some(io::Error::from_raw_os_error(number))
}

/// Becomes the tool, if this process was started as the shim; gives an exit code only when it was and that failed.
pub(crate) fn become_tool(mut arguments: impl Iterator<Item = OsString>) -> Option<ExitCode> {
    if arguments.next()? != ARGUMENT {
        return None;
    }
    let (owner, program) = (arguments.next()?, arguments.next()?);
    let failure = match bind_to(&owner.to_string_lossy()) {
        Ok(()) => exec(&program, arguments),
        Err(failure) => failure,
    };
    let number = failure.raw_os_error().unwrap_or(rustix::io::Errno::INVAL.raw_os_error());
    // Nobody listens if this fails.
    let _ = writeln!(io::stderr(), "{NOT_STARTED}{number}");
    Some(ExitCode::from(EXIT_CODE))
}

fn bind_to(owner: &str) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // The signal is only sent from now on: an owner that ended before this line is noticed here.
    if getppid().map(Pid::as_raw_pid).map(|pid| pid.to_string()).as_deref() == Some(owner) {
        Ok(())
    } else {
        Err(rustix::io::Errno::SRCH.into())
    }
}

#[expect(clippy::disallowed_methods, reason = "starts no process, but becomes one")]
fn exec(program: &OsString, arguments: impl Iterator<Item = OsString>) -> io::Error {
    std::process::Command::new(program).args(arguments).exec()
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::ExitStatus;
    use std::time::Duration;

    use super::*;

    fn output(code: i32, stderr: &str) -> Output {
        Output {
            command: String::new(),
            status: ExitStatus::from_raw(code << 8),
            stdout: String::new(),
            stderr: stderr.to_owned(),
            elapsed: Duration::ZERO,
        }
    }

    #[test]
    fn only_its_own_words_mean_that_the_tool_was_not_started() {
        let reason = reason_not_started(&output(126, &format!("{NOT_STARTED}2\n"))).unwrap();
        assert_eq!(reason.kind(), io::ErrorKind::NotFound);
        assert!(reason_not_started(&output(126, "sh: permission denied")).is_none());
        assert!(reason_not_started(&output(1, &format!("{NOT_STARTED}2\n"))).is_none());
    }

    #[test]
    fn other_arguments_are_none_of_its_business() {
        assert!(become_tool(["--help".into()].into_iter()).is_none());
        assert!(become_tool(std::iter::empty()).is_none());
    }

    #[test]
    fn a_test_is_no_shim() {
        assert_eq!(around(Path::new("helm")), (PathBuf::from("helm"), Vec::new()));
    }
}
