//! From what was done to what is shown, and to what later steps take.

use shared::report::{Ending, Report, Row, RowResult};

use crate::execute::Outcome;
use crate::gitea::PullRequest;
use crate::plan::{Plan, PullRequestPlan};

/// The report of a run that ended well.
#[must_use]
pub fn report(plan: &Plan, outcome: &Outcome) -> Report {
    let (ending, summary) = match &plan.pull_request {
        _ if plan.changes.is_empty() => (
            Ending::NothingToDo,
            format!("nothing to do: `{}` of {} holds everything already", plan.base.name, plan.repository),
        ),
        _ if plan.is_empty() => {
            (Ending::NothingToDo, "nothing to do: the open pull request holds everything already".to_owned())
        }
        PullRequestPlan::Open(text) => (Ending::Done, format!("opened a pull request: {}", text.title)),
        PullRequestPlan::Refresh(_, text) => {
            (Ending::Done, format!("refreshed the pull request: {}", text.title))
        }
        _ => (Ending::Done, "refreshed the branch of the pull request".to_owned()),
    };
    let pull_request = outcome.pull_request.as_ref().or(open_already(plan));
    let report = with_changes(Report::new(ending, summary), plan, outcome);
    let Some(PullRequest { number, url, .. }) = pull_request else { return report };
    let report = report.fact("pull request", url).output("pull_request", *number).output("url", url.as_str());
    match plan.changes.is_empty() {
        true => report.then(format!(
            "close pull request #{number}: it brings nothing that `{}` has not",
            plan.base.name
        )),
        false => report.then(format!("review and merge {url}")),
    }
}

/// The report of a run that failed after it may have committed.
#[must_use]
pub fn failed(plan: &Plan, done: &Outcome) -> Report {
    let summary = match &done.commit {
        Some(_) => format!(
            "`{}` was moved before the failure; the next run goes on with the pull request",
            plan.branch
        ),
        None => "nothing was changed before the failure".to_owned(),
    };
    with_changes(Report::new(Ending::Failed, summary), plan, done)
}

fn open_already(plan: &Plan) -> Option<&PullRequest> {
    match &plan.pull_request {
        PullRequestPlan::Keep(open)
        | PullRequestPlan::LeaveOver(open)
        | PullRequestPlan::Refresh(open, _) => Some(open),
        PullRequestPlan::None | PullRequestPlan::Open(_) => None,
    }
}

/// The branch and commit that hold the wanted values are outputs of every run, also of one with nothing to do: later steps rely on them.
fn with_changes(report: Report, plan: &Plan, outcome: &Outcome) -> Report {
    let (branch, commit) = match plan.changes.is_empty() {
        true => (&plan.base.name, Some(&plan.base.commit)),
        false => (&plan.branch, outcome.commit.as_ref().or(plan.branch_head.as_ref())),
    };
    let mut report =
        report.fact("repository", &plan.repository).fact("branch", branch).output("branch", branch.as_str());
    if let Some(commit) = commit {
        report = report.fact("commit", commit).output("commit", commit.as_str());
    }
    report = report.output("changed", plan.changes.len());
    if plan.changes.is_empty() {
        return report;
    }
    // Without a commit of this run, an earlier one holds the changes, or this one failed before it.
    let result = match (report.ending, &outcome.commit) {
        (_, Some(_)) => RowResult::Done,
        (Ending::Failed, None) if plan.commit.is_some() => RowResult::Skipped,
        (_, None) => RowResult::Unchanged,
    };
    let rows = plan.changes.iter().map(|change| {
        let place = format!("{}:{}", change.file, change.line);
        let cells = [&place, &change.name, &change.old, &change.new].map(String::clone).to_vec();
        Row::new(result, cells)
    });
    report.table(&["file", "value", "from", "to"], rows.collect())
}
