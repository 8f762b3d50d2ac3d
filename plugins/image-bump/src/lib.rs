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
    stop.or(async {
        let settings = Settings::from_env(&env)?;
        let gitea = Gitea::connect(&settings).map_err(Error::Git)?;
        let observed = observe::observe(&settings, &gitea).await?;
        let plan = plan::plan(&settings, observed)?;
        if settings.common.dry_run {
            return Ok(Report::dry_run(&plan));
        }
        match execute::execute(&plan, &gitea, &stop).await {
            Ok(outcome) => Ok(report::report(&plan, &outcome)),
            Err(failed) => Err(Failure::from(failed.source).after(report::failed(&plan, &failed.done))),
        }
    })
    .await
}

/// What can go wrong, by what was attempted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The Git server could not be asked, or said no.
    #[error(transparent)]
    Git(#[from] http::Error),
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

impl Fault for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::Stopped(error) => error.exit(),
            Self::Git(error) => error.exit(),
            Self::Moved { .. } => Exit::Temporary,
            Self::NoBase { .. } | Self::Refused(_) | Self::NotOurs { .. } | Self::Clash { .. } => {
                Exit::Failed
            }
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Stopped(error) => error.hints(),
            Self::Git(error) => error.hints(),
            Self::Refused(_) => {
                vec!["values are only replaced where they are written out, on one line and once".to_owned()]
            }
            Self::NotOurs { .. } => {
                vec!["merge or move that work, or set `branch` to another name: the version branch belongs to the plugin alone".to_owned()]
            }
            Self::Clash { .. } => {
                vec!["a branch cannot be called like a folder of another one's name; set `branch` to another name, or remove the other branch".to_owned()]
            }
            Self::NoBase { .. } | Self::Moved { .. } => Vec::new(),
        }
    }
}
