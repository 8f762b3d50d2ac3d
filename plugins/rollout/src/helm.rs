//! Helm as a program: which version it is, and the two commands that a rollout needs. Its exit code is always 1, so its words are passed on.
//! It gets a home of its own in a temporary folder, because parallel runs share helm's caches otherwise.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};
use shared::cluster::Access;
use shared::process::{Command, Error as ProcessError};
use shared::settings::Env;
use tempfile::TempDir;
use tokio::sync::OnceCell;

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
    version: OnceCell<String>,
}

/// A chart's own description, as far as it is looked at.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Chart {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
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
    /// Whether the release is a server-side one and fields that others changed are taken over; only such releases know conflicts.
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
            version: OnceCell::new(),
        })
    }

    /// A folder that lives as long as this run.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.home.path()
    }

    /// Its version, such as `v4.3.1`; it is asked once.
    ///
    /// # Errors
    /// When it cannot be run.
    pub async fn version(&self) -> Result<&str, ProcessError> {
        let ask = || async {
            let command = self.command().args(["version", "--template", "{{.Version}}"]);
            command.time_limit(GRACE).stdout().await.map(|output| output.trim().to_owned())
        };
        self.version.get_or_try_init(ask).await.map(String::as_str)
    }

    /// What a chart's file says of itself.
    ///
    /// # Errors
    /// When helm cannot open it.
    pub async fn chart(&self, chart: &Path) -> Result<Chart, ProcessError> {
        let output =
            self.command().args(["show", "chart"]).arg(chart).time_limit(GRACE).run().await?.checked()?;
        serde_saphyr::from_str(&output.stdout).map_err(|error| {
            let source = std::io::Error::other(error.to_string());
            ProcessError::Start {
                command: format!("{}: it does not describe a chart", output.command),
                source,
            }
        })
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
            .args(["--timeout", &format!("{}s", self.time_limit.as_secs())]);
        // Helm 3 does not know these flags. It needs none: it patches from its own side, and no field belongs to anybody then.
        if install.force_conflicts && !self.version().await?.starts_with("v3.") {
            command = command.args(["--server-side=true", "--force-conflicts"]);
        }
        command.time_limit(self.time_limit + GRACE).stdout().await.map(|_| ())
    }

    fn command(&self) -> Command {
        let home = self.home.path();
        let inside = |name: &str| home.join(name).display().to_string();
        // Quiet: what helm renders are the customers' own manifests, with their Secrets.
        let command = Command::new(&self.program, &self.env)
            .quiet()
            .env("HELM_CACHE_HOME", inside("cache"))
            .env("HELM_CONFIG_HOME", inside("config"))
            .env("HELM_DATA_HOME", inside("data"));
        let command = match &self.kubeconfig {
            Some(path) => command.env("KUBECONFIG", path.display().to_string()),
            None => command,
        };
        // A kubeconfig may run a program that needs the real home; without any, helm would write into the current folder.
        match self.env.variable("HOME") {
            Some(_) => command,
            None => command.env("HOME", home.display().to_string()),
        }
    }

    /// Values, those of the setting `set` among them, may hold passwords: they go by a private file, never by argument. JSON is YAML.
    fn values_file(&self, install: Install<'_>) -> Result<PathBuf, ProcessError> {
        let path = self.home.path().join(format!("{}.values.json", install.namespace));
        write_private(&path, with_set(install.values, &self.set).to_string().as_bytes()).map_err(
            |source| ProcessError::Start { command: format!("helm for `{}`", install.namespace), source },
        )?;
        Ok(path)
    }
}

/// The values with further ones at dotted paths, as `helm upgrade --set-string` has them; a dot in a name is written `\\.`.
fn with_set(values: &Value, set: &BTreeMap<String, String>) -> Value {
    let mut values = values.clone();
    for (path, text) in set {
        let escaped = path.replace("\\.", "\u{0}");
        let place = escaped.split('.').fold(&mut values, |place, name| {
            if !place.is_object() {
                *place = Value::Object(Map::new());
            }
            &mut place[name.replace('\u{0}', ".")]
        });
        *place = Value::from(text.as_str());
    }
    values
}

fn write_private(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let mut file =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(content)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn further_values_are_merged_at_their_paths() {
        let set =
            [("image.tag", "1,{a}\\"), ("new.deep.er", "x"), (r"annotations.tks\.sh/a", "y"), ("list", "z")];
        let set = set.map(|(path, text)| (path.to_owned(), text.to_owned())).into();
        assert_eq!(
            with_set(&json!({ "image": { "tag": "0", "name": "n" }, "list": [1] }), &set),
            json!({
                "image": { "tag": "1,{a}\\", "name": "n" },
                "list": "z",
                "new": { "deep": { "er": "x" } },
                "annotations": { "tks.sh/a": "y" },
            })
        );
    }
}
