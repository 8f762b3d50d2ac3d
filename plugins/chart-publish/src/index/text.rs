//! Entries as text: YAML in helm's canonical form (fields by name, dashes at the parent's column), every text quoted that any YAML reader could
//! take for something else.

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// The fields of a map, by name, each beginning in `column`.
pub(super) fn block(map: &Map<String, Value>, column: usize, line_end: &str) -> String {
    let mut fields: Vec<_> = map.iter().collect();
    fields.sort_by_key(|(name, _)| name.as_str());
    let mut text = String::new();
    for (name, value) in fields {
        let key = string(name);
        // Writing into a String cannot fail.
        let _ = match value {
            Value::Object(map) if !map.is_empty() => {
                write!(text, "{:column$}{key}:{line_end}{}", "", block(map, column + 2, line_end))
            }
            Value::Array(list) if !list.is_empty() => {
                let items: String = list.iter().map(|value| item(value, column, line_end)).collect();
                write!(text, "{:column$}{key}:{line_end}{items}", "")
            }
            _ => write!(text, "{:column$}{key}: {}{line_end}", "", scalar(value)),
        };
    }
    text
}

/// One item of a list, its dash in `column`.
pub(super) fn item(value: &Value, column: usize, line_end: &str) -> String {
    match value {
        Value::Object(map) if !map.is_empty() => {
            let fields = block(map, column + 2, line_end);
            format!("{:column$}- {}", "", &fields[column + 2..])
        }
        // Lists in lists occur in `import-values` at most; the flow form is YAML too.
        _ => format!("{:column$}- {}{line_end}", "", scalar(value)),
    }
}

/// A value on one line.
pub(super) fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => string(text),
        Value::Array(list) => format!("[{}]", list.iter().map(scalar).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => {
            let fields: Vec<_> =
                map.iter().map(|(name, value)| format!("{}: {}", quoted(name), scalar(value))).collect();
            format!("{{{}}}", fields.join(", "))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

fn string(text: &str) -> String {
    if is_plain(text) { text.to_owned() } else { quoted(text) }
}

/// Whether a text means itself without quotes to readers of YAML 1.1 and 1.2: words that begin with a letter and hold nothing special.
fn is_plain(text: &str) -> bool {
    const RESERVED: [&str; 9] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    let is_harmless = |c: char| c.is_ascii_alphanumeric() || matches!(c, ' ' | '.' | '_' | '-' | '/');
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && !text.ends_with(' ')
        && text.chars().all(is_harmless)
        && !RESERVED.contains(&text.to_ascii_lowercase().as_str())
}

/// A double-quoted text. Letters of any language stay readable; all else outside ASCII is escaped, because readers differ on what breaks a line.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        let _ = match c {
            '"' | '\\' => write!(quoted, "\\{c}"),
            '\n' => write!(quoted, "\\n"),
            '\t' => write!(quoted, "\\t"),
            ' '..='~' => write!(quoted, "{c}"),
            c if c.is_alphanumeric() => write!(quoted, "{c}"),
            c if u32::from(c) <= 0xffff => write!(quoted, "\\u{:04x}", u32::from(c)),
            c => write!(quoted, "\\U{:08x}", u32::from(c)),
        };
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn is_the_form_that_helm_writes() {
        let value = json!({"name": "web", "apiVersion": "v2", "urls": ["web-1.tgz"], "annotations": {"a": "true"}, "maintainers": [{"name": "Ana", "email": "a@x"}]});
        let expected = "  - annotations:\n      a: \"true\"\n    apiVersion: v2\n    maintainers:\n    - email: \"a@x\"\n      name: Ana\n    name: web\n    urls:\n    - web-1.tgz\n";
        assert_eq!(item(&value, 2, "\n"), expected);
    }

    #[test]
    fn every_text_comes_back_as_it_was() {
        let texts = [
            "",
            " ",
            "yes",
            "No",
            "null",
            "~",
            "1.10",
            "1e5",
            "0x1f",
            "12:30",
            "2026-01-01",
            "- a",
            "a: b",
            "a #b",
            "#",
            "&a",
            "*a",
            "!a",
            "'",
            "\"",
            "\\n",
            "two\nlines\n",
            "tab\t",
            "ação",
            "\u{85}\u{2028}",
            "\u{1f680} up",
            "{a}",
            "[a]",
            "%",
            "@x",
            "`",
            "a:",
            "?",
            "\u{7f}\u{0}",
            "<<",
            "=",
            "trailing ",
        ];
        for text in texts {
            let value = json!({ "key": text, "list": [text], "flow": [[text, { text: text }]] });
            let yaml = format!("- a\n{}", item(&value, 0, "\n"));
            let got: Value =
                serde_saphyr::from_str(&yaml).unwrap_or_else(|error| panic!("{text:?}: {error}\n{yaml}"));
            assert_eq!(got[1], value, "{yaml}");
        }
    }
}
