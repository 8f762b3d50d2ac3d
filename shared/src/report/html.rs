//! The report as one HTML file: no script, nothing from elsewhere, its style inside. Jenkins' default content security policy drops
//! a style inside and takes one from a file beside it (<https://www.jenkins.io/doc/book/security/configuring-content-security-policy/>),
//! so it is there too. Without either, headings, tables and words carry the meaning alone, and the two `meta` tags make it fit a phone
//! and a dark screen even then. Called by `file`.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::record::Tone;
use super::words::{Span, first_and_rest, spans};
use super::{Record, Report, Row, RowResult, Table};

/// The style, for the file beside the page.
pub(super) const STYLE: &str = include_str!("report.css");

pub(super) fn of(record: &Record) -> String {
    let verdict = record.verdict();
    let tone = match verdict.tone {
        Tone::Good => "good",
        Tone::Neutral => "neutral",
        Tone::Warning => "warning",
        Tone::Bad => "bad",
    };
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (record.plugin) ": " (verdict.words) }
                style { (PreEscaped(STYLE)) }
                link rel="stylesheet" href="report.css";
            }
            body {
                main class=(tone) {
                    header {
                        h1 { (record.plugin) ": " strong { (verdict.words) } }
                        @if record.error.is_empty() { (summary(record.headline())) }
                    }
                    @if let Some(changed) = &record.changed_before {
                        (error(record))
                        (advice("What to do", record))
                        h2 { "What was changed before" }
                        p { (inline(changed)) }
                    }
                    @if let Some(report) = &record.report { (done(report)) }
                    @if record.error.is_empty() { (advice("Next", record)) }
                    (run(record))
                }
            }
        }
    };
    page.into_string()
}

fn error(record: &Record) -> Markup {
    html! {
        @if let Some((first, causes)) = record.error.split_first() {
            h2 { "What went wrong" }
            div class="error" {
                pre { (first) }
                @for cause in causes { pre { "because: " (cause) } }
            }
        }
    }
}

fn advice(heading: &str, record: &Record) -> Markup {
    let lines: Vec<&str> = record.advice().collect();
    html! {
        @if !lines.is_empty() {
            h2 { (heading) }
            ul { @for line in lines { li { (inline(line)) } } }
        }
    }
}

fn done(report: &Report) -> Markup {
    html! {
        @if let Some(table) = &report.table { (table_of(table)) }
        @if !report.facts.is_empty() {
            dl { @for (name, value) in &report.facts { div { dt { (name) } dd { (inline(value)) } } } }
        }
    }
}

/// On a phone each row becomes a block, whose cells say their column.
fn table_of(table: &Table) -> Markup {
    let class = |result| match result {
        RowResult::Done => "row-done",
        RowResult::Unchanged => "row-unchanged",
        RowResult::Failed => "row-failed",
        RowResult::Skipped => "row-skipped",
    };
    // Bold says it too where there is no style. What is empty stays empty: the style leaves it out.
    let cell = |row: &Row, text: &str| {
        let is_bold = row.has_failed() && !text.is_empty();
        html! { @if is_bold { strong { (inline(text)) } } @else { (inline(text)) } }
    };
    html! {
        table {
            thead { tr { @for column in &table.columns { th scope="col" { (column) } } } }
            tbody {
                @for row in &table.rows {
                    tr class=(class(row.result)) {
                        @for (column, text) in table.columns.iter().zip(&row.cells) {
                            td data-label=(column) { (cell(row, text)) }
                        }
                    }
                }
            }
        }
    }
}

fn run(record: &Record) -> Markup {
    html! {
        footer {
            h2 { "Run" }
            dl {
                div { dt { "plugin" } dd { (record.plugin) " " (record.version) } }
                div { dt { "ended" } dd { (record.time()) } }
                div { dt { "exit code" } dd { (record.exit_code) ": " (record.meaning) } }
                @if let Some(build) = &record.build { div { dt { "build" } dd { a href=(build) { (build) } } } }
            }
        }
    }
}

fn summary(text: &str) -> Markup {
    let (first, rest) = first_and_rest(text);
    html! {
        p { (inline(first)) }
        @if let Some(rest) = rest { pre { (rest) } }
    }
}

fn inline(text: &str) -> Markup {
    html! {
        @for span in spans(text) {
            @match span {
                Span::Plain(text) => (text),
                Span::Code(text) => code { (text) },
            }
        }
    }
}
