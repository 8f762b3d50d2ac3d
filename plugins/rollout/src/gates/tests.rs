//! What each gate says, from plain values; no cluster.

use std::path::Path;

use serde_json::json;

use super::*;
use crate::environment::{ActiveJob, DeploymentState};
use crate::record::Damage;
use crate::release::Release;

const V: &str = "12.1.2410";

fn profile(name: &str) -> Profile {
    Profile::load(name, Path::new("/")).unwrap().0
}

fn release(chart: &str) -> Release {
    Release {
        revision: 1,
        status: "deployed".into(),
        chart: chart.into(),
        version: "12.1.2310".into(),
        values: json!({}),
        is_server_side: true,
        secret: String::new(),
    }
}

/// A production environment that may be updated.
fn environment() -> Environment {
    let labels = [(BASE_VERSION, "12.1.2310"), (DESIRED_VERSION, "12.1.2310")];
    Environment {
        name: "acme".into(),
        uid: "1".into(),
        created: None,
        is_terminating: false,
        labels: labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        config: Some([(UPDATER_STATUS.to_owned(), "OK".to_owned())].into()),
        deployments: vec![DeploymentState {
            name: "protheus-appserver-producao-all".into(),
            labels: [("base".to_owned(), "false".to_owned())].into(),
            wanted: 0,
            running: 0,
        }],
        cron_jobs: vec!["protheus-updater".into(), "protheus-daily-backup".into()],
        active_jobs: Vec::new(),
        release: Some(release("smarterp")),
        newest: Some(release("smarterp")),
        is_helm2: false,
        record: Ok(None),
        monitors: Ok(Vec::new()),
        render_error: None,
    }
}

fn record(version: &str, state: State, step: usize) -> Record {
    Record {
        run: "r1-abc".into(),
        version: version.into(),
        profile: "smarterp-producao".into(),
        profile_digest: String::new(),
        state,
        step,
        damage: Damage::Apart,
        monitors: Default::default(),
        replicas: Default::default(),
        labels_before: Default::default(),
        config_before: Default::default(),
    }
}

fn asked(name: &str, environment: &Environment, backup: bool, retry_failed: bool) -> Option<Refusal> {
    refusal(
        Wanted { version: V, profile: &profile(name), backup, retry_failed, has_monitors: true },
        environment,
    )
}

