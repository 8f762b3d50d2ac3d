//! In the engines of Drone and Woodpecker: a plugin that fails fails its step, and the next one does not run; one that has nothing to do
//! passes. No step ends with 78, which Drone takes for "skip the rest and pass".

use std::path::Path;
use std::process::Command;

use lab::engine::{Engine, PUSH};
use lab::fixtures::Site;
use lab::plugin::Ended;
use lab::standin::appserver;
use lab::standin::drone::{self, Drone};
use lab::{Containers, arrival, containers, figures, folder, ports};
use serde_json::Value;

use crate::encodings::pipeline;
use crate::exit_codes::{CASES, Case};

/// The settings of a plugin that would run here, as those of its step: what lies on this machine is in the image or the workspace.
fn settings(command: &Command, more: &[(&str, &str)]) -> String {
    let ours = command.get_envs().filter_map(|(name, value)| {
        let name = name.to_str()?.strip_prefix("PLUGIN_")?.to_lowercase();
        Some((name, value?.to_str()?.to_owned()))
    });
    let in_image = |(name, value): (String, String)| match name.as_str() {
        "helm" => None,
        "appserver" => Some((name, "appserver".to_owned())),
        _ => Some((name, value)),
    };
    let others = more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    ours.filter_map(in_image)
        .chain(others)
        .map(|(name, value)| format!("{name}: '{}'\n", value.replace('\'', "''")))
        .collect()
}

/// A plugin's step and one after it.
struct Steps {
    ended: Ended,
    /// What the first step's container ended with, as the engine has it.
    code: i64,
    has_gone_on: bool,
}

fn steps(containers: &Containers, engine: Engine, plugin: &str, workspace: &Path, settings: &str) -> Steps {
    let _ = std::fs::remove_file(workspace.join(arrival::FILE));
    let images = [containers.image(plugin).unwrap(), containers.arrival_image().unwrap()];
    let text = pipeline(engine, &[("plugin", &images[0], settings), ("next", &images[1], "number: 1\n")]);
    std::fs::write(workspace.join(engine.file()), text).unwrap();
    let mut command = engine.command(containers, workspace, "lab", PUSH).unwrap();
    if engine == Engine::Drone {
        command.arg("--dump");
    }
    let ended = Ended::of(&command.output().unwrap());
    let code = match engine {
        Engine::Drone => dumped(&ended.log),
        Engine::Woodpecker => told(&ended.log),
    };
    let has_gone_on = workspace.join(arrival::FILE).exists();
    Steps { code: code.unwrap_or_else(|| panic!("{engine:?}: {}", ended.log)), ended, has_gone_on }
}

/// Drone's `--dump` prints the state of all steps after the log.
fn dumped(log: &str) -> Option<i64> {
    let (_, dump) = log.split_once("\n{\n")?;
    let mut state =
        serde_json::Deserializer::from_str(&format!("{{\n{dump}")).into_iter::<Value>().next()?.ok()?;
    let steps = state["Stage"]["steps"].take();
    let step = steps.as_array()?.iter().find(|step| step["name"] == "plugin")?.clone();
    // Zero is left out.
    Some(step["exit_code"].as_i64().unwrap_or_default())
}

