//! Where a value came from, when it is not the variable that bears its name: problems say so, because that is where they are mended.

use std::fmt;

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// A line of `.config`.
    ConfigFile { key: &'static str, line: usize },
    /// A parameter of the build.
    BuildParameter(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ConfigFile { key, line } => write!(f, "`{key}` in `.config`, line {line}"),
            Self::BuildParameter(name) => write!(f, "the build parameter `{name}`"),
        }
    }
}
