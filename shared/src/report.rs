//! What a run shows at its end: a few facts and one compact table for people, the same as JSON for machines, and the outputs that
//! later steps take with `@step.key`. A plugin's `report.rs` fills it; `entry` prints and writes it.

mod record;

use std::fmt;
use std::io;
use std::path::Path;

use serde::Serialize;
use serde_json::{Map, Value};

pub(crate) use record::Record;

use crate::ci::Start;

/// How a run ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Table {
    /// Names of the columns.
    pub columns: Vec<&'static str>,
    /// Cells, as many in each row as there are columns.
    pub rows: Vec<Vec<String>>,
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
    pub fn table(mut self, columns: &[&'static str], rows: Vec<Vec<String>>) -> Self {
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

/// Writes a JSON file so that readers see the old or the new one, never half of it.
pub(crate) fn write_json(folder: &Path, name: &str, content: &impl Serialize) -> io::Result<()> {
    let mut text = serde_json::to_vec_pretty(content)?;
    text.push(b'\n');
    write_whole(&folder.join(name), &text)
}

/// Writes a file so that readers see the old or the new one, never half of it. Its folder is made if need be.
pub(crate) fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    io::Write::write_all(&mut file, content)?;
    set_readable(file.as_file())?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// Temporary files are born 0600; reports are read by other users (Jenkins' agent, a later container).
fn set_readable(file: &std::fs::File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.summary)?;
        let width = self.facts.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        for (name, value) in &self.facts {
            write!(f, "\n  {name:width$}  {value}")?;
        }
        if let Some(table) = &self.table {
            write!(f, "\n{table}")?;
        }
        for step in &self.next {
            write!(f, "\nnext: {step}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cell_width = |index: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(index)).map(|cell| cell.chars().count());
            cells.chain(self.columns.get(index).map(|name| name.chars().count())).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.columns.len()).map(cell_width).collect();
        let line = |f: &mut fmt::Formatter<'_>, cells: &mut dyn Iterator<Item = &str>| {
            let text: String =
                cells.zip(&widths).map(|(cell, width)| format!("  {cell:<width$}", width = *width)).collect();
            write!(f, "{}", text.trim_end())
        };
        line(f, &mut self.columns.iter().copied())?;
        for row in &self.rows {
            writeln!(f)?;
            line(f, &mut row.iter().map(String::as_str))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_facts_and_table_in_columns() {
        let report = Report::new(Ending::Done, "2 components are in the mirror")
            .fact("bucket", "file:///b")
            .fact("release", "12.1.2310")
            .table(
                &["component", "result"],
                vec![vec!["rpo".into(), "uploaded".into()], vec!["web-files".into(), "unchanged".into()]],
            )
            .then("look at the mirror");
        assert_eq!(
            report.to_string(),
            "2 components are in the mirror\n  bucket   file:///b\n  release  12.1.2310\n  component  result\n  rpo        uploaded\n  web-files  unchanged\nnext: look at the mirror"
        );
    }
}
