//! Which values there are at all: `.config` first, then the variables, last the one build parameter that counts.
//! It judges names only; what a value means is not known yet.

use super::super::config_file;
use super::super::suspicion::SET_BY_SERVERS;
use super::{Env, Origin, Reader, Setting};
use crate::settings::SIBLING_NAMES;

impl Reader<'_> {
    pub(super) fn gather(&mut self, env: &Env) {
        self.take_config_file(env);
        let contradictions = env.contradictions();
        let mut siblings = Vec::new();
        for (name, value) in env.plugin_variables() {
            if self.knows(&name)
                && let Some(spellings) = contradictions.get(&name)
            {
                self.refuse_contradiction(&name, spellings);
            } else if self.knows(&name) {
                self.origins.remove(&name);
                self.values.insert(name, value);
            } else if SIBLING_NAMES.contains(&name.as_str()) {
                siblings.push(format!("PLUGIN_{}", name.to_uppercase()));
            } else if !SET_BY_SERVERS.contains(&name.as_str()) {
                self.problem(&name, &unknown(&name, &self.settings));
            }
        }
        if !siblings.is_empty() {
            tracing::info!(
                "not used here, because they belong to other plugins of Esteira: {}",
                siblings.join(", ")
            );
        }
        self.take_build_parameter(env);
    }

    fn knows(&self, name: &str) -> bool {
        self.settings.iter().any(|setting| setting.name == name)
    }

    fn refuse_contradiction(&mut self, name: &str, spellings: &[String]) {
        self.values.remove(name);
        self.origins.remove(name);
        let names = spellings.join(" and ");
        self.problem(
            name,
            &format!("{names} are the same setting, but have different values; which one is meant?"),
        );
    }

    fn take_config_file(&mut self, env: &Env) {
        let by_key: Vec<&Setting> =
            self.settings.iter().copied().filter(|setting| !setting.config_key.is_empty()).collect();
        if by_key.is_empty() {
            return;
        }
        let file = match env.config_text() {
            Some(Ok((text, encoding))) => {
                if let Some(encoding) = encoding {
                    tracing::info!(".config: is not UTF-8, read as {encoding}");
                }
                config_file::read(text, &mut self.problems)
            }
            Some(Err(reason)) => {
                self.problems.add(".config", format!("is there, but cannot be read: {reason}"));
                return;
            }
            None => return,
        };
        for key in file.keys().filter(|key| by_key.iter().all(|setting| setting.config_key != **key)) {
            tracing::info!(".config: `{key}` is not used by this plugin");
        }
        for setting in by_key {
            let Some(entry) = file.get(setting.config_key).filter(|entry| !entry.value.trim().is_empty())
            else {
                continue;
            };
            self.values.insert(setting.name.to_owned(), entry.value.clone());
            self.origins.insert(
                setting.name.to_owned(),
                Origin::ConfigFile { key: setting.config_key, line: entry.line },
            );
        }
    }

    /// The release is the only thing that a build started through the CI server's API may override (parameter `RELEASE`); other
    /// parameters that look like `.config` keys are ignored, and the log says so.
    fn take_build_parameter(&mut self, env: &Env) {
        let keys: Vec<&Setting> =
            self.settings.iter().copied().filter(|setting| !setting.config_key.is_empty()).collect();
        for setting in keys {
            let Some(value) = env.variable(setting.config_key) else { continue };
            if setting.name == "release" {
                tracing::info!("release `{value}` comes from the build parameter `RELEASE`");
                self.values.insert(setting.name.to_owned(), value.to_owned());
                self.origins.insert(setting.name.to_owned(), Origin::BuildParameter("RELEASE"));
            } else {
                tracing::info!(
                    "build parameter `{}` is ignored: only `RELEASE` may be overridden",
                    setting.config_key
                );
            }
        }
    }
}

fn unknown(name: &str, settings: &[&Setting]) -> String {
    // A YAML key `dryRun` arrives as `DRYRUN` on every server.
    let joined = |name: &str| name.replace('_', "");
    if let Some(setting) = settings.iter().find(|setting| joined(setting.name) == joined(name)) {
        return format!(
            "no such setting; did you mean `{}`, in YAML `{}`?",
            setting.variable(),
            setting.name
        );
    }
    let nearest = settings
        .iter()
        .map(|setting| (strsim::damerau_levenshtein(name, setting.name), setting))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, setting)| *distance <= setting.name.len() / 3 + 1);
    match nearest {
        Some((_, setting)) => format!("no such setting; did you mean `{}`?", setting.variable()),
        None => "no such setting".to_owned(),
    }
}
