//! What the server answers, as far as it is read. Called by `gitea`.

use serde::{Deserialize, Deserializer};

use super::{Commit, PullRequest};

#[derive(Deserialize)]
pub(super) struct RepositoryReply {
    pub(super) default_branch: String,
}

#[derive(Deserialize)]
pub(super) struct BranchReply {
    pub(super) name: String,
    pub(super) commit: BranchCommitReply,
    #[serde(default)]
    pub(super) protected: bool,
}

#[derive(Deserialize)]
pub(super) struct BranchCommitReply {
    pub(super) id: String,
}

#[derive(Deserialize)]
pub(super) struct ContentReply {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) sha: String,
    pub(super) content: Option<String>,
    pub(super) encoding: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct CompareReply {
    #[serde(default, deserialize_with = "or_empty")]
    pub(super) commits: Vec<CommitReply>,
}

#[derive(Deserialize)]
pub(super) struct CommitReply {
    pub(super) sha: String,
    pub(super) commit: CommitTextReply,
    #[serde(default, deserialize_with = "or_empty")]
    pub(super) parents: Vec<IdReply>,
    #[serde(default, deserialize_with = "or_empty")]
    pub(super) files: Vec<AffectedReply>,
}

#[derive(Deserialize)]
pub(super) struct CommitTextReply {
    pub(super) message: String,
}

#[derive(Deserialize)]
pub(super) struct AffectedReply {
    pub(super) filename: String,
}

#[derive(Deserialize)]
pub(super) struct CommittedReply {
    pub(super) commit: IdReply,
}

#[derive(Deserialize)]
pub(super) struct IdReply {
    pub(super) sha: String,
}

#[derive(Deserialize)]
pub(super) struct PullReply {
    pub(super) number: u64,
    pub(super) html_url: String,
    pub(super) title: String,
    pub(super) body: Option<String>,
    pub(super) state: String,
    pub(super) head: SideReply,
    pub(super) base: SideReply,
}

#[derive(Deserialize)]
pub(super) struct SideReply {
    #[serde(rename = "ref")]
    pub(super) name: String,
    pub(super) repo: Option<SideRepositoryReply>,
}

#[derive(Deserialize)]
pub(super) struct SideRepositoryReply {
    pub(super) full_name: String,
}

/// Go writes an empty list as null.
fn or_empty<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

impl From<CommitReply> for Commit {
    fn from(reply: CommitReply) -> Self {
        Self {
            sha: reply.sha,
            parents: reply.parents.into_iter().map(|parent| parent.sha).collect(),
            message: reply.commit.message,
            files: reply.files.into_iter().map(|file| file.filename).collect(),
        }
    }
}

impl From<PullReply> for PullRequest {
    fn from(reply: PullReply) -> Self {
        Self {
            number: reply.number,
            url: reply.html_url,
            title: reply.title,
            body: reply.body.unwrap_or_default(),
        }
    }
}
