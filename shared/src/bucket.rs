//! The bucket: a folder, an S3 store or Google's behind one set of guarantees. An object appears whole or not at all; a write can be
//! create-only or compare-and-swap; memory is bounded whatever the object's size. Knows nothing of what plugins keep in it.

mod answer;
mod conditions;
mod error;
mod folder;
mod gcs;
mod key;
mod publish;
mod read;
mod s3;
mod server;
mod settings;

use std::fmt;
use std::path::Path as FilePath;
use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt as _;
use object_store::buffered::BufWriter;
use object_store::path::Path;
use object_store::{
    Attribute, GetOptions, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, UpdateVersion,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::OnceCell;

use crate::digest::{Digest, Hasher};
use crate::progress::Progress;
use crate::redact::Redactor;

use answer::NotABucket;
pub use error::Error;
pub use folder::Folder;
pub use key::{Key, Kind};
pub use publish::{Claim, Manifest};
pub use settings::{BUCKET, BUCKET_IF_NEEDED, BucketSettings, GcsKey, Location, RawBucket};

/// Size of one part of an upload. With [`PARTS_IN_FLIGHT`] this bounds the memory of an upload; 10,000 parts of this size are 80 GB.
const PART: usize = 8 << 20;
const PARTS_IN_FLIGHT: usize = 3;
/// Small objects (manifests, indexes) are read into memory up to this size.
const LARGEST_SMALL_OBJECT: u64 = 64 << 20;

/// A connection to a bucket. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Bucket {
    store: Arc<dyn ObjectStore>,
    folder: Option<Folder>,
    conditions: Arc<OnceCell<()>>,
    name: String,
    /// Whether the credentials are of the kind that ends.
    is_for_a_time: bool,
    redactor: Redactor,
}

/// What a write that depends on the object's state came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Put {
    /// Written; this is its version now.
    Written(Version),
    /// Somebody else was first; nothing was written.
    Refused,
}

impl Put {
    fn written(self) -> Option<Version> {
        match self {
            Self::Written(version) => Some(version),
            Self::Refused => None,
        }
    }
}

/// Identifies the state of an object for compare-and-swap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version(UpdateVersion);

/// A small object in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its content.
    pub bytes: Bytes,
    /// Its version, for [`Bucket::put_if_unchanged`].
    pub version: Version,
}

/// One line of a listing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// The whole key.
    pub key: String,
    /// In bytes.
    pub size: u64,
    /// Changes whenever the content does.
    pub tag: String,
}

/// Bytes that went through: how many, and their digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transferred {
    /// In bytes.
    pub size: u64,
    /// Of the whole content.
    pub digest: Digest,
}

impl Bucket {
    /// Opens the bucket of the settings. A folder must be there; a server is first asked when something is read.
    ///
    /// # Errors
    /// When the folder is absent or the settings of the server make no sense.
    pub fn open(settings: &BucketSettings) -> Result<Self, Error> {
        let name = settings.location.to_string();
        match &settings.location {
            Location::Folder(path) => {
                let folder = Folder::open(path).map_err(|source| Error {
                    hint: Some("the folder must be there: create it first"),
                    ..Error::unusable(&name, source)
                })?;
                Ok(Self { folder: Some(folder.clone()), ..Self::served(settings, folder.store(), name) })
            }
            Location::S3(bucket) => Ok(Self {
                is_for_a_time: settings.session_token.is_some(),
                ..Self::served(settings, s3::open(settings, bucket, &name)?, name)
            }),
            Location::Gcs(bucket) => Ok(Self::served(settings, gcs::open(settings, bucket, &name)?, name)),
        }
    }

    fn served(settings: &BucketSettings, store: Arc<dyn ObjectStore>, name: String) -> Self {
        let redactor = settings.net.redactor().clone();
        Self { store, folder: None, conditions: Arc::default(), name, is_for_a_time: false, redactor }
    }

    /// Reads a small object; `None` when it is not there.
    ///
    /// # Errors
    /// When the bucket cannot be read or the object is larger than 64 MiB.
    pub async fn fetch(&self, key: &Key) -> Result<Option<Object>, Error> {
        let attempted = || format!("read `{key}`");
        let result = match self.store.get(key.path()).await {
            Ok(result) => result,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(self.error(attempted(), error)),
        };
        if result.meta.size > LARGEST_SMALL_OBJECT {
            return Err(self.refused(
                attempted(),
                format!("it has {} bytes, more than is read into memory", result.meta.size),
            ));
        }
        let version =
            UpdateVersion { e_tag: result.meta.e_tag.clone(), version: result.meta.version.clone() };
        let content_type = result.attributes.get(&Attribute::ContentType).cloned();
        let bytes = result.bytes().await.map_err(|error| self.error(attempted(), error))?;
        if self.folder.is_none()
            && let Some(page) = NotABucket::of_object(content_type.as_deref(), &bytes, &self.redactor)
        {
            return Err(self.not_a_bucket(attempted(), page));
        }
        let version = if self.folder.is_some() { Folder::version(&bytes) } else { version };
        Ok(Some(Object { bytes, version: Version(version) }))
    }

