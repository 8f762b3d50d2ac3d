//! plugin-rpo with a stand-in for the AppServer: what is applied, in which order, and what a fault or a kill leaves.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use lab::fixtures::{Patch, write_rpo};
use lab::folder;
use lab::plugin::{self, Ended};
use lab::standin::appserver::{self, applied};
use serde_json::Value;

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
    while !folder.exists() {
        assert!(Instant::now() < end, "no claim was written");
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!folder.join("latest.json").exists());

    site.fault("");
    let stranger = lab::folder::temporary("stranger").unwrap();
    std::fs::copy(site.workspace.join(".config"), stranger.join(".config")).unwrap();
    let other = plugin::run("plugin-rpo", &stranger, &site.settings(&[])).unwrap();
    assert_eq!(other.code, 75, "another run waits until the claim is old: {}", other.log);
    let rerun = site.run(&[]);
    assert_eq!(rerun.code, 0, "{}", rerun.log);
    assert_eq!(site.in_the_latest(RESULT), ["1-a.ptm"]);
}
