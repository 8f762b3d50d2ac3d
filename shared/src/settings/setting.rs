//! The description of a setting: the single source of `--help`, the README tables and the check for unknown names.

use std::fmt::Write as _;

use serde::Serialize;

use super::SIBLING_NAMES;

/// One setting, described once. Its `name` is the YAML key, the field of the raw struct, and, as `PLUGIN_<NAME>`, the variable.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// snake_case name.
    pub name: &'static str,
    /// What a value looks like, in words, for tables and errors.
    pub takes: &'static str,
    /// The default as shown to people; empty when there is none.
    pub default: &'static str,
    /// Whether a run is impossible without it.
    pub is_required: bool,
    /// Whether its value must never be shown.
    pub is_secret: bool,
    /// The key in the user's `.config` file that supplies a default; empty when there is none.
    pub config_key: &'static str,
    /// What it means, one sentence.
    pub help: &'static str,
}

impl Setting {
    /// An optional setting without default.
    #[must_use]
    pub const fn new(name: &'static str, takes: &'static str, help: &'static str) -> Self {
        Self { name, takes, default: "", is_required: false, is_secret: false, config_key: "", help }
    }

    /// With a default, as shown to people.
    #[must_use]
    pub const fn default(mut self, default: &'static str) -> Self {
        self.default = default;
        self
    }

    /// A run is impossible without it.
    #[must_use]
    pub const fn required(mut self) -> Self {
        self.is_required = true;
        self
    }

    /// Its value must never be shown.
    #[must_use]
    pub const fn secret(mut self) -> Self {
        self.is_secret = true;
        self
    }

    /// The `.config` key that supplies a default.
    #[must_use]
    pub const fn config(mut self, key: &'static str) -> Self {
        self.config_key = key;
        self
    }

    /// The variable that carries it.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("PLUGIN_{}", self.name.to_uppercase())
    }

    fn default_in_words(&self) -> String {
        match (self.is_required, self.default) {
            (true, _) => "required".to_owned(),
            (false, "") => String::new(),
            (false, default) => format!("`{default}`"),
        }
    }
}

/// Where a plugin's raw struct, its description and the list of all names disagree, in words. A test of each plugin expects nothing.
#[must_use]
pub fn disagreements<R: Serialize + Default>(own: &[Setting]) -> Vec<String> {
    let fields = serde_json::to_value(R::default()).unwrap_or_default();
    let fields: Vec<&str> = fields.as_object().into_iter().flat_map(|map| map.keys()).map(String::as_str).collect();
    let described: Vec<&str> = own.iter().map(|setting| setting.name).collect();
    let lacking = |these: &[&str], those: &[&str], words: &str| -> Vec<String> {
        these.iter().filter(|name| !those.contains(name)).map(|name| format!("`{name}` {words}")).collect()
    };
    [
        lacking(&described, &fields, "is described but is no field of the raw struct"),
        lacking(&fields, &described, "is a field of the raw struct but is not described"),
        lacking(&described, SIBLING_NAMES, "is not listed in shared/src/settings/siblings.rs"),
    ]
    .concat()
}

/// The text of `--help` for groups of settings.
#[must_use]
pub fn groups_help(groups: &[&[Setting]]) -> String {
    let mut text = String::new();
    for setting in groups.iter().copied().flatten() {
        // Writing into a String cannot fail.
        let _ = writeln!(text, "  {} ({})", setting.variable(), setting.takes);
        let _ = write!(text, "      {}", setting.help);
        match setting.default_in_words() {
            words if words.is_empty() => text.push('\n'),
            words if setting.is_required => {
                let _ = writeln!(text, " [{words}]");
            }
            words => {
                let _ = writeln!(text, " [default: {}]", words.trim_matches('`'));
            }
        }
    }
    text
}

/// The README table for groups of settings.
#[must_use]
pub fn groups_markdown(groups: &[&[Setting]]) -> String {
    let mut text = String::from("| setting | takes | default | meaning |\n|---|---|---|---|\n");
    for setting in groups.iter().copied().flatten() {
        let config = match setting.config_key {
            "" => String::new(),
            key => format!(" (`.config`: `{key}`)"),
        };
        let secret = if setting.is_secret { " (secret)" } else { "" };
        let _ = writeln!(
            text,
            "| `{}` | {}{secret} | {} | {}{config} |",
            setting.name,
            setting.takes.replace('|', "\\|"),
            setting.default_in_words(),
            setting.help.replace('|', "\\|"),
        );
    }
    text
}
