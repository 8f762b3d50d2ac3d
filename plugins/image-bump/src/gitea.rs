//! The few calls of Gitea's API that a pull request without a clone needs; Forgejo answers the same. Says what was answered and decides
//! nothing. GitHub would be a second file like this one.

mod reply;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde::de::IgnoredAny;
use shared::http::{Api, Error, Method, Reply, segment};
use shared::settings::Secret;

use self::reply::{BranchReply, CommittedReply, CompareReply, ContentReply, PullReply, RepositoryReply};
use crate::settings::{Author, Settings};

/// Asked for per page; a server may give less.
const PAGE_LENGTH: usize = 50;
/// Far more than anybody has open; ends the search on a server that gives the same page again and again.
const LAST_PAGE: usize = 1000;

/// One repository on the server.
#[derive(Clone, Debug)]
pub struct Gitea {
    api: Api,
    repository: String,
    full_name: String,
}

/// A branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Branch {
    /// Its name.
    pub name: String,
    /// The commit it points to.
    pub commit: String,
    /// Whether the server guards it against overwriting.
    pub is_protected: bool,
}

/// A file at some commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its blob's id.
    pub sha: String,
    /// Its bytes.
    pub content: Vec<u8>,
}

/// A commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Its id.
    pub sha: String,
    /// Ids of what it is based on; several for a merge.
    pub parents: Vec<String>,
    /// Its message.
    pub message: String,
    /// Paths it changed.
    pub files: Vec<String>,
}

/// An open pull request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullRequest {
    /// Its number.
    pub number: u64,
    /// Its page.
    pub url: String,
    /// Its title.
    pub title: String,
    /// Its description.
    pub body: String,
}

/// Several files in one commit.
#[derive(Clone, Debug, Serialize)]
pub struct NewCommit<'a> {
    /// Branch whose files the blob ids are of, and whose head becomes the parent.
    pub branch: &'a str,
    /// Branch that will point to the commit.
    pub new_branch: &'a str,
    /// Replace `new_branch` if it exists: Gitea's name for it, from 1.26 on.
    pub force_push: bool,
    /// The same as Forgejo calls it.
    pub force_overwrite_new_branch: bool,
    /// Message.
    pub message: &'a str,
    /// Author, if not the token's owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<&'a Author>,
    /// What changes.
    pub files: Vec<NewFile<'a>>,
}

/// A file of a new commit.
#[derive(Clone, Debug, Serialize)]
pub struct NewFile<'a> {
    /// `update`, or `create` when it is not there.
    pub operation: &'static str,
    /// Path.
    pub path: &'a str,
    /// Content in base64.
    pub content: String,
    /// The blob it replaces; the server refuses when it is another one by now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha: Option<&'a str>,
}

impl<'a> NewFile<'a> {
    /// A file that replaces `blob`, or is new.
    #[must_use]
    pub fn new(path: &'a str, content: &[u8], blob: Option<&'a str>) -> Self {
        let operation = if blob.is_some() { "update" } else { "create" };
        Self { operation, path, content: STANDARD.encode(content), sha: blob }
    }
}

impl Gitea {
    /// The server and repository of the settings.
    ///
    /// # Errors
    /// When the token cannot be sent.
    pub fn connect(settings: &Settings) -> Result<Self, Error> {
        let base = settings.git_server.join("api/v1/").unwrap_or_else(|_| settings.git_server.clone());
        let authorization = Secret::new(format!("token {}", settings.git_token.expose()));
        let repository = &settings.repository;
        Ok(Self {
            api: Api::new(base, Some(&authorization), &settings.common.net)?,
            repository: format!("repos/{}/{}", segment(&repository.owner), segment(&repository.name)),
            full_name: repository.to_string(),
        })
    }

    /// The branch that clones begin with.
    ///
    /// # Errors
    /// When there is no such repository, or the server cannot be asked.
    pub async fn fetch_default_branch(&self) -> Result<String, Error> {
        let repository: RepositoryReply = self.api.get(&self.repository).await?.ok()?.json()?;
        Ok(repository.default_branch)
    }

    /// A branch, if it is there.
    ///
    /// # Errors
    /// When the server cannot be asked.
    pub async fn fetch_branch(&self, name: &str) -> Result<Option<Branch>, Error> {
        let reply = self.api.get(&format!("{}/branches/{}", self.repository, segments(name))).await?;
        let Some(reply) = found(reply)? else { return Ok(None) };
        let branch: BranchReply = reply.json()?;
        Ok(Some(Branch { name: branch.name, commit: branch.commit.id, is_protected: branch.protected }))
    }

