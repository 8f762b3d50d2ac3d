//! The uptime service keeps to what is documented of UptimeRobot's second API.

use std::time::Duration;

use lab::standin::uptime::Uptime;
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

async fn post(uptime: &Uptime, method: &str, body: &Value) -> Response {
    let client = lab::http::client().unwrap();
    client.post(format!("{}/v2/{method}", uptime.url())).json(body).send().await.unwrap()
}

async fn ask(uptime: &Uptime, method: &str, body: &Value) -> Value {
    let response = post(uptime, method, body).await;
    assert_eq!(response.status(), StatusCode::OK);
    response.json().await.unwrap()
}

fn names(reply: &Value) -> Vec<&str> {
    let monitors = reply["monitors"].as_array().unwrap();
    monitors.iter().map(|monitor| monitor["friendly_name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn pages_monitors_fifty_at_a_time() {
    let uptime = Uptime::start(None).unwrap();
    for number in 0..60 {
        uptime.add_monitor(&format!("acme{number} - Protheus")).unwrap();
    }
    let page = ask(&uptime, "getMonitors", &json!({ "api_key": uptime.key(), "limit": 100 })).await;
    assert_eq!(page["pagination"], json!({ "offset": 0, "limit": 50, "total": 60 }));
    assert_eq!(names(&page).len(), 50);
    let page = ask(&uptime, "getMonitors", &json!({ "api_key": uptime.key(), "offset": 50 })).await;
    assert_eq!(names(&page).len(), 10);
    let page = ask(&uptime, "getMonitors", &json!({ "api_key": uptime.key(), "search": "ACME7 " })).await;
    assert_eq!(names(&page), ["acme7 - Protheus"]);
}

#[tokio::test]
async fn pauses_and_resumes_by_form_or_json_and_keeps_the_history() {
    let uptime = Uptime::start(None).unwrap();
    let id = uptime.add_monitor("acme - Protheus").unwrap();
    uptime.add_monitor("globex - Protheus").unwrap();
    let edit = json!({ "api_key": uptime.key(), "id": id, "status": 0 });
    assert_eq!(ask(&uptime, "editMonitor", &edit).await, json!({ "stat": "ok", "monitor": { "id": id } }));
    let status = || uptime.monitors().iter().map(|monitor| monitor.status).collect::<Vec<_>>();
    assert_eq!(status(), [0, 2]);

    let client = lab::http::client().unwrap();
    let form = [("api_key", uptime.key()), ("id", &id.to_string()), ("status", "1")];
    client.post(format!("{}/v2/editMonitor", uptime.url())).form(&form).send().await.unwrap();
    assert_eq!(status(), [1, 2]);
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(status(), [2, 2]);

    let history: Vec<_> = uptime.history().into_iter().map(|one| (one.name, one.status)).collect();
    assert_eq!(history, [("acme - Protheus".to_owned(), 0), ("acme - Protheus".to_owned(), 1)]);
    assert!(uptime.requests()[1].body.contains(&format!("id={id}&status=1")));
}

#[tokio::test]
async fn answers_logical_errors_with_200_and_fail() {
    let uptime = Uptime::start(None).unwrap();
    let id = uptime.add_monitor("acme - Protheus").unwrap();
    let (key, limited) = (uptime.key(), uptime.monitor_key(id));
    let cases = [
        ("getMonitors", json!({ "api_key": "nonsense" }), "invalid_parameter"),
        ("editMonitor", json!({ "api_key": key, "id": 1, "status": 0 }), "not_found"),
        ("editMonitor", json!({ "api_key": key, "id": id, "status": 7 }), "invalid_parameter"),
        (
            "editMonitor",
            json!({ "api_key": uptime.read_only_key(), "id": id, "status": 0 }),
            "not_authorized",
        ),
        ("editMonitor", json!({ "api_key": limited, "id": id, "status": 0 }), "not_authorized"),
    ];
    for (method, body, kind) in cases {
        let reply = ask(&uptime, method, &body).await;
        assert_eq!((&reply["stat"], &reply["error"]["type"]), (&json!("fail"), &json!(kind)));
    }
    assert!(uptime.history().is_empty());
    uptime.add_monitor("globex - Protheus").unwrap();
    let reply = ask(&uptime, "getMonitors", &json!({ "api_key": limited })).await;
    assert_eq!(names(&reply), ["acme - Protheus"]);
    let reply = ask(&uptime, "getMonitors", &json!({ "api_key": key, "monitors": format!("{id}-1") })).await;
    assert_eq!(names(&reply), ["acme - Protheus"]);
}

#[tokio::test]
async fn limits_requests_when_told_to() {
    let uptime = Uptime::start(None).unwrap();
    uptime.limit(2, Duration::from_secs(1));
    let body = json!({ "api_key": uptime.key() });
    for remaining in ["1", "0"] {
        let response = post(&uptime, "getMonitors", &body).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["x-ratelimit-remaining"], remaining);
    }
    let response = post(&uptime, "getMonitors", &body).await;
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(response.headers()["retry-after"], "1");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(post(&uptime, "getMonitors", &body).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn finds_its_monitors_again_after_a_restart() {
    let file = lab::folder::temporary("uptime").unwrap().join("monitors.json");
    let uptime = Uptime::start(Some(&file)).unwrap();
    let id = uptime.add_monitor("acme - Protheus").unwrap();
    uptime.set_status(id, 0).unwrap();
    let before = uptime.monitors();
    drop(uptime);
    assert_eq!(Uptime::start(Some(&file)).unwrap().monitors(), before);
}
