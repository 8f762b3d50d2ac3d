//! From what was done to what is shown, and to what later steps take.

use serde_json::{Map, Value};
use shared::report::{Ending, Report, Row, RowResult};

use crate::component::Component;
use crate::execute::{How, Outcome};
use crate::manifest::ArchiveManifest;
use crate::plan::{ComponentPlan, Plan};

/// The report of a run that ended well.
#[must_use]
pub fn report(plan: &Plan, outcome: &Outcome) -> Report {
    let count = plan.components.len();
    let (ending, summary) = if plan.is_empty() {
        let all = if count == 1 { "the component".to_owned() } else { format!("all {count} components") };
        (Ending::NothingToDo, format!("nothing to do: the mirror has {all} already"))
    } else {
        (Ending::Done, format!("{} of {count} components were packed into the mirror", outcome.packed.len()))
    };
    let report = plan
        .release
        .iter()
        .fold(Report::new(ending, summary), |report, release| report.fact("release", release));
    add(report, plan, outcome)
}

/// The report of a run that failed after it may have packed something.
#[must_use]
pub fn failed(plan: &Plan, done: &Outcome) -> Report {
    let wanted =
        plan.components.iter().filter(|component| matches!(component, ComponentPlan::Pack(_))).count();
    let summary = format!("{} of {wanted} components were packed before the failure", done.packed.len());
    let mut report = add(Report::new(Ending::Failed, summary), plan, done);
    if let Some(table) = &mut report.table {
        table.rows.extend(not_packed(plan, done));
    }
    report
}

/// One component is packed after the other: the first that is not done is the one that failed.
fn not_packed(plan: &Plan, done: &Outcome) -> Vec<Row> {
    let wanted = plan.components.iter().filter_map(|component| match component {
        ComponentPlan::Pack(packing) => Some(&packing.component),
        ComponentPlan::Unchanged(_) => None,
    });
    let row = |(index, component): (usize, &Component)| {
        let (result, words) =
            if index == 0 { (RowResult::Failed, "failed") } else { (RowResult::Skipped, "not begun") };
        let size = format!("{} bytes", component.size());
        let cells = [&component.name, &component.version, words, &size, ""];
        Row::new(result, cells.map(str::to_owned).to_vec())
    };
    wanted.skip(done.packed.len()).enumerate().map(row).collect()
}

fn add(report: Report, plan: &Plan, outcome: &Outcome) -> Report {
    let unchanged = plan.components.iter().filter_map(|component| match component {
        ComponentPlan::Unchanged(manifest) => Some((manifest.as_ref(), RowResult::Unchanged, "unchanged")),
        ComponentPlan::Pack(_) => None,
    });
    let packed =
        outcome.packed.iter().map(|packed| (&packed.manifest, RowResult::Done, in_words(packed.how)));
    let mut all: Vec<(&ArchiveManifest, RowResult, &str)> = unchanged.chain(packed).collect();
    all.sort_by(|(left, ..), (right, ..)| left.component.cmp(&right.component));

    let map = |value: fn(&ArchiveManifest) -> &str| -> Value {
        all.iter()
            .map(|(manifest, ..)| (manifest.component.clone(), Value::from(value(manifest))))
            .collect::<Map<_, _>>()
            .into()
    };
    let rows = all.iter().map(|(manifest, result, words)| {
        let ArchiveManifest { component, version, size, digest, .. } = manifest;
        let size = format!("{size} bytes");
        Row::new(*result, [component, version, *words, &size, digest.short()].map(str::to_owned).to_vec())
    });
    let (versions, archives, digests) = (
        map(|manifest| &manifest.version),
        map(|manifest| &manifest.archive),
        map(|manifest| manifest.digest.hex()),
    );
    report
        .table(&["component", "version", "result", "size", "sha256"], rows.collect())
        .output("versions", versions)
        .output("archives", archives)
        .output("digests", digests)
}

fn in_words(how: How) -> &'static str {
    match how {
        How::Uploaded => "uploaded",
        How::Replaced => "replaced",
        How::ByAnother => "packed by another run",
    }
}
