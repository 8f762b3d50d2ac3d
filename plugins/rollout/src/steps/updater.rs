//! The updater that lives in an environment: starting its Job, and waiting until the environment says that it runs the version.

use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::{Api, ResourceExt as _};
use shared::cluster::{Error as ClusterError, Seen, wait_for};

use super::Work;
use crate::Error;
use crate::environment::{BASE_VERSION, UPDATER_STATUS};

impl Work<'_> {
    pub(super) async fn start_updater(&self, cron_job: &str, job: &str) -> Result<(), Error> {
        let started = self.start_job(cron_job, job).await?;
        if started == job {
            Ok(())
        } else {
            Err(Error::Refused(format!("the Job `{started}` of an earlier run is running")))
        }
    }

    /// Our own Job first: an earlier step has just written the status, and on a rerun the version may be there already.
    pub(super) async fn wait_for_updater(&self, job: &str) -> Result<(), Error> {
        let limit = self.settings.wait_timeout;
        self.job_ended(job, limit).await?;
        let what = format!("the update of `{}`", self.name());
        wait_for(&what, limit, || async {
            let (status, version) = self.status_and_version().await?;
            match status.as_str() {
                "OK" if version == self.plan.version => Ok(Seen::Done(())),
                "FAILED" | "" => Err(Error::Refused(format!(
                    "the updater's Job is complete, but {UPDATER_STATUS} is `{status}`"
                ))),
                _ => {
                    Ok(Seen::NotYet(format!("{UPDATER_STATUS} is `{status}`, {BASE_VERSION} is `{version}`")))
                }
            }
        })
        .await
    }

    async fn status_and_version(&self) -> Result<(String, String), Error> {
        let name = self.name();
        let namespace = Api::<Namespace>::all(self.worlds.client.clone())
            .get(name)
            .await
            .map_err(|error| ClusterError::new(format!("read the namespace `{name}`"), error))?;
        let version = namespace.labels().get(BASE_VERSION).cloned().unwrap_or_default();
        let Some(config_map) = &self.settings.profile.config_map else {
            return Ok(("OK".to_owned(), version));
        };
        let config =
            Api::<ConfigMap>::namespaced(self.worlds.client.clone(), name).get(config_map).await.map_err(
                |error| ClusterError::new(format!("read the ConfigMap `{config_map}` in `{name}`"), error),
            )?;
        Ok((config.data.unwrap_or_default().get(UPDATER_STATUS).cloned().unwrap_or_default(), version))
    }
}
