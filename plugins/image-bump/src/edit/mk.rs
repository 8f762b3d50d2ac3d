//! Make variables, one a line: `NAME := value # comment`. Operator, spacing, comment and line end stay. Worked on as bytes, because such
//! files are older than UTF-8 everywhere. What is computed (`$(…)`) or goes over several lines is not text to replace, and is refused.

use std::collections::BTreeMap;
use std::ops::Range;

use super::{Edit, Refusal};

/// Longest first, as GNU make reads them; `!=` runs a command and `define` spans lines: neither holds a version.
const OPERATORS: [&[u8]; 6] = [b":::=", b"::=", b":=", b"?=", b"+=", b"="];
const PREFIXES: [&[u8]; 3] = [b"export", b"override", b"private"];

struct Assignment<'a> {
    name: &'a [u8],
    line: usize,
    span: Range<usize>,
    value: &'a [u8],
    is_continued: bool,
}

/// The edits that set these variables.
///
/// # Errors
/// All variables that are not set in the file, or not in a way that can be changed safely.
pub fn edits(content: &[u8], wanted: &BTreeMap<String, String>) -> Result<Vec<Edit>, Vec<Refusal>> {
    let assignments = assignments(content);
    let mut edits = Vec::new();
    let mut refusals = Vec::new();
    for (name, new) in wanted {
        let set: Vec<&Assignment<'_>> =
            assignments.iter().filter(|assignment| assignment.name == name.as_bytes()).collect();
        match refusal(name, &set) {
            Some(refusal) => refusals.push(refusal),
            None => edits.extend(set.iter().filter(|set| set.value != new.as_bytes()).map(|set| Edit {
                name: name.clone(),
                line: set.line,
                old: String::from_utf8_lossy(set.value).into_owned(),
                new: new.clone(),
                span: set.span.clone(),
                text: new.clone(),
            })),
        }
    }
    if refusals.is_empty() { Ok(edits) } else { Err(refusals) }
}

fn refusal(name: &str, set: &[&Assignment<'_>]) -> Option<Refusal> {
    let Some(first) = set.first() else {
        return Some(Refusal::of_file(format!("no line sets the variable `{name}`")));
    };
    for one in set {
        if one.is_continued {
            return Some(Refusal::at(one.line, format!("`{name}` goes on on the next line")));
        }
        if one.value.contains(&b'$') {
            return Some(Refusal::at(one.line, format!("`{name}` is made of other variables")));
        }
        if one.value != first.value {
            let other = first.line;
            return Some(Refusal::at(one.line, format!("`{name}` is set to something else in line {other}")));
        }
    }
    None
}

fn assignments(content: &[u8]) -> Vec<Assignment<'_>> {
    let mut found = Vec::new();
    let mut start = 0;
    let mut goes_on = false;
    let mut is_in_define = false;
    for (index, whole) in content.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let line = whole.strip_suffix(b"\n").unwrap_or(whole);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let is_of_its_own = !goes_on;
        goes_on = line.ends_with(b"\\");
        match first_word(line) {
            b"define" if is_of_its_own => is_in_define = true,
            b"endef" if is_of_its_own => is_in_define = false,
            _ if is_of_its_own && !is_in_define => {
                found.extend(assignment(line).map(|(name, span)| Assignment {
                    name,
                    line: index + 1,
                    value: line.get(span.clone()).unwrap_or_default(),
                    span: start + span.start..start + span.end,
                    is_continued: goes_on,
                }));
            }
            _ => {}
        }
        start += whole.len();
    }
    found
}

fn first_word(line: &[u8]) -> &[u8] {
    line.trim_ascii().split(|byte| byte.is_ascii_whitespace()).next().unwrap_or_default()
}

/// The name that a line sets, and where its value is.
fn assignment(line: &[u8]) -> Option<(&[u8], Range<usize>)> {
    // A line that begins with a tab belongs to a recipe.
    if line.starts_with(b"\t") {
        return None;
    }
    let mut rest = line.trim_ascii_start();
    while let Some(prefix) = PREFIXES.iter().find(|prefix| first_word(rest) == **prefix) {
        rest = rest.get(prefix.len()..)?.trim_ascii_start();
    }
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let name = rest.get(..rest.iter().take_while(|byte| is_name(byte)).count())?;
    let rest = rest.get(name.len()..)?.trim_ascii_start();
    let operator = OPERATORS.iter().find(|operator| rest.starts_with(operator))?;
    let rest = rest.get(operator.len()..)?.trim_ascii_start();
    if name.is_empty() {
        return None;
    }
    let value = rest.get(..comment(rest).unwrap_or(rest.len()))?.trim_ascii_end();
    let start = line.len() - rest.len();
    Some((name, start..start + value.len()))
}

