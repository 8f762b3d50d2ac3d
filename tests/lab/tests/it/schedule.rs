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

/// One that was off before stays off.
#[test]
fn an_expression_that_drone_refuses_leaves_the_old_one() {
    for is_disabled in [false, true] {
        let drone = Drone::start().unwrap();
        let old = Cron { is_disabled, ..cron("0 0 9 * * 4", "develop") };
        drone.with(|state| (state.crons, state.refused_crons) = (vec![old.clone()], 1));
        says(
            &on_drone(&drone, &[WEEKLY]),
            1,
            &["Invalid Cronjob Expression", "`0 0 9 * * 4` again, as before"],
        );
        assert_eq!(drone.with(|state| state.crons.clone()), [old]);
    }
}

#[test]
fn the_report_says_that_a_schedule_is_gone_and_how_it_was() {
    let drone = Drone::start().unwrap();
    drone.with(|state| (state.crons, state.refused_crons) = (vec![cron("0 0 9 * * 4", "main")], 2));
    let reports = folder::temporary("report").unwrap();
    says(&on_drone(&drone, &[WEEKLY, ("report_dir", reports.to_str().unwrap())]), 1, &["is gone"]);
    let report = std::fs::read_to_string(reports.join("report.json")).unwrap();
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    let changed = report["changed_before"].as_str().unwrap();
    assert!(changed.contains("`weekly` of `erp/images` is gone"), "{report}");
    assert!(report["report"]["facts"].to_string().contains("`0 0 9 * * 4` on the branch `main`"), "{report}");
    says(&on_drone(&drone, &[WEEKLY]), 0, &["was created"]);
}

#[test]
fn a_change_whose_answer_is_lost_is_looked_at_before_it_is_told_of() {
    let old = || cron("0 0 9 * * 4", "develop");
    let wanted = cron("0 0 10 * * 4", "develop");
    let before = [Vec::new(), vec![old()], vec![Cron { is_disabled: true, ..wanted.clone() }]];
    let count = before.len() as u64;
    for crons in before {
        let drone = Drone::start().unwrap();
        // Both the deletion's and the creation's.
        drone.with(|state| (state.crons, state.lost_answers) = (crons, 2));
        let ended = on_drone(&drone, &[WEEKLY]);
        says(&ended, 0, &["answered with 502", "it was done all the same"]);
        assert!(!ended.log.contains("is gone"), "{}", ended.log);
        assert_eq!(drone.with(|state| state.crons.clone()), std::slice::from_ref(&wanted));
    }
    figures::note("schedule", "changes of crons whose answer was lost, told as they are", count).unwrap();
}

#[test]
fn what_cannot_be_meant_is_refused_before_anything_is_asked() {
    type Unusable = (&'static [(&'static str, &'static str)], &'static [&'static str]);
    type Refusing = (fn(&mut drone::State), &'static str);
    let settings: [Unusable; 4] = [
        (&[("schedule", "* 0 10 * * 4")], &["the first field of six", "`0 0 10 * * 4` may be meant"]),
        (&[("schedule", "0 10 * * 4")], &["`0 0 10 * * 4` may be meant"]),
        (&[WEEKLY, ("schedle_branch", "x")], &["did you mean `PLUGIN_SCHEDULE_BRANCH`"]),
        (&[], &["PLUGIN_SCHEDULE: required"]),
    ];
    let servers: [Refusing; 2] = [
        (|state| state.is_open_source = true, "open-source build, which has neither cron nor promotion"),
        (|state| state.no_right = true, "not found, or the token may not write there"),
    ];
    let drone = Drone::start().unwrap();
    for (unusable, texts) in settings {
        says(&on_drone(&drone, unusable), 2, texts);
    }
    assert!(drone.requests().is_empty());
    for (set, text) in servers {
        drone.with(set);
        says(&on_drone(&drone, &[WEEKLY]), 1, &[text]);
    }
    assert!(writes(&drone).is_empty());
    let count = settings.len() + servers.len();
    figures::note("schedule", "unusable settings and servers refused before a write", count as u64).unwrap();
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
    says(
        &on_woodpecker(&woodpecker, &[WEEKLY, zone]),
        1,
        &["has no time zones", "`schedule_timezone` unset"],
    );
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
