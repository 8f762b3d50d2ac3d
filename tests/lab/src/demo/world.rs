//! The demo's world: where its servers are, and what is in them before the first plugin runs.
//! Preparing it again changes nothing.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::Namespace;
use serde::{Deserialize, Serialize};

use super::Store;
use super::namespaces::{COMPLETE, LABEL, Standing, standing};
use crate::error::{Attempt as _, Error};
use crate::fixtures::{Patch, Tools, chart_source, environment, write_rpo};
use crate::gitea::Gitea;
use crate::standin::appserver;

/// The version that the customers run at first.
pub const OLD: &str = "12.1.2310";
/// The release that the chain assembles and rolls out.
pub const NEW: &str = "12.1.2410";

/// Everything the chain has to know of its world. Written to a file, so that the program that serves it and the one that runs the chain
/// agree.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct World {
    /// Process that serves it.
    pub served_by: u32,
    /// The demo's folder.
    pub folder: PathBuf,
    /// Beginning of the names of repositories and namespaces, and the value of the namespaces' label.
    pub name: String,
    /// Access to the cluster.
    pub kubeconfig: PathBuf,
    /// Whether the cluster is the user's own.
    pub is_own_cluster: bool,
    /// The Git server.
    pub git_url: String,
    /// Owner of the repositories.
    pub git_owner: String,
    /// The owner's token.
    pub git_token: String,
    /// The uptime service.
    pub uptime_url: String,
    /// Its API key.
    pub uptime_key: String,
    /// The helm program.
    pub helm: PathBuf,
    /// The kubectl program.
    pub kubectl: PathBuf,
    /// The S3 server for pipelines in an engine; a chain of plugins by themselves has the folder.
    #[serde(default)]
    pub store: Option<Store>,
}

/// One customer environment of the demo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its namespace.
    pub namespace: String,
    /// Whether it is a homologation environment, updated by its own updater.
    pub is_homologation: bool,
}

impl World {
    /// The six environments.
    pub fn places(&self) -> Vec<Place> {
        let place = |customer: &str, is_homologation| {
            let suffix = if is_homologation { "-development" } else { "" };
            Place { namespace: format!("{}-{customer}{suffix}", self.name), is_homologation }
        };
        vec![
            place("acme", true),
            place("globex", true),
            place("acme", false),
            place("globex", false),
            place("initech", false),
            place("umbrella", false),
        ]
    }

    /// The bucket, a folder. Where there is a store, what is in it at first.
    pub fn bucket(&self) -> PathBuf {
        self.folder.join("bucket")
    }

    /// The workspace of the CI pipeline.
    pub fn workspace(&self) -> PathBuf {
        self.folder.join("workspace")
    }

    /// Where reports go.
    pub fn reports(&self) -> PathBuf {
        self.folder.join("reports")
    }

    /// The folder of the AppServer.
    pub fn appserver(&self) -> PathBuf {
        self.folder.join("appserver")
    }

    /// The image repository.
    pub fn image_repository(&self) -> String {
        format!("{}-images", self.name)
    }

    /// The chart repository.
    pub fn chart_repository(&self) -> String {
        format!("{}-chart", self.name)
    }

    /// What the environments are installed with.
    pub fn tools(&self) -> Tools {
        Tools {
            helm: self.helm.clone(),
            kubeconfig: self.kubeconfig.clone(),
            charts: self.folder.join("old-charts"),
        }
    }

    /// Where the chart of a version is published; `{version}` stands in it.
    pub fn published_chart(&self) -> String {
        match &self.store {
            Some(store) => format!("{}/smarterp-{{version}}.tgz", store.charts),
            None => self.bucket().join("charts/smarterp-{version}.tgz").to_string_lossy().into_owned(),
        }
    }

    /// The Git server.
    pub fn git(&self) -> Result<Gitea, Error> {
        Gitea::at(&self.git_url, &self.git_token)
    }
}

/// Puts everything in place that is not there yet.
pub async fn prepare(world: &World) -> Result<(), Error> {
    fill_bucket(world)?;
    if let Some(store) = &world.store {
        store.fill(&world.bucket()).await?;
    }
    fill_workspace(world)?;
    appserver::install(&world.appserver())?;
    fill_repositories(world).await?;
    fill_cluster(world).await
}

fn fill_bucket(world: &World) -> Result<(), Error> {
    let bucket = world.bucket();
    once(&bucket.join("base_12.1.xx/tttm120.rpo"), |file| write_rpo(file, 1, 4 << 20))?;
    let patches = [
        ("applypatch/9-expedicao_continua_12_1_2410_fin_tttm120_op_multi.ptm", 11),
        ("applypatch/10-expedicao_continua_12_1_2410_fat_tttm120_op_portuguese.ptm", 12),
        ("applypatch/11-expedicao_continua_12_1_2410_rh_tttm120_op_spanish.ptm", 13),
        (
            "expedicao_continua/published/12.1.2410/1-expedicao_continua_12_1_2410_est_tttm120_op_multi.ptm",
            14,
        ),
        ("expedicao_continua/latest/12.1.2410/2-expedicao_continua_12_1_2410_fin_tttm120_op_multi.ptm", 15),
    ];
    for (key, seed) in patches {
        once(&bucket.join(key), |file| Patch::new(seed).payload(64 << 10).write(file))?;
    }
    let components = [
        ("dicionario", "sdfbra.txt", "dictionary of the release\n"),
        ("web-files", "index.html", "<h1>Protheus</h1>\n"),
    ];
    for (component, file, text) in components {
        let folder = bucket.join("engenharia/bundle/base/imagem/componentes/producao").join(component);
        once_text(&folder.join("VERSION"), &format!("{NEW}\n"))?;
        once_text(&folder.join(file), text)?;
    }
    // An earlier version in the mirror, whose file name the next one must have.
    once_text(
        &bucket.join("engenharia/bundle/smartsre/espelho/web-files").join(OLD).join("webfiles.tar.gz"),
        "packed long ago",
    )
}

