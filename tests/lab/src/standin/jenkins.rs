//! A Jenkins with the jobs `erp/images` (two parameters), `erp/plain` (none) and `erp/off` (disabled).
//!
//! Written from jenkinsci/jenkins: `ParameterizedJobMixIn` and `ParametersDefinitionProperty` (`build` and `buildWithParameters`, 201 with `Location`,
//! 409, parameters that are not defined are dropped), `CrumbFilter`, `DefaultCrumbIssuer` and `ApiCrumbExclusion` (a crumb is tied to a session; API tokens
//! need none), `Queue` (items that left are forgotten after five minutes; here at once, if asked). A build shows the queue item it came from.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::served::{Answer, Answers, Request, Served};

/// The user.
pub const USER: &str = "esteira";
/// Her API token, which needs no crumb.
pub const TOKEN: &str = "11a0b1c2d3e4f5";
/// Her password, which does.
pub const PASSWORD: &str = "jenkins-password-9f";
const SESSION: &str = "JSESSIONID.1234=node0abc";
const CRUMB: &str = "crumb-of-node0abc";

/// A build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Build {
    /// Its job.
    pub job: String,
    /// The queue item it came from.
    pub item: u64,
    /// Its parameters.
    pub parameters: BTreeMap<String, String>,
}

/// How it behaves, and what it has.
#[derive(Clone, Debug)]
pub struct State {
    /// Queue items are forgotten as soon as their build begins.
    pub forgets_items: bool,
    /// Items are cancelled in the queue.
    pub cancels: bool,
    /// Requests to build are taken, and nothing is queued.
    pub queues_nothing: bool,
    /// How builds end.
    pub result: &'static str,
    /// How often an item is seen waiting, and then a build running.
    pub looks: u32,
    /// How long the answer to a request to build is kept back.
    pub slow: Duration,
    /// All builds.
    pub builds: Vec<Build>,
    waiting: u32,
}

/// The server; it ends when dropped.
pub type Jenkins = Served<State>;

impl Default for State {
    fn default() -> Self {
        Self {
            forgets_items: false,
            cancels: false,
            queues_nothing: false,
            result: "SUCCESS",
            looks: 1,
            slow: Duration::ZERO,
            builds: Vec::new(),
            waiting: 0,
        }
    }
}

impl Answers for State {
    fn answer(&mut self, request: &Request) -> Answer {
        let basic = |secret: &str| format!("Basic {}", STANDARD.encode(format!("{USER}:{secret}")));
        let has_password = request.authorization == basic(PASSWORD);
        if request.authorization != basic(TOKEN) && !has_password {
            return Answer::status(401, "<html>Unauthorized</html>");
        }
        if request.path == "/crumbIssuer/api/json" {
            let crumb = json!({ "crumb": CRUMB, "crumbRequestField": "Jenkins-Crumb" });
            return Answer::json(&crumb).header("Set-Cookie", format!("{SESSION}; Path=/; HttpOnly"));
        }
        let fields: BTreeMap<String, String> =
            url::form_urlencoded::parse(request.body.as_bytes()).into_owned().collect();
        if request.method == "POST" && has_password {
            let has_crumb = fields.get("Jenkins-Crumb").is_some_and(|crumb| crumb == CRUMB);
            if !has_crumb || request.cookie != SESSION {
                return Answer::status(403, "<html>No valid crumb was included in the request</html>");
            }
        }
        let parts: Vec<&str> = request.path.trim_matches('/').split('/').collect();
        match (request.method.as_str(), parts.as_slice()) {
            ("GET", ["queue", "item", item, "api", "json"]) => self.item(item.parse().unwrap_or(0)),
            (method, ["job", "erp", "job", name, rest @ ..]) => self.job(method, name, rest, fields),
            _ => Answer::status(404, "<html>Not Found</html>"),
        }
    }
}

impl State {
    fn job(&mut self, method: &str, name: &str, rest: &[&str], fields: BTreeMap<String, String>) -> Answer {
        let parameters: Option<&[&str]> = match name {
            "images" => Some(&["VERSION", "CHART_VALUES"]),
            "plain" | "off" => None,
            _ => return Answer::status(404, "<html>Not Found</html>"),
        };
        match (method, rest) {
            ("GET", ["api", "json"]) => self.job_json(name, parameters),
            ("POST", ["build" | "buildWithParameters"]) if name == "off" => {
                Answer::status(409, "<html>not buildable</html>")
            }
            ("POST", ["buildWithParameters"]) if parameters.is_none() => {
                Answer::status(500, "This build is not parameterized!")
            }
            ("POST", ["build"]) if parameters.is_some() => {
                Answer::status(400, "This page expects a form submission")
            }
            ("POST", ["build" | "buildWithParameters"]) => {
                let defined = parameters.unwrap_or_default();
                let known = fields.into_iter().filter(|(name, _)| defined.contains(&name.as_str())).collect();
                self.queue(name, known)
            }
            ("GET", [_, "api", "json"]) => self.build(),
            _ => Answer::status(404, "<html>Not Found</html>"),
        }
    }

    fn job_json(&self, name: &str, parameters: Option<&[&str]>) -> Answer {
        let definitions =
            parameters.map(|names| names.iter().map(|name| json!({ "name": name })).collect::<Vec<_>>());
        let property: Vec<Value> = definitions
            .into_iter()
            .map(|list| json!({ "parameterDefinitions": list }))
            .chain([json!({})])
            .collect();
        let of_job = self.builds.iter().enumerate().filter(|(_, build)| build.job == name);
        let builds: Vec<Value> = of_job
            .map(|(index, build)| json!({ "number": index + 1, "queueId": build.item }))
            .rev()
            .collect();
        Answer::json(&json!({ "buildable": name != "off", "property": property, "builds": builds }))
    }

    fn queue(&mut self, name: &str, parameters: BTreeMap<String, String>) -> Answer {
        if self.queues_nothing {
            return Answer::status(200, "<html>the job's page</html>");
        }
        let item = 100 + self.builds.len() as u64;
        self.builds.push(Build { job: name.to_owned(), item, parameters });
        self.waiting = self.looks;
        // The host is what Jenkins takes for its own; nobody else can reach it.
        let location = format!("http://jenkins.internal:8080/queue/item/{item}/");
        Answer { after: self.slow, ..Answer::status(201, "").header("Location", location) }
    }

    fn item(&mut self, item: u64) -> Answer {
        let Some(index) = self.builds.iter().position(|build| build.item == item) else {
            return Answer::status(404, "<html>Not Found</html>");
        };
        if self.cancels {
            return Answer::json(&json!({ "cancelled": true, "why": null }));
        }
        if self.waiting > 0 {
            self.waiting -= 1;
            return Answer::json(&json!({ "why": "In the quiet period. Expires in 1 sec" }));
        }
        if self.forgets_items {
            return Answer::status(404, "<html>Not Found</html>");
        }
        let url =
            format!("http://jenkins.internal:8080/job/erp/job/{}/{}/", self.builds[index].job, index + 1);
        Answer::json(
            &json!({ "why": null, "cancelled": false, "executable": { "number": index + 1, "url": url } }),
        )
    }

    fn build(&mut self) -> Answer {
        let is_running = self.looks > 0;
        self.looks = self.looks.saturating_sub(1);
        let result = if is_running { Value::Null } else { json!(self.result) };
        Answer::json(&json!({ "building": is_running, "result": result }))
    }
}
