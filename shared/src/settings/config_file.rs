//! The user's `.config` file: `KEY=VALUE` lines with the team's own Portuguese keys. It supplies defaults to the plugins whose
//! settings name a `.config` key. Called by the reader; it reads no file itself.

use std::collections::BTreeMap;

use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};

use super::Problems;

/// A longer line, or a larger file, is not what anybody writes by hand.
const LONGEST_LINE: usize = 32 << 10;
/// The same of the file, in bytes.
pub(super) const LARGEST: u64 = 1 << 20;

/// A value and the line it stands on, counted from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Without quotes and comment; empty when the key is there without a value, which counts as not set.
    pub value: String,
    /// Line of the file.
    pub line: usize,
}

/// The text of a file and, when that is not UTF-8, the name of its encoding. A byte order mark decides; bytes that are no UTF-8 are taken for
/// Windows-1252, what Brazilian Windows editors write, in which every byte means something.
#[must_use]
pub fn decode(bytes: &[u8]) -> (String, Option<&'static str>) {
    let encoding = match Encoding::for_bom(bytes) {
        Some((encoding, _)) => encoding,
        None if std::str::from_utf8(bytes).is_ok() => UTF_8,
        None => WINDOWS_1252,
    };
    let (text, encoding, _) = encoding.decode(bytes);
    (text.into_owned(), (encoding != UTF_8).then_some(encoding.name()))
}

/// Reads `KEY=VALUE` lines, `export KEY=VALUE` too. Keys have no case. `#` begins a comment at the beginning of a line and after white space; inside
/// of a word, or of quotes, it is part of the value. One pair of quotes around a value is taken off, and nothing inside of it is changed.
#[must_use]
pub fn read(text: &str, problems: &mut Problems) -> BTreeMap<String, Entry> {
    let mut entries: BTreeMap<String, Entry> = BTreeMap::new();
    for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let number = index + 1;
        let (key, value) = match entry(line) {
            Ok(Some(entry)) => entry,
            Ok(None) => continue,
            Err(problem) => {
                problems.add(format!(".config line {number}"), problem);
                continue;
            }
        };
        if let Some(first) = entries.get(&key) {
            let problem = format!("`{key}` is set twice (in line {} too); which one is meant?", first.line);
            problems.add(format!(".config line {number}"), problem);
        } else {
            entries.insert(key, Entry { value: value.to_owned(), line: number });
        }
    }
    entries
}

/// The key and the value of a line; `None` is a comment or nothing.
fn entry(line: &str) -> Result<Option<(String, &str)>, String> {
    if line.contains('\0') {
        return Err(
            "contains a NUL byte: this is no text, or text in UTF-16 without a byte order mark".to_owned()
        );
    }
    if line.len() > LONGEST_LINE {
        return Err(format!("is longer than {LONGEST_LINE} bytes; is this the right file?"));
    }
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let expected = || "expected `KEY=VALUE` or a `#` comment".to_owned();
    let (key, rest) = line.split_once('=').ok_or_else(expected)?;
    let key = key.trim();
    let key =
        key.strip_prefix("export").filter(|rest| rest.starts_with(char::is_whitespace)).unwrap_or(key).trim();
    let is_key =
        !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
    if !is_key {
        return Err(expected());
    }
    value(rest.trim()).map(|value| Some((key.to_uppercase(), value)))
}

fn value(text: &str) -> Result<&str, String> {
    let Some(quote) = text.chars().next().filter(|first| matches!(first, '"' | '\'')) else {
        return Ok(without_comment(text));
    };
    let (value, rest) =
        text[1..].split_once(quote).ok_or_else(|| format!("the quote {quote} is never closed"))?;
    match without_comment(rest) {
        "" => Ok(value),
        _ => Err(format!("something stands after the closing quote {quote}")),
    }
}

fn without_comment(text: &str) -> &str {
    let is_comment = |at: usize| at == 0 || text[..at].ends_with(char::is_whitespace);
    match text.match_indices('#').find(|(at, _)| is_comment(*at)) {
        Some((at, _)) => text[..at].trim_end(),
        None => text.trim_end(),
    }
}

#[cfg(test)]
mod tests;
