//! Two runs of one plugin on one target at once: one result, and the other run says what it found. One of them is held at a write until the
//! other has ended, at every write, so that the overlap is certain; then both run freely.

use std::collections::BTreeMap;

use lab::cut::{MOMENTS, side_by_side};
use lab::fixtures::Site;
use lab::plugin::{self, Ended};
use lab::{Cut, Error, Moment, figures};

use crate::rollout;

const RACES: usize = 4;

/// What a run says that leaves the work to another, or finds that the other was faster.
const FINDINGS: [&str; 4] = [
    "` is assembling the same RPO since 2",
    "` is packing `",
    "in the meantime",
    "another run took it over meanwhile",
];

struct Pairs {
    what: &'static str,
    make: fn() -> Result<Site, Error>,
}

impl Pairs {
    fn run(self) {
        let site = (self.make)().unwrap();
        let alone = Cut::in_front_of(site.server()).unwrap();
        let run = alone.run(site.command(alone.url(), &[]).unwrap()).unwrap();
        assert_eq!(run.ended.code, 0, "{}", run.ended.log);
        let expected = site.state().unwrap();

        let holds: Vec<_> =
            (1..=run.writes).flat_map(|write| MOMENTS.map(|moment| Some((write, moment)))).collect();
        let pairs = [holds, vec![None; RACES]].concat();
        let count = pairs.len() as u64;
        side_by_side(pairs, |pair| match pair {
            Some((write, moment)) => self.held(write, moment, &expected),
            None => self.race(&expected),
        });
        let what = format!("{}: two runs at once, one result", self.what);
        figures::note("concurrency", &what, count).unwrap();
    }

    fn held(&self, write: usize, moment: Moment, expected: &BTreeMap<String, String>) {
        let at = format!("{}: the first is held at {moment:?} write {write}", self.what);
        let site = (self.make)().unwrap();
        let cut = Cut::in_front_of(site.server()).unwrap().hold_at(write, moment);
        let mut first = cut.start(site.command(cut.url(), &[]).unwrap()).unwrap();
        first.until_held().unwrap();
        let second = site.elsewhere().unwrap().run(&[]).unwrap();
        first.release();
        let first = first.end().unwrap().ended;
        judge(&site, [&first, &second], expected, &at);
    }

    fn race(&self, expected: &BTreeMap<String, String>) {
        let site = (self.make)().unwrap();
        let passing = Cut::in_front_of(site.server()).unwrap();
        let running = passing.start(site.command(passing.url(), &[]).unwrap()).unwrap();
        let second = site.elsewhere().unwrap().run(&[]).unwrap();
        let first = running.end().unwrap().ended;
        judge(&site, [&first, &second], expected, self.what);
    }
}

fn judge(site: &Site, ended: [&Ended; 2], expected: &BTreeMap<String, String>, at: &str) {
    let both = format!("{at}\nfirst:\n{}\nsecond:\n{}", ended[0].log, ended[1].log);
    assert!(ended.iter().any(|one| one.code == 0), "{both}");
    for one in ended {
        assert!([0, 75].contains(&one.code), "{}: {both}", one.code);
        let errors = one.log.lines().filter(|line| line.starts_with("error: ")).count();
        assert_eq!(errors, usize::from(one.code == 75), "{both}");
        assert!(one.code == 0 || FINDINGS.iter().any(|finding| one.log.contains(finding)), "{both}");
    }
    assert_eq!(&site.state().unwrap(), expected, "{both}");
}

#[test]
fn two_runs_assemble_an_rpo_once() {
    Pairs { what: "plugin-rpo", make: Site::rpo }.run();
}

#[test]
fn two_runs_pack_a_component_once() {
    Pairs { what: "plugin-package", make: Site::package }.run();
}

#[test]
fn two_runs_publish_and_list_a_chart_once() {
    Pairs { what: "plugin-chart-publish", make: Site::next_chart }.run();
}

#[test]
fn two_runs_open_one_pull_request_with_one_commit() {
    Pairs { what: "plugin-image-bump, a new pull request", make: Site::bump }.run();
    Pairs { what: "plugin-image-bump, a newer version", make: Site::next_bump }.run();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_runs_roll_a_namespace_out_once() {
    let site = rollout::Site::new();
    site.publish(rollout::NEW).await;
    let customer = site.customer("acme", |one| one).await;
    // Pausing the monitor is the first thing that is done under the Lease.
    let cut = Cut::in_front_of(site.uptime.url()).unwrap().counting("/editMonitor").hold_at(1, Moment::After);
    let settings = site.settings("smarterp-producao", &[("uptimerobot_url", cut.url())]);
    let mut first =
        cut.start(plugin::command("plugin-rollout", &site.workspace, &settings).unwrap()).unwrap();
    first.until_held().unwrap();
    assert_eq!(site.paused().len(), 1, "the first is in mid-work");

    let second = site.run("smarterp-producao", &[]);
    assert_eq!(second.code, 75, "{}", second.log);
    assert!(second.log.contains("is working on it"), "{}", second.log);
    assert_eq!(rollout::version(&customer).await.0, rollout::OLD, "the second left it alone");
    first.release();
    let first = first.end().unwrap().ended;
    assert_eq!(first.code, 0, "{}", first.log);
    assert_eq!(rollout::version(&customer).await, rollout::updated());
    assert_eq!(site.paused(), [""; 0]);
    figures::note("concurrency", "plugin-rollout: two runs at once, one result", 1).unwrap();
}
