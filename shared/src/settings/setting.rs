//! The description of a setting: the single source of `--help`, all generated documents and the check for unknown names.

use std::fmt::Write as _;

use serde::Serialize;

use super::document::is_document;
use super::takes::untyped;
use super::{SIBLING_NAMES, Takes};

/// One setting, described once. Its `name` is the YAML key, the field of the raw struct, and, as `PLUGIN_<NAME>`, the variable.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// snake_case name.
    pub name: &'static str,
    /// Its type, which also says in words what a value looks like.
    pub takes: Takes,
    /// The default as shown to people; empty when there is none.
    pub default: &'static str,
    /// Whether a run is impossible without it.
    pub is_required: bool,
    /// Whether its value must never be shown.
    pub is_secret: bool,
    /// Whether its value must never be shown when it is a document; otherwise it is a path.
    pub is_secret_document: bool,
    /// Whether `@step.key` inside of its lists and maps may name outputs of this very step, so that whoever uses the value replaces them.
    pub takes_own_outputs: bool,
    /// The key in the user's `.config` file that supplies a default; empty when there is none.
    pub config_key: &'static str,
    /// What it means, one sentence.
    pub help: &'static str,
}

impl Setting {
    /// An optional text without default; `takes` says in words what it looks like. The other types have functions of their own.
    #[must_use]
    pub const fn new(name: &'static str, takes: &'static str, help: &'static str) -> Self {
        Self::of(name, Takes::Text(takes), help)
    }

    /// An optional setting of any type, without default.
    #[must_use]
    pub const fn of(name: &'static str, takes: Takes, help: &'static str) -> Self {
        Self {
            name,
            takes,
            default: "",
            is_required: false,
            is_secret: false,
            is_secret_document: false,
            takes_own_outputs: false,
            config_key: "",
            help,
        }
    }

    /// With a default, as shown to people: a value, or words such as "the title". Values inside of words stand in backticks.
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

    /// It takes a path, or a document that must never be shown.
    #[must_use]
    pub const fn secret_document(mut self) -> Self {
        self.is_secret_document = true;
        self
    }

    /// `@step.key` inside of its lists and maps stays as it is, because it may name outputs that this step has only at its end.
    #[must_use]
    pub const fn own_outputs_too(mut self) -> Self {
        self.takes_own_outputs = true;
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

    /// Whether this value of it must never be shown.
    pub(crate) fn hides(&self, value: &str) -> bool {
        // No path has line breaks: it is a document, if only half of one.
        self.is_secret || self.is_secret_document && (is_document(value) || value.trim().contains('\n'))
    }

    fn default_in_markdown(&self) -> String {
        match (self.is_required, self.default) {
            (true, _) => "required".to_owned(),
            (false, "") => String::new(),
            (false, words) if is_words(words) => words.to_owned(),
            (false, value) => format!("`{value}`"),
        }
    }

    fn default_in_help(&self) -> String {
        match (self.is_required, self.default) {
            (true, _) if self.config_key.is_empty() => " [required]".to_owned(),
            (true, _) => " [required, here or in .config]".to_owned(),
            (false, "") => String::new(),
            (false, default) => format!(" [default: {default}]"),
        }
    }
}

/// Whether a default is words about a value, and not the value itself.
pub(crate) fn is_words(default: &str) -> bool {
    default.contains('`') || ["the ", "every "].iter().any(|article| default.starts_with(article))
}

/// Where a plugin's raw struct, its description and the list of all names disagree, in words. A test of each plugin expects nothing.
#[must_use]
pub fn disagreements<R: Serialize + Default>(own: &[Setting]) -> Vec<String> {
    let fields = serde_json::to_value(R::default()).unwrap_or_default();
    let fields: Vec<&str> =
        fields.as_object().into_iter().flat_map(|map| map.keys()).map(String::as_str).collect();
    let described: Vec<&str> = own.iter().map(|setting| setting.name).collect();
    let lacking = |these: &[&str], those: &[&str], words: &str| -> Vec<String> {
        these.iter().filter(|name| !those.contains(name)).map(|name| format!("`{name}` {words}")).collect()
    };
    [
        lacking(&described, &fields, "is described but is no field of the raw struct"),
        lacking(&fields, &described, "is a field of the raw struct but is not described"),
        lacking(&described, SIBLING_NAMES, "is not listed in shared/src/settings/siblings.rs"),
        own.iter().filter_map(untyped).collect(),
    ]
    .concat()
}

/// The text of `--help` for groups of settings.
#[must_use]
pub fn groups_help(groups: &[&[Setting]]) -> String {
    let mut text = String::new();
    for setting in groups.iter().copied().flatten() {
        // Writing into a String cannot fail.
        let config = match setting.config_key {
            "" => String::new(),
            key => format!("; in .config: {key}"),
        };
        let _ = writeln!(text, "  {} ({}{config})", setting.variable(), setting.takes.words());
        let _ = writeln!(text, "      {}{}", setting.help, setting.default_in_help());
    }
    text.push_str("\n`@step.key` as a value takes an output of an earlier step, such as `@rpo.release`.\n");
    if groups.iter().copied().flatten().any(|setting| !setting.config_key.is_empty()) {
        text.push_str("`KEY=VALUE` lines of the file `.config` supply defaults.\n");
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
        let secret = if setting.is_secret || setting.is_secret_document { " (secret)" } else { "" };
        let _ = writeln!(
            text,
            "| `{}` | {}{secret} | {} | {}{config} |",
            setting.name,
            setting.takes.words().replace('|', "\\|"),
            setting.default_in_markdown(),
            setting.help.replace('|', "\\|"),
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: &[Setting] = &[
        Setting::new("release", "a release", "Release.").required().config("RELEASE"),
        Setting::new("bucket", "an address", "Bucket.").required(),
        Setting::duration("timeout", "Time.").default("5m"),
        Setting::boolean("gera_mi", "International."),
        Setting::new("version", "a version", "Version.").default("the content of `version_file`"),
        Setting::new("title", "a text", "Title.").default("`Update to {version}` or `Update {changes}`"),
    ];

    #[test]
    fn help_says_what_is_required_and_where_it_may_stand() {
        let help = groups_help(&[SETTINGS]);
        for line in [
            "  PLUGIN_RELEASE (a release; in .config: RELEASE)\n      Release. [required, here or in .config]\n",
            "  PLUGIN_BUCKET (an address)\n      Bucket. [required]\n",
            "Time. [default: 5m]\n",
            "Version. [default: the content of `version_file`]\n",
            "  PLUGIN_GERA_MI (`true` or `false`)\n",
            "`@step.key` as a value takes an output",
            "`KEY=VALUE` lines of the file `.config`",
        ] {
            assert!(help.contains(line), "{line} is not in:\n{help}");
        }
        assert!(!groups_help(&[&SETTINGS[1..]]).contains(".config"));
    }

    #[test]
    fn a_default_in_words_is_no_code() {
        let table = groups_markdown(&[SETTINGS]);
        for cell in [
            "| required |",
            "| `5m` |",
            "| the content of `version_file` |",
            "| `Update to {version}` or `Update {changes}` |",
        ] {
            assert!(table.contains(cell), "{cell} is not in:\n{table}");
        }
    }

    #[test]
    fn a_path_may_be_shown_and_a_document_may_not() {
        let setting = Setting::new("kubeconfig", "", "").secret_document();
        assert!(!setting.hides("/home/me/.kube/config\n"));
        assert!(setting.hides("kind: Config\nusers: []\n") && setting.hides("{\"kind\": \"Config\"}"));
    }
}
