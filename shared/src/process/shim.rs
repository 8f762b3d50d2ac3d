//! The two tiny programs between us and a tool: this binary again, first as its supervisor (`supervisor`), then as what becomes the tool. Drone and
//! Jenkins end a plugin with SIGKILL, which nobody can hear; a helm that goes on by itself would change what nobody watches any more.
//!
//! Becoming the tool binds its life to the supervisor's, so that the tool does not outlive a supervisor that was killed either.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::{Signal, getpid, getppid, set_parent_process_death_signal};

use super::{Output, supervisor};

/// The hidden first argument that makes this binary a supervisor: `--supervise <program> <arguments…>`.
const SUPERVISE: &str = "--supervise";
/// The one that makes it the tool: `--run-as-child-of <the supervisor's pid> <program> <arguments…>`.
const BECOME: &str = "--run-as-child-of";
/// Ourselves, even if the file was replaced since we began.
const THIS: &str = "/proc/self/exe";
/// As shells say that a program cannot be run; counts only together with [`NOT_STARTED`].
const EXIT_CODE: u8 = 126;
/// What is written, followed by the error's number, when there can be no tool.
const NOT_STARTED: &str = "esteira: the program was not started, error number ";

/// Whether this binary hears [`SUPERVISE`]: only those that begin with `entry::main` do, tests do not.
static IS_ARMED: AtomicBool = AtomicBool::new(false);

/// From now on programs are started under a supervisor.
pub(crate) fn arm() {
    IS_ARMED.store(true, Ordering::Relaxed);
}

/// What to start instead of `program`, with the arguments to put before its own; none where there is no supervisor.
pub(super) fn around(program: &Path) -> Option<(&'static str, [OsString; 2])> {
    IS_ARMED.load(Ordering::Relaxed).then(|| (THIS, [SUPERVISE.into(), program.into()]))
}

/// Why there was no tool, if that is what `output` says.
pub(super) fn reason_not_started(output: &Output) -> Option<io::Error> {
    if output.status.code() != Some(i32::from(EXIT_CODE)) {
        return None;
    }
    let number = output.stderr.trim().strip_prefix(NOT_STARTED)?.parse().ok()?;
    Some(io::Error::from_raw_os_error(number))
}

/// Plays its part, if this process was started as supervisor or tool; gives the exit code then. Becoming the tool does not return.
pub(crate) fn play(mut arguments: impl Iterator<Item = OsString>) -> Option<ExitCode> {
    let part = arguments.next()?;
    let result = if part == SUPERVISE {
        supervisor::run(command(THIS).arg(BECOME).arg(getpid().to_string()).args(arguments))
    } else if part == BECOME {
        let (owner, program) = (arguments.next()?, arguments.next()?);
        Err(bind_to(&owner.to_string_lossy())
            .err()
            .unwrap_or_else(|| command(&program).args(arguments).exec()))
    } else {
        return None;
    };
    Some(result.unwrap_or_else(|failure| {
        let number = failure.raw_os_error().unwrap_or(rustix::io::Errno::INVAL.raw_os_error());
        // Nobody listens if this fails.
        let _ = writeln!(io::stderr(), "{NOT_STARTED}{number}");
        ExitCode::from(EXIT_CODE)
    }))
}

fn bind_to(owner: &str) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // The signal is only sent from now on: an owner that ended before this line is noticed here.
    if getppid().map(|pid| pid.to_string()).as_deref() == Some(owner) {
        Ok(())
    } else {
        Err(rustix::io::Errno::SRCH.into())
    }
}

#[expect(clippy::disallowed_methods, reason = "what stands between a plugin and its tool")]
fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    Command::new(program)
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
            tail: stderr.to_owned(),
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
        assert!(play(["--help".into()].into_iter()).is_none());
        assert!(play(std::iter::empty()).is_none());
    }

    #[test]
    fn a_test_has_no_supervisor() {
        assert!(around(Path::new("helm")).is_none());
    }
}