/// Where a comment begins; `\#` is no comment.
fn comment(text: &[u8]) -> Option<usize> {
    (0..text.len()).find(|index| text[*index] == b'#' && (*index == 0 || text[index - 1] != b'\\'))
}

#[cfg(test)]
mod tests {
    use super::super::splice;
    use super::*;

    fn wanted(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn becomes(content: &[u8]) -> Vec<u8> {
        splice(content, &edits(content, &wanted(&[("RPO_VERSION", "12.10")])).unwrap())
    }

    fn refused(content: &str) -> Vec<String> {
        let refusals =
            edits(content.as_bytes(), &wanted(&[("RPO_VERSION", "2"), ("WEB_VERSION", "2")])).unwrap_err();
        refusals.iter().map(|refusal| format!("{:?} {}", refusal.line, refusal.reason)).collect()
    }

    #[test]
    fn only_the_value_changes() {
        for (before, after) in [
            ("RPO_VERSION=1.9\n", "RPO_VERSION=12.10\n"),
            ("RPO_VERSION := 1.9", "RPO_VERSION := 12.10"),
            ("RPO_VERSION\t?=  1.9  # one\r\nA=1\r\n", "RPO_VERSION\t?=  12.10  # one\r\nA=1\r\n"),
            ("  export RPO_VERSION ::= 1.9 \n", "  export RPO_VERSION ::= 12.10 \n"),
            ("override RPO_VERSION += 1.9#c\n", "override RPO_VERSION += 12.10#c\n"),
            ("RPO_VERSION = a\\#b # c\n", "RPO_VERSION = 12.10 # c\n"),
            ("RPO_VERSION = \n", "RPO_VERSION = 12.10\n"),
            (
                "# RPO_VERSION = 0\nMY_RPO_VERSION = 0\nRPO_VERSION = 1\n",
                "# RPO_VERSION = 0\nMY_RPO_VERSION = 0\nRPO_VERSION = 12.10\n",
            ),
            ("\tRPO_VERSION = 0\nRPO_VERSION = 1\n", "\tRPO_VERSION = 0\nRPO_VERSION = 12.10\n"),
            (
                "define X\nRPO_VERSION = 0\nendef\nRPO_VERSION = 1\n",
                "define X\nRPO_VERSION = 0\nendef\nRPO_VERSION = 12.10\n",
            ),
            (
                "A = x \\\nRPO_VERSION = 0\nRPO_VERSION = 1\n",
                "A = x \\\nRPO_VERSION = 0\nRPO_VERSION = 12.10\n",
            ),
            ("RPO_VERSION = 1\nRPO_VERSION = 1\n", "RPO_VERSION = 12.10\nRPO_VERSION = 12.10\n"),
            ("RPO_VERSION = 12.10\n", "RPO_VERSION = 12.10\n"),
        ] {
            assert_eq!(String::from_utf8(becomes(before.as_bytes())).unwrap(), after, "{before:?}");
        }
    }

    #[test]
    fn bytes_that_are_not_utf_8_stay() {
        assert_eq!(
            becomes(b"# vers\xe3o\nRPO_VERSION = 1 # n\xe3o\n"),
            b"# vers\xe3o\nRPO_VERSION = 12.10 # n\xe3o\n"
        );
    }

    #[test]
    fn everything_that_cannot_be_changed_is_named_at_once() {
        assert_eq!(
            refused("RPO_VERSION = $(BASE)\n"),
            [
                "Some(1) `RPO_VERSION` is made of other variables",
                "None no line sets the variable `WEB_VERSION`"
            ]
        );
        assert_eq!(
            refused("WEB_VERSION = 1 \\\n 2\nRPO_VERSION = 1\nRPO_VERSION = 2\n"),
            [
                "Some(4) `RPO_VERSION` is set to something else in line 3",
                "Some(1) `WEB_VERSION` goes on on the next line"
            ]
        );
        assert_eq!(refused("RPO_VERSION != date\nWEB_VERSION: all\n").len(), 2);
    }
}
