//! Reads everything the plan needs: the selected namespaces with what is in them, the monitors, and whether the chart renders with each
//! environment's values. Changes nothing but a temporary folder.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use futures::StreamExt as _;
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use kube::{Api, ResourceExt as _};
use shared::cluster::{Lease, list};
use shared::settings::Env;

use crate::environment::{ActiveJob, DeploymentState, Environment};
use crate::monitors::Monitor;
use crate::profile::Profile;
use crate::record::{LEASE, Record};
use crate::release::Release;
use crate::settings::{Action, Settings};
use crate::{Error, Worlds, chart};

/// Namespaces that are read at the same time.
const READERS: usize = 8;

/// What was found.
#[derive(Debug)]
pub struct Observed {
    /// When it was looked at.
    pub at: Timestamp,
    /// Selected namespaces, oldest first.
    pub environments: Vec<Environment>,
    /// Namespaces that the selection fits but that are left out, with the text that leaves them out.
    pub excluded: Vec<(String, String)>,
    /// The chart's file, for procedures that run helm.
    pub chart: Option<PathBuf>,
}

/// Looks at cluster, uptime service and chart.
///
/// # Errors
/// When one of them cannot be asked.
pub async fn observe(settings: &Settings, worlds: &Worlds, env: &Env) -> Result<Observed, Error> {
    let (namespaces, excluded) = select(settings, worlds).await?;
    let helm2 = helm2_releases(worlds).await?;
    let monitors = match &worlds.monitors {
        Some(monitors) => monitors.all().await?,
        None => Vec::new(),
    };
    let mut environments: Vec<Environment> = Vec::new();
    let mut readers =
        futures::stream::iter(namespaces.iter().map(|namespace| read(namespace, &settings.profile, worlds)))
            .buffered(READERS);
    while let Some(environment) = readers.next().await {
        let mut environment = environment?;
        environment.is_helm2 = helm2.contains(&environment.name);
        environment.monitors = monitors_of(&environment.name, &settings.profile, worlds, &monitors);
        environments.push(environment);
    }
    environments.sort_by(|left, right| (left.created, &left.name).cmp(&(right.created, &right.name)));
    let chart = match &settings.action {
        Action::Update(version) if settings.profile.runs_helm() => {
            let chart = chart::fetch(settings, worlds, env).await?;
            chart::open(settings, version, worlds, &chart).await?;
            chart::render(settings, version, worlds, &chart, &mut environments).await;
            Some(chart)
        }
        _ => None,
    };
    Ok(Observed { at: Timestamp::now(), environments, excluded, chart })
}

/// Reads one namespace.
///
/// # Errors
/// When the API server cannot be asked.
pub async fn read(namespace: &Namespace, profile: &Profile, worlds: &Worlds) -> Result<Environment, Error> {
    let name = namespace.name_any();
    let client = &worlds.client;
    let config = match &profile.config_map {
        None => None,
        Some(config_map) => Api::<ConfigMap>::namespaced(client.clone(), &name)
            .get_opt(config_map)
            .await
            .map_err(|error| {
                shared::cluster::Error::new(format!("read the ConfigMap `{config_map}` in `{name}`"), error)
            })?
            .map(|config_map| config_map.data.unwrap_or_default()),
    };
    let deployments: Vec<Deployment> =
        list(&Api::namespaced(client.clone(), &name), &format!("the Deployments in `{name}`"), None).await?;
    let cron_jobs: Vec<CronJob> =
        list(&Api::namespaced(client.clone(), &name), &format!("the CronJobs in `{name}`"), None).await?;
    let jobs: Vec<Job> =
        list(&Api::namespaced(client.clone(), &name), &format!("the Jobs in `{name}`"), None).await?;
    let (release, newest) = releases(&name, worlds).await?;
    let annotations = Lease::new(client, &name, LEASE).annotations().await?;
    Ok(Environment {
        uid: namespace.uid().unwrap_or_default(),
        created: namespace.creation_timestamp().map(|time| time.0),
        is_terminating: namespace.metadata.deletion_timestamp.is_some(),
        labels: namespace.labels().clone(),
        config,
        deployments: deployments.iter().map(DeploymentState::of).collect(),
        cron_jobs: cron_jobs.iter().map(|one| one.name_any()).collect(),
        active_jobs: jobs.iter().filter_map(ActiveJob::of).collect(),
        release,
        newest,
        is_helm2: false,
        record: Record::of(&annotations),
        monitors: Ok(Vec::new()),
        render_error: None,
        name,
    })
}

