//! The documents that are made of a plugin's description: the tables of its README, a JSON schema, Woodpecker's `docs.md` and the data of Drone's
//! plugin index. They are kept in the plugin's folder; a test of the lab fails when one is stale.

mod schema;

use std::fmt::Write as _;

use super::Plugin;
use crate::settings::{Setting, groups_markdown, is_words};

pub(super) use schema::schema;

/// Where the project and its images are. Who builds Esteira under other names changes these two lines.
const REPOSITORY: &str = "https://git.example.com/esteira/esteira";
const IMAGES: &str = "registry.example.com/esteira";

/// The table of the settings and, after an empty line, that of the exit codes.
pub(super) fn markdown(plugin: &Plugin) -> String {
    format!("{}\n{}", groups_markdown(plugin.settings), exit_codes(plugin))
}

/// `docs.md` with the front matter that Woodpecker's plugin index reads
/// (<https://woodpecker-ci.org/docs/usage/plugins/creating-plugins#metadata>).
pub(super) fn woodpecker(plugin: &Plugin) -> String {
    let name = plugin.name.trim_start_matches("plugin-");
    format!(
        "---\nname: {}\nauthor: Esteira\ndescription: {}\ntags: [{}]\ncontainerImage: {}\nurl: {}\n---\n\n{}\n\n\
         `@step.key` as a value takes an output of an earlier step. A value may also be `{{from_secret: name}}`.\n\n\
         ## Settings\n\n{}\n## Exit codes\n\n{}",
        quoted(plugin.name),
        quoted(plugin.about),
        tags(name),
        quoted(&format!("{IMAGES}/{}", plugin.name)),
        quoted(REPOSITORY),
        plugin.about,
        groups_markdown(plugin.settings),
        exit_codes(plugin),
    )
}

/// `content.yaml` of Drone's plugin index: each property has all five keys
/// (drone/drone-plugin-index, `plugin-validation/plugin-schema.json`).
pub(super) fn drone(plugin: &Plugin) -> String {
    let name = plugin.name.trim_start_matches("plugin-");
    let mut text = format!(
        "title: {}\nauthor: Esteira\ntags: [{}]\nrepo: {}\nimage: {}\nlicense: Apache License 2.0\ndescription: {}\nproperties:\n",
        quoted(plugin.name),
        tags(name),
        quoted(REPOSITORY),
        quoted(&format!("https://{IMAGES}/{}", plugin.name)),
        quoted(plugin.about),
    );
    for setting in plugin.settings.iter().copied().flatten() {
        // Writing into a String cannot fail.
        let _ = write!(
            text,
            "  {}:\n    type: {}\n    defaultValue: {}\n    description: {}\n    secret: {}\n    required: {}\n",
            setting.name,
            setting.takes.drone_name(),
            setting.takes.typed(value_of_default(setting)),
            quoted(&format!("{} Takes {}.", setting.help, setting.takes.words())),
            setting.is_secret || setting.is_secret_document,
            is_required_in_yaml(setting),
        );
    }
    text
}

fn exit_codes(plugin: &Plugin) -> String {
    let mut text = String::from("| exit code | meaning |\n|---|---|\n");
    for (code, meaning) in plugin.exit_codes {
        // Writing into a String cannot fail.
        let _ = writeln!(text, "| {code} | {meaning} |");
    }
    text
}

fn tags(name: &str) -> String {
    let own = match name {
        "rpo" | "package" => "protheus",
        "image-bump" => "git",
        _ => "helm",
    };
    format!("esteira, {own}, release")
}

/// JSON is YAML too, and its quoting needs no thought.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A default that is a value; one in words is none.
fn value_of_default(setting: &Setting) -> &'static str {
    if is_words(setting.default) { "" } else { setting.default }
}

/// `.config` may supply the others.
fn is_required_in_yaml(setting: &Setting) -> bool {
    setting.is_required && setting.config_key.is_empty()
}
