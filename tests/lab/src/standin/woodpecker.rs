//! A Woodpecker server with one repository, `erp/images`, which is number 7.
//!
//! Written from woodpecker-ci/woodpecker 3: `server/api/pipeline.go` and `helper.go` (204 and `Pipeline-Filtered` when nothing fits, 500 for an
//! unknown branch), `server/api/cron.go` (fields of POST and PATCH, 400, 409 and 422), `server/router/api.go` (lookup by name, 404 without push).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::served::{Answer, Answers, Request, Served};

/// Who may write.
pub const TOKEN: &str = "woodpecker-token-77ab";

/// A pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pipeline {
    /// Its branch.
    pub branch: String,
    /// Its variables.
    pub variables: BTreeMap<String, String>,
}

/// How it behaves, and what it has.
#[derive(Clone, Debug)]
pub struct State {
    /// No workflow is for a manual pipeline.
    pub nothing_matches: bool,
    /// The token may read, but not push.
    pub no_right: bool,
    /// How pipelines end.
    pub result: &'static str,
    /// How often a pipeline is seen running before.
    pub looks: u32,
    /// What it says of itself.
    pub version: &'static str,
    /// All pipelines.
    pub pipelines: Vec<Pipeline>,
    /// All crons, as the API shows them.
    pub crons: Vec<Value>,
}

/// The server; it ends when dropped.
pub type Woodpecker = Served<State>;

impl Default for State {
    fn default() -> Self {
        Self {
            nothing_matches: false,
            no_right: false,
            result: "success",
            looks: 1,
            version: "3.9.0",
            pipelines: Vec::new(),
            crons: Vec::new(),
        }
    }
}

impl Answers for State {
    fn answer(&mut self, request: &Request) -> Answer {
        if request.path == "/version" {
            return Answer::json(
                &json!({ "source": "https://github.com/woodpecker-ci/woodpecker", "version": self.version }),
            );
        }
        if request.authorization != format!("Bearer {TOKEN}") {
            return Answer::status(401, "User not authorized");
        }
        let parts: Vec<&str> = request.path.trim_matches('/').split('/').collect();
        if parts == ["api", "repos", "lookup", "erp", "images"] {
            return Answer::json(&json!({ "id": 7, "full_name": "erp/images", "default_branch": "develop" }));
        }
        let ["api", "repos", "7", rest @ ..] = parts.as_slice() else { return Answer::status(404, "") };
        let body: Value = serde_json::from_str(&request.body).unwrap_or_default();
        match (request.method.as_str(), rest) {
            _ if self.no_right => Answer::status(404, ""),
            ("POST", ["pipelines"]) => self.create_pipeline(&body),
            ("GET", ["pipelines", number]) => self.pipeline(number),
            ("GET", ["cron"]) => self.list_crons(request),
            ("POST", ["cron"]) => self.create_cron(body),
            ("PATCH", ["cron", id]) => self.change_cron(id, &body),
            _ => Answer::status(404, ""),
        }
    }
}

impl State {
    fn create_pipeline(&mut self, body: &Value) -> Answer {
        let branch = body["branch"].as_str().unwrap_or_default().to_owned();
        if !["develop", "main"].contains(&branch.as_str()) {
            return Answer::status(500, "");
        }
        if self.nothing_matches {
            return Answer::status(204, "").header("Pipeline-Filtered", "true".to_owned());
        }
        let variables = serde_json::from_value(body["variables"].clone()).unwrap_or_default();
        self.pipelines.push(Pipeline { branch, variables });
        Answer::json(&json!({ "number": self.pipelines.len(), "status": "pending", "event": "manual" }))
    }

    fn pipeline(&mut self, number: &str) -> Answer {
        let status = if self.looks == 0 { self.result } else { "running" };
        self.looks = self.looks.saturating_sub(1);
        match number.parse::<usize>() {
            Ok(number) if (1..=self.pipelines.len()).contains(&number) => {
                Answer::json(&json!({ "number": number, "status": status }))
            }
            _ => Answer::status(404, ""),
        }
    }

    fn list_crons(&self, request: &Request) -> Answer {
        let number = |name: &str, default: usize| {
            let found = request.query.iter().find(|(key, _)| key == name);
            found.and_then(|(_, value)| value.parse().ok()).unwrap_or(default)
        };
        let (page, per_page) = (number("page", 1).max(1), number("perPage", 50).clamp(1, 50));
        Answer::json(&self.crons.iter().skip((page - 1) * per_page).take(per_page).cloned().collect())
    }

    fn create_cron(&mut self, mut cron: Value) -> Answer {
        if let Some(refusal) = refusal(&cron) {
            return refusal;
        }
        if self.crons.iter().any(|other| other["name"] == cron["name"]) {
            return Answer::status(409, "cron with this exists for this repo already");
        }
        if cron["enabled"].is_null() {
            cron["enabled"] = json!(false);
        }
        cron["id"] = json!(self.crons.len() + 1);
        self.crons.push(cron.clone());
        Answer::json(&cron)
    }

    fn change_cron(&mut self, id: &str, body: &Value) -> Answer {
        let id: u64 = id.parse().unwrap_or(0);
        let Some(cron) = self.crons.iter_mut().find(|cron| cron["id"] == id) else {
            return Answer::status(404, "");
        };
        let mut changed = cron.clone();
        for name in ["name", "schedule", "branch", "timezone", "enabled"] {
            if !body[name].is_null() && body[name] != "" {
                changed[name] = body[name].clone();
            }
        }
        refusal(&changed).unwrap_or_else(|| {
            *cron = changed.clone();
            Answer::json(&changed)
        })
    }
}

fn refusal(cron: &Value) -> Option<Answer> {
    let schedule = cron["schedule"].as_str().unwrap_or_default();
    let is_schedule = schedule.starts_with('@') || schedule.split(' ').count() == 5;
    let has_zone = cron["timezone"].as_str().is_some_and(|zone| zone == "UTC" || zone.contains('/'));
    if !is_schedule {
        return Some(Answer::status(422, "Error inserting cron. validate failed: can't parse schedule"));
    }
    if !has_zone {
        return Some(Answer::status(422, "Error inserting cron. validate failed: can't parse timezone"));
    }
    None
}
