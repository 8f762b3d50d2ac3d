//! Triggers and schedules against the real Drone 1.10.1 (open-source edition) and Woodpecker 1.0.5. Neither has an agent, so builds stay pending.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use lab::plugin::{self, Ended};
use lab::{figures, folder};
use serde_json::Value;

const CUSTOM: &str = "kind: pipeline\nname: next\ntrigger: {event: [custom]}\nsteps: [{name: build, image: busybox, commands: ['true']}]\n";
const MANUAL: &str =
    "steps:\n  build:\n    image: busybox\n    commands: ['true']\nwhen:\n  event: [manual, cron]\n";

fn workspace() -> PathBuf {
    let workspace = folder::temporary("workspace").unwrap();
    let component = workspace.join("components/web");
    std::fs::create_dir_all(&component).unwrap();
    std::fs::create_dir(workspace.join("bucket")).unwrap();
    std::fs::write(component.join("VERSION"), "1.0\n").unwrap();
    workspace
}

fn settings(
    server: &str,
    url: &str,
    token: &str,
    target: &str,
    workspace: &std::path::Path,
) -> Vec<(&'static str, String)> {
    vec![
        ("bucket", format!("file://{}", workspace.join("bucket").display())),
        ("source", "components".to_owned()),
        ("ci_server", server.to_owned()),
        ("ci_url", url.to_owned()),
        ("ci_token", token.to_owned()),
        ("trigger", target.to_owned()),
        ("trigger_parameters", "{\"VERSIONS\": \"@package.versions\"}".to_owned()),
    ]
}

/// A repository on the Git server that Drone builds, with this pipeline file; `owner/name`.
async fn on_drone(pipeline: &str) -> String {
    let (gitea, drone) = (lab::gitea(), lab::drone());
    let name = gitea.repository_name("next");
    gitea.create_repository(&name, &[("VERSION", "1\n"), (".drone.yml", pipeline)], "main").await.unwrap();
    drone.activate(&name).await.unwrap();
    format!("{}/{name}", drone.owner())
}

async fn on_woodpecker() -> (String, u64) {
    let (gitea, woodpecker) = (lab::gitea(), lab::woodpecker());
    let name = gitea.repository_name("next");
    gitea.create_repository(&name, &[("VERSION", "1\n"), (".woodpecker.yml", MANUAL)], "main").await.unwrap();
    let id = woodpecker.activate(&name).await.unwrap();
    (format!("{}/{name}", woodpecker.owner()), id)
}

async fn get(url: String, token: &str) -> Value {
    let request = lab::http::client().unwrap().get(url).bearer_auth(token);
    lab::http::success(request).await.unwrap().json().await.unwrap()
}

