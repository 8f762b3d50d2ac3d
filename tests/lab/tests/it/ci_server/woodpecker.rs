//! Woodpecker 1.0.5: what its API answers, also where that is odd. Version 3 differs in places; these say so.

use lab::Woodpecker;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

const MANUAL: &str =
    "steps:\n  build:\n    image: busybox\n    commands: ['true']\nwhen:\n  event: [manual, cron]\n";

/// A repository that the server builds, with this pipeline file; returns its path in the API.
async fn repository(pipeline: Option<&str>) -> String {
    let (gitea, woodpecker) = (lab::gitea(), lab::woodpecker());
    let name = gitea.repository_name("piped");
    let mut files = vec![("VERSION", "1\n")];
    files.extend(pipeline.map(|text| (".woodpecker.yml", text)));
    gitea.create_repository(&name, &files, "main").await.unwrap();
    format!("repos/{}", woodpecker.activate(&name).await.unwrap())
}

async fn call(
    woodpecker: &Woodpecker,
    token: &str,
    method: Method,
    path: &str,
    body: Value,
) -> (StatusCode, String) {
    let url = format!("{}/api/{path}", woodpecker.url());
    let request = lab::http::client().unwrap().request(method, url).bearer_auth(token).json(&body);
    let reply = request.send().await.unwrap();
    (reply.status(), reply.text().await.unwrap())
}

/// Status and text of any reply.
async fn reply(method: Method, path: &str, body: Value) -> (u16, String) {
    let woodpecker = lab::woodpecker();
    let (status, text) = call(woodpecker, woodpecker.token(), method, path, body).await;
    (status.as_u16(), text)
}

/// The reply to a call that is expected to succeed.
async fn answer(method: Method, path: &str, body: Value) -> Value {
    let (status, text) = reply(method, path, body).await;
    assert_eq!(status, 200, "{path}: {text}");
    serde_json::from_str(&text).unwrap()
}

fn nothing(status: u16) -> (u16, String) {
    (status, String::new())
}

#[tokio::test]
async fn a_started_pipeline_waits_is_read_and_ends_when_cancelled() {
    let repository = repository(Some(MANUAL)).await;
    let pipelines = format!("{repository}/pipelines");
    let body = json!({"branch": "main", "variables": {"RELEASE": "1.2.3"}});
    let started = answer(Method::POST, &pipelines, body).await;
    assert_eq!(started["number"], 1);
    assert_eq!((&started["status"], &started["event"]), (&json!("pending"), &json!("manual")));

    let read = answer(Method::GET, &format!("{pipelines}/1"), Value::Null).await;
    assert_eq!((&read["status"], &read["workflows"][0]["state"]), (&json!("pending"), &json!("pending")));

    let cancel = format!("{pipelines}/1/cancel");
    assert_eq!(reply(Method::POST, &cancel, Value::Null).await, nothing(204));
    let read = answer(Method::GET, &format!("{pipelines}/1"), Value::Null).await;
    assert_eq!((&read["status"], &read["workflows"][0]["state"]), (&json!("killed"), &json!("skipped")));
    let (status, text) = reply(Method::POST, &cancel, Value::Null).await;
    assert!(status == 400 && text.starts_with("Cannot cancel"), "{status} {text}");

    let again = answer(Method::POST, &format!("{pipelines}/1"), Value::Null).await;
    // The parent's number on the whole server, not within its repository.
    assert_eq!((&again["number"], &again["parent"]), (&json!(2), &started["id"]));
}

#[tokio::test]
async fn a_pipeline_that_no_filter_matches_is_a_server_error_without_text() {
    let repository = repository(Some(&MANUAL.replace("[manual, cron]", "push"))).await;
    let pipelines = format!("{repository}/pipelines");
    // Version 3 answers 204 here.
    assert_eq!(reply(Method::POST, &pipelines, json!({"branch": "main"})).await, nothing(500));
    assert_eq!(answer(Method::GET, &pipelines, Value::Null).await, json!([]));
}

#[tokio::test]
async fn mistakes_in_the_pipeline_file_or_its_absence_are_a_success_whose_status_is_error() {
    for (pipeline, complaint) in
        [(Some("steps: [\n"), "failed to parse"), (None, "pipeline definition not found")]
    {
        let pipelines = format!("{}/pipelines", repository(pipeline).await);
        let started = answer(Method::POST, &pipelines, json!({"branch": "main"})).await;
        assert_eq!(started["status"], "error");
        assert!(started["error"].as_str().unwrap().starts_with(complaint), "{started}");
    }
}

