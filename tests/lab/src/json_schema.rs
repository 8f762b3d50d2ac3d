//! Checks values against the JSON schemas that the plugins print (draft 2020-12, <https://json-schema.org/draft/2020-12>).
//! It knows only the keywords that occur in them, and says so when it meets another: nothing is passed over unchecked.
//! Called by the tests of the generated documents and of the examples.

use regex::Regex;
use serde_json::{Map, Value};

/// What in `value` does not fit the schema, with the path to it; nothing when all of it does.
#[must_use]
pub fn problems(schema: &Value, value: &Value) -> Vec<String> {
    Check { root: schema }.problems(schema, value, "")
}

struct Check<'a> {
    root: &'a Value,
}

impl Check<'_> {
    fn problems(&self, schema: &Value, value: &Value, at: &str) -> Vec<String> {
        let Some(keywords) = schema.as_object() else {
            return if schema == &Value::Bool(true) {
                Vec::new()
            } else {
                vec![format!("{at}: nothing fits here")]
            };
        };
        keywords
            .iter()
            .flat_map(|(keyword, wanted)| self.keyword(keyword, wanted, keywords, value, at))
            .collect()
    }

    fn keyword(
        &self,
        keyword: &str,
        wanted: &Value,
        schema: &Map<String, Value>,
        value: &Value,
        at: &str,
    ) -> Vec<String> {
        let fits = match keyword {
            "$schema" | "$defs" | "title" | "description" | "default" => true,
            "type" => all(wanted).any(|name| has_type(name, value)),
            "enum" => all(wanted).any(|one| one == value),
            "minLength" => value
                .as_str()
                .is_none_or(|text| text.chars().count() as u64 >= wanted.as_u64().unwrap_or(u64::MAX)),
            "pattern" => {
                let pattern = wanted.as_str().and_then(|pattern| Regex::new(pattern).ok());
                value.as_str().is_none_or(|text| pattern.is_some_and(|pattern| pattern.is_match(text)))
            }
            "minimum" => {
                value.as_f64().is_none_or(|number| wanted.as_f64().is_some_and(|least| number >= least))
            }
            "maximum" => {
                value.as_f64().is_none_or(|number| wanted.as_f64().is_some_and(|most| number <= most))
            }
            "anyOf" => all(wanted).any(|one| self.problems(one, value, at).is_empty()),
            "required" => value.as_object().is_none_or(|entries| {
                all(wanted).all(|name| entries.contains_key(name.as_str().unwrap_or_default()))
            }),
            "$ref" => {
                let target = wanted.as_str().and_then(|path| self.root.pointer(path.strip_prefix('#')?));
                target.is_some_and(|target| self.problems(target, value, at).is_empty())
            }
            "items" => {
                let items = value.as_array().into_iter().flatten().enumerate();
                return items
                    .flat_map(|(index, item)| self.problems(wanted, item, &format!("{at}/{index}")))
                    .collect();
            }
            "properties" | "additionalProperties" => return self.entries(keyword, wanted, schema, value, at),
            other => {
                return vec![format!(
                    "{at}: the schema has the keyword `{other}`, which this check does not know"
                )];
            }
        };
        if fits { Vec::new() } else { vec![format!("{at}: {value} does not fit `{keyword}`")] }
    }

    fn entries(
        &self,
        keyword: &str,
        wanted: &Value,
        schema: &Map<String, Value>,
        value: &Value,
        at: &str,
    ) -> Vec<String> {
        let is_described =
            |name: &str| schema.get("properties").is_some_and(|known| known.get(name).is_some());
        let entries = value.as_object().into_iter().flatten();
        let concerned = entries.filter(|(name, _)| is_described(name) == (keyword == "properties"));
        concerned
            .flat_map(|(name, entry)| {
                let schema = if keyword == "properties" { &wanted[name] } else { wanted };
                self.problems(schema, entry, &format!("{at}/{name}"))
            })
            .collect()
    }
}

/// The items of a list, or the one thing that is none.
fn all(wanted: &Value) -> impl Iterator<Item = &Value> {
    wanted.as_array().map_or(std::slice::from_ref(wanted), Vec::as_slice).iter()
}

fn has_type(name: &Value, value: &Value) -> bool {
    match name.as_str() {
        Some("null") => value.is_null(),
        Some("boolean") => value.is_boolean(),
        Some("string") => value.is_string(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        Some("number") => value.is_number(),
        // 1.0 is an integer too.
        Some("integer") => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn says_what_does_not_fit_and_where() {
        let schema = json!({
            "$defs": { "name": { "type": "string", "pattern": "^[a-z]+$" } },
            "properties": {
                "a": { "anyOf": [{ "$ref": "#/$defs/name" }, { "type": "integer", "minimum": 1, "maximum": 2 }] },
                "b": { "items": { "enum": ["x", null] } },
            },
            "required": ["a"],
            "additionalProperties": false,
        });
        for fits in [json!({ "a": "x" }), json!({ "a": 2, "b": ["x", null] }), json!({ "a": 1.0 })] {
            assert!(problems(&schema, &fits).is_empty(), "{fits}");
        }
        for (unfit, at) in [
            (json!({ "a": "X" }), "/a: "),
            (json!({ "a": 3 }), "/a: "),
            (json!({ "a": "x", "b": ["x", "y"] }), "/b/1: "),
            (json!({ "a": "x", "c": 1 }), "/c: "),
            (json!({}), ": {} does not fit `required`"),
        ] {
            assert!(problems(&schema, &unfit).iter().any(|problem| problem.starts_with(at)), "{unfit}");
        }
        assert!(problems(&json!({ "oneOf": [] }), &json!(1))[0].contains("`oneOf`"));
    }
}
