//! What a run prints and writes at its end. The only place that prints errors.

use crate::failure::Exit;
use crate::report::{Record, card, write_all};
use crate::settings::common::LogFormat;
use crate::settings::{Common, Env};

/// Tells how the run ended, on the log and in report files; gives the exit code.
pub(super) fn tell(record: &Record, common: &Common) -> u8 {
    let mut code = show(record, common.log_format);
    if let Some(folder) = &common.report_dir
        && let Err(error) = write_all(folder, record)
    {
        code = complain(code, &format!("cannot write the report into `{}`: {error}", folder.display()));
    }
    code
}

/// Shows the card on Drone's page of the build; gives the exit code. Nothing may follow it.
pub(super) fn emit_card(mut code: u8, record: &Record, common: &Common, env: &Env) -> u8 {
    match (env.variable(card::PATH), &common.card_template) {
        (Some(path), Some(template)) => {
            if let Err(error) = card::emit(path, template, record) {
                code = complain(code, &format!("cannot write the card to `{path}`: {error}"));
            }
        }
        (Some(_), None) => {
            tracing::debug!("no card: `card_template` does not say where its template is");
        }
        (None, _) => {}
    }
    code
}

/// Prints the report and, if there is one, the error; gives the exit code. In JSON the report is one event, whole in its field `report`.
fn show(record: &Record, format: LogFormat) -> u8 {
    match (format, &record.report) {
        (LogFormat::Text, Some(report)) => tracing::info!("{report}"),
        (LogFormat::Text, None) => {}
        (LogFormat::Json, _) => {
            let whole = serde_json::to_string(record).unwrap_or_default();
            tracing::info!(report = %whole, "{}", record.headline());
        }
    }
    if !record.error.is_empty() {
        tracing::error!("{}", failure_text(record));
    }
    record.exit_code
}

/// The error, its causes and hints: one event, so that no log level shows one without the others.
fn failure_text(record: &Record) -> String {
    let mut lines = Vec::new();
    for (depth, text) in record.error.iter().enumerate() {
        lines.push(if depth == 0 {
            indented(text, "  ")
        } else {
            format!("  because: {}", indented(text, "    "))
        });
    }
    lines.extend(record.hints.iter().map(|hint| format!("hint: {}", indented(hint, "  "))));
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
fn complain(code: u8, text: &str) -> u8 {
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
    use std::time::Instant;

    use crate::entry::Plugin;
    use crate::failure::{Failure, Fault};

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
        let plugin = Plugin { name: "plugin-rpo", about: "", settings: &[], exit_codes: &[] };
        let failed = Err(Failure::from(Outer(cause)));
        assert_eq!(
            failure_text(&Record::of(&plugin, &Env::of(&[]), &failed, Instant::now())),
            "cannot update `acme`\n  because: helm failed:\n    error: no chart\n    at line 3\nhint: look at it"
        );
    }
}
