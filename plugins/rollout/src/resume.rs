//! `action: resume`: restores what dead runs left paused or scaled, and only that. Meant for a cron, and for the hour after a crash.

use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use shared::cluster::{Error as ClusterError, FIELD_MANAGER, Holder, Lease, LeaseGuard};
use shared::failure::Failure;
use shared::report::{Ending, Report};

use crate::environment::Environment;
use crate::observe::Observed;
use crate::record::{ANNOTATION, LEASE, Record};
use crate::settings::Settings;
use crate::{Error, Worlds};

/// Restores in every selected namespace whose record owes something and that no live run holds.
///
/// # Errors
/// When something could not be restored; the others are.
pub async fn resume(settings: &Settings, observed: Observed, worlds: &Worlds) -> Result<Report, Failure> {
    let owing: Vec<(&Environment, &Record)> = observed
        .environments
        .iter()
        .filter_map(|environment| {
            Some((environment, environment.record.as_ref().filter(|record| record.owes())?))
        })
        .collect();
    let mut rows = Vec::new();
    let mut failed = Vec::new();
    for (environment, record) in owing {
        let result = if settings.common.dry_run {
            Ok("would be restored".to_owned())
        } else {
            restore(environment, record, worlds).await
        };
        let what = format!("{} monitors, {} Deployments", record.monitors.len(), record.replicas.len());
        let words = result.unwrap_or_else(|error| {
            failed.push(environment.name.clone());
            error.to_string()
        });
        rows.push(vec![environment.name.clone(), what, words]);
    }
    let ending = match (rows.is_empty(), settings.common.dry_run) {
        (_, true) => Ending::DryRun,
        (true, false) => Ending::NothingToDo,
        (false, false) => Ending::Done,
    };
    let summary = match rows.len() {
        0 => "no dead run left anything paused or scaled".to_owned(),
        count => format!("{count} namespaces had something that a dead run left"),
    };
    let total = rows.len();
    let report = Report::new(ending, summary).table(&["namespace", "left behind", "result"], rows);
    if failed.is_empty() {
        return Ok(report);
    }
    Err(Failure::from(Error::Failures { failed: failed.len(), total, names: failed.join(", ") })
        .after(report))
}

async fn restore(environment: &Environment, record: &Record, worlds: &Worlds) -> Result<String, Error> {
    let lease = match Lease::new(&worlds.client, &environment.name, LEASE).take(&worlds.run).await? {
        Holder::Us(lease) => lease,
        Holder::Other(holder) => return Ok(format!("left alone: `{holder}` is working on it")),
    };
    let result = give_back(environment, record, worlds, &lease).await;
    lease.give_back().await?;
    result
}

async fn give_back(
    environment: &Environment,
    record: &Record,
    worlds: &Worlds,
    lease: &LeaseGuard,
) -> Result<String, Error> {
    if !record.monitors.is_empty() {
        let monitors = worlds.monitors.as_ref().ok_or_else(|| {
            Error::Refused("monitors are paused, but this run has no access to the uptime service (`uptimerobot_key`, a profile with monitors)".to_owned())
        })?;
        for (id, name) in &record.monitors {
            monitors.resume(*id, name).await?;
        }
    }
    let api: Api<Deployment> = Api::namespaced(worlds.client.clone(), &environment.name);
    for (name, replicas) in &record.replicas {
        // One that is gone, or that somebody scaled since, is not ours to change.
        if !environment.deployments.iter().any(|one| one.name == *name && one.wanted == 0) {
            continue;
        }
        let parameters =
            PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        api.patch_scale(name, &parameters, &Patch::Merge(json!({ "spec": { "replicas": replicas } })))
            .await
            .map_err(|error| {
                ClusterError::new(format!("scale the Deployment `{name}` in `{}`", environment.name), error)
            })?;
    }
    // The rest of the record stays: the update itself is still unfinished.
    let rest = Record { monitors: Default::default(), replicas: Default::default(), ..record.clone() };
    lease.annotate(ANNOTATION, Some(&rest.text())).await?;
    Ok("restored".to_owned())
}
