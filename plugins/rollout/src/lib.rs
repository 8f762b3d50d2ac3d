//! plugin-rollout: brings customer environments (a Kubernetes namespace with one Helm release each) to a version, by the procedure of a profile, several
//! at a time, and never leaves a monitor paused.

pub mod chart;
pub mod environment;
pub mod execute;
pub mod gates;
pub mod helm;
pub mod monitors;
pub mod observe;
pub mod plan;
pub mod profile;
pub mod record;
pub mod release;
pub mod report;
pub mod resume;
pub mod selection;
pub mod settings;
pub mod steps;

use kube::Client;
use shared::bucket::{self, BUCKET_IF_NEEDED, Bucket};
use shared::ci::CI;
use shared::cluster::{self, CLUSTER};
use shared::entry::Plugin;
use shared::failure::{Exit, Failure, Fault};
use shared::notify::NOTIFY;
use shared::process;
use shared::report::Report;
use shared::run::Run;
use shared::settings::{COMMON, Env};
use shared::stop::Stop;

use crate::helm::Helm;
use crate::monitors::Monitors;
use crate::settings::{Action, Settings};

/// Name, purpose and settings.
pub const PLUGIN: Plugin = Plugin {
    name: "plugin-rollout",
    about: "Updates customer environments on Kubernetes by the procedure of a profile.",
    settings: &[settings::OWN, CLUSTER, BUCKET_IF_NEEDED, CI, NOTIFY, COMMON],
    exit_codes: &[
        (0, "every selected environment has the version, or nothing was owed (`resume`)"),
        (1, "all selected environments failed, or it was refused, or a monitor stayed paused"),
        (2, "settings unusable; nothing was touched, and all problems are named at once"),
        (
            3,
            "some environments failed, the others have the version; or only some of the pipelines of `trigger` were started or ended well",
        ),
        (
            75,
            "temporary: the API server was out of reach, all environments were taken by other runs, or told to stop; a rerun goes on",
        ),
    ],
};

/// The outside worlds of a run.
pub struct Worlds {
    /// The cluster.
    pub client: Client,
    /// Address of its API server.
    pub cluster: String,
    /// The bucket, for profiles that keep something in it.
    pub bucket: Option<Bucket>,
    /// The uptime service, if monitors are touched.
    pub monitors: Option<Monitors>,
    /// The helm program.
    pub helm: Helm,
    /// Who holds the Leases.
    pub run: Run,
}

/// The whole run.
///
/// # Errors
/// What went wrong, with the exit code that fits and what had been done before.
pub async fn run(env: Env, stop: Stop) -> Result<Report, Failure> {
    let settings = Settings::from_env(&env)?;
    let worlds = Worlds::open(&settings, &env).await?;
    let observed = stop
        .or(async {
            let observed = observe::observe(&settings, &worlds, &env).await;
            observed.map_err(|error| which_cluster(error.into(), &worlds.cluster))
        })
        .await?;
    match settings.action {
        Action::Resume => {
            let work = resume::resume(&settings, observed, &worlds);
            stop.or(work).await.map_err(resume::in_the_middle)
        }
        Action::Update(_) => {
            let plan = plan::plan(&settings, observed)?;
            if settings.common.dry_run {
                return Ok(Report::dry_run(&plan));
            }
            let outcome = execute::execute(&settings, &plan, &worlds, &stop).await;
            report::report(&plan, &outcome)
        }
    }
}

/// What cannot be found or reached may be so because it is the wrong cluster, which nothing else in the error says.
fn which_cluster(mut failure: Failure, address: &str) -> Failure {
    failure.hints.push(format!(
        "the cluster asked was `{address}`: is it the right one, and can it be reached from here?"
    ));
    failure
}

impl Worlds {
    async fn open(settings: &Settings, env: &Env) -> Result<Self, Error> {
        let net = &settings.common.net;
        let (client, cluster) = cluster::connect(&settings.access, net).await?;
        Ok(Self {
            client,
            cluster,
            bucket: settings.bucket.as_ref().map(Bucket::open).transpose()?,
            monitors: settings.uptime.as_ref().map(|uptime| Monitors::new(uptime, net)).transpose()?,
            helm: Helm::new(settings, env).map_err(Error::HelmHome)?,
            run: Run::this(env),
        })
    }
}

