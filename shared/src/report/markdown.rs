//! The report as GitHub-flavoured Markdown, for pull requests, chats and job summaries: <https://github.github.com/gfm/>.
//! Reads a cleaned [`Record`] and nothing else; every text is escaped. Called by `file`.

use std::fmt::Write as _;

use super::words::{Span, first_and_rest, one_line, spans};
use super::{Record, Table};

pub(super) fn of(record: &Record) -> String {
    let mut page = format!("# {}: {}\n", record.plugin, record.verdict().words);
    if record.error.is_empty() {
        done(&mut page, record);
        advice(&mut page, "Next", record);
    } else {
        error(&mut page, record);
        advice(&mut page, "What to do", record);
        done(&mut page, record);
    }
    run(&mut page, record);
    page
}

fn error(page: &mut String, record: &Record) {
    if let Some((first, causes)) = record.error.split_first() {
        let causes = causes.iter().map(|cause| format!("because: {cause}"));
        let text: Vec<String> = std::iter::once(first.clone()).chain(causes).collect();
        add(page, "\n## What went wrong\n\n", &fenced(&text.join("\n")));
    }
}

fn advice(page: &mut String, heading: &str, record: &Record) {
    let lines: String = record.advice().map(|line| format!("- {}\n", inline(line))).collect();
    if !lines.is_empty() {
        add(page, &format!("\n## {heading}\n\n"), &lines);
    }
}

fn done(page: &mut String, record: &Record) {
    match &record.changed_before {
        Some(changed) => add(page, "\n## What was changed before\n\n", &format!("{}\n", inline(changed))),
        None => add(page, "\n", &summary(record.headline())),
    }
    let Some(report) = &record.report else { return };
    if let Some(table) = &report.table {
        add(page, "\n", &table_of(table));
    }
    if !report.facts.is_empty() {
        let facts: String =
            report.facts.iter().map(|(name, value)| row([cell(name), cell(value)].iter())).collect();
        add(page, "\n| fact | value |\n|---|---|\n", &facts);
    }
}

fn run(page: &mut String, record: &Record) {
    let exit = format!("{}: {}", record.exit_code, record.meaning);
    let build = record.build.as_deref().map(|link| ("build", link.to_owned()));
    let all = [
        ("plugin", format!("{} {}", record.plugin, record.version)),
        ("ended", record.time()),
        ("exit code", exit),
    ];
    let rows: String =
        all.into_iter().chain(build).map(|(name, value)| row([cell(name), cell(&value)].iter())).collect();
    add(page, "\n| run | |\n|---|---|\n", &rows);
}

fn summary(text: &str) -> String {
    match first_and_rest(text) {
        (first, None) => format!("{}\n", inline(first)),
        (first, Some(rest)) => format!("{}\n\n{}", inline(first), fenced(rest)),
    }
}

fn table_of(table: &Table) -> String {
    let head = row(table.columns.iter().map(|name| cell(name)).collect::<Vec<_>>().iter());
    let rule = row(table.columns.iter().map(|_| "---".to_owned()).collect::<Vec<_>>().iter());
    let rows = table.rows.iter().map(|one| {
        let bold =
            |text: String| if one.has_failed() && !text.is_empty() { format!("**{text}**") } else { text };
        row(one.cells.iter().map(|text| bold(cell(text))).collect::<Vec<_>>().iter())
    });
    std::iter::once(head).chain(std::iter::once(rule)).chain(rows).collect()
}

fn row<'a>(cells: impl Iterator<Item = &'a String>) -> String {
    format!("| {} |\n", cells.map(String::as_str).collect::<Vec<_>>().join(" | "))
}

/// A text in a table, whose cells are one line and end at a `|`, also inside of code.
fn cell(text: &str) -> String {
    inline(&one_line(text)).replace('|', "\\|").replace("\\\\|", "\\|")
}

fn inline(text: &str) -> String {
    spans(&one_line(text))
        .into_iter()
        .map(|span| match span {
            Span::Plain(text) => escaped(text),
            Span::Code(text) => format!("`{text}`"),
        })
        .collect()
}

/// Every character that begins something in Markdown or in the HTML that it may hold. `.` and `-` do so at a line's beginning only,
/// where none of these texts stands.
fn escaped(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut escaped, c| {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '~' | '!' | '|' => {
                escaped.push('\\');
                escaped.push(c);
            }
            c => escaped.push(c),
        }
        escaped
    })
}

/// A block of text as it stands, in a fence that is longer than any inside of it.
fn fenced(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}text\n{}\n{fence}\n", text.trim_end())
}

fn add(page: &mut String, before: &str, text: &str) {
    // Writing into a String cannot fail.
    let _ = write!(page, "{before}{text}");
}
