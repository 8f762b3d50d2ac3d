//! The chart index (`index.yaml`): what it lists, and how an entry gets into it. The text is spliced, not written anew: every byte of others stays as
//! it is, and so do entries that helm itself would drop. The result is parsed again and must be the old index plus exactly our entry.
//! Facts: helm's `pkg/repo/v1/index.go`; helm sorts versions when it reads, so the order in the file is free.

mod place;
mod text;

use serde_json::{Map, Value, json};
use shared::digest::Digest;

use crate::chart::Metadata;
use place::Place;

/// An index as it was read; nothing when there is none or it is an empty file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Index {
    text: String,
    value: Option<Value>,
}

/// Why an index cannot be extended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be read.
    #[error("it is no YAML text that helm could read: {0}")]
    Unreadable(String),
    /// It is in a form that is not spliced.
    #[error("{0}; let `helm repo index` write it anew")]
    Form(String),
    /// The result was not what it should be.
    #[error(
        "after the insertion it would not be the old index plus this chart: {0}; let `helm repo index` write it anew"
    )]
    Check(String),
}

impl Index {
    /// Reads an index.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(bytes: &[u8]) -> Result<Self, Error> {
        let text = std::str::from_utf8(bytes).map_err(|error| Error::Unreadable(error.to_string()))?;
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let value: Value = parse(text).map_err(Error::Unreadable)?;
        if !value.is_object() {
            return Err(Error::Unreadable("it is not a map".to_owned()));
        }
        Ok(Self { text: text.to_owned(), value: Some(value) })
    }

    /// The digests that are listed for a version of a chart, empty for an entry without one; none when the version is not listed. Versions are
    /// compared whole, so `1.0.0+a` is not `1.0.0+b`.
    #[must_use]
    pub fn digests(&self, name: &str, version: &str) -> Vec<String> {
        let entries = self.value.as_ref().and_then(|value| value["entries"][name].as_array());
        let digest = |entry: &Value| {
            entry["digest"].as_str().unwrap_or_default().trim_start_matches("sha256:").to_lowercase()
        };
        entries.into_iter().flatten().filter(|entry| entry["version"] == version).map(digest).collect()
    }

    /// The text of the index with one more entry of the chart `name`.
    ///
    /// # Errors
    /// When it cannot be inserted without touching what belongs to others.
    pub fn with(&self, name: &str, entry: &Value) -> Result<String, Error> {
        let Some(old) = &self.value else { return Ok(first(name, entry)) };
        let place = place::find(&self.text, name).map_err(Error::Form)?;
        let new = insert(&self.text, &place, name, entry);
        let got: Value = parse(&new).map_err(Error::Check)?;
        if got != expected(old, name, entry) {
            return Err(Error::Check("something else changed".to_owned()));
        }
        Ok(new)
    }
}

/// The entry of one version: what its `Chart.yaml` says, and where and when it was published.
#[must_use]
pub fn entry(metadata: &Metadata, digest: &Digest, url: &str, created: &str) -> Value {
    // A struct of texts and lists always becomes a map.
    let mut fields =
        serde_json::to_value(metadata).ok().and_then(|value| value.as_object().cloned()).unwrap_or_default();
    fields.insert("created".to_owned(), created.into());
    fields.insert("digest".to_owned(), digest.hex().into());
    fields.insert("urls".to_owned(), json!([url]));
    Value::Object(fields)
}

/// A new index, as helm would write it.
fn first(name: &str, entry: &Value) -> String {
    let chart = text::block(&Map::from_iter([(name.to_owned(), json!([entry]))]), 2, "\n");
    let generated = text::scalar(&entry["created"]);
    format!("apiVersion: v1\nentries:\n{chart}generated: {generated}\n")
}

/// `generated` stays as it is: helm does not look at it, and every other byte belongs to others too.
fn insert(text: &str, place: &Place, name: &str, entry: &Value) -> String {
    let line_end =
        if text.split_once('\n').is_some_and(|(line, _)| line.ends_with('\r')) { "\r\n" } else { "\n" };
    let item = |column| text::item(entry, column, line_end);
    let chart = |column| text::block(&Map::from_iter([(name.to_owned(), json!([entry]))]), column, line_end);
    let (before, block, after) = match place {
        Place::Item { at, column } => (text[..*at].to_owned(), item(*column), &text[*at..]),
        Place::Chart { at, column } => (text[..*at].to_owned(), chart(*column), &text[*at..]),
        Place::EmptyChart { value, column } => opened(text, value, item(*column)),
        Place::EmptyEntries { value } => opened(text, value, chart(2)),
    };
    let is_open_line = !before.is_empty() && !before.ends_with('\n');
    format!("{before}{}{block}{after}", if is_open_line { line_end } else { "" })
}

/// Takes an empty value such as `{}` away; the block goes below the line it stood in.
fn opened<'a>(text: &'a str, value: &std::ops::Range<usize>, block: String) -> (String, String, &'a str) {
    let line_end = text[value.end..].find('\n').map_or(text.len(), |length| value.end + length + 1);
    let kept = text[..value.start].trim_end_matches(' ');
    (format!("{kept}{}", &text[value.end..line_end]), block, &text[line_end..])
}

fn expected(old: &Value, name: &str, entry: &Value) -> Value {
    let mut value = old.clone();
    let entries = &mut value["entries"];
    if entries.as_object().is_none_or(Map::is_empty) {
        *entries = json!({});
    }
    match entries[name].as_array_mut() {
        Some(list) => list.insert(0, entry.clone()),
        None => entries[name] = json!([entry]),
    }
    value
}

/// The parser's limits on the number of nodes are for configuration files; an index of 15,000 charts has more. Its size is limited by the bucket.
fn parse(text: &str) -> Result<Value, String> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_events: usize::MAX, max_nodes: usize::MAX },
        emit_comments: false,
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| error.without_snippet().to_string())
}

#[cfg(test)]
mod tests;
