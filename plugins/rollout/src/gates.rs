//! Why an environment must not be touched: the rules above all procedures, and the gates of the profile. Pure; the first reason that
//! holds is given in words.

use crate::environment::{BASE_VERSION, DESIRED_VERSION, Environment, UPDATER_STATUS};
use crate::profile::{Gate, Profile};
use crate::record::{ANNOTATION, Damage, LEASE, Record, State};
use crate::settings::Settings;

/// What the gates need to know of the settings.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Version to update to.
    pub version: &'a str,
    /// The procedure.
    pub profile: &'a Profile,
    /// Whether a backup was asked for.
    pub backup: bool,
    /// Take up what an earlier run failed in.
    pub retry_failed: bool,
    /// Whether this run can pause and resume monitors.
    pub has_monitors: bool,
}

impl<'a> Wanted<'a> {
    /// What the settings ask for.
    #[must_use]
    pub fn of(settings: &'a Settings, version: &'a str) -> Self {
        Self {
            version,
            profile: &settings.profile,
            backup: settings.backup,
            retry_failed: settings.retry_failed,
            has_monitors: settings.uptime.is_some(),
        }
    }
}

/// Why a namespace is not touched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is no environment of this procedure.
    NotAnEnvironment(String),
    /// It has the wanted version.
    UpToDate,
    /// A gate is closed.
    Gate(String),
    /// An earlier run is unfinished here, and this one must not go on: somebody has to decide.
    Unfinished(String),
}

/// The first reason not to touch an environment.
#[must_use]
pub fn refusal(wanted: Wanted<'_>, environment: &Environment) -> Option<Refusal> {
    // What an earlier run left is said before anything else: a monitor may be paused.
    let taken_up = match taken_up(wanted, environment) {
        Ok(record) => record,
        Err(reason) => return Some(Refusal::Unfinished(reason)),
    };
    if let Some(reason) = not_an_environment(wanted.profile, environment) {
        return Some(match taken_up {
            Some(record) => {
                Refusal::Unfinished(format!("{reason}, but an earlier run is unfinished{}", record.paused()))
            }
            None => Refusal::NotAnEnvironment(reason),
        });
    }
    if environment.is_helm2 {
        return Some(Refusal::Gate(
            "its release is managed by Helm 2, which helm 3 and 4 cannot see".to_owned(),
        ));
    }
    let closed = wanted.profile.gates.iter().find_map(|gate| closed(gate, wanted, environment, taken_up));
    let closed = closed.or_else(|| environment.monitors.as_ref().err().cloned().map(Refusal::Gate));
    let closed = closed.or_else(|| {
        let error = environment.render_error.as_ref()?;
        Some(Refusal::Gate(format!("the chart does not render with this environment's values: {error}")))
    })?;
    match (closed, taken_up) {
        (Refusal::Gate(reason), Some(record)) => {
            Some(Refusal::Unfinished(format!("{reason}; an earlier run is unfinished{}", record.paused())))
        }
        (refusal, _) => Some(refusal),
    }
}

/// The record of the run that is taken up here, if there is one.
///
/// # Errors
/// Why an earlier run's record forbids to go on.
pub fn taken_up<'a>(wanted: Wanted<'_>, environment: &'a Environment) -> Result<Option<&'a Record>, String> {
    let Some(record) = environment.record.as_ref().map_err(Clone::clone)? else { return Ok(None) };
    let (version, step, paused) = (&record.version, record.step, record.paused());
    let what = match record.state {
        State::Working => "was interrupted",
        State::Failed => "failed",
    };
    if version != wanted.version || record.profile != wanted.profile.name {
        let (profile, name) = (&record.profile, &environment.name);
        return Err(format!(
            "an earlier run of `{profile}` to {version} {what} at step {step}: run that again (after a failure with `retry_failed: true`), \
             or decide by hand: bring it into order, make {DESIRED_VERSION} equal to {BASE_VERSION} and forget the run with \
             `kubectl annotate lease {LEASE} -n {name} {ANNOTATION}-`{paused}"
        ));
    }
    if record.state == State::Failed && !wanted.retry_failed {
        return Err(format!(
            "an earlier run to {version} failed at step {step}; set `retry_failed: true` to try again{paused}"
        ));
    }
    if !record.monitors.is_empty() && !wanted.has_monitors {
        return Err(format!(
            "an earlier run is unfinished, and this one has no access to the monitors{paused}"
        ));
    }
    Ok(Some(record))
}

