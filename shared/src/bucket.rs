//! The bucket: a folder or an S3 store behind one set of guarantees. An object appears whole or not at all; a write can be
//! create-only or compare-and-swap; memory is bounded whatever the object's size. Knows nothing of what plugins keep in it.

mod folder;
mod key;
mod publish;
mod read;
mod settings;

use std::fmt;
use std::path::Path as FilePath;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt as _;
use object_store::aws::AmazonS3Builder;
use object_store::buffered::BufWriter;
use object_store::{
    BackoffConfig, ClientOptions, GetOptions, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions,
    RetryConfig, UpdateVersion,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::digest::{Digest, Hasher};
use crate::failure::{Exit, Fault, chain};
use crate::net::untrusted;
use crate::progress::Progress;

pub use folder::Folder;
pub use key::{Key, Kind};
pub use publish::{Claim, Manifest, Own};
pub use settings::{BUCKET, BUCKET_IF_NEEDED, BucketSettings, Location, RawBucket};

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
    name: String,
}

/// What a write that depends on the object's state came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Put {
    /// Written; this is its version now.
    Written(Version),
    /// Somebody else was first; nothing was written.
    Refused,
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

/// What was tried with the bucket and did not work.
#[derive(Debug, thiserror::Error)]
#[error("cannot {attempted} in the bucket `{bucket}`")]
pub struct Error {
    attempted: String,
    bucket: String,
    #[source]
    source: Box<dyn std::error::Error + Send + Sync>,
    exit: Exit,
    hint: Option<&'static str>,
}

impl Fault for Error {
    fn exit(&self) -> Exit {
        self.exit
    }

    fn hints(&self) -> Vec<String> {
        self.hint.map(str::to_owned).into_iter().collect()
    }
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
                Ok(Self { store: folder.store(), folder: Some(folder), name })
            }
            Location::S3(bucket) => {
                let retry = RetryConfig {
                    backoff: BackoffConfig {
                        init_backoff: Duration::from_millis(200),
                        max_backoff: Duration::from_secs(5),
                        base: 2.0,
                    },
                    max_retries: 5,
                    retry_timeout: Duration::from_secs(60),
                };
                let client = ClientOptions::new()
                    .with_allow_http(true)
                    .with_connect_timeout(Duration::from_secs(10))
                    .with_timeout(Duration::from_secs(300));
                let client = settings.net.options(client, settings.endpoint.as_ref(), "s3.amazonaws.com");
                // Path style, no default checksums: what S3 servers other than Amazon's understand.
                let mut builder = AmazonS3Builder::new()
                    .with_bucket_name(bucket)
                    .with_region(&settings.region)
                    .with_virtual_hosted_style_request(false)
                    .with_client_options(client)
                    .with_retry(retry);
                if let Some(endpoint) = &settings.endpoint {
                    builder = builder.with_endpoint(endpoint.as_str().trim_end_matches('/'));
                }
                builder = match (&settings.access_key, &settings.secret_key) {
                    (Some(key), Some(secret)) => {
                        builder.with_access_key_id(key.expose()).with_secret_access_key(secret.expose())
                    }
                    _ => builder.with_skip_signature(true),
                };
                if let Some(token) = &settings.session_token {
                    builder = builder.with_token(token.expose());
                }
                let store = builder.build().map_err(|source| Error::unusable(&name, source))?;
                Ok(Self { store: Arc::new(store), folder: None, name })
            }
        }
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
            Version(UpdateVersion { e_tag: result.meta.e_tag.clone(), version: result.meta.version.clone() });
        let bytes = result.bytes().await.map_err(|error| self.error(attempted(), error))?;
        Ok(Some(Object { bytes, version }))
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
            listed.into_iter().filter(|meta| !Folder::is_own_file(&meta.location)).map(Entry::of).collect();
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
        let mut hasher = Hasher::default();
        let mut size = 0;
        let mut piece = vec![0; 1 << 20];
        loop {
            let length = input.read(&mut piece).await.map_err(unread)?;
            if length == 0 {
                break;
            }
            hasher.update(&piece[..length]);
            writer.write_all(&piece[..length]).await.map_err(failed)?;
            size += length as u64;
            progress.add(length as u64);
        }
        writer.shutdown().await.map_err(failed)?;
        Ok(Transferred { size, digest: hasher.finish() })
    }

    /// A writer whose object appears when it is shut down, and never if it is dropped before.
    #[must_use]
    pub fn writer(&self, key: &Key) -> BufWriter {
        BufWriter::with_capacity(Arc::clone(&self.store), key.path().clone(), PART)
            .with_max_concurrency(PARTS_IN_FLIGHT)
            .with_attributes(if self.folder.is_some() { Default::default() } else { key.attributes() })
    }

    /// The error of a stream that a caller drove itself.
    #[must_use]
    pub fn io_error(&self, attempted: String, error: std::io::Error) -> Error {
        let source: Box<dyn std::error::Error + Send + Sync> = match error.downcast::<object_store::Error>() {
            Ok(error) => return self.error(attempted, error),
            Err(error) => Box::new(error),
        };
        Error { attempted, bucket: self.name.clone(), source, exit: Exit::Temporary, hint: None }
    }

    async fn put(&self, key: &Key, bytes: Bytes, mode: PutMode) -> Result<Put, Error> {
        let options = PutOptions { mode, attributes: key.attributes(), ..PutOptions::default() };
        let is_update = matches!(options.mode, PutMode::Update(_));
        let written = match &self.folder {
            Some(folder) => folder.put(key.path(), bytes, options.mode).await,
            None => self.store.put_opts(key.path(), bytes.into(), options).await,
        };
        match written {
            Ok(result) => Ok(Put::Written(Version(result.into()))),
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {
                Ok(Put::Refused)
            }
            // If-Match on a key that is gone meanwhile. Where something is to be created, it is the bucket that is not there.
            Err(object_store::Error::NotFound { .. }) if is_update => Ok(Put::Refused),
            Err(error) => Err(self.error(format!("write `{key}`"), error)),
        }
    }

    fn error(&self, attempted: String, source: object_store::Error) -> Error {
        Error::new(attempted, &self.name, source)
    }

    fn refused(&self, attempted: String, reason: String) -> Error {
        Error { attempted, bucket: self.name.clone(), source: reason.into(), exit: Exit::Failed, hint: None }
    }
}

