//! What the user can set, as text and as typed values. No IO but for the profile, which may be a file in the workspace.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use shared::bucket::BucketSettings;
use shared::cluster::Access;
use shared::settings::{Common, Env, Problems, Reader, Secret, Setting, Takes, parse};
use url::Url;

use crate::profile::Profile;
use crate::selection::Selection;

/// The plugin's own settings, described once.
pub const OWN: &[Setting] = &[
    Setting::one_of("action", &["update", "resume", "schedule"], "`resume` restores what a dead run left paused or scaled, and only that. `schedule` creates or changes the cron on the CI server and does nothing else; no other setting is required then.").default("update"),
    Setting::new("profile", "`smarterp-release`, `smarterp-producao` or a path", "The update procedure.").required(),
    Setting::new("version", "a version such as `12.1.2310`", "Version to update to; required for `update`."),
    Setting::list("namespaces", "texts, or `all`", "Environments with one of these texts in their name (any case); `all` is all environments of the profile's chart."),
    Setting::list("names", "names", "Environments with exactly these names."),
    Setting::new("selector", "a label selector", "Environments whose namespace has these labels."),
    Setting::list("exclude", "texts", "Left out although selected, besides what the profile leaves out."),
    Setting::number("concurrency", "Namespaces that are worked on at the same time.").default("2"),
    Setting::number("max_failures", "After this many failed namespaces no further one is begun.").default("1"),
    Setting::boolean("retry_failed", "Also take up namespaces that an earlier run to the same version failed in.").default("false"),
    Setting::new("chart", "a file, or a key in the bucket", "The chart; `{chart}` and `{version}` are replaced.").default("{chart}-{version}.tgz"),
    Setting::new("values_backup", "a prefix in the bucket", "Where each release's values and deleted objects are saved.").default("rollout"),
    Setting::of("set", Takes::Map("dotted path and text"), "Further values for helm, as `--set-string` has them.").secret(),
    Setting::boolean("backup", "Run the backup Job before anything is deleted.").default("false"),
    Setting::duration("backup_timeout", "Longest time a backup may take.").default("2h"),
    Setting::new("helm", "a program", "The helm program, version 3 or 4.").default("helm"),
    Setting::duration("helm_timeout", "Longest time helm may take; update hooks run for long.").default("4h"),
    Setting::duration("wait_timeout", "Longest time an environment's own updater may take.").default("4h"),
    Setting::new("uptimerobot_key", "a key", "API key of UptimeRobot; required when the profile has monitors, unless `monitors` is `none`.").secret(),
    Setting::new("uptimerobot_url", "an address", "API of UptimeRobot.").default("https://api.uptimerobot.com"),
    Setting::one_of("monitors", &["required", "optional", "none"], "`required`: each of the profile's monitors is found exactly once, or the namespace is left alone; `optional`: those found are paused; `none`: no monitor is touched.").default("required"),
];

/// The raw texts of [`OWN`].
#[derive(Debug, Default, Deserialize, Serialize)]
pub struct Raw {
    action: Option<String>,
    profile: Option<String>,
    version: Option<String>,
    namespaces: Option<String>,
    names: Option<String>,
    selector: Option<String>,
    exclude: Option<String>,
    concurrency: Option<String>,
    max_failures: Option<String>,
    retry_failed: Option<String>,
    chart: Option<String>,
    values_backup: Option<String>,
    set: Option<String>,
    backup: Option<String>,
    backup_timeout: Option<String>,
    helm: Option<String>,
    helm_timeout: Option<String>,
    wait_timeout: Option<String>,
    uptimerobot_key: Option<String>,
    uptimerobot_url: Option<String>,
    monitors: Option<String>,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Update environments to this version.
    Update(String),
    /// Restore what dead runs left.
    Resume,
}

/// How monitors are treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MonitorPolicy {
    /// Each must be found exactly once.
    Required,
    /// Those found are paused.
    Optional,
}

/// Access to the uptime service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UptimeSettings {
    /// API key.
    pub key: Secret,
    /// Address.
    pub url: Url,
    /// How monitors are treated.
    pub policy: MonitorPolicy,
}

