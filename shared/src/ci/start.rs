//! Starts pipelines one after the other, then waits for all of them at once. What was started stays started, whatever happens after it.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use serde_json::{Map, Value};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::error::Error;
use super::server::{Server, Started, State};
use super::settings::{Access, CiSettings};
use super::target::Start;
use crate::failure::{Exit, Fault as _, chain};
use crate::jitter::jittered;
use crate::settings::{Env, Problems, reference};
use crate::stop::Stop;

const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// Far shorter than the five minutes for which Jenkins remembers what left its queue.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// A build of Jenkins gets its number after a quiet period, five seconds by default. For a link to it, that is waited for.
const FOR_A_LINK: Duration = Duration::from_secs(10);

/// What was started, and what went wrong.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) started: Vec<Started>,
    pub(crate) result: Result<(), Error>,
}

/// Starts them, each at most once, and waits for them if the settings say so.
pub(crate) async fn start(ci: &CiSettings, access: &Access, starts: &[Start], stop: &Stop) -> Ended {
    let server = match Server::open(access) {
        Ok(server) => server,
        Err(error) => return Ended { started: Vec::new(), result: Err(error) },
    };
    let mut started = Vec::new();
    let mut failures = Vec::new();
    for start in starts {
        if stop.is_requested() {
            failures.push((start.target.to_string(), Error::NotBegun));
            continue;
        }
        match server.start(start).await {
            Ok(one) => {
                tracing::info!("started `{}`: {}", one.target, one.link);
                started.push(one);
            }
            Err(error) => failures.push((start.target.to_string(), error)),
        }
    }
    let results = match ci.waits {
        true => join_all(started.iter_mut().map(|one| wait(&server, one, ci.timeout, stop))).await,
        false => {
            join_all(started.iter_mut().map(|one| find_link(&server, one, stop))).await;
            Vec::new()
        }
    };
    for (one, result) in started.iter().zip(results) {
        failures.extend(result.err().map(|error| (one.target.clone(), error)));
    }
    let result = in_one(failures, starts.len());
    Ended { started, result }
}

/// Waits until a pipeline has ended, or the settings' time is up, or the run is told to stop. A server that is away for a while is waited for, too.
async fn wait(server: &Server, started: &mut Started, limit: Duration, stop: &Stop) -> Result<(), Error> {
    let deadline = Instant::now() + limit;
    let mut pause = FIRST_PAUSE;
    let mut trouble = None;
    loop {
        let before = started.status.clone();
        let seen = tokio::select! {
            biased;
            () = stop.requested() => return Err(Error::StoppedWaiting { link: started.link.clone() }),
            // One look may take minutes where nobody answers.
            seen = timeout_at(deadline, server.look(started)) => seen.ok(),
        };
        let link = started.link.clone();
        match seen {
            None => {}
            Some(Ok(State::Successful)) => return Ok(()),
            Some(Ok(State::Unsuccessful)) => {
                return Err(Error::Unsuccessful { link, status: started.status.clone() });
            }
            Some(Ok(State::Blocked)) => return Err(Error::Blocked { link }),
            Some(Ok(State::UnderWay)) => trouble = None,
            Some(Err(error)) if error.exit() == Exit::Temporary => {
                if trouble.is_none() {
                    tracing::warn!("{}; it is looked at again until `trigger_timeout`", chain(&error));
                }
                trouble = Some(error);
            }
            Some(Err(error)) => return Err(error),
        }
        // Jenkins counts down in its words; what stands before the colon is the state.
        if before.split(':').next() != started.status.split(':').next() {
            tracing::info!("{link}: {}", started.status);
        }
        if Instant::now() + pause > deadline {
            let limit = humantime::format_duration(limit).to_string();
            let (status, source) = (started.status.clone(), trouble.map(Box::new));
            return Err(Error::TimedOut { link, limit, status, source });
        }
        tokio::select! {
            () = stop.requested() => return Err(Error::StoppedWaiting { link }),
            () = sleep(jittered(pause)) => {}
        }
        pause = (pause * 3 / 2).min(LONGEST_PAUSE);
    }
}

/// Looks for the page of what was only put into a queue. Without one, the report shows the queue's.
async fn find_link(server: &Server, started: &mut Started, stop: &Stop) {
    let look = async {
        while started.is_queued() {
            if server.look(started).await.is_err_and(|error| error.exit() != Exit::Temporary) {
                break;
            }
            sleep(jittered(FIRST_PAUSE)).await;
        }
    };
    tokio::select! {
        _ = timeout(FOR_A_LINK, look) => {}
        () = stop.requested() => {}
    }
}

/// One error of several. A rerun starts all of them again, so it may help only if none was started, or if this run was told to stop.
fn in_one(mut failures: Vec<(String, Error)>, total: usize) -> Result<(), Error> {
    if failures.is_empty() || total == 1 {
        return failures.pop().map_or(Ok(()), |(_, error)| Err(error));
    }
    let mut hints: Vec<String> = failures.iter().flat_map(|(_, error)| error.hints()).collect();
    hints.sort();
    hints.dedup();
    let is_stop = |error: &Error| matches!(error, Error::NotBegun | Error::StoppedWaiting { .. });
    let all = |is: &dyn Fn(&Error) -> bool| failures.iter().all(|(_, error)| is(error));
    let exit = if all(&is_stop) {
        Exit::Temporary
    } else if failures.len() < total {
        Exit::Partly
    } else if all(&|error| error.exit() == Exit::Temporary) {
        Exit::Temporary
    } else {
        Exit::Failed
    };
    Err(Error::Pipelines {
        count: failures.len(),
        total,
        exit,
        texts: failures.iter().map(|(target, error)| format!("`{target}`: {}", chain(error))).collect(),
        hints,
    })
}

