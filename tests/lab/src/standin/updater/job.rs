//! Playing the one pod of a Job: from pending to its end.

use std::time::Duration;

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use super::{Site, environment};
use crate::error::{Attempt as _, Error};
use crate::wait::until;

/// Works on one Job. An upgrade that fails is a Job that fails, not an error here.
pub(super) async fn work(site: &Site, job: &Job) -> Result<(), Error> {
    let name = job.metadata.name.as_deref().unwrap_or_default();
    let namespace = job.metadata.namespace.as_deref().unwrap_or_default();
    let attempt = || format!("cannot play the pod of Job `{namespace}/{name}`");
    let pods: Api<Pod> = Api::namespaced(site.client.clone(), namespace);
    let of_job = ListParams::default().labels(&format!("batch.kubernetes.io/job-name={name}"));
    let pod =
        until(&format!("the pod of Job `{namespace}/{name}`"), Duration::from_secs(60), &[], async || {
            let found = pods.list(&of_job).await.attempting(attempt)?;
            found.into_iter().next().ok_or_else(|| Error::new("there is none"))
        })
        .await?;

    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    if phase == Some("Running") {
        environment::unlock(site, namespace).await?;
    }
    let pod_name = pod.metadata.name.as_deref().unwrap_or_default();
    let set = async |status: Value| {
        let patch = Patch::Merge(json!({ "status": status }));
        pods.patch_status(pod_name, &PatchParams::default(), &patch).await.attempting(attempt)
    };
    set(json!({ "phase": "Running" })).await?;
    let (phase, code, message) = match environment::update(site, namespace).await {
        Ok(said) => ("Succeeded", 0, said),
        Err(error) => ("Failed", 1, error.to_string()),
    };
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let ended: Vec<Value> = containers
        .map(|container| {
            json!({
                "name": container.name, "image": container.image, "imageID": "", "ready": false, "restartCount": 0,
                "state": { "terminated": { "exitCode": code, "message": message } },
            })
        })
        .collect();
    set(json!({ "phase": phase, "containerStatuses": ended })).await.map(drop)
}
