//! Names of objects. A key owns its path, content type and cache header, so no call site builds them.

use std::fmt;

use object_store::path::Path;
use object_store::{Attribute, Attributes};

/// What an object is, which decides its headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any bytes: archives, charts, RPOs.
    Archive,
    /// A chart index: read by helm, changes with every publication.
    Index,
    /// A JSON document of ours.
    Json,
    /// A text for people.
    Text,
}

/// The key of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    path: Path,
    kind: Kind,
}

impl Key {
    /// A key from a path such as `folder/name`.
    #[must_use]
    pub fn new(path: impl AsRef<str>, kind: Kind) -> Self {
        Self { path: path_of(path.as_ref()), kind }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn attributes(&self) -> Attributes {
        let content = match self.kind {
            Kind::Archive => "application/octet-stream",
            Kind::Index => "text/yaml",
            Kind::Json => "application/json",
            Kind::Text => "text/plain",
        };
        // Without `no-cache` Google serves a public object from its cache for an hour. Archives can be replaced too, on demand.
        Attributes::from_iter([(Attribute::ContentType, content), (Attribute::CacheControl, "no-cache")])
    }
}

/// A path as it stands in the store. `Path::from` would percent-encode every `ã`, `~` and `#`, so that an object which was listed under
/// such a name could not be read by it; only what is no path at all (a control character) is encoded.
pub(super) fn path_of(text: &str) -> Path {
    Path::parse(text).unwrap_or_else(|_| Path::from(text))
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.fmt(f)
    }
}
