//! The pipelines of `examples`, as they stand, in the engines of Drone and Woodpecker: from patches to updated customers, and again without
//! changing anything.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use lab::demo::{
    ARTIFACTS, BucketOf, NEW, RPO_IMAGE, Servers, World, appserver_image, prepare, run_pipeline, state,
};
use lab::engine::Engine;
use lab::pipeline::{Operator, Run};
use lab::process::Process;
use lab::{Containers, containers, figures, folder, plugin, process};

/// A world of its own, because the examples take all environments of a cluster, and all images.
pub(crate) async fn world(containers: &Containers) -> Servers {
    for plugin in plugin::all().unwrap() {
        containers.image(&plugin).unwrap();
    }
    appserver_image(containers, RPO_IMAGE, None).unwrap();
    let servers = Servers::start(&folder::temporary("world").unwrap(), BucketOf::Store, None).unwrap();
    prepare(&servers.world).await.unwrap();
    servers
}

/// Everything that a run could change.
pub(crate) async fn everything(servers: &Servers) -> BTreeMap<String, String> {
    let mut state = state(&servers.world).await.unwrap();
    state.insert("monitors".to_owned(), servers.uptime.history().len().to_string());
    state
}

pub(crate) fn paused(servers: &Servers) -> Vec<String> {
    servers.uptime.monitors().into_iter().filter(|one| one.status == 0).map(|one| one.name).collect()
}

fn kubectl(world: &World, arguments: &[&str]) -> String {
    let mut kubectl = process::command(&world.kubectl);
    kubectl.args(arguments).env("KUBECONFIG", &world.kubeconfig).env("HOME", &world.folder);
    process::output(kubectl, "").unwrap()
}

/// The version that each environment has, by its label.
pub(crate) fn versions(world: &World) -> BTreeMap<String, String> {
    let label = r"jsonpath={.metadata.labels.BaseVersion}";
    let of = |namespace: String| {
        let version = kubectl(world, &["get", "namespace", &namespace, "-o", label]);
        (namespace, version)
    };
    world.places().into_iter().map(|place| of(place.namespace)).collect()
}

async fn brings_a_release_to_all_customers(engine: Engine) {
    let Some(containers) = containers() else { return };
    let servers = world(containers).await;
    let operator = Operator::of(&servers.world).unwrap();
    let mut logs = Vec::new();
    for (number, run) in (1..).zip(Run::ALL) {
        let ended = run_pipeline(&servers.world, containers, &operator, (engine, run), number).await.unwrap();
        assert_eq!(ended.code, 0, "{engine:?}: {run:?}:\n{}", ended.log);
        let homologation_only = run == Run::Chart;
        let updated = versions(&servers.world).into_iter().filter(|(_, version)| version == NEW);
        let updated: BTreeSet<_> = updated.map(|(namespace, _)| namespace).collect();
        let wanted = servers.world.places().into_iter().filter(|place| match run {
            Run::Release => false,
            _ => place.is_homologation || !homologation_only,
        });
        assert_eq!(updated, wanted.map(|place| place.namespace).collect(), "{engine:?}: {run:?}");
        logs.push(ended.log);
    }
    assert_eq!(paused(&servers), [""; 0]);
    the_patches_are_in(&servers.world).await;

    let before = everything(&servers).await;
    for (number, run) in (4..).zip(Run::ALL) {
        let ended = run_pipeline(&servers.world, containers, &operator, (engine, run), number).await.unwrap();
        assert_eq!(ended.code, 0, "{engine:?}: {run:?}:\n{}", ended.log);
        let steps = match run {
            Run::Release => 4,
            Run::Chart => 2,
            Run::Production => 3,
        };
        let idle = ended.log.lines().filter(|line| line.contains("nothing to do")).count();
        // Drone's runner does not wait for a step's last lines; what follows holds for both.
        let is_said = engine == Engine::Drone || idle >= steps;
        assert!(is_said, "{engine:?}: {run:?}: {idle} of {steps} steps:\n{}", ended.log);
    }
    assert_eq!(everything(&servers).await, before, "{engine:?}: a second run changes nothing");
    figures::note("pipelines", "pipelines of the examples in the engines of Drone and Woodpecker", 12)
        .unwrap();
}

