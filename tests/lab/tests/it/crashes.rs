//! Every plugin that writes to a bucket or a Git server is killed at each of its writes, before and after the server did it: what is there
//! meanwhile is whole, the next run reaches the same end as an undisturbed one, and the run after that has nothing to do.

use std::collections::BTreeMap;

use lab::cut::{MOMENTS, side_by_side};
use lab::figures;
use lab::fixtures::{Site, sha256};
use lab::{Cut, Error, Moment};
use serde_json::Value;

type State = BTreeMap<String, String>;

/// Cuts a plugin everywhere. `make` gives the same target again and again; `is_whole` looks at what a killed run left, knowing what was
/// there before and what is there in the end.
struct Crashes {
    what: &'static str,
    make: fn() -> Result<Site, Error>,
    is_whole: fn(&Site, &State, &State),
}

impl Crashes {
    fn cut_everywhere(self) {
        let site = (self.make)().unwrap();
        let before = site.state().unwrap();
        let undisturbed = Cut::in_front_of(site.server()).unwrap();
        let run = undisturbed.run(site.command(undisturbed.url(), &[]).unwrap()).unwrap();
        assert_eq!(run.ended.code, 0, "{}", run.ended.log);
        assert!(run.writes > 0, "{}", run.ended.log);
        let expected = site.state().unwrap();
        assert_ne!(before, expected);

        let cases: Vec<_> =
            (1..=run.writes).flat_map(|write| MOMENTS.map(|moment| (write, moment))).collect();
        let count = cases.len() as u64;
        side_by_side(cases, |(write, moment)| self.cut(write, moment, &before, &expected));
        figures::note(
            "crashes",
            &format!("{}: killed before or after a write, and finished by the next run", self.what),
            count,
        )
        .unwrap();
    }

    fn cut(&self, write: usize, moment: Moment, before: &State, expected: &State) {
        let at = format!("{}: {moment:?} write {write}", self.what);
        let site = (self.make)().unwrap();
        let cut = Cut::in_front_of(site.server()).unwrap().at(write, moment);
        let run = cut.run(site.command(cut.url(), &[]).unwrap()).unwrap();
        assert!(run.was_killed && run.ended.code == -1, "{at}: it was not killed: {}", run.ended.log);
        (self.is_whole)(&site, before, expected);

        let rerun = site.run(&[]).unwrap();
        assert_eq!(rerun.code, 0, "{at}:\n{}", rerun.log);
        assert_eq!(&site.state().unwrap(), expected, "{at}:\n{}", rerun.log);

        let passing = Cut::in_front_of(site.server()).unwrap();
        let idle = passing.run(site.command(passing.url(), &[]).unwrap()).unwrap();
        assert_eq!((idle.ended.code, idle.writes), (0, 0), "{at}:\n{}", idle.ended.log);
        assert!(idle.ended.log.contains("nothing to do"), "{at}:\n{}", idle.ended.log);
    }
}

/// Every manifest that says "published", and every pointer to one, names an object that is exactly what it says.
fn manifests_are_true(site: &Site, state: &State, object: &str) {
    for key in state.keys().filter(|key| key.ends_with(".json")) {
        let manifest: Value = serde_json::from_slice(&site.object(key).unwrap()).unwrap();
        if manifest["state"] == "uploading" {
            continue;
        }
        let bytes = site.object(manifest[object].as_str().unwrap()).unwrap();
        assert_eq!(manifest["size"], bytes.len(), "{key}");
        assert_eq!(
            manifest["digest"].as_str().unwrap().trim_start_matches("sha256:"),
            sha256(&bytes),
            "{key}"
        );
    }
}

#[test]
fn rpos_of_both_editions_are_published_whole_wherever_the_run_is_killed() {
    let is_whole = |site: &Site, _: &State, _: &State| {
        manifests_are_true(site, &site.state().unwrap(), "rpo");
    };
    Crashes { what: "plugin-rpo, two editions", make: Site::rpo, is_whole }.cut_everywhere();
}

#[test]
fn archives_are_published_whole_wherever_the_run_is_killed() {
    let is_whole = |site: &Site, before: &State, expected: &State| {
        let now = site.state().unwrap();
        manifests_are_true(site, &now, "archive");
        // Image builds take archives by their key alone: what is there is the old one or the new one.
        for (key, archive) in now.iter().filter(|(key, _)| key.ends_with(".tar.gz")) {
            assert!([before.get(key), expected.get(key)].contains(&Some(archive)), "{key} is half");
        }
    };
    Crashes { what: "plugin-package, three components", make: Site::package, is_whole }.cut_everywhere();
}

#[test]
fn a_chart_is_in_the_bucket_before_the_index_names_it_wherever_the_run_is_killed() {
    let is_whole = |site: &Site, _: &State, _: &State| index_is_true(&site.state().unwrap());
    Crashes { what: "plugin-chart-publish, the first chart", make: Site::chart, is_whole }.cut_everywhere();
    Crashes { what: "plugin-chart-publish, the next chart", make: Site::next_chart, is_whole }
        .cut_everywhere();
}

fn index_is_true(state: &State) {
    let Some(index) = state.get("stable/index.yaml") else { return };
    let listed = index.lines().map(|line| line.trim_start_matches(['-', ' ']).trim_matches('"'));
    let mut charts = 0;
    for file in listed.filter(|word| word.ends_with(".tgz")) {
        charts += 1;
        assert!(state.contains_key(&format!("stable/{file}")), "`{file}` is listed and not there");
    }
    assert!(charts > 0, "{index}");
}

#[test]
fn a_pull_request_is_on_a_whole_branch_wherever_the_run_is_killed() {
    let is_whole = |site: &Site, before: &State, expected: &State| {
        let now = site.state().unwrap();
        let branch = |state: &State| {
            let of_branch = |(key, _): &(&String, &String)| key.starts_with("esteira/bump:");
            state.iter().filter(of_branch).map(|(_, text)| text.clone()).collect::<Vec<_>>()
        };
        assert!([branch(before), branch(expected)].contains(&branch(&now)), "{now:?}");
        let is_open = now.contains_key("#1");
        assert!(!is_open || now["esteira/bump:VERSION"] != "none", "{now:?}");
        assert!(!now.contains_key("#2"), "{now:?}");
        assert_eq!(now["develop:VERSION"], before["develop:VERSION"]);
    };
    Crashes { what: "plugin-image-bump, a new pull request", make: Site::bump, is_whole }.cut_everywhere();
    Crashes { what: "plugin-image-bump, a newer version", make: Site::next_bump, is_whole }.cut_everywhere();
}
