//! `action: resume`: restores what dead runs left paused or scaled, and only that. Meant for a cron, and for the hour after a crash.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use shared::cluster::{Error as ClusterError, Holder, Lease, LeaseGuard, scale};
use shared::failure::{Failure, chain};
use shared::report::{Ending, Report, Row, RowResult};

use crate::environment::Environment;
use crate::observe::{self, Observed};
use crate::profile::Step;
use crate::record::{ANNOTATION, Damage, LEASE, Record};
use crate::settings::Settings;
use crate::{Error, Worlds};

/// Restores in every selected namespace whose record owes something and that no living run holds.
///
/// # Errors
/// When something could not be restored; the others are.
pub async fn resume(settings: &Settings, observed: Observed, worlds: &Worlds) -> Result<Report, Failure> {
    let mut rows = Vec::new();
    let (mut failed, mut busy) = (Vec::new(), Vec::new());
    for environment in &observed.environments {
        let result = match &environment.record {
            Ok(None) => continue,
            Ok(Some(record)) if !record.owes() => continue,
            Ok(Some(record)) if settings.common.dry_run => Ok(Restored::Would(what_is_owed(record))),
            Ok(Some(_)) => restore(settings, environment, worlds).await,
            Err(reason) => Err(Error::Refused(reason.clone())),
        };
        let name = environment.name.clone();
        let (result, words) = match result {
            Ok(Restored::Nothing) => continue,
            Ok(Restored::Done(what)) => (RowResult::Done, format!("restored: {what}")),
            Ok(Restored::Would(what)) => (RowResult::Skipped, format!("would restore: {what}")),
            Ok(Restored::Busy(holder)) => {
                busy.push(name.clone());
                (RowResult::Skipped, format!("left alone: `{holder}` is working on it"))
            }
            Err(error) => {
                failed.push(name.clone());
                (RowResult::Failed, chain(&error))
            }
        };
        rows.push(Row::new(result, vec![name, words]));
    }
    let total = rows.len();
    let report = describe(settings.common.dry_run, rows);
    if !failed.is_empty() {
        let names = failed.join(", ");
        let error = Error::Failures { failed: failed.len(), total, updated: total - failed.len(), names };
        return Err(Failure::from(error).after(Report { ending: Ending::Failed, ..report }));
    }
    // Not green: what that run owes is not known before it ends.
    if !busy.is_empty() {
        return Err(Failure::from(Error::Busy(busy)).after(report));
    }
    Ok(report)
}

/// A failure without a report came when the end was asked for in mid-work: what was given back by then is not counted.
#[must_use]
pub fn in_the_middle(failure: Failure) -> Failure {
    let summary = "some environments may have got back what they were owed; a rerun gives back the rest";
    if failure.report.is_some() { failure } else { failure.after(Report::new(Ending::Failed, summary)) }
}

/// What became of one namespace.
enum Restored {
    Nothing,
    Done(String),
    Would(String),
    Busy(String),
}

fn describe(dry_run: bool, rows: Vec<Row>) -> Report {
    let ending = match (rows.is_empty(), dry_run) {
        (_, true) => Ending::DryRun,
        (true, false) => Ending::NothingToDo,
        (false, false) => Ending::Done,
    };
    match rows.len() {
        0 => Report::new(ending, "no dead run left anything paused or scaled"),
        count => Report::new(ending, format!("{count} namespaces had something that an earlier run left"))
            .table(&["namespace", "result"], rows),
    }
}

/// Under the Lease everything is read anew: the run that was there a moment ago may have ended well.
async fn restore(settings: &Settings, environment: &Environment, worlds: &Worlds) -> Result<Restored, Error> {
    let lease = match Lease::new(&worlds.client, &environment.name, LEASE).take(&worlds.run).await? {
        Holder::Us(lease) => lease,
        Holder::Other(holder) => return Ok(Restored::Busy(holder)),
    };
    let result = look_and_give_back(settings, environment, worlds, &lease).await;
    lease.give_back().await?;
    result
}

async fn look_and_give_back(
    settings: &Settings,
    environment: &Environment,
    worlds: &Worlds,
    lease: &LeaseGuard,
) -> Result<Restored, Error> {
    let namespaces: Api<Namespace> = Api::all(worlds.client.clone());
    let found = namespaces.get_opt(&environment.name).await;
    let found = found
        .map_err(|error| ClusterError::new(format!("read the namespace `{}`", environment.name), error))?;
    let Some(namespace) = found else { return Ok(Restored::Nothing) };
    let now = observe::read(&namespace, &settings.profile, worlds).await?;
    let Some(record) = now.record.clone().map_err(Error::Refused)?.filter(Record::owes) else {
        return Ok(Restored::Nothing);
    };
    give_back(&now, &record, worlds).await?;
    lease.annotate(ANNOTATION, what_stays(settings, &record).map(|record| record.text()).as_deref()).await?;
    Ok(Restored::Done(what_is_owed(&record)))
}

async fn give_back(now: &Environment, record: &Record, worlds: &Worlds) -> Result<(), Error> {
    if !record.monitors.is_empty() {
        let monitors = worlds.monitors.as_ref().ok_or_else(|| {
            Error::Refused(format!(
                "no access to the uptime service (`uptimerobot_key`, a profile with monitors){}",
                record.paused()
            ))
        })?;
        for (id, name) in &record.monitors {
            monitors.resume(*id, name).await?;
        }
    }
    // An update or a backup that still runs must not meet working users.
    let replicas = if now.active_jobs.is_empty() { record.replicas_owed() } else { Default::default() };
    let api: Api<Deployment> = Api::namespaced(worlds.client.clone(), &now.name);
    for (name, replicas) in &replicas {
        // One that is gone, or that somebody scaled since, is not ours to change.
        if !now.deployments.iter().any(|one| one.name == *name && one.wanted == 0) {
            continue;
        }
        scale(&api, name, *replicas, &now.name).await?;
    }
    Ok(())
}

/// The update itself is still unfinished, so the record stays, without what was given back – unless giving back was all that was left to do.
fn what_stays(settings: &Settings, record: &Record) -> Option<Record> {
    let was_at_its_end = record.profile_digest == settings.profile_digest
        && settings.profile.steps.get(record.step.saturating_sub(1)) == Some(&Step::ResumeMonitors);
    (!was_at_its_end).then(|| {
        let damage = if record.damage == Damage::Apart { Damage::Apart } else { Damage::None };
        Record { monitors: Default::default(), replicas: Default::default(), damage, ..record.clone() }
    })
}

fn what_is_owed(record: &Record) -> String {
    let monitors: Vec<&str> = record.monitors.values().map(String::as_str).collect();
    let replicas: Vec<String> =
        record.replicas_owed().iter().map(|(name, count)| format!("{name} to {count}")).collect();
    [("monitors ", monitors.join(", ")), ("replicas ", replicas.join(", "))]
        .into_iter()
        .filter(|(_, words)| !words.is_empty())
        .map(|(kind, words)| format!("{kind}{words}"))
        .collect::<Vec<_>>()
        .join("; ")
}