fn reason(environment: &Environment) -> String {
    match asked("smarterp-producao", environment, false, false) {
        Some(Refusal::Gate(reason) | Refusal::NotAnEnvironment(reason) | Refusal::Unfinished(reason)) => {
            reason
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_idle_environment_on_another_version_may_be_updated() {
    assert_eq!(asked("smarterp-producao", &environment(), true, false), None);
    assert_eq!(asked("smarterp-release", &environment(), false, false), None);
}

#[test]
fn rule_1_only_environments_are_touched() {
    let not = |change: fn(&mut Environment)| {
        let mut environment = environment();
        change(&mut environment);
        assert!(matches!(
            asked("smarterp-producao", &environment, false, false),
            Some(Refusal::NotAnEnvironment(_))
        ));
        reason(&environment)
    };
    assert!(
        not(|one| {
            one.labels.remove(BASE_VERSION);
        })
        .contains("BaseVersion")
    );
    assert!(
        not(|one| {
            one.labels.remove(DESIRED_VERSION);
        })
        .contains("UpdaterDesiredVersion")
    );
    assert!(not(|one| one.release = None).contains("no deployed Helm release"));
    assert!(not(|one| one.release = Some(release("other"))).contains("`other`"));
    assert!(not(|one| one.config = None).contains("protheus-updater-config"));
    assert!(not(|one| one.is_terminating = true).contains("being deleted"));
}

#[test]
fn rule_2_releases_of_helm_2_are_refused() {
    assert!(reason(&Environment { is_helm2: true, ..environment() }).contains("Helm 2"));
}

#[test]
fn rule_12_versions_are_compared_whole() {
    let mut longer = environment();
    for label in [BASE_VERSION, DESIRED_VERSION] {
        longer.labels.insert(label.into(), format!("{V}1"));
    }
    assert_eq!(asked("smarterp-producao", &longer, false, false), None, "12.1.24101 is not 12.1.2410");
    let mut same = environment();
    same.labels.insert(BASE_VERSION.into(), V.into());
    assert_eq!(asked("smarterp-producao", &same, false, false), Some(Refusal::UpToDate));
}

#[test]
fn rule_13_wanting_or_having_a_replica_is_use() {
    for (wanted, running) in [(1, 0), (0, 1), (2, 2)] {
        let mut used = environment();
        used.deployments[0].wanted = wanted;
        used.deployments[0].running = running;
        assert!(reason(&used).contains("somebody works there: protheus-appserver-producao-all"));
    }
}

#[test]
fn rule_16_an_environment_whose_values_do_not_render_is_left_alone() {
    assert!(
        reason(&Environment { render_error: Some("nil pointer".into()), ..environment() })
            .contains("nil pointer")
    );
}

#[test]
fn an_update_under_way_and_an_odd_status_close_the_gate() {
    let mut under_way = environment();
    under_way.labels.insert(DESIRED_VERSION.into(), "12.1.2311".into());
    assert!(reason(&under_way).contains("under way"));
    let mut updating = environment();
    updating.config = Some([(UPDATER_STATUS.to_owned(), "UPDATING".to_owned())].into());
    assert!(reason(&updating).contains("UPDATER_STATUS is UPDATING"));
    updating.config = Some(Default::default());
    assert!(reason(&updating).contains("unknown"));
    updating.config = Some([(UPDATER_STATUS.to_owned(), String::new())].into());
    assert_eq!(
        asked("smarterp-producao", &updating, false, false),
        None,
        "empty counts as FAILED, which is allowed"
    );
}

#[test]
fn somebody_elses_job_closes_the_gate() {
    let job = ActiveJob { name: "by-hand".into(), cron_job: Some("protheus-updater".into()), run: None };
    assert!(reason(&Environment { active_jobs: vec![job.clone()], ..environment() }).contains("`by-hand`"));
    let unrelated = ActiveJob { cron_job: Some("report".into()), ..job };
    assert_eq!(
        asked(
            "smarterp-producao",
            &Environment { active_jobs: vec![unrelated], ..environment() },
            false,
            false
        ),
        None
    );
}

#[test]
fn no_cron_job_to_back_up_from_is_a_gate_only_if_a_backup_is_wanted() {
    let without = Environment { cron_jobs: Vec::new(), ..environment() };
    assert_eq!(asked("smarterp-producao", &without, false, false), None);
    assert!(matches!(asked("smarterp-producao", &without, true, false), Some(Refusal::Gate(_))));
}

#[test]
fn our_interrupted_run_is_taken_up_although_the_gates_it_changed_are_closed() {
    let mut interrupted = environment();
    interrupted.labels.insert(DESIRED_VERSION.into(), V.into());
    interrupted.config = Some([(UPDATER_STATUS.to_owned(), "UPDATING".to_owned())].into());
    interrupted.record = Ok(Some(record(V, State::Working, 12)));
    assert_eq!(asked("smarterp-producao", &interrupted, false, false), None);
    interrupted.record = Ok(Some(record("12.1.2311", State::Working, 12)));
    assert!(reason(&interrupted).contains("run that again"));
}

#[test]
fn a_failed_run_is_retried_only_on_demand() {
    let failed = Environment { record: Ok(Some(record(V, State::Failed, 12))), ..environment() };
    assert!(reason(&failed).contains("retry_failed"));
    assert_eq!(asked("smarterp-producao", &failed, false, true), None);
}

#[test]
fn a_paused_monitor_is_named_wherever_a_run_does_not_go_on() {
    let mut owing = record(V, State::Failed, 3);
    owing.monitors.insert(7, "acme - Protheus".into());
    let failed = Environment { record: Ok(Some(owing.clone())), ..environment() };
    assert!(
        reason(&failed).contains("paused by it and not resumed: `acme - Protheus`"),
        "{}",
        reason(&failed)
    );
    owing.state = State::Working;
    let interrupted = Environment { record: Ok(Some(owing)), ..environment() };
    let profile = profile("smarterp-producao");
    let blind =
        Wanted { version: V, profile: &profile, backup: false, retry_failed: false, has_monitors: false };
    assert!(
        matches!(refusal(blind, &interrupted), Some(Refusal::Unfinished(reason)) if reason.contains("`acme - Protheus`"))
    );
}

#[test]
fn a_record_that_cannot_be_read_is_no_absent_record() {
    let odd = Environment { record: Err("cannot be read".into()), ..environment() };
    assert_eq!(
        asked("smarterp-producao", &odd, false, true),
        Some(Refusal::Unfinished("cannot be read".into()))
    );
}

#[test]
fn somebody_who_works_there_keeps_a_rerun_out_until_things_are_deleted() {
    let mut woken = environment();
    woken.deployments[0].wanted = 1;
    woken.record = Ok(Some(Record { damage: Damage::Scaled, ..record(V, State::Working, 8) }));
    assert!(reason(&woken).contains("somebody works there"));
    woken.record = Ok(Some(record(V, State::Working, 13)));
    assert_eq!(asked("smarterp-producao", &woken, false, false), None);
}
