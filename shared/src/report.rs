//! What a run shows at its end: a few facts and one compact table for people, the same as JSON for machines, and the outputs that
//! later steps take with `@step.key`. A plugin's `report.rs` fills it; `entry` prints it and writes it in every form of `report/`.

pub(crate) mod card;
mod file;
mod html;
mod junit;
mod markdown;
mod record;
mod text;
mod words;

use std::fmt;
use std::time::Duration;

use serde::ser::{Serialize, SerializeStruct as _, Serializer};
use serde_json::{Map, Value};

pub use file::FILES;
pub(crate) use file::{clear, write_all, write_json, write_whole};
pub(crate) use record::Record;

use crate::ci::Start;

/// How a run ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Everything asked for was done.
    #[default]
    Done,
    /// There was nothing to do.
    NothingToDo,
    /// Stopped after the plan, as asked.
    DryRun,
    /// Failed; the report says what had been changed before.
    Failed,
}

/// The report of one run.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Report {
    /// How it ended.
    pub ending: Ending,
    /// One sentence.
    pub summary: String,
    /// Name and value, in the order they are shown.
    pub facts: Vec<(String, String)>,
    /// The table of what was worked on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<Table>,
    /// What to do next, one line each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub next: Vec<String>,
    /// What later steps may take.
    pub outputs: Map<String, Value>,
    /// Pipelines to start once the run has ended well, besides those of `trigger`.
    #[serde(skip)]
    pub starts: Vec<Start>,
    /// Whether the pipelines of `trigger` are not to be started.
    #[serde(skip)]
    pub is_trigger_off: bool,
}

/// A small table: a row per thing worked on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// Names of the columns.
    pub columns: Vec<&'static str>,
    /// One per thing worked on.
    pub rows: Vec<Row>,
}

/// One thing that was worked on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// What became of it.
    pub result: RowResult,
    /// As many as there are columns; the first names the thing.
    pub cells: Vec<String>,
    /// How long it took, where that is known.
    pub took: Option<Duration>,
}

/// What became of one thing, for machines; its words are in the cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RowResult {
    /// It was changed as asked.
    Done,
    /// It was as asked already.
    Unchanged,
    /// It was tried and failed.
    Failed,
    /// It was left alone, or not reached.
    Skipped,
}

impl Row {
    /// A row.
    #[must_use]
    pub fn new(result: RowResult, cells: Vec<String>) -> Self {
        Self { result, cells, took: None }
    }

    /// The same row, with how long it took.
    #[must_use]
    pub fn took(mut self, time: Duration) -> Self {
        self.took = Some(time);
        self
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.result == RowResult::Failed
    }
}

impl Report {
    /// A report that begins with one sentence.
    #[must_use]
    pub fn new(ending: Ending, summary: impl Into<String>) -> Self {
        Self { ending, summary: summary.into(), ..Self::default() }
    }

    /// The report of a dry run: the plan as text.
    #[must_use]
    pub fn dry_run(plan: &impl fmt::Display) -> Self {
        Self::new(Ending::DryRun, format!("dry run, nothing was changed. The plan:\n{plan}"))
    }

    /// With one more fact.
    #[must_use]
    pub fn fact(mut self, name: impl Into<String>, value: impl fmt::Display) -> Self {
        self.facts.push((name.into(), value.to_string()));
        self
    }

    /// With one more output for later steps.
    #[must_use]
    pub fn output(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.outputs.insert(key.into(), value.into());
        self
    }

    /// With one more pipeline to start.
    #[must_use]
    pub fn start(mut self, start: Start) -> Self {
        self.starts.push(start);
        self
    }

    /// The pipelines of `trigger` are not started.
    #[must_use]
    pub fn without_trigger(mut self) -> Self {
        self.is_trigger_off = true;
        self
    }

    /// With a table.
    #[must_use]
    pub fn table(mut self, columns: &[&'static str], rows: Vec<Row>) -> Self {
        self.table = Some(Table { columns: columns.to_vec(), rows });
        self
    }

    /// With one more line of what to do next.
    #[must_use]
    pub fn then(mut self, step: impl Into<String>) -> Self {
        self.next.push(step.into());
        self
    }
}

/// The cells alone are `rows`; what became of each row stands beside them, in the same order.
impl Serialize for Table {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let seconds = |row: &Row| row.took.map(|time| (time.as_secs_f64() * 1000.0).round() / 1000.0);
        let mut table = serializer.serialize_struct("Table", 4)?;
        table.serialize_field("columns", &self.columns)?;
        table.serialize_field("rows", &self.rows.iter().map(|row| &row.cells).collect::<Vec<_>>())?;
        table.serialize_field("results", &self.rows.iter().map(|row| row.result).collect::<Vec<_>>())?;
        table.serialize_field("seconds", &self.rows.iter().map(seconds).collect::<Vec<_>>())?;
        table.end()
    }
}

#[cfg(test)]
mod tests;
