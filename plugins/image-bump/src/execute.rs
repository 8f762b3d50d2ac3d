//! Does what the plan says. Order of writes: (1) the commit on the version branch, which nobody reads yet; (2) the pull request, because it
//! cannot be opened without the branch. A run that is cut between them is finished by the next: it finds the commit and opens the pull
//! request. The branch is never deleted, only moved: deleting it would close the pull request.

use shared::http;
use shared::stop::Stop;

use crate::Error;
use crate::gitea::{Gitea, NewCommit, NewFile, PullRequest};
use crate::message::Text;
use crate::observe::{fetch_branch, fetch_open_pull_request};
use crate::plan::{CommitPlan, Plan, PullRequestPlan};

/// What was done.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The new commit.
    pub commit: Option<String>,
    /// The pull request that was opened or refreshed.
    pub pull_request: Option<PullRequest>,
}

/// What was done before it failed.
#[derive(Debug)]
pub struct Failed {
    /// Done before.
    pub done: Outcome,
    /// Why it failed.
    pub source: Error,
}

/// Commits, then opens or refreshes the pull request.
///
/// # Errors
/// With what had been done before.
pub async fn execute(plan: &Plan, gitea: &Gitea, stop: &Stop) -> Result<Outcome, Failed> {
    let mut done = Outcome::default();
    if let Some(commit) = &plan.commit {
        match stop.interrupting(put_commit(plan, commit, gitea)).await {
            Ok(commit) => done.commit = commit,
            Err(source) => return Err(Failed { done, source }),
        }
    }
    match stop.interrupting(put_pull_request(plan, gitea)).await {
        Ok(pull_request) => done.pull_request = pull_request,
        Err(source) => return Err(Failed { done, source }),
    }
    Ok(done)
}

/// One commit on top of the base, to which the version branch is moved whatever it was before.
///
/// The call that makes several files one commit has no condition on the branch that it moves. One that has (`PUT branches/{branch}` with
/// `old_commit_id`, Gitea 1.26) needs a commit that some other branch holds, whose push would start builds. So the branch is looked at once
/// more right before: what somebody pushed while the plan was made is not lost.
async fn put_commit(plan: &Plan, commit: &CommitPlan, gitea: &Gitea) -> Result<Option<String>, Error> {
    let head = fetch_branch(gitea, &plan.branch).await?.map(|branch| branch.commit);
    if head != plan.branch_head {
        return Err(Error::Moved { branch: plan.branch.clone() });
    }
    let changed = commit.files.iter().filter_map(|file| {
        let blob = file.base_blob.as_deref()?;
        Some(NewFile::new(&file.path, &file.content, Some(blob)))
    });
    let request = NewCommit {
        branch: &plan.base.name,
        new_branch: &plan.branch,
        force_push: true,
        force_overwrite_new_branch: true,
        message: &commit.message,
        author: commit.author.as_ref(),
        files: changed.collect(),
    };
    match gitea.post_commit(&request).await.map_err(|source| uncommitted(&plan.branch, source))? {
        Ok(id) => {
            tracing::info!("`{}` is at {id}, on top of `{}`", plan.branch, plan.base.name);
            Ok(Some(id))
        }
        Err(refused) if is_about_existing_branch(&refused) && plan.branch_head.is_some() => {
            tracing::info!(
                "this server does not overwrite branches; the commit goes on top of `{}`",
                plan.branch
            );
            put_commit_on_top(plan, commit, gitea).await
        }
        Err(refused) => Err(refusal(&plan.base.name, &plan.branch, refused)),
    }
}

/// For servers older than Gitea 1.26: the version branch keeps its earlier commits.
async fn put_commit_on_top(plan: &Plan, commit: &CommitPlan, gitea: &Gitea) -> Result<Option<String>, Error> {
    let files: Vec<NewFile<'_>> = commit
        .files
        .iter()
        .filter(|file| !file.is_on_branch)
        .map(|file| NewFile::new(&file.path, &file.content, file.branch_blob.as_deref()))
        .collect();
    if files.is_empty() {
        return Ok(plan.branch_head.clone());
    }
    let request = NewCommit {
        branch: &plan.branch,
        new_branch: &plan.branch,
        force_push: false,
        force_overwrite_new_branch: false,
        message: &commit.message,
        author: commit.author.as_ref(),
        files,
    };
    match gitea.post_commit(&request).await.map_err(|source| uncommitted(&plan.branch, source))? {
        Ok(id) => Ok(Some(id)),
        Err(refused) => Err(refusal(&plan.base.name, &plan.branch, refused)),
    }
}

