//! `action: schedule` makes the cron on a CI server what the settings say, for every plugin, as often as it is run and wherever it was cut.

use lab::plugin::{self, Ended};
use lab::standin::drone::{self, Cron, Drone};
use lab::standin::woodpecker::{self, Woodpecker};
use lab::{figures, folder};

fn run(name: &str, server: &[(&str, &str)], more: &[(&str, &str)]) -> Ended {
    let workspace = folder::temporary("schedule").unwrap();
    let base = [("action", "schedule"), ("schedule_name", "weekly"), ("schedule_repository", "erp/images")];
    // Later ones replace earlier ones.
    let settings = [&base[..], server, more].concat();
    let ended = plugin::run(name, &workspace, &settings).unwrap();
    assert!(!ended.log.contains("panicked") && !ended.log.contains(drone::TOKEN), "{}", ended.log);
    assert!(!workspace.join(".esteira").exists(), "the plugin's own outputs are left alone");
    ended
}

fn on_drone(drone: &Drone, more: &[(&str, &str)]) -> Ended {
    run("plugin-rpo", &[("ci_server", "drone"), ("ci_url", drone.url()), ("ci_token", drone::TOKEN)], more)
}

fn on_woodpecker(woodpecker: &Woodpecker, more: &[(&str, &str)]) -> Ended {
    let server = [("ci_server", "woodpecker"), ("ci_url", woodpecker.url()), ("ci_token", woodpecker::TOKEN)];
    run("plugin-rpo", &server, more)
}

fn says(ended: &Ended, code: i32, texts: &[&str]) {
    assert_eq!(ended.code, code, "{}", ended.log);
    for text in texts {
        assert!(ended.log.contains(text), "`{text}` is not said:\n{}", ended.log);
    }
}

fn cron(expression: &str, branch: &str) -> Cron {
    Cron { name: "weekly".into(), expression: expression.into(), branch: branch.into(), is_disabled: false }
}

/// Methods of what was not just reading.
fn writes(drone: &Drone) -> Vec<String> {
    let requests = drone.requests().into_iter().map(|request| request.method);
    requests.filter(|method| method != "GET").collect()
}

const WEEKLY: (&str, &str) = ("schedule", "0 0 10 * * 4");

#[test]
fn drone_gets_a_cron_once() {
    let drone = Drone::start().unwrap();
    let dry = on_drone(&drone, &[WEEKLY, ("dry_run", "true")]);
    says(&dry, 0, &["create the schedule `weekly` of `erp/images`", "next: Thu "]);
    assert!(writes(&drone).is_empty());
    says(&on_drone(&drone, &[WEEKLY]), 0, &["was created"]);
    says(&on_drone(&drone, &[WEEKLY]), 0, &["is as it should be"]);
    assert_eq!(writes(&drone), ["POST"]);
    assert_eq!(drone.with(|state| state.crons.clone()), [cron("0 0 10 * * 4", "develop")]);
}

#[test]
fn an_expression_of_drone_is_replaced_and_the_rest_is_changed() {
    let drone = Drone::start().unwrap();
    drone.with(|state| state.crons = vec![Cron { is_disabled: true, ..cron("0 0 10 * * 4", "main") }]);
    says(&on_drone(&drone, &[WEEKLY]), 0, &["was changed"]);
    assert_eq!(writes(&drone), ["PATCH"]);
    says(
        &on_drone(&drone, &[("schedule", "0 30 9 * * 6"), ("schedule_branch", "main")]),
        0,
        &["was changed"],
    );
    assert_eq!(writes(&drone), ["PATCH", "DELETE", "POST"]);
    assert_eq!(drone.with(|state| state.crons.clone()), [cron("0 30 9 * * 6", "main")]);
    // As a run that died between the two leaves it.
    drone.with(|state| state.crons.clear());
    says(&on_drone(&drone, &[WEEKLY]), 0, &["was created"]);
}

#[test]
fn an_expression_that_drone_refuses_leaves_the_old_one() {
    let drone = Drone::start().unwrap();
    drone.with(|state| {
        state.crons = vec![cron("0 0 9 * * 4", "develop")];
        state.refuses_cron = true;
    });
    says(&on_drone(&drone, &[WEEKLY]), 1, &["Invalid Cronjob Expression", "`0 0 9 * * 4` again, as before"]);
    assert_eq!(drone.with(|state| state.crons.clone()), [cron("0 0 9 * * 4", "develop")]);
}