#[tokio::test]
async fn an_unknown_branch_is_a_pending_pipeline_without_a_commit() {
    let pipelines = format!("{}/pipelines", repository(Some(MANUAL)).await);
    // Version 3 answers 500 here.
    let started = answer(Method::POST, &pipelines, json!({"branch": "absent"})).await;
    assert_eq!((&started["status"], &started["commit"]), (&json!("pending"), &json!("")));
}

#[tokio::test]
async fn what_does_not_exist_is_404_without_text_and_a_bad_token_401() {
    let repository = repository(Some(MANUAL)).await;
    let woodpecker = lab::woodpecker();
    let absent = format!("repos/lookup/{}/absent", woodpecker.owner());
    for path in [absent, format!("{repository}/pipelines/99"), format!("{repository}/cron/999999")] {
        assert_eq!(reply(Method::GET, &path, Value::Null).await, nothing(404), "{path}");
    }
    let pipelines = format!("{repository}/pipelines");
    for (method, path) in [(Method::POST, &*pipelines), (Method::GET, "user")] {
        let (status, text) = call(woodpecker, "wrong", method, path, json!({"branch": "main"})).await;
        assert_eq!(status, 401, "{path}: {text}");
    }
    let (status, list) = call(woodpecker, "wrong", Method::GET, &pipelines, Value::Null).await;
    assert_eq!((status.as_u16(), &*list), (200, "[]"), "the repository is public");
}

#[tokio::test]
async fn a_cron_is_created_listed_changed_run_and_deleted() {
    let repository = repository(Some(MANUAL)).await;
    let crons = format!("{repository}/cron");
    let created =
        answer(Method::POST, &crons, json!({"name": "nightly", "schedule": "@daily", "branch": "main"}))
            .await;
    let cron = format!("{crons}/{}", created["id"]);
    let listed = answer(Method::GET, &crons, Value::Null).await;
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]["name"]), (1, &json!("nightly")));

    let changed = answer(Method::PATCH, &cron, json!({"schedule": "@weekly"})).await;
    assert_eq!((&changed["schedule"], &changed["branch"]), (&json!("@weekly"), &json!("main")));
    let run = answer(Method::POST, &cron, Value::Null).await;
    assert_eq!((&run["event"], &run["status"]), (&json!("cron"), &json!("pending")));

    assert_eq!(reply(Method::DELETE, &cron, Value::Null).await, nothing(204));
    assert_eq!(reply(Method::GET, &cron, Value::Null).await, nothing(404));
    // An empty list of crons; that of pipelines is `[]`.
    assert_eq!(answer(Method::GET, &crons, Value::Null).await, Value::Null);
}

#[tokio::test]
async fn a_cron_with_a_mistake_is_refused_and_its_name_cannot_be_used_twice_or_in_place_of_its_number() {
    let crons = format!("{}/cron", repository(Some(MANUAL)).await);
    answer(Method::POST, &crons, json!({"name": "nightly", "schedule": "@daily"})).await;
    let refusals = [
        // Version 3 answers 409 here.
        (500, "UNIQUE constraint failed", json!({"name": "nightly", "schedule": "@daily"})),
        (422, "can't parse schedule", json!({"name": "other", "schedule": "sometimes"})),
        (422, "name is required", json!({"name": "", "schedule": "@daily"})),
        (400, "branch not resolved", json!({"name": "other", "schedule": "@daily", "branch": "absent"})),
    ];
    for (expected, complaint, body) in refusals {
        let (status, text) = reply(Method::POST, &crons, body).await;
        assert!(status == expected && text.contains(complaint), "{status} {text}");
    }
    let (status, text) = reply(Method::GET, &format!("{crons}/nightly"), Value::Null).await;
    assert!(status == 400 && text.starts_with("Error parsing cron id"), "{status} {text}");
}

#[tokio::test]
async fn five_fields_are_taken_for_six_without_the_last() {
    let crons = format!("{}/cron", repository(Some(MANUAL)).await);
    let next = async |name: &str, schedule: &str| {
        let created = answer(Method::POST, &crons, json!({"name": name, "schedule": schedule})).await;
        created["next_exec"].as_i64().unwrap()
    };
    // Seconds come first: three minutes past every hour, and not three o'clock. Version 3 reads five fields.
    assert_eq!(next("five", "0 3 * * *").await % 3600, 180);
    assert_eq!(next("six", "0 0 3 * * *").await % 86_400, 3 * 3600);
}
