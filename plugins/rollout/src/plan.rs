//! Decides which environments are updated, and writes out every step with its real texts. Pure, no IO; its `Display` is the dry run.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use jiff::Timestamp;
use shared::digest::Digest;

use crate::Error;
use crate::environment::Environment;
use crate::gates::{Refusal, Wanted, refusal, taken_up};
use crate::observe::Observed;
use crate::profile::Step;
use crate::record::{Damage, Record, State};
use crate::settings::{Action, Settings};

/// What will be done.
#[derive(Debug)]
pub struct Plan {
    /// Version to update to.
    pub version: String,
    /// Name of the procedure.
    pub profile: String,
    /// Environments to update, in this order.
    pub targets: Vec<Target>,
    /// Environments that are not touched, and why.
    pub skipped: Vec<(String, String)>,
    /// Environments in which an earlier run is unfinished and this one must not go on, and why.
    pub unfinished: Vec<(String, String)>,
    /// How many environments have the version already.
    pub up_to_date: usize,
    /// Selected namespaces that are no environments of the procedure, and why.
    pub not_environments: Vec<(String, String)>,
    /// The chart's file.
    pub chart: Option<PathBuf>,
    /// Namespaces at the same time.
    pub concurrency: usize,
}

/// One environment to update.
#[derive(Clone, Debug)]
pub struct Target {
    /// As it was when the plan was made.
    pub environment: Environment,
    /// Name of the run's own objects in it.
    pub run: String,
    /// What is done, in this order, with the step's number in the profile.
    pub steps: Vec<(usize, Step)>,
    /// What is done when helm fails.
    pub on_helm_failure: Vec<Step>,
    /// What the run that is taken up wrote down.
    pub taken_up: Option<Record>,
}

/// Decides what to do.
///
/// # Errors
/// When the selection fits no environment at all.
pub fn plan(settings: &Settings, observed: Observed) -> Result<Plan, Error> {
    let Action::Update(version) = &settings.action else {
        return Err(Error::Refused("`resume` has no plan".to_owned()));
    };
    let wanted = Wanted::of(settings, version);
    let seen = observed.environments.len() + observed.excluded.len();
    let excluded = observed.excluded.into_iter().map(|(name, text)| (name, format!("left out by `{text}`")));
    let mut plan = Plan {
        version: version.clone(),
        profile: settings.profile.name.clone(),
        targets: Vec::new(),
        skipped: excluded.collect(),
        unfinished: Vec::new(),
        up_to_date: 0,
        not_environments: Vec::new(),
        chart: observed.chart,
        concurrency: settings.concurrency,
    };
    for environment in observed.environments {
        match refusal(wanted, &environment) {
            None => plan.targets.push(target(settings, wanted, environment, observed.at)),
            Some(Refusal::UpToDate) => plan.up_to_date += 1,
            Some(Refusal::Gate(reason)) => plan.skipped.push((environment.name, reason)),
            Some(Refusal::Unfinished(reason)) => plan.unfinished.push((environment.name, reason)),
            Some(Refusal::NotAnEnvironment(reason)) => plan.not_environments.push((environment.name, reason)),
        }
    }
    if plan.targets.is_empty()
        && plan.skipped.is_empty()
        && plan.unfinished.is_empty()
        && plan.up_to_date == 0
    {
        return Err(Error::NothingSelected { chart: settings.profile.chart.clone(), seen });
    }
    Ok(plan)
}

/// What is done to one environment as it is now.
#[must_use]
pub fn target(settings: &Settings, wanted: Wanted<'_>, environment: Environment, at: Timestamp) -> Target {
    let taken_up = taken_up(wanted, &environment).ok().flatten().cloned();
    // An interrupted run goes on under its name and finds its own objects; a new try makes new ones.
    let interrupted = taken_up.as_ref().filter(|record| record.state == State::Working);
    let run = interrupted.map_or_else(|| run_name(&environment, at), |record| record.run.clone());
    let fill = |text: &str| {
        text.replace("{namespace}", &environment.name)
            .replace("{version}", wanted.version)
            .replace("{env}", settings.profile.environment_of(&environment.name))
            .replace("{run}", &run)
    };
    let steps = steps_to_do(settings, taken_up.as_ref())
        .into_iter()
        .map(|(number, step)| (number, step.filled(&fill)))
        .collect();
    let on_helm_failure = settings.profile.on_helm_failure.iter().map(|step| step.filled(&fill)).collect();
    Target { run, steps, on_helm_failure, taken_up, environment }
}

/// The procedure's steps without those that were not asked for; after an interrupted run, from the step it was in.
fn steps_to_do(settings: &Settings, taken_up: Option<&Record>) -> Vec<(usize, Step)> {
    let is_asked_for = |step: &Step| match step {
        Step::Backup { .. } => settings.backup,
        Step::PauseMonitors | Step::ResumeMonitors => settings.uptime.is_some(),
        _ => true,
    };
    let first = taken_up.map_or(1, |record| first_step(&settings.profile_digest, record));
    let last_change = settings
        .profile
        .steps
        .iter()
        .rposition(|step| *step != Step::ResumeMonitors)
        .map_or(0, |index| index + 1);
    // The monitors are paused for what is still to be changed, wherever the work is taken up.
    let is_still_to_do = |number: usize, step: &Step| {
        number >= first || (*step == Step::PauseMonitors && first <= last_change)
    };
    let numbered = settings.profile.steps.iter().enumerate().map(|(index, step)| (index + 1, step.clone()));
    numbered.filter(|(number, step)| is_asked_for(step) && is_still_to_do(*number, step)).collect()
}

