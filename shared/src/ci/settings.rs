//! The settings about the CI server, which every plugin has. No IO: everything comes from the snapshot.

mod access;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub(crate) use access::{Access, Kind};
use access::{guess, kind, own, own_url, read_access};

use super::expression;
use super::target::{Target, target};
use crate::settings::{Env, Reader, Setting, Takes, parse};

/// Described once for all plugins.
pub const CI: &[Setting] = &[
    Setting::one_of("ci_server", &["drone", "woodpecker", "jenkins"], "CI server on which pipelines are started, or which has the schedule.").default("the server that runs this step"),
    Setting::new("ci_url", "an address", "Its address.").default("the address that the server gives to its steps"),
    Setting::new("ci_token", "a token", "Token of somebody who may write there; for Jenkins an API token or a password.").secret(),
    Setting::new("ci_user", "a user name", "Whose token it is; required for Jenkins, not used by the others."),
    Setting::list("trigger", "pipelines", "Started when the run has ended well and its outputs are written: `owner/name@branch`, for Jenkins `folder/job` (`@branch` is a job of a multibranch project). At least once: a rerun after a crash may start one again."),
    Setting::of("trigger_parameters", Takes::Map("names and texts"), "Build parameters of those pipelines; a value may be `@step.key`, also of this step. No secrets: every server shows them.").own_outputs_too(),
    Setting::boolean("trigger_wait", "Wait for their results, and fail if one fails. Not with a single agent: it would wait for a build that cannot begin.").default("false"),
    Setting::duration("trigger_timeout", "Longest time to wait.").default("1h"),
    Setting::one_of("trigger_when", &["always", "changed"], "`changed`: not when there was nothing to do. A run that dies between its work and the start is then not made up for by the next.").default("always"),
    Setting::new("schedule", "a cron expression", "For `action: schedule`. Drone: six fields, the first is the second. Woodpecker and Jenkins: five."),
    Setting::new("schedule_name", "lower-case letters, digits and `-`", "Name of the schedule on the server.").default("the plugin's name"),
    Setting::new("schedule_repository", "a repository `owner/name`", "Repository whose pipeline is scheduled.").default("the repository of this step"),
    Setting::new("schedule_branch", "a branch", "Its branch.").default("the repository's default branch"),
    Setting::new("schedule_timezone", "a time zone such as `America/Sao_Paulo`", "Time zone of the expression. Drone, and Woodpecker before version 3, read it in the server's own: leave this unset there.").default("UTC"),
];

/// What a run is to do, for plugins that have no other actions.
pub const ACTION: &[Setting] = &[Setting::one_of(
    "action",
    &["run", "schedule"],
    "`schedule` creates or changes the cron on the CI server and does nothing else; no other setting is required then.",
)
.default("run")];

/// The raw texts of [`CI`] and [`ACTION`].
#[derive(Debug, Default, Deserialize, Serialize)]
pub(super) struct Raw {
    ci_server: Option<String>,
    ci_url: Option<String>,
    ci_token: Option<String>,
    ci_user: Option<String>,
    trigger: Option<String>,
    trigger_parameters: Option<String>,
    trigger_wait: Option<String>,
    trigger_timeout: Option<String>,
    trigger_when: Option<String>,
    schedule: Option<String>,
    schedule_name: Option<String>,
    schedule_repository: Option<String>,
    schedule_branch: Option<String>,
    schedule_timezone: Option<String>,
    action: Option<String>,
}

/// Everything about the CI server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CiSettings {
    /// What is missing of `access`, as setting and reason.
    lacking: Vec<(&'static str, &'static str)>,
    pub(crate) kind: Option<Kind>,
    pub(crate) access: Option<Access>,
    pub(crate) triggers: Vec<Target>,
    pub(crate) parameters: BTreeMap<String, String>,
    pub(crate) waits: bool,
    pub(crate) timeout: Duration,
    pub(crate) only_when_changed: bool,
    pub(crate) is_schedule: bool,
    pub(crate) schedule: Schedule,
}

/// A schedule as it should be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Schedule {
    pub(crate) expression: String,
    pub(crate) name: Option<String>,
    pub(crate) repository: String,
    pub(crate) branch: Option<String>,
    pub(crate) timezone: Option<String>,
}

impl CiSettings {
    /// Reads them; problems are noted in `read`.
    pub(crate) fn read(read: &mut Reader<'_>, env: &Env) -> Self {
        let raw: Raw = read.raw();
        let kind = read.optional("ci_server", raw.ci_server.clone(), kind).or_else(|| guess(env));
        let (access, lacking) = read_access(read, &raw, kind, env);
        let is_schedule = is_schedule(read, raw.action.as_deref());
        let settings = Self {
            lacking,
            kind,
            access,
            triggers: read.or("trigger", raw.trigger.clone(), targets, Vec::new()),
            parameters: read_parameters(read, &raw, kind),
            waits: read.or("trigger_wait", raw.trigger_wait.clone(), parse::boolean, false),
            timeout: read.or(
                "trigger_timeout",
                raw.trigger_timeout.clone(),
                parse::duration,
                Duration::from_secs(3600),
            ),
            only_when_changed: read.or("trigger_when", raw.trigger_when.clone(), when, false),
            is_schedule,
            schedule: read_schedule(read, raw, kind, env, is_schedule),
        };
        if !settings.triggers.is_empty() && !is_schedule {
            settings.need(read, "trigger");
            settings.check(read, "trigger", settings.triggers.iter());
        }
        settings
    }

