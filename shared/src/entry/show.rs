//! What a run prints and writes at its end. The only place that prints errors.

use std::io::Write as _;

use super::crash::Crash;
use crate::failure::Exit;
use crate::redact::Redactor;
use crate::report::{Record, card, write_all};
use crate::settings::common::LogFormat;
use crate::settings::{Common, Env};

/// Tells how the run ended, in report files and on the log. A run whose report cannot be written has not ended well, which the record says then too.
pub(super) fn tell(record: &mut Record, common: &Common, redactor: &Redactor) {
    if let Some(folder) = &common.report_dir
        && let Err(error) = write_all(folder, record)
    {
        let text = format!("cannot write the report into `{}`: {error}", folder.display());
        if record.exit_code == 0 {
            record.fail(redactor.clean(&text));
        } else {
            tracing::warn!("{text}");
        }
    }
    show(record, common.log_format);
}

/// Shows the card on Drone's page of the build; it never changes how the run ends. Nothing may follow it.
pub(super) fn emit_card(record: &Record, common: &Common, env: &Env) {
    match (env.variable(card::PATH), &common.card_template) {
        (Some(path), Some(template)) => {
            if let Err(error) = card::emit(path, template, record) {
                tracing::warn!("cannot write the card to `{path}`: {error}");
            }
        }
        (Some(_), None) => {
            tracing::debug!("no card: `card_template` does not say where its template is");
        }
        (None, _) => {}
    }
}

/// Prints the report and, if there is one, the error. In JSON the report is one event, whole in its field `report`.
fn show(record: &Record, format: LogFormat) {
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

/// Tells that the plugin broke while the run's end was told; gives the exit code. Only one line of a log begins with `error: `: the run's own, if one
/// was told.
pub(super) fn complain(code: u8, is_error_told: bool, crash: &Crash) -> u8 {
    if is_error_told {
        tracing::warn!("{crash}");
    } else {
        tracing::error!("{crash}");
    }
    code.max(Exit::Failed as u8)
}

/// Tells of a plugin that broke before there was a log, without the message: nobody knows the secrets yet. Gives the exit code.
pub(super) fn cannot_begin(crash: &Crash) -> u8 {
    // A closed stdout is no reason to fail in another way.
    let _ = writeln!(std::io::stdout(), "error: cannot begin: internal error{}", crash.place);
    Exit::Failed as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    use crate::failure::{Failure, Fault};
    use crate::plugin::Plugin;
    use crate::report::{Ending, Report};
    use crate::settings::{COMMON, Reader};

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

    #[test]
    fn a_report_that_cannot_be_written_is_in_what_the_webhook_and_the_card_are_told() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let env = Env::of(&[("PLUGIN_REPORT_DIR", file.path().to_str().unwrap())]);
        let common = Common::read(&mut Reader::quiet(&env, &[COMMON]), &env);
        let plugin = Plugin { name: "plugin-rpo", about: "", settings: &[COMMON], exit_codes: &[] };
        let done = Ok(Report::new(Ending::Done, "all was done"));
        let mut record = Record::of(&plugin, &env, &done, Instant::now());
        tell(&mut record, &common, env.redactor());
        assert_eq!((record.exit_code, record.verdict().words), (1, "failed"));
        assert!(record.headline().contains("cannot write the report"), "{}", record.headline());
        assert_eq!(record.changed_before.as_deref(), Some("all was done"));
    }
}
