//! plugin-rpo: takes a base RPO and the patches that are new since the last good result, applies them in order on a copy through the
//! AppServer, and publishes the new RPO with a manifest that says exactly what is in it.

pub mod appserver;
pub mod execute;
pub mod manifest;
pub mod observe;
pub mod patch;
pub mod plan;
pub mod report;
pub mod settings;

use std::path::PathBuf;

use shared::bucket::{BUCKET, Bucket};
use shared::ci::{ACTION, CI};
use shared::entry::Plugin;
use shared::failure::{Exit, Failure, Fault};
use shared::notify::NOTIFY;
use shared::report::Report;
use shared::settings::{COMMON, Env};
use shared::stop::{Stop, Stopped};
use shared::{bucket, process};

use crate::appserver::AppServer;
use crate::settings::Settings;

/// Name, purpose and settings.
pub const PLUGIN: Plugin = Plugin {
    name: "plugin-rpo",
    about: "Assembles a Protheus RPO: applies patches onto the last good RPO and publishes the result with its manifest.",
    settings: &[settings::OWN, BUCKET, ACTION, CI, NOTIFY, COMMON],
    exit_codes: &[
        (0, "published, or the result of the same patches is there already"),
        (
            1,
            "refused or failed: a patch did not apply, the AppServer or the bucket refused; `latest.json` still names the last good RPO",
        ),
        (2, "settings unusable; nothing was touched, and all problems are named at once"),
        (3, "done, but only some of the pipelines of `trigger` were started or ended well"),
        (
            75,
            "temporary: the bucket was out of reach, another run assembles the same RPO, or told to stop; a rerun goes on",
        ),
    ],
};

/// The whole run.
///
/// # Errors
/// What went wrong, with the exit code that fits and what had been done before.
pub async fn run(env: Env, stop: Stop) -> Result<Report, Failure> {
    let settings = Settings::from_env(&env)?;
    let bucket = Bucket::open(&settings.bucket)?;
    let appserver = AppServer::new(&settings, &env);
    let observed = stop.or(async { Ok(observe::observe(&settings, &bucket, &appserver).await?) }).await?;
    let plan = plan::plan(&settings, observed)?;
    if settings.common.dry_run {
        return Ok(triggering(&settings, Report::dry_run(&plan)));
    }
    match execute::execute(&plan, &bucket, &appserver, &env, &stop).await {
        Ok(outcome) => Ok(triggering(&settings, report::report(&plan, &outcome))),
        Err(failed) => Err(Failure::from(failed.source).after(report::failed(&plan, &failed.done))),
    }
}

fn triggering(settings: &Settings, report: Report) -> Report {
    if settings.build_image { report } else { report.without_trigger() }
}

/// What can go wrong, by what was attempted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bucket could not be read or written.
    #[error(transparent)]
    Bucket(#[from] bucket::Error),
    /// There is no base RPO where the settings say.
    #[error("there is no base RPO `{key}`: look at `rpo_source` and `rpo_name`")]
    NoBase {
        /// Where it should be.
        key: String,
    },
    /// There is no AppServer where the settings say.
    #[error("there is no AppServer `{}` in `{}`: look at `appserver`", appserver::PROGRAM, folder.display())]
    NoAppServer {
        /// The folder.
        folder: PathBuf,
    },
    /// What should name the newest result does not.
    #[error("cannot read `{key}`, which names the newest result")]
    Pointer {
        /// The object.
        key: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// Patches that must not be applied; nothing was started.
    #[error("{} of the patches cannot be applied; nothing was started:\n  {}", .0.len(), .0.join("\n  "))]
    Preflight(Vec<String>),
    /// Another run is assembling the same RPO.
    #[error("`{run}` is assembling the same RPO since {since}; it is left alone")]
    Busy {
        /// Who.
        run: String,
        /// Since when.
        since: String,
    },
    /// Another run published in the meantime.
    #[error(
        "another run published `{key}` in the meantime; this result lies beside it, but is not the latest"
    )]
    Overtaken {
        /// The pointer.
        key: String,
    },
    /// The AppServer could not be run.
    #[error(transparent)]
    AppServer(#[from] process::Error),
    /// The AppServer did not confirm a patch.
    #[error("the AppServer did not apply `{patch}`: {reason}")]
    NotApplied {
        /// The patch.
        patch: String,
        /// Its own words.
        reason: String,
    },
    /// A downloaded object is not what its manifest says.
    #[error("`{key}` is not what its manifest says: expected sha256 {expected}, got {got}")]
    Damaged {
        /// The object.
        key: String,
        /// By the manifest.
        expected: String,
        /// As downloaded.
        got: String,
    },
    /// A file of the working folder could not be read or written.
    #[error("cannot work in `{folder}`")]
    Workspace {
        /// The folder.
        folder: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The end was asked for before the work was done.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl Fault for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::Stopped(error) => error.exit(),
            Self::Bucket(error) => error.exit(),
            Self::AppServer(error) => error.exit(),
            Self::Busy { .. } | Self::Overtaken { .. } => Exit::Temporary,
            Self::NoBase { .. }
            | Self::NoAppServer { .. }
            | Self::Pointer { .. }
            | Self::Preflight(_)
            | Self::NotApplied { .. }
            | Self::Damaged { .. }
            | Self::Workspace { .. } => Exit::Failed,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Stopped(error) => error.hints(),
            Self::Bucket(error) => error.hints(),
            Self::AppServer(process::Error::Start { .. }) => {
                vec!["look at `appserver`: its program must be one that this image can run".to_owned()]
            }
            Self::AppServer(process::Error::TooLong { .. }) => {
                vec![
                    "nothing was published; if the AppServer only needs longer, raise `apply_timeout`"
                        .to_owned(),
                ]
            }
            Self::AppServer(process::Error::Silent { .. }) => {
                vec![
                    "nothing was published; if the AppServer is only silent for longer, raise `idle_timeout`"
                        .to_owned(),
                ]
            }
            Self::Pointer { key, .. } => {
                vec![
                    format!(
                        "look at `{key}` in the bucket itself; if it is sound there, something else answers in the bucket's place: look at `endpoint` and at the proxy"
                    ),
                    "only if it is broken there: put a sound copy in its place, or, as the last resort, remove it to begin anew from the RPO in `rpo_source`"
                        .to_owned(),
                ]
            }
            Self::NotApplied { .. } => {
                vec!["the published RPO was not touched; the patches were applied on a copy".to_owned()]
            }
            Self::Preflight(_) => {
                vec![
                    "replace these patches or take them out of their folder; the published RPO is as it was"
                        .to_owned(),
                ]
            }
            Self::Damaged { key, .. } => {
                vec![format!("put `{key}` there again as it was, or remove it together with its manifest")]
            }
            Self::Workspace { .. } => {
                vec!["look at the free space and the rights of the workspace".to_owned()]
            }
            _ => Vec::new(),
        }
    }
}
