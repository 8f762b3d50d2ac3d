//! A Drone server with one repository, `erp/images`.
//!
//! Written from drone/drone: `handler/api/repos/builds/{create,retry,find}.go` (the query holds `branch` and parameters; `null` when no trigger fits; a
//! restart keeps the old parameters over the new), `handler/api/repos/crons/{create,update,delete,list,none}.go` and `core/cron.go` (slug, branch
//! required, PATCH reads branch, target and `disabled`; 501 in the open-source build), `handler/api/acl/check.go` (404 for missing rights).
//! Inferred: that a second cron of the same name is answered with 500.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::served::{Answer, Answers, Request, Served};

/// Who may write.
pub const TOKEN: &str = "drone-token-5d1c";

/// A build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Build {
    /// Its number, from 1 on.
    pub number: u64,
    /// Its branch.
    pub branch: String,
    /// Its parameters.
    pub parameters: BTreeMap<String, String>,
}

/// A cron.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cron {
    /// Its name.
    pub name: String,
    /// Its six fields.
    pub expression: String,
    /// Its branch.
    pub branch: String,
    /// Whether it is switched off.
    pub is_disabled: bool,
}

/// How it behaves, and what it has.
#[derive(Clone, Debug)]
pub struct State {
    /// No pipeline is for such a build.
    pub nothing_matches: bool,
    /// The token may not write: everything is 404.
    pub no_right: bool,
    /// The open-source build.
    pub is_open_source: bool,
    /// The repository's YAML cannot be read.
    pub has_yaml_error: bool,
    /// How builds end.
    pub result: &'static str,
    /// How often a build is seen running before.
    pub looks: u32,
    /// How long a started build is kept back.
    pub slow: Duration,
    /// How many requests are answered with 503 first.
    pub busy: u32,
    /// How many looks at a build are answered with 500 first.
    pub refused_looks: u32,
    /// How many creations of a cron fail first.
    pub refused_crons: u32,
    /// How many changes of crons are made first without anybody hearing so: a gateway answers with 502.
    pub lost_answers: u32,
    /// All builds.
    pub builds: Vec<Build>,
    /// All crons.
    pub crons: Vec<Cron>,
}

/// The server; it ends when dropped.
pub type Drone = Served<State>;

impl Default for State {
    fn default() -> Self {
        Self {
            nothing_matches: false,
            no_right: false,
            is_open_source: false,
            has_yaml_error: false,
            result: "success",
            looks: 1,
            slow: Duration::ZERO,
            busy: 0,
            refused_looks: 0,
            refused_crons: 0,
            lost_answers: 0,
            builds: Vec::new(),
            crons: Vec::new(),
        }
    }
}

impl Answers for State {
    fn answer(&mut self, request: &Request) -> Answer {
        if self.busy > 0 {
            self.busy -= 1;
            return Answer::status(503, "").header("Retry-After", "1".to_owned());
        }
        if request.authorization != format!("Bearer {TOKEN}") {
            return message(401, "Unauthorized");
        }
        let parts: Vec<&str> = request.path.trim_matches('/').split('/').collect();
        let ["api", "repos", "erp", "images", rest @ ..] = parts.as_slice() else {
            return message(404, "Not Found");
        };
        if self.no_right {
            return message(404, "Not Found");
        }
        match (request.method.as_str(), rest) {
            ("GET", []) => Answer::json(&json!({ "slug": "erp/images", "default_branch": "develop" })),
            ("POST", ["builds"]) => self.create_build(request),
            ("POST", ["builds", number]) => self.restart(number, request),
            ("GET", ["builds", number]) => self.build(number),
            (_, ["cron", ..]) if self.is_open_source => message(501, "Not Implemented"),
            ("GET", ["cron"]) => Answer::json(&self.crons.iter().map(cron_json).collect()),
            (_, ["cron", name @ ..]) => {
                let answer = self.change_crons(request, name);
                if self.lost_answers == 0 {
                    return answer;
                }
                self.lost_answers -= 1;
                Answer::status(502, "Bad Gateway")
            }
            _ => message(404, "Not Found"),
        }
    }
}