    /// Notes as problems what is missing for starting pipelines, because `setting` asks for that.
    pub fn need(&self, read: &mut Reader<'_>, setting: &str) {
        for (name, reason) in &self.lacking {
            read.problem(name, &format!("required, because `{setting}` is set: {reason}"));
        }
    }

    /// Notes as problems what the server cannot start.
    pub fn check<'t>(&self, read: &mut Reader<'_>, setting: &str, targets: impl Iterator<Item = &'t Target>) {
        let needs_owner = matches!(self.kind, Some(Kind::Drone | Kind::Woodpecker));
        for target in targets.filter(|target| needs_owner && !target.path.contains('/')) {
            read.problem(
                setting,
                &format!("expected a repository such as `owner/name`; got `{}`", target.path),
            );
        }
    }

    /// Whether there is a pipeline to start by `trigger`.
    #[must_use]
    pub fn has_triggers(&self) -> bool {
        !self.triggers.is_empty()
    }
}

fn read_parameters(read: &mut Reader<'_>, raw: &Raw, kind: Option<Kind>) -> BTreeMap<String, String> {
    let parameters =
        read.or("trigger_parameters", raw.trigger_parameters.clone(), parse::map, BTreeMap::new());
    // Drone takes these three of a request's query for itself (handler/api/repos/builds/create.go).
    let is_taken = |name: &&String| {
        kind == Some(Kind::Drone) && ["branch", "commit", "access_token"].contains(&name.as_str())
    };
    if let Some(name) = parameters.keys().find(is_taken) {
        read.problem("trigger_parameters", &format!("Drone keeps the name `{name}` for itself"));
    }
    let holds =
        |secret: &str| secret.len() >= 4 && parameters.values().any(|value| value.contains(secret.trim()));
    if read.secrets().any(holds) {
        read.problem("trigger_parameters", "holds a secret of another setting (hidden here); every CI server shows build parameters to whoever sees the build");
    }
    parameters
}

fn read_schedule(
    read: &mut Reader<'_>,
    raw: Raw,
    kind: Option<Kind>,
    env: &Env,
    is_wanted: bool,
) -> Schedule {
    let parse_expression = |value: &str| expression::checked(kind, value);
    let expression = match is_wanted {
        true => read.required("schedule", raw.schedule, parse_expression),
        false => read.optional("schedule", raw.schedule, parse_expression),
    };
    let name = read.optional("schedule_name", raw.schedule_name, schedule_name);
    let own = own(kind, env, "DRONE_REPO", "CI_REPO");
    let repository = read.optional("schedule_repository", raw.schedule_repository, repository).or(own);
    let branch = read.optional("schedule_branch", raw.schedule_branch, parse::text);
    let timezone = read.optional("schedule_timezone", raw.schedule_timezone, timezone);
    if is_wanted && kind.is_none() {
        read.problem("ci_server", "required, because this step runs on no CI server that is known");
    }
    if is_wanted && kind == Some(Kind::Drone) && timezone.is_some() {
        read.problem(
            "schedule_timezone",
            "Drone has no time zones: an expression is read in its server's own; leave this unset",
        );
    }
    // Jenkins is not asked: its schedule stands in the Jenkinsfile.
    if is_wanted && matches!(kind, Some(Kind::Drone | Kind::Woodpecker)) {
        if repository.is_none() {
            read.problem(
                "schedule_repository",
                "required, because the environment does not name this step's repository",
            );
        }
        for (name, is_set) in [
            ("ci_token", raw.ci_token.is_some()),
            ("ci_url", raw.ci_url.is_some() || own_url(kind, env).is_some()),
        ] {
            if !is_set {
                read.problem(name, "required for `action: schedule`");
            }
        }
    }
    Schedule {
        expression: expression.unwrap_or_default(),
        name,
        repository: repository.unwrap_or_default(),
        branch,
        timezone,
    }
}

/// Whether the run is to set the schedule. What a plugin takes for an action is what its description says.
fn is_schedule(read: &mut Reader<'_>, action: Option<&str>) -> bool {
    let action = action.unwrap_or_default().trim();
    let takes = read.takes("action").unwrap_or_default();
    if !action.is_empty() && !takes.contains(&format!("`{action}`")) {
        read.problem("action", &format!("expected {takes}; got `{action}`"));
    }
    action == "schedule"
}

fn when(value: &str) -> parse::Parsed<bool> {
    match value.trim() {
        "always" => Ok(false),
        "changed" => Ok(true),
        _ => Err("`always` or `changed`".to_owned()),
    }
}

fn targets(value: &str) -> parse::Parsed<Vec<Target>> {
    parse::list(value)?.iter().map(|item| target(item)).collect()
}

fn repository(value: &str) -> parse::Parsed<String> {
    match target(value)? {
        Target { path, branch: None } if path.contains('/') => Ok(path),
        _ => Err("a repository such as `owner/name`".to_owned()),
    }
}

/// Drone makes a slug of a name (core/cron.go); such a name is its own slug.
fn schedule_name(value: &str) -> parse::Parsed<String> {
    let name = value.trim();
    let inner = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if inner && !name.is_empty() && !name.starts_with('-') && !name.ends_with('-') && !name.contains("--") {
        Ok(name.to_owned())
    } else {
        Err("a name of lower-case letters, digits and single `-`".to_owned())
    }
}

fn timezone(value: &str) -> parse::Parsed<String> {
    let name = value.trim();
    let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || "/_+-".contains(c));
    if is_name { Ok(name.to_owned()) } else { Err("a time zone such as `America/Sao_Paulo`".to_owned()) }
}

#[cfg(test)]
mod tests;
