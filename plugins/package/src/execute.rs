//! Does what the plan says. Order of writes, for each component: (1) the claim, which is the manifest in the making, so that two runs never
//! pack the same version; (2) the archive, which appears whole; (3) the manifest itself, last, because it says that the archive is sound. A
//! run that is cut between any two of them is finished by the next.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use shared::bucket::{Bucket, Claim, Entry, Key, Kind, Transferred};
use shared::digest::Hasher;
use shared::run::Run;
use shared::settings::Env;
use shared::stop::Stop;
use tokio::io::{AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc::{Receiver, Sender};

use crate::component::{Component, Node};
use crate::manifest::ArchiveManifest;
use crate::plan::{ComponentPlan, Packing, Plan};
use crate::{Error, archive, mirror, pipe};

/// Less than this is done before a rate says anything.
const ENOUGH_FOR_A_RATE: u64 = 10 << 20;

/// What was done.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The components that were packed, in that order.
    pub packed: Vec<Packed>,
}

/// A component that was packed.
#[derive(Clone, Debug)]
pub struct Packed {
    /// What its manifest says.
    pub manifest: ArchiveManifest,
    /// How it came into the mirror.
    pub how: How,
}

/// How a component came into the mirror.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// As a version that was not there.
    Uploaded,
    /// In place of other content.
    Replaced,
    /// By another run, with the same content, since the plan was made.
    ByAnother,
}

/// What was done before it failed.
#[derive(Debug)]
pub struct Failed {
    /// Done before.
    pub done: Outcome,
    /// Why it failed.
    pub source: Error,
}

/// Packs and publishes.
///
/// # Errors
/// With what had been published before.
pub async fn execute(plan: &Plan, bucket: &Bucket, env: &Env, stop: &Stop) -> Result<Outcome, Failed> {
    let mut done = Outcome::default();
    for component in &plan.components {
        let ComponentPlan::Pack(packing) = component else { continue };
        match publish(plan, packing, bucket, env, stop).await {
            Ok(packed) => done.packed.push(packed),
            Err(source) => return Err(Failed { done, source }),
        }
    }
    Ok(done)
}

async fn publish(
    plan: &Plan,
    packing: &Packing,
    bucket: &Bucket,
    env: &Env,
    stop: &Stop,
) -> Result<Packed, Error> {
    let key = mirror::manifest_key(&packing.archive);
    let run = Run::this(env);
    let claim = match stop.interrupting(claim(plan, packing, &key, &run, bucket)).await? {
        Claim::Taken(claim) => claim,
        Claim::Held { run, since } => {
            return Err(Error::Busy { key: packing.archive.clone(), run, since: since.to_string() });
        }
        Claim::Published(manifest, _) if manifest.input == packing.input => {
            return Ok(Packed { manifest, how: How::ByAnother });
        }
        Claim::Published(..) => return Err(Error::Overtaken { key: packing.archive.clone() }),
    };
    let manifest = bucket.finish(&key, &run, claim, stop, make(plan, packing, bucket)).await?;
    Ok(Packed { manifest, how: if packing.is_overwrite { How::Replaced } else { How::Uploaded } })
}

/// Claims the version. What is to be replaced may be another thing by now, and is judged like what was never there: it is another run's.
async fn claim(
    plan: &Plan,
    packing: &Packing,
    key: &Key,
    run: &Run,
    bucket: &Bucket,
) -> Result<Claim<ArchiveManifest>, Error> {
    if let Some((published, version)) = &packing.replaces
        && let Some(claim) = bucket.replace(key, run, published.clone(), version).await?
    {
        return Ok(Claim::Taken(claim));
    }
    Ok(bucket.claim(key, run, plan.claim_timeout).await?)
}

/// Packs what was claimed and says what it is.
async fn make(plan: &Plan, packing: &Packing, bucket: &Bucket) -> Result<ArchiveManifest, Error> {
    let component = &packing.component;
    let begun = Instant::now();
    tracing::info!(
        "{} {}: packing {}, {} bytes",
        component.name,
        component.version,
        component.files_in_words(),
        component.size()
    );
    let archive = pack(component, plan.compression, &packing.archive, bucket).await?;
    tracing::info!(
        "{} {}: uploaded `{}`, {} bytes, sha256 {}, in {}",
        component.name,
        component.version,
        packing.archive,
        archive.size,
        archive.digest,
        pace(component.size(), begun.elapsed())
    );
    Ok(ArchiveManifest {
        component: component.name.clone(),
        version: component.version.clone(),
        archive: packing.archive.clone(),
        digest: archive.digest,
        size: archive.size,
        input: packing.input.clone(),
        files: component.files(),
        unpacked_size: component.size(),
        compression: plan.compression,
        release: plan.release.clone(),
        made_by: format!("plugin-package {}", env!("CARGO_PKG_VERSION")),
    })
}