impl Error {
    /// The settings name nothing that a bucket could be.
    fn unusable(bucket: &str, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        let source = Box::new(source);
        Self {
            attempted: "work".to_owned(),
            bucket: bucket.to_owned(),
            source,
            exit: Exit::Failed,
            hint: None,
        }
    }

    fn new(attempted: String, bucket: &str, source: object_store::Error) -> Self {
        let (exit, hint) = match &source {
            object_store::Error::NotFound { .. } => {
                (Exit::Failed, Some("not found: is the bucket's name right?"))
            }
            source if is_refusal(source) => (
                Exit::Failed,
                Some(
                    "the bucket refused the credentials: look at `access_key`, `secret_key` and what they may do",
                ),
            ),
            // Only reading with a condition ends here; a write with one is refused and no error.
            object_store::Error::Precondition { .. } => {
                return Self {
                    attempted,
                    bucket: bucket.to_owned(),
                    source: "it changed while it was read".into(),
                    exit: Exit::Temporary,
                    hint: None,
                };
            }
            source if is_local(source) => (Exit::Failed, None),
            source if let Some(hint) = untrusted(source) => (Exit::Failed, Some(hint)),
            _ => (Exit::Temporary, None),
        };
        Self { attempted, bucket: bucket.to_owned(), source: Box::new(source), exit, hint }
    }
}

/// A list that the server refuses comes as a generic error with the answer in its text.
fn is_refusal(error: &object_store::Error) -> bool {
    match error {
        object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => true,
        object_store::Error::Generic { .. } => chain(error).contains("403 Forbidden"),
        _ => false,
    }
}

/// What a folder that is used as a bucket says, and no rerun changes.
fn is_local(error: &object_store::Error) -> bool {
    use std::io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    causes.filter_map(|cause| cause.downcast_ref::<std::io::Error>()).any(|cause| {
        matches!(cause.kind(), PermissionDenied | QuotaExceeded | ReadOnlyFilesystem | StorageFull)
    })
}

/// The bucket's address, without credentials.
impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

#[cfg(test)]
mod tests;
