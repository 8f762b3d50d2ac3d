//! Reads everything the plan needs: the base branch and its files, the version branch with its files and commits, and the open pull
//! request. Changes nothing.

use crate::Error;
use crate::edit::Wanted;
use crate::gitea::{Branch, Commit, File, Gitea, PullRequest};
use crate::settings::Settings;

/// What was found.
#[derive(Clone, Debug)]
pub struct Observed {
    /// The branch that clones begin with; never overwritten.
    pub default_branch: String,
    /// The base branch, if it is there.
    pub base: Option<Branch>,
    /// The version branch, if it is there.
    pub branch: Option<VersionBranch>,
    /// The files that are to change.
    pub files: Vec<FoundFile>,
    /// The open pull request from the version branch to the base.
    pub pull_request: Option<PullRequest>,
}

/// What was found of the version branch.
#[derive(Clone, Debug)]
pub struct VersionBranch {
    /// Where it is.
    pub head: Branch,
    /// Its commits that the base has not, the newest first.
    pub ahead: Vec<Commit>,
}

/// A file that is to change.
#[derive(Clone, Debug)]
pub struct FoundFile {
    /// Its path.
    pub path: String,
    /// What it should hold.
    pub wanted: Wanted,
    /// On the base branch.
    pub on_base: Option<File>,
    /// On the version branch.
    pub on_branch: Option<File>,
}

/// Looks at the repository.
///
/// # Errors
/// When the server cannot be asked.
pub async fn observe(settings: &Settings, gitea: &Gitea) -> Result<Observed, Error> {
    let default_branch = gitea.fetch_default_branch().await;
    let default_branch = default_branch
        .map_err(|source| Error::Repository { repository: settings.repository.to_string(), source })?;
    let base = fetch_branch(gitea, &settings.base).await?;
    let branch = fetch_branch(gitea, &settings.branch).await?;
    let mut files = Vec::new();
    for (path, wanted) in &settings.files {
        let on_base = fetch_file(gitea, path, base.as_ref()).await?;
        let on_branch = fetch_file(gitea, path, branch.as_ref()).await?;
        files.push(FoundFile { path: path.clone(), wanted: wanted.clone(), on_base, on_branch });
    }
    let branch = match (branch, &base) {
        (Some(head), Some(_)) => {
            let ahead = gitea.fetch_commits_ahead(&settings.base, &settings.branch).await;
            let ahead = ahead.map_err(|source| Error::Compare { branch: settings.branch.clone(), source })?;
            Some(VersionBranch { head, ahead })
        }
        _ => None,
    };
    let pull_request = fetch_open_pull_request(gitea, &settings.base, &settings.branch).await?;
    Ok(Observed { default_branch, base, branch, files, pull_request })
}

/// A branch, if it is there.
///
/// # Errors
/// When the server cannot be asked.
pub async fn fetch_branch(gitea: &Gitea, name: &str) -> Result<Option<Branch>, Error> {
    let fetched = gitea.fetch_branch(name).await;
    fetched.map_err(|source| Error::Branch { branch: name.to_owned(), source })
}

/// The open pull request from `branch` to `base`, if there is one.
///
/// # Errors
/// When the server cannot be asked.
pub async fn fetch_open_pull_request(
    gitea: &Gitea,
    base: &str,
    branch: &str,
) -> Result<Option<PullRequest>, Error> {
    let fetched = gitea.fetch_open_pull_request(base, branch).await;
    fetched.map_err(|source| Error::Search { branch: branch.to_owned(), source })
}

/// Of the commit, not of the branch: the branch may move while the files are read.
async fn fetch_file(gitea: &Gitea, path: &str, branch: Option<&Branch>) -> Result<Option<File>, Error> {
    match branch {
        Some(branch) => {
            let fetched = gitea.fetch_file(path, &branch.commit).await;
            fetched.map_err(|source| Error::File { path: path.to_owned(), source })
        }
        None => Ok(None),
    }
}
