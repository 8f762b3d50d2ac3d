//! From text to value. Each function returns what it expected when the text is something else; the reader adds the setting's
//! name and what was got. The encodings are those of Drone and Woodpecker (docs/ARCHITECTURE.md, "Settings").

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use url::Url;

use super::Secret;

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

/// A time span: a number and a unit; a bare number is seconds. Drone writes a million as `1e+06`.
///
/// # Errors
/// When it is not, or is longer than a year.
pub fn duration(value: &str) -> Parsed<Duration> {
    let value = value.trim();
    let span = match value.parse() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).ok(),
        Err(_) => humantime::parse_duration(value).ok(),
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

/// A list: JSON, or items separated by commas or line breaks; empty items are dropped.
///
/// # Errors
/// When it looks like JSON but is no list of texts.
pub fn list(value: &str) -> Parsed<Vec<String>> {
    let value = value.trim();
    if value.starts_with('[') {
        let items: Vec<Value> = serde_json::from_str(value)
            .map_err(|_| "a list: `a,b` or JSON such as `[\"a\", \"b\"]`".to_owned())?;
        let texts: Option<Vec<String>> = items.iter().map(plain_text).collect();
        let mut texts = texts.ok_or_else(|| "a list of texts".to_owned())?;
        texts.retain(|text| !text.trim().is_empty());
        return Ok(texts);
    }
    Ok(value.split([',', '\n']).map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect())
}

/// A map of texts, as JSON.
///
/// # Errors
/// When it is not.
pub fn map(value: &str) -> Parsed<BTreeMap<String, String>> {
    let expected = || "a map of texts, as JSON such as `{\"name\": \"value\"}`".to_owned();
    let entries: BTreeMap<String, Value> = serde_json::from_str(value.trim()).map_err(|_| expected())?;
    entries
        .into_iter()
        .map(|(name, value)| plain_text(&value).map(|text| (name, text)).ok_or_else(expected))
        .collect()
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
    } else {
        Err("a version such as `12.1.2310`: at most 63 letters, digits, `.`, `-` or `_` (no `+`)".to_owned())
    }
}

fn plain_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_ci_encoders_write() {
        assert_eq!(count("1e+06"), Ok(1_000_000));
        assert_eq!(list("next"), Ok(vec!["next".to_owned()]));
        assert_eq!(list("a,b\nc,"), Ok(vec!["a".to_owned(), "b".to_owned(), "c".to_owned()]));
        assert_eq!(list("[\"a\", \"\", \" \"]"), Ok(vec!["a".to_owned()]));
        assert_eq!(list("[\"a,b\", 3]"), Ok(vec!["a,b".to_owned(), "3".to_owned()]));
        assert_eq!(
            map("{\"a\":\"b\",\"n\":2}"),
            Ok([("a", "b"), ("n", "2")].map(|(k, v)| (k.to_owned(), v.to_owned())).into())
        );
        assert_eq!(duration("90"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("1e+06"), Ok(Duration::from_secs(1_000_000)));
        assert_eq!(duration("365d"), Ok(LONGEST_DURATION));
        assert_eq!(duration("1h30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(boolean("YES"), Ok(true));
    }

    #[test]
    fn refuses_what_is_something_else() {
        assert!(boolean("maybe").is_err());
        assert!(count("0").is_err());
        assert!(count("2.5").is_err());
        for span in ["5 bananas", "366d", "1e+20", "-1", "inf", "NaN", "99999999999999999999y"] {
            assert!(duration(span).is_err(), "{span}");
        }
        assert!(list("[{\"a\":1}]").is_err());
        assert!(map("a=b").is_err());
        for address in ["ftp://x", "https://me:pw@host/", "host", "https://host/?token=x"] {
            assert!(url(address).is_err(), "{address}");
        }
        for path in ["/a", "a//b", "../a", ""] {
            assert!(inner_path(path).is_err(), "{path}");
        }
        for text in ["1.0+build", "-1", "", "1.0.", &"1".repeat(64)] {
            assert!(version(text).is_err(), "{text}");
        }
    }
}