/// Woodpecker's `exec` ends with the error of the step that failed.
fn told(log: &str) -> Option<i64> {
    let Some((_, code)) = log.rsplit_once("exit code ") else { return Some(0) };
    code.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// Holds a step to the exit code that the plugin documents, and the pipeline to what that means.
fn expect(steps: &Steps, code: i64, what: &str) {
    let log = &steps.ended.log;
    assert_eq!(steps.code, code, "{what}: {log}");
    assert_eq!(steps.ended.code, i32::from(code != 0), "{what}: {log}");
    assert_eq!(steps.has_gone_on, code == 0, "{what}: {log}");
}

fn with_appserver(site: Site) -> Site {
    if site.plugin == "plugin-rpo" {
        appserver::install(&site.workspace.join("appserver")).unwrap();
    }
    site
}

/// Every ending of one plugin in both engines; gives their number.
fn endings(containers: &Containers, case: &Case, of: &str) -> u64 {
    let nowhere = format!("http://127.0.0.1:{}", ports::free().unwrap());
    let mut runs = 0;
    for engine in Engine::ALL {
        let site = with_appserver((case.make)().unwrap());
        assert_eq!(site.plugin, of);
        let mut ends = |server: &str, more: &[(&str, &str)], code: i64, said: &str| {
            let more = [more, &[("report_dir", "reports")]].concat();
            let settings = settings(&site.command(server, &more).unwrap(), &[]);
            let found = steps(containers, engine, site.plugin, &site.workspace, &settings);
            expect(&found, code, &format!("{engine:?}, {}, {said}", site.plugin));
            // Not from the log: Drone's runner does not wait for its last lines.
            let report = std::fs::read_to_string(site.workspace.join("reports/report.md")).unwrap();
            assert!(report.contains(said), "{said}: {report}");
            runs += 1;
        };
        let server = site.server();
        ends(server, &[("dry_rum", "true")], 2, "nothing was touched");
        ends(&nowhere, &[], 75, "What went wrong");
        ends(server, &[], 0, "");
        ends(server, &[], 0, "nothing to do");
        if let Some((path, content)) = case.spoiled {
            site.write(path, content).unwrap();
        }
        ends(server, case.refused, 1, "What went wrong");
    }
    runs
}

fn all_endings(of: &str, case: &Case) {
    let Some(containers) = containers() else { return };
    let what = format!("steps of {of} in both engines that end as documented");
    figures::note("step_results", &what, endings(containers, case, of)).unwrap();
}

#[test]
fn a_step_of_rpo_ends_as_the_plugin_does() {
    all_endings("plugin-rpo", &CASES[0]);
}

#[test]
fn a_step_of_package_ends_as_the_plugin_does() {
    all_endings("plugin-package", &CASES[1]);
}

#[test]
fn a_step_of_image_bump_ends_as_the_plugin_does() {
    all_endings("plugin-image-bump", &CASES[2]);
}

#[test]
fn a_step_of_chart_publish_ends_as_the_plugin_does() {
    all_endings("plugin-chart-publish", &CASES[3]);
}

#[test]
fn a_step_of_rollout_ends_as_the_plugin_does() {
    let Some(containers) = containers() else { return };
    let workspace = folder::temporary("rollout").unwrap();
    let cases = crate::settings::cases(&workspace, ports::free().unwrap());
    let rollout = cases.iter().find(|case| case.plugin == "plugin-rollout").unwrap();
    let command = lab::plugin::command("plugin-rollout", &workspace, &rollout.minimal).unwrap();
    for engine in Engine::ALL {
        let run = |more| steps(containers, engine, "plugin-rollout", &workspace, &settings(&command, more));
        expect(&run(&[("dry_rum", "true")]), 2, "an unknown setting");
        expect(&run(&[]), 75, "no API server");
    }
    figures::note("step_results", "steps of plugin-rollout in both engines that end as documented", 4)
        .unwrap();
}

#[test]
fn a_step_that_could_start_only_some_of_its_pipelines_ends_with_3() {
    let Some(containers) = containers() else { return };
    for engine in Engine::ALL {
        let (drone, workspace) = (Drone::start().unwrap(), folder::temporary("trigger").unwrap());
        std::fs::create_dir_all(workspace.join("components/web")).unwrap();
        std::fs::create_dir_all(workspace.join("bucket")).unwrap();
        std::fs::write(workspace.join("components/web/VERSION"), "1.0\n").unwrap();
        let settings = format!(
            "bucket: file://{}/bucket\nsource: components\nci_server: drone\nci_url: {}\nci_token: {}\ntrigger: [erp/nowhere, erp/images@main]\n\
             trigger_parameters: {{KIND: a&b c, COUNT: 3, WHOLE: 1000000.0, WORD: true, VERSIONS: \"@package.versions\"}}\ntrigger_timeout: 90\n",
            engine.workspace(),
            drone.url(),
            drone::TOKEN
        );
        let found = steps(containers, engine, "plugin-package", &workspace, &settings);
        expect(&found, 3, &format!("{engine:?}, one of two pipelines"));
        let build = drone.with(|state| state.builds.clone()).pop().unwrap();
        let wanted = [("KIND", "a&b c"), ("COUNT", "3"), ("WHOLE", "1000000"), ("WORD", "true")];
        for (name, value) in [&wanted[..], &[("VERSIONS", "{\"web\":\"1.0\"}")]].concat() {
            assert_eq!(build.parameters[name], value, "{engine:?}");
        }
    }
    figures::note("step_results", "steps that could start only some of their pipelines, in both engines", 2)
        .unwrap();
}