/// The parameters with the outputs that they name: those of this step first, under the name `own`, then those of earlier ones.
pub(crate) fn filled(
    parameters: &BTreeMap<String, String>,
    env: &Env,
    own: &str,
    outputs: &Map<String, Value>,
) -> Result<BTreeMap<String, String>, Error> {
    let value = |(name, text): (&String, &String)| {
        let Some((step, key)) = reference(text) else { return Ok((name.clone(), text.clone())) };
        let found = match step == own {
            true => outputs.get(key),
            false => env.output(step, key),
        };
        match found {
            Some(Value::String(text)) => Ok((name.clone(), text.clone())),
            Some(other) => Ok((name.clone(), other.to_string())),
            None => Err(Error::Refused {
                attempt: format!("fill in the build parameter `{name}`"),
                reason: format!("this run has no output `{key}`, which `{text}` asks for"),
            }),
        }
    };
    parameters.iter().map(value).collect()
}

/// Refuses, before anything is done, parameters that ask for outputs which no earlier step has. Those of this step itself are not there yet.
pub(crate) fn check_parameters(ci: &CiSettings, env: &Env, own: &str) -> Result<(), Problems> {
    let mut problems = Problems::default();
    for (name, text) in &ci.parameters {
        match reference(text) {
            Some((step, key)) if step != own && env.output(step, key).is_none() => {
                let reason = env.outputs().get(step).and_then(|outputs| outputs.as_ref().err());
                let reason = reason.map_or("no earlier step has that output", String::as_str);
                let problem = format!("`{name}` asks for `{text}`, but {reason}");
                match env.outputs().contains_key(step) {
                    true => problems.add("PLUGIN_TRIGGER_PARAMETERS", problem),
                    false => problems.add_lacking_step("PLUGIN_TRIGGER_PARAMETERS", problem),
                }
            }
            None if text.trim_start().starts_with('@') => problems.add(
                "PLUGIN_TRIGGER_PARAMETERS",
                format!("`{name}`: expected `@step.key`, an output of this or an earlier step; got `{text}`"),
            ),
            _ => {}
        }
    }
    if problems.0.is_empty() { Ok(()) } else { Err(problems) }
}

#[cfg(test)]
mod tests {
    use super::super::server::{failed, uncertain};
    use super::*;
    use crate::http;

    fn outputs(key: &str, value: &str) -> Map<String, Value> {
        Map::from_iter([(key.to_owned(), Value::from(value))])
    }

    #[test]
    fn parameters_take_outputs_of_this_step_and_of_earlier_ones() {
        let env = Env::of(&[]).with_output("package", "version", "1.0").with_output("rpo", "version", "old");
        let parameters = [("A", "@rpo.version"), ("B", "@package.version"), ("C", "plain @rpo.version")];
        let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let filled = filled(&parameters, &env, "rpo", &outputs("version", "new")).unwrap();
        assert_eq!(filled.into_values().collect::<Vec<_>>(), ["new", "1.0", "plain @rpo.version"]);
    }

    #[test]
    fn several_failures_are_one_and_temporary_only_if_nothing_was_started() {
        let not_begun = || ("a/b".to_owned(), Error::NotBegun);
        let away = || {
            let status = http::Error::Status { request: String::new(), status: 503, body: String::new() };
            ("a/c".to_owned(), failed("start it", status))
        };
        let blocked = || ("a/d".to_owned(), Error::Blocked { link: "x".to_owned() });
        let exit = |failures, total| in_one(failures, total).unwrap_err().exit();
        assert!(in_one(Vec::new(), 2).is_ok());
        assert_eq!(exit(vec![away()], 1), Exit::Temporary);
        assert_eq!(exit(vec![away(), away()], 2), Exit::Temporary);
        assert_eq!(exit(vec![away()], 2), Exit::Partly, "a rerun would start the other one again");
        assert_eq!(exit(vec![not_begun()], 2), Exit::Temporary, "told to stop");
        assert_eq!(exit(vec![not_begun(), blocked()], 3), Exit::Partly);
        let both = in_one(vec![away(), blocked()], 2).unwrap_err();
        assert_eq!(both.exit(), Exit::Failed);
        assert!(both.to_string().starts_with("2 of 2 pipelines"), "{both}");
    }

    #[test]
    fn what_may_have_started_something_is_not_for_those_who_repeat_75() {
        let gateway = || http::Error::Status { request: String::new(), status: 502, body: String::new() };
        assert_eq!(failed("look", gateway()).exit(), Exit::Temporary);
        assert_eq!(uncertain("start it", gateway()).exit(), Exit::Failed);
        let text = String::new;
        let late = Error::TimedOut { link: text(), limit: text(), status: text(), source: None };
        assert_eq!(late.exit(), Exit::Failed);
        assert_eq!(Error::StoppedWaiting { link: text() }.exit(), Exit::Temporary);
    }
}
