//! Drone 1.10.1, open-source edition: what its API answers, also where that is odd.

use lab::Drone;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

const CUSTOM: &str = "kind: pipeline\nname: release\ntrigger: {event: [custom], branch: [main]}\n\
                      steps: [{name: build, image: busybox, commands: ['true']}]\n";

/// A repository that the server builds, with this pipeline file; returns its path in the API.
async fn repository(pipeline: Option<&str>) -> String {
    let (gitea, drone) = (lab::gitea(), lab::drone());
    let name = gitea.repository_name("built");
    let mut files = vec![("VERSION", "1\n")];
    files.extend(pipeline.map(|text| (".drone.yml", text)));
    gitea.create_repository(&name, &files, "main").await.unwrap();
    drone.activate(&name).await.unwrap();
    format!("repos/{}/{name}", drone.owner())
}

async fn call(drone: &Drone, token: &str, method: Method, path: &str) -> (StatusCode, Value) {
    let url = format!("{}/api/{path}", drone.url());
    let body = json!({"name": "nightly", "expr": "0 0 3 * * *", "branch": "main"});
    let request = lab::http::client().unwrap().request(method, url).bearer_auth(token).json(&body);
    let reply = request.send().await.unwrap();
    let status = reply.status();
    let text = reply.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

/// The reply to a call that is expected to succeed.
async fn answer(method: Method, path: &str) -> Value {
    let drone = lab::drone();
    let (status, body) = call(drone, drone.token(), method, path).await;
    assert_eq!(status, 200, "{path}: {body}");
    body
}

/// Status and message of a refusal.
async fn refusal(token: &str, method: Method, path: &str) -> (u16, String) {
    let (status, body) = call(lab::drone(), token, method, path).await;
    (status.as_u16(), body["message"].as_str().unwrap_or_else(|| panic!("{path}: {body}")).to_owned())
}

#[tokio::test]
async fn a_started_build_waits_is_read_and_ends_when_cancelled() {
    let repository = repository(Some(CUSTOM)).await;
    let started = answer(
        Method::POST,
        &format!("{repository}/builds?branch=main&RELEASE=1.2.3&RELEASE=9&access_token=x"),
    )
    .await;
    assert_eq!(started["number"], 1);
    assert_eq!((&started["status"], &started["event"]), (&json!("pending"), &json!("custom")));
    assert_eq!(started["ref"], "refs/heads/main");
    assert_eq!(started["params"], json!({"RELEASE": "1.2.3"}), "the first value of a name, and no token");

    let read = answer(Method::GET, &format!("{repository}/builds/1")).await;
    assert_eq!(read["status"], "pending");
    let stage = &read["stages"][0];
    assert_eq!((&stage["name"], &stage["status"]), (&json!("release"), &json!("pending")));
    assert_eq!(stage.get("steps"), None, "steps come with the runner");
    assert_eq!(answer(Method::GET, &format!("{repository}/builds/latest?branch=main")).await["number"], 1);

    for _ in 0..2 {
        let ended = answer(Method::DELETE, &format!("{repository}/builds/1")).await;
        assert_eq!((&ended["status"], &ended["stages"][0]["status"]), (&json!("killed"), &json!("skipped")));
    }
    let read = answer(Method::GET, &format!("{repository}/builds/1")).await;
    assert_eq!(read["status"], "killed");
    assert!(read["finished"].as_i64().unwrap() > 0, "{read}");
}

#[tokio::test]
async fn a_build_that_no_trigger_matches_is_null_with_success() {
    let pipeline = CUSTOM.replace("[custom]", "[push]");
    let repository = repository(Some(&pipeline)).await;
    assert_eq!(answer(Method::POST, &format!("{repository}/builds")).await, Value::Null);
    assert_eq!(answer(Method::GET, &format!("{repository}/builds")).await, json!([]));
}

#[tokio::test]
async fn a_pipeline_file_with_a_mistake_is_a_success_whose_status_is_error() {
    let repository = repository(Some("kind: pipeline\nsteps: [\n")).await;
    let build = answer(Method::POST, &format!("{repository}/builds")).await;
    assert_eq!(build["status"], "error");
    assert!(build["error"].as_str().unwrap().starts_with("yaml: "), "{build}");
}

#[tokio::test]
async fn a_restart_keeps_the_old_parameters_and_takes_only_new_names() {
    let repository = repository(Some(CUSTOM)).await;
    answer(Method::POST, &format!("{repository}/builds?RELEASE=1")).await;
    let again = answer(Method::POST, &format!("{repository}/builds/1?RELEASE=2&CHANNEL=beta")).await;
    assert_eq!(again["number"], 2);
    assert_eq!(again["params"], json!({"RELEASE": "1", "CHANNEL": "beta"}));
}

#[tokio::test]
async fn the_open_source_edition_has_neither_crons_nor_promotions() {
    let repository = repository(Some(CUSTOM)).await;
    answer(Method::POST, &format!("{repository}/builds")).await;
    let calls = [
        (Method::POST, "cron"),
        (Method::GET, "cron"),
        (Method::GET, "cron/nightly"),
        (Method::POST, "cron/nightly"),
        (Method::PATCH, "cron/nightly"),
        (Method::DELETE, "cron/nightly"),
        (Method::POST, "builds/1/promote?target=production"),
    ];
    for (method, path) in calls {
        let refused = refusal(lab::drone().token(), method, &format!("{repository}/{path}")).await;
        assert_eq!(refused, (501, "Not Implemented".into()), "{path}");
    }
}

#[tokio::test]
async fn what_does_not_exist_and_what_is_not_allowed_look_alike() {
    let repository = repository(Some(CUSTOM)).await;
    let (token, stranger) = (lab::drone().token(), lab::drone().stranger().await.unwrap());
    let builds = format!("{repository}/builds");
    let (not_found, no_rows) =
        ((404, "Not Found".to_owned()), (404, "sql: no rows in result set".to_owned()));

    assert_eq!(refusal(token, Method::POST, &format!("{builds}?branch=absent")).await, not_found);
    assert_eq!(refusal(token, Method::POST, &format!("{builds}?commit=deadbeef")).await, not_found);
    assert_eq!(refusal(token, Method::POST, &format!("{repository}-absent/builds")).await, not_found);
    assert_eq!(refusal(&stranger, Method::POST, &builds).await, not_found);
    assert_eq!(refusal(token, Method::GET, &format!("{builds}/99")).await, no_rows);
    assert_eq!(refusal(token, Method::GET, &format!("{builds}/latest?branch=absent")).await, no_rows);
    // A slash too many, as of a server's address that ends in one, is refused by the router, in plain text.
    let (status, body) = call(lab::drone(), token, Method::POST, &format!("/{builds}")).await;
    assert_eq!((status.as_u16(), body), (404, json!("404 page not found\n")));
}

#[tokio::test]
async fn a_bad_token_is_refused_for_writes_and_is_a_guest_for_reads() {
    let repository = repository(Some(CUSTOM)).await;
    answer(Method::POST, &format!("{repository}/builds")).await;
    let unauthorized = (401, "Unauthorized".to_owned());
    assert_eq!(refusal("wrong", Method::POST, &format!("{repository}/builds")).await, unauthorized);
    assert_eq!(refusal("wrong", Method::GET, "user").await, unauthorized);
    let (status, build) = call(lab::drone(), "wrong", Method::GET, &format!("{repository}/builds/1")).await;
    assert_eq!((status.as_u16(), &build["number"]), (200, &json!(1)), "the repository is public");
}

#[tokio::test]
async fn a_repository_without_a_pipeline_file_is_a_server_error() {
    let repository = repository(None).await;
    let refused = refusal(lab::drone().token(), Method::POST, &format!("{repository}/builds")).await;
    assert_eq!(refused, (500, "Not Found".into()));
}
