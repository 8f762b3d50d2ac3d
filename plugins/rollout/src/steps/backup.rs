//! Jobs made from CronJobs, as `kubectl create job --from` makes them, and the backup that is one.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{DeleteParams, ObjectMeta, PostParams};
use kube::{Api, ResourceExt as _};
use shared::cluster::{Error as ClusterError, Seen, list, wait_for};

use super::Work;
use crate::Error;
use crate::environment::{ActiveJob, RUN, ending_of};

/// Longest time until a deleted Job is gone.
const GONE: Duration = Duration::from_secs(120);

impl Work<'_> {
    pub(super) fn jobs(&self) -> Api<Job> {
        Api::namespaced(self.worlds.client.clone(), self.name())
    }

    /// A failed, missing or overdue backup fails the namespace, before anything is deleted.
    pub(super) async fn back_up(&self, cron_job: &str, job: &str) -> Result<(), Error> {
        let job = self.start_job(cron_job, job).await?;
        self.job_ended(&job, self.settings.backup_timeout).await
    }

    /// Makes a Job and gives its name. An active one that a dead run of ours left is adopted, whatever its name; a finished one of another run is
    /// deleted first; an active one of somebody else is never touched.
    pub(super) async fn start_job(&self, cron_job: &str, name: &str) -> Result<String, Error> {
        let jobs: Vec<Job> = list(&self.jobs(), &format!("the Jobs in `{}`", self.name()), None).await?;
        let active: Vec<ActiveJob> = jobs.iter().filter_map(ActiveJob::of).collect();
        let of_same_kind =
            active.iter().find(|one| one.cron_job.as_deref() == Some(cron_job) || one.name == name);
        if let Some(found) = of_same_kind {
            if found.run.is_none() {
                return Err(Error::Refused(format!("the Job `{}` is running and is not ours", found.name)));
            }
            tracing::info!(
                "{}: waiting for the Job `{}` that an earlier run of ours began",
                self.name(),
                found.name
            );
            return Ok(found.name.clone());
        }
        if let Some(found) = jobs.iter().find(|job| job.name_any() == name) {
            if found.annotations().get(RUN) == Some(&self.record.run) {
                return Ok(name.to_owned());
            }
            self.delete_job(found).await?;
        }
        let cron_jobs: Api<CronJob> = Api::namespaced(self.worlds.client.clone(), self.name());
        let from = cron_jobs.get(cron_job).await.map_err(|error| {
            ClusterError::new(format!("read the CronJob `{cron_job}` in `{}`", self.name()), error)
        })?;
        self.jobs().create(&PostParams::default(), &job_from(&from, name, &self.record.run)).await.map_err(
            |error| ClusterError::new(format!("create the Job `{name}` in `{}`", self.name()), error),
        )?;
        Ok(name.to_owned())
    }

    /// Waits until a Job is complete. One that vanishes before its end was seen counts as failed: nobody knows how it ended.
    pub(super) async fn job_ended(&self, name: &str, limit: Duration) -> Result<(), Error> {
        let what = format!("the Job `{name}` in `{}`", self.name());
        let ended = wait_for(&what, limit, || async {
            let Some(job) = self.find_job(name).await? else {
                return Err(Error::Refused(format!("the Job `{name}` vanished before its end was seen")));
            };
            match ending_of(&job) {
                Some(Ok(())) => Ok(Seen::Done(())),
                Some(Err(reason)) => Err(Error::Refused(format!("the Job `{name}` failed: {reason}"))),
                None => {
                    let active = job.status.as_ref().and_then(|status| status.active).unwrap_or(0);
                    Ok(Seen::NotYet(format!("{active} pods of it are active")))
                }
            }
        });
        ended.await
    }

    async fn find_job(&self, name: &str) -> Result<Option<Job>, Error> {
        let found = self.jobs().get_opt(name).await;
        Ok(found.map_err(|error| {
            ClusterError::new(format!("read the Job `{name}` in `{}`", self.name()), error)
        })?)
    }

    /// With background propagation, else its pods stay; and its name is free only when it is gone.
    async fn delete_job(&self, job: &Job) -> Result<(), Error> {
        let name = job.name_any();
        let uid = job.uid();
        self.jobs().delete(&name, &DeleteParams::background()).await.map_err(|error| {
            ClusterError::new(format!("delete the finished Job `{name}` in `{}`", self.name()), error)
        })?;
        wait_for::<_, Error, _, _>(&format!("the deletion of the Job `{name}`"), GONE, || async {
            let is_gone = self.find_job(&name).await?.is_none_or(|found| found.uid() != uid);
            Ok(if is_gone { Seen::Done(()) } else { Seen::NotYet("still there".to_owned()) })
        })
        .await
    }
}

/// The Job that `kubectl create job --from=cronjob/…` would make, marked with the run.
fn job_from(cron_job: &CronJob, name: &str, run: &str) -> Job {
    let template = cron_job.spec.job_template.clone();
    let metadata = template.metadata.unwrap_or_default();
    let mut annotations =
        BTreeMap::from([("cronjob.kubernetes.io/instantiate".to_owned(), "manual".to_owned())]);
    annotations.extend(metadata.annotations.unwrap_or_default());
    annotations.insert(RUN.to_owned(), run.to_owned());
    let owner = OwnerReference {
        api_version: "batch/v1".to_owned(),
        kind: "CronJob".to_owned(),
        name: cron_job.name_any(),
        uid: cron_job.uid().unwrap_or_default(),
        controller: Some(true),
        block_owner_deletion: None,
    };
    Job {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            labels: metadata.labels,
            annotations: Some(annotations),
            owner_references: Some(vec![owner]),
            ..ObjectMeta::default()
        },
        spec: template.spec,
        status: None,
    }
}
