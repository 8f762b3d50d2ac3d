//! The report as JUnit XML, for Jenkins' `junit` and `xunit` steps: one test case for the run and one per row, so that a run without
//! rows is a result too. Holds to `junit-10.xsd` of Jenkins' xunit plugin. Called by `file`.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Property, SerializeError, TestCase, TestCaseStatus, TestSuite, XmlString};

use super::words::one_line;
use super::{Record, Row, RowResult, Table};

pub(super) fn of(record: &Record) -> Result<String, SerializeError> {
    let mut suite = TestSuite::new(xml(record.plugin));
    suite.set_time(Duration::from_secs_f64(record.seconds));
    let begun = record.begun.strftime("%Y-%m-%dT%H:%M:%S").to_string();
    suite.extra.insert("timestamp".into(), begun.into());
    suite.add_test_case(run(record));
    let table = record.report.as_ref().and_then(|report| report.table.as_ref());
    for (table, row) in table.into_iter().flat_map(|table| table.rows.iter().map(move |row| (table, row))) {
        suite.add_test_case(case(record, table, row));
    }
    let code = record.exit_code.to_string();
    let facts = record.report.iter().flat_map(|report| &report.facts);
    let facts = facts.map(|(name, value)| (name.as_str(), value.as_str()));
    let about =
        [("version", Some(record.version)), ("build", record.build.as_deref()), ("exit_code", Some(&code))];
    let about = about.into_iter().filter_map(|(name, value)| Some((name, value?)));
    suite.add_properties(about.chain(facts).map(|(name, value)| Property::new(xml(name), xml(value))));
    let mut report = quick_junit::Report::unnamed();
    report.add_test_suite(suite);
    let text = report.to_string()?;
    // The schema has this count on each suite, not on all of them together; the first is the one of all.
    let count = format!(" skipped=\"{}\"", report.skipped);
    Ok(text.replacen(&count, "", 1))
}

/// The run as a whole: when it failed, all that its reader needs.
fn run(record: &Record) -> TestCase {
    let kind = match record.exit_code {
        0 => None,
        1 | 3 => Some(NonSuccessKind::Failure),
        _ => Some(NonSuccessKind::Error),
    };
    let status = kind.map_or_else(TestCaseStatus::success, |kind| {
        let mut status = TestCaseStatus::non_success(kind);
        status.set_type(record.verdict().words);
        status.set_message(xml(&one_line(record.headline())));
        status.set_description(xml(&failure(record)));
        status
    });
    let mut case = TestCase::new("run", status);
    case.set_classname(record.plugin);
    case.set_time(Duration::from_secs_f64(record.seconds));
    if let Some(report) = &record.report {
        case.set_system_out(xml(&report.to_string()));
    }
    case
}

fn failure(record: &Record) -> String {
    let causes = record.error.iter().enumerate();
    let mut lines: Vec<String> = causes
        .map(|(depth, text)| if depth == 0 { text.clone() } else { format!("because: {text}") })
        .collect();
    lines.extend(record.changed_before.iter().map(|changed| format!("changed before: {changed}")));
    lines.extend(record.advice().map(|line| format!("to do: {line}")));
    lines.push(format!("exit code {}: {}", record.exit_code, record.meaning));
    lines.join("\n")
}

fn case(record: &Record, table: &Table, row: &Row) -> TestCase {
    let details = table.columns.iter().zip(&row.cells).skip(1).filter(|(_, cell)| !cell.is_empty());
    let details: Vec<String> =
        details.map(|(column, cell)| format!("{column}: {}", one_line(cell))).collect();
    let details = details.join(", ");
    let mut status = match row.result {
        RowResult::Done | RowResult::Unchanged => TestCaseStatus::success(),
        RowResult::Failed => TestCaseStatus::non_success(NonSuccessKind::Failure),
        RowResult::Skipped => TestCaseStatus::skipped(),
    };
    status.set_message(xml(&details));
    let name = row.cells.first().map_or("", String::as_str);
    let mut case = TestCase::new(xml(&one_line(name)), status);
    case.set_classname(format!("{}.{}", record.plugin, table.columns.first().unwrap_or(&"row")));
    case.set_system_out(xml(&details));
    if let Some(time) = row.took {
        case.set_time(time);
    }
    case
}

/// Without the characters that XML 1.0 has no way to write (<https://www.w3.org/TR/xml/#charsets>); quick-junit leaves out those
/// below the space, but not the last two of the plane.
fn xml(text: &str) -> XmlString {
    XmlString::new(text.replace(['\u{fffe}', '\u{ffff}'], ""))
}
