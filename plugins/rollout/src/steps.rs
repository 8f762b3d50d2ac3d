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
use crate::record::{ANNOTATION, Damage, Record, State};
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
    is_lost: bool,
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
            damage: Damage::None,
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
        Self { settings, plan, target, worlds, lease, record, is_as_before: false, is_lost: false }
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
                ending = self.after_failure(*number, step, error).await;
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

    /// Writes down the step and what it does to the environment, then does it. Pausing the monitors for work that is taken up is no step of its own.
    async fn begin(&mut self, number: usize, step: &Step) -> Result<(), Error> {
        if *step != Step::PauseMonitors || self.record.damage == Damage::None {
            self.record.step = number;
        }
        self.record.damage = self.record.damage.max(step.damage());
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

    /// What the failure of a step asks for. As long as nothing was scaled or deleted, labels and configuration go back to what they were. A run that lost
    /// its Lease does nothing more: the namespace is another's.
    async fn after_failure(&mut self, number: usize, step: &Step, error: Error) -> Ending {
        let further = if error.is_lost_lease() {
            self.is_lost = true;
            Ok(())
        } else if *step == Step::HelmUpgrade {
            self.after_failed_helm().await
        } else if self.record.damage == Damage::None {
            let result = self.put_back().await;
            self.is_as_before = result.is_ok();
            result
        } else {
            Ok(())
        };
        let error = match (error, further) {
            (Error::InUse(reason), Ok(())) if self.is_as_before => return Ending::Skipped(reason),
            (error, Ok(())) => error,
            (error, Err(further)) => {
                Error::Refused(format!("{}; and after that: {}", chain(&error), chain(&further)))
            }
        };
        Ending::Failed { step: format!("{number} {}", step.name()), error }
    }

    /// All of it is tried: nobody may work on a half-updated environment.
    async fn after_failed_helm(&mut self) -> Result<(), Error> {
        let mut result = Ok(());
        for step in &self.target.on_helm_failure {
            result = result.and(Box::pin(self.perform(step)).await);
        }
        result
    }

    /// Monitors first: they must not stay paused, whatever else goes wrong.
    async fn finish(mut self, ending: Ending) -> Ending {
        if self.is_lost {
            self.leave_monitors_to_the_new_holder();
            return ending;
        }
        let resumed = self.resume_monitors().await;
        let is_over = match &ending {
            Ending::Updated => true,
            // Nothing is left to finish or to give back.
            Ending::Failed { .. } | Ending::Skipped(_) => self.is_as_before,
            _ => false,
        };
        // A monitor that could not be resumed is no failed update: a plain rerun resumes it.
        let has_failed = matches!(ending, Ending::Failed { .. }) && !self.is_at_the_resuming();
        let written = if is_over && resumed.is_ok() {
            self.forget().await
        } else {
            self.record.state = if has_failed { State::Failed } else { State::Working };
            self.write_record().await
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

    fn is_at_the_resuming(&self) -> bool {
        self.settings.profile.steps.get(self.record.step.saturating_sub(1)) == Some(&Step::ResumeMonitors)
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
