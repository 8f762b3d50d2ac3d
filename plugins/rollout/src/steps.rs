//! The work on one namespace: its steps in order, the record before each, and what is put back when one fails. What a step does in the cluster stands in
//! the files beside this one.

mod backup;
mod deployments;
mod labels;
mod monitors;
mod save;
mod updater;
mod upgrade;

use std::time::{Duration, Instant};

use shared::cluster::LeaseGuard;
use shared::failure::chain;
use shared::stop::Stop;

use crate::environment::Environment;
use crate::execute::Ending;
use crate::plan::{Plan, Target};
use crate::profile::{Deployments, Step};
use crate::record::{ANNOTATION, Record, State};
use crate::settings::Settings;
use crate::{Error, Worlds};

/// How long a step that changes something may go on after the end was asked for. Kubernetes and Jenkins kill after 30 s, and the monitors have to be
/// resumed before that; the record lets a rerun finish what is cut here.
const GRACE: Duration = Duration::from_secs(15);

/// The work on one namespace.
pub struct Work<'a> {
    settings: &'a Settings,
    plan: &'a Plan,
    target: &'a Target,
    worlds: &'a Worlds,
    lease: &'a LeaseGuard,
    record: Record,
    is_as_before: bool,
}

impl<'a> Work<'a> {
    /// Prepares the work; nothing is changed yet.
    #[must_use]
    pub fn new(
        settings: &'a Settings,
        plan: &'a Plan,
        target: &'a Target,
        worlds: &'a Worlds,
        lease: &'a LeaseGuard,
    ) -> Self {
        let fresh = || Record {
            run: target.run.clone(),
            version: plan.version.clone(),
            profile: plan.profile.clone(),
            profile_digest: settings.profile_digest.clone(),
            state: State::Working,
            step: 1,
            monitors: Default::default(),
            replicas: Default::default(),
            labels_before: Default::default(),
            config_before: Default::default(),
        };
        let record = target.taken_up.clone().unwrap_or_else(fresh);
        let record = Record {
            run: target.run.clone(),
            state: State::Working,
            profile_digest: settings.profile_digest.clone(),
            ..record
        };
        Self { settings, plan, target, worlds, lease, record, is_as_before: false }
    }

    /// Does all steps. However it ends, the monitors are resumed.
    pub async fn run(mut self, stop: &Stop) -> Ending {
        let target = self.target;
        let mut ending = Ending::Updated;
        for (number, step) in &target.steps {
            let begun = Instant::now();
            let done = tokio::select! {
                biased;
                done = self.begin(*number, step) => done,
                () = time_is_over(stop, step) => {
                    ending = Ending::Stopped;
                    break;
                }
            };
            if let Err(error) = done {
                let error = self.after_failure(*number, step, error).await;
                ending = Ending::Failed { step: format!("{number} {}", step.name()), error };
                break;
            }
            tracing::debug!("{}: {number} {step}: {:.1} s", self.name(), begun.elapsed().as_secs_f64());
            if stop.is_requested() {
                ending = Ending::Stopped;
                break;
            }
        }
        self.finish(ending).await
    }

    fn name(&self) -> &str {
        &self.target.environment.name
    }

    fn environment(&self) -> &Environment {
        &self.target.environment
    }

    /// Writes down the step, then does it.
    async fn begin(&mut self, number: usize, step: &Step) -> Result<(), Error> {
        if *step != Step::PauseMonitors || self.target.taken_up.is_none() {
            self.record.step = number;
        }
        self.write_record().await?;
        self.perform(step).await
    }

