//! A real Git server with pull requests: Gitea, with one administrator who owns every repository.
//! It may not do what the plugins do (version branches, pull requests); it plays the people beside them:
//! who creates a repository, reads it, merges.
//! Called by tests as `lab::gitea()`, and by the demo as `Gitea::start`.

mod oauth;
mod server;

use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use self::server::{OWNER, Server};
use crate::error::{Attempt as _, Error, or_fail};
use crate::{folder, http};

pub(crate) use self::oauth::Application;

/// A running Git server; it ends when this value is dropped.
pub struct Gitea {
    url: String,
    token: String,
    _server: Option<Server>,
}

/// The Git server of this process, started on first use. Tests share it, each with its own repositories.
#[track_caller]
pub fn gitea() -> &'static Gitea {
    static GITEA: OnceLock<Result<Gitea, Error>> = OnceLock::new();
    or_fail(GITEA.get_or_init(|| Gitea::start(&folder::temporary("gitea")?)))
}

/// A pull request as its reader sees it.
#[derive(Clone, Debug, Deserialize)]
pub struct PullRequest {
    /// Its number within the repository.
    pub number: u64,
    /// Its title.
    pub title: String,
    /// Its description.
    #[serde(default)]
    pub body: String,
    /// `open` or `closed`; a merged one is closed.
    pub state: String,
    /// Whether it was merged.
    pub merged: bool,
    /// The page of it.
    pub html_url: String,
    /// The branch it brings.
    pub head: Branch,
    /// The branch it goes to.
    pub base: Branch,
}

/// One side of a pull request.
#[derive(Clone, Debug, Deserialize)]
pub struct Branch {
    /// The branch's name.
    #[serde(rename = "ref")]
    pub name: String,
    /// The commit it points to.
    pub sha: String,
}

#[derive(Deserialize)]
struct Repository {
    id: u64,
    empty: bool,
}

#[derive(Deserialize)]
struct Content {
    content: Option<String>,
}

#[derive(Deserialize)]
struct Commit {
    sha: String,
}

impl Gitea {
    /// Starts a server whose repositories, user and (when still free) port are those kept in `folder`.
    pub fn start(folder: &Path) -> Result<Self, Error> {
        let server = Server::start(folder)?;
        Ok(Self { url: server.url.clone(), token: server.token()?, _server: Some(server) })
    }

    /// A server that another process runs.
    pub fn at(url: &str, token: &str) -> Result<Self, Error> {
        Ok(Self { url: url.to_owned(), token: token.to_owned(), _server: None })
    }

    /// Where the server answers, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The owner's API token, which may do everything.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The user who owns every repository.
    pub fn owner(&self) -> &str {
        OWNER
    }

    /// A repository name that no other test has. Nothing is created.
    pub fn repository_name(&self, prefix: &str) -> String {
        folder::unique_name(prefix)
    }

    /// Creates a repository with `files` (path and content) in one commit on `branch`; one that has content
    /// already is left as it is.
    pub async fn create_repository(
        &self,
        name: &str,
        files: &[(&str, &str)],
        branch: &str,
    ) -> Result<(), Error> {
        let found: Option<Repository> = self.get_opt(&format!("repos/{OWNER}/{name}")).await?;
        if found.is_none() {
            let wanted = json!({"name": name, "default_branch": branch});
            self.send(self.request(Method::POST, "user/repos")?.json(&wanted)).await?;
        }
        // Also true for one whose creation was cut off before its files came.
        if found.is_none_or(|repository| repository.empty) {
            self.commit(name, branch, "First version", files).await?;
        }
        Ok(())
    }

    /// The number by which other servers know a repository.
    pub(crate) async fn repository_id(&self, name: &str) -> Result<u64, Error> {
        let repository: Repository = self.get(&format!("repos/{OWNER}/{name}")).await?;
        Ok(repository.id)
    }

