//! plugin-package: packs each component folder as a reproducible tar.gz straight into the mirror, with a manifest beside it that says what
//! it was packed from. A component that has not changed is not packed again.

pub mod archive;
pub mod component;
pub mod execute;
pub mod manifest;
pub mod mirror;
mod next;
pub mod observe;
pub mod pipe;
pub mod plan;
pub mod report;
pub mod settings;

use std::path::PathBuf;

use shared::bucket;
use shared::bucket::{BUCKET, Bucket};
use shared::ci::{ACTION, CI};
use shared::entry::Plugin;
use shared::failure::{Exit, Failure, Fault};
use shared::notify::NOTIFY;
use shared::report::Report;
use shared::settings::{COMMON, Env};
use shared::stop::{Stop, Stopped};

use crate::settings::Settings;

/// Name, purpose and settings.
pub const PLUGIN: Plugin = Plugin {
    name: "plugin-package",
    about: "Packs each component folder that has a file VERSION as a reproducible tar.gz into the mirror.",
    settings: &[settings::OWN, BUCKET, ACTION, CI, NOTIFY, COMMON],
    exit_codes: &[
        (0, "every component is in the mirror, packed now or before"),
        (
            1,
            "refused or failed: a component cannot be packed, a version is there with other content, the bucket refused",
        ),
        (2, "settings unusable; nothing was touched, and all problems are named at once"),
        (3, "done, but only some of the pipelines of `trigger` were started or ended well"),
        (
            75,
            "temporary: the bucket was out of reach, another run packs the same component, a source changed meanwhile, or told to stop; a rerun may help",
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
    let observed = stop.or(async { Ok(observe::observe(&settings, &bucket).await?) }).await?;
    let plan = plan::plan(&settings, observed)?;
    if settings.common.dry_run {
        return Ok(settings.starts.into_iter().fold(Report::dry_run(&plan), Report::start));
    }
    match execute::execute(&plan, &bucket, &env, &stop).await {
        Ok(outcome) => Ok(settings.starts.into_iter().fold(report::report(&plan, &outcome), Report::start)),
        Err(failed) => Err(Failure::from(failed.source).after(report::failed(&plan, &failed.done))),
    }
}

/// What can go wrong, by what was attempted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bucket could not be read or written.
    #[error(transparent)]
    Bucket(#[from] bucket::Error),
    /// There is nothing to pack where the settings say.
    #[error("there is no component to pack: no folder with a file `VERSION` in {places}")]
    NoComponent {
        /// Where was looked.
        places: String,
    },
    /// Components that cannot be packed; nothing was uploaded.
    #[error("{components} of the components cannot be packed; nothing was uploaded:\n  {}", reasons.join("\n  "))]
    Refused {
        /// How many; each may have several reasons.
        components: usize,
        /// Component and reason.
        reasons: Vec<String>,
        /// Whether `overwrite` would allow some of them.
        by_mirror: bool,
    },
    /// Another run is packing the same version.
    #[error("`{run}` is packing `{key}` since {since}; it is left alone")]
    Busy {
        /// The archive.
        key: String,
        /// Who.
        run: String,
        /// Since when.
        since: String,
    },
    /// Another run published in the meantime.
    #[error("another run published other content as `{key}` in the meantime")]
    Overtaken {
        /// The archive.
        key: String,
    },
    /// A source changed between being looked at and being packed.
    #[error("`{path}` changed while it was being packed: {reason}")]
    Changed {
        /// The file or object.
        path: String,
        /// In what way.
        reason: String,
    },
    /// A file or folder of the workspace could not be read.
    #[error("cannot read `{}`", path.display())]
    Workspace {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The archive could not be written.
    #[error("cannot pack `{key}`")]
    Archive {
        /// The archive.
        key: String,
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
            // A rerun sees the source as it is then.
            Self::Busy { .. } | Self::Overtaken { .. } | Self::Changed { .. } => Exit::Temporary,
            Self::NoComponent { .. }
            | Self::Refused { .. }
            | Self::Workspace { .. }
            | Self::Archive { .. } => Exit::Failed,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Stopped(error) => error.hints(),
            Self::Bucket(error) => error.hints(),
            Self::NoComponent { .. } => vec!["look at `source`, `source_prefix` and `components`".to_owned()],
            Self::Refused { by_mirror: true, .. } => {
                vec!["raise the version in the component's file `VERSION`; or, to replace what image builds may have taken already, set `overwrite: true`".to_owned()]
            }
            Self::Workspace { .. } => {
                vec!["the component must be readable for the user who runs this step".to_owned()]
            }
            _ => Vec::new(),
        }
    }
}