#[test]
fn what_cannot_be_meant_is_refused_before_anything_is_asked() {
    let drone = Drone::start().unwrap();
    says(
        &on_drone(&drone, &[("schedule", "* 0 10 * * 4")]),
        2,
        &["the first field of six", "`0 0 10 * * 4` may be meant"],
    );
    says(&on_drone(&drone, &[("schedule", "0 10 * * 4")]), 2, &["`0 0 10 * * 4` may be meant"]);
    says(
        &on_drone(&drone, &[WEEKLY, ("schedle_branch", "x")]),
        2,
        &["did you mean `PLUGIN_SCHEDULE_BRANCH`"],
    );
    says(&on_drone(&drone, &[]), 2, &["PLUGIN_SCHEDULE: required"]);
    assert!(drone.requests().is_empty());
    drone.with(|state| state.is_open_source = true);
    says(&on_drone(&drone, &[WEEKLY]), 1, &["open-source build, which has neither cron nor promotion"]);
    drone.with(|state| state.no_right = true);
    says(&on_drone(&drone, &[WEEKLY]), 1, &["not found, or the token may not write there"]);
    assert!(writes(&drone).is_empty());
    figures::note("schedule", "unusable expressions and servers refused before a write", 6).unwrap();
}

#[test]
fn woodpecker_gets_a_cron_that_is_switched_on() {
    let woodpecker = Woodpecker::start().unwrap();
    let weekly = ("schedule", "0 10 * * 4");
    // More than one page of others.
    woodpecker.with(|state| {
        let others = (1..=60)
            .map(|id| serde_json::json!({ "id": id, "name": format!("other-{id}"), "schedule": "@daily" }));
        state.crons = others.collect();
    });
    let zone = ("schedule_timezone", "America/Sao_Paulo");
    says(&on_woodpecker(&woodpecker, &[weekly, zone]), 0, &["was created"]);
    says(&on_woodpecker(&woodpecker, &[weekly, zone]), 0, &["is as it should be"]);
    says(&on_woodpecker(&woodpecker, &[weekly]), 0, &["was changed"]);
    let cron = woodpecker.with(|state| state.crons.pop()).unwrap();
    let wanted = serde_json::json!({ "name": "weekly", "schedule": "0 10 * * 4", "branch": "develop", "timezone": "UTC", "enabled": true, "id": 61 });
    assert_eq!(cron, wanted);
    says(&on_woodpecker(&woodpecker, &[WEEKLY]), 1, &["expects five fields", "`0 10 * * 4`"]);
    // Before version 3 its crons were like Drone's: five fields would be read from the second on.
    woodpecker.with(|state| state.version = "2.8.3");
    says(&on_woodpecker(&woodpecker, &[weekly]), 1, &["the minute would be read as the second"]);
    let methods: Vec<String> = woodpecker.requests().into_iter().map(|request| request.method).collect();
    assert_eq!(methods.iter().filter(|method| *method != "GET").collect::<Vec<_>>(), ["POST", "PATCH"]);
}

#[test]
fn jenkins_gets_its_block_printed() {
    let server = [("ci_server", "jenkins")];
    let more = [("schedule", "H 10 * * 4"), ("schedule_timezone", "America/Sao_Paulo")];
    let ended = run("plugin-rpo", &server, &more);
    says(&ended, 0, &["triggers {\n    cron('TZ=America/Sao_Paulo\\nH 10 * * 4')\n}"]);
}

#[test]
fn every_plugin_keeps_a_schedule_without_its_other_settings() {
    let plugins = plugin::all().unwrap();
    for name in &plugins {
        let drone = Drone::start().unwrap();
        let server = [("ci_server", "drone"), ("ci_url", drone.url()), ("ci_token", drone::TOKEN)];
        says(&run(name, &server, &[WEEKLY]), 0, &["was created"]);
        says(&run(name, &server, &[WEEKLY]), 0, &["is as it should be"]);
        assert_eq!(writes(&drone), ["POST"], "{name}");
    }
    figures::note(
        "schedule",
        "plugins that keep a schedule, a second run changing nothing",
        plugins.len() as u64,
    )
    .unwrap();
}
