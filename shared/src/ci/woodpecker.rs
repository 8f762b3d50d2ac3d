//! Woodpecker's API (woodpecker-ci/woodpecker, `server/api/{pipeline,cron,repo}.go`). Repositories are found by name once and are numbers from then on.

use serde::Deserialize;
use serde_json::json;

use super::error::Error;
use super::expression::Fields;
use super::jenkins::Place;
use super::schedule::{Cron, Wanted};
use super::server::{Started, State, acted, failed, good, state_of, uncertain};
use super::settings::Access;
use super::target::Start;
use crate::http::{self, Api, Method, segment};
use crate::settings::Secret;

/// As many as a page has at most (server/router/middleware/session/pagination.go).
const PER_PAGE: usize = 50;

/// A Woodpecker server.
#[derive(Debug)]
pub(super) struct Woodpecker {
    api: Api,
    url: String,
}

/// A repository, as the server knows it.
#[derive(Debug, Deserialize)]
pub(super) struct Repository {
    pub(super) id: u64,
    #[serde(default)]
    pub(super) default_branch: String,
}

#[derive(Debug, Deserialize)]
struct Pipeline {
    number: u64,
    status: String,
}

#[derive(Debug, Deserialize)]
struct Version {
    version: String,
}

#[derive(Debug, Deserialize)]
struct Job {
    id: u64,
    name: String,
    schedule: String,
    #[serde(default)]
    branch: String,
    timezone: Option<String>,
    /// Not before version 3.
    enabled: Option<bool>,
}

impl Woodpecker {
    pub(super) fn open(access: &Access) -> Result<Self, http::Error> {
        let bearer = Secret::new(format!("Bearer {}", access.token.expose()));
        Ok(Self { api: Api::new(access.url.clone(), Some(&bearer))?, url: access.url.to_string() })
    }

    pub(super) async fn repository(&self, path: &str) -> Result<Repository, Error> {
        let attempt = format!("find the repository `{path}`");
        let parts: Vec<String> = path.split('/').map(segment).collect();
        let reply = self.api.get(&format!("api/repos/lookup/{}", parts.join("/"))).await;
        let reply = good(&attempt, reply.map_err(|source| failed(&attempt, source))?)?;
        reply.json().map_err(|source| failed(&attempt, source))
    }

    pub(super) async fn start(&self, start: &Start) -> Result<Started, Error> {
        let target = &start.target;
        let attempt = format!("start a pipeline of `{target}`");
        let repository = self.repository(&target.path).await?;
        // There is no default on the server's side.
        let branch = target.branch.clone().unwrap_or(repository.default_branch);
        let body = json!({ "branch": branch, "variables": start.parameters });
        let pipelines = format!("api/repos/{}/pipelines", repository.id);
        let sent = self.api.send_json(Method::POST, &pipelines, &body).await;
        if sent.as_ref().is_ok_and(|reply| reply.status == 500) {
            tracing::warn!(
                "Woodpecker answers so when it cannot read the branch `{branch}`, and before version 3 also when no workflow takes the event `manual`"
            );
        }
        let reply = acted(&attempt, sent)?;
        if reply.status == 204 {
            return Err(Error::NothingMatched {
                reason: format!("no workflow of `{target}` is for a pipeline that was started by hand"),
                hint: format!(
                    "let a workflow of `{}` take the event `manual` on the branch `{branch}` (`when: event: manual`)",
                    target.path
                ),
            });
        }
        let pipeline: Pipeline = reply.json().map_err(|source| uncertain(&attempt, source))?;
        let link = format!("{}repos/{}/pipeline/{}", self.url, repository.id, pipeline.number);
        if pipeline.status == "error" {
            return Err(Error::Refused {
                attempt,
                reason: format!("{link} could not begin: its configuration is in error"),
            });
        }
        let place = Place::Path(format!("{pipelines}/{}", pipeline.number));
        Ok(Started { target: target.to_string(), link, status: pipeline.status, place })
    }

    pub(super) async fn look(&self, started: &mut Started) -> Result<State, Error> {
        let attempt = format!("see how {} ends", started.link);
        let Place::Path(path) = &started.place else { return Err(Error::NotFound { attempt }) };
        let reply = self.api.get(path).await.map_err(|source| failed(&attempt, source))?;
        let pipeline: Pipeline = good(&attempt, reply)?.json().map_err(|source| failed(&attempt, source))?;
        started.status = pipeline.status;
        Ok(state_of(&started.status))
    }

    /// How many fields its schedules have: five from version 3 on (gdgvda/cron), six before (robfig/cron).
    pub(super) async fn fields(&self) -> Result<Fields, Error> {
        let attempt = "read the version of the server";
        let reply = self.api.get("version").await.map_err(|source| failed(attempt, source))?;
        let Ok(Version { version }) = good(attempt, reply)?.json() else { return Ok(Fields::Five) };
        let major =
            version.trim_start_matches('v').split('.').next().and_then(|major| major.parse::<u32>().ok());
        // A development version has a word for a number.
        Ok(if major.is_some_and(|major| major < 3) { Fields::Six } else { Fields::Five })
    }

    pub(super) async fn cron(&self, repository: &Repository, name: &str) -> Result<Option<Cron>, Error> {
        let attempt = "read the schedules of the repository";
        for page in 1.. {
            let path = format!("api/repos/{}/cron?page={page}&perPage={PER_PAGE}", repository.id);
            let reply = self.api.get(&path).await.map_err(|source| failed(attempt, source))?;
            let jobs: Option<Vec<Job>> =
                good(attempt, reply)?.json().map_err(|source| failed(attempt, source))?;
            let jobs = jobs.unwrap_or_default();
            let is_last = jobs.len() < PER_PAGE;
            if let Some(job) = jobs.into_iter().find(|job| job.name == name) {
                return Ok(Some(Cron {
                    id: job.id.to_string(),
                    expression: job.schedule,
                    branch: job.branch,
                    timezone: job.timezone,
                    is_enabled: job.enabled.unwrap_or(true),
                }));
            }
            if is_last {
                break;
            }
        }
        Ok(None)
    }

    /// Creates a schedule, or changes the one with this number. `enabled` must be said: absent, it is off.
    pub(super) async fn put_cron(
        &self,
        wanted: &Wanted,
        repository: u64,
        id: Option<&str>,
    ) -> Result<(), Error> {
        let body = json!({
            "name": wanted.name,
            "schedule": wanted.expression,
            "branch": wanted.branch,
            "timezone": wanted.timezone.as_deref().unwrap_or("UTC"),
            "enabled": true,
        });
        let attempt = format!("write the schedule `{}` of `{}`", wanted.name, wanted.repository);
        let crons = format!("api/repos/{repository}/cron");
        let sent = match id {
            Some(id) => self.api.send_json(Method::PATCH, &format!("{crons}/{id}"), &body).await,
            None => self.api.send_json(Method::POST, &crons, &body).await,
        };
        good(&attempt, sent.map_err(|source| failed(&attempt, source))?).map(drop)
    }
}
