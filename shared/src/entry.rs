//! How every plugin starts and ends: snapshot, log, run, report, exit code. The only place that prints errors.

use std::future::Future;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Instant;

use serde::Serialize;

use crate::failure::{Exit, Failure};
use crate::log;
#[cfg(feature = "process")]
use crate::process::shim;
use crate::redact::Redactor;
use crate::report::{Ending, Report, write_json};
use crate::settings::{Common, Env, Problems, Reader, Setting, groups_help, groups_markdown};
use crate::stop::Stop;

/// What `entry` knows about a plugin.
#[derive(Clone, Copy, Debug)]
pub struct Plugin {
    /// Name of the crate and the binary, such as `plugin-rpo`.
    pub name: &'static str,
    /// One sentence on what it does.
    pub about: &'static str,
    /// Every setting it knows, in groups.
    pub settings: &'static [&'static [Setting]],
}

/// Runs a plugin from its environment to its exit code.
pub fn main<F, Running>(plugin: &Plugin, run: F) -> ExitCode
where
    F: FnOnce(Env, Stop) -> Running,
    Running: Future<Output = Result<Report, Failure>>,
{
    let begun = Instant::now();
    #[cfg(feature = "process")]
    {
        if let Some(code) = shim::become_tool(std::env::args_os().skip(1)) {
            return code;
        }
        shim::arm();
    }
    if let Some(code) = answer_to_arguments(plugin) {
        return code;
    }
    // Both kube and reqwest are compiled without a default provider of cryptography; see docs/DEPENDENCIES.md.
    // Fails only when one is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();

    let env = Env::snapshot();
    let redactor = Redactor::of(&env, plugin.settings);
    let common = common_settings(&env);
    log::start(&common.log_level, common.log_format, &redactor);
    tracing::info!("{} {}", plugin.name, env!("CARGO_PKG_VERSION"));

    let output_name =
        common.output_as.clone().unwrap_or_else(|| plugin.name.trim_start_matches("plugin-").to_owned());
    let workspace = env.workspace().to_owned();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!("cannot start: {error}");
            return ExitCode::from(Exit::Temporary as u8);
        }
    };
    let result = runtime.block_on(async {
        let stop = Stop::on_signals().map_err(|error| Failure {
            exit: Exit::Temporary,
            hints: Vec::new(),
            report: None,
            source: Box::new(error),
        })?;
        run(env, stop).await
    });
    // A blocking read of a dead file system must not keep the process from ending.
    runtime.shutdown_background();

    let record = Record::of(plugin, &result, begun);
    let mut code = show(&result);
    if let Some(folder) = &common.report_dir {
        let value = redactor.clean_texts(serde_json::to_value(&record).unwrap_or_default());
        if let Err(error) = write_json(folder, "report.json", &value) {
            code = complain(code, &format!("cannot write the report into `{}`: {error}", folder.display()));
        }
    }
    if let Ok(report) = &result
        && report.ending != Ending::DryRun
        && let Err(error) = report.write_outputs(&workspace, &output_name)
    {
        code =
            complain(code, &format!("cannot write the outputs into `.esteira/{output_name}.json`: {error}"));
    }
    ExitCode::from(code)
}

/// `report.json`.
#[derive(Serialize)]
struct Record<'a> {
    plugin: &'a str,
    version: &'a str,
    exit_code: u8,
    seconds: f64,
    error: Vec<String>,
    hints: &'a [String],
    report: Option<&'a Report>,
}

impl<'a> Record<'a> {
    fn of(plugin: &'a Plugin, result: &'a Result<Report, Failure>, begun: Instant) -> Self {
        let (exit_code, error, hints, report) = match result {
            Ok(report) => (0, Vec::new(), [].as_slice(), Some(report)),
            Err(failure) => {
                (failure.exit as u8, failure.chain(), failure.hints.as_slice(), failure.report.as_deref())
            }
        };
        let seconds = (begun.elapsed().as_secs_f64() * 1000.0).round() / 1000.0;
        Self {
            plugin: plugin.name,
            version: env!("CARGO_PKG_VERSION"),
            exit_code,
            seconds,
            error,
            hints,
            report,
        }
    }
}

fn show(result: &Result<Report, Failure>) -> u8 {
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
fn complain(code: u8, text: &str) -> u8 {
    if code == 0 {
        tracing::error!("{text}");
    } else {
        tracing::warn!("{text}");
    }
    code.max(Exit::Failed as u8)
}

/// The common settings, before the plugin reads all of them and reports what cannot be used.
fn common_settings(env: &Env) -> Common {
    let mut read = Reader::new(env, &[crate::settings::COMMON]);
    let common = Common::read(&mut read, env);
    // Problems are the plugin's to report, together with all others.
    let _: Result<(), Problems> = read.finish(|| Some(()));
    common
}

/// `--help`, `--settings` (the table of a README) and `--version`; settings never come from arguments.
fn answer_to_arguments(plugin: &Plugin) -> Option<ExitCode> {
    let mut out = std::io::stdout().lock();
    let argument = std::env::args().nth(1)?;
    // A closed stdout is no reason to fail.
    let (_, code) = match argument.as_str() {
        "--help" | "-h" => (
            write!(
                out,
                "{} {}\n{}\n\nSettings (environment variables):\n{}\nExit codes: 0 done or nothing to do, 1 failed or refused, 2 settings unusable (nothing was touched), 3 some targets failed, 75 temporary (a rerun may help)\n",
                plugin.name,
                env!("CARGO_PKG_VERSION"),
                plugin.about,
                groups_help(plugin.settings)
            ),
            ExitCode::SUCCESS,
        ),
        "--settings" => (write!(out, "{}", groups_markdown(plugin.settings)), ExitCode::SUCCESS),
        "--version" | "-V" => {
            (writeln!(out, "{} {}", plugin.name, env!("CARGO_PKG_VERSION")), ExitCode::SUCCESS)
        }
        other => (
            writeln!(
                out,
                "error: unknown argument `{other}`; settings are environment variables, see --help"
            ),
            ExitCode::from(Exit::Settings as u8),
        ),
    };
    Some(code)
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
