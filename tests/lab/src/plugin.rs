//! The plugins as processes: nothing in their environment but their settings.
//! It may not know what a plugin does.
//! Called by the demo and by tests.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

use crate::error::{Attempt as _, Error};
use crate::process;
use crate::shim::lab_program;

/// A run of a plugin that has ended.
#[derive(Debug)]
pub struct Ended {
    /// Exit code; -1 when a signal ended it.
    pub code: i32,
    /// Both streams.
    pub log: String,
}

/// The names of all plugins' programs, sorted: a folder in `plugins/` each.
pub fn all() -> Result<Vec<String>, Error> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins");
    let attempt = || format!("cannot list `{}`", folder.display());
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&folder).attempting(attempt)? {
        let entry = entry.attempting(attempt)?;
        if entry.path().join("Cargo.toml").is_file() {
            names.push(format!("plugin-{}", entry.file_name().to_string_lossy()));
        }
    }
    names.sort();
    Ok(names)
}

/// The folder of the plugins' programs: that of the lab's own.
pub fn programs() -> Result<PathBuf, Error> {
    Ok(lab_program()?.parent().map(Path::to_owned).unwrap_or_default())
}

/// A plugin about to be run in `workspace`. Settings are written as in YAML: `dry_run`, not `PLUGIN_DRY_RUN`.
pub fn command<V: AsRef<str>>(
    name: &str,
    workspace: &Path,
    settings: &[(&str, V)],
) -> Result<Command, Error> {
    let mut command = process::command(programs()?.join(name));
    command.env_clear().current_dir(workspace).stdin(Stdio::null());
    for (setting, value) in settings {
        command.env(format!("PLUGIN_{}", setting.to_uppercase()), value.as_ref());
    }
    Ok(command)
}

/// Runs a plugin to its end.
pub fn run<V: AsRef<str>>(name: &str, workspace: &Path, settings: &[(&str, V)]) -> Result<Ended, Error> {
    let output = command(name, workspace, settings)?.output();
    Ok(Ended::of(&output.attempting(|| format!("cannot run `{name}`"))?))
}

/// Starts a plugin that the test will end, or wait for.
pub fn start<V: AsRef<str>>(name: &str, workspace: &Path, settings: &[(&str, V)]) -> Result<Child, Error> {
    let mut command = command(name, workspace, settings)?;
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    process::spawn(command).attempting(|| format!("cannot start `{name}`"))
}

/// The outputs that a step left in a workspace.
pub fn outputs(workspace: &Path, step: &str) -> Result<Value, Error> {
    let path = workspace.join(format!(".esteira/{step}.json"));
    let attempt = || format!("cannot read `{}`", path.display());
    serde_json::from_slice(&std::fs::read(&path).attempting(attempt)?).attempting(attempt)
}

impl Ended {
    /// Of a finished process.
    pub fn of(output: &Output) -> Self {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        let log = format!("{}{}", text(&output.stdout), text(&output.stderr));
        Self { code: output.status.code().unwrap_or(-1), log }
    }
}
