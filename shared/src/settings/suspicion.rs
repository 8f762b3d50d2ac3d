//! Values that cannot be meant as they stand: a CI server, a YAML reader or a code page came between the user and us.
//! Each is explained; called by the reader, before a value's own type is looked at.

use serde_json::Value;

use super::Setting;

/// Variables that a CI server sets itself under the prefix of settings: Harness' runner and what sends it its steps
/// (lite-engine, `pipeline/runtime/run.go`).
pub(super) const SET_BY_SERVERS: [&str; 5] =
    ["artifact_file", "build_tool_file", "cache_intel_metrics_file", "cache_metrics_file", "metadata_file"];

/// What is wrong with a value whatever its type is.
pub(super) fn suspicion(setting: &Setting, value: &str) -> Option<String> {
    if value.contains('\u{fffd}') {
        return Some("is not UTF-8 text: write it in UTF-8, or a file's content in base64".to_owned());
    }
    if holds_secret_reference(value) {
        return Some("still contains `from_secret`: Drone replaces it only where it is the whole value of a setting, never inside a list or map".to_owned());
    }
    if setting.hides(value) || setting.takes.may_hold_variables() {
        return None;
    }
    if is_date_as_json(value) {
        return Some("is what YAML makes of a date, which Woodpecker writes with a time and in JSON quotes: write it in quotes".to_owned());
    }
    let variable = variable_in(value)?;
    Some(format!(
        "still contains `{variable}`, which nobody has replaced: CI servers replace `${{NAME}}` with their own variables before a step begins and leave `$${{NAME}}` as it is, Jenkins leaves what stands in single quotes; the plugin replaces none"
    ))
}

/// `"2024-10-01T00:00:00Z"` with the quotes: nobody writes a plain value so (docs/ENCODINGS.md).
fn is_date_as_json(value: &str) -> bool {
    let inner = value.strip_prefix('"').and_then(|rest| rest.strip_suffix("Z\""));
    inner.is_some_and(|time| time.parse::<jiff::civil::DateTime>().is_ok())
}

/// A key `from_secret` at any depth; a text that only mentions it may be a real value.
fn holds_secret_reference(value: &str) -> bool {
    let value = value.trim();
    match serde_json::from_str(value) {
        Ok(document) => has_key(&document),
        // YAML in place of JSON, as somebody without YAML (Jenkins) may write it.
        Err(_) => {
            let inner =
                value.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(value).trim();
            inner.strip_prefix("from_secret:").is_some_and(|name| !name.trim().contains(char::is_whitespace))
        }
    }
}

fn has_key(document: &Value) -> bool {
    match document {
        Value::Object(entries) => entries.iter().any(|(key, value)| key == "from_secret" || has_key(value)),
        Value::Array(items) => items.iter().any(has_key),
        _ => false,
    }
}

/// `${NAME}` anywhere, or `$NAME` as the whole value.
fn variable_in(value: &str) -> Option<&str> {
    let is_name = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let whole = value.trim();
    if whole.strip_prefix('$').is_some_and(is_name) {
        return Some(whole);
    }
    value.match_indices("${").find_map(|(start, _)| {
        let end = start + value[start..].find('}')?;
        // Bash has forms such as `${NAME:-default}` and `${NAME##*/}`; Drone knows them too.
        let name = value[start + 2..end].split([':', '#', '%', '/', '-', '=', ',', '^']).next()?;
        is_name(name).then(|| &value[start..=end])
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Takes;

    const TEXT: Setting = Setting::new("prefix", "a prefix", "");

    #[test]
    fn a_secret_that_was_not_replaced_is_known_by_its_key_alone() {
        for value in [
            "{\"a\":{\"from_secret\":\"x\"}}",
            "[\"a\",{\"from_secret\":\"x\"}]",
            "{\"from_secret\":\"x\"}",
            "{from_secret: token}",
            "from_secret: token",
        ] {
            assert!(suspicion(&TEXT, value).is_some_and(|text| text.contains("never inside")), "{value}");
        }
        for value in [
            "docs about from_secret",
            "{\"a\":\"from_secret\"}",
            "from_secret: in words, explained",
            "from_secret",
        ] {
            assert_eq!(suspicion(&TEXT, value), None, "{value}");
        }
    }

    #[test]
    fn a_variable_that_nobody_replaced_is_explained() {
        for (value, variable) in [
            ("s3://${BUCKET}/x", "`${BUCKET}`"),
            ("$${DRONE_TAG}", "`${DRONE_TAG}`"),
            ("${DRONE_TAG##v}", "`${DRONE_TAG##v}`"),
            ("$RELEASE", "`$RELEASE`"),
        ] {
            assert!(suspicion(&TEXT, value).is_some_and(|text| text.contains(variable)), "{value}");
        }
        for value in ["costs $5", "a $b", "${}", "${1}", "{release}", "US$"] {
            assert_eq!(suspicion(&TEXT, value), None, "{value}");
        }
        let map = Setting::of("values", Takes::TextMap("path and text"), "");
        assert_eq!(suspicion(&map, "{\"a\":\"${HOME}\"}"), None);
        assert_eq!(suspicion(&TEXT.secret(), "pa${ss}"), None);
    }

    #[test]
    fn a_date_without_quotes_is_explained() {
        for value in ["\"2024-10-01T00:00:00Z\"", "\"2024-10-01T10:00:00.5Z\""] {
            assert!(
                suspicion(&TEXT, value).is_some_and(|text| text.contains("write it in quotes")),
                "{value}"
            );
        }
        for value in ["2024-10-01", "2024-10-01T00:00:00Z", "\"Z\"", "\"a\""] {
            assert_eq!(suspicion(&TEXT, value), None, "{value}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_told() {
        assert!(suspicion(&TEXT, "expedi\u{fffd}\u{fffd}o").is_some_and(|text| text.contains("UTF-8")));
    }
}
