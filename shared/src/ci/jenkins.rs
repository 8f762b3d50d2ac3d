//! Jenkins' remote API (jenkinsci/jenkins: `ParameterizedJobMixIn`, `ParametersDefinitionProperty`, `Queue`, `CrumbFilter`): a job, its queue item,
//! its build. Only paths are taken from what it answers: the host in its addresses is often one that only Jenkins itself can reach.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::error::Error;
use super::server::{Started, State, acted, failed, good, uncertain};
use super::settings::Access;
use super::target::{Start, Target};
use crate::http::{self, Api, Reply, segment};
use crate::settings::Secret;

/// A Jenkins.
#[derive(Debug)]
pub(super) struct Jenkins {
    api: Api,
    url: String,
}

/// Where the state of something started is read.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// Under this path of the API.
    Path(String),
    /// An item of Jenkins' queue, and the job that it is of.
    Queued { job: String, item: u64 },
    /// A build of a job.
    Build { job: String, number: u64 },
}

#[derive(Debug, Deserialize)]
struct Job {
    #[serde(default)]
    buildable: bool,
    #[serde(default)]
    property: Vec<Property>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Property {
    parameter_definitions: Option<Vec<Parameter>>,
}

#[derive(Debug, Deserialize)]
struct Parameter {
    name: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Crumb {
    crumb: String,
    crumb_request_field: String,
}

#[derive(Debug, Deserialize)]
struct Item {
    #[serde(default)]
    cancelled: bool,
    why: Option<String>,
    executable: Option<Executable>,
}

#[derive(Debug, Deserialize)]
struct Executable {
    number: u64,
}

#[derive(Debug, Deserialize)]
struct Builds {
    #[serde(default)]
    builds: Vec<Listed>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    number: u64,
    queue_id: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct Build {
    building: bool,
    result: Option<String>,
}

impl Jenkins {
    pub(super) fn open(access: &Access) -> Result<Self, http::Error> {
        let user = access.user.as_deref().unwrap_or_default();
        let basic =
            Secret::new(format!("Basic {}", STANDARD.encode(format!("{user}:{}", access.token.expose()))));
        Ok(Self { api: Api::with_session(access.url.clone(), Some(&basic))?, url: access.url.to_string() })
    }

    pub(super) async fn start(&self, start: &Start) -> Result<Started, Error> {
        let job = job_path(&start.target);
        let attempt = format!("start a build of the job `{}`", start.target);
        let call = self.call(&attempt, &job, start).await?;
        let reply = self.post(&attempt, &format!("{job}/{call}"), start).await?;
        if reply.status == 409 {
            return Err(Error::Refused { attempt, reason: "the job is disabled".to_owned() });
        }
        let reply = acted(&attempt, Ok(reply))?;
        let Some(item) = reply.header("location").and_then(item_number) else {
            let reason = "Jenkins took the request, but put nothing into its queue".to_owned();
            return Err(Error::Refused { attempt, reason });
        };
        let link = format!("{}queue/item/{item}/", self.url);
        Ok(Started {
            target: start.target.to_string(),
            link,
            status: "queued".to_owned(),
            place: Place::Queued { job, item },
        })
    }

    /// Which of the two calls the job takes. Parameters that it does not define would be dropped without a word, so they are refused here.
    async fn call(&self, attempt: &str, job: &str, start: &Start) -> Result<&'static str, Error> {
        let tree = segment("buildable,property[parameterDefinitions[name]]");
        let found: Job = self.read(attempt, &format!("{job}/api/json?tree={tree}")).await?;
        let refused = |reason: String| Err(Error::Refused { attempt: attempt.to_owned(), reason });
        if !found.buildable {
            return refused("the job is disabled, or is a folder".to_owned());
        }
        let mut definitions =
            found.property.into_iter().filter_map(|property| property.parameter_definitions);
        let Some(defined) = definitions.next() else {
            return match start.parameters.is_empty() {
                true => Ok("build"),
                false => refused("it has no parameters, so `trigger_parameters` would be lost".to_owned()),
            };
        };
        let is_unknown = |name: &&String| defined.iter().all(|one| one.name != **name);
        match start.parameters.keys().find(is_unknown) {
            Some(name) => {
                refused(format!("it has no parameter `{name}`, which would be dropped without a word"))
            }
            None => Ok("buildWithParameters"),
        }
    }

