//! Drone's API (drone/drone, `handler/api/repos`): builds and crons. An existing build is never restarted: that would keep its old parameters.

use serde::Deserialize;
use serde_json::json;

use super::error::Error;
use super::jenkins::Place;
use super::schedule::Cron;
use super::server::{Started, State, acted, failed, good, state_of, uncertain};
use super::settings::Access;
use super::target::Start;
use crate::http::{self, Api, Method, segment};
use crate::settings::Secret;

/// A Drone server.
#[derive(Debug)]
pub(super) struct Drone {
    api: Api,
    url: String,
}

#[derive(Debug, Deserialize)]
struct Build {
    number: u64,
    status: String,
    #[serde(default)]
    error: String,
}

#[derive(Debug, Deserialize)]
struct Repository {
    #[serde(default)]
    default_branch: String,
}

#[derive(Debug, Deserialize)]
struct Job {
    name: String,
    expr: String,
    branch: String,
    #[serde(default)]
    disabled: bool,
}

impl Drone {
    pub(super) fn open(access: &Access) -> Result<Self, http::Error> {
        let bearer = Secret::new(format!("Bearer {}", access.token.expose()));
        Ok(Self {
            api: Api::new(access.url.clone(), Some(&bearer), &access.net)?,
            url: access.url.to_string(),
        })
    }

    pub(super) async fn start(&self, start: &Start) -> Result<Started, Error> {
        let target = &start.target;
        let attempt = format!("start a build of `{target}`");
        // The body is not read; what is not `branch` or `commit` in the query is a parameter.
        let branch = target.branch.as_deref().map(|branch| ("branch", branch));
        let parameters = start.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let query: Vec<_> = branch.into_iter().chain(parameters).collect();
        let sent = self.api.post_query(&format!("{}/builds", repository(&target.path)), &query).await;
        // What a forge says of a missing `.drone.yml` comes through as 500.
        if sent.as_ref().is_ok_and(|reply| reply.status == 500 && reply.text().contains("Not Found")) {
            let reason = "there is no `.drone.yml` on that branch".to_owned();
            return Err(Error::Refused { attempt, reason });
        }
        let reply = acted(&attempt, sent)?;
        let build: Option<Build> = reply.json().map_err(|source| uncertain(&attempt, source))?;
        let Some(build) = build else {
            return Err(Error::NothingMatched {
                reason: format!("no pipeline of `{target}` is for such a build"),
                hint: format!(
                    "let its `.drone.yml` take the event `custom` (`trigger: event: [custom]`) on that branch of `{}`",
                    target.path
                ),
            });
        };
        let link = format!("{}{}/{}", self.url, target.path, build.number);
        if build.status == "error" {
            return Err(Error::Refused {
                attempt,
                reason: format!("{link} could not begin: {}", build.error),
            });
        }
        let place = Place::Path(format!("{}/builds/{}", repository(&target.path), build.number));
        Ok(Started { target: target.to_string(), link, status: build.status, place })
    }

    pub(super) async fn look(&self, started: &mut Started) -> Result<State, Error> {
        let attempt = format!("see how {} ends", started.link);
        let Place::Path(path) = &started.place else { return Err(Error::NotFound { attempt }) };
        let reply = self.api.get(path).await.map_err(|source| failed(&attempt, source))?;
        let build: Build = good(&attempt, reply)?.json().map_err(|source| failed(&attempt, source))?;
        started.status = build.status;
        Ok(state_of(&started.status))
    }

    /// The branch that a cron without one would be for; Drone refuses such a cron.
    pub(super) async fn default_branch(&self, path: &str) -> Result<String, Error> {
        let attempt = format!("read the repository `{path}`");
        let reply = self.api.get(&repository(path)).await.map_err(|source| failed(&attempt, source))?;
        let found: Repository = good(&attempt, reply)?.json().map_err(|source| failed(&attempt, source))?;
        Ok(found.default_branch)
    }

    pub(super) async fn cron(&self, path: &str, name: &str) -> Result<Option<Cron>, Error> {
        let attempt = format!("read the schedules of `{path}`");
        let reply = self.api.get(&format!("{}/cron", repository(path))).await;
        let reply = good(&attempt, reply.map_err(|source| failed(&attempt, source))?)?;
        // A repository without crons has `null` or an empty list.
        let jobs: Option<Vec<Job>> = reply.json().map_err(|source| failed(&attempt, source))?;
        let found = jobs.unwrap_or_default().into_iter().find(|job| job.name == name);
        Ok(found.map(|job| Cron {
            id: job.name,
            expression: job.expr,
            branch: job.branch,
            timezone: None,
            is_enabled: !job.disabled,
        }))
    }

    pub(super) async fn create(
        &self,
        path: &str,
        name: &str,
        expression: &str,
        branch: &str,
    ) -> Result<(), Error> {
        let body = json!({ "name": name, "expr": expression, "branch": branch });
        let attempt = format!("create the schedule `{name}` of `{path}`");
        let sent = self.api.send_json(Method::POST, &format!("{}/cron", repository(path)), &body).await;
        good(&attempt, sent.map_err(|source| failed(&attempt, source))?).map(drop)
    }

    /// Changes branch and `disabled`; nothing else of a cron is read here (handler/api/repos/crons/update.go).
    pub(super) async fn change(
        &self,
        path: &str,
        name: &str,
        branch: &str,
        is_enabled: bool,
    ) -> Result<(), Error> {
        let body = json!({ "branch": branch, "disabled": !is_enabled });
        let attempt = format!("change the schedule `{name}` of `{path}`");
        let sent = self.api.send_json(Method::PATCH, &cron(path, name), &body).await;
        good(&attempt, sent.map_err(|source| failed(&attempt, source))?).map(drop)
    }

    pub(super) async fn delete(&self, path: &str, name: &str) -> Result<(), Error> {
        let attempt = format!("delete the old schedule `{name}` of `{path}`");
        let sent = self.api.send_json(Method::DELETE, &cron(path, name), &json!({})).await;
        good(&attempt, sent.map_err(|source| failed(&attempt, source))?).map(drop)
    }
}

fn repository(path: &str) -> String {
    let (owner, name) = path.split_once('/').unwrap_or_default();
    format!("api/repos/{}/{}", segment(owner), segment(name))
}

fn cron(path: &str, name: &str) -> String {
    format!("{}/cron/{}", repository(path), segment(name))
}
