//! Where a value is in a YAML file, written as Helm writes it: `image.tag`, `containers[0].image`, `labels.app\.kubernetes\.io/version`.

use std::fmt;
use std::str::FromStr;

/// One step from a collection to what is in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Into a mapping.
    Key(String),
    /// Into a sequence, from 0.
    Index(usize),
}

/// A path from the top of a document to a value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyPath {
    text: String,
    steps: Vec<Step>,
}

impl KeyPath {
    /// The steps, at least one.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for KeyPath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let wrong = || format!("a path such as `image.tag` or `containers[0].image` in place of `{text}`");
        let mut steps = Vec::new();
        let mut key = String::new();
        let mut chars = text.chars();
        // A key is complete at `.`, `[` or the end; after an index only one of these may come.
        let mut is_after_index = false;
        loop {
            let next = chars.next();
            match next {
                Some('.' | '[') | None if is_after_index => is_after_index = false,
                Some('.' | '[') | None if key.is_empty() && !(next == Some('[') && steps.is_empty()) => {
                    return Err(wrong());
                }
                Some('.' | '[') | None => {
                    if !key.is_empty() {
                        steps.push(Step::Key(std::mem::take(&mut key)));
                    }
                }
                Some(_) if is_after_index => return Err(wrong()),
                Some('\\') => key.push(chars.next().ok_or_else(wrong)?),
                Some(other) => key.push(other),
            }
            match next {
                None => break,
                Some('[') => {
                    let (digits, rest) = chars.as_str().split_once(']').ok_or_else(wrong)?;
                    steps.push(Step::Index(digits.parse().map_err(|_| wrong())?));
                    chars = rest.chars();
                    is_after_index = true;
                }
                Some(_) => {}
            }
        }
        Ok(Self { text: text.to_owned(), steps })
    }
}

/// Steps as they would be written, for messages.
#[must_use]
pub(super) fn shown(steps: &[Step]) -> String {
    let mut text = String::new();
    for step in steps {
        match step {
            Step::Index(index) => text.push_str(&format!("[{index}]")),
            Step::Key(key) => {
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(&key.replace('\\', "\\\\").replace('.', "\\.").replace('[', "\\["));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_read_and_shown_as_helm_writes_it() {
        for text in [
            "tag",
            "image.tag",
            "containers[0].image",
            "a[1][2]",
            "[0].x",
            "labels.app\\.kubernetes\\.io/version",
        ] {
            let path: KeyPath = text.parse().unwrap();
            assert_eq!(shown(path.steps()), text);
        }
        let path: KeyPath = "a\\.b[3].c".parse().unwrap();
        assert_eq!(path.steps(), [Step::Key("a.b".into()), Step::Index(3), Step::Key("c".into())]);
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for text in ["", ".", "a.", ".a", "a..b", "a[x]", "a[0", "a[0]b", "a[]", "a\\", "a.[0]"] {
            assert!(text.parse::<KeyPath>().is_err(), "{text}");
        }
    }
}
