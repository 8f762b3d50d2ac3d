//! From what was done to what is shown, and to what later steps take.

use shared::report::{Ending, Report};

use crate::chart;
use crate::execute::Outcome;
use crate::plan::Plan;

/// The report of a run that ended well.
#[must_use]
pub fn report(plan: &Plan, outcome: &Outcome) -> Report {
    let (name, version) = (&plan.package.metadata.name, plan.package.version.to_string());
    let file = chart::file_name(name, &plan.package.version);
    // Where another run did the same at the same time, this one wrote nothing either.
    let (ending, summary) = match outcome {
        Outcome { chart: false, index: false, .. } => (
            Ending::NothingToDo,
            format!("nothing to do: `{name}` {version} is published already, with the same content"),
        ),
        Outcome { chart: true, index: true, .. } => {
            (Ending::Done, format!("`{name}` {version} was published"))
        }
        Outcome { chart: false, index: true, .. } => {
            (Ending::Done, format!("`{name}` {version} was in the bucket already and is listed now"))
        }
        Outcome { chart: true, index: false, .. } => {
            (Ending::Done, format!("`{name}` {version} was listed already and is in the bucket now"))
        }
    };
    facts(Report::new(ending, summary), plan, outcome)
        .output("chart", name.as_str())
        .output("version", version)
        .output("digest", outcome.digest.hex())
        .output("key", plan.key.to_string())
        .output("index", plan.index_key.to_string())
        .output("file", file)
}

/// The report of a run that failed after it may have written something.
#[must_use]
pub fn failed(plan: &Plan, done: &Outcome) -> Report {
    let summary = match done {
        Outcome { chart: false, index: false, .. } => "nothing was changed before the failure",
        Outcome { chart: true, index: false, .. } => {
            "the chart was uploaded before the failure, but is not listed in the index"
        }
        Outcome { index: true, .. } => "the index was changed before the failure",
    };
    let report = Report::new(Ending::Failed, summary);
    // What this run did not publish is not shown as if it had.
    match done {
        Outcome { chart: false, index: false, .. } => report,
        Outcome { index: false, .. } => with_chart(report, plan, done),
        Outcome { index: true, .. } => facts(report, plan, done),
    }
}

fn facts(report: Report, plan: &Plan, outcome: &Outcome) -> Report {
    with_chart(report, plan, outcome).fact("index", &plan.index_key).fact("address", &plan.url)
}

fn with_chart(report: Report, plan: &Plan, outcome: &Outcome) -> Report {
    report.fact("chart", &plan.key).fact("sha256", &outcome.digest)
}
