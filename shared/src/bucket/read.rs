//! Reading objects of any size: in ranges, so that no request lasts long on a slow link, and each range only of the object that the first one
//! was of, so that nobody reads half of one object and half of its successor.

use std::path::Path as FilePath;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{Stream, TryStreamExt as _, try_unfold};
use object_store::{GetOptions, ObjectStore, ObjectStoreExt as _};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio_util::io::StreamReader;

use super::{Bucket, Entry, Error, Key, Kind, Transferred};
use crate::digest::Hasher;
use crate::progress::Progress;

/// One request asks for no more. Within the 300 s that a request may take, 0.5 Mbit/s are enough.
pub(super) const RANGE: u64 = 16 << 20;

type Piece = futures::stream::BoxStream<'static, object_store::Result<Bytes>>;

impl Bucket {
    /// What a listing would say of one object; `None` when it is not there.
    ///
    /// # Errors
    /// When the bucket cannot be read.
    pub async fn look(&self, key: &Key) -> Result<Option<Entry>, Error> {
        match self.store.head(key.path()).await {
            Ok(meta) => Ok(Some(Entry::of(meta))),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.error(format!("look at `{key}`"), error)),
        }
    }

    /// An object as a stream of bytes.
    ///
    /// # Errors
    /// When there is none.
    pub async fn reader(&self, key: &Key) -> Result<impl AsyncRead + Unpin + Send + use<>, Error> {
        Ok(self.reader_of(&self.existing(key).await?))
    }

    /// An object that was listed, as a stream of bytes: exactly as many as were listed. Reading fails when the object is another one by now; a
    /// listing without a tag is held to its size alone. The stream's errors are for [`Bucket::io_error`].
    pub fn reader_of(&self, entry: &Entry) -> impl AsyncRead + Unpin + Send + use<> {
        StreamReader::new(Box::pin(self.pieces(entry).map_err(std::io::Error::other)))
    }

    /// Downloads an object into a file, in pieces.
    ///
    /// # Errors
    /// When the object cannot be read or the file cannot be written.
    pub async fn download(&self, key: &Key, file: &FilePath) -> Result<Transferred, Error> {
        self.download_of(&self.existing(key).await?, file).await
    }

    /// Downloads an object that was listed, under the terms of [`Bucket::reader_of`].
    ///
    /// # Errors
    /// When the object cannot be read or is another one by now, or the file cannot be written.
    pub async fn download_of(&self, entry: &Entry, file: &FilePath) -> Result<Transferred, Error> {
        let attempted = || format!("download `{}`", entry.key);
        let unwritten = |error| {
            self.refused(attempted(), format!("the file `{}` cannot be written: {error}", file.display()))
        };
        let mut reader = self.reader_of(entry);
        let mut output = tokio::fs::File::create(file).await.map_err(unwritten)?;
        let mut progress = Progress::bytes(attempted(), entry.size);
        let mut hasher = Hasher::default();
        let mut size = 0;
        let mut piece = vec![0; 1 << 20];
        loop {
            let length = reader.read(&mut piece).await.map_err(|error| self.io_error(attempted(), error))?;
            if length == 0 {
                break;
            }
            hasher.update(&piece[..length]);
            output.write_all(&piece[..length]).await.map_err(unwritten)?;
            size += length as u64;
            progress.add(length as u64);
        }
        output.flush().await.map_err(unwritten)?;
        Ok(Transferred { size, digest: hasher.finish() })
    }

    async fn existing(&self, key: &Key) -> Result<Entry, Error> {
        let found = self.store.head(key.path()).await;
        found.map(Entry::of).map_err(|error| self.error(format!("read `{key}`"), error))
    }

    /// An object in ranges, one request after the other.
    fn pieces(&self, entry: &Entry) -> impl Stream<Item = object_store::Result<Bytes>> + Send + use<> {
        let (store, entry) = (Arc::clone(&self.store), entry.clone());
        let ranges = try_unfold((0, None), move |(at, state)| {
            let (store, entry) = (Arc::clone(&store), entry.clone());
            async move { range_at(&*store, &entry, at, state).await }
        });
        ranges.try_flatten()
    }
}

/// The range of an object that begins `at`, with where the next one begins and the state that it must be of; none after the last.
async fn range_at(
    store: &dyn ObjectStore,
    entry: &Entry,
    at: u64,
    state: Option<String>,
) -> object_store::Result<Option<(Piece, (u64, Option<String>))>> {
    let key = Key::new(&entry.key, Kind::Archive);
    if entry.size == 0 {
        // No range of nothing can be asked for.
        let now = Entry::of(store.head(key.path()).await?);
        return if now.is(entry) { Ok(None) } else { Err(changed(entry)) };
    }
    if at >= entry.size {
        return Ok(None);
    }
    let end = entry.size.min(at + RANGE);
    let options = GetOptions { range: Some((at..end).into()), if_match: state, ..GetOptions::default() };
    let result = store.get_opts(key.path(), options).await?;
    if !Entry::of(result.meta.clone()).is(entry) {
        return Err(changed(entry));
    }
    let state = result.meta.e_tag.clone();
    Ok(Some((result.into_stream(), (end, state))))
}

impl Entry {
    pub(super) fn of(meta: object_store::ObjectMeta) -> Self {
        Self { key: meta.location.to_string(), size: meta.size, tag: meta.e_tag.unwrap_or_default() }
    }

    /// Whether the object is still the one that was listed as `listed`. Some servers quote tags in one answer and not in another.
    fn is(&self, listed: &Self) -> bool {
        let is_same_tag = listed.tag.is_empty() || self.tag.trim_matches('"') == listed.tag.trim_matches('"');
        self.size == listed.size && is_same_tag
    }
}

fn changed(entry: &Entry) -> object_store::Error {
    object_store::Error::Precondition {
        path: entry.key.clone(),
        source: "it is another object by now".into(),
    }
}