    /// The first bytes of an object, at most `length`.
    ///
    /// # Errors
    /// When the object cannot be read.
    pub async fn head(&self, key: &Key, length: u64) -> Result<Bytes, Error> {
        let options = GetOptions { range: Some((0..length).into()), ..GetOptions::default() };
        let attempted = || format!("read the beginning of `{key}`");
        let result =
            self.store.get_opts(key.path(), options).await.map_err(|error| self.error(attempted(), error))?;
        result.bytes().await.map_err(|error| self.error(attempted(), error))
    }

    /// Writes an object only if there is none of this key.
    ///
    /// # Errors
    /// When the bucket cannot be written.
    pub async fn put_new(&self, key: &Key, bytes: Bytes) -> Result<Put, Error> {
        self.put(key, bytes, PutMode::Create).await
    }

    /// Replaces an object only if it is still the one that was read.
    ///
    /// # Errors
    /// When the bucket cannot be written.
    pub async fn put_if_unchanged(&self, key: &Key, bytes: Bytes, version: &Version) -> Result<Put, Error> {
        self.put(key, bytes, PutMode::Update(version.0.clone())).await
    }

    /// Everything whose key begins with the folder `prefix`, sorted by key.
    ///
    /// # Errors
    /// When the bucket cannot be listed.
    pub async fn list(&self, prefix: &str) -> Result<Vec<Entry>, Error> {
        let path = key::path_of(prefix);
        let listed: Vec<_> = self
            .store
            .list(Some(&path))
            .try_collect()
            .await
            .map_err(|error| self.error(format!("list `{prefix}/`"), error))?;
        let mut entries: Vec<Entry> =
            listed.into_iter().filter(|meta| !is_own(&meta.location)).map(Entry::of).collect();
        entries.sort();
        Ok(entries)
    }

    /// Uploads a file, in parts; the object is not there before the last part is.
    ///
    /// # Errors
    /// When the file cannot be read or the bucket cannot be written.
    pub async fn upload(&self, key: &Key, file: &FilePath) -> Result<Transferred, Error> {
        let attempted = || format!("upload `{key}`");
        let failed = |error| self.io_error(attempted(), error);
        let unread = |error| {
            self.refused(attempted(), format!("the file `{}` cannot be read: {error}", file.display()))
        };
        let mut input = tokio::fs::File::open(file).await.map_err(unread)?;
        let mut progress = Progress::bytes(attempted(), input.metadata().await.map_err(unread)?.len());
        let mut writer = self.writer(key);
        let sent = async {
            let mut hasher = Hasher::default();
            let mut size = 0;
            let mut piece = vec![0; 1 << 20];
            loop {
                let length = input.read(&mut piece).await.map_err(unread)?;
                if length == 0 {
                    return Ok(Transferred { size, digest: hasher.finish() });
                }
                hasher.update(&piece[..length]);
                writer.write_all(&piece[..length]).await.map_err(failed)?;
                size += length as u64;
                progress.add(length as u64);
            }
        };
        let sent = sent.await;
        if sent.is_err() {
            // Servers charge for parts of uploads that nobody ends. The failure to tell is the upload's own.
            let _ = writer.abort().await;
        } else {
            writer.shutdown().await.map_err(failed)?;
        }
        sent
    }

    /// A writer whose object appears when it is shut down, and never if it is dropped before.
    #[must_use]
    pub fn writer(&self, key: &Key) -> BufWriter {
        if let Some(folder) = &self.folder {
            folder.sweep(key.path());
        }
        BufWriter::with_capacity(Arc::clone(&self.store), key.path().clone(), PART)
            .with_max_concurrency(PARTS_IN_FLIGHT)
            .with_attributes(if self.folder.is_some() { Default::default() } else { key.attributes() })
    }

    async fn put(&self, key: &Key, bytes: Bytes, mode: PutMode) -> Result<Put, Error> {
        let is_update = matches!(mode, PutMode::Update(_));
        let written = match &self.folder {
            Some(folder) => folder.put(key.path(), bytes, mode).await,
            None => {
                self.must_honour_conditions().await?;
                let options = PutOptions { mode, attributes: key.attributes(), ..PutOptions::default() };
                self.store.put_opts(key.path(), bytes.into(), options).await.map(UpdateVersion::from)
            }
        };
        match written {
            Ok(version) => Ok(Put::Written(Version(version))),
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {
                Ok(Put::Refused)
            }
            // If-Match on a key that is gone meanwhile. Where something is to be created, it is the bucket that is not there.
            Err(object_store::Error::NotFound { .. }) if is_update => Ok(Put::Refused),
            Err(error) => Err(self.error(format!("write `{key}`"), error)),
        }
    }
}

/// Whether an object is none of the plugins' but the bucket's own.
fn is_own(path: &Path) -> bool {
    Folder::is_own_file(path) || conditions::is_marker(path)
}

/// The bucket's address, without credentials.
impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

#[cfg(test)]
mod tests;