/// What can go wrong, by what was attempted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The cluster could not be read or changed.
    #[error(transparent)]
    Cluster(#[from] cluster::Error),
    /// The bucket could not be read or written.
    #[error(transparent)]
    Bucket(#[from] bucket::Error),
    /// The uptime service could not be asked.
    #[error("the monitors could not be handled")]
    Monitors(#[from] monitors::Error),
    /// Helm failed.
    #[error(transparent)]
    Helm(#[from] process::Error),
    /// No folder for helm.
    #[error("cannot make a temporary folder for helm")]
    HelmHome(#[source] std::io::Error),
    /// Something took too long.
    #[error(transparent)]
    TimedOut(#[from] cluster::TimedOut),
    /// The chart is nowhere.
    #[error("the chart `{chart}` is neither a file in the workspace nor in the bucket")]
    NoChart {
        /// Path and key.
        chart: String,
    },
    /// The selection fits nothing.
    #[error("the selection fits no environment of the chart `{chart}` ({seen} namespaces were looked at)")]
    NothingSelected {
        /// The profile's chart.
        chart: String,
        /// Namespaces the selection let through.
        seen: usize,
    },
    /// Somebody began to work there after the plan.
    #[error("{0}")]
    InUse(String),
    /// Exact names that are no namespaces.
    #[error("there is no namespace {0}: look at `names`; nothing was touched")]
    NoSuchNamespace(String),
    /// The chart is another one than its name says.
    #[error("`{chart}` holds the chart `{name}` in version {version}, not `{wanted}`; nothing was touched")]
    WrongChart {
        /// File or key.
        chart: String,
        /// Name inside.
        name: String,
        /// Version inside.
        version: String,
        /// What was expected.
        wanted: String,
    },
    /// Earlier runs are unfinished in some namespaces.
    #[error("in {} namespaces an earlier run is unfinished and this one did not go on: {}", .0.len(), .0.join(", "))]
    Unfinished(Vec<String>),
    /// Living runs work in some namespaces.
    #[error("another run is working on {}", .0.join(", "))]
    Busy(Vec<String>),
    /// A step found the environment in a state in which it must not go on.
    #[error("{0}")]
    Refused(String),
    /// Some namespaces failed.
    #[error("{failed} of {total} namespaces failed: {names}")]
    Failures {
        /// How many failed.
        failed: usize,
        /// How many were planned.
        total: usize,
        /// How many were updated.
        updated: usize,
        /// Which failed.
        names: String,
    },
    /// The end was asked for before all were done.
    #[error("told to stop: {open} of {total} namespaces are not done; a rerun takes them up")]
    Stopped {
        /// How many are not done.
        open: usize,
        /// How many were planned.
        total: usize,
    },
    /// Monitors stayed paused.
    #[error("these monitors are still paused and must be resumed by hand or with `action: resume`: {0}")]
    StillPaused(String),
}

impl Error {
    /// Whether it says that the namespace's Lease is not ours any more.
    #[must_use]
    pub fn is_lost_lease(&self) -> bool {
        matches!(self, Self::Cluster(error) if error.is_lost_lease())
    }
}

impl Fault for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::Cluster(error) => error.exit(),
            Self::Bucket(error) => error.exit(),
            Self::Monitors(monitors::Error::Http(error)) => error.exit(),
            Self::Helm(error) => error.exit(),
            Self::TimedOut(error) => error.exit(),
            Self::Failures { updated, .. } if *updated > 0 => Exit::Partly,
            Self::Stopped { .. } | Self::Busy(_) => Exit::Temporary,
            Self::Monitors(_)
            | Self::HelmHome(_)
            | Self::NoChart { .. }
            | Self::NothingSelected { .. }
            | Self::Refused(_)
            | Self::InUse(_)
            | Self::NoSuchNamespace(_)
            | Self::WrongChart { .. }
            | Self::Unfinished(_)
            | Self::Failures { .. }
            | Self::StillPaused(_) => Exit::Failed,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Cluster(error) => error.hints(),
            Self::Bucket(error) => error.hints(),
            Self::Monitors(monitors::Error::Http(error)) => error.hints_about("uptimerobot_url"),
            Self::Helm(process::Error::Start { .. }) => {
                vec!["put helm on the PATH, or name it with the setting `helm`".to_owned()]
            }
            Self::NoChart { .. } => vec!["look at `chart` and `version`: was the chart published?".to_owned()],
            Self::NothingSelected { .. } => vec!["look at `namespaces`, `names`, `selector` and `exclude`; `dry_run: true` shows why each is left out".to_owned()],
            Self::NoSuchNamespace(_) => {
                vec!["a name in `names` is a whole name; `namespaces` takes a part of one".to_owned()]
            }
            Self::WrongChart { .. } => {
                vec!["publish the chart anew under the name that its `Chart.yaml` gives".to_owned()]
            }
            Self::Unfinished(_) => {
                vec!["the table says where each stopped; remove the cause, then run again with `retry_failed: true`".to_owned()]
            }
            Self::StillPaused(_) => vec!["run `action: resume` now, and look at the uptime service".to_owned()],
            _ => Vec::new(),
        }
    }
}
