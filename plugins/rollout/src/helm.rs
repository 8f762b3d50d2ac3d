//! Helm as a program: which version it is, and the two commands that a rollout needs. Its exit code is always 1, so its words are passed on.
//! It gets a home of its own in a temporary folder, because parallel runs share helm's caches otherwise.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use shared::cluster::Access;
use shared::process::{Command, Error as ProcessError};
use shared::settings::Env;
use tempfile::TempDir;

use crate::settings::Settings;

/// Helm ends its own waits first; this much later it is ended.
const GRACE: Duration = Duration::from_secs(60);

/// The helm program of the settings, with a folder of its own.
#[derive(Debug)]
pub struct Helm {
    program: String,
    home: TempDir,
    kubeconfig: Option<PathBuf>,
    set: BTreeMap<String, String>,
    time_limit: Duration,
    env: Env,
}

/// A release to install or to render.
#[derive(Clone, Copy, Debug)]
pub struct Install<'a> {
    /// Release and namespace: an environment's release has its namespace's name.
    pub namespace: &'a str,
    /// The chart's file.
    pub chart: &'a Path,
    /// The user's values.
    pub values: &'a Value,
    /// Whether fields that others changed are taken over; only server-side releases know such conflicts.
    pub force_conflicts: bool,
}

impl Helm {
    /// Prepares helm's folder.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn new(settings: &Settings, env: &Env) -> std::io::Result<Self> {
        let home = tempfile::Builder::new().prefix("esteira-helm-").tempdir()?;
        let kubeconfig = match &settings.access {
            Access::InCluster => None,
            Access::Kubeconfig { path: Some(path), .. } => Some(path.clone()),
            Access::Kubeconfig { path: None, content } => {
                let path = home.path().join("kubeconfig");
                write_private(&path, content.expose().as_bytes())?;
                Some(path)
            }
        };
        Ok(Self {
            program: settings.helm.clone(),
            home,
            kubeconfig,
            set: settings.set.clone(),
            time_limit: settings.helm_timeout,
            env: env.clone(),
        })
    }

    /// A folder that lives as long as this run.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.home.path()
    }

    /// Its version, such as `v4.3.1`.
    ///
    /// # Errors
    /// When it cannot be run.
    pub async fn version(&self) -> Result<String, ProcessError> {
        let output =
            self.command().args(["version", "--template", "{{.Version}}"]).time_limit(GRACE).stdout().await?;
        Ok(output.trim().to_owned())
    }

    /// Renders a chart with an environment's values; changes nothing.
    ///
    /// # Errors
    /// What helm says is wrong.
    pub async fn render(&self, install: Install<'_>) -> Result<(), ProcessError> {
        let values = self.values_file(install)?;
        self.command()
            .args(["template", install.namespace])
            .arg(install.chart)
            .args(["--namespace", install.namespace, "--is-upgrade", "--values"])
            .arg(values)
            .args(self.set_arguments())
            .time_limit(GRACE * 2)
            .stdout()
            .await
            .map(|_| ())
    }

    /// `helm upgrade --install`. Readiness is not waited for; hooks are.
    ///
    /// # Errors
    /// What helm says.
    pub async fn upgrade(&self, install: Install<'_>) -> Result<(), ProcessError> {
        let values = self.values_file(install)?;
        let mut command = self
            .command()
            .args(["upgrade", install.namespace])
            .arg(install.chart)
            .args(["--install", "--namespace", install.namespace, "--values"])
            .arg(values)
            .args(["--timeout", &format!("{}s", self.time_limit.as_secs())])
            .args(self.set_arguments());
        if install.force_conflicts {
            command = command.args(["--server-side=true", "--force-conflicts"]);
        }
        command.time_limit(self.time_limit + GRACE).stdout().await.map(|_| ())
    }

    fn command(&self) -> Command {
        let home = self.home.path();
        let inside = |name: &str| home.join(name).display().to_string();
        let command = Command::new(&self.program, &self.env)
            .env("HOME", home.display().to_string())
            .env("HELM_CACHE_HOME", inside("cache"))
            .env("HELM_CONFIG_HOME", inside("config"))
            .env("HELM_DATA_HOME", inside("data"));
        match &self.kubeconfig {
            Some(path) => command.env("KUBECONFIG", path.display().to_string()),
            None => command,
        }
    }

    fn set_arguments(&self) -> Vec<String> {
        self.set
            .iter()
            .flat_map(|(name, value)| {
                ["--set-string".to_owned(), format!("{name}={}", value.replace(',', "\\,"))]
            })
            .collect()
    }

    /// Values may hold passwords: they go by a private file, never by argument. JSON is YAML.
    fn values_file(&self, install: Install<'_>) -> Result<PathBuf, ProcessError> {
        let path = self.home.path().join(format!("{}.values.json", install.namespace));
        write_private(&path, install.values.to_string().as_bytes()).map_err(|source| {
            ProcessError::Start { command: format!("helm for `{}`", install.namespace), source }
        })?;
        Ok(path)
    }
}

fn write_private(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let mut file =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(content)
}