/// How long it took, and at what rate where there was enough to measure one.
fn pace(size: u64, elapsed: Duration) -> String {
    let seconds = elapsed.as_secs_f64();
    if size < ENOUGH_FOR_A_RATE {
        return format!("{seconds:.1} s");
    }
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = size as f64 / 1e6 / seconds.max(0.001);
    format!("{seconds:.1} s ({rate:.1} MB/s)")
}

/// Packs into the mirror in one pass: objects are read, packed and uploaded piece by piece, nothing is kept. The archive appears only when
/// all three have ended well.
async fn pack(component: &Component, level: u32, key: &str, bucket: &Bucket) -> Result<Transferred, Error> {
    let mut writer = bucket.writer(&Key::new(key, Kind::Archive));
    let (objects, outlet) = pipe::into_thread();
    let (inlet, archive) = pipe::from_thread();
    let tree = component.clone();
    let packer = tokio::task::spawn_blocking(move || archive::write(&tree, level, outlet, inlet));
    let packed = async {
        packer
            .await
            .map_err(|error| Error::Archive { key: key.to_owned(), source: error.into() })?
            .map_err(|error| failure(error, key))
    };
    let moved =
        tokio::try_join!(packed, feed(component, objects, bucket), drain(archive, &mut writer, key, bucket));
    match moved {
        Ok(((), (), transferred)) => {
            writer.shutdown().await.map_err(|error| bucket.io_error(format!("upload `{key}`"), error))?;
            Ok(transferred)
        }
        Err(error) => {
            // Parts that are neither completed nor aborted would be stored, and paid for, unseen.
            if let Err(unaborted) = writer.abort().await {
                tracing::warn!("the parts of `{key}` uploaded so far could not be removed: {unaborted}");
            }
            Err(error)
        }
    }
}

/// Sends the content of all objects to the packing thread, in the order of the tree. The thread knows where an object ends only by its size,
/// which the bucket holds each object to, as it was listed.
async fn feed(component: &Component, thread: Sender<Bytes>, bucket: &Bucket) -> Result<(), Error> {
    for node in component.tree.values() {
        let Node::Object { key, size, tag } = node else { continue };
        let mut reader = bucket.reader_of(&Entry { key: key.clone(), size: *size, tag: tag.clone() });
        loop {
            let mut piece = BytesMut::with_capacity(pipe::PIECE);
            while piece.len() < pipe::PIECE && read_more(&mut reader, &mut piece, key, bucket).await? {}
            if piece.is_empty() {
                break;
            }
            if thread.send(piece.freeze()).await.is_err() {
                // The thread has failed and says why itself.
                return Ok(());
            }
        }
    }
    Ok(())
}

async fn read_more(
    reader: &mut (impl tokio::io::AsyncRead + Unpin),
    piece: &mut BytesMut,
    key: &str,
    bucket: &Bucket,
) -> Result<bool, Error> {
    let length =
        reader.read_buf(piece).await.map_err(|error| bucket.io_error(format!("read `{key}`"), error))?;
    Ok(length > 0)
}

/// Uploads what the packing thread writes.
async fn drain(
    mut thread: Receiver<Bytes>,
    writer: &mut (impl AsyncWrite + Unpin),
    key: &str,
    bucket: &Bucket,
) -> Result<Transferred, Error> {
    let mut hasher = Hasher::default();
    let mut size = 0;
    while let Some(piece) = thread.recv().await {
        hasher.update(&piece);
        writer.write_all(&piece).await.map_err(|error| bucket.io_error(format!("upload `{key}`"), error))?;
        size += piece.len() as u64;
    }
    Ok(Transferred { size, digest: hasher.finish() })
}

fn failure(error: archive::Error, key: &str) -> Error {
    match error {
        archive::Error::Changed { path, reason } => Error::Changed { path, reason },
        archive::Error::Read { path, source } => Error::Workspace { path, source },
        archive::Error::Write(source) => Error::Archive { key: key.to_owned(), source },
    }
}

#[cfg(test)]
mod tests;
