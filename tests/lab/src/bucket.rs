//! Work on a bucket in a process of its own, so that tests can measure it, kill it, and cut it between any two system calls.
//! It may not do what `shared::bucket` does: it only calls it. Run by tests as the hidden subcommand `lab bucket`, settings as of a plugin.

use std::ffi::OsString;
use std::io::Write as _;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use shared::bucket::{BUCKET, Bucket, BucketSettings, Claim, Key, Kind, Put};
use shared::digest::{Digest, Hasher};
use shared::run::Run;
use shared::settings::{Env, Reader};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::error::{Attempt as _, Error};
use crate::http::choose_tls;

const PIECE: usize = 1 << 20;
/// Two parts of an upload: more than is sent in one go.
const ARCHIVE: u64 = (8 << 20) + 1;

/// What the work publishes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// Of the archive, in bytes.
    pub size: u64,
    /// Of the archive.
    pub digest: Digest,
}

/// The keys that the work writes: archive, its manifest, index.
pub fn keys() -> [Key; 3] {
    [("a/archive", Kind::Archive), ("a/manifest.json", Kind::Json), ("index", Kind::Index)]
        .map(|(path, kind)| Key::new(path, kind))
}

/// The bucket that a plugin with these settings would open.
pub fn open(env: &Env) -> Result<Bucket, Error> {
    choose_tls();
    let mut read = Reader::new(env, &[BUCKET]);
    let settings = BucketSettings::read(&mut read, env);
    let settings = read.finish(|| settings).attempting(|| "cannot use the settings".to_owned())?;
    Bucket::open(&settings).attempting(|| "cannot open the bucket".to_owned())
}

/// Does one piece of work and says what came of it.
pub fn run(work: &OsString, more: &[OsString]) -> Result<(), Error> {
    let number = more.first().and_then(|text| text.to_str()?.parse().ok()).unwrap_or_default();
    let bucket = open(&Env::snapshot())?;
    let attempt = || "cannot make an async runtime".to_owned();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .attempting(attempt)?;
    let said = runtime.block_on(async {
        match work.to_str().unwrap_or_default() {
            "upload" => upload(&bucket, &keys()[0], number).await.map(|digest| digest.to_string()),
            "download" => download(&bucket, &keys()[0]).await.map(|digest| digest.to_string()),
            "publish" => publish(&bucket).await.map(|()| String::new()),
            "count" => count(&bucket, number).await.map(|()| String::new()),
            other => Err(Error::new(format!("there is no work `{other}`"))),
        }
    })?;
    writeln!(std::io::stdout(), "{said}").attempting(|| "cannot say what came of it".to_owned())
}

/// Writes an object of `size` bytes that are made on the way.
pub async fn upload(bucket: &Bucket, key: &Key, size: u64) -> Result<Digest, Error> {
    let attempt = || format!("cannot upload `{key}`");
    let mut writer = bucket.writer(key);
    let mut hasher = Hasher::default();
    let mut piece: Vec<u8> =
        (0..PIECE).map(|at| (at.wrapping_mul(2_654_435_761) >> 7).to_le_bytes()[0]).collect();
    let mut left = size;
    while left > 0 {
        // No two pieces are the same, so that one in the wrong place would be noticed.
        piece[..8].copy_from_slice(&left.to_le_bytes());
        let length = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
        hasher.update(&piece[..length]);
        writer.write_all(&piece[..length]).await.attempting(attempt)?;
        left -= length as u64;
    }
    writer.shutdown().await.attempting(attempt)?;
    Ok(hasher.finish())
}

/// Reads an object to its end.
pub async fn download(bucket: &Bucket, key: &Key) -> Result<Digest, Error> {
    let attempt = || format!("cannot download `{key}`");
    let mut reader = bucket.reader(key).await.attempting(attempt)?;
    let mut hasher = Hasher::default();
    let mut piece = vec![0; PIECE];
    loop {
        match reader.read(&mut piece).await.attempting(attempt)? {
            0 => return Ok(hasher.finish()),
            length => hasher.update(&piece[..length]),
        }
    }
}

/// What plugins do: claim, archive, manifest, and a line in an index that others write too.
pub async fn publish(bucket: &Bucket) -> Result<(), Error> {
    let attempt = || "cannot publish".to_owned();
    let [archive, manifest, index] = keys();
    let run = Run::this(&Env::of(&[("BUILD_TAG", "lab")]));
    let hour = Duration::from_secs(3600);
    match bucket.claim::<Content>(&manifest, &run, hour).await.attempting(attempt)? {
        Claim::Published(..) => {}
        Claim::Held { run, .. } => return Err(Error::new(format!("`{run}` is at it"))),
        Claim::Taken(version) => {
            let digest = upload(bucket, &archive, ARCHIVE).await?;
            let content = Content { size: ARCHIVE, digest };
            bucket.settle(&manifest, content, &version).await.attempting(attempt)?;
        }
    }
    change(bucket, &index, |text| if text.contains("ours\n") { text } else { text + "ours\n" }).await
}

/// Adds one to a number, so many times.
pub async fn count(bucket: &Bucket, times: u64) -> Result<(), Error> {
    let [.., index] = keys();
    for _ in 0..times {
        change(bucket, &index, |text| (text.trim().parse::<u64>().unwrap_or_default() + 1).to_string())
            .await?;
    }
    Ok(())
}

async fn change(bucket: &Bucket, key: &Key, to: impl Fn(String) -> String) -> Result<(), Error> {
    let attempt = || format!("cannot change `{key}`");
    loop {
        let found = bucket.fetch(key).await.attempting(attempt)?;
        let text = found.as_ref().map(|object| String::from_utf8_lossy(&object.bytes).into_owned());
        let new = to(text.clone().unwrap_or_default());
        if text.as_ref() == Some(&new) {
            return Ok(());
        }
        let put = match found {
            Some(object) => bucket.put_if_unchanged(key, new.into(), &object.version).await,
            None => bucket.put_new(key, new.into()).await,
        };
        if let Put::Written(_) = put.attempting(attempt)? {
            return Ok(());
        }
    }
}
