//! The crash record: what a run is doing in a namespace and what it has to give back, written on the namespace's Lease before the step it
//! protects. It outlives the run; a rerun takes the namespace up from it, and `resume` restores from it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Name of the Lease in each namespace.
pub const LEASE: &str = "esteira-rollout";

/// Annotation of the Lease that holds the record.
pub const ANNOTATION: &str = "esteira.rollout/record";

/// What a run is doing in a namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Name of the run's own objects in the namespace; a rerun keeps it.
    pub run: String,
    /// Version wanted.
    pub version: String,
    /// Name of the procedure.
    pub profile: String,
    /// Digest of the procedure's text.
    pub profile_digest: String,
    /// Where it stands.
    pub state: State,
    /// Number of the step it is in, from 1.
    pub step: usize,
    /// Monitors that the run paused: id and name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub monitors: BTreeMap<u64, String>,
    /// Replicas of Deployments before the run scaled them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub replicas: BTreeMap<String, i32>,
    /// Labels of the namespace before the run set them; `null` where there was none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels_before: BTreeMap<String, Option<String>>,
    /// Keys of the ConfigMap before the run set them; `null` where there was none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub config_before: BTreeMap<String, Option<String>>,
}

/// Where a recorded run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// At work, or dead in mid-work.
    Working,
    /// Ended with a failure that it reported.
    Failed,
}

impl Record {
    /// Reads a record from a Lease's annotations.
    #[must_use]
    pub fn of(annotations: &BTreeMap<String, String>) -> Option<Self> {
        serde_json::from_str(annotations.get(ANNOTATION)?).ok()
    }

    /// As it is written.
    #[must_use]
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Whether there is something to give back.
    #[must_use]
    pub fn owes(&self) -> bool {
        !self.monitors.is_empty() || !self.replicas.is_empty()
    }
}
