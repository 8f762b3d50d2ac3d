//! Exact changes of bytes in a file: which span becomes what. Nothing is ever parsed and written back, so comments, blank lines, line
//! ends and quotes stay as they were. What cannot be changed safely is refused with line and reason. Pure; `plan.rs` calls it.

pub mod mk;
pub mod whole;
pub mod yaml;

use std::collections::BTreeMap;
use std::ops::Range;

use self::yaml::KeyPath;

/// What a file should hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Make variables and their values.
    Variables(BTreeMap<String, String>),
    /// YAML values and where they are.
    Values(BTreeMap<KeyPath, String>),
    /// One version and nothing else.
    Whole(String),
}

/// One value that changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// The variable or path; empty for a whole file.
    pub name: String,
    /// Where the value begins, from 1.
    pub line: usize,
    /// The value before.
    pub old: String,
    /// The value after.
    pub new: String,
    /// The bytes that are replaced.
    pub span: Range<usize>,
    /// What replaces them: the new value as this file writes it.
    pub text: String,
}

/// Why a value is not changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Where, from 1; none when it is not a matter of one line.
    pub line: Option<usize>,
    /// Why.
    pub reason: String,
}

impl Refusal {
    /// A refusal about a line.
    #[must_use]
    pub fn at(line: usize, reason: impl Into<String>) -> Self {
        Self { line: Some(line), reason: reason.into() }
    }

    /// A refusal about the file.
    #[must_use]
    pub fn of_file(reason: impl Into<String>) -> Self {
        Self { line: None, reason: reason.into() }
    }
}

impl Wanted {
    /// The edits that make `content` hold what is wanted; none when it does already.
    ///
    /// # Errors
    /// Everything that cannot be changed safely.
    pub fn edits(&self, content: &[u8]) -> Result<Vec<Edit>, Vec<Refusal>> {
        match self {
            Self::Variables(variables) => mk::edits(content, variables),
            Self::Values(values) => yaml::edits(content, values),
            Self::Whole(version) => whole::edit(content, version).map(|edit| edit.into_iter().collect()),
        }
    }
}

/// The content after the edits, whose spans do not overlap.
#[must_use]
pub fn splice(content: &[u8], edits: &[Edit]) -> Vec<u8> {
    let mut in_order: Vec<&Edit> = edits.iter().collect();
    in_order.sort_by_key(|edit| edit.span.start);
    let mut result = Vec::with_capacity(content.len());
    let mut taken = 0;
    for edit in in_order {
        result.extend_from_slice(content.get(taken..edit.span.start).unwrap_or_default());
        result.extend_from_slice(edit.text.as_bytes());
        taken = edit.span.end;
    }
    result.extend_from_slice(content.get(taken..).unwrap_or_default());
    result
}