    /// Parameters travel in the body. Only a password needs a crumb, so one is asked for when Jenkins says that it lacks.
    async fn post(&self, attempt: &str, path: &str, start: &Start) -> Result<Reply, Error> {
        let fields: Vec<_> =
            start.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let reply = self.api.post_form(path, &fields).await.map_err(|source| uncertain(attempt, source))?;
        if reply.status != 403 || !reply.text().contains("crumb") {
            return Ok(reply);
        }
        let crumb: Crumb = self.read(attempt, "crumbIssuer/api/json").await?;
        let fields: Vec<_> =
            fields.into_iter().chain([(crumb.crumb_request_field.as_str(), crumb.crumb.as_str())]).collect();
        self.api.post_form(path, &fields).await.map_err(|source| uncertain(attempt, source))
    }

    pub(super) async fn look(&self, started: &mut Started) -> Result<State, Error> {
        let attempt = format!("see how {} ends", started.link);
        match started.place.clone() {
            Place::Path(_) => Err(Error::NotFound { attempt }),
            Place::Queued { job, item } => {
                let Some(number) = self.number(&attempt, &job, item, started).await? else {
                    return Ok(State::UnderWay);
                };
                started.link = format!("{}{job}/{number}/", self.url);
                started.place = Place::Build { job: job.clone(), number };
                self.build(&attempt, &job, number, started).await
            }
            Place::Build { job, number } => self.build(&attempt, &job, number, started).await,
        }
    }

    /// The number of the build that a queue item became. Jenkins forgets an item five minutes after it left the queue; a build remembers its item.
    async fn number(
        &self,
        attempt: &str,
        job: &str,
        item: u64,
        started: &mut Started,
    ) -> Result<Option<u64>, Error> {
        let path = format!("queue/item/{item}/api/json");
        let reply = self.api.get(&path).await.map_err(|source| failed(attempt, source))?;
        if reply.status == 404 {
            let tree = segment("builds[number,queueId]{0,100}");
            let Builds { builds } = self.read(attempt, &format!("{job}/api/json?tree={tree}")).await?;
            let found = builds.into_iter().find(|build| build.queue_id == Some(item));
            return match found {
                Some(build) => Ok(Some(build.number)),
                None => Err(Error::Vanished { link: started.link.clone() }),
            };
        }
        let found: Item = good(attempt, reply)?.json().map_err(|source| failed(attempt, source))?;
        if found.cancelled {
            return Err(Error::Vanished { link: started.link.clone() });
        }
        started.status = found.why.map_or_else(|| "queued".to_owned(), |why| format!("queued: {why}"));
        Ok(found.executable.map(|executable| executable.number))
    }

    async fn build(
        &self,
        attempt: &str,
        job: &str,
        number: u64,
        started: &mut Started,
    ) -> Result<State, Error> {
        let build: Build =
            self.read(attempt, &format!("{job}/{number}/api/json?tree=building,result")).await?;
        // A result may stand there before the last steps of the build are done.
        let Some(result) = build.result.filter(|_| !build.building) else {
            "running".clone_into(&mut started.status);
            return Ok(State::UnderWay);
        };
        let state = if result == "SUCCESS" { State::Successful } else { State::Unsuccessful };
        started.status = result;
        Ok(state)
    }

    async fn read<T: serde::de::DeserializeOwned>(&self, attempt: &str, path: &str) -> Result<T, Error> {
        let reply = self.api.get(path).await.map_err(|source| failed(attempt, source))?;
        good(attempt, reply)?.json().map_err(|source| failed(attempt, source))
    }
}

/// `job/folder/job/name`. A branch's job is called like the branch, with `/` as `%2F`, and that name is escaped once more.
fn job_path(target: &Target) -> String {
    let mut parts: Vec<String> =
        target.path.split('/').map(|part| format!("job/{}", segment(part))).collect();
    parts.extend(target.branch.iter().map(|branch| format!("job/{}", segment(&segment(branch)))));
    parts.join("/")
}

/// The number in an address such as `https://host/jenkins/queue/item/12/`.
fn item_number(location: &str) -> Option<u64> {
    location.split_once("/queue/item/")?.1.split('/').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ci::target;

    #[test]
    fn folders_and_branches_are_jobs() {
        assert_eq!(job_path(&target("erp/deploy all").unwrap()), "job/erp/job/deploy%20all");
        assert_eq!(
            job_path(&target("erp/images@release/12").unwrap()),
            "job/erp/job/images/job/release%252F12"
        );
    }

    #[test]
    fn only_the_number_of_a_queue_item_is_taken() {
        assert_eq!(item_number("http://internal:8080/ctx/queue/item/12/"), Some(12));
        assert_eq!(item_number("http://internal:8080/job/x/"), None);
    }
}
