//! A plain directory as a bucket. object_store writes whole files by atomic rename and creates by hard link, both from a file beside the
//! target, `<name>#<number>`, that it never lists; what it lacks is added here: compare-and-swap, and the removal of such files of dead runs.

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, Result, UpdateVersion};

use crate::digest::Digest;

const LOCK: &str = ".esteira.lock";
/// Nobody who still writes a file leaves it alone for so long.
const LEFT_BEHIND: Duration = Duration::from_secs(24 * 60 * 60);

/// A directory used as a bucket.
#[derive(Clone, Debug)]
pub struct Folder {
    store: Arc<LocalFileSystem>,
    lock: PathBuf,
}

impl Folder {
    /// Opens a directory that is there.
    ///
    /// # Errors
    /// When it is not there, or no directory.
    pub fn open(path: &FilePath) -> std::io::Result<Self> {
        if !std::fs::metadata(path)?.is_dir() {
            return Err(std::io::ErrorKind::NotADirectory.into());
        }
        // Without fsync, a machine that crashes can leave a name whose content never reached the disk.
        let store = LocalFileSystem::new_with_prefix(path).map_err(std::io::Error::other)?.with_fsync(true);
        Ok(Self { store: Arc::new(store), lock: path.join(LOCK) })
    }

    pub(super) fn store(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.store) as Arc<dyn ObjectStore>
    }

    /// Files in the directory that are not objects.
    pub(super) fn is_own_file(path: &Path) -> bool {
        path.as_ref() == LOCK
    }

    /// What compare-and-swap goes by: the content. Inode, size and time of a file can come again within one tick of the kernel's clock.
    pub(super) fn version(bytes: &[u8]) -> UpdateVersion {
        UpdateVersion { e_tag: Some(Digest::of(bytes).to_string()), version: None }
    }

    pub(super) async fn put(&self, path: &Path, bytes: Bytes, mode: PutMode) -> Result<UpdateVersion> {
        self.sweep(path);
        let version = Self::version(&bytes);
        let PutMode::Update(expected) = mode else {
            let options = PutOptions { mode, ..PutOptions::default() };
            return self.store.put_opts(path, bytes.into(), options).await.map(|_| version);
        };
        // The kernel takes the lock back when its owner dies.
        let _lock = self.locked().await?;
        let current = self.store.get(path).await?.bytes().await?;
        if Self::version(&current) != expected {
            let source = "it was changed by somebody else".into();
            return Err(object_store::Error::Precondition { path: path.to_string(), source });
        }
        self.store.put(path, bytes.into()).await.map(|_| version)
    }

    async fn locked(&self) -> Result<File> {
        let lock = self.lock.clone();
        let locked = tokio::task::spawn_blocking(move || {
            // A run of another user may have made it; a lock needs no right to write.
            let file = match OpenOptions::new().append(true).create(true).open(&lock) {
                Err(error) if error.kind() == ErrorKind::PermissionDenied => File::open(&lock)?,
                opened => opened?,
            };
            file.lock()?;
            Ok::<_, std::io::Error>(file)
        });
        locked
            .await
            .map_err(std::io::Error::other)
            .flatten()
            .map_err(|source| object_store::Error::Generic { store: "folder", source: Box::new(source) })
    }

    /// Removes what killed runs left beside an object. Failing to is no reason not to write it.
    pub(super) fn sweep(&self, path: &Path) {
        let Ok(target) = self.store.path_to_filesystem(path) else { return };
        // object_store takes the lowest number that is free.
        for number in 1_u32.. {
            let mut name = target.clone().into_os_string();
            name.push(format!("#{number}"));
            let Ok(meta) = std::fs::metadata(&name) else { return };
            let age = meta.modified().ok().and_then(|time| time.elapsed().ok());
            if age.is_some_and(|age| age > LEFT_BEHIND) {
                tracing::info!("removing `{}`, which a dead run left", FilePath::new(&name).display());
                let _ = std::fs::remove_file(&name);
            }
        }
    }
}
