//! A panic is a mistake of ours, and its message may hold anything: it is told only through the log and the report, which are redacted, with its
//! place, and the run ends like any that failed.

use std::any::Any;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook};
use std::sync::{Mutex, PoisonError};

use crate::failure::{Failure, Fault};
use crate::report::{Ending, Report};

/// Of the last panic of any thread: the main one's may be that of a task which it waited for.
static PLACE: Mutex<Option<String>> = Mutex::new(None);

/// Where it broke, and how.
#[derive(Debug, thiserror::Error)]
#[error("internal error{place}: {message}")]
pub(super) struct Crash {
    /// Safe to show anywhere.
    pub(super) place: String,
    message: String,
}

#[derive(Debug, thiserror::Error)]
#[error("the plugin itself broke; what was being done may be half done")]
struct Crashed(#[source] Crash);

impl Fault for Crashed {
    fn hints(&self) -> Vec<String> {
        vec!["this is a mistake in Esteira: please report the place that is told here. A rerun finds what was done and goes on".to_owned()]
    }
}

/// From now on the place of a panic is known. That of the main thread is told by whoever catches it, that of another is a line of the log.
pub(super) fn watch() {
    set_hook(Box::new(|panic| {
        let crash = Crash { place: place(panic), message: message(panic.payload()).to_owned() };
        if std::thread::current().name() != Some("main") {
            tracing::warn!("{crash}");
        }
        *PLACE.lock().unwrap_or_else(PoisonError::into_inner) = Some(crash.place);
    }));
}

/// What the work gives, or where it broke.
pub(super) fn caught<T>(work: impl FnOnce() -> T) -> Result<T, Crash> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|payload| Crash {
        place: PLACE.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default(),
        message: message(&*payload).to_owned(),
    })
}

/// What the run gives; a failure when it panics.
pub(super) fn guarded(run: impl FnOnce() -> Result<Report, Failure>) -> Result<Report, Failure> {
    caught(run).unwrap_or_else(|crash| {
        let unknown = "it is not known what was changed: the plugin broke in the middle of its work";
        Err(Failure::from(Crashed(crash)).after(Report::new(Ending::Failed, unknown)))
    })
}

fn place(panic: &PanicHookInfo<'_>) -> String {
    panic.location().map(|place| format!(" at {}:{}", place.file(), place.line())).unwrap_or_default()
}

fn message(payload: &(dyn Any + Send)) -> &str {
    let owned = payload.downcast_ref::<String>().map(String::as_str);
    owned.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("without a message")
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::failure::Exit;
    use crate::plugin::Plugin;
    use crate::report::Record;
    use crate::settings::Env;

    #[test]
    fn a_panic_is_a_failed_run_whose_error_tells_its_place_and_that_changes_are_not_known() {
        watch();
        let result = guarded(|| panic!("{} went wrong", "it"));
        let failure = result.as_ref().unwrap_err();
        assert_eq!(failure.exit, Exit::Failed);
        assert!(failure.hints[0].contains("report"), "{:?}", failure.hints);
        let plugin = Plugin { name: "plugin-rpo", about: "", settings: &[], exit_codes: &[] };
        let record = Record::of(&plugin, &Env::of(&[]), &result, Instant::now());
        assert!(record.error[1].contains("crash.rs:"), "{:?}", record.error);
        assert!(record.error[1].ends_with(": it went wrong"), "{:?}", record.error);
        assert!(record.changed_before.unwrap().contains("not known"));
    }

    #[test]
    fn what_breaks_after_the_run_never_makes_its_exit_code_better_or_another_than_the_promised() {
        for (code, is_told, expected) in [(0, false, 1), (75, true, 75), (2, false, 2)] {
            let crash = caught(|| panic!("in the tail")).unwrap_err();
            assert_eq!(crate::entry::show::complain(code, is_told, &crash), expected);
        }
    }

    #[test]
    fn both_kinds_of_message_are_told() {
        assert_eq!(message(&"plain"), "plain");
        assert_eq!(message(&"made".to_owned()), "made");
        assert_eq!(message(&7), "without a message");
    }
}
