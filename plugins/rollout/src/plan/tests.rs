//! What the plan decides, from plain values.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::json;
use shared::settings::Env;

use super::*;
use crate::environment::{BASE_VERSION, DESIRED_VERSION};
use crate::profile::Profile;
use crate::record::Damage;
use crate::release::Release;

fn settings(profile: &str) -> Settings {
    let variables = [
        ("PLUGIN_PROFILE", profile),
        ("PLUGIN_VERSION", "12.1.2410"),
        ("PLUGIN_NAMESPACES", "all"),
        ("PLUGIN_BUCKET", "file:///b"),
        ("PLUGIN_UPTIMEROBOT_KEY", "key"),
    ];
    Settings::from_env(&Env::of(&variables)).unwrap()
}

fn environment(name: &str, version: &str) -> Environment {
    let release = Release {
        revision: 7,
        status: "deployed".into(),
        chart: "smarterp".into(),
        version: version.into(),
        values: json!({}),
        is_server_side: true,
        secret: String::new(),
    };
    Environment {
        name: name.into(),
        uid: name.into(),
        created: None,
        is_terminating: false,
        labels: [BASE_VERSION, DESIRED_VERSION].map(|label| (label.to_owned(), version.to_owned())).into(),
        config: Some([("UPDATER_STATUS".to_owned(), "OK".to_owned())].into()),
        deployments: Vec::new(),
        cron_jobs: vec!["protheus-updater".into()],
        active_jobs: Vec::new(),
        release: Some(release.clone()),
        newest: Some(release),
        is_helm2: false,
        record: Ok(None),
        monitors: Ok(Vec::new()),
        render_error: None,
    }
}

fn observed(environments: Vec<Environment>) -> Observed {
    Observed { at: Timestamp::UNIX_EPOCH, environments, excluded: Vec::new(), chart: None }
}

fn names(target: &Target) -> Vec<&'static str> {
    target.steps.iter().map(|(_, step)| step.name()).collect()
}

#[test]
fn the_dry_run_says_what_happens_to_whom_and_why_not() {
    let mut foreign = environment("kube-system", "1");
    foreign.labels.clear();
    let environments = vec![environment("acme", "12.1.2310"), environment("globex", "12.1.2410"), foreign];
    let plan = plan(&settings("smarterp-producao"), observed(environments)).unwrap();
    let text = plan.to_string();
    assert!(text.starts_with("`smarterp-producao` to 12.1.2410: 1 to update (2 at a time), 1 have it already, 0 left alone, 1 are no environments"), "{text}");
    assert!(text.contains("acme: 12.1.2310 -> 12.1.2410"), "{text}");
    assert!(text.contains("label_namespace UpdaterDesiredVersion=\"12.1.2410\""), "{text}");
    assert!(text.contains("HOOK_ENVIRONMENT_producao=\"\""), "{text}");
    assert!(text.contains("kube-system: not touched: it has no label `BaseVersion`"), "{text}");
}

#[test]
fn rule_3_names_carry_run_and_revision_and_never_repeat() {
    let run = |at| {
        let observed = Observed { at, ..observed(vec![environment("acme", "1")]) };
        plan(&settings("smarterp-producao"), observed).unwrap().targets[0].run.clone()
    };
    let first = run(Timestamp::UNIX_EPOCH);
    assert!(first.starts_with("r7-"), "{first}");
    assert_ne!(first, run(Timestamp::from_second(1).unwrap()));
}

#[test]
fn a_backup_is_made_only_if_asked_for_and_monitors_are_left_alone_if_so_said() {
    let with = Settings { backup: true, ..settings("smarterp-producao") };
    let mut ready = environment("acme", "1");
    ready.cron_jobs.push("protheus-daily-backup".into());
    assert!(names(&plan(&with, observed(vec![ready])).unwrap().targets[0]).contains(&"backup"));
    let without = Settings { uptime: None, ..settings("smarterp-producao") };
    let plan = plan(&without, observed(vec![environment("acme", "1")])).unwrap();
    let names = names(&plan.targets[0]);
    assert!(!names.contains(&"backup") && !names.contains(&"pause_monitors"), "{names:?}");
}

#[test]
fn an_interrupted_run_goes_on_where_it_was_with_its_monitors_paused() {
    let settings = settings("smarterp-producao");
    let helm_at = settings.profile.steps.iter().position(|step| *step == Step::HelmUpgrade).unwrap() + 1;
    let mut interrupted = environment("acme", "1");
    interrupted.record = Ok(Some(Record {
        run: "r6-old".into(),
        version: "12.1.2410".into(),
        profile: "smarterp-producao".into(),
        profile_digest: settings.profile_digest.clone(),
        state: State::Working,
        step: helm_at,
        damage: Damage::Apart,
        monitors: BTreeMap::new(),
        replicas: BTreeMap::new(),
        labels_before: BTreeMap::new(),
        config_before: BTreeMap::new(),
    }));
    let plan = plan(&settings, observed(vec![interrupted])).unwrap();
    assert_eq!(plan.targets[0].run, "r6-old");
    assert_eq!(names(&plan.targets[0])[..2], ["pause_monitors", "helm_upgrade"]);
}

#[test]
fn a_selection_that_fits_nothing_is_an_error() {
    let mut foreign = environment("kube-system", "1");
    foreign.labels.clear();
    assert!(matches!(
        plan(&settings("smarterp-release"), observed(vec![foreign])),
        Err(Error::NothingSelected { seen: 1, .. })
    ));
}

#[test]
fn every_step_of_every_profile_is_written_out() {
    for name in ["smarterp-producao", "smarterp-release"] {
        let (profile, _) = Profile::load(name, Path::new("/")).unwrap();
        for step in profile.steps {
            let filled = step.filled(&|text: &str| {
                text.replace("{env}", "producao").replace("{version}", "1").replace("{run}", "r")
            });
            assert!(!filled.to_string().replace("{deployment}", "").contains("{"), "{filled}");
        }
    }
}
