//! Does what the plan says, some namespaces at a time. In each: (1) the Lease, so that no other run works there; (2) a second look, because hours may have
//! passed since the plan; (3) the record before every step that it protects; (4) the step; and at every end the monitors are resumed and the Lease is given
//! back. A failure stays in its namespace; after `max_failures` of them nothing new is begun.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use jiff::Timestamp;
use kube::Api;
use shared::cluster::{Holder, Lease};
use shared::failure::chain;
use shared::progress::Progress;
use shared::stop::Stop;

use crate::gates::{Refusal, Wanted, refusal};
use crate::observe;
use crate::plan::{self, Plan, Target};
use crate::record::LEASE;
use crate::release::Release;
use crate::settings::Settings;
use crate::steps::Work;
use crate::{Error, Worlds};

/// What became of the plan.
#[derive(Debug)]
pub struct Outcome {
    /// One per target, in the order of the plan.
    pub namespaces: Vec<NamespaceOutcome>,
    /// Names of monitors that could not be resumed.
    pub still_paused: Vec<String>,
}

/// What became of one namespace.
#[derive(Debug)]
pub struct NamespaceOutcome {
    /// Its name.
    pub name: String,
    /// The version it had.
    pub from: String,
    /// How it ended.
    pub ending: Ending,
    /// How long it was worked on.
    pub elapsed: Duration,
}

/// How the work on a namespace ended.
#[derive(Debug)]
pub enum Ending {
    /// It has the version.
    Updated,
    /// Left alone after all, and why.
    Skipped(String),
    /// A living run works on it.
    Busy(String),
    /// Failed in this step.
    Failed {
        /// Number and name of the step.
        step: String,
        /// Why.
        error: Error,
    },
    /// The end was asked for in mid-work; a rerun goes on.
    Stopped,
    /// Not begun, because the end was asked for or too many others failed.
    NotBegun,
}

/// Works the plan off.
pub async fn execute(settings: &Settings, plan: &Plan, worlds: &Worlds, stop: &Stop) -> Outcome {
    let failures = Arc::new(AtomicUsize::new(0));
    let total = plan.targets.len();
    let work = plan.targets.iter().enumerate().map(|(index, target)| {
        let failures = Arc::clone(&failures);
        async move {
            let begun = Instant::now();
            let ending = if stop.is_requested() || failures.load(Ordering::SeqCst) >= settings.max_failures {
                Ending::NotBegun
            } else {
                update(settings, plan, target, worlds, stop, &format!("[{}/{total}]", index + 1)).await
            };
            if matches!(ending, Ending::Failed { .. }) {
                failures.fetch_add(1, Ordering::SeqCst);
            }
            tell(&target.environment.name, &ending);
            let from = target.environment.base_version().unwrap_or("?").to_owned();
            (
                index,
                NamespaceOutcome {
                    name: target.environment.name.clone(),
                    from,
                    ending,
                    elapsed: begun.elapsed(),
                },
            )
        }
    });
    // A queue, not batches: as one ends the next begins, however long its neighbours take.
    let mut progress = Progress::things("rollout", "namespaces", total);
    let ended = futures::stream::iter(work).buffer_unordered(settings.concurrency);
    let mut ended: Vec<(usize, NamespaceOutcome)> = ended.inspect(|_| progress.add(1)).collect().await;
    ended.sort_by_key(|(index, _)| *index);
    let namespaces = ended.into_iter().map(|(_, outcome)| outcome).collect();
    Outcome { namespaces, still_paused: resume_what_is_owed(worlds).await }
}

async fn update(
    settings: &Settings,
    plan: &Plan,
    target: &Target,
    worlds: &Worlds,
    stop: &Stop,
    place: &str,
) -> Ending {
    let name = &target.environment.name;
    let lease = Lease::new(&worlds.client, name, LEASE);
    let taken = tokio::select! {
        taken = lease.take(&worlds.run) => taken,
        () = stop.requested() => return Ending::NotBegun,
    };
    let failed = |error: Error| Ending::Failed { step: "take the Lease".to_owned(), error };
    let lease = match taken {
        Ok(Holder::Us(lease)) => lease,
        Ok(Holder::Other(holder)) => return Ending::Busy(format!("`{holder}` is working on it")),
        Err(error) => return failed(error.into()),
    };
    let ending = match look_again(settings, plan, target, worlds).await {
        Err(error) => failed(error),
        Ok(Err(reason)) => Ending::Skipped(format!("since the plan: {reason}")),
        Ok(Ok(now)) => {
            tracing::info!(
                "{place} {name}: {} -> {}",
                now.environment.base_version().unwrap_or("?"),
                plan.version
            );
            Work::new(settings, plan, &now, worlds, &lease).run(stop).await
        }
    };
    if let Err(error) = lease.give_back().await {
        tracing::warn!("{name}: {}; the Lease expires by itself", chain(&error));
    }
    ending
}

/// What is to be done in the namespace as it is now, under the Lease: the plan may be hours old. The reason if nothing may be done any more.
async fn look_again(
    settings: &Settings,
    plan: &Plan,
    target: &Target,
    worlds: &Worlds,
) -> Result<Result<Target, String>, Error> {
    let name = &target.environment.name;
    let namespace = Api::all(worlds.client.clone())
        .get_opt(name)
        .await
        .map_err(|error| shared::cluster::Error::new(format!("read the namespace `{name}`"), error))?;
    let Some(namespace) = namespace else { return Ok(Err("it is gone".to_owned())) };
    let mut now = observe::read(&namespace, &settings.profile, worlds).await?;
    now.monitors = target.environment.monitors.clone();
    if now.uid != target.environment.uid {
        return Ok(Err("it was deleted and made anew".to_owned()));
    }
    // The chart was rendered with the values that were deployed then.
    let revision = |release: &Option<Release>| release.as_ref().map(|release| release.revision);
    if revision(&now.release) != revision(&target.environment.release) {
        return Ok(Err("its release has another revision; run again".to_owned()));
    }
    let wanted = Wanted::of(settings, &plan.version);
    Ok(match refusal(wanted, &now) {
        None => Ok(plan::target(settings, wanted, now, Timestamp::now())),
        Some(Refusal::Gate(reason) | Refusal::NotAnEnvironment(reason) | Refusal::Unfinished(reason)) => {
            Err(reason)
        }
        Some(Refusal::UpToDate) => Err("it got the version".to_owned()),
    })
}

/// A last attempt for every monitor that is still owed; the names of those that stay paused.
async fn resume_what_is_owed(worlds: &Worlds) -> Vec<String> {
    let Some(monitors) = &worlds.monitors else { return Vec::new() };
    for (id, name) in monitors.owed() {
        if let Err(error) = monitors.resume(id, &name).await {
            tracing::warn!("the monitor `{name}` could not be resumed: {error}");
        }
    }
    monitors.owed().into_values().collect()
}

fn tell(name: &str, ending: &Ending) {
    match ending {
        Ending::Updated => tracing::info!("{name}: updated"),
        Ending::Skipped(reason) | Ending::Busy(reason) => tracing::info!("{name}: left alone: {reason}"),
        Ending::Failed { step, error } => tracing::warn!("{name}: failed in step {step}: {}", chain(error)),
        Ending::Stopped => tracing::warn!("{name}: stopped in mid-work; a rerun goes on"),
        Ending::NotBegun => {}
    }
}