async fn put_pull_request(plan: &Plan, gitea: &Gitea) -> Result<Option<PullRequest>, Error> {
    match &plan.pull_request {
        PullRequestPlan::None | PullRequestPlan::Keep(_) | PullRequestPlan::LeaveOver(_) => Ok(None),
        PullRequestPlan::Refresh(open, text) => Ok(Some(refresh(open.number, text, gitea).await?)),
        PullRequestPlan::Open(text) => {
            let (base, branch) = (&plan.base.name, &plan.branch);
            let opened = gitea.post_pull_request(base, branch, &text.title, &text.body).await;
            let opened = opened.map_err(|source| Error::Open { branch: branch.clone(), source })?;
            if let Some(opened) = opened {
                tracing::info!("opened {}", opened.url);
                return Ok(Some(opened));
            }
            // Another run or somebody was faster.
            match fetch_open_pull_request(gitea, base, branch).await? {
                Some(open) => Ok(Some(refresh(open.number, text, gitea).await?)),
                None => Err(Error::Moved { branch: branch.clone() }),
            }
        }
    }
}

async fn refresh(number: u64, text: &Text, gitea: &Gitea) -> Result<PullRequest, Error> {
    let refreshed = gitea.patch_pull_request(number, &text.title, &text.body).await;
    let refreshed = refreshed.map_err(|source| Error::Refresh { number, source })?;
    tracing::info!("refreshed {}", refreshed.url);
    Ok(refreshed)
}

fn uncommitted(branch: &str, source: http::Error) -> Error {
    Error::Commit { branch: branch.to_owned(), source }
}

fn is_about_existing_branch(refused: &http::Error) -> bool {
    matches!(refused, http::Error::Status { status: 409 | 422, body, .. } if body.contains("branch already exists"))
}

/// What the server's no means. A blob that is another one by now means that somebody committed since we looked; a reference that Git cannot
/// lock, which the server answers with 403 as it does a refused token, that somebody moves the branch right now. The next run sees either.
fn refusal(base: &str, branch: &str, refused: http::Error) -> Error {
    let http::Error::Status { status, body, .. } = &refused else { return uncommitted(branch, refused) };
    let moved = |branch: &str| Error::Moved { branch: branch.to_owned() };
    // Git says so of `a/b` when there is `a`, and of `a` when there is `a/b`.
    if body.contains("cannot lock ref") && (body.contains("cannot create") || body.contains("blocking")) {
        return Error::Clash { branch: branch.to_owned(), why: body.clone() };
    }
    let is_about_state = matches!(status, 409 | 422);
    if is_about_state && body.contains("does not match") {
        tracing::info!("the server said: {body}");
        return moved(base);
    }
    if body.contains("cannot lock ref") {
        tracing::info!("the server said: {body}");
        return moved(branch);
    }
    if is_about_existing_branch(&refused) { moved(branch) } else { uncommitted(branch, refused) }
}

#[cfg(test)]
mod tests {
    use shared::failure::{Exit, Fault as _};

    use super::*;

    fn error(status: u16, body: &str) -> Error {
        let request = "POST http://git/contents".to_owned();
        refusal("main", "bump/a", http::Error::Status { request, status, body: body.to_owned() })
    }

    #[test]
    fn a_reference_that_cannot_be_locked_is_no_refused_token() {
        let race = error(403, "cannot lock ref 'refs/heads/bump/a': is at 1234 but expected 5678");
        assert_eq!(race.exit(), Exit::Temporary);
        assert!(race.to_string().starts_with("`bump/a` was changed in the meantime"), "{race}");
        assert_eq!(race.hints(), [""; 0]);

        let clash = "cannot lock ref 'refs/heads/bump/a': 'refs/heads/bump' exists; cannot create 'refs/heads/bump/a'";
        let clash = error(403, clash);
        assert_eq!(clash.exit(), Exit::Failed);
        assert!(clash.to_string().starts_with("there can be no branch `bump/a`: "), "{clash}");
        assert!(clash.hints()[0].contains("`branch`"));
    }

    #[test]
    fn a_refused_token_and_a_changed_file_stay_what_they_are() {
        assert!(error(403, "user should have a permission to write").hints()[0].contains("token"));
        assert!(matches!(error(422, "sha does not match"), Error::Moved { branch } if branch == "main"));
        assert!(matches!(error(422, "branch already exists"), Error::Moved { branch } if branch == "bump/a"));
        assert!(matches!(error(422, "anything else"), Error::Commit { branch, .. } if branch == "bump/a"));
    }
}
