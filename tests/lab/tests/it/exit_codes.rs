//! Which exit code every plugin ends with, and when: 0, 1, 2, 3, 75, and never 78, which Drone takes for "skip the rest and pass".

use std::time::{Duration, Instant};

use lab::cut::side_by_side;
use lab::fixtures::Site;
use lab::plugin::{self, Ended};
use lab::{Cut, Error, Moment, cluster, figures, ports, process};

use crate::rollout;

/// A plugin whose target can be made anew, and what makes it refuse.
pub(crate) struct Case {
    pub(crate) make: fn() -> Result<Site, Error>,
    pub(crate) refused: &'static [(&'static str, &'static str)],
    /// After it was done once, in the workspace: a file that makes it refuse, if no setting does.
    pub(crate) spoiled: Option<(&'static str, &'static str)>,
}

pub(crate) const CASES: [Case; 4] = [
    Case { make: Site::rpo, refused: &[("rpo_source", "nowhere")], spoiled: None },
    Case {
        make: Site::package,
        refused: &[("overwrite", "false")],
        spoiled: Some(("components/web/index.html", "another\n")),
    },
    Case { make: Site::bump, refused: &[("base", "absent")], spoiled: None },
    Case { make: Site::chart, refused: &[], spoiled: Some(("chart/values.yaml", "greeting: bye\n")) },
];

/// Held to what the code promises: an error is said exactly when there is one.
fn expect(ended: &Ended, code: i32, what: &str) {
    assert_eq!(ended.code, code, "{what}:\n{}", ended.log);
    let errors = ended.log.lines().filter(|line| line.starts_with("error: ")).count();
    assert_eq!(errors, usize::from(code != 0), "{what}:\n{}", ended.log);
}

#[test]
fn a_run_that_did_it_had_nothing_to_do_was_refused_or_cannot_know_says_which() {
    let nowhere = format!("http://127.0.0.1:{}", ports::free().unwrap());
    let mut runs = 0;
    let mut ends = |ended: &Ended, code: i32, what: &str| {
        expect(ended, code, what);
        runs += 1;
    };
    for case in &CASES {
        let site = (case.make)().unwrap();
        ends(&site.run(&[("dry_rum", "true")]).unwrap(), 2, site.plugin);
        let unreachable = site.command(&nowhere, &[]).unwrap().output().unwrap();
        ends(&Ended::of(&unreachable), 75, site.plugin);
        ends(&site.run(&[]).unwrap(), 0, site.plugin);
        let idle = site.run(&[]).unwrap();
        ends(&idle, 0, site.plugin);
        assert!(idle.log.contains("nothing to do"), "{}", idle.log);
        if let Some((path, content)) = case.spoiled {
            site.write(path, content).unwrap();
        }
        let before = site.state().unwrap();
        ends(&site.run(case.refused).unwrap(), 1, site.plugin);
        assert_eq!(site.state().unwrap(), before, "{}: what is refused changes nothing", site.plugin);
    }
    figures::note(
        "exit_codes",
        "runs of rpo, package, image-bump and chart-publish that end as documented",
        runs,
    )
    .unwrap();
}

#[test]
fn a_run_that_is_told_to_stop_at_any_write_exits_75_and_the_next_finishes() {
    let mut stops = Vec::new();
    for (number, case) in CASES.iter().enumerate() {
        let site = (case.make)().unwrap();
        let alone = Cut::in_front_of(site.server()).unwrap();
        let run = alone.run(site.command(alone.url(), &[]).unwrap()).unwrap();
        expect(&run.ended, 0, site.plugin);
        let expected = site.state().unwrap();
        stops.extend((1..=run.writes).map(|write| (number, write, expected.clone())));
    }
    let count = stops.len() as u64;
    side_by_side(stops, |(number, write, expected)| {
        let site = (CASES[number].make)().unwrap();
        let at = format!("{} at write {write}", site.plugin);
        // The server has done it, and the plugin waits for the answer.
        let cut = Cut::in_front_of(site.server()).unwrap().hold_at(write, Moment::After);
        let mut run = cut.start(site.command(cut.url(), &[]).unwrap()).unwrap();
        run.until_held().unwrap();
        process::terminate(run.id()).unwrap();
        let told = Instant::now();
        let ended = run.end().unwrap().ended;
        expect(&ended, 75, &at);
        assert!(ended.log.contains("told to stop"), "{at}: {}", ended.log);
        assert!(told.elapsed() < Duration::from_secs(20), "{at}: a wait ends at once");

        let rerun = site.elsewhere().unwrap().run(&[]).unwrap();
        expect(&rerun, 0, &at);
        assert_eq!(site.state().unwrap(), expected, "{at}: {}", rerun.log);
    });
    figures::note(
        "exit_codes",
        "SIGTERM at a write: told by the exit code, and the next run finishes",
        count,
    )
    .unwrap();
}

