//! A run as every form of its report tells it: who ran, how it ended, what was changed, and what to do next. It is cleaned of secrets
//! once, before anything is made of it: a form that cuts or escapes a text would hide half a secret from the redactor.

use std::time::Instant;

use jiff::Timestamp;
use serde::Serialize;

use super::{Ending, Report, Row};
use crate::failure::{Exit, Failure};
use crate::plugin::Plugin;
use crate::redact::Redactor;
use crate::settings::Env;

/// Everything that a report may say.
#[derive(Debug, Serialize)]
pub(crate) struct Record {
    pub(crate) plugin: &'static str,
    pub(crate) version: &'static str,
    /// The CI server's page of the build.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) build: Option<String>,
    pub(crate) begun: Timestamp,
    pub(crate) ended: Timestamp,
    pub(crate) seconds: f64,
    pub(crate) exit_code: u8,
    /// What the exit code means.
    pub(crate) meaning: &'static str,
    /// The error and its causes, outermost first; empty when the run ended well.
    pub(crate) error: Vec<String>,
    pub(crate) hints: Vec<String>,
    /// Of a run that failed, what it had changed before, in one sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) changed_before: Option<String>,
    /// What was done; of a failed run, what had been done before it failed.
    pub(crate) report: Option<Report>,
}

/// How a run ended, at a glance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) words: &'static str,
    pub(crate) tone: Tone,
}

/// The colour of a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Good,
    Neutral,
    Warning,
    Bad,
}

impl Record {
    pub(crate) fn of(plugin: &Plugin, env: &Env, result: &Result<Report, Failure>, begun: Instant) -> Self {
        let elapsed = begun.elapsed();
        let ended = Timestamp::now();
        let failure = result.as_ref().err();
        let report = result.as_ref().map_or_else(|failure| failure.report.as_deref(), Some);
        let exit_code = failure.map_or(0, |failure| failure.exit as u8);
        // Everything before `execute` only reads, and `execute` always reports.
        let summary = || report.map_or("nothing was changed before the failure", |report| &report.summary);
        Self {
            plugin: plugin.name,
            version: env!("CARGO_PKG_VERSION"),
            build: build_link(env),
            begun: ended.checked_sub(elapsed).unwrap_or(ended),
            ended,
            seconds: (elapsed.as_secs_f64() * 1000.0).round() / 1000.0,
            exit_code,
            meaning: meaning(failure.map(|failure| failure.exit)),
            error: failure.map(Failure::chain).unwrap_or_default(),
            hints: failure.map(hints).unwrap_or_default(),
            changed_before: failure.map(|_| summary().to_owned()),
            report: report.cloned(),
        }
    }

    /// The same without any secret in its texts. Every field is named here, so that a new one cannot be forgotten.
    pub(crate) fn cleaned(self, redactor: &Redactor) -> Self {
        let Self { plugin, version, build, begun, ended, seconds, exit_code, meaning, .. } = self;
        let clean = |text: String| redactor.clean(&printable(&text));
        let all = |texts: Vec<String>| texts.into_iter().map(clean).collect();
        Self {
            plugin,
            version,
            build: build.map(clean),
            begun,
            ended,
            seconds,
            exit_code,
            meaning,
            error: all(self.error),
            hints: all(self.hints),
            changed_before: self.changed_before.map(clean),
            report: self.report.map(|report| cleaned_report(report, redactor)),
        }
    }

    /// Of a run that ended well, that its report could not be written. The text is a cleaned one.
    pub(crate) fn fail(&mut self, text: String) {
        let done = self.headline().to_owned();
        let failed = Exit::Failed;
        self.exit_code = failed as u8;
        self.meaning = meaning(Some(failed));
        self.changed_before = Some(done);
        self.hints = vec![
            "set `report_dir` to a folder that this user may write into, and run it again: what is done already is not done twice"
                .to_owned(),
        ];
        self.error = vec![text];
    }

