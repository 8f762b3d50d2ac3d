//! From the snapshot to typed settings: names are checked, `.config` and `@step.key` filled in, envy and serde fill the raw
//! struct, and each raw text becomes a value or a problem. Nothing stops at the first problem.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::Value;
use tracing::subscriber::{NoSubscriber, with_default};

use super::parse::Parsed;
use super::{Env, Problems, SIBLING_NAMES, Setting, config_file};

/// A value that is shown is cut here.
const LONGEST_SHOWN: usize = 80;

/// Collects the values and the problems of one run's settings.
#[derive(Debug)]
pub struct Reader<'a> {
    settings: Vec<&'a Setting>,
    values: BTreeMap<String, String>,
    problems: Problems,
}

impl<'a> Reader<'a> {
    /// Checks the names of all `PLUGIN_*` variables against the described settings and gathers the values.
    #[must_use]
    pub fn new(env: &Env, groups: &[&'a [Setting]]) -> Self {
        let settings: Vec<&Setting> = groups.iter().copied().flatten().collect();
        let mut problems = Problems::default();
        let mut values = defaults_from_config(env, &settings, &mut problems);
        for (name, value) in env.plugin_variables() {
            if settings.iter().any(|setting| setting.name == name) {
                values.insert(name, value);
            } else if SIBLING_NAMES.contains(&name.as_str()) {
                tracing::info!(
                    "PLUGIN_{} belongs to another plugin of Esteira and is not used here",
                    name.to_uppercase()
                );
            } else {
                problems.add(format!("PLUGIN_{}", name.to_uppercase()), unknown(&name, &settings));
            }
        }
        take_build_parameter(env, &settings, &mut values);
        let mut reader = Self { settings, values, problems };
        reader.refuse_unresolved_secrets();
        reader.take_outputs_of_earlier_steps(env);
        reader
    }

    /// The same, saying nothing: for readings before or beside the plugin's own.
    pub(crate) fn quiet(env: &Env, groups: &[&'a [Setting]]) -> Self {
        with_default(NoSubscriber::default(), || Self::new(env, groups))
    }

    /// The values that must never be shown, wherever they came from.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &str> {
        self.values.iter().filter(|(name, value)| self.hides(name, value)).map(|(_, value)| value.as_str())
    }

    /// What the described setting of this name takes, in words.
    pub(crate) fn takes(&self, name: &str) -> Option<&'static str> {
        self.settings.iter().find(|setting| setting.name == name).map(|setting| setting.takes)
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
        self.problems.add(format!("PLUGIN_{}", name.to_uppercase()), text);
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

    fn refuse_unresolved_secrets(&mut self) {
        let unresolved: Vec<_> = self
            .values
            .iter()
            .filter(|(_, value)| value.contains("from_secret"))
            .map(|(name, _)| name.clone())
            .collect();
        for name in unresolved {
            self.values.remove(&name);
            self.problem(
                &name,
                "still contains `from_secret`: Drone replaces it only where it is the whole value of a setting, never inside a list or map",
            );
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
            let Some((step, key)) = reference(&value) else {
                self.refuse_half_a_reference(&name, &value);
                continue;
            };
            match env.outputs().get(step).and_then(|outputs| outputs.as_ref().ok()?.get(key)) {
                Some(Value::String(text)) => {
                    self.values.insert(name, text.clone());
                }
                Some(other) => {
                    self.values.insert(name, other.to_string());
                }
                None => {
                    self.values.remove(&name);
                    self.problem(&name, &missing_output(env, step, key));
                }
            }
        }
    }
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

/// The release is the only thing that a build started through the CI server's API may override (parameter `RELEASE`); other
/// parameters that look like `.config` keys are ignored, and the log says so.
fn take_build_parameter(env: &Env, settings: &[&Setting], values: &mut BTreeMap<String, String>) {
    for setting in settings.iter().filter(|setting| !setting.config_key.is_empty()) {
        let Some(value) = env.variable(setting.config_key) else { continue };
        if setting.name == "release" {
            tracing::info!("release `{value}` comes from the build parameter `RELEASE`");
            values.insert(setting.name.to_owned(), value.to_owned());
        } else {
            tracing::info!(
                "build parameter `{}` is ignored: only `RELEASE` may be overridden",
                setting.config_key
            );
        }
    }
}

/// `@step.key` taken apart; other texts are no reference.
pub(crate) fn reference(value: &str) -> Option<(&str, &str)> {
    let (step, key) = value.trim().strip_prefix('@')?.split_once('.')?;
    let is_name = |text: &str| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
    };
    (is_name(step) && is_name(key)).then_some((step, key))
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

fn unknown(name: &str, settings: &[&Setting]) -> String {
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

fn defaults_from_config(
    env: &Env,
    settings: &[&Setting],
    problems: &mut Problems,
) -> BTreeMap<String, String> {
    let by_key: Vec<_> = settings.iter().filter(|setting| !setting.config_key.is_empty()).collect();
    if by_key.is_empty() {
        return BTreeMap::new();
    }
    let file = match env.config_text() {
        Some(Ok(text)) => config_file::read(text, problems),
        Some(Err(reason)) => {
            problems.add(".config", format!("is there, but cannot be read: {reason}"));
            BTreeMap::new()
        }
        None => BTreeMap::new(),
    };
    for key in file.keys().filter(|key| by_key.iter().all(|setting| setting.config_key != **key)) {
        tracing::info!(".config: `{key}` is not used by this plugin");
    }
    by_key
        .iter()
        .filter_map(|setting| {
            let value = file.get(setting.config_key).filter(|value| !value.is_empty())?;
            Some((setting.name.to_owned(), value.clone()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::super::parse;
    use super::*;

    const SETTINGS: &[Setting] = &[
        Setting::new("release", "a release", "").config("RELEASE"),
        Setting::new("namespace", "a name", ""),
        Setting::new("kube_token", "a token", "").secret(),
        Setting::new("timeout", "a time span", ""),
    ];

    #[derive(Default, Deserialize)]
    struct Raw {
        release: Option<String>,
        namespace: Option<String>,
        kube_token: Option<String>,
        timeout: Option<String>,
    }

    fn problems(env: &Env) -> Vec<String> {
        let mut reader = Reader::new(env, &[SETTINGS]);
        let raw: Raw = reader.raw();
        let _ = reader.required("namespace", raw.namespace, parse::text);
        let _ = reader.optional("timeout", raw.timeout, parse::duration);
        let _ = reader.optional("kube_token", raw.kube_token, parse::boolean);
        let _ = reader.optional("release", raw.release, parse::version);
        match reader.finish(|| Some(())) {
            Ok(()) => Vec::new(),
            Err(problems) => {
                problems.0.iter().map(|problem| format!("{}: {}", problem.name, problem.text)).collect()
            }
        }
    }

    #[test]
    fn reports_every_problem_at_once_and_hides_secrets() {
        let env = Env::of(&[
            ("PLUGIN_NAMESPCE", "x"),
            ("PLUGIN_TIMEOUT", "soon"),
            ("PLUGIN_KUBE_TOKEN", "hunter2"),
        ]);
        assert_eq!(
            problems(&env),
            [
                "PLUGIN_NAMESPCE: no such setting; did you mean `PLUGIN_NAMESPACE`?",
                "PLUGIN_NAMESPACE: required, but not set (an empty value counts as not set)",
                "PLUGIN_TIMEOUT: expected a number and a unit such as `90s`, `5m` or `1h30m`; got `soon`",
                "PLUGIN_KUBE_TOKEN: expected `true` or `false`; got a value that is hidden here",
            ]
        );
    }

    #[test]
    fn a_setting_wins_over_the_config_file() {
        let file = "RELEASE=12.1.2310\nFOO=bar\n";
        let read = |env: Env| {
            let mut reader = Reader::new(&env, &[SETTINGS]);
            reader.raw::<Raw>().release
        };
        assert_eq!(read(Env::of(&[]).with_config_file(file)).as_deref(), Some("12.1.2310"));
        assert_eq!(read(Env::of(&[("PLUGIN_RELEASE", "2")]).with_config_file(file)).as_deref(), Some("2"));
    }

    #[test]
    fn of_the_build_parameters_only_the_release_counts() {
        const SETTINGS: &[Setting] = &[
            Setting::new("release", "", "").config("RELEASE"),
            Setting::new("timeout", "", "").config("TIMEOUT"),
        ];
        let env = Env::of(&[("PLUGIN_RELEASE", "1"), ("RELEASE", "2"), ("TIMEOUT", "9s")]);
        let raw: Raw = Reader::new(&env, &[SETTINGS]).raw();
        assert_eq!((raw.release.as_deref(), raw.timeout), (Some("2"), None));
    }

    #[test]
    fn takes_outputs_of_earlier_steps_and_says_when_they_are_absent() {
        let env = Env::of(&[("PLUGIN_NAMESPACE", "@rpo.version"), ("PLUGIN_RELEASE", "@rpo.nothing")])
            .with_output("rpo", "version", "12.1");
        assert_eq!(
            problems(&env),
            [
                "PLUGIN_RELEASE: `@rpo.nothing` asks for `nothing` in `.esteira/rpo.json`, which has only `version`"
            ]
        );
        let env = Env::of(&[("PLUGIN_NAMESPACE", "@rpo.version")]);
        assert_eq!(
            problems(&env),
            [
                "PLUGIN_NAMESPACE: `@rpo.version` asks for `.esteira/rpo.json`, which no earlier step wrote in this workspace (there: nothing)"
            ]
        );
    }

    #[test]
    fn a_reference_without_a_key_is_a_problem_and_a_password_is_none() {
        let env = Env::of(&[("PLUGIN_NAMESPACE", "@rpo"), ("PLUGIN_KUBE_TOKEN", "@true")]);
        assert_eq!(
            problems(&env),
            [
                "PLUGIN_NAMESPACE: expected `@step.key`, an output of an earlier step; got `@rpo`",
                "PLUGIN_KUBE_TOKEN: expected `true` or `false`; got a value that is hidden here"
            ]
        );
    }

    #[test]
    fn files_that_are_there_but_cannot_be_read_are_told() {
        let workspace = tempfile::tempdir().unwrap();
        std::fs::create_dir(workspace.path().join(".config")).unwrap();
        std::fs::create_dir(workspace.path().join(".esteira")).unwrap();
        std::fs::write(workspace.path().join(".esteira/rpo.json"), "{\"version\": \"12").unwrap();
        let variables = [("PLUGIN_NAMESPACE".to_owned(), "@rpo.version".to_owned())].into();
        let problems = problems(&Env::in_workspace(variables, workspace.path().to_owned()));
        assert!(problems[0].starts_with(".config: is there, but cannot be read: "), "{problems:?}");
        let unreadable = "PLUGIN_NAMESPACE: `@rpo.version` asks for an output of `rpo`: `.esteira/rpo.json` is there, but cannot be read: ";
        assert!(problems[1].starts_with(unreadable), "{problems:?}");
        assert_eq!(problems.len(), 2, "{problems:?}");
    }

    #[test]
    fn an_address_is_shown_without_what_may_be_secret() {
        for (address, shown) in [
            ("https://bot:pw@host/?key=x", "https://[hidden]@host/?[hidden]"),
            ("https://bot:p/w?@host/a", "https://[hidden]@host/a"),
            ("ftp://host/a#token", "ftp://host/a#[hidden]"),
            ("file:///bucket", "file:///bucket"),
            ("bot@host", "bot@host"),
        ] {
            assert_eq!(without_credentials(address), shown);
        }
        let problems = problems(&Env::of(&[
            ("PLUGIN_NAMESPACE", "n"),
            ("PLUGIN_TIMEOUT", "https://bot:pw@host/?key=x"),
        ]));
        assert!(problems[0].ends_with("got `https://[hidden]@host/?[hidden]`"), "{problems:?}");
    }

    #[test]
    fn explains_a_secret_that_drone_did_not_replace() {
        let env =
            Env::of(&[("PLUGIN_NAMESPACE", "n"), ("PLUGIN_KUBE_TOKEN", "{\"a\":{\"from_secret\":\"x\"}}")]);
        assert!(problems(&env)[0].contains("still contains `from_secret`"));
    }

    #[test]
    fn a_siblings_setting_is_no_problem() {
        assert_eq!(
            problems(&Env::of(&[("PLUGIN_NAMESPACE", "n"), ("PLUGIN_RPO_SOURCE", "x")])),
            Vec::<String>::new()
        );
    }
}
