//! Decides what is to be changed: pure, no IO. Its `Display` is the dry run.

use std::fmt;

use crate::Error;
use crate::edit::{Refusal, splice};
use crate::gitea::{Branch, PullRequest};
use crate::message::{self, Text};
use crate::observe::{FoundFile, Observed, VersionBranch};
use crate::settings::{Author, Settings};

/// What will be done.
#[derive(Clone, Debug)]
pub struct Plan {
    /// `owner/name`.
    pub repository: String,
    /// The base branch.
    pub base: Branch,
    /// Name of the version branch.
    pub branch: String,
    /// The commit it points to, if it exists.
    pub branch_head: Option<String>,
    /// Every value that differs on the base.
    pub changes: Vec<Change>,
    /// The commit to make, unless the version branch is right already.
    pub commit: Option<CommitPlan>,
    /// What becomes of the pull request.
    pub pull_request: PullRequestPlan,
}

/// A value that differs on the base.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Path of the file.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Variable or path; empty for a whole file.
    pub name: String,
    /// Before.
    pub old: String,
    /// After.
    pub new: String,
}

/// A commit to make.
#[derive(Clone, Debug)]
pub struct CommitPlan {
    /// Its message.
    pub message: String,
    /// Its author, if not the token's owner.
    pub author: Option<Author>,
    /// Its files.
    pub files: Vec<FilePlan>,
}

/// A file to write.
#[derive(Clone, Debug)]
pub struct FilePlan {
    /// Path.
    pub path: String,
    /// Content to be.
    pub content: Vec<u8>,
    /// Its blob on the base; none if it stays as it is there.
    pub base_blob: Option<String>,
    /// Its blob on the version branch, if it is there.
    pub branch_blob: Option<String>,
    /// Whether the version branch holds the content already.
    pub is_on_branch: bool,
}

/// What becomes of the pull request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PullRequestPlan {
    /// There is none, and none is needed.
    None,
    /// It is as it should be.
    Keep(PullRequest),
    /// Nothing is left for it to bring.
    LeaveOver(PullRequest),
    /// Another title or description.
    Refresh(PullRequest, Text),
    /// To be opened.
    Open(Text),
}

impl Plan {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        use PullRequestPlan::{Keep, LeaveOver, None, Open, Refresh};
        let is_as_it_should_be = match self.pull_request {
            None | Keep(_) | LeaveOver(_) => true,
            Refresh(..) | Open(_) => false,
        };
        self.commit.is_none() && is_as_it_should_be
    }
}

/// Decides what to do.
///
/// # Errors
/// When a branch is missing or not ours, or values cannot be changed safely; all such values are named.
pub fn plan(settings: &Settings, observed: Observed) -> Result<Plan, Error> {
    let Observed { default_branch, base, branch, files, pull_request } = observed;
    let Some(base) = base else {
        return Err(Error::NoBase {
            branch: settings.base.clone(),
            repository: settings.repository.to_string(),
        });
    };
    if settings.branch == default_branch {
        let why = "it is the repository's default branch".to_owned();
        return Err(Error::NotOurs { branch: settings.branch.clone(), why });
    }
    let (files, changes) = plan_files(&files, &settings.base)?;
    let mut plan = Plan {
        repository: settings.repository.to_string(),
        base,
        branch: settings.branch.clone(),
        branch_head: branch.as_ref().map(|branch| branch.head.commit.clone()),
        changes,
        commit: None,
        pull_request: pull_request.clone().map_or(PullRequestPlan::None, PullRequestPlan::LeaveOver),
    };
    if plan.changes.is_empty() {
        return Ok(plan);
    }
    let is_proposed = branch.as_ref().is_some_and(|branch| {
        // Without a pull request the branch may be an old one, merged and reverted since: only what is fresh from the base counts.
        holds(branch, &files) && (pull_request.is_some() || is_one_commit_on(branch, &plan.base))
    });
    if !is_proposed {
        branch.as_ref().map_or(Ok(()), may_overwrite)?;
        let message = message::commit(settings, &plan.changes);
        plan.commit = Some(CommitPlan { message, author: settings.author.clone(), files });
    }
    let text = message::pull_request(settings, &plan.changes);
    plan.pull_request = match pull_request {
        None => PullRequestPlan::Open(text),
        Some(open) if says(&open, &text) => PullRequestPlan::Keep(open),
        Some(open) => PullRequestPlan::Refresh(open, text),
    };
    Ok(plan)
}

