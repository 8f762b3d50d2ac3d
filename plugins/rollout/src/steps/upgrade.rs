//! The helm upgrade of a namespace's release.

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::DeleteParams;
use shared::cluster::Error as ClusterError;

use super::Work;
use crate::Error;
use crate::helm::Install;

impl Work<'_> {
    pub(super) async fn helm_upgrade(&self) -> Result<(), Error> {
        let (Some(chart), Some(release)) = (&self.plan.chart, &self.environment().release) else {
            return Err(Error::Refused("there is no chart or no release to upgrade".to_owned()));
        };
        self.clear_our_dead_operation().await?;
        let install = Install {
            namespace: self.name(),
            chart,
            values: &release.values,
            // Earlier steps changed fields that the chart renders. A server-side release refuses that unless told to take them over; a
            // client-side one has no such conflict and refuses the flag.
            force_conflicts: release.is_server_side,
        };
        Ok(self.worlds.helm.upgrade(install).await?)
    }

    /// A helm that was killed leaves the revision pending, and refuses the next upgrade for ever. Only our own dead run's revision is cleared: its record
    /// says that it was in this namespace, the Lease is ours now, and its helm died with it. Nothing but helm's note is deleted.
    async fn clear_our_dead_operation(&self) -> Result<(), Error> {
        let Some(newest) = self.environment().newest.as_ref().filter(|release| release.is_pending()) else {
            return Ok(());
        };
        if self.target.taken_up.is_none() {
            return Err(Error::Refused(format!(
                "revision {} of the release is {}, and it is not ours",
                newest.revision, newest.status
            )));
        }
        tracing::warn!(
            "{}: revision {} was left {} by our earlier run and is cleared",
            self.name(),
            newest.revision,
            newest.status
        );
        Api::<Secret>::namespaced(self.worlds.client.clone(), self.name())
            .delete(&newest.secret, &DeleteParams::default())
            .await
            .map_err(|error| ClusterError::new(format!("delete the Secret `{}`", newest.secret), error))?;
        Ok(())
    }
}
