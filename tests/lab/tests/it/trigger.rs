//! Pipelines are started after a run, each once, with what is needed to follow them; what a CI server may answer instead is said clearly.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use lab::plugin::{self, Ended};
use lab::standin::Request;
use lab::standin::drone::{self, Drone};
use lab::standin::jenkins::{self, Jenkins};
use lab::standin::woodpecker::{self, Woodpecker};
use lab::{figures, folder, process};

/// A workspace with one component to pack, and a bucket for it: the shortest run that ends well.
struct Site {
    workspace: PathBuf,
    settings: Vec<(&'static str, String)>,
}

impl Site {
    fn new(server: &str, url: &str, token: &str, target: &str) -> Self {
        let (bucket, workspace) =
            (folder::temporary("bucket").unwrap(), folder::temporary("workspace").unwrap());
        let component = workspace.join("components/web");
        std::fs::create_dir_all(&component).unwrap();
        std::fs::write(component.join("VERSION"), "1.0\n").unwrap();
        let text = |name, value: &str| (name, value.to_owned());
        let settings = vec![
            ("bucket", format!("file://{}", bucket.display())),
            text("source", "components"),
            text("ci_server", server),
            text("ci_url", url),
            text("ci_token", token),
            text("trigger", target),
        ];
        Self { workspace, settings }
    }

    fn drone(drone: &Drone) -> Self {
        Self::new("drone", drone.url(), drone::TOKEN, "erp/images@main")
    }

    fn woodpecker(woodpecker: &Woodpecker) -> Self {
        Self::new("woodpecker", woodpecker.url(), woodpecker::TOKEN, "erp/images@main")
    }

    fn jenkins(jenkins: &Jenkins) -> Self {
        Self::new("jenkins", jenkins.url(), jenkins::TOKEN, "erp/images").with("ci_user", jenkins::USER)
    }

    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.settings.retain(|(known, _)| *known != name);
        self.settings.push((name, value.to_owned()));
        self
    }

    fn run(&self) -> Ended {
        let ended = plugin::run("plugin-package", &self.workspace, &self.settings).unwrap();
        assert!(!ended.log.contains("panicked"), "{}", ended.log);
        for secret in [drone::TOKEN, woodpecker::TOKEN, jenkins::TOKEN, jenkins::PASSWORD] {
            assert!(!ended.log.contains(secret), "{}", ended.log);
        }
        ended
    }

    fn triggered(&self) -> serde_json::Value {
        plugin::outputs(&self.workspace, "package").unwrap()["triggered"].clone()
    }
}

fn says(ended: &Ended, code: i32, texts: &[&str]) {
    assert_eq!(ended.code, code, "{}", ended.log);
    for text in texts {
        assert!(ended.log.contains(text), "`{text}` is not said:\n{}", ended.log);
    }
    // The work was done and handed on before anything was started.
    assert!(ended.log.contains("1 of 1 components were packed") || code == 2, "{}", ended.log);
}

fn no_secret_in_an_address(requests: &[Request]) {
    assert!(!requests.is_empty());
    for request in requests {
        for secret in [drone::TOKEN, woodpecker::TOKEN, jenkins::TOKEN, jenkins::PASSWORD] {
            assert!(!request.uri.contains(secret), "{}", request.uri);
        }
    }
}

fn posts(requests: &[Request]) -> Vec<&str> {
    requests.iter().filter(|request| request.method == "POST").map(|request| request.path.as_str()).collect()
}

#[test]
fn drone_builds_a_branch_with_parameters_and_the_link_is_handed_on() {
    let drone = Drone::start().unwrap();
    let site = Site::drone(&drone)
        .with("ci_url", &format!("{}//", drone.url()).replace("//", "/").replacen(":/", "://", 1))
        .with("trigger_parameters", "{\"VERSIONS\": \"@package.versions\", \"KIND\": \"a&b c\"}");
    let ended = site.run();
    let link = format!("{}/erp/images/1", drone.url());
    says(&ended, 0, &[&link]);
    assert_eq!(site.triggered(), serde_json::json!([link]));
    let build = drone.with(|state| state.builds.clone()).pop().unwrap();
    assert_eq!(build.branch, "main");
    assert_eq!(build.parameters["KIND"], "a&b c");
    assert_eq!(build.parameters["VERSIONS"], "{\"web\":\"1.0\"}");
    assert!(
        !ended.log.contains("a&b c") && !ended.log.contains("a%26b"),
        "parameters are not shown: {}",
        ended.log
    );

    let again = site.run();
    assert_eq!(again.code, 0, "{}", again.log);
    assert!(again.log.contains("nothing to do"), "{}", again.log);
    assert_eq!(drone.with(|state| state.builds.len()), 2, "a run that found its work done starts it, too");
    let changed = site.with("trigger_when", "changed").run();
    assert_eq!((changed.code, drone.with(|state| state.builds.len())), (0, 2), "{}", changed.log);
    // A restart would keep the old parameters.
    assert_eq!(posts(&drone.requests()), ["/api/repos/erp/images/builds"; 2]);
    no_secret_in_an_address(&drone.requests());
}

