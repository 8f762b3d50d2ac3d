//! The snapshot of the outside that settings are made of: environment, `.config`, and what earlier steps left in
//! `.esteira/`. Taken once at the start; the only file of the project that reads the environment.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::{Problems, Setting, config_file, reference};
use crate::redact::Redactor;

/// Variables that a child process may see besides what a plugin hands it: no secret is among them.
const INHERITED: [&str; 15] = [
    "HOME",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "KUBERNETES_SERVICE_HOST",
    "KUBERNETES_SERVICE_PORT",
    "LANG",
    "LC_ALL",
    "NO_PROXY",
    "PATH",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TMPDIR",
    "http_proxy",
    "https_proxy",
    "no_proxy",
];

/// Environment, `.config` and outputs of earlier steps, as they were when the run began.
#[derive(Clone, Debug, Default)]
pub struct Env {
    variables: BTreeMap<String, String>,
    workspace: PathBuf,
    config_file: Option<Readable<ConfigText>>,
    /// Why the folder of outputs cannot be read, when it is there.
    unreadable_outputs: Option<String>,
    outputs: BTreeMap<String, Readable<Map<String, Value>>>,
    redactor: Redactor,
}

/// The text of `.config`, and its encoding when that is not UTF-8.
pub(super) type ConfigText = (String, Option<&'static str>);

/// What a file says, or why it cannot be read. An error here is a problem only for a run that needs the file.
pub(crate) type Readable<T> = Result<T, String>;

impl Env {
    /// Reads the environment and the workspace (the current folder). Bytes that are not UTF-8 become U+FFFD.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn snapshot() -> Self {
        let lossy = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
        let variables = std::env::vars_os().map(|(name, value)| (lossy(name), lossy(value))).collect();
        let workspace = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
        Self::in_workspace(variables, workspace)
    }

    /// A snapshot from given variables and a workspace folder.
    #[must_use]
    pub fn in_workspace(variables: BTreeMap<String, String>, workspace: PathBuf) -> Self {
        let config_file = read_config(&workspace.join(".config"));
        let (outputs, unreadable_outputs) = match read_outputs(&workspace.join(".esteira")) {
            Ok(outputs) => (outputs, None),
            Err(reason) => (BTreeMap::new(), Some(reason)),
        };
        let redactor = Redactor::default();
        Self { variables, workspace, config_file, unreadable_outputs, outputs, redactor }
    }

    /// A snapshot from given variables alone; for tests of settings.
    #[must_use]
    pub fn of(variables: &[(&str, &str)]) -> Self {
        let variables =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self { variables, ..Self::default() }
    }

    /// The same snapshot with a `.config` file of this text; for tests of settings.
    #[must_use]
    pub fn with_config_file(mut self, text: &str) -> Self {
        self.config_file = Some(Ok((text.to_owned(), None)));
        self
    }

    /// The same snapshot with an earlier step's output; for tests of settings.
    #[must_use]
    pub fn with_output(mut self, step: &str, key: &str, value: impl Into<Value>) -> Self {
        let outputs = self.outputs.entry(step.to_owned()).or_insert_with(|| Ok(Map::new()));
        if let Ok(outputs) = outputs {
            outputs.insert(key.to_owned(), value.into());
        }
        self
    }

    /// A variable's value; empty counts as not set.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.trim().is_empty())
    }

    /// Knows this run's secrets, once the run has begun. For whoever cuts or passes on what came from outside.
    pub(crate) fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// The folder the run works in.
    #[must_use]
    pub fn workspace(&self) -> &Path {
        &self.workspace
    }

    /// What a child process may inherit; never a `PLUGIN_*` variable.
    #[must_use]
    pub fn inherited(&self) -> BTreeMap<String, String> {
        let wanted = |name: &&str| self.variables.get(*name).map(|value| ((*name).to_owned(), value.clone()));
        INHERITED.iter().filter_map(wanted).collect()
    }

    /// Who runs this, as other runs will see it: the CI build and step, else this machine's workspace. A rerun of the same
    /// build or in the same workspace has the same name, and may take over what the dead run had claimed.
    #[must_use]
    pub fn run_name(&self) -> String {
        let joined = |names: &[&str], place: &str| -> Option<String> {
            let mut parts = names.iter().map(|name| self.variable(name)).collect::<Option<Vec<_>>>()?;
            // One build runs a step several times at once: in every workflow, matrix axis or stage.
            parts.extend(self.variable(place));
            Some(parts.join("/"))
        };
        // Drone also sets CI_* names with other meanings, so Woodpecker's are read only where it says it is Woodpecker.
        let woodpecker = (self.variable("CI") == Some("woodpecker"))
            .then(|| joined(&["CI_REPO", "CI_PIPELINE_NUMBER", "CI_STEP_NAME"], "CI_WORKFLOW_NUMBER"))
            .flatten();
        woodpecker
            .or_else(|| {
                joined(&["DRONE_REPO", "DRONE_BUILD_NUMBER", "DRONE_STEP_NAME"], "DRONE_STAGE_NUMBER")
            })
            .or_else(|| self.jenkins_name())
            .unwrap_or_else(|| {
                let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
                format!("{}:{}", host.trim(), self.workspace.display())
            })
    }

    /// The build is not enough: Jenkins' stages run side by side under one tag.
    fn jenkins_name(&self) -> Option<String> {
        let build = self.variable("BUILD_TAG")?;
        let place = ["STAGE_NAME", "NODE_NAME"].into_iter().filter_map(|name| self.variable(name));
        Some(std::iter::once(build).chain(place).collect::<Vec<_>>().join("/"))
    }

    /// All `PLUGIN_*` variables under their setting names (lower case, `-` and `.` as `_`), empty ones left out.
    pub(crate) fn plugin_variables(&self) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        for (name, value) in &self.variables {
            let Some(rest) = name.strip_prefix("PLUGIN_") else { continue };
            if value.trim().is_empty() {
                continue;
            }
            let plain = plain_name(rest);
            // The exact spelling wins over the hyphen form of the same name.
            if !rest.contains(['-', '.']) || !found.contains_key(&plain) {
                found.insert(plain, value.clone());
            }
        }
        found
    }

    /// Settings that stand in the environment under several spellings with different values, each with its spellings. Drone writes `dry-run` as
    /// `PLUGIN_DRY-RUN`, Woodpecker as `PLUGIN_DRY_RUN`.
    pub(super) fn contradictions(&self) -> BTreeMap<String, Vec<String>> {
        let mut spellings: BTreeMap<String, Vec<(&str, &str)>> = BTreeMap::new();
        for (name, value) in &self.variables {
            let Some(rest) = name.strip_prefix("PLUGIN_").filter(|_| !value.trim().is_empty()) else {
                continue;
            };
            spellings.entry(plain_name(rest)).or_default().push((name, value));
        }
        spellings.retain(|_, all| all.iter().any(|(_, value)| *value != all[0].1));
        let names = |all: Vec<(&str, &str)>| all.into_iter().map(|(name, _)| name.to_owned()).collect();
        spellings.into_iter().map(|(name, all)| (name, names(all))).collect()
    }

    pub(super) fn config_text(&self) -> Option<&Readable<ConfigText>> {
        self.config_file.as_ref()
    }

    /// Outputs of earlier steps, by the step's name.
    pub(crate) fn outputs(&self) -> &BTreeMap<String, Readable<Map<String, Value>>> {
        &self.outputs
    }

    /// One output of an earlier step.
    pub(crate) fn output(&self, step: &str, key: &str) -> Option<&Value> {
        self.outputs.get(step)?.as_ref().ok()?.get(key)
    }

    /// Why the folder of earlier steps' outputs cannot be read, when it is there.
    pub(crate) fn unreadable_outputs(&self) -> Option<&str> {
        self.unreadable_outputs.as_deref()
    }

    /// The steps whose outputs the settings of the step `own` ask for and nobody has brought yet. Where a setting may ask for what `own` will have at
    /// its end, that is not lacking.
    pub(crate) fn lacking_outputs(&self, groups: &[&[Setting]], own: &str) -> BTreeSet<String> {
        let variables = self.plugin_variables();
        let file = match &self.config_file {
            // Its problems are the reader's to tell.
            Some(Ok((text, _))) => config_file::read(text, &mut Problems::default()),
            _ => BTreeMap::new(),
        };
        let mut lacking = BTreeSet::new();
        for setting in groups.iter().copied().flatten() {
            let from_variable = variables.get(setting.name).map(String::as_str);
            let from_file = file.get(setting.config_key).map(|entry| entry.value.as_str());
            let values = [from_variable, from_file, self.variable(setting.config_key)];
            let steps = values.into_iter().flatten().flat_map(reference::steps);
            lacking.extend(steps.filter(|step| step != own || !setting.takes_own_outputs));
        }
        lacking.retain(|step| !self.outputs.contains_key(step));
        lacking
    }

    /// Brings a step's outputs, or says why there are none.
    pub(crate) fn add_outputs(&mut self, step: String, outputs: Readable<Map<String, Value>>) {
        self.outputs.insert(step, outputs);
    }
}

