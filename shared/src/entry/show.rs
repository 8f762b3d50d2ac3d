//! What a run prints at its end. The only place that prints errors.

use crate::failure::{Exit, Failure};
use crate::report::Report;

/// Prints the report and, if there is one, the error; gives the exit code.
pub(super) fn show(result: &Result<Report, Failure>) -> u8 {
    match result {
        Ok(report) => {
            tracing::info!("{report}");
            0
        }
        Err(failure) => {
            if let Some(report) = &failure.report {
                tracing::info!("{report}");
            }
            tracing::error!("{}", failure_text(failure));
            failure.exit as u8
        }
    }
}

/// The error, its causes and hints: one event, so that no log level shows one without the others.
fn failure_text(failure: &Failure) -> String {
    let mut lines = Vec::new();
    for (depth, text) in failure.chain().iter().enumerate() {
        lines.push(if depth == 0 {
            indented(text, "  ")
        } else {
            format!("  because: {}", indented(text, "    "))
        });
    }
    lines.extend(failure.hints.iter().map(|hint| format!("hint: {}", indented(hint, "  "))));
    lines.join("\n")
}

/// A text of several lines whose further lines stand below the first: none is taken for a message of its own.
fn indented(text: &str, by: &str) -> String {
    let mut lines = text.trim_end().lines();
    let first = lines.next().unwrap_or_default().to_owned();
    lines.fold(first, |text, line| {
        let by = if line.starts_with(by) { "" } else { by };
        format!("{text}\n{by}{line}")
    })
}

/// Says what went wrong after the run, and gives the exit code then. Only one line of a log begins with `error: `: the run's own, if it has one.
pub(super) fn complain(code: u8, text: &str) -> u8 {
    if code == 0 {
        tracing::error!("{text}");
    } else {
        tracing::warn!("{text}");
    }
    code.max(Exit::Failed as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Fault;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot update `acme`")]
    struct Outer(#[source] std::io::Error);

    impl Fault for Outer {
        fn hints(&self) -> Vec<String> {
            vec!["look at it".to_owned()]
        }
    }

    #[test]
    fn a_failure_is_one_event_with_its_causes_and_hints() {
        let cause = std::io::Error::other("helm failed:\nerror: no chart\n    at line 3\n");
        assert_eq!(
            failure_text(&Failure::from(Outer(cause))),
            "cannot update `acme`\n  because: helm failed:\n    error: no chart\n    at line 3\nhint: look at it"
        );
    }
}
