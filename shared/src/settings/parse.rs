//! From text to value. Each function returns what it expected when the text is something else; the reader adds the setting's
//! name and what was got. The encodings are those of Drone and Woodpecker (docs/ARCHITECTURE.md, "Settings").

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use url::Url;

use super::{Secret, document};

mod span;

/// A value, or what would have been accepted.
pub type Parsed<T> = Result<T, String>;

/// Any text.
///
/// # Errors
/// Never.
pub fn text(value: &str) -> Parsed<String> {
    Ok(value.trim().to_owned())
}

/// A secret text; surrounding white space (a final newline of a secret file) is dropped.
///
/// # Errors
/// Never.
pub fn secret(value: &str) -> Parsed<Secret> {
    Ok(Secret::new(value.trim()))
}

/// The content of a file, such as a certificate: as it is, with `\n` for line breaks, or in base64.
///
/// # Errors
/// When it is a path or a token, and not the content of a file.
pub fn document(value: &str) -> Parsed<Secret> {
    document::text_of(value).map(Secret::new).ok_or_else(|| {
        "the content of a file: with its line breaks, with `\\n` for each, or in base64".to_owned()
    })
}

/// A statement: `true` or `false`, and what YAML and shells call so.
///
/// # Errors
/// When it is neither.
pub fn boolean(value: &str) -> Parsed<bool> {
    match value.trim().to_lowercase().as_str() {
        "true" | "t" | "1" | "yes" | "y" | "on" => Ok(true),
        "false" | "f" | "0" | "no" | "n" | "off" => Ok(false),
        _ => Err("`true` or `false`".to_owned()),
    }
}

/// A whole number of at least 1. Drone writes a million as `1e+06`.
///
/// # Errors
/// When it is not.
pub fn count(value: &str) -> Parsed<usize> {
    let number: Option<f64> = value.trim().parse().ok();
    match number {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked to be a small whole number"
        )]
        Some(number) if number >= 1.0 && number.fract() == 0.0 && number <= f64::from(u32::MAX) => {
            Ok(number as usize)
        }
        _ => Err("a whole number from 1 on".to_owned()),
    }
}

/// The longest time span that a setting may hold; more is a slip of the pen.
const LONGEST_DURATION: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// A time span: numbers and units, as Go (`1.5h`, `5m30s`) and humantime (`2days`) write them; a bare number is seconds. Drone writes a million as `1e+06`.
///
/// # Errors
/// When it is not, or is longer than a year.
pub fn duration(value: &str) -> Parsed<Duration> {
    let value = value.trim();
    let span = match value.parse() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).ok(),
        Err(_) => humantime::parse_duration(value).ok().or_else(|| span::of_go(value)),
    };
    match span {
        Some(span) if span > LONGEST_DURATION => Err("at most 365 days".to_owned()),
        Some(span) => Ok(span),
        None => Err("a number and a unit such as `90s`, `5m` or `1h30m`".to_owned()),
    }
}

/// An http or https address without user name, password, query or fragment. A path ends with `/`, so that names can be joined to it.
///
/// # Errors
/// When it is not.
pub fn url(value: &str) -> Parsed<Url> {
    let expected =
        || "an address such as `https://host.example.com` (without user name, password and query)".to_owned();
    let mut url = Url::parse(value.trim()).map_err(|_| expected())?;
    let is_plain = url.username().is_empty() && url.password().is_none() && url.query().is_none();
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() || !is_plain {
        return Err(expected());
    }
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Ok(url)
}

