//! `action: schedule`: the cron of a pipeline on the CI server is as the settings say. Everything is read before anything is written, and a rerun
//! from wherever a run was cut ends the same. Jenkins' schedule stands in the Jenkinsfile: its block is printed.

mod execute;

use std::fmt;

use jiff::Zoned;
use jiff::tz::TimeZone;

use super::drone::Drone;
use super::error::Error;
use super::expression::{Fields, in_fields, next_times};
use super::server::failed;
use super::settings::{Access, CiSettings, Kind};
use super::woodpecker::Woodpecker;
use crate::failure::Failure;
use crate::plugin::Plugin;
use crate::report::{Ending, Report};
use crate::settings::{Common, Env, Problems, Reader};
use crate::stop::Stop;

/// How often the next times are shown.
const SHOWN: usize = 3;

/// A cron as it is on the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cron {
    /// What the API calls it: Drone's name, Woodpecker's number.
    pub(super) id: String,
    pub(super) expression: String,
    pub(super) branch: String,
    pub(super) timezone: Option<String>,
    pub(super) is_enabled: bool,
}

/// A cron as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) repository: String,
    pub(super) name: String,
    pub(super) expression: String,
    pub(super) branch: String,
    pub(super) timezone: Option<String>,
}

/// What has to be done about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Nothing,
    Create,
    /// In place.
    Change(Cron),
    /// Deleted and created: Drone cannot change an expression.
    Replace(Cron),
}

struct Plan {
    wanted: Wanted,
    step: Step,
}

enum Server {
    Drone(Drone),
    Woodpecker(Woodpecker, super::woodpecker::Repository),
}

impl Server {
    async fn cron(&self, wanted: &Wanted) -> Result<Option<Cron>, Error> {
        match self {
            Self::Drone(drone) => drone.cron(&wanted.repository, &wanted.name).await,
            Self::Woodpecker(woodpecker, repository) => woodpecker.cron(repository, &wanted.name).await,
        }
    }
}

/// The whole run, instead of the plugin's own.
pub(crate) async fn run(plugin: &Plugin, env: &Env, stop: &Stop) -> Result<Report, Failure> {
    let common = settings(plugin, env)?;
    let ci = &common.ci;
    if ci.kind == Some(Kind::Jenkins) {
        return Ok(for_jenkins(ci, common.dry_run));
    }
    let Some(access) = &ci.access else {
        // The settings were checked: an action without access is refused there.
        return Err(Failure::from(Error::Refused {
            attempt: "schedule".to_owned(),
            reason: "no CI server".to_owned(),
        }));
    };
    let (server, plan) = stop.or(async { Ok(observe(ci, access, plugin).await?) }).await?;
    if common.dry_run {
        return Ok(Report::dry_run(&plan));
    }
    // Not cut by a signal: between deleting and creating there is no schedule.
    execute::execute(&server, &plan).await?;
    Ok(report(&plan))
}

fn settings(plugin: &Plugin, env: &Env) -> Result<Common, Problems> {
    let mut read = Reader::new(env, plugin.settings);
    let common = Common::read(&mut read, env);
    read.finish(|| Some(common))
}

async fn observe(ci: &CiSettings, access: &Access, plugin: &Plugin) -> Result<(Server, Plan), Error> {
    let schedule = &ci.schedule;
    let mut wanted = Wanted {
        repository: schedule.repository.clone(),
        name: schedule.name.clone().unwrap_or_else(|| plugin.name.to_owned()),
        expression: schedule.expression.clone(),
        branch: schedule.branch.clone().unwrap_or_default(),
        timezone: schedule.timezone.clone(),
    };
    let connect = |source| failed("connect to the CI server", source);
    let server = match access.kind {
        Kind::Drone | Kind::Jenkins => {
            let drone = Drone::open(access).map_err(connect)?;
            if wanted.branch.is_empty() {
                wanted.branch = drone.default_branch(&wanted.repository).await?;
            }
            Server::Drone(drone)
        }
        Kind::Woodpecker => {
            let woodpecker = Woodpecker::open(access).map_err(connect)?;
            refuse_what_it_cannot(&wanted, woodpecker.fields().await?)?;
            let repository = woodpecker.repository(&wanted.repository).await?;
            if wanted.branch.is_empty() {
                wanted.branch.clone_from(&repository.default_branch);
            }
            Server::Woodpecker(woodpecker, repository)
        }
    };
    let found = server.cron(&wanted).await?;
    let step = step(&wanted, found, matches!(server, Server::Woodpecker(..)));
    Ok((server, Plan { wanted, step }))
}

/// Versions of Woodpecker with six fields have no time zones either: one would be dropped without a word.
fn refuse_what_it_cannot(wanted: &Wanted, fields: Fields) -> Result<(), Error> {
    let refused = |reason| Error::Refused {
        attempt: format!("schedule `{}` of `{}`", wanted.name, wanted.repository),
        reason,
    };
    in_fields(fields, &wanted.expression).map_err(|expected| {
        refused(format!("this version of Woodpecker expects {expected}; got `{}`", wanted.expression))
    })?;
    match (&wanted.timezone, fields) {
        (Some(_), Fields::Six) => Err(refused("this version of Woodpecker has no time zones: an expression is read in its server's own; leave `schedule_timezone` unset".to_owned())),
        _ => Ok(()),
    }
}

fn step(wanted: &Wanted, found: Option<Cron>, can_change: bool) -> Step {
    let Some(found) = found else { return Step::Create };
    let has_zone =
        found.timezone.as_deref().is_none_or(|zone| zone == wanted.timezone.as_deref().unwrap_or("UTC"));
    let is_same_time = found.expression == wanted.expression && has_zone;
    if is_same_time && found.branch == wanted.branch && found.is_enabled {
        Step::Nothing
    } else if is_same_time || can_change {
        Step::Change(found)
    } else {
        Step::Replace(found)
    }
}

