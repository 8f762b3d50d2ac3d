//! From what was done to what is shown, and to what later steps take.

use serde_json::Value;
use shared::failure::{Failure, chain};
use shared::report::{Ending as RunEnding, Report, Row, RowResult};

use crate::Error;
use crate::execute::{Ending, NamespaceOutcome, Outcome};
use crate::plan::Plan;

/// The report of a run, as a failure when a namespace failed, was not done, or a monitor stayed paused.
///
/// # Errors
/// Then, with the same report inside.
pub fn report(plan: &Plan, outcome: &Outcome) -> Result<Report, Failure> {
    let count =
        |wanted: fn(&Ending) -> bool| outcome.namespaces.iter().filter(|one| wanted(&one.ending)).count();
    let updated = count(|ending| matches!(ending, Ending::Updated));
    let open = count(|ending| matches!(ending, Ending::Stopped | Ending::NotBegun));
    let failed: Vec<&str> = outcome
        .namespaces
        .iter()
        .filter(|one| matches!(one.ending, Ending::Failed { .. }))
        .map(|one| one.name.as_str())
        .collect();
    let is_busy = |one: &&NamespaceOutcome| matches!(one.ending, Ending::Busy(_));
    let busy: Vec<String> = outcome.namespaces.iter().filter(is_busy).map(|one| one.name.clone()).collect();
    let report = describe(plan, outcome, updated);

    let total = plan.targets.len();
    let error = if !outcome.still_paused.is_empty() {
        Error::StillPaused(outcome.still_paused.join(", "))
    } else if !failed.is_empty() {
        Error::Failures { failed: failed.len(), total, updated, names: failed.join(", ") }
    } else if !plan.unfinished.is_empty() {
        Error::Unfinished(plan.unfinished.iter().map(|(name, _)| name.clone()).collect())
    } else if !busy.is_empty() {
        Error::Busy(busy)
    } else if open > 0 {
        Error::Stopped { open, total }
    } else {
        return Ok(report);
    };
    Err(Failure::from(error).after(Report { ending: RunEnding::Failed, ..report }))
}

fn describe(plan: &Plan, outcome: &Outcome, updated: usize) -> Report {
    let (ending, summary) = if plan.targets.is_empty() {
        (
            RunEnding::NothingToDo,
            format!("nothing to do: no environment is to be updated to {}", plan.version),
        )
    } else {
        (
            RunEnding::Done,
            format!("{updated} of {} environments were updated to {}", plan.targets.len(), plan.version),
        )
    };
    // Those that an earlier run left unfinished make this one fail.
    let left_alone = |result| {
        move |(name, reason): &(String, String)| row(result, [name, "", "", "left alone", reason, ""])
    };
    let skipped = plan.unfinished.iter().map(left_alone(RowResult::Failed));
    let skipped = skipped.chain(plan.skipped.iter().map(left_alone(RowResult::Skipped)));
    let rows = outcome.namespaces.iter().map(|one| row_of(one, &plan.version)).chain(skipped).collect();
    let names: Vec<Value> = outcome
        .namespaces
        .iter()
        .filter(|one| matches!(one.ending, Ending::Updated))
        .map(|one| Value::from(one.name.as_str()))
        .collect();
    let report = Report::new(ending, summary)
        .fact("profile", &plan.profile)
        .fact("have it already", plan.up_to_date)
        .fact("no environments of the profile", plan.not_environments.len())
        .table(&["namespace", "from", "to", "result", "reason", "seconds"], rows)
        .output("version", plan.version.as_str())
        .output("updated", names);
    outcome.namespaces.iter().filter_map(next_step).fold(report, Report::then)
}

fn row_of(one: &NamespaceOutcome, version: &str) -> Row {
    let seconds = format!("{:.1}", one.elapsed.as_secs_f64());
    let (to, result, words, reason) = match &one.ending {
        Ending::Updated => (version, RowResult::Done, "updated", String::new()),
        Ending::Skipped(reason) | Ending::Busy(reason) => {
            ("", RowResult::Skipped, "left alone", reason.clone())
        }
        Ending::Failed { step, error } => {
            ("", RowResult::Failed, "failed", format!("step {step}: {}", first_line(&chain(error))))
        }
        Ending::Stopped => ("", RowResult::Failed, "interrupted", "a rerun goes on".to_owned()),
        Ending::NotBegun => ("", RowResult::Skipped, "not begun", String::new()),
    };
    row(result, [&one.name, &one.from, to, words, &reason, &seconds]).took(one.elapsed)
}

fn row(result: RowResult, cells: [&str; 6]) -> Row {
    Row::new(result, cells.map(str::to_owned).to_vec())
}

fn next_step(one: &NamespaceOutcome) -> Option<String> {
    match &one.ending {
        Ending::Failed { .. } => {
            Some(format!("{}: remove the cause, then run again with `retry_failed: true`", one.name))
        }
        _ => None,
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}