fn plain_name(name: &str) -> String {
    name.to_lowercase().replace(['-', '.'], "_")
}

fn read_config(path: &Path) -> Option<Readable<ConfigText>> {
    let read = || -> Result<ConfigText, String> {
        let size = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
        if size > config_file::LARGEST {
            return Err(format!("it has {size} bytes; is this the right file?"));
        }
        Ok(config_file::decode(&std::fs::read(path).map_err(|error| error.to_string())?))
    };
    match path.try_exists() {
        Ok(false) => None,
        _ => Some(read()),
    }
}

fn read_outputs(folder: &Path) -> Readable<BTreeMap<String, Readable<Map<String, Value>>>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(error.to_string()),
    };
    let mut outputs = BTreeMap::new();
    for entry in entries {
        let path = entry.map_err(|error| error.to_string())?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let Some(step) = name.and_then(|name| name.strip_suffix(".json")) else { continue };
        let unreadable =
            |error: String| format!("`.esteira/{step}.json` is there, but cannot be read: {error}");
        let read = std::fs::read(&path)
            .map_err(|error| unreadable(error.to_string()))
            .and_then(|text| serde_json::from_slice(&text).map_err(|error| unreadable(error.to_string())));
        outputs.insert(step.to_owned(), read);
    }
    Ok(outputs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_hyphen_names_and_drops_empty_values() {
        let env = Env::of(&[("PLUGIN_DRY-RUN", "true"), ("PLUGIN_RELEASE", ""), ("OTHER", "x")]);
        assert_eq!(env.plugin_variables(), BTreeMap::from([("dry_run".to_owned(), "true".to_owned())]));
    }

    #[test]
    fn one_name_in_two_spellings_with_two_values_is_a_contradiction() {
        let two = Env::of(&[
            ("PLUGIN_DRY-RUN", "true"),
            ("PLUGIN_DRY_RUN", "false"),
            ("PLUGIN_A.B", "1"),
            ("PLUGIN_A_B", "1"),
        ]);
        let names = vec!["PLUGIN_DRY-RUN".to_owned(), "PLUGIN_DRY_RUN".to_owned()];
        assert_eq!(two.contradictions(), BTreeMap::from([("dry_run".to_owned(), names)]));
        assert!(Env::of(&[("PLUGIN_DRY-RUN", "true"), ("PLUGIN_DRY_RUN", "")]).contradictions().is_empty());
    }

    #[test]
    fn outputs_are_lacking_wherever_a_setting_asks_for_them() {
        const SETTINGS: &[Setting] = &[
            Setting::new("release", "a release", "").config("RELEASE"),
            Setting::new("version", "a version", ""),
            Setting::new("parameters", "a map", "").own_outputs_too(),
        ];
        let env = Env::of(&[
            ("PLUGIN_VERSION", "@there.version"),
            ("PLUGIN_PARAMETERS", "{\"a\": \"@rpo.version\", \"b\": \"@chart.version\"}"),
            ("PLUGIN_OF_A_SIBLING", "@package.version"),
        ]);
        let env = env.with_config_file("RELEASE=@release.number\nOTHER=@other.key\n");
        let env = env.with_output("there", "version", "1");
        let lacking = |own| env.lacking_outputs(&[SETTINGS], own).into_iter().collect::<Vec<_>>();
        assert_eq!(lacking("rpo"), ["chart", "release"]);
        assert_eq!(lacking("image-bump"), ["chart", "release", "rpo"]);
    }

    #[test]
    fn hands_children_no_setting() {
        let env = Env::of(&[("PATH", "/bin"), ("PLUGIN_TOKEN", "t"), ("AWS_SECRET_ACCESS_KEY", "s")]);
        assert_eq!(env.inherited(), BTreeMap::from([("PATH".to_owned(), "/bin".to_owned())]));
    }

    #[test]
    fn a_rerun_of_the_same_build_has_the_same_name() {
        let build = [("DRONE_REPO", "a/b"), ("DRONE_BUILD_NUMBER", "7"), ("DRONE_STEP_NAME", "rpo")];
        assert_eq!(Env::of(&build).run_name(), "a/b/7/rpo");
    }

    #[test]
    fn workflows_and_stages_that_run_side_by_side_have_names_of_their_own() {
        let drone = [("DRONE_REPO", "a/b"), ("DRONE_BUILD_NUMBER", "7"), ("DRONE_STEP_NAME", "rpo")];
        let stage = [drone.as_slice(), &[("DRONE_STAGE_NUMBER", "2")]].concat();
        assert_eq!(Env::of(&stage).run_name(), "a/b/7/rpo/2");
        let woodpecker =
            [("CI", "woodpecker"), ("CI_REPO", "a/b"), ("CI_PIPELINE_NUMBER", "7"), ("CI_STEP_NAME", "rpo")];
        let axis = [woodpecker.as_slice(), &[("CI_WORKFLOW_NUMBER", "3")]].concat();
        assert_eq!(Env::of(&axis).run_name(), "a/b/7/rpo/3");
    }

    #[test]
    fn parallel_stages_of_jenkins_have_names_of_their_own() {
        let tag = ("BUILD_TAG", "jenkins-erp-7");
        assert_eq!(Env::of(&[tag]).run_name(), "jenkins-erp-7");
        let stage = [tag, ("STAGE_NAME", "rpo"), ("NODE_NAME", "agent 1")];
        assert_eq!(Env::of(&stage).run_name(), "jenkins-erp-7/rpo/agent 1");
    }
}
