//! plugin-image-bump: changes exactly the version text in files of a Git repository, without a clone, on a version branch, and opens or
//! refreshes one pull request.

pub mod edit;
pub mod execute;
pub mod gitea;
pub mod message;
pub mod observe;
pub mod plan;
pub mod report;
pub mod settings;

use shared::bucket::BUCKET_IF_NEEDED;
use shared::ci::{ACTION, CI};
use shared::entry::Plugin;
use shared::failure::{Exit, Failure, Fault};
use shared::http;
use shared::notify::NOTIFY;
use shared::report::Report;
use shared::settings::{COMMON, Env};
use shared::stop::{Stop, Stopped};

use crate::gitea::Gitea;
use crate::settings::Settings;

/// Name, purpose and settings.
pub const PLUGIN: Plugin = Plugin {
    name: "plugin-image-bump",
    about: "Links new versions in Git: changes the version text in files of a repository and opens or refreshes one pull request.",
    settings: &[settings::OWN, BUCKET_IF_NEEDED, ACTION, CI, NOTIFY, COMMON],
    exit_codes: &[
        (0, "the pull request is there and up to date, or the base has these versions already"),
        (1, "refused or failed: a place for a version was not found, the Git server refused"),
        (2, "settings unusable; nothing was touched, and all problems are named at once"),
        (3, "done, but only some of the pipelines of `trigger` were started or ended well"),
        (
            75,
            "temporary: the Git server was out of reach, the branch moved meanwhile, or told to stop; a rerun may help",
        ),
    ],
};

/// The whole run.
///
/// # Errors
/// What went wrong, with the exit code that fits and what had been done before.
pub async fn run(env: Env, stop: Stop) -> Result<Report, Failure> {
    let settings = Settings::from_env(&env)?;
    let gitea = Gitea::connect(&settings).map_err(Error::Connect)?;
    let observed = stop.or(async { Ok(observe::observe(&settings, &gitea).await?) }).await?;
    let plan = plan::plan(&settings, observed)?;
    if settings.common.dry_run {
        return Ok(Report::dry_run(&plan));
    }
    match execute::execute(&plan, &gitea, &stop).await {
        Ok(outcome) => Ok(report::report(&plan, &outcome)),
        Err(failed) => Err(Failure::from(failed.source).after(report::failed(&plan, &failed.done))),
    }
}

/// What can go wrong, by what was attempted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No client for the Git server.
    #[error("cannot prepare the connection to the Git server")]
    Connect(#[source] http::Error),
    /// The repository could not be read.
    #[error("cannot read the repository `{repository}`")]
    Repository {
        /// `owner/name`.
        repository: String,
        /// Why.
        source: http::Error,
    },
    /// A branch could not be read.
    #[error("cannot read the branch `{branch}`")]
    Branch {
        /// The branch.
        branch: String,
        /// Why.
        source: http::Error,
    },
    /// A file could not be read.
    #[error("cannot read the file `{path}`")]
    File {
        /// Its path.
        path: String,
        /// Why.
        source: http::Error,
    },
    /// Two branches could not be compared.
    #[error("cannot compare `{branch}` with the base")]
    Compare {
        /// The version branch.
        branch: String,
        /// Why.
        source: http::Error,
    },
    /// The open pull request could not be looked for.
    #[error("cannot look for a pull request from `{branch}`")]
    Search {
        /// The version branch.
        branch: String,
        /// Why.
        source: http::Error,
    },
    /// The commit could not be made.
    #[error("cannot commit to `{branch}`")]
    Commit {
        /// The version branch.
        branch: String,
        /// Why.
        source: http::Error,
    },
    /// The pull request could not be opened.
    #[error("cannot open a pull request from `{branch}`")]
    Open {
        /// The version branch.
        branch: String,
        /// Why.
        source: http::Error,
    },
    /// The pull request could not be changed.
    #[error("cannot refresh pull request #{number}")]
    Refresh {
        /// Its number.
        number: u64,
        /// Why.
        source: http::Error,
    },
    /// There is no base branch.
    #[error("there is no branch `{branch}` in {repository}: look at `base`")]
    NoBase {
        /// The branch.
        branch: String,
        /// The repository.
        repository: String,
    },
    /// Values that cannot be changed safely; nothing was changed.
    #[error("{} of the values cannot be changed; nothing was changed:\n  {}", .0.len(), .0.join("\n  "))]
    Refused(Vec<String>),
    /// Overwriting the version branch would take away somebody else's work.
    #[error("`{branch}` is not overwritten: {why}")]
    NotOurs {
        /// The branch.
        branch: String,
        /// Why.
        why: String,
    },
    /// Another branch stands where this one should.
    #[error("there can be no branch `{branch}`: {why}")]
    Clash {
        /// The branch.
        branch: String,
        /// The server's own words.
        why: String,
    },
    /// Somebody changed it since it was read.
    #[error("`{branch}` was changed in the meantime; a rerun starts from what it is now")]
    Moved {
        /// The branch.
        branch: String,
    },
    /// The end was asked for before the work was done.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl Error {
    /// What came back of the request, where the Git server is the cause.
    fn request(&self) -> Option<&http::Error> {
        match self {
            Self::Connect(source)
            | Self::Repository { source, .. }
            | Self::Branch { source, .. }
            | Self::File { source, .. }
            | Self::Compare { source, .. }
            | Self::Search { source, .. }
            | Self::Commit { source, .. }
            | Self::Open { source, .. }
            | Self::Refresh { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl Fault for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::Stopped(error) => error.exit(),
            Self::Moved { .. } => Exit::Temporary,
            _ => self.request().map_or(Exit::Failed, Fault::exit),
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Stopped(error) => error.hints(),
            Self::Refused(_) => {
                vec!["values are only replaced where they are written out, on one line and once".to_owned()]
            }
            Self::NotOurs { .. } => {
                vec!["merge or move that work, or set `branch` to another name: the version branch belongs to the plugin alone".to_owned()]
            }
            Self::Clash { .. } => {
                vec!["a branch cannot be called like a folder of another one's name; set `branch` to another name, or remove the other branch".to_owned()]
            }
            _ => self.request().map(|error| error.hints_about("git_server")).unwrap_or_default(),
        }
    }
}