fn fill_workspace(world: &World) -> Result<(), Error> {
    once_text(
        &world.workspace().join(".config"),
        &format!("# Parameters of the release\nRELEASE={NEW}\nRPOSOURCE=base_12.1.xx\nPATCHPONTUAL=true\n"),
    )
}

async fn fill_repositories(world: &World) -> Result<(), Error> {
    let git = world.git()?;
    let versions = format!(
        "# Versions of the components in the image; one variable each.\nRPO_VERSION := {OLD}\nDICIONARIO_VERSION := {OLD}   # with helps and menus\nWEB_FILES_VERSION ?= {OLD}\n"
    );
    git.create_repository(&world.image_repository(), &[("component-versions.mk", &versions)], "develop")
        .await?;

    let source = chart_source();
    let mut files = vec![("VERSION".to_owned(), format!("{OLD}\n"))];
    for entry in walkdir::WalkDir::new(source).sort_by_file_name() {
        let entry = entry.attempting(|| "cannot read the lab's chart".to_owned())?;
        if entry.file_type().is_file() {
            let path =
                entry.path().strip_prefix(source).unwrap_or(entry.path()).to_string_lossy().into_owned();
            let text = fs::read_to_string(entry.path()).attempting(|| format!("cannot read `{path}`"))?;
            files.push((format!("chart/{path}"), text));
        }
    }
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    git.create_repository(&world.chart_repository(), &files, "develop").await
}

async fn fill_cluster(world: &World) -> Result<(), Error> {
    let tools = world.tools();
    let client = crate::cluster::client(&world.kubeconfig).await?;
    // All are looked at before one is made: where a foreign one is met, nothing has been changed.
    for (place, standing) in standings(world, &client).await? {
        match standing {
            Standing::Complete => continue,
            Standing::Begun => remove(world, &place.namespace)?,
            Standing::Absent | Standing::Foreign => {}
        }
        environment(&place.namespace, OLD).label(LABEL, &world.name).create(&tools, &client).await?;
        kubectl(world, &["label", "namespace", &place.namespace, &format!("{COMPLETE}=true")])?;
    }
    Ok(())
}

/// The places with what may be done with the namespaces of their names; an error when one of them is somebody else's.
async fn standings(world: &World, client: &kube::Client) -> Result<Vec<(Place, Standing)>, Error> {
    let namespaces: kube::Api<Namespace> = kube::Api::all(client.clone());
    let mut standings = Vec::new();
    for place in world.places() {
        let found = namespaces.get_opt(&place.namespace).await;
        let found = found.attempting(|| "cannot read the cluster's namespaces".to_owned())?;
        let labels = found.map(|found| found.metadata.labels.unwrap_or_default());
        let standing = standing(labels.as_ref(), &world.name);
        if standing == Standing::Foreign {
            return Err(Error::new(format!(
                "the namespace `{}` is not this demo's: it lacks the label `{LABEL}={}`. It is left alone, and nothing was changed in the cluster; delete or rename it yourself if it may go",
                place.namespace, world.name
            )));
        }
        standings.push((place, standing));
    }
    Ok(standings)
}

/// Deletes a namespace of the demo and waits until it is gone.
fn remove(world: &World, namespace: &str) -> Result<(), Error> {
    kubectl(world, &["delete", "namespace", namespace, "--ignore-not-found", "--timeout=120s"]).map(drop)
}

/// Runs kubectl in the demo's cluster.
pub(super) fn kubectl<A: AsRef<OsStr>>(world: &World, arguments: &[A]) -> Result<String, Error> {
    let mut kubectl = crate::process::command(&world.kubectl);
    kubectl.args(arguments).env("KUBECONFIG", &world.kubeconfig).env("HOME", &world.folder);
    crate::process::output(kubectl, "")
}

fn once_text(file: &Path, text: &str) -> Result<(), Error> {
    once(file, |file| fs::write(file, text))
}

/// Makes a file that is not there yet, whole or not at all.
fn once<E: std::error::Error>(file: &Path, write: impl FnOnce(&Path) -> Result<(), E>) -> Result<(), Error> {
    let attempt = || format!("cannot make `{}`", file.display());
    if file.exists() {
        return Ok(());
    }
    let folder = file.parent().unwrap_or(file);
    fs::create_dir_all(folder).attempting(attempt)?;
    let partial = file.with_added_extension("partial");
    write(&partial).attempting(attempt)?;
    fs::rename(partial, file).attempting(attempt)
}
