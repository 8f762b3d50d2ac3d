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
    /// How far the environment is from what it was. Never goes back by itself: a rerun inherits it.
    #[serde(default)]
    pub damage: Damage,
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

/// How far an environment is from what it was before the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Damage {
    /// Only labels and configuration, which can be put back.
    #[default]
    None,
    /// Scaled, which can be given back as long as nothing was deleted.
    Scaled,
    /// Things are deleted, or an update runs in it: only finishing helps.
    Apart,
}

impl Record {
    /// Reads a record from a Lease's annotations.
    ///
    /// # Errors
    /// When there is one that cannot be read: nobody knows then what is owed.
    pub fn of(annotations: &BTreeMap<String, String>) -> Result<Option<Self>, String> {
        let Some(text) = annotations.get(ANNOTATION) else { return Ok(None) };
        serde_json::from_str(text).map(Some).map_err(|error| {
            format!("what an earlier run wrote on the Lease `{LEASE}` (annotation `{ANNOTATION}`) cannot be read: {error}")
        })
    }

    /// As it is written.
    #[must_use]
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Replicas that may be given back: not where things are deleted or an update runs, and not what a failed run left at rest.
    #[must_use]
    pub fn replicas_owed(&self) -> BTreeMap<String, i32> {
        let may_be = self.state == State::Working && self.damage < Damage::Apart;
        if may_be { self.replicas.clone() } else { BTreeMap::new() }
    }

    /// Whether there is something to give back.
    #[must_use]
    pub fn owes(&self) -> bool {
        !self.monitors.is_empty() || !self.replicas_owed().is_empty()
    }

    /// The monitors that it left paused, in words; empty when there are none.
    #[must_use]
    pub fn paused(&self) -> String {
        if self.monitors.is_empty() {
            return String::new();
        }
        let names: Vec<String> = self.monitors.values().map(|name| format!("`{name}`")).collect();
        format!("; paused by it and not resumed: {} (`action: resume` does that)", names.join(", "))
    }
}
