//! From the snapshot to typed settings: names are checked, `.config` and `@step.key` filled in, envy and serde fill the raw
//! struct, and each raw text becomes a value or a problem. Nothing stops at the first problem.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::Value;
use tracing::subscriber::{NoSubscriber, with_default};

use super::origin::Origin;
use super::parse::Parsed;
use super::suspicion::suspicion;
use super::{Env, Problems, Setting, Takes, reference};

mod gather;

/// A value that is shown is cut here.
const LONGEST_SHOWN: usize = 80;

/// Collects the values and the problems of one run's settings.
#[derive(Debug)]
pub struct Reader<'a> {
    settings: Vec<&'a Setting>,
    values: BTreeMap<String, String>,
    /// The text of each secret value that is a document in base64 or with `\n`.
    documents: Vec<String>,
    origins: BTreeMap<String, Origin>,
    problems: Problems,
}

impl<'a> Reader<'a> {
    /// Checks the names of all `PLUGIN_*` variables against the described settings and gathers the values.
    #[must_use]
    pub fn new(env: &Env, groups: &[&'a [Setting]]) -> Self {
        let settings: Vec<&Setting> = groups.iter().copied().flatten().collect();
        let mut reader = Self {
            settings,
            values: BTreeMap::new(),
            documents: Vec::new(),
            origins: BTreeMap::new(),
            problems: Problems::default(),
        };
        reader.gather(env);
        reader.refuse_what_cannot_be_meant();
        reader.take_outputs_of_earlier_steps(env);
        reader.documents = reader.secrets_as_documents();
        reader
    }

    /// The same, saying nothing: for readings before or beside the plugin's own.
    pub(crate) fn quiet(env: &Env, groups: &[&'a [Setting]]) -> Self {
        with_default(NoSubscriber::default(), || Self::new(env, groups))
    }

    /// The values that must never be shown, wherever they came from.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &str> {
        let values = self.values.iter().filter(|(name, value)| self.hides(name, value));
        values.map(|(_, value)| value.as_str()).chain(self.documents.iter().map(String::as_str))
    }

    fn secrets_as_documents(&self) -> Vec<String> {
        let texts =
            self.secrets().filter_map(|value| super::document::text_of(value).filter(|text| text != value));
        texts.collect()
    }

    /// What the described setting of this name takes, in words.
    pub(crate) fn takes(&self, name: &str) -> Option<String> {
        self.settings.iter().find(|setting| setting.name == name).map(|setting| setting.takes.words())
    }

    /// All values, by the setting's name.
    pub(crate) fn values(&self) -> &BTreeMap<String, String> {
        &self.values
    }

    fn hides(&self, name: &str, value: &str) -> bool {
        self.settings.iter().any(|setting| setting.name == name && setting.hides(value))
    }

    /// The raw texts as a struct of `Option<String>` fields, by envy.
    #[must_use]
    pub fn raw<T: DeserializeOwned + Default>(&mut self) -> T {
        let variables = self.values.iter().map(|(name, value)| (name.to_uppercase(), value.clone()));
        envy::from_iter(variables).unwrap_or_else(|error| {
            self.problems.add("PLUGIN_*", error.to_string());
            T::default()
        })
    }

    /// A value that must be there.
    pub fn required<T>(
        &mut self,
        name: &str,
        raw: Option<String>,
        parse: impl Fn(&str) -> Parsed<T>,
    ) -> Option<T> {
        if raw.is_none() && !self.has_problem(name) {
            self.problem(name, "required, but not set (an empty value counts as not set)");
        }
        self.optional(name, raw, parse)
    }

    /// A value that may be absent.
    pub fn optional<T>(
        &mut self,
        name: &str,
        raw: Option<String>,
        parse: impl Fn(&str) -> Parsed<T>,
    ) -> Option<T> {
        match parse(&raw?) {
            Ok(value) => Some(value),
            Err(expected) => {
                let got = self.shown(name);
                self.problem(name, &format!("expected {expected}; got {got}"));
                None
            }
        }
    }

    /// A value with a default.
    pub fn or<T>(
        &mut self,
        name: &str,
        raw: Option<String>,
        parse: impl Fn(&str) -> Parsed<T>,
        default: T,
    ) -> T {
        self.optional(name, raw, parse).unwrap_or(default)
    }

    /// Notes a problem that only shows when settings are seen together.
    pub fn problem(&mut self, name: &str, text: &str) {
        let origin = self.origins.get(name).map(|origin| format!(" (from {origin})")).unwrap_or_default();
        self.problems.add(format!("PLUGIN_{}", name.to_uppercase()), format!("{text}{origin}"));
    }

    /// Builds the typed settings, unless there was any problem. `build` gives `None` only where a problem was noted.
    ///
    /// # Errors
    /// All problems of the run.
    pub fn finish<T>(mut self, build: impl FnOnce() -> Option<T>) -> Result<T, Problems> {
        if !self.problems.0.is_empty() {
            return Err(self.problems);
        }
        build().ok_or_else(|| {
            self.problems.add("PLUGIN_*", "a required value is missing");
            self.problems
        })
    }

    /// Notes a problem with a variable, unless there is one already: two readers of the same variable tell it once.
    pub(crate) fn problem_once(&mut self, variable: &str, text: &str) {
        if self.problems.0.iter().all(|problem| problem.name != variable) {
            self.problems.add(variable, text);
        }
    }

    fn has_problem(&self, name: &str) -> bool {
        let variable = format!("PLUGIN_{}", name.to_uppercase());
        self.problems.0.iter().any(|problem| problem.name == variable)
    }

    fn shown(&self, name: &str) -> String {
        let Some(value) = self.values.get(name) else { return "nothing".to_owned() };
        if self.hides(name, value) {
            return "a value that is hidden here".to_owned();
        }
        let value = without_credentials(value);
        match value.char_indices().nth(LONGEST_SHOWN) {
            Some((end, _)) => format!("`{}…`", &value[..end]),
            None => format!("`{value}`"),
        }
    }

    fn refuse_what_cannot_be_meant(&mut self) {
        let setting = |name: &str| self.settings.iter().find(|setting| setting.name == name);
        let suspicious =
            |(name, value): (&String, &String)| Some((name.clone(), suspicion(setting(name)?, value)?));
        let suspicious: Vec<_> = self.values.iter().filter_map(suspicious).collect();
        for (name, text) in suspicious {
            self.values.remove(&name);
            self.problem(&name, &text);
        }
    }

    /// A password may begin with `@`; nothing else that is set does.
    fn refuse_half_a_reference(&mut self, name: &str, value: &str) {
        if value.trim_start().starts_with('@') && !self.hides(name, value) {
            let got = self.shown(name);
            self.values.remove(name);
            self.problem(name, &format!("expected `@step.key`, an output of an earlier step; got {got}"));
        }
    }

    fn take_outputs_of_earlier_steps(&mut self, env: &Env) {
        for (name, value) in self.values.clone() {
            let Some(setting) = self.settings.iter().find(|setting| setting.name == name) else { continue };
            if setting.takes_own_outputs && reference::reference(&value).is_none() {
                continue;
            }
            let is_list = matches!(setting.takes, Takes::List(_));
            match reference::resolved(&value, is_list, |step, key| output(env, step, key)) {
                Ok(Some(text)) => {
                    self.values.insert(name, text);
                }
                Ok(None) => self.refuse_half_a_reference(&name, &value),
                Err(problem) => {
                    // It may be a password that looks like one.
                    let problem = match self.hides(&name, &value) {
                        true => "a value that is hidden here asks with `@step.key` for an output that no earlier step has".to_owned(),
                        false => problem,
                    };
                    self.values.remove(&name);
                    self.problem(&name, &problem);
                    let lacks_step = reference::steps(&value).iter().any(|step| lacks(env, step));
                    if let Some(noted) = self.problems.0.last_mut() {
                        noted.lacks_step = lacks_step;
                    }
                }
            }
        }
    }
}

/// Whether the step left no outputs here at all.
fn lacks(env: &Env, step: &str) -> bool {
    env.unreadable_outputs().is_none() && !env.outputs().contains_key(step)
}

fn output(env: &Env, step: &str, key: &str) -> Result<Value, String> {
    env.output(step, key).cloned().ok_or_else(|| missing_output(env, step, key))
}

/// An address without its user, password, query and fragment. Rather too much is hidden than too little: a password may hold `/` and `?`.
fn without_credentials(value: &str) -> String {
    let Some((scheme, rest)) = value.split_once("://") else { return value.to_owned() };
    let (user, rest) = match rest.rsplit_once('@') {
        Some((_, rest)) => ("[hidden]@", rest),
        None => ("", rest),
    };
    match rest.find(['?', '#']) {
        Some(end) => format!("{scheme}://{user}{}[hidden]", &rest[..=end]),
        None => format!("{scheme}://{user}{rest}"),
    }
}

fn missing_output(env: &Env, step: &str, key: &str) -> String {
    let listed =
        |names: Vec<&String>| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    match env.outputs().get(step) {
        Some(Err(reason)) => format!("`@{step}.{key}` asks for an output of `{step}`: {reason}"),
        Some(Ok(outputs)) => format!(
            "`@{step}.{key}` asks for `{key}` in `.esteira/{step}.json`, which has only {}",
            listed(outputs.keys().collect())
        ),
        None if env.unreadable_outputs().is_some() => format!(
            "`@{step}.{key}` asks for an output of `{step}`: `.esteira` is there, but cannot be read: {}",
            env.unreadable_outputs().unwrap_or_default()
        ),
        None => format!(
            "`@{step}.{key}` asks for `.esteira/{step}.json`, which no earlier step wrote in this workspace (there: {})",
            if env.outputs().is_empty() {
                "nothing".to_owned()
            } else {
                listed(env.outputs().keys().collect())
            }
        ),
    }
}

#[cfg(test)]
mod tests;
