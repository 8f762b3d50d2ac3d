//! A profile: one update procedure as data. An ordered list of known steps with parameters, no language, no conditions beyond the gates. The
//! built-in ones are the files in `profiles/`; a user's own is a file of the same form.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use shared::digest::Digest;

use crate::record::Damage;

const BUILT_IN: [(&str, &str); 2] = [
    ("smarterp-producao", include_str!("../profiles/smarterp-producao.yaml")),
    ("smarterp-release", include_str!("../profiles/smarterp-release.yaml")),
];

/// An update procedure.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub about: String,
    /// Chart that an environment's release must be of.
    pub chart: String,
    /// ConfigMap that an environment must have.
    pub config_map: Option<String>,
    /// Namespaces with one of these texts in their name or in a label value are left out.
    #[serde(default)]
    pub exclude: Vec<String>,
    /// What `{env}` stands for.
    pub environment: EnvironmentRule,
    /// Beginnings of the names of the monitors that are paused.
    #[serde(default)]
    pub monitors: Vec<String>,
    /// All must hold before a namespace is touched.
    #[serde(default)]
    pub gates: Vec<Gate>,
    /// What is done, in this order.
    pub steps: Vec<Step>,
    /// What is done when `helm_upgrade` fails.
    #[serde(default)]
    pub on_helm_failure: Vec<Step>,
}

/// What `{env}` stands for, by the namespace's name.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnvironmentRule {
    /// Text in the name, any case.
    pub contains: String,
    /// Then this.
    pub then: String,
    /// Else this.
    pub otherwise: String,
}

/// A condition for touching a namespace.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Gate {
    /// `UPDATER_STATUS` is one of these.
    UpdaterStatus(Vec<String>),
    /// `BaseVersion` is not the wanted version.
    VersionDiffers,
    /// `BaseVersion` is not the wanted version, and equals `UpdaterDesiredVersion`: no update is under way.
    VersionSettled,
    /// No Deployment with these labels wants or has a replica.
    NotInUse {
        /// Label selector.
        labels: String,
    },
    /// No Job of these CronJobs is active, unless it is ours.
    NoActiveJob {
        /// Names of CronJobs.
        cron_jobs: Vec<String>,
    },
    /// This CronJob exists.
    CronJobExists {
        /// Its name.
        cron_job: String,
    },
    /// This CronJob exists, if a backup was asked for.
    BackupPossible {
        /// Its name.
        cron_job: String,
    },
}

/// Which Deployments of a namespace a step is about; without any condition all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Deployments {
    /// `name=value`.
    pub labels: Option<String>,
    /// Exact names.
    pub names: Vec<String>,
    /// One of these texts is in the name.
    pub name_contains: Vec<String>,
    /// None of these texts is in the name.
    pub name_lacks: Vec<String>,
}

/// One step of a procedure. `{namespace}`, `{version}`, `{env}` and `{run}` are replaced in texts.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Step {
    /// Save the release's values in the bucket.
    SaveValues,
    /// Pause the monitors.
    PauseMonitors,
    /// Resume the monitors that this run paused.
    ResumeMonitors,
    /// Set labels of the namespace.
    LabelNamespace(BTreeMap<String, String>),
    /// Set keys of the profile's ConfigMap.
    SetConfig(BTreeMap<String, String>),
    /// If a backup was asked for: run a Job made from a CronJob and wait until it is complete.
    Backup {
        /// The CronJob.
        cron_job: String,
        /// Name of the Job.
        job: String,
    },
    /// Make sure once more that nobody works there.
    CheckIdle {
        /// Label selector.
        labels: String,
    },
    /// Scale Deployments that are not there yet to this many replicas.
    Scale {
        /// `name=value`.
        #[serde(default)]
        labels: Option<String>,
        /// Exact names.
        #[serde(default)]
        names: Vec<String>,
        /// How many.
        replicas: i32,
    },
    /// Delete all pods without grace.
    DeletePods,
    /// Save all Deployments in the bucket, delete them and wait until they and their pods are gone.
    DeleteDeployments,
    /// `helm upgrade --install` with the saved values.
    HelmUpgrade,
    /// Set annotations of the Services of Deployments.
    AnnotateServices {
        /// One of these texts is in the Deployment's name.
        name_contains: Vec<String>,
        /// Name of the Service; `{deployment}` is replaced.
        service: String,
        /// What is set.
        annotations: BTreeMap<String, String>,
    },
    /// Add items to a comma list in an annotation of Deployments; items that are there are not added again.
    AppendAnnotation {
        /// `name=value`.
        labels: String,
        /// None of these texts is in the name.
        name_lacks: Vec<String>,
        /// Name of the annotation.
        annotation: String,
        /// What is added.
        items: Vec<String>,
    },
    /// Set labels of Deployments and their pod templates, and annotations of the Deployments.
    Relabel {
        /// `name=value`.
        labels: String,
        /// One of these texts is in the name.
        name_contains: Vec<String>,
        /// Labels to set.
        set: BTreeMap<String, String>,
        /// Annotations to set.
        #[serde(default)]
        annotations: BTreeMap<String, String>,
    },
    /// Start the environment's updater: a Job made from its CronJob.
    StartUpdater {
        /// The CronJob.
        cron_job: String,
        /// Name of the Job.
        job: String,
    },
    /// Wait until the updater's Job is done and the environment says that it runs the wanted version.
    WaitForUpdater {
        /// Name of the Job.
        job: String,
    },
}

