//! What is said about a published RPO: base, patches in order, the tool, and the result. Beside each RPO, and once more as the pointer
//! `latest.json` that names the newest.

use serde::{Deserialize, Serialize};
use shared::bucket::Entry;
use shared::digest::Digest;

/// The manifest of a published RPO.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RpoManifest {
    /// Release, such as `12.1.2310`.
    pub release: String,
    /// Short name of exactly this content; the folder it lies in.
    pub generation: String,
    /// Key of the RPO.
    pub rpo: String,
    /// Its SHA-256.
    pub digest: Digest,
    /// In bytes.
    pub size: u64,
    /// The vendor's RPO that everything began with.
    pub source: Origin,
    /// The RPO that this run's patches were applied on: the source, or the last good result.
    pub base: Origin,
    /// Every patch in it, in the order they were applied, those of earlier runs first.
    pub patches: Vec<Applied>,
    /// The AppServer that applied this run's patches.
    pub appserver: String,
    /// Whether programs older than the RPO's were applied too.
    pub apply_old: bool,
    /// The plugin's version.
    pub made_by: String,
}

/// An object of the bucket that something was made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Its key.
    pub key: String,
    /// In bytes.
    pub size: u64,
    /// The store's tag, which changes with the content; empty for results of ours.
    #[serde(default)]
    pub tag: String,
    /// Its SHA-256, once it was read.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub digest: Option<Digest>,
}

/// A patch in the RPO.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// Where it came from.
    #[serde(flatten)]
    pub origin: Origin,
    /// Channel of the expedition, or `pontual`.
    pub channel: String,
}

impl Origin {
    /// Of a listed object, not read yet.
    #[must_use]
    pub fn of(entry: &Entry) -> Self {
        Self { key: entry.key.clone(), size: entry.size, tag: entry.tag.clone(), digest: None }
    }

    /// As it was listed.
    #[must_use]
    pub fn entry(&self) -> Entry {
        Entry { key: self.key.clone(), size: self.size, tag: self.tag.clone() }
    }

    /// Whether both name the same content.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        (&self.key, self.size, &self.tag) == (&other.key, other.size, &other.tag)
    }

    /// The same, read.
    #[must_use]
    pub fn with_digest(&self, digest: Digest) -> Self {
        Self { digest: Some(digest), ..self.clone() }
    }
}
