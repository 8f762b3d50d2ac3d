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