/// A list: JSON, or items separated by commas or line breaks; empty items and `null` are dropped. Only JSON can have items with commas.
///
/// # Errors
/// When it looks like JSON but is no list of texts.
pub fn list(value: &str) -> Parsed<Vec<String>> {
    let value = value.trim();
    let items: Vec<String> = if value.starts_with('[') {
        let items: Vec<Value> = serde_json::from_str(value)
            .map_err(|_| "a list: `a,b` or JSON such as `[\"a\", \"b\"]`".to_owned())?;
        let texts = items.iter().filter(|item| !item.is_null()).map(|item| {
            plain_text(item).ok_or_else(|| "a list of texts, without lists and maps inside of it".to_owned())
        });
        texts.collect::<Parsed<_>>()?
    } else {
        value.split([',', '\n']).map(str::to_owned).collect()
    };
    let trimmed = items.iter().map(|item| item.trim().to_owned());
    Ok(trimmed.filter(|item| !item.is_empty()).collect())
}

/// A map of texts, as JSON; numbers and `true` are taken for their texts.
///
/// # Errors
/// When it is not, or has a key that YAML has made of something else.
pub fn map(value: &str) -> Parsed<BTreeMap<String, String>> {
    entries(value, |value| plain_text(value).ok_or("a text, a number, `true` or `false`"))
}

/// A map of texts, as JSON; nothing else is taken for a text, because a number has lost its form before it comes here (`1.10` arrives as 1.1).
///
/// # Errors
/// When it is not, or has a key that YAML has made of something else.
pub fn text_map(value: &str) -> Parsed<BTreeMap<String, String>> {
    entries(value, |value| {
        value.as_str().map(str::to_owned).ok_or("a text (a number in quotes, else `1.10` becomes 1.1)")
    })
}

fn entries(
    value: &str,
    text: impl Fn(&Value) -> Result<String, &'static str>,
) -> Parsed<BTreeMap<String, String>> {
    let expected = || "a map of texts, as JSON such as `{\"name\": \"1.10\"}`".to_owned();
    let entries: BTreeMap<String, Value> = serde_json::from_str(value.trim()).map_err(|_| expected())?;
    let entry = |(name, value): (String, Value)| match name.as_str() {
        "true" | "false" => Err(format!(
            "{} with another key than `{name}`, which is what YAML makes of {}; a key in quotes stays as it is",
            expected(),
            if name == "true" { "`y`, `yes` and `on`" } else { "`n`, `no` and `off`" }
        )),
        _ => match text(&value) {
            Ok(text) => Ok((name, text)),
            Err(wanted) => Err(format!("{}, and there {wanted} for `{name}`", expected())),
        },
    };
    entries.into_iter().map(entry).collect()
}

/// A path inside the bucket or repository: no leading `/`, no `..`, no empty part; a final `/` is taken off.
///
/// # Errors
/// When it is not.
pub fn inner_path(value: &str) -> Parsed<String> {
    let path = value.trim().trim_end_matches('/');
    let is_inner = !path.is_empty() && path.split('/').all(|part| !matches!(part, "" | "." | ".."));
    if is_inner {
        Ok(path.to_owned())
    } else {
        Err("a path such as `folder/name`, without leading `/` and `..`".to_owned())
    }
}

/// A version that can also be a Kubernetes label value: at most 63 letters, digits, `.`, `-`, `_`, beginning and ending with a
/// letter or digit (<https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set>).
///
/// # Errors
/// When it is not.
pub fn version(value: &str) -> Parsed<String> {
    let version = value.trim();
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let fits = version.len() <= 63
        && version.chars().all(inner)
        && edge(version.chars().next())
        && edge(version.chars().last());
    if fits {
        Ok(version.to_owned())
    } else if version.contains("e+") && version.parse::<f64>().is_ok() {
        Err("a version in quotes: without them it is a number, which CI servers write in their own way"
            .to_owned())
    } else {
        Err("a version such as `12.1.2310`: at most 63 letters, digits, `.`, `-` or `_` (no `+`)".to_owned())
    }
}

fn plain_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        // Both CI servers write 1.0 as `1`, and JSON may hold a million as `1e+06`.
        Value::Number(number) => {
            match number.as_f64().filter(|float| number.is_f64() && float.fract() == 0.0) {
                Some(whole) if whole.abs() < 1e15 => Some(format!("{whole:.0}")),
                _ => Some(value.to_string()),
            }
        }
        Value::Bool(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests;
