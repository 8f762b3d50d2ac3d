//! plugin-chart-publish: packages a Helm chart with its version from `VERSION`, repacks it so that the same source gives the same bytes, and
//! publishes it with its line in the chart index. What is published is never replaced; of parallel publications none is lost.

pub mod chart;
pub mod execute;
pub mod helm;
pub mod index;
pub mod observe;
pub mod plan;
pub mod repack;
pub mod report;
pub mod settings;

use std::time::Duration;

use shared::bucket::{BUCKET, Bucket};
use shared::ci::{ACTION, CI};
use shared::digest::Digest;
use shared::entry::Plugin;
use shared::failure::{Exit, Failure, Fault};
use shared::notify::NOTIFY;
use shared::report::Report;
use shared::settings::{COMMON, Env};
use shared::stop::{Stop, Stopped};
use shared::{bucket, process};

use crate::settings::Settings;

/// Name, purpose and settings.
pub const PLUGIN: Plugin = Plugin {
    name: "plugin-chart-publish",
    about: "Packages a Helm chart reproducibly and publishes it with its index in a bucket.",
    settings: &[settings::OWN, BUCKET, ACTION, CI, NOTIFY, COMMON],
    exit_codes: &[
        (0, "the chart is published and in the index, now or before"),
        (1, "refused or failed: this version is there with other content, helm or the bucket refused"),
        (2, "settings unusable; nothing was touched, and all problems are named at once"),
        (3, "done, but only some of the pipelines of `trigger` were started or ended well"),
        (
            75,
            "temporary: the bucket was out of reach, others changed the index all the time, or told to stop; a rerun may help",
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
    let observed = stop.or(async { Ok(observe::observe(&settings, &bucket, &env).await?) }).await?;
    let plan = plan::plan(&settings, observed)?;
    if settings.common.dry_run {
        return Ok(Report::dry_run(&plan));
    }
    match execute::execute(&plan, &bucket, &stop).await {
        Ok(outcome) => Ok(report::report(&plan, &outcome)),
        Err(failed) => Err(Failure::from(failed.source).after(report::failed(&plan, &failed.done))),
    }
}

/// What can go wrong, by what was attempted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bucket could not be read or written.
    #[error(transparent)]
    Bucket(#[from] bucket::Error),
    /// A file of the workspace could not be read.
    #[error("cannot read `{file}`")]
    Read {
        /// The file.
        file: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// No file holds the version.
    #[error("no version: neither {} is there, and `version` is not set", .0.iter().map(|file| format!("`{file}`")).collect::<Vec<_>>().join(" nor "))]
    NoVersion(Vec<String>),
    /// A file of the workspace says something that cannot be used.
    #[error("`{file}` cannot be used: {reason}")]
    Unusable {
        /// The file.
        file: String,
        /// Why.
        reason: String,
    },
    /// The chart holds links to what is not the chart's.
    #[error("symbolic links lead out of the chart `{folder}`:\n  {}", links.join("\n  "))]
    LeadsOut {
        /// The chart's folder.
        folder: String,
        /// The links, each with its target.
        links: Vec<String>,
    },
    /// helm did not package the chart.
    #[error("helm did not package the chart")]
    Helm(#[from] process::Error),
    /// What helm packaged is not a chart that can be published.
    #[error("the package that helm made cannot be used")]
    Repack(#[from] repack::Error),
    /// The index in the bucket cannot be extended.
    #[error("cannot add the chart to the index `{key}`; it was left as it is")]
    Index {
        /// Its key.
        key: String,
        /// Why.
        #[source]
        source: index::Error,
    },
    /// The version is published already, with other content.
    #[error(
        "did not publish `{key}`: this version is published with other content\n  {place}: sha256 {published}\n  to publish: sha256 {ours}"
    )]
    OtherContent {
        /// The chart's key.
        key: String,
        /// Where the other content was met.
        place: String,
        /// Digest of what is published, or what stands in its place.
        published: String,
        /// Digest of what was packaged.
        ours: Digest,
    },
    /// Somebody is deleting what is being published.
    #[error("`{0}` was in the bucket when it was to be uploaded, and gone a moment later")]
    Vanished(String),
    /// Other writers were faster again and again.
    #[error("the index `{key}` was changed by others {tries} times within {}", humane(*limit))]
    Contended {
        /// Its key.
        key: String,
        /// How often it was tried.
        tries: u32,
        /// The longest time.
        limit: Duration,
    },
    /// The end was asked for before the work was done.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

fn humane(limit: Duration) -> String {
    format!("{} s", limit.as_secs())
}

impl Fault for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::Stopped(error) => error.exit(),
            Self::Bucket(error) => error.exit(),
            Self::Helm(error) => error.exit(),
            Self::Contended { .. } | Self::Vanished(_) => Exit::Temporary,
            Self::Read { .. } | Self::NoVersion(_) | Self::Unusable { .. } | Self::Repack(_) => Exit::Failed,
            Self::LeadsOut { .. } | Self::Index { .. } | Self::OtherContent { .. } => Exit::Failed,
        }
    }

    fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::Stopped(error) => return error.hints(),
            Self::Bucket(error) => return error.hints(),
            Self::Helm(process::Error::Start { .. }) => {
                "put helm on PATH, or name it with the setting `helm`"
            }
            Self::Helm(process::Error::Failed { tail, .. }) if tail.contains("missing in charts/") => {
                "run `helm dependency build` in an earlier step; this plugin fetches nothing from other repositories"
            }
            Self::Read { file, .. } if file.ends_with("Chart.yaml") => {
                "`chart` names the chart's folder in the workspace; without it, the workspace is the chart"
            }
            Self::Helm(error) => return error.hints(),
            Self::LeadsOut { .. } => {
                "helm would publish what they lead to; put the files themselves into the chart"
            }
            Self::NoVersion(_) => "write the version into one of these files, or set `version`",
            Self::OtherContent { .. } => {
                "raise the version (`VERSION` or `version`); published versions are never replaced"
            }
            Self::Unusable { .. } => "correct the file; nothing was published",
            Self::Index { .. } => {
                "look at the index in the bucket itself: if it is sound there, look at `endpoint` and at the proxy; else, whoever wrote it last may have left it like that"
            }
            Self::Repack(_) => "`helm package` made it from the chart's folder: look for what is odd there",
            Self::Contended { .. } => {
                "a rerun goes on where this one stopped; `conflict_timeout` allows more time"
            }
            _ => return Vec::new(),
        };
        vec![hint.to_owned()]
    }
}
