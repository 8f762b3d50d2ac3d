//! Pipelines of Woodpecker, and what it answers instead of starting one.

use lab::figures;
use lab::standin::woodpecker::{self, Woodpecker};

use super::{Site, no_secret_in_an_address, says};

#[test]
fn woodpecker_pipelines_are_started_and_followed() {
    let woodpecker = Woodpecker::start().unwrap();
    let site = Site::woodpecker(&woodpecker)
        .with("trigger", "erp/images")
        .with("trigger_parameters", "{\"KIND\": \"x\"}")
        .with("trigger_wait", "true");
    let link = format!("{}/repos/7/pipeline/1", woodpecker.url());
    says(&site.run(), 0, &[&link, "(success)"]);
    assert_eq!(site.triggered(), serde_json::json!([link]));
    let pipeline = woodpecker.with(|state| state.pipelines.clone()).pop().unwrap();
    assert_eq!((pipeline.branch.as_str(), pipeline.variables["KIND"].as_str()), ("develop", "x"));
    no_secret_in_an_address(&woodpecker.requests());
}

#[test]
fn what_woodpecker_answers_instead_is_said_clearly() {
    type Trap = (fn(&mut woodpecker::State), &'static str, i32, &'static [&'static str]);
    let traps: [Trap; 6] = [
        (|state| state.nothing_matches = true, "main", 1, &["nothing was started", "event: manual"]),
        (|state| state.no_right = true, "main", 1, &["not found, or the token may not write there"]),
        (|_| (), "nowhere", 1, &["cannot read the branch `nowhere`", "look at the server before"]),
        (|state| state.result = "failure", "main", 1, &["/pipeline/1 ended as `failure`"]),
        (|state| state.result = "canceled", "main", 1, &["/pipeline/1 ended as `canceled`"]),
        (|state| state.result = "blocked", "main", 1, &["waits for a person's approval"]),
    ];
    for (set, branch, code, texts) in traps {
        let woodpecker = Woodpecker::start().unwrap();
        woodpecker.with(set);
        let site = Site::woodpecker(&woodpecker).with("trigger", &format!("erp/images@{branch}"));
        says(&site.with("trigger_wait", "true").run(), code, texts);
    }
    figures::note("trigger", "traps of Woodpecker's API that a run met", traps.len() as u64).unwrap();
}
