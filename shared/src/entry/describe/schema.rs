//! The JSON schema (draft 2020-12) of a plugin's `settings:` in the YAML of a step, for editors and for checks of pipelines.

use serde_json::{Map, Value, json};

use super::{is_required_in_yaml, value_of_default};
use crate::plugin::Plugin;
use crate::settings::Setting;

/// The schema of a whole `settings:` block.
pub(crate) fn schema(plugin: &Plugin) -> String {
    let settings = || plugin.settings.iter().copied().flatten();
    let properties: Map<String, Value> =
        settings().map(|setting| (setting.name.to_owned(), property(setting))).collect();
    let required: Vec<&str> =
        settings().filter(|setting| is_required_in_yaml(setting)).map(|setting| setting.name).collect();
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": format!("Settings of {}", plugin.name),
        "description": plugin.about,
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
        "$defs": {
            "output": {
                "description": "An output of an earlier step.",
                "type": "string",
                "pattern": "^@[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]+$",
            },
            "secret": {
                "description": "A secret of the CI server, as the whole value.",
                "type": "object",
                "properties": { "from_secret": { "type": "string", "minLength": 1 } },
                "required": ["from_secret"],
                "additionalProperties": false,
            },
        },
    });
    format!("{schema:#}\n")
}

/// A setting in all forms that it may have in YAML: null and an empty text count as not set.
fn property(setting: &Setting) -> Value {
    let mut forms = setting.takes.yaml_forms();
    forms.extend([json!({ "$ref": "#/$defs/output" }), json!({ "$ref": "#/$defs/secret" })]);
    if !is_required_in_yaml(setting) {
        forms.push(json!({ "enum": [null, ""] }));
    }
    let mut property = json!({
        "description": format!("{} Takes {}.", setting.help, setting.takes.words()),
        "anyOf": forms,
    });
    let default = value_of_default(setting);
    if !default.is_empty() {
        property["default"] = setting.takes.typed(default);
    }
    property
}
