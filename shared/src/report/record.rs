//! A run as its report files tell it: who ran, how it ended, what was done, and what to do next.

use std::time::Instant;

use serde::Serialize;

use super::Report;
use crate::entry::Plugin;
use crate::failure::Failure;

/// Everything that a report file may say.
#[derive(Debug, Serialize)]
pub(crate) struct Record<'a> {
    pub(crate) plugin: &'a str,
    pub(crate) version: &'a str,
    pub(crate) exit_code: u8,
    pub(crate) seconds: f64,
    /// The error and its causes, outermost first; empty when the run ended well.
    pub(crate) error: Vec<String>,
    pub(crate) hints: &'a [String],
    /// What was done; of a failed run, what had been done before it failed.
    pub(crate) report: Option<&'a Report>,
}

impl<'a> Record<'a> {
    pub(crate) fn of(plugin: &'a Plugin, result: &'a Result<Report, Failure>, begun: Instant) -> Self {
        let (exit_code, error, hints, report) = match result {
            Ok(report) => (0, Vec::new(), [].as_slice(), Some(report)),
            Err(failure) => {
                (failure.exit as u8, failure.chain(), failure.hints.as_slice(), failure.report.as_deref())
            }
        };
        let seconds = (begun.elapsed().as_secs_f64() * 1000.0).round() / 1000.0;
        let version = env!("CARGO_PKG_VERSION");
        Self { plugin: plugin.name, version, exit_code, seconds, error, hints, report }
    }
}
