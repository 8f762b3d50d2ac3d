//! plugin-rpo with a stand-in for the AppServer: what is applied, in which order, and what a fault or a kill leaves.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use lab::fixtures::{Patch, write_rpo};
use lab::folder;
use lab::meddler::{Meddler, Meddling};
use lab::plugin::{self, Ended};
use lab::standin::appserver::{self, applied};
use serde_json::Value;
use shared::bucket::{Key, Kind};

use crate::bucket::Place;

const RESULT: &str = "engenharia/bundle/apo/12.1.2410";

struct Site {
    bucket: PathBuf,
    workspace: PathBuf,
    appserver: PathBuf,
}

impl Site {
    fn new() -> Self {
        let bucket = folder::temporary("bucket").unwrap();
        let workspace = folder::temporary("Workspace").unwrap();
        let appserver = folder::temporary("appserver").unwrap();
        appserver::install(&appserver).unwrap();
        let site = Self { bucket, workspace, appserver };
        site.rpo("base/tttm120.rpo", 1);
        std::fs::write(site.workspace.join(".config"), "RELEASE=12.1.2410\nRPOSOURCE=base\n").unwrap();
        site
    }

    fn rpo(&self, key: &str, seed: u64) {
        let path = self.bucket.join(key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        write_rpo(&path, seed, 100_000).unwrap();
    }

    fn patch(&self, name: &str, change: impl Fn(Patch) -> Patch) {
        let path = self.bucket.join("applypatch").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        change(Patch::new(name.len() as u64).payload(5000)).write(&path).unwrap();
    }

    fn fault(&self, fault: &str) {
        let ini = self.appserver.join("appserver.ini");
        let text = std::fs::read_to_string(&ini).unwrap();
        let text = text.split("[ESTEIRA]").next().unwrap().to_owned();
        let fault = if fault.is_empty() { String::new() } else { format!("[ESTEIRA]\nFault={fault}\n") };
        std::fs::write(ini, text + &fault).unwrap();
    }

    fn settings(&self, more: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
        let mut settings = vec![
            ("bucket", format!("file://{}", self.bucket.display())),
            ("appserver", self.appserver.display().to_string()),
        ];
        settings.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
        settings
    }

    fn run(&self, more: &[(&'static str, &str)]) -> Ended {
        plugin::run("plugin-rpo", &self.workspace, &self.settings(more)).unwrap()
    }

    /// The manifest of the one generation that was begun.
    fn claim(&self) -> Option<PathBuf> {
        let mut generations = std::fs::read_dir(self.bucket.join(RESULT)).ok()?;
        Some(generations.next()?.ok()?.path().join("manifest.json")).filter(|manifest| manifest.exists())
    }

    fn latest(&self, folder: &str) -> Value {
        serde_json::from_slice(&std::fs::read(self.bucket.join(folder).join("latest.json")).unwrap()).unwrap()
    }

    fn in_the_latest(&self, folder: &str) -> Vec<String> {
        let rpo = self.bucket.join(self.latest(folder)["rpo"].as_str().unwrap());
        applied(&rpo).unwrap().into_iter().map(|patch| patch.name).collect()
    }
}

#[test]
fn patches_are_applied_in_natural_order_on_the_base_and_then_only_new_ones() {
    let site = Site::new();
    for name in ["10-b.ptm", "9-A_MULTI.PTM", "11-c_spanish.ptm"] {
        site.patch(name, |patch| patch);
    }
    let plan = site.run(&[("dry_run", "true")]);
    assert!(plan.log.contains("1. apply `applypatch/9-A_MULTI.PTM`"), "{}", plan.log);
    assert!(!site.bucket.join("engenharia").exists(), "a dry run changes nothing");

    let first = site.run(&[]);
    assert_eq!(first.code, 0, "{}", first.log);
    assert_eq!(
        site.in_the_latest(RESULT),
        ["9-a_multi.ptm", "10-b.ptm"],
        "the Spanish one is not for Brazil"
    );
    let manifest = site.latest(RESULT);
    assert_eq!(manifest["patches"].as_array().unwrap().len(), 2);
    let outputs = plugin::outputs(&site.workspace, "rpo").unwrap();
    assert_eq!(outputs["rpo"], manifest["rpo"]);

    let again = site.run(&[]);
    assert_eq!(again.code, 0);
    assert!(again.log.contains("nothing to do"), "{}", again.log);
    assert_eq!(site.latest(RESULT), manifest);

    site.patch("12-d.ptm", |patch| patch);
    assert_eq!(site.run(&[]).code, 0);
    assert_eq!(site.in_the_latest(RESULT), ["9-a_multi.ptm", "10-b.ptm", "12-d.ptm"]);
    assert_eq!(site.latest(RESULT)["base"]["key"], manifest["rpo"], "the base is cumulative");
}

#[test]
fn a_bad_patch_is_refused_before_anything_starts() {
    let site = Site::new();
    site.patch("1-good.ptm", |patch| patch);
    site.patch("2-cut.ptm", Patch::truncated);
    site.patch("3-other.ptm", |patch| patch.for_rpo("tttp120"));
    let ended = site.run(&[]);
    assert_eq!(ended.code, 1, "{}", ended.log);
    for text in ["2 of the patches", "2-cut.ptm", "truncated", "3-other.ptm", "tttp120"] {
        assert!(ended.log.contains(text), "{text}:\n{}", ended.log);
    }
    assert!(!site.bucket.join("engenharia").exists());
}

#[test]
fn both_editions_are_assembled_from_their_own_base() {
    let site = Site::new();
    site.rpo("base_mi/tttm120.rpo", 2);
    for name in ["1-a_portuguese.ptm", "22-b_spanish.ptm", "333-c_multi.ptm"] {
        site.patch(name, |patch| patch);
    }
    let ended = site.run(&[("gera_mi", "true"), ("rpo_source_mi", "base_mi")]);
    assert_eq!(ended.code, 0, "{}", ended.log);
    assert_eq!(site.in_the_latest(RESULT), ["1-a_portuguese.ptm", "333-c_multi.ptm"]);
    assert_eq!(site.in_the_latest(&format!("{RESULT}/mi")), ["22-b_spanish.ptm", "333-c_multi.ptm"]);
}

#[test]
fn a_patch_that_the_appserver_refuses_publishes_nothing_and_a_rerun_finishes() {
    let site = Site::new();
    site.patch("1-a.ptm", |patch| patch);
    site.patch("22-b.ptm", |patch| patch);
    site.fault("fail:2");
    let ended = site.run(&[]);
    assert_eq!(ended.code, 1, "{}", ended.log);
    assert!(ended.log.contains("did not apply `applypatch/22-b.ptm`"), "{}", ended.log);
    assert!(!site.bucket.join(RESULT).join("latest.json").exists());
    site.fault("");
    assert_eq!(site.run(&[]).code, 0);
    assert_eq!(site.in_the_latest(RESULT), ["1-a.ptm", "22-b.ptm"]);
}

#[test]
fn a_killed_run_leaves_no_result_and_its_rerun_takes_over() {
    let site = Site::new();
    site.patch("1-a.ptm", |patch| patch);
    site.fault("hang:1");
    let mut child = plugin::start("plugin-rpo", &site.workspace, &site.settings(&[])).unwrap();
    let folder = site.bucket.join(RESULT);
    let end = Instant::now() + Duration::from_secs(30);
    while site.claim().is_none() {
        assert!(Instant::now() < end, "no claim was written");
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!folder.join("latest.json").exists());

    site.fault("");
    let manifest = site.claim().unwrap();
    let claim: Value = serde_json::from_slice(&std::fs::read(&manifest).unwrap()).unwrap();
    let claim_of = |run: &str| {
        let claim = serde_json::json!({ "state": "uploading", "run": run, "since": claim["since"] });
        std::fs::write(&manifest, claim.to_string()).unwrap();
    };
    let stranger = lab::folder::temporary("stranger").unwrap();
    std::fs::copy(site.workspace.join(".config"), stranger.join(".config")).unwrap();
    let another =
        |more: &[(&'static str, &str)]| plugin::run("plugin-rpo", &stranger, &site.settings(more)).unwrap();

    claim_of("ci/7/rpo [far-away/1 1 1]");
    let waits = another(&[]);
    assert_eq!(waits.code, 75, "whether a run of another machine is alive cannot be known: {}", waits.log);
    std::thread::sleep(Duration::from_millis(1100));
    let takes_over = another(&[("claim_timeout", "1s")]);
    assert_eq!(takes_over.code, 0, "{}", takes_over.log);
    assert_eq!(site.in_the_latest(RESULT), ["1-a.ptm"]);

    // As the kill left it: of a dead process of this machine.
    std::fs::remove_dir_all(&folder).unwrap();
    std::fs::create_dir_all(manifest.parent().unwrap()).unwrap();
    claim_of(claim["run"].as_str().unwrap());
    let at_once = another(&[]);
    assert_eq!(at_once.code, 0, "{}", at_once.log);
    assert!(at_once.log.contains("taking over the unfinished upload"), "{}", at_once.log);
    assert_eq!(site.in_the_latest(RESULT), ["1-a.ptm"]);
}

#[test]
fn a_failed_run_leaves_no_claim_that_others_wait_for() {
    let site = Site::new();
    site.patch("1-a.ptm", |patch| patch);
    site.fault("fail:1");
    assert_eq!(site.run(&[]).code, 1);
    let manifest = site.claim().unwrap();
    let claim: Value = serde_json::from_slice(&std::fs::read(&manifest).unwrap()).unwrap();
    assert_eq!(claim["since"], "1970-01-01T00:00:00Z", "given up");
}

#[test]
fn a_result_that_is_gone_is_assembled_anew_and_a_broken_pointer_says_what_to_do() {
    let site = Site::new();
    site.patch("1-a.ptm", |patch| patch);
    assert_eq!(site.run(&[]).code, 0);
    let before = site.latest(RESULT);
    let rpo = site.bucket.join(before["rpo"].as_str().unwrap());
    for spoil in [|rpo: &PathBuf| std::fs::remove_file(rpo), |rpo: &PathBuf| std::fs::write(rpo, "cut")] {
        spoil(&rpo).unwrap();
        let ended = site.run(&[]);
        assert_eq!(ended.code, 0, "{}", ended.log);
        assert!(ended.log.contains("warning: ") && ended.log.contains("gone or another"), "{}", ended.log);
        assert_eq!(site.in_the_latest(RESULT), ["1-a.ptm"]);
        assert_eq!(site.latest(RESULT)["size"], before["size"]);
    }

    let pointer = site.bucket.join(RESULT).join("latest.json");
    std::fs::write(&pointer, "{").unwrap();
    let ended = site.run(&[]);
    assert_eq!(ended.code, 1, "{}", ended.log);
    for text in [
        &format!("cannot read `{RESULT}/latest.json`, which names the newest result"),
        &format!("hint: look at `{RESULT}/latest.json` in the bucket itself"),
        &"as the last resort, remove it to begin anew".to_owned(),
    ] {
        assert!(ended.log.contains(text), "{text}:\n{}", ended.log);
    }
    std::fs::remove_file(&pointer).unwrap();
    assert_eq!(site.run(&[]).code, 0);
    assert_eq!(site.in_the_latest(RESULT), ["1-a.ptm"]);
}

/// The last good RPO is damaged on the way from the server: its manifest says so, and nothing is built on it.
#[tokio::test(flavor = "multi_thread")]
async fn an_rpo_that_a_bit_turned_in_on_the_way_is_noticed_and_nothing_is_built_on_it() {
    for place in [Place::s3().await, Place::gcs().await] {
        let (site, bucket) = (Site::new(), place.open());
        let pointer = Key::new(format!("{RESULT}/latest.json"), Kind::Json);
        let latest = async || bucket.fetch(&pointer).await.unwrap().unwrap().bytes;
        let put = async |path: &str| {
            bucket.upload(&Key::new(path, Kind::Archive), &site.bucket.join(path)).await.unwrap()
        };
        let run = |place: &Place| {
            let own = ("appserver", site.appserver.display().to_string());
            plugin::run("plugin-rpo", &site.workspace, &[&place.settings[..], &[own]].concat()).unwrap()
        };
        put("base/tttm120.rpo").await;
        site.patch("1-a.ptm", |patch| patch);
        put("applypatch/1-a.ptm").await;
        let first = run(&place);
        assert_eq!(first.code, 0, "{}", first.log);
        let good = latest().await;

        site.patch("2-b.ptm", |patch| patch);
        put("applypatch/2-b.ptm").await;
        let endpoint = &place.settings.iter().find(|(name, _)| *name == "endpoint").unwrap().1;
        // In addresses of Google's interface, the dot is escaped.
        let meddler = Meddler::start(endpoint, Meddling::TurnsABit("rpo")).unwrap();
        let damaged = run(&place.by(meddler.url()));
        assert_eq!(damaged.code, 1, "{}: {}", place.kind, damaged.log);
        let digest = serde_json::from_slice::<Value>(&good).unwrap()["digest"].as_str().unwrap().to_owned();
        for text in ["tttm120.rpo` is not what its manifest says: expected sha256 ", &digest] {
            assert!(damaged.log.contains(text), "{}: {text} is not in\n{}", place.kind, damaged.log);
        }
        assert_eq!(latest().await, good, "{}", place.kind);

        let again = run(&place);
        assert_eq!(again.code, 0, "{}: {}", place.kind, again.log);
        let patches = serde_json::from_slice::<Value>(&latest().await).unwrap()["patches"].clone();
        assert_eq!(patches.as_array().unwrap().len(), 2, "{}", place.kind);
    }
    lab::figures::note("bucket", "damaged objects noticed by a plugin", 2).unwrap();
}

#[test]
fn a_patch_of_unknown_module_is_no_hole_in_the_blacklist() {
    let site = Site::new();
    let published = |name: &str| {
        let path = site.bucket.join("expedicao_continua/published/12.1.2410").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        Patch::new(7).payload(5000).write(&path).unwrap();
    };
    published("expedicao_continua_12_1_2410_fin_tttm120_hp.ptm");
    published("expedicao_continua_12_1_2410_fat_tttm120_hp.ptm");
    published("fix.ptm");
    let list = [("expcont", "true"), ("module_publish_blacklist", "fin")];
    let ended = site.run(&list);
    assert_eq!(ended.code, 1, "{}", ended.log);
    for text in ["1 of the patches", "fix.ptm", "`module_publish_blacklist`"] {
        assert!(ended.log.contains(text), "{text}:\n{}", ended.log);
    }
    let folder = site.bucket.join("expedicao_continua/published/12.1.2410");
    std::fs::create_dir(folder.join("fat")).unwrap();
    std::fs::rename(folder.join("fix.ptm"), folder.join("fat/fix.ptm")).unwrap();
    assert_eq!(site.run(&list).code, 0);
    assert_eq!(site.in_the_latest(RESULT), ["expedicao_continua_12_1_2410_fat_tttm120_hp.ptm", "fix.ptm"]);
}

#[test]
fn a_wrong_appserver_is_named_with_its_setting() {
    let site = Site::new();
    let ended = site.run(&[("appserver", "/opt/nowhere")]);
    assert_eq!(ended.code, 1, "{}", ended.log);
    assert!(ended.log.contains("in `/opt/nowhere`: look at `appserver`"), "{}", ended.log);
}