    async fn perform(&mut self, step: &Step) -> Result<(), Error> {
        match step {
            Step::SaveValues => self.save_values().await,
            Step::PauseMonitors => self.pause_monitors().await,
            Step::ResumeMonitors => self.resume_monitors().await,
            Step::LabelNamespace(labels) => self.label_namespace(labels).await,
            Step::SetConfig(data) => self.set_config(data).await,
            Step::Backup { cron_job, job } => self.back_up(cron_job, job).await,
            Step::CheckIdle { labels } => self.check_idle(labels).await,
            Step::Scale { labels, names, replicas } => {
                let which =
                    Deployments { labels: labels.clone(), names: names.clone(), ..Deployments::default() };
                self.scale(&which, *replicas).await
            }
            Step::DeletePods => self.delete_pods().await,
            Step::DeleteDeployments => self.delete_deployments().await,
            Step::HelmUpgrade => self.helm_upgrade().await,
            Step::AnnotateServices { name_contains, service, annotations } => {
                let which = Deployments { name_contains: name_contains.clone(), ..Deployments::default() };
                self.annotate_services(&which, service, annotations).await
            }
            Step::AppendAnnotation { labels, name_lacks, annotation, items } => {
                let which = Deployments {
                    labels: Some(labels.clone()),
                    name_lacks: name_lacks.clone(),
                    ..Deployments::default()
                };
                self.append_annotation(&which, annotation, items).await
            }
            Step::Relabel { labels, name_contains, set, annotations } => {
                let which = Deployments {
                    labels: Some(labels.clone()),
                    name_contains: name_contains.clone(),
                    ..Deployments::default()
                };
                self.relabel(&which, set, annotations).await
            }
            Step::StartUpdater { cron_job, job } => self.start_updater(cron_job, job).await,
            Step::WaitForUpdater { job } => self.wait_for_updater(job).await,
        }
    }

    /// What the failure of a step asks for. Before anything was taken apart, labels and configuration go back to what they were.
    async fn after_failure(&mut self, number: usize, step: &Step, error: Error) -> Error {
        let first_disruption = self
            .settings
            .profile
            .steps
            .iter()
            .position(Step::is_disruptive)
            .map_or(usize::MAX, |index| index + 1);
        let further = if *step == Step::HelmUpgrade {
            self.after_failed_helm().await
        } else if number < first_disruption {
            let result = self.put_back().await;
            self.is_as_before = result.is_ok();
            result
        } else {
            Ok(())
        };
        match further {
            Ok(()) => error,
            Err(further) => Error::Refused(format!("{}; and after that: {}", chain(&error), chain(&further))),
        }
    }

    async fn after_failed_helm(&mut self) -> Result<(), Error> {
        for step in &self.target.on_helm_failure {
            Box::pin(self.perform(step)).await?;
        }
        Ok(())
    }

    /// Monitors first: they must not stay paused, whatever else goes wrong.
    async fn finish(mut self, ending: Ending) -> Ending {
        let resumed = self.resume_monitors().await;
        let written = match &ending {
            // Nothing is left to finish or to give back.
            Ending::Updated if resumed.is_ok() => self.forget().await,
            Ending::Failed { .. } if resumed.is_ok() && self.is_as_before => self.forget().await,
            Ending::Failed { .. } => {
                self.record.state = State::Failed;
                self.write_record().await
            }
            _ => self.write_record().await,
        };
        match (ending, resumed.and(written)) {
            (Ending::Updated, Err(error)) => Ending::Failed { step: "clean up".to_owned(), error },
            (ending, Err(error)) => {
                tracing::warn!("{}: {}", self.name(), chain(&error));
                ending
            }
            (ending, Ok(())) => ending,
        }
    }

    async fn forget(&self) -> Result<(), Error> {
        Ok(self.lease.annotate(ANNOTATION, None).await?)
    }

    async fn write_record(&self) -> Result<(), Error> {
        Ok(self.lease.annotate(ANNOTATION, Some(&self.record.text())).await?)
    }
}

/// Comes when a step must not go on: a wait at once when the end is asked for, a change some seconds later.
async fn time_is_over(stop: &Stop, step: &Step) {
    stop.requested().await;
    if !matches!(step, Step::Backup { .. } | Step::WaitForUpdater { .. }) {
        tokio::time::sleep(GRACE).await;
    }
}
