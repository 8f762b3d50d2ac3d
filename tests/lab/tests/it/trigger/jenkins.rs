//! Jobs of Jenkins, followed through its queue, and what it answers instead.

use lab::figures;
use lab::standin::jenkins::{self, Jenkins};

use super::{Site, no_secret_in_an_address, posts, says};

#[test]
fn jenkins_jobs_are_started_and_followed_through_the_queue() {
    let jenkins = Jenkins::start().unwrap();
    let site = Site::jenkins(&jenkins)
        .with("trigger_parameters", "{\"VERSION\": \"1.0\"}")
        .with("trigger_wait", "true");
    let link = format!("{}/job/erp/job/images/1/", jenkins.url());
    let ended = site.run();
    says(&ended, 0, &[&link, "(SUCCESS)"]);
    assert!(!ended.log.contains("jenkins.internal"), "{}", ended.log);
    assert_eq!(site.triggered(), serde_json::json!([link]));
    assert_eq!(jenkins.with(|state| state.builds[0].parameters["VERSION"].clone()), "1.0");
    assert_eq!(posts(&jenkins.requests()), ["/job/erp/job/images/buildWithParameters"]);
    no_secret_in_an_address(&jenkins.requests());

    let plain = Site::jenkins(&jenkins).with("trigger", "erp/plain").run();
    says(&plain, 0, &["/job/erp/job/plain/2/"]);
}

#[test]
fn a_password_gets_its_crumb_in_the_same_session() {
    let jenkins = Jenkins::start().unwrap();
    let site = Site::jenkins(&jenkins).with("ci_token", jenkins::PASSWORD);
    says(&site.run(), 0, &["/job/erp/job/images/1/"]);
    assert_eq!(
        jenkins.with(|state| state.builds.len()),
        1,
        "the first request was refused, the second acted"
    );
    no_secret_in_an_address(&jenkins.requests());
}

#[test]
fn what_jenkins_answers_instead_is_said_clearly() {
    type Trap = (fn(&mut jenkins::State), &'static str, &'static str, i32, &'static [&'static str]);
    let traps: [Trap; 8] = [
        (|state| state.forgets_items = true, "erp/images", "{}", 0, &["/job/erp/job/images/1/ (SUCCESS)"]),
        (|state| state.cancels = true, "erp/images", "{}", 1, &["left the queue without a build"]),
        (|state| state.queues_nothing = true, "erp/images", "{}", 1, &["put nothing into its queue"]),
        (|_| (), "erp/off", "{}", 1, &["the job is disabled"]),
        (|_| (), "erp/none", "{}", 1, &["not found, or the token may not write there"]),
        (|_| (), "erp/images", "{\"VERSON\": 1}", 1, &["no parameter `VERSON`, which would be dropped"]),
        (|_| (), "erp/plain", "{\"VERSION\": 1}", 1, &["it has no parameters"]),
        (
            |state| state.result = "UNSTABLE",
            "erp/images",
            "{}",
            1,
            &["/job/erp/job/images/1/ ended as `UNSTABLE`"],
        ),
    ];
    for (set, job, parameters, code, texts) in traps {
        let jenkins = Jenkins::start().unwrap();
        jenkins.with(set);
        let site = Site::jenkins(&jenkins).with("trigger", job).with("trigger_parameters", parameters);
        says(&site.with("trigger_wait", "true").run(), code, texts);
    }
    figures::note("trigger", "traps of Jenkins' API that a run met", traps.len() as u64).unwrap();
}