/// The RPO that `latest.json` names has all patches that this release gets, in order.
async fn the_patches_are_in(world: &World) {
    let store = world.store.as_ref().unwrap();
    let latest = format!("engenharia/bundle/apo/{NEW}/latest.json");
    let latest: serde_json::Value =
        serde_json::from_slice(&store.object(ARTIFACTS, &latest).await.unwrap()).unwrap();
    let rpo = folder::temporary("rpo").unwrap().join("tttm120.rpo");
    let key = latest["rpo"].as_str().unwrap_or_else(|| panic!("{latest}"));
    std::fs::write(&rpo, store.object(ARTIFACTS, key).await.unwrap()).unwrap();
    let applied = lab::standin::appserver::applied(&rpo).unwrap();
    let modules: Vec<_> = applied.iter().map(|one| one.name.clone()).collect();
    assert_eq!(modules.len(), 4, "{modules:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_examples_bring_a_release_to_all_customers_in_drones_engine() {
    brings_a_release_to_all_customers(Engine::Drone).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_examples_bring_a_release_to_all_customers_in_woodpeckers_engine() {
    brings_a_release_to_all_customers(Engine::Woodpecker).await;
}

/// `make drone` or `make woodpecker` in a folder, with the images of these tests for the user's.
fn demo(engine: Engine, containers: &Containers, folder: &Path) -> Command {
    let mut demo = process::command(plugin::programs().unwrap().join("lab"));
    demo.arg(format!("{engine:?}").to_lowercase()).arg(folder);
    let podman = containers.command("podman");
    let storage = podman.get_envs().find(|(name, _)| *name == "CONTAINERS_STORAGE_CONF").unwrap();
    demo.env(storage.0, storage.1.unwrap());
    demo
}

/// Processes that were started in a folder, or for something in it.
fn processes_in(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for process in std::fs::read_dir("/proc").unwrap().flatten() {
        let line = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        let is_there =
            std::fs::read_link(process.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(folder));
        if is_there || line.contains(&folder.display().to_string()) {
            found.push(line);
        }
    }
    found
}

#[test]
fn the_demo_in_an_engine_leaves_nothing_running_when_it_is_interrupted() {
    let Some(containers) = containers() else { return };
    for plugin in plugin::all().unwrap() {
        containers.image(&plugin).unwrap();
    }
    for engine in Engine::ALL {
        let folder = folder::temporary("interrupted").unwrap();
        let log = folder::temporary("log").unwrap().join("log");
        let demo = Process::start(&demo(engine, containers, &folder), &log).unwrap();
        let end = Instant::now() + Duration::from_secs(120);
        while containers.in_folder(&folder).unwrap().is_empty() {
            let log = || std::fs::read_to_string(&log).unwrap();
            assert!(Instant::now() < end, "{engine:?}: no step was begun:\n{}", log());
            demo.must_run().unwrap();
        }
        let mut interrupt = process::command("kill");
        interrupt.args(["-INT", &demo.id().to_string()]);
        process::output(interrupt, "").unwrap();
        assert!(!demo.wait().unwrap().success());
        let log = std::fs::read_to_string(&log).unwrap();
        assert!(log.contains("nothing is left running"), "{engine:?}: {log}");
        assert_eq!(containers.in_folder(&folder).unwrap(), [""; 0], "{engine:?}: {log}");
        // What is killed takes a moment to be gone.
        let end = Instant::now() + Duration::from_secs(10);
        while !processes_in(&folder).is_empty() {
            assert!(Instant::now() < end, "{engine:?}: {:?}", processes_in(&folder));
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    figures::note("pipelines", "the demo in an engine, interrupted: no container or process is left", 2)
        .unwrap();
}

#[test]
fn the_demo_in_an_engine_says_how_to_get_images_that_are_missing() {
    let Some(containers) = containers() else { return };
    let folder = folder::temporary("no-images").unwrap();
    let storage = folder.join("storage.conf");
    let (images, run) = (folder.join("images"), folder.join("run"));
    let text = format!("[storage]\ndriver = \"vfs\"\ngraphroot = {images:?}\nrunroot = {run:?}\n");
    std::fs::write(&storage, text).unwrap();
    let mut demo = demo(Engine::Drone, containers, &folder.join("drone"));
    let output = demo.env("CONTAINERS_STORAGE_CONF", storage).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("`make images` makes them"), "{said}");
    assert!(said.contains("esteira/plugin-rollout:"), "{said}");
}
