//! A webhook is told how every run ended, in its own form; it never changes how a run ends, and its address is never shown.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use lab::plugin::{self, Ended};
use lab::standin::webhook::Webhook;
use lab::{figures, folder, ports};
use serde_json::{Value, json};

const PATH: &str = "/services/T0/B1/very-secret-path?sig=very-secret-signature";

fn workspace() -> PathBuf {
    let workspace = folder::temporary("workspace").unwrap();
    let component = workspace.join("components/web");
    std::fs::create_dir_all(&component).unwrap();
    std::fs::write(component.join("VERSION"), "1.0\n").unwrap();
    workspace
}

/// Packs one component; without a bucket it cannot.
fn run(url: &str, format: &str, more: &[(&str, String)]) -> Ended {
    let workspace = workspace();
    let text = |name, value: &str| (name, value.to_owned());
    let base = [
        ("bucket", format!("file://{}", workspace.join("bucket").display())),
        text("source", "components"),
        ("notify_url", format!("{url}{PATH}")),
        text("notify_format", format),
    ];
    std::fs::create_dir(workspace.join("bucket")).unwrap();
    let settings = [&base[..], more].concat();
    let mut command = plugin::command("plugin-package", &workspace, &settings).unwrap();
    command.env("DRONE_BUILD_LINK", "https://drone.example.com/erp/package/12");
    let ended = Ended::of(&command.output().unwrap());
    assert!(!ended.log.contains("panicked") && !ended.log.contains("very-secret"), "{}", ended.log);
    ended
}

fn told(webhook: &Webhook) -> Value {
    let requests = webhook.requests();
    assert_eq!(requests.len(), 1, "{requests:?}");
    assert_eq!((requests[0].method.as_str(), requests[0].uri.as_str()), ("POST", PATH));
    serde_json::from_str(&requests[0].body).unwrap()
}

#[test]
fn a_run_that_ended_well_is_told() {
    let webhook = Webhook::start().unwrap();
    assert_eq!(run(webhook.url(), "json", &[]).code, 0);
    let body = told(&webhook);
    assert_eq!(body["plugin"], "plugin-package");
    assert_eq!((&body["ending"], &body["exit_code"]), (&json!("done"), &json!(0)));
    assert_eq!(body["summary"], "1 of 1 components were packed into the mirror");
    assert_eq!(body["link"], "https://drone.example.com/erp/package/12");
    assert_eq!((&body["error"], &body["hints"]), (&json!([]), &json!([])));
}

#[test]
fn a_failed_run_is_told_without_its_secrets() {
    let webhook = Webhook::start().unwrap();
    let bad = [
        ("components", "nowhere".to_owned()),
        ("access_key", "key".to_owned()),
        ("secret_key", "nowhere".to_owned()),
    ];
    let ended = run(webhook.url(), "json", &bad);
    assert_eq!(ended.code, 1, "{}", ended.log);
    let body = told(&webhook);
    assert_eq!((&body["ending"], &body["exit_code"]), (&json!("failed"), &json!(1)));
    assert!(body["error"].as_array().is_some_and(|error| !error.is_empty()), "{body}");
    let text = body.to_string();
    assert!(text.contains("[hidden]") && !text.contains("nowhere"), "the name is a secret here: {text}");
}

#[test]
fn settings_that_cannot_be_used_are_told_and_dry_runs_are_not() {
    let webhook = Webhook::start().unwrap();
    assert_eq!(run(webhook.url(), "json", &[("dry_run", "true".to_owned())]).code, 0);
    assert!(webhook.requests().is_empty());
    assert_eq!(run(webhook.url(), "json", &[("compression", "11".to_owned())]).code, 2);
    assert_eq!(told(&webhook)["exit_code"], 2);
}

#[test]
fn slack_and_teams_get_their_own_forms() {
    let slack = Webhook::start().unwrap();
    assert_eq!(run(slack.url(), "slack", &[]).code, 0);
    let body = told(&slack);
    assert_eq!(body["text"], "plugin-package: done: 1 of 1 components were packed into the mirror");
    assert_eq!(body["blocks"][0]["text"]["type"], "mrkdwn");
    assert_eq!(body["blocks"][1]["text"]["text"], "<https://drone.example.com/erp/package/12|the build>");

    let teams = Webhook::start().unwrap();
    teams.with(|state| state.status = 202);
    assert_eq!(run(teams.url(), "teams", &[]).code, 0);
    let body = told(&teams);
    assert_eq!(body["type"], "message");
    let attachment = &body["attachments"][0];
    assert_eq!(attachment["contentType"], "application/vnd.microsoft.card.adaptive");
    assert_eq!(attachment["content"]["body"][0]["text"], "plugin-package: done");
    assert_eq!(attachment["content"]["actions"][0]["url"], "https://drone.example.com/erp/package/12");
}

#[test]
fn a_webhook_that_cannot_be_told_changes_nothing() {
    let refusing = Webhook::start().unwrap();
    refusing.with(|state| state.status = 404);
    let silent = Webhook::start().unwrap();
    silent.with(|state| state.after = Duration::from_secs(40));
    let nobody = format!("http://127.0.0.1:{}", ports::free().unwrap());
    let cases = [
        (refusing.url(), "was answered with 404"),
        (nobody.as_str(), "no answer to POST the webhook"),
        (silent.url(), "did not answer within"),
    ];
    for (url, words) in cases {
        let begun = Instant::now();
        let ended = run(url, "json", &[]);
        assert_eq!(ended.code, 0, "{}", ended.log);
        assert!(
            ended.log.contains("warning: the webhook in `notify_url`") && ended.log.contains(words),
            "{}",
            ended.log
        );
        assert!(
            !ended.log.contains(url.trim_start_matches("http://")),
            "the address is not shown: {}",
            ended.log
        );
        assert!(begun.elapsed() < Duration::from_secs(35), "{:?}", begun.elapsed());
    }
    let what = "webhooks that refuse, are away or silent, without effect on the run";
    figures::note("notify", what, cases.len() as u64).unwrap();
}

#[test]
fn every_plugin_tells() {
    let plugins = plugin::all().unwrap();
    for name in &plugins {
        let webhook = Webhook::start().unwrap();
        let workspace = folder::temporary("notify").unwrap();
        let settings = [("notify_url", format!("{}{PATH}", webhook.url()))];
        let mut command = plugin::command(name, &workspace, &settings).unwrap();
        let ended = Ended::of(&command.output().unwrap());
        assert_eq!(ended.code, 2, "{}", ended.log);
        assert_eq!(told(&webhook)["plugin"], name.as_str());
    }
    figures::note("notify", "plugins that tell how they ended", plugins.len() as u64).unwrap();
}

#[test]
fn a_run_whose_report_cannot_be_written_is_told_as_failed() {
    let webhook = Webhook::start().unwrap();
    let ended = run(webhook.url(), "json", &[("report_dir", "components/web/VERSION".to_owned())]);
    assert_eq!(ended.code, 1, "{}", ended.log);
    assert_eq!(ended.log.lines().filter(|line| line.starts_with("error: ")).count(), 1, "{}", ended.log);
    let body = told(&webhook);
    assert_eq!((&body["ending"], &body["exit_code"]), (&json!("failed"), &json!(1)));
    assert!(body["summary"].as_str().unwrap().starts_with("cannot write the report"), "{body}");
}
