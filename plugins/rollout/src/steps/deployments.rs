//! Deployments, their pods and Services: scaling, deleting, annotations and labels.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::api::{DeleteParams, ListParams};
use kube::{Api, ResourceExt as _};
use serde_json::json;
use shared::cluster::{Error as ClusterError, Seen, list, merge, scale, wait_for};

use super::Work;
use crate::Error;
use crate::environment::DeploymentState;
use crate::profile::Deployments;
use crate::record::Damage;

/// Longest time until deleted things are gone; they are deleted without grace.
const GONE: Duration = Duration::from_secs(300);

impl Work<'_> {
    fn deployments(&self) -> Api<Deployment> {
        Api::namespaced(self.worlds.client.clone(), self.name())
    }

    async fn list_deployments(&self) -> Result<Vec<Deployment>, Error> {
        Ok(list(&self.deployments(), &format!("the Deployments in `{}`", self.name()), None).await?)
    }

    async fn chosen(&self, which: &Deployments) -> Result<Vec<DeploymentState>, Error> {
        let all = self.list_deployments().await?;
        Ok(all.iter().map(DeploymentState::of).filter(|one| which.include(&one.name, &one.labels)).collect())
    }

    pub(super) async fn scale(&mut self, which: &Deployments, replicas: i32) -> Result<(), Error> {
        let to_scale: Vec<_> =
            self.chosen(which).await?.into_iter().filter(|one| one.wanted != replicas).collect();
        // What an update scales in an environment that it took apart is nothing to give back.
        if self.record.damage < Damage::Apart && !to_scale.is_empty() {
            for one in &to_scale {
                self.record.replicas.entry(one.name.clone()).or_insert(one.wanted);
            }
            self.write_record().await?;
        }
        for one in to_scale {
            scale(&self.deployments(), &one.name, replicas, self.name()).await?;
        }
        Ok(())
    }

    /// Once more, right before the first deletion: a backup may have taken an hour.
    pub(super) async fn check_idle(&self, labels: &str) -> Result<(), Error> {
        let which = Deployments { labels: Some(labels.to_owned()), ..Deployments::default() };
        let used: Vec<String> = self
            .chosen(&which)
            .await?
            .into_iter()
            .filter(DeploymentState::is_in_use)
            .map(|one| one.name)
            .collect();
        match used.is_empty() {
            true => Ok(()),
            false => Err(Error::InUse(format!("somebody works there by now: {}", used.join(", ")))),
        }
    }

    pub(super) async fn delete_pods(&self) -> Result<(), Error> {
        let api: Api<Pod> = Api::namespaced(self.worlds.client.clone(), self.name());
        api.delete_collection(&DeleteParams::default().grace_period(0), &ListParams::default())
            .await
            .map_err(|error| ClusterError::new(format!("delete the pods in `{}`", self.name()), error))?;
        Ok(())
    }

    /// Saved first; then deleted, and waited for until their pods are gone too: two license servers must never run side by side.
    pub(super) async fn delete_deployments(&mut self) -> Result<(), Error> {
        let all = self.list_deployments().await?;
        if !all.is_empty() {
            self.save("deployments", &json!(all)).await?;
        }
        self.deployments()
            .delete_collection(&DeleteParams::background(), &ListParams::default())
            .await
            .map_err(|error| {
                ClusterError::new(format!("delete the Deployments in `{}`", self.name()), error)
            })?;
        let pods: Api<Pod> = Api::namespaced(self.worlds.client.clone(), self.name());
        let what = format!("the deletion of the Deployments in `{}`", self.name());
        let deleted = wait_for(&what, GONE, || async {
            let deployments = self.list_deployments().await?;
            let pods: Vec<Pod> = list(&pods, &format!("the pods in `{}`", self.name()), None).await?;
            let left: Vec<String> = deployments
                .iter()
                .map(|one| one.name_any())
                .chain(pods.iter().filter(|pod| is_of_a_deployment(pod)).map(|pod| pod.name_any()))
                .collect();
            Ok::<_, Error>(if left.is_empty() {
                Seen::Done(())
            } else {
                Seen::NotYet(format!("still there: {}", left.join(", ")))
            })
        });
        deleted.await?;
        // What is deleted cannot be scaled back.
        self.record.replicas.clear();
        Ok(())
    }

    pub(super) async fn annotate_services(
        &self,
        which: &Deployments,
        service: &str,
        annotations: &BTreeMap<String, String>,
    ) -> Result<(), Error> {
        let services: Api<Service> = Api::namespaced(self.worlds.client.clone(), self.name());
        for deployment in self.chosen(which).await?.iter().filter(|one| one.wanted == 0) {
            let name = service.replace("{deployment}", &deployment.name);
            let what = format!("annotate the Service `{name}` in `{}`", self.name());
            merge(&services, &name, &json!({ "metadata": { "annotations": annotations } }), &what).await?;
        }
        Ok(())
    }

    pub(super) async fn append_annotation(
        &self,
        which: &Deployments,
        annotation: &str,
        items: &[String],
    ) -> Result<(), Error> {
        for deployment in self.list_deployments().await? {
            let name = deployment.name_any();
            if !which.include(&name, deployment.labels()) {
                continue;
            }
            let old = deployment.annotations().get(annotation).map_or("", String::as_str);
            let new = union(old, items);
            if new != old {
                let what = format!("annotate the Deployment `{name}` in `{}`", self.name());
                merge(
                    &self.deployments(),
                    &name,
                    &json!({ "metadata": { "annotations": { annotation: new } } }),
                    &what,
                )
                .await?;
            }
        }
        Ok(())
    }

    /// On the object and its pod template, but for labels that are part of the selector: those cannot change in the template.
    pub(super) async fn relabel(
        &self,
        which: &Deployments,
        set: &BTreeMap<String, String>,
        annotations: &BTreeMap<String, String>,
    ) -> Result<(), Error> {
        for deployment in self.list_deployments().await? {
            let name = deployment.name_any();
            if !which.include(&name, deployment.labels()) {
                continue;
            }
            let selected = deployment
                .spec
                .as_ref()
                .and_then(|spec| spec.selector.match_labels.clone())
                .unwrap_or_default();
            let (fixed, free): (BTreeMap<_, _>, BTreeMap<_, _>) =
                set.clone().into_iter().partition(|(label, _)| selected.contains_key(label));
            if !fixed.is_empty() {
                let labels = fixed.into_keys().collect::<Vec<_>>().join(", ");
                tracing::warn!(
                    "{}: `{labels}` is in the selector of `{name}` and was set on the object only",
                    self.name()
                );
            }
            let patch = json!({
                "metadata": { "labels": set, "annotations": annotations },
                "spec": { "template": { "metadata": { "labels": free } } },
            });
            merge(
                &self.deployments(),
                &name,
                &patch,
                &format!("relabel the Deployment `{name}` in `{}`", self.name()),
            )
            .await?;
        }
        Ok(())
    }
}

fn is_of_a_deployment(pod: &Pod) -> bool {
    pod.owner_references().iter().any(|owner| owner.kind == "ReplicaSet")
}

/// A set union: what is there stays in its order, what is missing is added, an absent annotation is an empty list.
fn union(old: &str, items: &[String]) -> String {
    let mut list: Vec<&str> = old.split(',').map(str::trim).filter(|item| !item.is_empty()).collect();
    for item in items {
        if !list.contains(&item.as_str()) {
            list.push(item);
        }
    }
    list.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn appending_twice_adds_nothing_and_an_absent_list_is_empty() {
        let items = ["config".to_owned(), "rest".to_owned()];
        let once = union("dbaccess", &items);
        assert_eq!(once, "dbaccess,config,rest");
        assert_eq!(union(&once, &items), once);
        assert_eq!(union("", &items), "config,rest");
    }
}