fn not_an_environment(profile: &Profile, environment: &Environment) -> Option<String> {
    let lacks = |label: &str| !environment.labels.contains_key(label);
    if environment.is_terminating {
        return Some("it is being deleted".to_owned());
    }
    if let Some(label) = [BASE_VERSION, DESIRED_VERSION].into_iter().find(|label| lacks(label)) {
        return Some(format!("it has no label `{label}`"));
    }
    match &environment.release {
        None if environment.is_helm2 => {}
        None => return Some("it has no deployed Helm release of its own name".to_owned()),
        Some(release) if release.chart != profile.chart => {
            return Some(format!("its release is of the chart `{}`, not `{}`", release.chart, profile.chart));
        }
        Some(_) => {}
    }
    let config_map = profile.config_map.as_ref()?;
    environment.config.is_none().then(|| format!("it has no ConfigMap `{config_map}`"))
}

fn closed(
    gate: &Gate,
    wanted: Wanted<'_>,
    environment: &Environment,
    taken_up: Option<&Record>,
) -> Option<Refusal> {
    let (base, desired) =
        (environment.base_version().unwrap_or(""), environment.desired_version().unwrap_or(""));
    match gate {
        // What these look at was changed by the very run that is taken up.
        Gate::UpdaterStatus(_) | Gate::VersionDiffers | Gate::VersionSettled if taken_up.is_some() => None,
        Gate::VersionDiffers => (base == wanted.version).then_some(Refusal::UpToDate),
        Gate::VersionSettled if base == wanted.version => Some(Refusal::UpToDate),
        Gate::VersionSettled => (base != desired).then(|| {
            Refusal::Gate(format!(
                "an update is under way: {BASE_VERSION} is {base}, {DESIRED_VERSION} is {desired}"
            ))
        }),
        Gate::UpdaterStatus(allowed) => {
            let status = environment.config.as_ref()?.get(UPDATER_STATUS);
            // An empty status is what a failed update leaves.
            let status = status.map(|status| if status.is_empty() { "FAILED" } else { status.as_str() });
            let is_allowed = status.is_some_and(|status| allowed.iter().any(|one| one == status));
            (!is_allowed).then(|| {
                Refusal::Gate(format!(
                    "{UPDATER_STATUS} is {}",
                    status.unwrap_or("unknown (the key is absent)")
                ))
            })
        }
        // What runs by now was brought up by the very update.
        Gate::NotInUse { .. } if taken_up.is_some_and(|record| record.damage == Damage::Apart) => None,
        Gate::NotInUse { labels } => {
            let used = environment.in_use(labels);
            (!used.is_empty())
                .then(|| Refusal::Gate(format!("somebody works there: {} has replicas", used.join(", "))))
        }
        Gate::NoActiveJob { cron_jobs } => {
            let foreign = environment.active_jobs.iter().find(|job| {
                // One of ours is left by a dead run: a living one holds the Lease.
                job.cron_job.as_ref().is_some_and(|owner| cron_jobs.contains(owner)) && job.run.is_none()
            })?;
            Some(Refusal::Gate(format!("the Job `{}` is running and is not ours", foreign.name)))
        }
        Gate::CronJobExists { cron_job } => lacks_cron_job(environment, cron_job),
        Gate::BackupPossible { cron_job } => {
            wanted.backup.then(|| lacks_cron_job(environment, cron_job)).flatten()
        }
    }
}

fn lacks_cron_job(environment: &Environment, cron_job: &str) -> Option<Refusal> {
    let has = environment.cron_jobs.iter().any(|one| one == cron_job);
    (!has).then(|| Refusal::Gate(format!("it has no CronJob `{cron_job}`")))
}

#[cfg(test)]
mod tests;