/// What every file should hold, and what that changes on the base.
fn plan_files(found: &[FoundFile], base: &str) -> Result<(Vec<FilePlan>, Vec<Change>), Error> {
    let mut files = Vec::new();
    let mut changes = Vec::new();
    let mut refusals = Vec::new();
    for FoundFile { path, wanted, on_base, on_branch } in found {
        let Some(on_base) = on_base else {
            refusals.push(format!("`{path}`: there is no such file on `{base}`"));
            continue;
        };
        match wanted.edits(&on_base.content) {
            Err(refused) => refusals.extend(refused.into_iter().map(|Refusal { line, reason }| match line {
                Some(line) => format!("`{path}`, line {line}: {reason}"),
                None => format!("`{path}`: {reason}"),
            })),
            Ok(edits) => {
                let content = splice(&on_base.content, &edits);
                files.push(FilePlan {
                    path: path.clone(),
                    base_blob: (!edits.is_empty()).then(|| on_base.sha.clone()),
                    branch_blob: on_branch.as_ref().map(|file| file.sha.clone()),
                    is_on_branch: on_branch.as_ref().is_some_and(|file| file.content == content),
                    content,
                });
                changes.extend(edits.into_iter().map(|edit| Change {
                    file: path.clone(),
                    line: edit.line,
                    name: edit.name,
                    old: edit.old,
                    new: edit.new,
                }));
            }
        }
    }
    if refusals.is_empty() { Ok((files, changes)) } else { Err(Error::Refused(refusals)) }
}

/// Whether the branch holds what is wanted, and nothing that an earlier run of ours wanted beside it.
fn holds(branch: &VersionBranch, files: &[FilePlan]) -> bool {
    let is_wanted = |path: &String| files.iter().any(|file| file.path == *path);
    let ours = branch.ahead.iter().filter(|commit| message::is_ours(&commit.message));
    files.iter().all(|file| file.is_on_branch) && ours.flat_map(|commit| &commit.files).all(is_wanted)
}

fn is_one_commit_on(branch: &VersionBranch, base: &Branch) -> bool {
    matches!(branch.ahead.as_slice(), [commit] if commit.parents == [base.commit.as_str()])
}

/// Overwriting takes away what the branch holds, so that must all be ours. Merges are of the base into the branch (a button of the
/// server); what else was merged stands in the list by itself.
fn may_overwrite(branch: &VersionBranch) -> Result<(), Error> {
    let not_ours = |why| Err(Error::NotOurs { branch: branch.head.name.clone(), why });
    if branch.head.is_protected {
        return not_ours("it is protected".to_owned());
    }
    let foreign =
        branch.ahead.iter().find(|commit| commit.parents.len() < 2 && !message::is_ours(&commit.message));
    let Some(commit) = foreign else { return Ok(()) };
    let subject = commit.message.lines().next().unwrap_or_default();
    let id: String = commit.sha.chars().take(10).collect();
    not_ours(format!("it holds a commit of somebody else: {id} `{subject}`"))
}

/// Whether a pull request reads so. Servers may change line ends and white space at the end.
fn says(open: &PullRequest, text: &Text) -> bool {
    open.title.trim() == text.title.trim() && open.body.replace("\r\n", "\n").trim() == text.body.trim()
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, name, old, new } = self;
        let name = if name.is_empty() { String::new() } else { format!("{name} ") };
        write!(f, "{file}:{line}: {name}{old} -> {new}")
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let base = &self.base.name;
        if self.changes.is_empty() {
            write!(f, "`{base}` of {} holds everything already", self.repository)?;
        }
        for (index, change) in self.changes.iter().enumerate() {
            write!(f, "{}{change}", if index > 0 { "\n" } else { "" })?;
        }
        if self.commit.is_some() {
            write!(f, "\ncommit to `{}` of {}, on top of `{base}`", self.branch, self.repository)?;
        }
        match &self.pull_request {
            PullRequestPlan::None => Ok(()),
            PullRequestPlan::Keep(open) => write!(f, "\nkeep pull request #{}", open.number),
            PullRequestPlan::LeaveOver(open) => {
                write!(f, "\nleave pull request #{}, which brings nothing", open.number)
            }
            PullRequestPlan::Refresh(open, text) => {
                write!(f, "\nrefresh pull request #{}: {}", open.number, text.title)
            }
            PullRequestPlan::Open(text) => write!(f, "\nopen a pull request to `{base}`: {}", text.title),
        }
    }
}

#[cfg(test)]
mod tests;