#[test]
fn a_run_that_is_told_to_stop_while_a_patch_is_applied_ends_the_appserver_too() {
    let site = Site::rpo().unwrap();
    let undisturbed = Site::rpo().unwrap();
    expect(&undisturbed.run(&[]).unwrap(), 0, "undisturbed");

    let server = lab::folder::temporary("appserver").unwrap();
    lab::standin::appserver::install(&server).unwrap();
    let ini = server.join("appserver.ini");
    let sound = std::fs::read_to_string(&ini).unwrap();
    std::fs::write(&ini, format!("{sound}[ESTEIRA]\nFault=hang:1\n")).unwrap();
    let server_setting = server.display().to_string();
    let cut = Cut::in_front_of(site.server()).unwrap();
    let hanging = site.command(cut.url(), &[("appserver", &server_setting)]).unwrap();
    let run = cut.start(hanging).unwrap();
    let is_hanging = || processes_in(&server.join("appsrvlinux").display().to_string(), "-applypatch");
    let end = Instant::now() + Duration::from_secs(60);
    while !is_hanging() {
        assert!(Instant::now() < end, "no patch was begun");
        std::thread::sleep(Duration::from_millis(10));
    }
    process::terminate(run.id()).unwrap();
    expect(&run.end().unwrap().ended, 75, "a hanging AppServer");
    let end = Instant::now() + Duration::from_secs(10);
    while is_hanging() {
        assert!(Instant::now() < end, "the AppServer outlives its plugin");
        std::thread::sleep(Duration::from_millis(10));
    }
    expect(&site.run(&[]).unwrap(), 0, "the next run");
    assert_eq!(site.state().unwrap(), undisturbed.state().unwrap());
    figures::note(
        "exit_codes",
        "SIGTERM while the AppServer hangs: told by the exit code, and the next run finishes",
        1,
    )
    .unwrap();
}

/// Whether a process of this program runs with this argument.
fn processes_in(program: &str, argument: &str) -> bool {
    let Ok(processes) = std::fs::read_dir("/proc") else { return false };
    let mut lines = processes.flatten().filter_map(|one| std::fs::read(one.path().join("cmdline")).ok());
    lines.any(|line| {
        let line = String::from_utf8_lossy(&line).into_owned();
        line.split('\0').any(|word| word == argument) && line.contains(program)
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_says_whether_all_some_or_no_environments_were_updated() {
    let site = rollout::Site::new();
    let bad = site.customer("acme", |one| one).await;
    let good = site.customer("globex", |one| one).await;
    // Below that the cluster's client tells of its own errors.
    let run = |more: &[(&'static str, &str)]| {
        site.run("smarterp-producao", &[more, &[("log_level", "info")]].concat())
    };
    let nowhere = format!(
        "{{\"clusters\":[{{\"name\":\"c\",\"cluster\":{{\"server\":\"http://127.0.0.1:{}\"}}}}],\"users\":[{{\"name\":\"u\",\"user\":{{}}}}],\"contexts\":[{{\"name\":\"x\",\"context\":{{\"cluster\":\"c\",\"user\":\"u\"}}}}],\"current-context\":\"x\"}}",
        ports::free().unwrap()
    );
    let mut runs = 0;
    let mut ends = |ended: &Ended, code: i32, what: &str| {
        expect(ended, code, what);
        runs += 1;
    };
    ends(&run(&[("dry_rum", "true")]), 2, "an unknown setting");
    ends(&run(&[("kubeconfig", &nowhere)]), 75, "no API server");
    ends(&run(&[]), 1, "no chart");
    site.publish(rollout::NEW).await;

    let cut = Cut::in_front_of(site.uptime.url()).unwrap().counting("/editMonitor").hold_at(1, Moment::After);
    let settings =
        site.settings("smarterp-producao", &[("uptimerobot_url", cut.url()), ("concurrency", "1")]);
    let mut held = cut.start(plugin::command("plugin-rollout", &site.workspace, &settings).unwrap()).unwrap();
    held.until_held().unwrap();
    assert_eq!(site.paused().len(), 1);
    process::terminate(held.id()).unwrap();
    held.release();
    ends(&held.end().unwrap().ended, 75, "told to stop");
    assert_eq!(site.paused(), [""; 0], "what was paused is resumed");

    let quota = format!(
        "apiVersion: v1\nkind: ResourceQuota\nmetadata: {{name: none, namespace: {}}}\nspec: {{hard: {{count/services: \"0\"}}}}\n",
        bad.name()
    );
    cluster().kubectl(&["delete", "services", "--all", "-n", bad.name()]).unwrap();
    cluster().apply(&quota).unwrap();
    ends(&run(&[("max_failures", "2")]), 3, "one of two cannot be updated");
    assert_eq!(rollout::version(&good).await, rollout::updated());
    cluster().kubectl(&["delete", "resourcequota", "none", "-n", bad.name()]).unwrap();
    ends(&run(&[("retry_failed", "true")]), 0, "the other one");
    assert_eq!(rollout::version(&bad).await, rollout::updated());
    let idle = run(&[]);
    ends(&idle, 0, "nothing to do");
    assert!(idle.log.contains("nothing to do"), "{}", idle.log);
    figures::note("exit_codes", "runs of rollout that end as documented", runs).unwrap();
}
