//! Everything in a world that a second run could change: bucket, Git and cluster.
//! It may not judge it; two states are compared by tests.

use std::collections::BTreeMap;

use super::World;
use super::world::kubectl;
use crate::error::{Attempt as _, Error};

/// A text for everything there is, by its name. The monitors are the uptime service's to tell.
pub async fn state(world: &World) -> Result<BTreeMap<String, String>, Error> {
    let mut state = match &world.store {
        Some(store) => store.objects().await?,
        None => files(world)?,
    };
    let git = world.git()?;
    for repository in [world.image_repository(), world.chart_repository()] {
        for branch in ["develop", "esteira/bump"] {
            state.insert(format!("{repository} {branch}"), git.commits(&repository, branch).await?.join(" "));
        }
        let requests = git.pull_requests(&repository).await?;
        state.insert(repository, format!("{requests:?}"));
    }
    for place in world.places() {
        let kinds = "configmaps,services,deployments.apps,cronjobs,jobs,secrets,leases";
        let versions =
            r"jsonpath={range .items[*]}{.kind}/{.metadata.name} {.metadata.resourceVersion}{'\n'}{end}";
        let objects = kubectl(world, &["get", kinds, "-n", &place.namespace, "-o", versions])?;
        let labels =
            kubectl(world, &["get", "namespace", &place.namespace, "-o", "jsonpath={.metadata.labels}"])?;
        state.insert(place.namespace, format!("{labels}\n{objects}"));
    }
    Ok(state)
}

fn files(world: &World) -> Result<BTreeMap<String, String>, Error> {
    let mut files = BTreeMap::new();
    for entry in walkdir::WalkDir::new(world.bucket()) {
        let attempt = || "cannot read the bucket".to_owned();
        let entry = entry.attempting(attempt)?;
        if entry.file_type().is_file() {
            let modified = entry.metadata().attempting(attempt)?.modified().attempting(attempt)?;
            let bytes = std::fs::read(entry.path()).attempting(attempt)?;
            files.insert(entry.path().display().to_string(), format!("{modified:?} {bytes:?}"));
        }
    }
    Ok(files)
}
