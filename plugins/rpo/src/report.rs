//! From what was done to what is shown, and to what later steps take.

use shared::report::{Ending, Report};

use crate::execute::Outcome;
use crate::manifest::RpoManifest;
use crate::patch::Edition;
use crate::plan::{EditionPlan, Plan};

/// The report of a run that ended well.
#[must_use]
pub fn report(plan: &Plan, outcome: &Outcome) -> Report {
    let (ending, summary) = if plan.is_empty() {
        (Ending::NothingToDo, format!("nothing to do: the RPO of {} has every patch already", plan.release))
    } else {
        (Ending::Done, format!("the RPO of {} was assembled and published", plan.release))
    };
    let unchanged = plan.editions.iter().filter_map(|edition| match edition {
        EditionPlan::UpToDate(edition, manifest) => Some((*edition, manifest.as_ref())),
        EditionPlan::Assemble(_) => None,
    });
    let published = outcome.published.iter().map(|(edition, manifest)| (*edition, manifest));
    unchanged
        .chain(published)
        .fold(Report::new(ending, summary), |report, (edition, manifest)| add(report, edition, manifest))
}

/// The report of a run that failed after it may have published something.
#[must_use]
pub fn failed(plan: &Plan, done: &Outcome) -> Report {
    let summary =
        format!("{} of {} RPOs were published before the failure", done.published.len(), plan.editions.len());
    done.published.iter().fold(Report::new(Ending::Failed, summary), |report, (edition, manifest)| {
        add(report, *edition, manifest)
    })
}

fn add(report: Report, edition: Edition, manifest: &RpoManifest) -> Report {
    // The international RPO's outputs stand beside the Brazilian one's, under names of their own.
    let suffix = match edition {
        Edition::Brazil => "",
        Edition::International => "_mi",
    };
    report
        .fact(format!("RPO ({edition})"), format!("{} ({} bytes)", manifest.rpo, manifest.size))
        .fact("sha256", &manifest.digest)
        .fact("patches", format!("{}, on {}", manifest.patches.len(), manifest.source.key))
        .output(format!("release{suffix}"), manifest.release.as_str())
        .output(format!("version{suffix}"), format!("{}-{}", manifest.release, manifest.generation))
        .output(format!("rpo{suffix}"), manifest.rpo.as_str())
        .output(format!("digest{suffix}"), manifest.digest.hex())
        .output(
            format!("manifest{suffix}"),
            format!("{}/manifest.json", manifest.rpo.rsplit_once('/').map_or("", |(folder, _)| folder)),
        )
}