    /// A file at a commit, if it is there.
    ///
    /// # Errors
    /// When it is no file, too large for the server to hand out, or the server cannot be asked.
    pub async fn fetch_file(&self, path: &str, commit: &str) -> Result<Option<File>, Error> {
        let path = format!("{}/contents/{}?ref={}", self.repository, segments(path), segment(commit));
        let Some(reply) = found(self.api.get(&path).await?)? else { return Ok(None) };
        if reply.json::<Vec<IgnoredAny>>().is_ok() {
            return Err(reply.unexpected("a folder, not a file".to_owned()));
        }
        let entry: ContentReply = reply.json()?;
        // A symbolic link's content is that of its target's path.
        if entry.kind != "file" {
            return Err(reply.unexpected(format!("a {}, not a file", entry.kind)));
        }
        let Some(content) = entry.content.filter(|_| entry.encoding.as_deref() == Some("base64")) else {
            return Err(
                reply.unexpected("without its content: too large for the server to hand out".to_owned())
            );
        };
        let content: String = content.split_whitespace().collect();
        let content = STANDARD.decode(content).map_err(|error| reply.unexpected(error.to_string()))?;
        Ok(Some(File { sha: entry.sha, content }))
    }

    /// What `branch` has and `base` has not, the newest first.
    ///
    /// # Errors
    /// When the server cannot be asked.
    pub async fn fetch_commits_ahead(&self, base: &str, branch: &str) -> Result<Vec<Commit>, Error> {
        let path = format!("{}/compare/{}...{}", self.repository, segments(base), segments(branch));
        let comparison: CompareReply = self.api.get(&path).await?.ok()?.json()?;
        Ok(comparison.commits.into_iter().map(Commit::from).collect())
    }

    /// The open pull request from `branch` of this repository to `base`, if there is one.
    ///
    /// # Errors
    /// When the server cannot be asked.
    pub async fn fetch_open_pull_request(
        &self,
        base: &str,
        branch: &str,
    ) -> Result<Option<PullRequest>, Error> {
        // The server has no filter for the head, and older ones none for the base. The oldest first, so that what is opened in the
        // meantime moves nothing to a page already read.
        for page in 1..=LAST_PAGE {
            let query = format!(
                "state=open&sort=oldest&base_branch={}&limit={PAGE_LENGTH}&page={page}",
                segment(base)
            );
            let reply = self.api.get(&format!("{}/pulls?{query}", self.repository)).await?.ok()?;
            // An item is null when its branch or author cannot be read.
            let items: Vec<Option<PullReply>> = reply.json()?;
            if items.is_empty() {
                break;
            }
            let is_ours = |pull: &PullReply| {
                let is_here = pull
                    .head
                    .repo
                    .as_ref()
                    .is_some_and(|repo| repo.full_name.eq_ignore_ascii_case(&self.full_name));
                is_here && pull.state == "open" && pull.head.name == branch && pull.base.name == base
            };
            if let Some(pull) = items.into_iter().flatten().find(is_ours) {
                return Ok(Some(pull.into()));
            }
        }
        Ok(None)
    }

    /// Makes a commit and gives its id; the server's answer when it refuses.
    ///
    /// # Errors
    /// Outer: nothing came back. Inner: the server said no.
    pub async fn post_commit(&self, commit: &NewCommit<'_>) -> Result<Result<String, Error>, Error> {
        let path = format!("{}/contents", self.repository);
        match self.api.send_json(Method::POST, &path, commit).await?.ok() {
            Ok(reply) => Ok(Ok(reply.json::<CommittedReply>()?.commit.sha)),
            Err(refused) => Ok(Err(refused)),
        }
    }

    /// Opens a pull request; none when there is one already.
    ///
    /// # Errors
    /// When the server refuses or nothing comes back.
    pub async fn post_pull_request(
        &self,
        base: &str,
        branch: &str,
        title: &str,
        body: &str,
    ) -> Result<Option<PullRequest>, Error> {
        let request = NewPullRequest { base: Some(base), head: Some(branch), title, body };
        let reply = self.api.send_json(Method::POST, &format!("{}/pulls", self.repository), &request).await?;
        if reply.status == 409 {
            return Ok(None);
        }
        Ok(Some(reply.ok()?.json::<PullReply>()?.into()))
    }

    /// Changes title and description of a pull request.
    ///
    /// # Errors
    /// When the server refuses or nothing comes back.
    pub async fn patch_pull_request(
        &self,
        number: u64,
        title: &str,
        body: &str,
    ) -> Result<PullRequest, Error> {
        let request = NewPullRequest { base: None, head: None, title, body };
        let reply = self
            .api
            .send_json(Method::PATCH, &format!("{}/pulls/{number}", self.repository), &request)
            .await?;
        Ok(reply.ok()?.json::<PullReply>()?.into())
    }
}

/// A path whose parts are escaped, but not the `/` between them.
fn segments(path: &str) -> String {
    path.split('/').map(segment).collect::<Vec<_>>().join("/")
}

fn found(reply: Reply) -> Result<Option<Reply>, Error> {
    if reply.status == 404 { Ok(None) } else { reply.ok().map(Some) }
}

#[derive(Serialize)]
struct NewPullRequest<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    base: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    head: Option<&'a str>,
    title: &'a str,
    body: &'a str,
}
