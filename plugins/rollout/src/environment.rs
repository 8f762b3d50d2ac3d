//! One customer environment as plain values: what was read of its namespace. Everything that is decided about it is decided from this.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use kube::ResourceExt as _;

use crate::monitors::Monitor;
use crate::profile::Deployments;
use crate::record::Record;
use crate::release::Release;

/// Label of the version that runs.
pub const BASE_VERSION: &str = "BaseVersion";
/// Label of the version that is wanted.
pub const DESIRED_VERSION: &str = "UpdaterDesiredVersion";
/// Key of the ConfigMap that says how the last update went.
pub const UPDATER_STATUS: &str = "UPDATER_STATUS";
/// Annotation that marks Jobs of ours with the run that made them.
pub const RUN: &str = "esteira.rollout/run";

/// What was read of a namespace.
#[derive(Clone, Debug, PartialEq)]
pub struct Environment {
    /// Name of namespace and release.
    pub name: String,
    /// The namespace's uid: a namespace that was deleted and made anew is another one.
    pub uid: String,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// Whether the namespace is being deleted.
    pub is_terminating: bool,
    /// The namespace's labels.
    pub labels: BTreeMap<String, String>,
    /// Data of the profile's ConfigMap, if it is there.
    pub config: Option<BTreeMap<String, String>>,
    /// Its Deployments.
    pub deployments: Vec<DeploymentState>,
    /// Names of its CronJobs.
    pub cron_jobs: Vec<String>,
    /// Its Jobs that are not finished.
    pub active_jobs: Vec<ActiveJob>,
    /// The release that is deployed.
    pub release: Option<Release>,
    /// The newest revision, whatever its state.
    pub newest: Option<Release>,
    /// Whether Helm 2 manages a release of this name.
    pub is_helm2: bool,
    /// What an earlier run wrote down, or why that cannot be read.
    pub record: Result<Option<Record>, String>,
    /// Its monitors, or why they could not be told.
    pub monitors: Result<Vec<Monitor>, String>,
    /// What helm said against rendering the chart with this environment's values.
    pub render_error: Option<String>,
}

/// A Deployment's size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeploymentState {
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// `spec.replicas`; absent means 1.
    pub wanted: i32,
    /// Replicas that exist.
    pub running: i32,
}

/// A Job that is not finished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActiveJob {
    /// Its name.
    pub name: String,
    /// The CronJob that owns it.
    pub cron_job: Option<String>,
    /// The run of ours that made it.
    pub run: Option<String>,
}

impl Environment {
    /// The version that runs.
    #[must_use]
    pub fn base_version(&self) -> Option<&str> {
        self.labels.get(BASE_VERSION).map(String::as_str)
    }

    /// The version that is wanted.
    #[must_use]
    pub fn desired_version(&self) -> Option<&str> {
        self.labels.get(DESIRED_VERSION).map(String::as_str)
    }

    /// Names of Deployments with these labels that want or have a replica.
    #[must_use]
    pub fn in_use(&self, labels: &str) -> Vec<&str> {
        let which = Deployments { labels: Some(labels.to_owned()), ..Deployments::default() };
        let is_used = |one: &&DeploymentState| which.include(&one.name, &one.labels) && one.is_in_use();
        self.deployments.iter().filter(is_used).map(|one| one.name.as_str()).collect()
    }
}

impl DeploymentState {
    /// Whether it wants or has a replica: waking up counts.
    #[must_use]
    pub fn is_in_use(&self) -> bool {
        self.wanted > 0 || self.running > 0
    }

    /// Of an object.
    #[must_use]
    pub fn of(deployment: &Deployment) -> Self {
        Self {
            name: deployment.name_any(),
            labels: deployment.labels().clone(),
            wanted: deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1),
            running: deployment.status.as_ref().and_then(|status| status.replicas).unwrap_or(0),
        }
    }
}

impl ActiveJob {
    /// Of an object; `None` when it is finished.
    #[must_use]
    pub fn of(job: &Job) -> Option<Self> {
        let owner = job.owner_references().iter().find(|owner| owner.kind == "CronJob");
        (ending_of(job).is_none()).then(|| Self {
            name: job.name_any(),
            cron_job: owner.map(|owner| owner.name.clone()),
            run: job.annotations().get(RUN).cloned(),
        })
    }
}

/// How a Job ended: complete, or failed with the reason; `None` while it runs.
#[must_use]
pub fn ending_of(job: &Job) -> Option<Result<(), String>> {
    let conditions = job.status.as_ref()?.conditions.as_ref()?;
    conditions.iter().filter(|condition| condition.status == "True").find_map(|condition| {
        match condition.type_.as_str() {
            "Complete" => Some(Ok(())),
            "Failed" => {
                let words = [condition.reason.as_deref(), condition.message.as_deref()];
                Some(Err(words.into_iter().flatten().collect::<Vec<_>>().join(": ")))
            }
            _ => None,
        }
    })
}