fn says(ended: &Ended, code: i32, texts: &[&str]) {
    assert_eq!(ended.code, code, "{}", ended.log);
    for text in texts {
        assert!(ended.log.contains(text), "`{text}` is not said:\n{}", ended.log);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn drone_starts_what_is_asked_for() {
    let (drone, target) = (lab::drone(), on_drone(CUSTOM).await);
    let workspace = workspace();
    let wanted = settings("drone", drone.url(), drone.token(), &format!("{target}@main"), &workspace);
    let ended = plugin::run("plugin-package", &workspace, &wanted).unwrap();
    says(&ended, 0, &[&format!("{}/{target}/1", drone.url())]);
    let build = get(format!("{}/api/repos/{target}/builds/1", drone.url()), drone.token()).await;
    assert_eq!(build["params"]["VERSIONS"], "{\"web\":\"1.0\"}");
    assert_eq!((build["event"].as_str(), build["source"].as_str()), (Some("custom"), Some("main")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_somebody_cancels_is_waited_for_to_its_end() {
    let (drone, target) = (lab::drone(), on_drone(CUSTOM).await);
    let workspace = workspace();
    let mut wanted = settings("drone", drone.url(), drone.token(), &target, &workspace);
    wanted.push(("trigger_wait", "true".to_owned()));
    let child = plugin::start("plugin-package", &workspace, &wanted).unwrap();
    let builds = format!("{}/api/repos/{target}/builds", drone.url());
    let begun = Instant::now();
    while get(builds.clone(), drone.token()).await.as_array().is_none_or(Vec::is_empty) {
        assert!(begun.elapsed() < Duration::from_secs(60), "it was not started");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let cancel = lab::http::client().unwrap().delete(format!("{builds}/1")).bearer_auth(drone.token());
    lab::http::success(cancel).await.unwrap();
    says(&Ended::of(&child.wait_with_output().unwrap()), 1, &[&format!("{target}/1 ended as `killed`")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_drone_refuses_is_said_clearly() {
    let drone = lab::drone();
    let mut count = 0;
    let mut refused = |ended: &Ended, words: &str| {
        says(ended, 1, &[words]);
        count += 1;
    };
    let push = CUSTOM.replace("[custom]", "[push]");
    let cases =
        [(push.as_str(), "nothing was started"), ("kind: pipeline\nsteps: [\n", "could not begin: yaml: ")];
    for (pipeline, words) in cases {
        let workspace = workspace();
        let wanted = settings("drone", drone.url(), drone.token(), &on_drone(pipeline).await, &workspace);
        refused(&plugin::run("plugin-package", &workspace, &wanted).unwrap(), words);
    }
    let target = on_drone(CUSTOM).await;
    let stranger = drone.stranger().await.unwrap();
    for (token, target, words) in [
        (stranger.as_str(), target.clone(), "not found, or the token may not write there"),
        (drone.token(), format!("{target}@nowhere"), "not found, or the token may not write there"),
        ("not-a-token", target.clone(), "the server refused the token"),
    ] {
        let workspace = workspace();
        let wanted = settings("drone", drone.url(), token, &target, &workspace);
        refused(&plugin::run("plugin-package", &workspace, &wanted).unwrap(), words);
    }
    let schedule = [
        ("action", "schedule".to_owned()),
        ("ci_server", "drone".to_owned()),
        ("ci_url", drone.url().to_owned()),
        ("ci_token", drone.token().to_owned()),
        ("schedule", "0 0 10 * * 4".to_owned()),
        ("schedule_repository", target),
    ];
    refused(&plugin::run("plugin-rpo", &workspace(), &schedule).unwrap(), "open-source build");
    figures::note("trigger", "refusals of a real Drone server", count).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn woodpecker_starts_what_is_asked_for() {
    let woodpecker = lab::woodpecker();
    let (target, id) = on_woodpecker().await;
    let workspace = workspace();
    let wanted = settings("woodpecker", woodpecker.url(), woodpecker.token(), &target, &workspace);
    let ended = plugin::run("plugin-package", &workspace, &wanted).unwrap();
    says(&ended, 0, &[&format!("{}/repos/{id}/pipeline/1", woodpecker.url())]);
    let pipeline = get(format!("{}/api/repos/{id}/pipelines/1", woodpecker.url()), woodpecker.token()).await;
    assert_eq!((pipeline["event"].as_str(), pipeline["branch"].as_str()), (Some("manual"), Some("main")));
}

#[tokio::test(flavor = "multi_thread")]
async fn woodpecker_keeps_a_schedule_in_the_fields_of_its_version() {
    let woodpecker = lab::woodpecker();
    let (target, id) = on_woodpecker().await;
    let schedule = |expression: &str| {
        let settings = [
            ("action", "schedule".to_owned()),
            ("ci_server", "woodpecker".to_owned()),
            ("ci_url", woodpecker.url().to_owned()),
            ("ci_token", woodpecker.token().to_owned()),
            ("schedule", expression.to_owned()),
            ("schedule_name", "weekly".to_owned()),
            ("schedule_repository", target.clone()),
        ];
        plugin::run("plugin-rpo", &folder::temporary("schedule").unwrap(), &settings).unwrap()
    };
    let runs = [
        ("0 10 * * 4", 1, "the minute would be read as the second"),
        ("0 0 10 * * 4", 0, "was created"),
        ("0 0 10 * * 4", 0, "is as it should be"),
        ("0 0 9 * * 4", 0, "was changed"),
    ];
    for (expression, code, words) in runs {
        says(&schedule(expression), code, &[words]);
    }
    let crons = get(format!("{}/api/repos/{id}/cron", woodpecker.url()), woodpecker.token()).await;
    assert_eq!(crons.as_array().map(Vec::len), Some(1), "{crons}");
    assert_eq!(
        (crons[0]["schedule"].as_str(), crons[0]["branch"].as_str()),
        (Some("0 0 9 * * 4"), Some("main"))
    );
    figures::note("schedule", "runs against a real Woodpecker server", runs.len() as u64).unwrap();
}
