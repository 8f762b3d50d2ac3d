//! What a setting takes: its type, for machines, and the same in words, for people. The words are made here and nowhere else.

use serde_json::{Value, json};

use super::Setting;

/// The type of a setting. Whatever it is, a value may also be `@step.key`, or `{from_secret: name}` in YAML.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// Any text that fits these words.
    Text(&'static str),
    /// Yes or no.
    Boolean,
    /// A whole number between these two.
    Number(u32, u32),
    /// A number and a unit; a bare number is seconds.
    Duration,
    /// Several of what these words say.
    List(&'static str),
    /// A map of what these words say; values may be numbers.
    Map(&'static str),
    /// The same with values that must be texts, because a number loses its form on the way (`1.10` arrives as 1.1).
    TextMap(&'static str),
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// The content of a file, plain, with `\n` for line breaks, or in base64; the words say which.
    Document(&'static str),
}

impl Takes {
    /// In words, for tables, `--help` and errors.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Text(words) | Self::Document(words) => (*words).to_owned(),
            Self::Boolean => "`true` or `false`".to_owned(),
            Self::Number(1, u32::MAX) => "a number".to_owned(),
            Self::Number(least, most) => format!("`{least}` to `{most}`"),
            Self::Duration => "a time span".to_owned(),
            Self::List(of) => format!("a list of {of}"),
            Self::Map(of) | Self::TextMap(of) => format!("a map of {of}, as JSON"),
            Self::OneOf(words) => alternatives(words),
        }
    }

    /// Whether `${NAME}` in a value is meant for somebody else: values of maps go into files that have variables of their own.
    pub(crate) fn may_hold_variables(&self) -> bool {
        matches!(self, Self::Map(_) | Self::TextMap(_))
    }

    /// The forms that this type has in the YAML of a step, as the alternatives of a JSON schema. CI servers turn each into text
    /// (docs/ARCHITECTURE.md, "Settings").
    pub(crate) fn yaml_forms(&self) -> Vec<Value> {
        let text = json!({ "type": "string", "minLength": 1 });
        let plain = json!({ "type": ["string", "number", "boolean"] });
        match self {
            // A number with a fraction is no text: `1.10` arrives as `1.1`.
            Self::Text(_) | Self::Document(_) => {
                vec![json!({ "type": ["string", "integer"], "minLength": 1 })]
            }
            Self::Boolean => {
                vec![json!({ "type": "boolean" }), json!({ "enum": [0, 1] }), json!({ "enum": BOOLEANS })]
            }
            Self::Number(least, most) => vec![
                json!({ "type": "integer", "minimum": least, "maximum": most }),
                json!({ "type": "string", "pattern": "^[0-9.]+([eE][+]?[0-9]+)?$" }),
            ],
            Self::Duration => {
                vec![
                    json!({ "type": "number", "minimum": 0 }),
                    json!({ "type": "string", "pattern": "^[0-9]" }),
                ]
            }
            Self::List(_) => {
                vec![json!({ "type": "array", "items": plain }), json!({ "type": ["string", "integer"] })]
            }
            Self::Map(_) => vec![json!({ "type": "object", "additionalProperties": plain }), text],
            Self::TextMap(_) => vec![json!({ "type": "object", "additionalProperties": text }), text],
            Self::OneOf(words) => {
                let booleans = words.iter().filter_map(|word| word.parse::<bool>().ok());
                vec![
                    json!({ "enum": words.iter().map(|word| json!(word)).chain(booleans.map(Value::from)).collect::<Vec<_>>() }),
                ]
            }
        }
    }

    /// The type's name in the schema of Drone's plugin index.
    pub(crate) fn drone_name(&self) -> &'static str {
        match self {
            Self::Text(_) | Self::Duration | Self::OneOf(_) | Self::Document(_) => "string",
            Self::Boolean => "boolean",
            Self::Number(..) => "number",
            Self::List(_) => "array",
            Self::Map(_) | Self::TextMap(_) => "object",
        }
    }

    /// A default as a value of this type; a text that is none, or no default at all, is a text.
    pub(crate) fn typed(&self, default: &str) -> Value {
        let typed = match self {
            Self::Boolean => default.parse().ok().map(Value::Bool),
            Self::Number(..) => default.parse::<u32>().ok().map(Value::from),
            _ => None,
        };
        typed.unwrap_or_else(|| default.into())
    }
}

/// What is read as yes or no besides YAML's own two, in the spellings that people use.
const BOOLEANS: [&str; 28] = [
    "true", "True", "TRUE", "t", "T", "yes", "Yes", "YES", "y", "Y", "on", "On", "ON", "false", "False",
    "FALSE", "f", "F", "no", "No", "NO", "n", "N", "off", "Off", "OFF", "1", "0",
];

impl Setting {
    /// An optional yes or no.
    #[must_use]
    pub const fn boolean(name: &'static str, help: &'static str) -> Self {
        Self::of(name, Takes::Boolean, help)
    }

    /// An optional whole number from 1 on.
    #[must_use]
    pub const fn number(name: &'static str, help: &'static str) -> Self {
        Self::of(name, Takes::Number(1, u32::MAX), help)
    }

    /// An optional time span.
    #[must_use]
    pub const fn duration(name: &'static str, help: &'static str) -> Self {
        Self::of(name, Takes::Duration, help)
    }

    /// An optional list of something.
    #[must_use]
    pub const fn list(name: &'static str, of: &'static str, help: &'static str) -> Self {
        Self::of(name, Takes::List(of), help)
    }

    /// An optional choice.
    #[must_use]
    pub const fn one_of(name: &'static str, words: &'static [&'static str], help: &'static str) -> Self {
        Self::of(name, Takes::OneOf(words), help)
    }
}

/// `a`, `b` or `c`.
#[must_use]
pub fn alternatives(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [word] => format!("`{word}`"),
        [first @ .., last] => {
            let first: Vec<String> = first.iter().map(|word| format!("`{word}`")).collect();
            format!("{} or `{last}`", first.join(", "))
        }
    }
}

/// What only a type may say.
const WORDS_OF_TYPES: [&str; 5] = ["`true` or `false`", "a number", "a time span", "a list of", "a map of"];

/// What is said by words and should be said by a type.
pub(super) fn untyped(setting: &Setting) -> Option<String> {
    let Takes::Text(words) = setting.takes else { return None };
    let is_choice = words.starts_with('`') && words.contains("` or `") && !words.contains("://");
    let is_typed = is_choice || WORDS_OF_TYPES.iter().any(|start| words.starts_with(start));
    is_typed.then(|| {
        format!("`{}` takes {words} by words, not by type (shared/src/settings/takes.rs)", setting.name)
    })
}