/// Everything a run needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What every plugin has.
    pub common: Common,
    /// The cluster.
    pub access: Access,
    /// The bucket, for profiles that keep something in it.
    pub bucket: Option<BucketSettings>,
    /// What is to be done.
    pub action: Action,
    /// The procedure.
    pub profile: Profile,
    /// Short digest of the procedure's text.
    pub profile_digest: String,
    /// Which environments.
    pub selection: Selection,
    /// Namespaces at the same time.
    pub concurrency: usize,
    /// Failures after which nothing new is begun.
    pub max_failures: usize,
    /// Take up what an earlier run failed in.
    pub retry_failed: bool,
    /// File or key of the chart.
    pub chart: String,
    /// Prefix for saved values.
    pub values_backup: String,
    /// Further values for helm.
    pub set: BTreeMap<String, String>,
    /// Back up first.
    pub backup: bool,
    /// Longest time of a backup.
    pub backup_timeout: Duration,
    /// The helm program.
    pub helm: String,
    /// Longest time of helm.
    pub helm_timeout: Duration,
    /// Longest time of the updater.
    pub wait_timeout: Duration,
    /// The uptime service, if monitors are touched.
    pub uptime: Option<UptimeSettings>,
}

impl Settings {
    /// Reads all settings.
    ///
    /// # Errors
    /// All problems at once.
    pub fn from_env(env: &Env) -> Result<Self, Problems> {
        let mut read = Reader::new(env, crate::PLUGIN.settings);
        let raw: Raw = read.raw();
        let common = Common::read(&mut read, env);
        let access = Access::read(&mut read, env);
        let profile =
            read.required("profile", raw.profile, |value| Profile::load(value.trim(), env.workspace()));
        let needs_bucket = profile.as_ref().is_some_and(|(profile, _)| profile.needs_bucket());
        // A bucket that is not needed is not asked for; one that is given is checked all the same.
        let bucket = BucketSettings::read_if(&mut read, env, needs_bucket);
        // What else it may be, `Common` has checked; a schedule does not come here.
        let resumes = raw.action.as_deref().map(str::trim) == Some("resume");
        let version = match resumes {
            true => read.optional("version", raw.version, parse::version),
            false => read.required("version", raw.version, parse::version),
        };
        let selection = Selection {
            texts: read.or("namespaces", raw.namespaces, parse::list, Vec::new()),
            names: read.or("names", raw.names, parse::list, Vec::new()),
            labels: read.optional("selector", raw.selector, parse::text),
            exclude: read.or("exclude", raw.exclude, parse::list, Vec::new()),
        };
        if selection.is_empty() {
            read.problem("namespaces", "required, unless `names` or `selector` is set; say `all` for all environments of the profile's chart");
        }
        let has_monitors = profile.as_ref().is_some_and(|(profile, _)| !profile.monitors.is_empty());
        let uptime =
            read_uptime(&mut read, raw.uptimerobot_key, raw.uptimerobot_url, raw.monitors, has_monitors);

        let concurrency = read.or("concurrency", raw.concurrency, parse::count, 2);
        let max_failures = read.or("max_failures", raw.max_failures, parse::count, 1);
        let retry_failed = read.or("retry_failed", raw.retry_failed, parse::boolean, false);
        let chart = read.or("chart", raw.chart, parse::text, "{chart}-{version}.tgz".to_owned());
        let values_backup =
            read.or("values_backup", raw.values_backup, parse::inner_path, "rollout".to_owned());
        let set = read.or("set", raw.set, dotted_values, BTreeMap::new());
        let backup = read.or("backup", raw.backup, parse::boolean, false);
        let backup_timeout =
            read.or("backup_timeout", raw.backup_timeout, parse::duration, Duration::from_secs(2 * 3600));
        let helm = read.or("helm", raw.helm, parse::text, "helm".to_owned());
        let helm_timeout =
            read.or("helm_timeout", raw.helm_timeout, parse::duration, Duration::from_secs(4 * 3600));
        let wait_timeout =
            read.or("wait_timeout", raw.wait_timeout, parse::duration, Duration::from_secs(4 * 3600));

        read.finish(|| {
            let (profile, digest) = profile?;
            let action = if resumes { Action::Resume } else { Action::Update(version?) };
            let chart = match &action {
                Action::Update(version) => {
                    chart.replace("{chart}", &profile.chart).replace("{version}", version)
                }
                Action::Resume => chart,
            };
            Some(Self {
                common,
                access,
                bucket,
                action,
                profile_digest: digest.short().to_owned(),
                profile,
                selection,
                concurrency,
                max_failures,
                retry_failed,
                chart,
                values_backup,
                set,
                backup,
                backup_timeout,
                helm,
                helm_timeout,
                wait_timeout,
                uptime,
            })
        })
    }
}