    pub(crate) fn verdict(&self) -> Verdict {
        let (words, tone) = match (self.exit_code, self.report.as_ref().map(|report| report.ending)) {
            (0, Some(Ending::NothingToDo)) => ("nothing to do", Tone::Neutral),
            (0, Some(Ending::DryRun)) => ("dry run", Tone::Neutral),
            (0, _) => ("done", Tone::Good),
            (2, _) => ("settings cannot be used", Tone::Bad),
            (3, _) => ("partly done", Tone::Warning),
            (75, _) => ("not finished", Tone::Warning),
            _ => ("failed", Tone::Bad),
        };
        Verdict { words, tone }
    }

    /// One sentence on the whole run: of a failed one, the error.
    pub(crate) fn headline(&self) -> &str {
        let done = || self.report.as_ref().map_or("", |report| report.summary.as_str());
        self.error.first().map_or_else(done, String::as_str)
    }

    /// What to do, the most useful first.
    pub(crate) fn advice(&self) -> impl Iterator<Item = &str> {
        let next = self.report.iter().flat_map(|report| &report.next);
        self.hints.iter().chain(next).map(String::as_str)
    }

    /// When it ended and how long it took.
    pub(crate) fn time(&self) -> String {
        format!("{} UTC, after {:.1} s", self.ended.strftime("%Y-%m-%d %H:%M:%S"), self.seconds)
    }
}

fn cleaned_report(report: Report, redactor: &Redactor) -> Report {
    let clean = |text: String| redactor.clean(&printable(&text));
    let Report { ending, summary, facts, table, next, outputs, starts, is_trigger_off } = report;
    let cleaned_row =
        |Row { result, cells, took }| Row { result, cells: cells.into_iter().map(clean).collect(), took };
    Report {
        ending,
        summary: clean(summary),
        facts: facts.into_iter().map(|(name, value)| (clean(name), clean(value))).collect(),
        table: table.map(|mut table| {
            table.rows = table.rows.into_iter().map(cleaned_row).collect();
            table
        }),
        next: next.into_iter().map(clean).collect(),
        outputs: redactor.clean_map(outputs),
        // Never shown.
        starts,
        is_trigger_off,
    }
}

/// Without the control characters that a child's words may hold: a colour in a terminal is rubbish in a file.
fn printable(text: &str) -> String {
    text.replace(|c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t'), "")
}

/// The failure's own, or what holds for every failure of its kind.
fn hints(failure: &Failure) -> Vec<String> {
    let has_next = failure.report.as_ref().is_some_and(|report| !report.next.is_empty());
    if has_next || !failure.hints.is_empty() {
        return failure.hints.clone();
    }
    let hint = match failure.exit {
        Exit::Temporary if failure.report.is_none() => "run it again",
        Exit::Temporary => "run it again: it goes on where this run stopped",
        Exit::Settings => "correct the settings, and run it again",
        Exit::Failed | Exit::Partly => {
            "remove the cause and run it again: what is done already is not done twice"
        }
    };
    vec![hint.to_owned()]
}

fn meaning(exit: Option<Exit>) -> &'static str {
    match exit {
        None => "done, or nothing to do",
        Some(Exit::Failed) => "tried and failed, or refused",
        Some(Exit::Settings) => "the settings cannot be used; nothing was touched",
        Some(Exit::Partly) => "some targets failed, the others are done",
        Some(Exit::Temporary) => "temporary: a rerun may help",
    }
}

/// Only what can be followed: it becomes a link in the page.
fn build_link(env: &Env) -> Option<String> {
    let is_woodpecker = env.variable("CI") == Some("woodpecker");
    let names = [is_woodpecker.then_some("CI_PIPELINE_URL"), Some("DRONE_BUILD_LINK"), Some("BUILD_URL")];
    let is_address = |value: &&str| value.starts_with("http://") || value.starts_with("https://");
    names.into_iter().flatten().filter_map(|name| env.variable(name)).find(is_address).map(str::to_owned)
}
