//! A component: a name, a version and a tree of files, told apart from any other by one digest over what is in it. Pure: where the files
//! lie is written here, reading them is `observe`'s and `archive`'s.

use std::collections::BTreeMap;
use std::path::PathBuf;

use shared::digest::{Digest, Hasher};
use shared::settings::parse;

/// The file that makes a folder a component.
pub const VERSION: &str = "VERSION";
/// More of a file `VERSION` is not read.
pub const LONGEST_VERSION: u64 = 4096;
/// Part of every input digest: to be raised when the meaning of [`Component::input`] changes.
const SCHEME: &str = "esteira component 1";

/// Something to be packed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Component {
    /// Name of its folder.
    pub name: String,
    /// What its file `VERSION` says.
    pub version: String,
    /// Its files and folders by path, which is also the order they are packed in: bytewise, so a folder comes before what is in it.
    pub tree: BTreeMap<String, Node>,
}

/// One file or folder of a component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// A folder.
    Folder,
    /// A file of the workspace.
    File {
        /// Where it lies.
        file: PathBuf,
        /// Whether its owner may execute it.
        is_executable: bool,
        /// In bytes.
        size: u64,
        /// Of its content.
        digest: Digest,
    },
    /// An object of the bucket. It has no mode; its first bytes, read while packing, decide.
    Object {
        /// Its key.
        key: String,
        /// In bytes.
        size: u64,
        /// The store's tag, which changes with the content.
        tag: String,
    },
    /// A text of our own.
    Text(String),
}

impl Component {
    /// Identifies what is packed: equal for equal paths, modes and content, whatever the files' times, order and owners. How it is
    /// compressed is no part of it: another level makes other bytes of the same content.
    #[must_use]
    pub fn input(&self) -> Digest {
        let mut hasher = Hasher::default();
        let mut take = |text: &str| {
            hasher.update(text.as_bytes());
            hasher.update(&[0]);
        };
        take(SCHEME);
        for (path, node) in &self.tree {
            take(path);
            match node {
                Node::Folder => take("folder"),
                Node::File { is_executable, size, digest, file: _ } => {
                    take(if *is_executable { "755" } else { "644" });
                    take(&size.to_string());
                    take(digest.hex());
                }
                Node::Object { size, tag, key: _ } => {
                    take("-");
                    take(&size.to_string());
                    take(tag);
                }
                Node::Text(text) => {
                    take("text");
                    take(text);
                }
            }
        }
        hasher.finish()
    }

    /// How many files it has, without folders.
    #[must_use]
    pub fn files(&self) -> usize {
        self.tree.values().filter(|node| **node != Node::Folder).count()
    }

    /// How many files it has, in words.
    #[must_use]
    pub fn files_in_words(&self) -> String {
        match self.files() {
            1 => "1 file".to_owned(),
            count => format!("{count} files"),
        }
    }

    /// Bytes of all its files.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.tree.values().map(Node::size).sum()
    }
}

impl Node {
    /// In bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        match self {
            Self::Folder => 0,
            Self::File { size, .. } | Self::Object { size, .. } => *size,
            Self::Text(text) => text.len() as u64,
        }
    }
}

/// Whether a text can be the name of a component: it becomes a folder of the mirror.
#[must_use]
pub fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
}

/// The version in a file `VERSION`: its first line.
///
/// # Errors
/// What is wrong with it.
pub fn version(bytes: &[u8]) -> Result<String, String> {
    let text = String::from_utf8_lossy(bytes);
    let line = text.trim_start_matches('\u{feff}').lines().next().unwrap_or_default().trim();
    parse::version(line).map_err(|expected| {
        format!("its file `{VERSION}` says `{}`; expected {expected}", line.escape_debug())
    })
}

/// The folders that a path lies in, outermost first.
pub fn folders_above(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(at, _)| &path[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn component(paths: &[(&str, &str, bool)]) -> Component {
        let node = |content: &str, is_executable| Node::File {
            file: PathBuf::from("anywhere"),
            is_executable,
            size: content.len() as u64,
            digest: Digest::of(content.as_bytes()),
        };
        let tree =
            paths.iter().map(|(path, content, mode)| ((*path).to_owned(), node(content, *mode))).collect();
        Component { name: "web".into(), version: "1".into(), tree }
    }

    #[test]
    fn path_content_and_mode_make_the_input_and_order_does_not() {
        let input = component(&[("a", "1", false), ("b", "2", false)]).input();
        assert_eq!(component(&[("b", "2", false), ("a", "1", false)]).input(), input);
        for other in [
            [("a", "1", false), ("c", "2", false)],
            [("a", "1", true), ("b", "2", false)],
            [("a", "1", false), ("b", "3", false)],
        ] {
            assert_ne!(component(&other).input(), input);
        }
    }

    #[test]
    fn the_first_line_is_the_version() {
        assert_eq!(version("\u{feff}12.1.2310 \r\nbuilt by hand\n".as_bytes()).as_deref(), Ok("12.1.2310"));
        for bytes in [&b""[..], b"\n1.0\n", b"1.0/../2", b"\xff\xfe1\x00"] {
            assert!(version(bytes).unwrap_err().starts_with("its file `VERSION` says"), "{bytes:?}");
        }
    }

    #[test]
    fn names_are_one_plain_folder() {
        assert!(is_name("web-files") && is_name("appserver_24.3"));
        for name in ["", ".git", "a/b", "ação", "a b", "-a"] {
            assert!(!is_name(name), "{name}");
        }
    }

    #[test]
    fn knows_the_folders_above() {
        assert_eq!(folders_above("a/b/c").collect::<Vec<_>>(), ["a", "a/b"]);
        assert_eq!(folders_above("a").count(), 0);
    }
}