#[test]
fn what_drone_answers_instead_is_said_clearly() {
    type Trap = (&'static str, fn(&mut drone::State), i32, &'static [&'static str]);
    let traps: [Trap; 7] = [
        (
            "nothing matches",
            |state| state.nothing_matches = true,
            1,
            &["nothing was started", "event: [custom]"],
        ),
        ("no right", |state| state.no_right = true, 1, &["not found, or the token may not write there"]),
        ("YAML", |state| state.has_yaml_error = true, 1, &["could not begin: yaml: line 3"]),
        ("failure", |state| state.result = "failure", 1, &["/erp/images/1 ended as `failure`"]),
        ("killed", |state| state.result = "killed", 1, &["/erp/images/1 ended as `killed`"]),
        ("blocked", |state| state.result = "blocked", 1, &["waits for a person's approval"]),
        ("busy", |state| state.busy = 1, 0, &["answered with 503", "(success)"]),
    ];
    for (name, set, code, texts) in traps {
        let drone = Drone::start().unwrap();
        drone.with(set);
        let ended = Site::drone(&drone).with("trigger_wait", "true").run();
        says(&ended, code, texts);
        let built = drone.with(|state| state.builds.len());
        assert_eq!(
            built,
            usize::from(!["nothing matches", "no right"].contains(&name)),
            "{name}: started once"
        );
    }
    figures::note("trigger", "traps of Drone's API that a run met", traps.len() as u64).unwrap();
}

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
fn drone_restarts_keep_old_parameters() {
    // What the stand-in does here is why a build is never restarted.
    let drone = Drone::start().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for path in ["builds?X=old", "builds/1?X=new&Y=2"] {
            let request =
                lab::http::client().unwrap().post(format!("{}/api/repos/erp/images/{path}", drone.url()));
            lab::http::success(request.bearer_auth(drone::TOKEN)).await.unwrap();
        }
    });
    let builds = drone.with(|state| state.builds.clone());
    assert_eq!(builds[1].parameters["X"], "old");
    assert_eq!(builds[1].parameters["Y"], "2");
}

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
        (|_| (), "nowhere", 75, &["cannot read the branch `nowhere`", "look at the server before"]),
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
    figures::note("trigger", "traps of Jenkins' API that a run met", traps.len() as u64 + 2).unwrap();
}

#[test]
fn the_config_file_of_package_names_the_next_pipelines() {
    let drone = Drone::start().unwrap();
    let mut site = Site::drone(&drone);
    site.settings.retain(|(name, _)| *name != "trigger");
    let file = "GERA_IMAGEM=true\nIMAGEM_REPO=erp/images\nIMAGEM_BRANCH=release\nGERA_CHART=true\nCHART_REPO=erp/images\nCHART_VALUES=values-prod.yaml\n";
    std::fs::write(site.workspace.join(".config"), file).unwrap();
    says(&site.run(), 0, &["/erp/images/1", "/erp/images/2"]);
    let builds = drone.with(|state| state.builds.clone());
    assert_eq!((builds[0].branch.as_str(), builds[1].branch.as_str()), ("release", "develop"));
    assert!(builds[0].parameters.is_empty());
    assert_eq!(builds[1].parameters["CHART_VALUES"], "values-prod.yaml");
}

#[test]
fn one_that_cannot_be_started_does_not_keep_others_from_it() {
    let drone = Drone::start().unwrap();
    let site = Site::drone(&drone).with("trigger", "erp/nowhere, erp/images").with("report_dir", "report");
    says(&site.run(), 1, &["start a build of `erp/nowhere`", "/erp/images/1"]);
    let report = std::fs::read_to_string(site.workspace.join("report/report.json")).unwrap();
    assert!(report.contains(&format!("{}/erp/images/1", drone.url())), "{report}");
}

#[test]
fn the_wait_has_an_end_and_sigterm_ends_it() {
    let drone = Drone::start().unwrap();
    drone.with(|state| state.looks = u32::MAX);
    let site = Site::drone(&drone).with("trigger_wait", "true").with("trigger_timeout", "2s");
    says(&site.run(), 75, &["/erp/images/1 is not done after 2s", "last seen as `running`"]);

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
fn the_server_that_runs_the_step_is_found_in_the_environment() {
    let drone = Drone::start().unwrap();
    let mut site = Site::drone(&drone);
    site.settings.retain(|(name, _)| !["ci_server", "ci_url"].contains(name));
    let mut command = plugin::command("plugin-package", &site.workspace, &site.settings).unwrap();
    let (proto, host) = drone.url().split_once("://").unwrap();
    command.envs([("DRONE", "true"), ("DRONE_SYSTEM_PROTO", proto), ("DRONE_SYSTEM_HOST", host)]);
    let log = process::output(command, "").unwrap();
    assert!(log.contains("/erp/images/1"), "{log}");
}

#[test]
fn nothing_is_started_by_a_dry_run_or_with_settings_that_cannot_be_used() {
    let drone = Drone::start().unwrap();
    let dry = Site::drone(&drone).with("dry_run", "true").run();
    assert_eq!(dry.code, 0, "{}", dry.log);
    let unknown = Site::drone(&drone).with("trigger_parameters", "{\"X\": \"@rpo.version\"}").run();
    says(&unknown, 2, &["`X` asks for `@rpo.version`, but no earlier step has that output"]);
    assert!(!unknown.log.contains("packed"), "{}", unknown.log);
    let secret = format!("{{\"X\": \"{}\"}}", drone::TOKEN);
    says(&Site::drone(&drone).with("trigger_parameters", &secret).run(), 2, &["holds a secret"]);
    assert!(drone.requests().is_empty());
}