/// An environment that is taken apart is finished from where it was. One that is not starts anew: somebody may have begun to work there, and what was
/// scaled may have been given back. So does one whose procedure has another text by now.
fn first_step(digest: &str, record: &Record) -> usize {
    if record.damage == Damage::Apart && record.profile_digest == digest { record.step } else { 1 }
}

/// Never by date alone: a second rollout on the same day must not reuse what the first one saved.
fn run_name(environment: &Environment, at: Timestamp) -> String {
    let revision = environment.newest.as_ref().map_or(0, |release| release.revision);
    let digest = Digest::of(format!("{} {revision} {at}", environment.uid).as_bytes());
    format!("r{revision}-{}", digest.short())
}

impl Step {
    /// The same step with the placeholders in its texts replaced.
    #[must_use]
    pub fn filled(&self, fill: &impl Fn(&str) -> String) -> Self {
        let map = |map: &BTreeMap<String, String>| {
            map.iter().map(|(name, value)| (fill(name), fill(value))).collect()
        };
        let list = |list: &[String]| list.iter().map(|text| fill(text)).collect();
        match self.clone() {
            Self::LabelNamespace(labels) => Self::LabelNamespace(map(&labels)),
            Self::SetConfig(data) => Self::SetConfig(map(&data)),
            Self::Backup { cron_job, job } => Self::Backup { cron_job: fill(&cron_job), job: fill(&job) },
            Self::StartUpdater { cron_job, job } => {
                Self::StartUpdater { cron_job: fill(&cron_job), job: fill(&job) }
            }
            Self::WaitForUpdater { job } => Self::WaitForUpdater { job: fill(&job) },
            Self::Scale { labels, names, replicas } => Self::Scale { labels, names: list(&names), replicas },
            Self::AppendAnnotation { labels, name_lacks, annotation, items } => {
                Self::AppendAnnotation { labels, name_lacks, annotation, items: list(&items) }
            }
            Self::AnnotateServices { name_contains, service, annotations } => {
                Self::AnnotateServices { name_contains, service, annotations: map(&annotations) }
            }
            Self::Relabel { labels, name_contains, set, annotations } => {
                Self::Relabel { labels, name_contains, set: map(&set), annotations: map(&annotations) }
            }
            step @ (Self::SaveValues
            | Self::PauseMonitors
            | Self::ResumeMonitors
            | Self::CheckIdle { .. }
            | Self::DeletePods
            | Self::DeleteDeployments
            | Self::HelmUpgrade) => step,
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` to {}: {} to update ({} at a time), {} have it already, {} left alone, {} are no environments of it",
            self.profile,
            self.version,
            self.targets.len(),
            self.concurrency,
            self.up_to_date,
            self.skipped.len(),
            self.not_environments.len()
        )?;
        for target in &self.targets {
            let from = target.environment.base_version().unwrap_or("?");
            write!(f, "\n  {}: {from} -> {}", target.environment.name, self.version)?;
            if let Some(record) = &target.taken_up {
                write!(f, " (takes up the run that ended in step {})", record.step)?;
            }
            let names: Vec<String> =
                target.steps.iter().map(|(number, step)| format!("{number} {step}")).collect();
            write!(f, "\n    {}", names.join("\n    "))?;
        }
        for (name, reason) in self.unfinished.iter().chain(&self.skipped).chain(&self.not_environments) {
            write!(f, "\n  {name}: not touched: {reason}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs = |map: &BTreeMap<String, String>| {
            map.iter().map(|(name, value)| format!("{name}={value:?}")).collect::<Vec<_>>().join(" ")
        };
        write!(f, "{}", self.name())?;
        match self {
            Self::LabelNamespace(map) | Self::SetConfig(map) => write!(f, " {}", pairs(map)),
            Self::Backup { cron_job, job } | Self::StartUpdater { cron_job, job } => {
                write!(f, " Job {job} from CronJob {cron_job}")
            }
            Self::WaitForUpdater { job } => write!(f, " Job {job}"),
            Self::CheckIdle { labels } => write!(f, " {labels}"),
            Self::Scale { labels, names, replicas } => {
                let which = labels
                    .clone()
                    .unwrap_or_else(|| if names.is_empty() { "all".to_owned() } else { names.join(", ") });
                write!(f, " {which} to {replicas}")
            }
            Self::AnnotateServices { service, annotations, .. } => {
                write!(f, " {service} {}", pairs(annotations))
            }
            Self::AppendAnnotation { annotation, items, .. } => {
                write!(f, " {annotation} += {}", items.join(","))
            }
            Self::Relabel { labels, name_contains, set, .. } => {
                write!(f, " {labels} with {} in the name: {}", name_contains.join(" or "), pairs(set))
            }
            Self::SaveValues
            | Self::PauseMonitors
            | Self::ResumeMonitors
            | Self::DeletePods
            | Self::DeleteDeployments
            | Self::HelmUpgrade => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
