//! Starts pipelines one after the other, then waits for all of them at once. What was started stays started, whatever happens after it.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use serde_json::{Map, Value};
use tokio::time::{Instant, sleep, timeout};

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

/// Waits until a pipeline has ended, or the settings' time is up, or the run is told to stop.
async fn wait(server: &Server, started: &mut Started, limit: Duration, stop: &Stop) -> Result<(), Error> {
    let begun = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        let before = started.status.clone();
        let state = tokio::select! {
            biased;
            () = stop.requested() => None,
            state = server.look(started) => Some(state?),
        };
        let link = started.link.clone();
        match state {
            None => return Err(Error::StoppedWaiting { link }),
            Some(State::Successful) => return Ok(()),
            Some(State::Unsuccessful) => {
                return Err(Error::Unsuccessful { link, status: started.status.clone() });
            }
            Some(State::Blocked) => return Err(Error::Blocked { link }),
            Some(State::UnderWay) => {}
        }
        // Jenkins counts down in its words; what stands before the colon is the state.
        if before.split(':').next() != started.status.split(':').next() {
            tracing::info!("{link}: {}", started.status);
        }
        if begun.elapsed() + pause > limit {
            let limit = humantime::format_duration(limit).to_string();
            return Err(Error::TimedOut { link, limit, status: started.status.clone() });
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
            if server.look(started).await.is_err() {
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

/// One error of several; a rerun may help only if it may help all of them.
fn in_one(mut failures: Vec<(String, Error)>, total: usize) -> Result<(), Error> {
    if failures.len() < 2 {
        return failures.pop().map_or(Ok(()), |(_, error)| Err(error));
    }
    let mut hints: Vec<String> = failures.iter().flat_map(|(_, error)| error.hints()).collect();
    hints.sort();
    hints.dedup();
    Err(Error::Pipelines {
        count: failures.len(),
        total,
        is_temporary: failures.iter().all(|(_, error)| error.exit() == Exit::Temporary),
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
            false => env.outputs().get(step).and_then(|outputs| outputs.as_ref().ok()?.get(key)),
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
        let has = |step: &str, key: &str| {
            env.outputs()
                .get(step)
                .is_some_and(|outputs| outputs.as_ref().is_ok_and(|outputs| outputs.contains_key(key)))
        };
        match reference(text) {
            Some((step, key)) if step != own && !has(step, key) => problems.add(
                "PLUGIN_TRIGGER_PARAMETERS",
                format!("`{name}` asks for `{text}`, but no earlier step has that output"),
            ),
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
    use super::*;

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
    fn several_failures_are_one_and_temporary_only_if_all_are() {
        let stopped = || ("a/b".to_owned(), Error::NotBegun);
        assert!(in_one(Vec::new(), 2).is_ok());
        assert_eq!(in_one(vec![stopped(), stopped()], 2).unwrap_err().exit(), Exit::Temporary);
        let refused = ("a/c".to_owned(), Error::Blocked { link: "x".to_owned() });
        let both = in_one(vec![stopped(), refused], 3).unwrap_err();
        assert_eq!(both.exit(), Exit::Failed);
        assert!(both.to_string().starts_with("2 of 3 pipelines"), "{both}");
    }
}
