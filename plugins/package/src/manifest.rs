//! What is said about a packed component. It lies beside the archive, first as the claim of whoever packs it.

use serde::{Deserialize, Serialize};
use shared::digest::Digest;

/// The manifest of an archive in the mirror.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveManifest {
    /// The component.
    pub component: String,
    /// Its version.
    pub version: String,
    /// Key of the archive.
    pub archive: String,
    /// SHA-256 of the archive.
    pub digest: Digest,
    /// Bytes of the archive.
    pub size: u64,
    /// What it was packed from: [`crate::component::Component::input`].
    pub input: Digest,
    /// Files in it, without folders.
    pub files: usize,
    /// Bytes of these files.
    pub unpacked_size: u64,
    /// The gzip level.
    pub compression: u32,
    /// The release it was packed for, where the settings named one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub release: Option<String>,
    /// The plugin's version: another one may compress the same content into other bytes.
    pub made_by: String,
}
