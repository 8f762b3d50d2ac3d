//! Pipelines are started after a run, each once, with what is needed to follow them; what a CI server may answer instead is said clearly.

mod ends;
mod jenkins;
mod woodpecker;

use std::path::PathBuf;

use lab::plugin::{self, Ended};
use lab::standin::Request;
use lab::standin::drone::{self, Drone};
use lab::standin::jenkins::{Jenkins, PASSWORD, TOKEN as JENKINS_TOKEN, USER};
use lab::standin::woodpecker::{TOKEN as WOODPECKER_TOKEN, Woodpecker};
use lab::{figures, folder, process};

/// A workspace with one component to pack, and a bucket for it: the shortest run that ends well.
#[derive(Clone)]
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
        Self::new("woodpecker", woodpecker.url(), WOODPECKER_TOKEN, "erp/images@main")
    }

    fn jenkins(jenkins: &Jenkins) -> Self {
        Self::new("jenkins", jenkins.url(), JENKINS_TOKEN, "erp/images").with("ci_user", USER)
    }

    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.settings.retain(|(known, _)| *known != name);
        self.settings.push((name, value.to_owned()));
        self
    }

    fn run(&self) -> Ended {
        let ended = plugin::run("plugin-package", &self.workspace, &self.settings).unwrap();
        assert!(!ended.log.contains("panicked"), "{}", ended.log);
        for secret in [drone::TOKEN, WOODPECKER_TOKEN, JENKINS_TOKEN, PASSWORD] {
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
        for secret in [drone::TOKEN, WOODPECKER_TOKEN, JENKINS_TOKEN, PASSWORD] {
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
fn the_config_file_of_package_names_the_next_pipelines() {
    let drone = Drone::start().unwrap();
    let mut site = Site::drone(&drone);
    site.settings.retain(|(name, _)| *name != "trigger");
    let file = "GERA_IMAGEM=true\nIMAGEM_REPO=erp/images\nIMAGEM_BRANCH=release\nGERA_CHART=true\nCHART_REPO=erp/images\nCHART_VALUES=values-prod.yaml\n";
    std::fs::write(site.workspace.join(".config"), file).unwrap();
    let dry = site.clone().with("dry_run", "true").run();
    assert!(dry.code == 0 && dry.log.contains("erp/images@release"), "{}", dry.log);
    assert!(drone.requests().is_empty());
    says(&site.run(), 0, &["/erp/images/1", "/erp/images/2"]);
    let builds = drone.with(|state| state.builds.clone());
    assert_eq!((builds[0].branch.as_str(), builds[1].branch.as_str()), ("release", "develop"));
    assert!(builds[0].parameters.is_empty());
    assert_eq!(builds[1].parameters["CHART_VALUES"], "values-prod.yaml");
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

/// Whoever starts a step of Drone may set the variables of other servers.
#[test]
fn the_token_goes_to_no_address_of_a_foreign_environment() {
    let stranger = Woodpecker::start().unwrap();
    let mut site = Site::woodpecker(&stranger);
    site.settings.retain(|(name, _)| *name != "ci_url");
    let mut command = plugin::command("plugin-package", &site.workspace, &site.settings).unwrap();
    command.envs([("DRONE", "true"), ("CI_SYSTEM_URL", stranger.url())]);
    says(&Ended::of(&command.output().unwrap()), 2, &["PLUGIN_CI_URL: required"]);
    assert!(stranger.requests().is_empty());
}

#[test]
fn nothing_is_started_by_a_dry_run_or_with_settings_that_cannot_be_used() {
    let drone = Drone::start().unwrap();
    let dry = Site::drone(&drone).with("dry_run", "true").run();
    assert_eq!(dry.code, 0, "{}", dry.log);
    assert!(dry.log.contains("would start") && dry.log.contains("erp/images@main"), "{}", dry.log);
    let unknown = Site::drone(&drone).with("trigger_parameters", "{\"X\": \"@rpo.version\"}").run();
    says(&unknown, 2, &["`X` asks for `@rpo.version`, but no earlier step has that output"]);
    assert!(!unknown.log.contains("packed"), "{}", unknown.log);
    let secret = format!("{{\"X\": \"{}\"}}", drone::TOKEN);
    says(&Site::drone(&drone).with("trigger_parameters", &secret).run(), 2, &["holds a secret"]);
    assert!(drone.requests().is_empty());
}