    /// Adds new files to a branch in one commit, as a colleague would.
    pub async fn commit(
        &self,
        repository: &str,
        branch: &str,
        message: &str,
        files: &[(&str, &str)],
    ) -> Result<(), Error> {
        let operations: Vec<_> = files
            .iter()
            .map(
                |(path, text)| json!({"operation": "create", "path": path, "content": STANDARD.encode(text)}),
            )
            .collect();
        let commit = json!({"branch": branch, "message": message, "files": operations});
        let path = format!("repos/{OWNER}/{repository}/contents");
        self.send(self.request(Method::POST, &path)?.json(&commit)).await.map(drop)
    }

    /// The text of a file on a branch, `None` when there is no such file or branch.
    pub async fn file(&self, repository: &str, branch: &str, path: &str) -> Result<Option<String>, Error> {
        let path = format!("repos/{OWNER}/{repository}/contents/{path}?ref={branch}");
        let Some(Content { content: Some(content) }) = self.get_opt(&path).await? else { return Ok(None) };
        let bytes = STANDARD.decode(content).attempting(|| "cannot decode the file".into())?;
        String::from_utf8(bytes).map(Some).attempting(|| "the file is not text".into())
    }

    /// All pull requests of a repository, open or not, the newest first.
    pub async fn pull_requests(&self, repository: &str) -> Result<Vec<PullRequest>, Error> {
        self.get(&format!("repos/{OWNER}/{repository}/pulls?state=all&sort=newest")).await
    }

    /// Merges a pull request.
    pub async fn merge(&self, repository: &str, number: u64) -> Result<(), Error> {
        let path = format!("repos/{OWNER}/{repository}/pulls/{number}/merge");
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            let request = self.request(Method::POST, &path)?.json(&json!({"Do": "merge"}));
            let reply = request.send().await.attempting(|| "no reply to the merge".into())?;
            let status = reply.status();
            if status.is_success() {
                return Ok(());
            }
            let text = reply.text().await.unwrap_or_default();
            // The server still works out whether the branches can be merged.
            let is_early = status == StatusCode::METHOD_NOT_ALLOWED && text.contains("try again later");
            if !is_early || Instant::now() > end {
                return Err(Error::new(format!("cannot merge {repository}#{number}: {status}: {text}")));
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// The commits of a branch, the newest first.
    pub async fn commits(&self, repository: &str, branch: &str) -> Result<Vec<String>, Error> {
        let path = format!("repos/{OWNER}/{repository}/commits?sha={branch}&limit=50&stat=false");
        let commits: Vec<Commit> = self.get(&path).await?;
        Ok(commits.into_iter().map(|commit| commit.sha).collect())
    }

    /// What a pull request changes, as a unified diff.
    pub async fn diff(&self, repository: &str, number: u64) -> Result<String, Error> {
        let path = format!("repos/{OWNER}/{repository}/pulls/{number}.diff");
        let reply = self.send(self.request(Method::GET, &path)?).await?;
        reply.text().await.attempting(|| "cannot read the diff".into())
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        let found = self.get_opt(path).await?;
        found.ok_or_else(|| Error::new(format!("the Git server has no `{path}`")))
    }

    async fn get_opt<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, Error> {
        let attempt = || format!("cannot read `{path}` from the Git server");
        let reply = self.request(Method::GET, path)?.send().await.attempting(attempt)?;
        if reply.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let reply = reply.error_for_status().attempting(attempt)?;
        reply.json().await.map(Some).attempting(attempt)
    }

    async fn send(&self, request: RequestBuilder) -> Result<reqwest::Response, Error> {
        http::success(request).await.attempting(|| "the Git server refused".into())
    }

    fn request(&self, method: Method, path: &str) -> Result<RequestBuilder, Error> {
        let url = format!("{}/api/v1/{path}", self.url);
        Ok(http::client()?.request(method, url).header("Authorization", format!("token {}", self.token)))
    }
}
