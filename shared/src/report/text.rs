//! The report as it ends the log: facts in two columns, one compact table, what to do next. A row that failed begins with `!`.
//! Cuts long cells, but of a row that failed or was left alone nothing is lost: what was cut stands whole below it.

use std::fmt;

use super::words::{cut, one_line};
use super::{Report, Row, RowResult, Table};

/// Characters of a cell; six columns of it are more than a log shows in one line already.
const WIDEST: usize = 56;

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
        let rows: Vec<Vec<String>> =
            self.rows.iter().map(|row| row.cells.iter().map(|cell| cut(cell, WIDEST)).collect()).collect();
        let cell_width = |index: usize| {
            let cells = rows.iter().filter_map(|row| row.get(index)).map(|cell| cell.chars().count());
            cells.chain(self.columns.get(index).map(|name| name.chars().count())).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.columns.len()).map(cell_width).collect();
        let line = |mark: &str, cells: &mut dyn Iterator<Item = &str>| -> String {
            let cells: Vec<String> =
                cells.zip(&widths).map(|(cell, width)| format!("{cell:<width$}", width = *width)).collect();
            format!("{mark} {}", cells.join("  ")).trim_end().to_owned()
        };
        write!(f, "{}", line(" ", &mut self.columns.iter().copied()))?;
        for (row, cells) in self.rows.iter().zip(&rows) {
            let mark = if row.has_failed() { "!" } else { " " };
            write!(f, "\n{}", line(mark, &mut cells.iter().map(String::as_str)))?;
            self.write_what_was_cut(f, row)?;
        }
        Ok(())
    }
}

impl Table {
    fn write_what_was_cut(&self, f: &mut fmt::Formatter<'_>, row: &Row) -> fmt::Result {
        let has_a_reason = matches!(row.result, RowResult::Failed | RowResult::Skipped);
        for (column, cell) in self.columns.iter().zip(&row.cells).filter(|_| has_a_reason) {
            let whole = one_line(cell);
            if whole.chars().count() > WIDEST {
                write!(f, "\n      {column}: {whole}")?;
            }
        }
        Ok(())
    }
}