fn report(plan: &Plan) -> Report {
    let Wanted { repository, name, expression, branch, .. } = &plan.wanted;
    let (ending, words) = match &plan.step {
        Step::Nothing => (Ending::NothingToDo, "is as it should be"),
        Step::Create => (Ending::Done, "was created"),
        Step::Change(_) | Step::Replace(_) => (Ending::Done, "was changed"),
    };
    let report = Report::new(ending, format!("the schedule `{name}` of `{repository}` {words}"))
        .fact("expression", expression)
        .fact("branch", branch);
    times(expression, plan.wanted.timezone.as_deref())
        .into_iter()
        .fold(report, |report, time| report.fact("next", time))
}

fn for_jenkins(ci: &CiSettings, is_dry: bool) -> Report {
    let expression = &ci.schedule.expression;
    // Groovy writes a line break in single quotes as `\n`.
    let zone = ci.schedule.timezone.as_ref().map(|zone| format!("TZ={zone}\\n")).unwrap_or_default();
    let block = format!("triggers {{\n    cron('{zone}{expression}')\n}}");
    let ending = if is_dry { Ending::DryRun } else { Ending::NothingToDo };
    let summary = format!(
        "Jenkins reads its schedule from the Jenkinsfile; put this into its `pipeline` block:\n{block}"
    );
    times(expression, ci.schedule.timezone.as_deref())
        .into_iter()
        .fold(Report::new(ending, summary), |report, time| report.fact("next", time))
}

/// When it comes round next, in words.
fn times(expression: &str, timezone: Option<&str>) -> Vec<String> {
    let zone = match timezone {
        None => TimeZone::UTC,
        Some(name) => match TimeZone::get(name) {
            Ok(zone) => zone,
            // An image may have no time zone data; the server has.
            Err(_) => return Vec::new(),
        },
    };
    let now = Zoned::now().with_time_zone(zone);
    next_times(expression, &now, SHOWN).iter().map(|time| time.strftime("%a %F %T %Z").to_string()).collect()
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Wanted { repository, name, expression, branch, timezone } = &self.wanted;
        let was = |f: &mut fmt::Formatter<'_>, old: &Cron| {
            let off = if old.is_enabled { "" } else { ", switched off" };
            write!(f, "\n  was: `{}` on the branch `{}`{off}", old.expression, old.branch)
        };
        match &self.step {
            Step::Nothing => write!(f, "the schedule `{name}` of `{repository}` is as it should be")?,
            Step::Create => write!(f, "create the schedule `{name}` of `{repository}`")?,
            Step::Change(_) => write!(f, "change the schedule `{name}` of `{repository}`")?,
            Step::Replace(_) => {
                write!(f, "delete the schedule `{name}` of `{repository}` and create it anew")?
            }
        }
        if let Step::Change(old) | Step::Replace(old) = &self.step {
            was(f, old)?;
        }
        write!(f, "\n  expression: `{expression}` on the branch `{branch}`")?;
        for time in times(expression, timezone.as_deref()) {
            write!(f, "\n  next: {time}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn wanted() -> Wanted {
        Wanted {
            repository: "erp/rpo".into(),
            name: "weekly".into(),
            expression: "0 0 10 * * 4".into(),
            branch: "main".into(),
            timezone: None,
        }
    }

    pub(super) fn found() -> Cron {
        Cron {
            id: "weekly".into(),
            expression: "0 0 10 * * 4".into(),
            branch: "main".into(),
            timezone: None,
            is_enabled: true,
        }
    }

    #[test]
    fn what_is_right_is_left_alone() {
        assert_eq!(step(&wanted(), Some(found()), false), Step::Nothing);
        assert_eq!(
            step(&wanted(), Some(Cron { timezone: Some("UTC".into()), ..found() }), true),
            Step::Nothing
        );
        assert_eq!(step(&wanted(), None, false), Step::Create);
    }

    #[test]
    fn only_an_expression_of_drone_has_to_be_replaced() {
        let off = Cron { is_enabled: false, ..found() };
        assert_eq!(step(&wanted(), Some(off.clone()), false), Step::Change(off));
        let other = Cron { expression: "0 0 9 * * 4".into(), ..found() };
        assert_eq!(step(&wanted(), Some(other.clone()), false), Step::Replace(other.clone()));
        assert_eq!(step(&wanted(), Some(other.clone()), true), Step::Change(other));
    }

    #[test]
    fn a_time_zone_is_refused_where_the_server_would_drop_it() {
        let zoned = Wanted { timezone: Some("America/Sao_Paulo".into()), ..wanted() };
        let refused = refuse_what_it_cannot(&zoned, Fields::Six).unwrap_err().to_string();
        assert!(refused.contains("leave `schedule_timezone` unset"), "{refused}");
        assert!(refuse_what_it_cannot(&wanted(), Fields::Six).is_ok());
        let five = Wanted { expression: "0 10 * * 4".into(), ..zoned };
        assert!(refuse_what_it_cannot(&five, Fields::Five).is_ok());
    }

    #[test]
    fn the_plan_says_what_was_and_what_comes() {
        let old = Cron { expression: "0 0 9 * * 4".into(), is_enabled: false, ..found() };
        let plan = Plan { wanted: wanted(), step: Step::Replace(old) }.to_string();
        assert!(plan.starts_with("delete the schedule `weekly` of `erp/rpo` and create it anew\n  was: `0 0 9 * * 4` on the branch `main`, switched off\n  expression: `0 0 10 * * 4` on the branch `main`\n  next: Thu "), "{plan}");
    }
}
