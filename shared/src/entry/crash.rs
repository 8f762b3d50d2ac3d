//! A panic is a mistake of ours, and its message may hold anything: it is told as one redacted line of the log, with its place, and the run ends
//! like any that failed, with its report.

use std::any::Any;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook};

use crate::failure::{Failure, Fault};
use crate::report::Report;

#[derive(Debug, thiserror::Error)]
#[error("the plugin itself broke; what was being done may be half done")]
struct Crashed;

impl Fault for Crashed {
    fn hints(&self) -> Vec<String> {
        vec!["this is a mistake in Esteira: please report the warning that tells its place. A rerun finds what was done and goes on".to_owned()]
    }
}

/// From now on a panic of any thread is a line of the log.
pub(super) fn tell_in_the_log() {
    set_hook(Box::new(|crash| tracing::warn!("{}", in_words(crash))));
}

/// What the work gives; a failure when it panics.
pub(super) fn guarded(work: impl FnOnce() -> Result<Report, Failure>) -> Result<Report, Failure> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(Crashed.into()))
}

fn in_words(crash: &PanicHookInfo<'_>) -> String {
    let place = crash.location().map(|place| format!(" at {}:{}", place.file(), place.line()));
    format!("internal error{}: {}", place.unwrap_or_default(), message(crash.payload()))
}

fn message(payload: &(dyn Any + Send)) -> &str {
    let owned = payload.downcast_ref::<String>().map(String::as_str);
    owned.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("without a message")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Exit;

    #[test]
    fn a_panic_is_a_failed_run_and_never_an_exit_code_of_its_own() {
        let failure = guarded(|| panic!("{} went wrong", "it")).unwrap_err();
        assert_eq!(failure.exit, Exit::Failed);
        assert!(failure.hints[0].contains("report"), "{:?}", failure.hints);
    }

    #[test]
    fn both_kinds_of_message_are_told() {
        assert_eq!(message(&"plain"), "plain");
        assert_eq!(message(&"made".to_owned()), "made");
        assert_eq!(message(&7), "without a message");
    }
}
