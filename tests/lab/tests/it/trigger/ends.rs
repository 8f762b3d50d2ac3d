//! How a run ends whose pipelines were started late, in part, or perhaps: 75 only where a rerun starts nothing a second time.

use std::time::{Duration, Instant};

use lab::plugin::{self, Ended};
use lab::process;
use lab::standin::drone::Drone;

use super::{Site, says};

#[test]
fn a_start_that_may_have_happened_is_not_repeated() {
    let drone = Drone::start().unwrap();
    drone.with(|state| state.slow = Duration::from_secs(3));
    let site = Site::drone(&drone);
    let ended = site.run();
    says(&ended, 0, &["/erp/images/1"]);
    assert_eq!(drone.with(|state| state.builds.len()), 1);
}

#[test]
fn one_that_cannot_be_started_does_not_keep_others_from_it() {
    let drone = Drone::start().unwrap();
    let site = Site::drone(&drone).with("trigger", "erp/nowhere, erp/images").with("report_dir", "report");
    says(&site.run(), 3, &["1 of 2 pipelines", "start a build of `erp/nowhere`", "/erp/images/1"]);
    let report = std::fs::read_to_string(site.workspace.join("report/report.json")).unwrap();
    assert!(report.contains(&format!("{}/erp/images/1", drone.url())), "{report}");
}

#[test]
fn the_wait_has_an_end_and_sigterm_ends_it() {
    let drone = Drone::start().unwrap();
    drone.with(|state| state.looks = u32::MAX);
    let site = Site::drone(&drone).with("trigger_wait", "true").with("trigger_timeout", "2s");
    says(&site.run(), 1, &["/erp/images/1 is not done after 2s", "last seen as `running`"]);

    let site = Site::drone(&drone).with("trigger_wait", "true");
    let child = plugin::start("plugin-package", &site.workspace, &site.settings).unwrap();
    let begun = Instant::now();
    while drone.with(|state| state.builds.len()) < 2 {
        assert!(begun.elapsed() < Duration::from_secs(60), "it was not started");
        std::thread::sleep(Duration::from_millis(50));
    }
    process::terminate(child.id()).unwrap();
    let ended = Ended::of(&child.wait_with_output().unwrap());
    says(&ended, 75, &["/erp/images/2", "goes on without being waited for"]);
}

#[test]
fn a_server_that_is_away_for_a_moment_is_waited_for() {
    let drone = Drone::start().unwrap();
    drone.with(|state| state.refused_looks = 3);
    let ended = Site::drone(&drone).with("trigger_wait", "true").run();
    says(&ended, 0, &["database is locked", "(success)"]);
    assert_eq!(ended.log.matches("it is looked at again").count(), 1, "{}", ended.log);

    drone.with(|state| state.refused_looks = u32::MAX);
    let site = Site::drone(&drone).with("trigger_wait", "true").with("trigger_timeout", "3s");
    says(
        &site.run(),
        1,
        &["/erp/images/2 is not done after 3s", "last seen as `pending`", "database is locked"],
    );
}