impl Step {
    /// Its name, as in the file.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::SaveValues => "save_values",
            Self::PauseMonitors => "pause_monitors",
            Self::ResumeMonitors => "resume_monitors",
            Self::LabelNamespace(_) => "label_namespace",
            Self::SetConfig(_) => "set_config",
            Self::Backup { .. } => "backup",
            Self::CheckIdle { .. } => "check_idle",
            Self::Scale { .. } => "scale",
            Self::DeletePods => "delete_pods",
            Self::DeleteDeployments => "delete_deployments",
            Self::HelmUpgrade => "helm_upgrade",
            Self::AnnotateServices { .. } => "annotate_services",
            Self::AppendAnnotation { .. } => "append_annotation",
            Self::Relabel { .. } => "relabel",
            Self::StartUpdater { .. } => "start_updater",
            Self::WaitForUpdater { .. } => "wait_for_updater",
        }
    }

    /// What this step does to the environment as soon as it begins.
    #[must_use]
    pub fn damage(&self) -> Damage {
        match self {
            Self::Scale { .. } | Self::DeletePods => Damage::Scaled,
            Self::DeleteDeployments
            | Self::HelmUpgrade
            | Self::StartUpdater { .. }
            | Self::Relabel { .. } => Damage::Apart,
            _ => Damage::None,
        }
    }
}

impl Profile {
    /// Reads a profile by built-in name or by path.
    ///
    /// # Errors
    /// What is wrong with it, with line and column.
    pub fn load(name_or_path: &str, workspace: &Path) -> Result<(Self, Digest), String> {
        let built_in =
            BUILT_IN.iter().find(|(name, _)| *name == name_or_path).map(|(_, text)| (*text).to_owned());
        let text = match built_in {
            Some(text) => text,
            None => {
                let names = BUILT_IN.map(|(name, _)| format!("`{name}`")).join(", ");
                std::fs::read_to_string(workspace.join(name_or_path))
                    .map_err(|error| format!("one of {names}, or the path of a profile file ({error})"))?
            }
        };
        let profile: Self =
            serde_saphyr::from_str(&text).map_err(|error| format!("a sound profile; it says: {error}"))?;
        Ok((profile, Digest::of(text.as_bytes())))
    }

    /// Whether the procedure runs helm itself.
    #[must_use]
    pub fn runs_helm(&self) -> bool {
        self.steps.contains(&Step::HelmUpgrade)
    }

    /// Whether the procedure keeps something in the bucket.
    #[must_use]
    pub fn needs_bucket(&self) -> bool {
        self.steps
            .iter()
            .any(|step| matches!(step, Step::SaveValues | Step::DeleteDeployments | Step::HelmUpgrade))
    }

    /// What `{env}` stands for in a namespace.
    #[must_use]
    pub fn environment_of(&self, namespace: &str) -> &str {
        let rule = &self.environment;
        if namespace.to_lowercase().contains(&rule.contains.to_lowercase()) {
            &rule.then
        } else {
            &rule.otherwise
        }
    }
}

impl Deployments {
    /// Whether a Deployment of this name and these labels is meant.
    #[must_use]
    pub fn include(&self, name: &str, labels: &BTreeMap<String, String>) -> bool {
        let has_label = self.labels.as_deref().is_none_or(|selector| {
            selector
                .split_once('=')
                .is_some_and(|(key, value)| labels.get(key).is_some_and(|has| has == value))
        });
        let is_named = self.names.is_empty() || self.names.iter().any(|one| one == name);
        let has_text = self.name_contains.is_empty()
            || self.name_contains.iter().any(|text| name.contains(text.as_str()));
        has_label && is_named && has_text && !self.name_lacks.iter().any(|text| name.contains(text.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_profile_is_sound_and_carries_its_own_name() {
        for (name, _) in BUILT_IN {
            let (profile, _) = Profile::load(name, Path::new("/")).unwrap();
            assert_eq!(profile.name, name);
            assert!(!profile.steps.is_empty());
        }
    }

    #[test]
    fn a_wrong_profile_is_refused_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let text = BUILT_IN[1].1.replace("- delete_pods", "- delete_prods");
        std::fs::write(folder.path().join("own.yaml"), text).unwrap();
        let error = Profile::load("own.yaml", folder.path()).unwrap_err();
        assert!(error.contains("delete_prods") && error.contains("line"), "{error}");
    }

    #[test]
    fn the_environment_follows_the_namespaces_name() {
        let (profile, _) = Profile::load("smarterp-producao", Path::new("/")).unwrap();
        assert_eq!(profile.environment_of("acme-Development"), "homologacao");
        assert_eq!(profile.environment_of("acme"), "producao");
    }

    #[test]
    fn a_step_is_about_the_deployments_it_names() {
        let base = BTreeMap::from([("base".to_owned(), "false".to_owned())]);
        let which = Deployments {
            labels: Some("base=false".into()),
            name_lacks: vec!["rest".into()],
            ..Deployments::default()
        };
        assert!(which.include("protheus-appserver-producao-all", &base));
        assert!(!which.include("protheus-rest-producao-all", &base));
        assert!(!which.include("protheus-appserver-producao-all", &BTreeMap::new()));
    }
}
