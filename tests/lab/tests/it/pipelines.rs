//! The pipelines of `examples`, as they stand, in the engines of Drone and Woodpecker: from patches to updated customers, and again without
//! changing anything.

use std::collections::{BTreeMap, BTreeSet};

use lab::demo::{
    ARTIFACTS, BucketOf, NEW, RPO_IMAGE, Servers, World, appserver_image, prepare, run_pipeline, state,
};
use lab::engine::Engine;
use lab::pipeline::{Operator, Run};
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
        assert!(idle >= steps, "{engine:?}: {run:?}: {idle} of {steps} steps:\n{}", ended.log);
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
