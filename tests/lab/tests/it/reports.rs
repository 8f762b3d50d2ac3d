//! Reading only a failed run's report tells what happened and what to do, in every form; JUnit is valid to Jenkins; the card reaches Drone; long work
//! says how far it is.

mod card;
mod counterpart;
mod extractor;
mod progress;

use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::http::{Method, StatusCode};
use lab::fixtures::{Patch, write_rpo};
use lab::plugin::{self, Ended};
use lab::standin::appserver;
use lab::{folder, ports, process, schema};
use serde_json::Value;

use crate::settings::{Case, cases};
use counterpart::Answer;

const FORMS: [&str; 4] = ["report.json", "report.md", "junit.xml", "report.html"];
const DENIED: &str =
    "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>";
const ABSENT: &str = "<?xml version=\"1.0\"?><Error><Code>NoSuchKey</Code><Message>absent</Message></Error>";
const NOTHING: &str = "nothing was changed before the failure";

type Settings = Vec<(&'static str, String)>;

/// A run with a report, and where that is.
fn run(plugin: &str, workspace: &Path, settings: &Settings) -> (Ended, PathBuf) {
    let reports = folder::temporary("reports").unwrap();
    let all: Vec<_> =
        settings.iter().cloned().chain([("report_dir", reports.display().to_string())]).collect();
    (plugin::run(plugin, workspace, &all).unwrap(), reports)
}

/// Every form tells each of these texts; the error of the log is the report's, and there is something to do. Gives the JUnit file.
pub(crate) fn tells(reports: &Path, log: &str, texts: &[&str]) -> PathBuf {
    let json: Value = serde_json::from_slice(&std::fs::read(reports.join("report.json")).unwrap()).unwrap();
    let error = json["error"][0].as_str().unwrap();
    assert!(log.contains(error.lines().next().unwrap()), "{error} is not in {log}");
    let advice = [&json["hints"], &json["report"]["next"]];
    let advice: Vec<&str> =
        advice.into_iter().filter_map(Value::as_array).flatten().filter_map(Value::as_str).collect();
    assert!(!advice.is_empty(), "nothing says what to do: {json:#}");
    let changed = json["changed_before"].as_str().unwrap();
    for form in FORMS {
        let text = std::fs::read_to_string(reports.join(form)).unwrap();
        let plain = plain(&text);
        for wanted in texts.iter().chain(&advice).chain(&[error.lines().next().unwrap(), changed]) {
            assert!(plain.contains(&words(wanted)), "`{wanted}` is not in {form}:\n{text}");
        }
    }
    reports.join("junit.xml")
}

/// What a reader of the form sees, without its markup and escapes.
fn plain(text: &str) -> String {
    let text = ["<code>", "</code>", "<strong>", "</strong>", "\\"]
        .iter()
        .fold(text.to_owned(), |text, mark| text.replace(mark, ""));
    let entities =
        [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&#10;", "\n"), ("&amp;", "&")];
    words(&entities.iter().fold(text, |text, (entity, c)| text.replace(entity, c)))
}

/// Letters and digits decide: each form has quotes and line breaks of its own.
fn words(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).collect()
}

fn with(case: &Case, changes: &[(&'static str, String)]) -> Settings {
    let mut settings = case.minimal.clone();
    settings.retain(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
    settings.extend(changes.iter().cloned());
    settings
}

/// The settings that lead a plugin to this address.
fn at(case: &Case, address: &str) -> Settings {
    let kubeconfig = || {
        let cluster = serde_json::json!({ "name": "c", "cluster": { "server": address } });
        let context = serde_json::json!({ "name": "x", "context": { "cluster": "c", "user": "u" } });
        let user = serde_json::json!({ "name": "u", "user": { "token": "a-token-of-nobody" } });
        serde_json::json!({ "clusters": [cluster], "users": [user], "contexts": [context], "current-context": "x" })
    };
    match case.plugin {
        "plugin-image-bump" => with(case, &[("git_server", address.to_owned())]),
        "plugin-rollout" => with(case, &[("kubeconfig", kubeconfig().to_string())]),
        _ => with(case, &[("endpoint", address.to_owned())]),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_runs_report_alone_tells_what_happened_and_what_to_do() {
    let workspace = folder::temporary("reports").unwrap();
    let refusing = counterpart::start(|_, _| Answer::Reply(StatusCode::FORBIDDEN, DENIED)).await;
    let mut valid = Vec::new();
    let cases = cases(&workspace, ports::free().unwrap());
    for case in &cases {
        let (bad, reports) = run(case.plugin, &workspace, &Vec::new());
        assert_eq!(bad.code, 2, "{}", bad.log);
        let texts = [case.required[0], "nothing was touched", "--help", NOTHING];
        valid.push(tells(&reports, &bad.log, &texts));

        let (unreachable, reports) = run(case.plugin, &workspace, &case.minimal);
        assert!([1, 75].contains(&unreachable.code), "{}", unreachable.log);
        valid.push(tells(&reports, &unreachable.log, &["127.0.0.1", NOTHING]));

        let (refused, reports) = run(case.plugin, &workspace, &at(case, &refusing));
        assert_eq!(refused.code, 1, "{}", refused.log);
        valid.push(tells(&reports, &refused.log, &["tried and failed, or refused", NOTHING]));
    }
    schema::check_junit(&valid).unwrap();
    note("failed runs whose report alone tells what happened and what to do", valid.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_told_to_stop_says_so_and_one_that_is_killed_leaves_no_old_report() {
    let workspace = folder::temporary("reports").unwrap();
    let hanging = counterpart::start(|_, _| Answer::Hang).await;
    let mut valid = Vec::new();
    for case in &cases(&workspace, 1) {
        for signal in ["TERM", "KILL"] {
            let reports = folder::temporary("reports").unwrap();
            std::fs::write(reports.join("junit.xml"), "of an earlier run").unwrap();
            let mut settings = at(case, &hanging);
            settings.push(("report_dir", reports.display().to_string()));
            let mut child = plugin::start(case.plugin, &workspace, &settings).unwrap();
            // It says its name when it is about to begin, with its ears open a moment later.
            tokio::time::sleep(Duration::from_secs(2)).await;
            match signal {
                "TERM" => process::terminate(child.id()).unwrap(),
                _ => child.kill().unwrap(),
            }
            let ended = Ended::of(&child.wait_with_output().unwrap());
            if signal == "KILL" {
                assert!(!reports.join("junit.xml").exists(), "{}: {}", case.plugin, ended.log);
                continue;
            }
            assert_eq!(ended.code, 75, "{}: {}", case.plugin, ended.log);
            valid.push(tells(&reports, &ended.log, &["told to stop", "a rerun", NOTHING]));
        }
    }
    schema::check_junit(&valid).unwrap();
    note("runs told to stop whose report says so", valid.len());
}

#[test]
fn an_rpo_run_that_fails_half_way_tells_what_it_had_published() {
    let (bucket, workspace) = (folder::temporary("bucket").unwrap(), folder::temporary("workspace").unwrap());
    let server = folder::temporary("appserver").unwrap();
    appserver::install(&server).unwrap();
    for (folder, seed) in [("base", 1), ("base_mi", 2)] {
        std::fs::create_dir_all(bucket.join(folder)).unwrap();
        write_rpo(&bucket.join(folder).join("tttm120.rpo"), seed, 100_000).unwrap();
    }
    std::fs::create_dir_all(bucket.join("applypatch")).unwrap();
    for name in ["1-a_portuguese.ptm", "22-b_spanish.ptm", "333-c_spanish.ptm"] {
        let patch = Patch::new(name.len() as u64).payload(5000);
        patch.write(&bucket.join("applypatch").join(name)).unwrap();
    }
    let ini = server.join("appserver.ini");
    let text = std::fs::read_to_string(&ini).unwrap();
    let settings = |fault: &str| -> Settings {
        std::fs::write(&ini, format!("{text}\n[ESTEIRA]\nFault={fault}\n")).unwrap();
        let text = |name, value: &str| (name, value.to_owned());
        vec![
            ("bucket", format!("file://{}", bucket.display())),
            ("appserver", server.display().to_string()),
            text("release", "12.1.2410"),
            text("rpo_source", "base"),
            text("rpo_source_mi", "base_mi"),
            text("gera_mi", "true"),
        ]
    };
    let (failed, reports) = run("plugin-rpo", &workspace, &settings("fail:2"));
    assert_eq!(failed.code, 1, "{}", failed.log);
    let texts =
        ["1 of 2 RPOs were published before the failure", "did not apply `applypatch/333-c_spanish.ptm`"];
    let half_way = tells(&reports, &failed.log, &texts);

    let (done, reports) = run("plugin-rpo", &workspace, &settings("none"));
    assert_eq!(done.code, 0, "{}", done.log);
    schema::check_junit(&[half_way, reports.join("junit.xml")]).unwrap();
}

#[test]
fn a_packing_that_fails_half_way_tells_what_it_had_packed() {
    let (bucket, workspace) = (folder::temporary("bucket").unwrap(), folder::temporary("workspace").unwrap());
    for name in ["alpha", "beta", "gamma"] {
        std::fs::create_dir_all(workspace.join("components").join(name)).unwrap();
        std::fs::write(workspace.join("components").join(name).join("VERSION"), "1.0\n").unwrap();
    }
    let settings: Settings = vec![
        ("bucket", format!("file://{}", bucket.display())),
        ("source", "components".to_owned()),
        ("mirror", "mirror".to_owned()),
    ];
    let claim = bucket.join("mirror/beta/1.0/beta.tar.gz.manifest.json");
    std::fs::create_dir_all(claim.parent().unwrap()).unwrap();
    std::fs::write(&claim, r#"{"state": "uploading", "run": "another", "since": "2100-01-01T00:00:00Z"}"#)
        .unwrap();
    let (failed, reports) = run("plugin-package", &workspace, &settings);
    assert_eq!(failed.code, 75, "{}", failed.log);
    let texts = ["1 of 3 components were packed before the failure", "`another` is packing", "not begun"];
    let half_way = tells(&reports, &failed.log, &texts);
    assert!(failed.log.contains("\n! beta "), "the failed row is marked: {}", failed.log);

    std::fs::remove_file(claim).unwrap();
    let mut valid = vec![half_way];
    for extra in [("dry_run", "true"), ("log_format", "json"), ("log_level", "info")] {
        let settings = [settings.clone(), vec![(extra.0, extra.1.to_owned())]].concat();
        let (done, reports) = run("plugin-package", &workspace, &settings);
        assert_eq!(done.code, 0, "{}", done.log);
        if extra.0 == "log_format" {
            let last: Value = serde_json::from_str(done.log.lines().last().unwrap()).unwrap();
            let whole: Value = serde_json::from_str(last["report"].as_str().unwrap()).unwrap();
            assert_eq!(whole["report"]["summary"], last["message"]);
        }
        valid.push(reports.join("junit.xml"));
    }
    schema::check_junit(&valid).unwrap();
    note("reports of dry, done and unchanged runs valid to Jenkins", valid.len() - 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publication_that_fails_half_way_tells_that_the_chart_is_there() {
    let workspace = folder::temporary("reports").unwrap();
    let cases = cases(&workspace, 1);
    let case = cases.iter().find(|case| case.plugin == "plugin-chart-publish").unwrap();
    let store = counterpart::start(|method, path| match (method, path.contains("index.yaml")) {
        // It honours conditions: the object by which that is tried is always there already.
        (&Method::PUT, _) if path.ends_with("conditional-writes") => {
            Answer::Reply(StatusCode::PRECONDITION_FAILED, "")
        }
        (&Method::PUT, true) => Answer::Reply(StatusCode::FORBIDDEN, DENIED),
        (&Method::PUT, false) => Answer::Reply(StatusCode::OK, ""),
        _ => Answer::Reply(StatusCode::NOT_FOUND, ABSENT),
    })
    .await;
    let (failed, reports) = run(case.plugin, &workspace, &at(case, &store));
    assert_eq!(failed.code, 1, "{}", failed.log);
    let texts = ["the chart was uploaded before the failure, but is not listed in the index", "index.yaml"];
    schema::check_junit(&[tells(&reports, &failed.log, &texts)]).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publication_that_fails_at_its_first_write_shows_nothing_as_published() {
    let workspace = folder::temporary("reports").unwrap();
    let cases = cases(&workspace, 1);
    let case = cases.iter().find(|case| case.plugin == "plugin-chart-publish").unwrap();
    let store = counterpart::start(|method, _| match *method {
        Method::PUT => Answer::Reply(StatusCode::FORBIDDEN, DENIED),
        _ => Answer::Reply(StatusCode::NOT_FOUND, ABSENT),
    })
    .await;
    let (failed, reports) = run(case.plugin, &workspace, &at(case, &store));
    assert_eq!(failed.code, 1, "{}", failed.log);
    schema::check_junit(&[tells(&reports, &failed.log, &[NOTHING])]).unwrap();
    for said in ["sha256", "address"] {
        assert!(!failed.log.contains(said), "{said} is shown: {}", failed.log);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bump_that_fails_half_way_tells_that_the_branch_was_moved() {
    let gitea = lab::gitea();
    let repository = gitea.repository_name("reports");
    gitea
        .create_repository(&repository, &[("component-versions.mk", "RPO_VERSION ?= 0\n")], "develop")
        .await
        .unwrap();
    let url = gitea.url().trim_end_matches('/').to_owned();
    let between = counterpart::start(move |method, path| match (method, path.ends_with("/pulls")) {
        (&Method::POST, true) => Answer::Reply(StatusCode::FORBIDDEN, "no pull requests today"),
        _ => Answer::Of(url.clone()),
    })
    .await;
    let workspace = folder::temporary("reports").unwrap();
    let settings: Settings = vec![
        ("git_server", between),
        ("git_token", gitea.token().to_owned()),
        ("repository", format!("{}/{repository}", gitea.owner())),
        ("components", r#"{"rpo": "1"}"#.to_owned()),
    ];
    let (failed, reports) = run("plugin-image-bump", &workspace, &settings);
    assert_eq!(failed.code, 1, "{}", failed.log);
    let texts = [
        "cannot open a pull request from",
        "was moved before the failure",
        "the next run goes on with the pull request",
        "the server refused the token",
    ];
    let junit = tells(&reports, &failed.log, &texts);
    for form in FORMS {
        assert!(!std::fs::read_to_string(reports.join(form)).unwrap().contains(gitea.token()), "{form}");
    }
    schema::check_junit(&[junit]).unwrap();
}

#[test]
fn the_validator_refuses_what_jenkins_would() {
    let folder = folder::temporary("junit").unwrap();
    let file = folder.join("junit.xml");
    let check = |text: &str| {
        std::fs::write(&file, text).unwrap();
        schema::check_junit(std::slice::from_ref(&file))
    };
    let good =
        "<testsuite name=\"a\" tests=\"1\" failures=\"0\" errors=\"0\"><testcase name=\"b\"/></testsuite>";
    check(good).unwrap();
    for bad in
        [good.replace(" name=\"b\"", ""), good.replace("tests=", "count="), good.replace("</testsuite>", "")]
    {
        assert!(check(&bad).is_err(), "{bad}");
    }
}

fn note(what: &str, count: usize) {
    lab::figures::note("reports", what, count as u64).unwrap();
}