impl State {
    fn change_crons(&mut self, request: &Request, name: &[&str]) -> Answer {
        match (request.method.as_str(), name) {
            ("POST", []) => self.create_cron(&request.body),
            ("PATCH", [name]) => self.change_cron(name, &request.body),
            ("DELETE", [name]) => {
                let before = self.crons.len();
                self.crons.retain(|cron| cron.name != *name);
                if self.crons.len() < before {
                    Answer::status(204, "")
                } else {
                    message(404, "sql: no rows in result set")
                }
            }
            _ => message(404, "Not Found"),
        }
    }

    fn create_build(&mut self, request: &Request) -> Answer {
        if self.nothing_matches {
            return Answer::status(200, "null");
        }
        let mut parameters: BTreeMap<String, String> = request.query.iter().cloned().collect();
        let branch = parameters.remove("branch").unwrap_or_else(|| "develop".to_owned());
        parameters.remove("commit");
        self.add(branch, parameters)
    }

    fn restart(&mut self, number: &str, request: &Request) -> Answer {
        let Some(old) = self.builds.iter().find(|build| build.number.to_string() == number).cloned() else {
            return message(404, "sql: no rows in result set");
        };
        let mut parameters: BTreeMap<String, String> = request.query.iter().cloned().collect();
        parameters.extend(old.parameters);
        self.add(old.branch, parameters)
    }

    fn add(&mut self, branch: String, parameters: BTreeMap<String, String>) -> Answer {
        let number = self.builds.len() as u64 + 1;
        self.builds.push(Build { number, branch, parameters });
        let answer = match self.has_yaml_error {
            true => {
                json!({ "number": number, "status": "error", "error": "yaml: line 3: did not find expected key" })
            }
            false => json!({ "number": number, "status": "pending", "event": "custom" }),
        };
        Answer { after: self.slow, ..Answer::json(&answer) }
    }

    fn build(&mut self, number: &str) -> Answer {
        let Some(build) = self.builds.iter().find(|build| build.number.to_string() == number) else {
            return message(404, "sql: no rows in result set");
        };
        if self.refused_looks > 0 {
            self.refused_looks -= 1;
            return message(500, "database is locked");
        }
        let status = if self.looks == 0 { self.result } else { "running" };
        self.looks = self.looks.saturating_sub(1);
        Answer::json(&json!({ "number": build.number, "status": status, "stages": [] }))
    }

    fn create_cron(&mut self, body: &str) -> Answer {
        let body: Value = serde_json::from_str(body).unwrap_or_default();
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        if self.refused_crons > 0 {
            self.refused_crons -= 1;
            return message(400, "Invalid Cronjob Expression");
        }
        // robfig/cron takes the day of the week for optional.
        if !matches!(text("expr").split(' ').count(), 5 | 6) && !text("expr").starts_with('@') {
            return message(400, "Invalid Cronjob Expression");
        }
        if text("branch").is_empty() {
            return message(400, "Invalid Cronjob Branch");
        }
        if self.crons.iter().any(|cron| cron.name == text("name")) {
            return message(500, "UNIQUE constraint failed: cron.cron_repo_id, cron.cron_name");
        }
        let cron =
            Cron { name: text("name"), expression: text("expr"), branch: text("branch"), is_disabled: false };
        self.crons.push(cron.clone());
        Answer::json(&cron_json(&cron))
    }

    fn change_cron(&mut self, name: &str, body: &str) -> Answer {
        let body: Value = serde_json::from_str(body).unwrap_or_default();
        let Some(cron) = self.crons.iter_mut().find(|cron| cron.name == name) else {
            return message(404, "sql: no rows in result set");
        };
        if let Some(branch) = body["branch"].as_str() {
            branch.clone_into(&mut cron.branch);
        }
        if let Some(is_disabled) = body["disabled"].as_bool() {
            cron.is_disabled = is_disabled;
        }
        Answer::json(&cron_json(cron))
    }
}

fn cron_json(cron: &Cron) -> Value {
    json!({ "name": cron.name, "expr": cron.expression, "branch": cron.branch, "disabled": cron.is_disabled, "event": "push" })
}

fn message(status: u16, text: &str) -> Answer {
    Answer::status(status, &json!({ "message": text }).to_string())
}
