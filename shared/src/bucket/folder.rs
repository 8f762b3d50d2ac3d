//! A plain directory as a bucket. object_store writes whole files by atomic rename and creates by hard link; what it lacks,
//! compare-and-swap, is added here by a lock file that every writer of ours takes.

use std::fs::File;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, PutResult, Result};

const LOCK: &str = ".esteira.lock";

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
        let store = Arc::new(LocalFileSystem::new_with_prefix(path).map_err(std::io::Error::other)?);
        Ok(Self { store, lock: path.join(LOCK) })
    }

    pub(super) fn store(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.store) as Arc<dyn ObjectStore>
    }

    /// Files in the directory that are not objects.
    pub(super) fn is_own_file(path: &Path) -> bool {
        path.as_ref() == LOCK
    }

    pub(super) async fn put(&self, path: &Path, bytes: Bytes, mode: PutMode) -> Result<PutResult> {
        let PutMode::Update(expected) = mode else {
            return self
                .store
                .put_opts(path, bytes.into(), PutOptions { mode, ..PutOptions::default() })
                .await;
        };
        let lock = self.lock.clone();
        let locked = tokio::task::spawn_blocking(move || {
            let file = File::create(lock)?;
            file.lock()?;
            Ok::<_, std::io::Error>(file)
        });
        let _locked =
            locked.await.map_err(std::io::Error::other).flatten().map_err(|source| {
                object_store::Error::Generic { store: "folder", source: Box::new(source) }
            })?;
        let current = self.store.head(path).await?;
        if current.e_tag != expected.e_tag {
            let source = "it was changed by somebody else".into();
            return Err(object_store::Error::Precondition { path: path.to_string(), source });
        }
        self.store.put(path, bytes.into()).await
    }
}
