//! Updating one environment.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use serde_json::json;

use super::Site;
use crate::error::{Attempt as _, Error};
use crate::fixtures::{CONFIG, helm};

/// Upgrades the environment to the version it wants; what it says when there was no failure.
pub(super) async fn update(site: &Site, namespace: &str) -> Result<String, Error> {
    let attempt = || format!("cannot read the namespace `{namespace}`");
    let namespaces: Api<Namespace> = Api::all(site.client.clone());
    let labels = namespaces.get(namespace).await.attempting(attempt)?.metadata.labels.unwrap_or_default();
    let desired =
        labels.get("UpdaterDesiredVersion").ok_or_else(|| Error::new("no label UpdaterDesiredVersion"))?;
    if labels.get("BaseVersion") == Some(desired) {
        return Ok(format!("already at {desired}"));
    }
    let ignores_using = labels.get("UpdaterIgnoreUsing").is_some_and(|value| value == "true");
    if !ignores_using && is_in_use(site, namespace).await? {
        return Ok("in use: not updated".to_owned());
    }

    set_status(site, namespace, "UPDATING").await?;
    let chart = site.chart.replace("{version}", desired);
    // Others scale and label what the chart renders: without these two flags that is a conflict.
    let flags = ["--reset-then-reuse-values", "--server-side=true", "--force-conflicts"];
    let upgrade = [["upgrade", namespace, &chart, "--namespace", namespace].as_slice(), &flags].concat();
    if let Err(error) = helm(&site.tools, &upgrade).await {
        set_status(site, namespace, "FAILED").await?;
        return Err(error);
    }
    // The label last: where it is missing, the next updater does this again.
    set_status(site, namespace, "OK").await?;
    let label = Patch::Merge(json!({ "metadata": { "labels": { "BaseVersion": desired } } }));
    namespaces.patch(namespace, &parameters(), &label).await.attempting(attempt)?;
    Ok(format!("updated to {desired}"))
}

/// Frees a release that an earlier updater left locked when it was killed: only called for a Job that was begun.
pub(super) async fn unlock(site: &Site, namespace: &str) -> Result<(), Error> {
    let secrets: Api<Secret> = Api::namespaced(site.client.clone(), namespace);
    let pending =
        ListParams::default().labels(&format!("owner=helm,name={namespace},status=pending-upgrade"));
    let deleted = secrets.delete_collection(&DeleteParams::default(), &pending).await;
    deleted.attempting(|| format!("cannot unlock the release `{namespace}`")).map(drop)
}

async fn is_in_use(site: &Site, namespace: &str) -> Result<bool, Error> {
    let deployments: Api<Deployment> = Api::namespaced(site.client.clone(), namespace);
    let applications = deployments.list(&ListParams::default().labels("base=false")).await;
    let applications = applications.attempting(|| format!("cannot see who uses `{namespace}`"))?;
    Ok(applications.into_iter().any(|one| {
        let wanted = one.spec.and_then(|spec| spec.replicas).unwrap_or(1);
        let there = one.status.and_then(|status| status.replicas).unwrap_or(0);
        wanted > 0 || there > 0
    }))
}

async fn set_status(site: &Site, namespace: &str, status: &str) -> Result<(), Error> {
    let config_maps: Api<ConfigMap> = Api::namespaced(site.client.clone(), namespace);
    let patch = Patch::Merge(json!({ "data": { "UPDATER_STATUS": status } }));
    let patched = config_maps.patch(CONFIG, &parameters(), &patch).await;
    patched.attempting(|| format!("cannot write UPDATER_STATUS of `{namespace}`")).map(drop)
}

fn parameters() -> PatchParams {
    PatchParams { field_manager: Some("protheus-updater".to_owned()), ..PatchParams::default() }
}