fn dotted_values(value: &str) -> parse::Parsed<BTreeMap<String, String>> {
    let values = parse::map(value)?;
    match values.keys().any(|path| path.contains('[') || path.split('.').any(str::is_empty)) {
        true => Err(
            "a map of dotted path and text such as `{\"image.tag\": \"1.2\"}` (items of lists cannot be set)"
                .to_owned(),
        ),
        false => Ok(values),
    }
}

fn read_uptime(
    read: &mut Reader<'_>,
    key: Option<String>,
    url: Option<String>,
    policy: Option<String>,
    has_monitors: bool,
) -> Option<UptimeSettings> {
    let policy = read.or("monitors", policy, monitor_policy, Some(MonitorPolicy::Required));
    let key = match has_monitors && policy.is_some() {
        true => read.required("uptimerobot_key", key, parse::secret),
        false => read.optional("uptimerobot_key", key, parse::secret),
    };
    let url = read
        .optional("uptimerobot_url", url, parse::url)
        .or_else(|| Url::parse("https://api.uptimerobot.com/").ok());
    has_monitors.then_some(())?;
    Some(UptimeSettings { key: key?, url: url?, policy: policy? })
}

fn monitor_policy(value: &str) -> parse::Parsed<Option<MonitorPolicy>> {
    match value.trim() {
        "required" => Ok(Some(MonitorPolicy::Required)),
        "optional" => Ok(Some(MonitorPolicy::Optional)),
        "none" => Ok(None),
        _ => Err("`required`, `optional` or `none`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use shared::settings::disagreements;

    use super::*;

    #[test]
    fn every_field_is_described_and_known_to_the_siblings() {
        assert_eq!(disagreements::<Raw>(OWN), [""; 0]);
    }

    fn names(variables: &[(&str, &str)]) -> Vec<String> {
        match Settings::from_env(&Env::of(variables)) {
            Ok(_) => Vec::new(),
            Err(problems) => problems.0.into_iter().map(|problem| problem.name).collect(),
        }
    }

    #[test]
    fn a_profile_asks_for_what_it_needs() {
        let base = [("PLUGIN_VERSION", "12.1.2310"), ("PLUGIN_NAMESPACES", "all")];
        assert_eq!(names(&[&base[..], &[("PLUGIN_PROFILE", "smarterp-release")]].concat()), [""; 0]);
        assert_eq!(
            names(&[&base[..], &[("PLUGIN_PROFILE", "smarterp-producao")]].concat()),
            ["PLUGIN_BUCKET", "PLUGIN_UPTIMEROBOT_KEY"]
        );
    }

    #[test]
    fn without_settings_all_required_ones_are_named() {
        assert_eq!(names(&[]), ["PLUGIN_PROFILE", "PLUGIN_VERSION", "PLUGIN_NAMESPACES"]);
    }

    #[test]
    fn a_version_that_is_no_label_value_is_refused() {
        let variables = [
            ("PLUGIN_PROFILE", "smarterp-release"),
            ("PLUGIN_NAMESPACES", "all"),
            ("PLUGIN_VERSION", "1.0+x"),
        ];
        assert_eq!(names(&variables), ["PLUGIN_VERSION"]);
    }
}
