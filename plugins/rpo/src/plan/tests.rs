//! What the plan decides, from plain values.

use std::time::Duration;

use shared::bucket::{Bucket, BucketSettings, Key, Kind, Location, Put};
use shared::digest::Digest;
use shared::settings::Env;

use super::*;
use crate::observe::Found;
use crate::patch::Suits;

fn settings() -> Settings {
    let env = Env::of(&[
        ("PLUGIN_BUCKET", "file:///b"),
        ("PLUGIN_APPSERVER", "/appserver"),
        ("PLUGIN_RELEASE", "12.1.2310"),
        ("PLUGIN_RPO_SOURCE", "base"),
    ]);
    Settings::from_env(&env).unwrap()
}

fn origin(key: &str) -> Origin {
    Origin { key: key.to_owned(), size: 1, tag: "t".to_owned(), digest: None }
}

fn found(key: &str) -> Found {
    Found { origin: origin(key), channel: "pontual", suits: Suits::Both, refusal: None }
}

/// A version can only come from a bucket.
async fn some_version() -> Version {
    let folder = tempfile::tempdir().unwrap();
    let location = Location::Folder(folder.path().to_owned());
    let settings = BucketSettings::at(location);
    match Bucket::open(&settings).unwrap().put_new(&Key::new("a", Kind::Json), "1".into()).await.unwrap() {
        Put::Written(version) => version,
        Put::Refused => panic!("the folder was empty"),
    }
}

async fn observed(patches: &[&str], applied: Option<&[&str]>) -> Observed {
    let settings = settings();
    let latest = applied.map(|applied| RpoManifest {
        release: "12.1.2310".into(),
        generation: "old".into(),
        rpo: "result/old/tttm120.rpo".into(),
        digest: Digest::of(b"old"),
        size: 3,
        source: origin("base/tttm120.rpo"),
        base: origin("base/tttm120.rpo"),
        patches: applied
            .iter()
            .map(|key| Applied { origin: origin(key), channel: "pontual".into() })
            .collect(),
        appserver: String::new(),
        apply_old: false,
        made_by: String::new(),
    });
    let pointer = if latest.is_some() { Some(some_version().await) } else { None };
    let edition = ObservedEdition {
        settings: settings.editions[0].clone(),
        source: Some(origin("base/tttm120.rpo")),
        latest,
        pointer,
    };
    Observed {
        editions: vec![edition],
        patches: patches.iter().map(|key| found(key)).collect(),
        appserver: "v".into(),
    }
}

fn assembly(plan: &Plan) -> &Assembly {
    match &plan.editions[0] {
        EditionPlan::Assemble(assembly) => assembly,
        EditionPlan::UpToDate(..) => panic!("nothing to assemble"),
    }
}

#[tokio::test]
async fn the_first_run_applies_everything_on_the_base() {
    let plan = plan(&settings(), observed(&["p/1.ptm", "p/2.ptm"], None).await).unwrap();
    let assembly = assembly(&plan);
    assert_eq!(assembly.base.key, "base/tttm120.rpo");
    assert_eq!(assembly.pending.len(), 2);
    let dry_run = plan.to_string();
    assert!(dry_run.contains("2. apply `p/2.ptm` (pontual)"), "{dry_run}");
}

#[tokio::test]
async fn the_next_run_applies_what_is_new_on_the_last_good_result() {
    let plan = plan(&settings(), observed(&["p/1.ptm", "p/2.ptm"], Some(&["p/1.ptm"])).await).unwrap();
    let assembly = assembly(&plan);
    assert_eq!(assembly.base.key, "result/old/tttm120.rpo");
    assert_eq!(
        assembly.pending.iter().map(|patch| patch.origin.key.as_str()).collect::<Vec<_>>(),
        ["p/2.ptm"]
    );
    assert_eq!(assembly.applied.len(), 1);
}

#[tokio::test]
async fn with_nothing_new_there_is_nothing_to_do() {
    assert!(plan(&settings(), observed(&["p/1.ptm"], Some(&["p/1.ptm"])).await).unwrap().is_empty());
}

#[tokio::test]
async fn another_base_begins_anew() {
    let mut observed = observed(&["p/1.ptm"], Some(&["p/1.ptm"])).await;
    observed.editions[0].source = Some(Origin { tag: "new".into(), ..origin("base/tttm120.rpo") });
    let plan = plan(&settings(), observed).unwrap();
    assert_eq!(assembly(&plan).base.tag, "new");
    assert_eq!(assembly(&plan).pending.len(), 1);
}

#[tokio::test]
async fn a_result_that_is_gone_begins_anew_and_its_pointer_is_replaced() {
    let mut observed = observed(&["p/1.ptm"], Some(&["p/1.ptm"])).await;
    observed.editions[0].latest = None;
    let plan = plan(&settings(), observed).unwrap();
    assert_eq!((assembly(&plan).base.key.as_str(), assembly(&plan).pending.len()), ("base/tttm120.rpo", 1));
    assert!(assembly(&plan).replaces.is_some());
}

#[tokio::test]
async fn a_rerun_works_on_the_same_keys_and_another_order_on_others() {
    let name = |plan: Plan| assembly(&plan).generation.clone();
    let first = name(plan(&settings(), observed(&["p/1.ptm", "p/2.ptm"], None).await).unwrap());
    assert_eq!(first, name(plan(&settings(), observed(&["p/1.ptm", "p/2.ptm"], None).await).unwrap()));
    assert_ne!(first, name(plan(&settings(), observed(&["p/2.ptm", "p/1.ptm"], None).await).unwrap()));
    let old = Settings { apply_old: true, claim_timeout: Duration::ZERO, ..settings() };
    assert_ne!(first, name(plan(&old, observed(&["p/1.ptm", "p/2.ptm"], None).await).unwrap()));
}

#[tokio::test]
async fn all_refused_patches_are_named_before_anything_starts() {
    let mut observed = observed(&["p/1.ptm", "p/2.ptm", "p/3.ptm"], None).await;
    observed.patches[0].refusal = Some("it is empty".into());
    observed.patches[2].refusal = Some("truncated".into());
    let text = plan(&settings(), observed).unwrap_err().to_string();
    assert!(text.starts_with("2 of the patches cannot be applied; nothing was started"), "{text}");
    assert!(text.contains("`p/1.ptm`: it is empty") && text.contains("`p/3.ptm`: truncated"), "{text}");
}

#[tokio::test]
async fn a_missing_base_is_named() {
    let mut observed = observed(&[], None).await;
    observed.editions[0].source = None;
    assert!(plan(&settings(), observed).unwrap_err().to_string().contains("base/tttm120.rpo"));
}
