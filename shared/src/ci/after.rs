//! What follows a run that ended well: the pipelines of `trigger` and those of the plugin itself are started, and the report says so.
//! The outputs are written before; what fails here undoes nothing.

use serde_json::Value;

use super::error::Error;
use super::settings::CiSettings;
use super::start::{Ended, filled, start};
use super::target::Start;
use crate::failure::Failure;
use crate::report::{Ending, Report};
use crate::settings::Env;
use crate::stop::Stop;

/// Starts what is to be started after this report; it comes back with links, and the list of them as the output `triggered`. `own` is the step's name.
pub(crate) async fn start_pipelines(
    ci: &CiSettings,
    env: &Env,
    own: &str,
    mut report: Report,
    stop: &Stop,
) -> Result<Report, Failure> {
    if ci.only_when_changed && report.ending == Ending::NothingToDo {
        if ci.has_triggers() || !report.starts.is_empty() {
            tracing::info!("nothing is started, because there was nothing to do (`trigger_when: changed`)");
        }
        return Ok(report);
    }
    let starts = match wanted(ci, env, own, &report) {
        Ok(starts) => starts,
        Err(error) => return Err(Failure::from(error).after(report)),
    };
    let Some(access) = ci.access.as_ref().filter(|_| !starts.is_empty()) else { return Ok(report) };
    let Ended { started, result } = start(ci, access, &starts, stop).await;
    for one in &started {
        report = report.fact("started", format!("{} – {} ({})", one.target, one.link, one.status));
    }
    let links: Vec<Value> = started.iter().map(|one| Value::from(one.link.as_str())).collect();
    report = report.output("triggered", links);
    match result {
        Ok(()) => Ok(report),
        Err(error) => Err(Failure::from(error).after(report)),
    }
}

/// A dry run's report with the pipelines that a run would start. What they are given is not known yet.
pub(crate) fn would_start(ci: &CiSettings, report: Report) -> Report {
    let condition = if ci.only_when_changed { ", unless there is nothing to do" } else { "" };
    let own = ci.triggers.iter().filter(|_| !report.is_trigger_off);
    let targets: Vec<String> =
        own.chain(report.starts.iter().map(|start| &start.target)).map(ToString::to_string).collect();
    targets
        .into_iter()
        .fold(report, |report, target| report.fact("would start", format!("{target}{condition}")))
}

fn wanted(ci: &CiSettings, env: &Env, own: &str, report: &Report) -> Result<Vec<Start>, Error> {
    let mut starts = Vec::new();
    if !report.is_trigger_off {
        let parameters = filled(&ci.parameters, env, own, &report.outputs)?;
        let start = |target: &super::Target| Start { target: target.clone(), parameters: parameters.clone() };
        starts.extend(ci.triggers.iter().map(start));
    }
    starts.extend(report.starts.iter().cloned());
    Ok(starts)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::{ACTION, CI, target};
    use super::*;
    use crate::settings::Reader;

    #[test]
    fn a_dry_run_says_what_a_run_would_start() {
        let read = |when: &str| {
            let env = Env::of(&[("PLUGIN_TRIGGER", "a/b@main, a/c"), ("PLUGIN_TRIGGER_WHEN", when)]);
            CiSettings::read(&mut Reader::new(&env, &[CI, ACTION]), &env)
        };
        let own = Start { target: target("a/d").unwrap(), parameters: BTreeMap::new() };
        let report = Report { ending: Ending::DryRun, ..Report::default() }.start(own);
        let said = |when: &str, report: Report| -> Vec<String> {
            let facts = would_start(&read(when), report).facts;
            facts.into_iter().map(|(name, value)| format!("{name} {value}")).collect()
        };
        let all = ["would start a/b@main", "would start a/c", "would start a/d"];
        assert_eq!(said("always", report.clone()), all);
        let own = ["would start a/d, unless there is nothing to do"];
        assert_eq!(said("changed", report.without_trigger()), own);
    }
}