async fn select(
    settings: &Settings,
    worlds: &Worlds,
) -> Result<(Vec<Namespace>, Vec<(String, String)>), Error> {
    let all: Vec<Namespace> =
        list(&Api::all(worlds.client.clone()), "the namespaces", settings.selection.labels.as_deref())
            .await?;
    let is_there = |name: &&String| all.iter().any(|namespace| namespace.name_any() == **name);
    let absent: Vec<String> = settings
        .selection
        .names
        .iter()
        .filter(|name| !is_there(name))
        .map(|name| format!("`{name}`"))
        .collect();
    if !absent.is_empty() {
        return Err(Error::NoSuchNamespace(absent.join(", ")));
    }
    let mut selected = Vec::new();
    let mut excluded = Vec::new();
    for namespace in all.into_iter().filter(|namespace| settings.selection.includes(&namespace.name_any())) {
        let name = namespace.name_any();
        match settings.selection.excluded_by(&settings.profile.exclude, &name, namespace.labels()) {
            Some(text) => excluded.push((name, text.to_owned())),
            None => selected.push(namespace),
        }
    }
    Ok((selected, excluded))
}

/// The deployed revision and the newest one of the release with the namespace's name.
async fn releases(namespace: &str, worlds: &Worlds) -> Result<(Option<Release>, Option<Release>), Error> {
    let secrets = Api::<Secret>::namespaced(worlds.client.clone(), namespace);
    let labels = format!("owner=helm,name={namespace}");
    let stored = list(&secrets, &format!("the Helm releases in `{namespace}`"), Some(&labels)).await?;
    let mut revisions: Vec<Release> = stored.iter().filter_map(Release::of).collect();
    revisions.sort_by_key(|release| release.revision);
    // Helm marks the old revision before the new one is deployed: killed between the two, it leaves none that is.
    let is_cut = revisions.last().is_some_and(Release::is_pending);
    let is_current =
        |release: &&Release| release.status == "deployed" || (is_cut && release.status == "superseded");
    let deployed = revisions.iter().rev().find(is_current).cloned();
    Ok((deployed, revisions.pop()))
}

/// Names of the releases that Helm 2's Tiller keeps, as ConfigMaps or Secrets with the label `OWNER=TILLER` anywhere in the cluster.
async fn helm2_releases(worlds: &Worlds) -> Result<BTreeSet<String>, Error> {
    let labels = Some("OWNER=TILLER");
    let maps: Vec<ConfigMap> =
        list(&Api::all(worlds.client.clone()), "the releases of Helm 2", labels).await?;
    let secrets: Vec<Secret> =
        list(&Api::all(worlds.client.clone()), "the releases of Helm 2", labels).await?;
    let name = |labels: &BTreeMap<String, String>| labels.get("NAME").cloned();
    Ok(maps
        .iter()
        .filter_map(|map| name(map.labels()))
        .chain(secrets.iter().filter_map(|secret| name(secret.labels())))
        .collect())
}

fn monitors_of(
    namespace: &str,
    profile: &Profile,
    worlds: &Worlds,
    all: &[Monitor],
) -> Result<Vec<Monitor>, String> {
    let Some(monitors) = &worlds.monitors else { return Ok(Vec::new()) };
    let beginnings: Vec<String> =
        profile.monitors.iter().map(|beginning| beginning.replace("{namespace}", namespace)).collect();
    monitors.of_environment(&beginnings, all)
}
