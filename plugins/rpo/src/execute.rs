//! Does what the plan says. Order of writes, for each RPO: (1) the claim, so that two runs never assemble the same thing; (2) the RPO itself, which
//! appears whole; (3) the manifest that turns the claim into a result; (4) the pointer, last, because readers start there. A run that is cut
//! between any two of them is finished by the next.

use std::io;
use std::path::{Path, PathBuf};

use shared::bucket::{Bucket, Claim, Key, Kind, Put};
use shared::progress::Progress;
use shared::run::Run;
use shared::settings::Env;
use shared::stop::Stop;
use tempfile::TempDir;

use crate::Error;
use crate::appserver::AppServer;
use crate::manifest::{Applied, Origin, RpoManifest};
use crate::observe::is_there;
use crate::patch::Edition;
use crate::plan::{Assembly, EditionPlan, Plan};

/// What was done.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Newly published RPOs.
    pub published: Vec<(Edition, RpoManifest)>,
}

/// What was done before it failed.
#[derive(Debug)]
pub struct Failed {
    /// Done before.
    pub done: Outcome,
    /// Why it failed.
    pub source: Error,
}

/// Assembles and publishes.
///
/// # Errors
/// With what had been published before.
pub async fn execute(
    plan: &Plan,
    bucket: &Bucket,
    appserver: &AppServer,
    env: &Env,
    stop: &Stop,
) -> Result<Outcome, Failed> {
    let mut done = Outcome::default();
    for edition in &plan.editions {
        let EditionPlan::Assemble(assembly) = edition else { continue };
        match publish(plan, assembly, bucket, appserver, env, stop).await {
            Ok(manifest) => done.published.push((assembly.edition, manifest)),
            Err(source) => return Err(Failed { done, source }),
        }
    }
    Ok(done)
}

async fn publish(
    plan: &Plan,
    assembly: &Assembly,
    bucket: &Bucket,
    appserver: &AppServer,
    env: &Env,
    stop: &Stop,
) -> Result<RpoManifest, Error> {
    let folder = format!("{}/{}", assembly.result, assembly.generation);
    let key = Key::new(format!("{folder}/manifest.json"), Kind::Json);
    let run = Run::this(env);
    let manifest = match stop.interrupting(claim(plan, &key, &run, bucket)).await? {
        Claim::Held { run, since } => return Err(Error::Busy { run, since: since.to_string() }),
        // A run that was cut before the pointer was written.
        Claim::Published(manifest, _) => manifest,
        Claim::Taken(claim) => {
            bucket
                .finish(&key, &run, claim, stop, async {
                    let work = Workspace::new(env, &assembly.generation)?;
                    assemble(plan, assembly, bucket, appserver, &work, &folder).await
                })
                .await?
        }
    };
    stop.interrupting(point_to(&manifest, assembly, bucket)).await?;
    Ok(manifest)
}

/// Claims the generation; what somebody removed and left the manifest of is claimed anew.
async fn claim(plan: &Plan, key: &Key, run: &Run, bucket: &Bucket) -> Result<Claim<RpoManifest>, Error> {
    match bucket.claim::<RpoManifest>(key, run, plan.claim_timeout).await? {
        Claim::Published(manifest, version) if !is_there(&manifest, bucket).await? => {
            let overtaken = || Error::Overtaken { key: key.to_string() };
            let claim = bucket.reclaim::<RpoManifest>(key, run, &version).await?.ok_or_else(overtaken)?;
            Ok(Claim::Taken(claim))
        }
        claim => Ok(claim),
    }
}

/// Downloads the base, applies every pending patch on it, uploads the result.
async fn assemble(
    plan: &Plan,
    assembly: &Assembly,
    bucket: &Bucket,
    appserver: &AppServer,
    work: &Workspace,
    folder: &str,
) -> Result<RpoManifest, Error> {
    let rpo = work.repository().join(&plan.rpo_name);
    let base = fetch(bucket, &assembly.base, &rpo).await?;
    tracing::info!("{}: base `{}`, {} bytes", assembly.edition, base.key, base.size);
    let source = if assembly.source.key == base.key { base.clone() } else { assembly.source.clone() };

    let ini = work.folder.join("appserver.ini");
    work.write(&ini, &appserver.ini(&work.repository()))?;
    let mut patches = assembly.applied.clone();
    let mut progress = Progress::things(assembly.edition.to_string(), "patches", assembly.pending.len());
    for (index, patch) in assembly.pending.iter().enumerate() {
        let number = index + 1;
        let file = work.patch(number, &patch.origin.key)?;
        let origin = fetch(bucket, &patch.origin, &file).await?;
        let reports = work.reports(number)?;
        tracing::info!(
            "{}: applying {number} of {}: `{}`",
            assembly.edition,
            assembly.pending.len(),
            origin.key
        );
        appserver
            .apply(&ini, &file, &reports)
            .await?
            .map_err(|reason| Error::NotApplied { patch: origin.key.clone(), reason })?;
        work.remove(&file)?;
        patches.push(Applied { origin, channel: patch.channel.clone() });
        progress.add(1);
    }

    let key = format!("{folder}/{}", plan.rpo_name);
    let uploaded = bucket.upload(&Key::new(&key, Kind::Archive), &rpo).await?;
    tracing::info!(
        "{}: uploaded `{key}`, {} bytes, sha256 {}",
        assembly.edition,
        uploaded.size,
        uploaded.digest
    );
    Ok(RpoManifest {
        release: plan.release.clone(),
        generation: assembly.generation.clone(),
        rpo: key,
        digest: uploaded.digest,
        size: uploaded.size,
        source,
        base,
        patches,
        appserver: plan.appserver.clone(),
        apply_old: plan.apply_old,
        made_by: format!("plugin-rpo {}", env!("CARGO_PKG_VERSION")),
    })
}

async fn fetch(bucket: &Bucket, origin: &Origin, file: &Path) -> Result<Origin, Error> {
    let got = bucket.download_of(&origin.entry(), file).await?;
    let expected = origin.digest.as_ref().unwrap_or(&got.digest);
    if got.size != origin.size || *expected != got.digest {
        return Err(Error::Damaged {
            key: origin.key.clone(),
            expected: format!("{expected} ({} bytes)", origin.size),
            got: format!("{} ({} bytes)", got.digest, got.size),
        });
    }
    Ok(origin.with_digest(got.digest))
}

async fn point_to(manifest: &RpoManifest, assembly: &Assembly, bucket: &Bucket) -> Result<(), Error> {
    let key = assembly.pointer();
    let text = serde_json::to_vec_pretty(manifest)
        .map_err(|error| Error::Workspace { folder: key.to_string(), source: error.into() })?;
    let put = match &assembly.replaces {
        Some(version) => bucket.put_if_unchanged(&key, text.into(), version).await?,
        None => bucket.put_new(&key, text.into()).await?,
    };
    if let Put::Written(_) = put {
        return Ok(());
    }
    // A run that did the same work may have been faster with this last step alone.
    let now = bucket
        .fetch(&key)
        .await?
        .and_then(|object| serde_json::from_slice::<RpoManifest>(&object.bytes).ok());
    if now.is_some_and(|now| now == *manifest) {
        tracing::info!("{}: another run has pointed to it meanwhile", assembly.edition);
        return Ok(());
    }
    Err(Error::Overtaken { key: key.to_string() })
}

/// The folder of one assembly inside the workspace; emptied at the start, removed at the end. Patches lie in a temporary folder, because the AppServer
/// refuses a patch whose path holds an upper-case character, and workspaces often do.
struct Workspace {
    folder: PathBuf,
    patches: TempDir,
}

impl Workspace {
    fn new(env: &Env, generation: &str) -> Result<Self, Error> {
        let folder = env.workspace().join(".esteira").join(format!("rpo-{generation}"));
        let patches = lower_case_folder()
            .map_err(|source| Error::Workspace { folder: "the temporary folder".to_owned(), source })?;
        let work = Self { folder, patches };
        let prepare = || -> io::Result<()> {
            if work.folder.exists() {
                std::fs::remove_dir_all(&work.folder)?;
            }
            std::fs::create_dir_all(work.repository())
        };
        prepare().map_err(|source| work.failed(source))?;
        Ok(work)
    }

    fn repository(&self) -> PathBuf {
        self.folder.join("apo")
    }

    /// A patch's file, in lower case too.
    fn patch(&self, number: usize, key: &str) -> Result<PathBuf, Error> {
        let folder = self.patches.path().join(number.to_string());
        std::fs::create_dir_all(&folder).map_err(|source| self.failed(source))?;
        Ok(folder.join(key.rsplit('/').next().unwrap_or(key).to_lowercase()))
    }

    fn reports(&self, number: usize) -> Result<PathBuf, Error> {
        let folder = self.folder.join("reports").join(number.to_string());
        std::fs::create_dir_all(&folder).map_err(|source| self.failed(source))?;
        Ok(folder)
    }

    fn write(&self, file: &Path, text: &str) -> Result<(), Error> {
        std::fs::write(file, text).map_err(|source| self.failed(source))
    }

    fn remove(&self, file: &Path) -> Result<(), Error> {
        std::fs::remove_file(file).map_err(|source| self.failed(source))
    }

    fn failed(&self, source: io::Error) -> Error {
        Error::Workspace { folder: self.folder.display().to_string(), source }
    }
}

/// tempfile's own random names mix cases.
fn lower_case_folder() -> io::Result<TempDir> {
    let mut last = io::Error::other("no free name");
    for attempt in 0..100_u32 {
        let name = format!("esteira-patches-{}-{attempt}", std::process::id());
        match tempfile::Builder::new().prefix(&name).rand_bytes(0).tempdir() {
            Ok(folder) => return Ok(folder),
            Err(error) => last = error,
        }
    }
    Err(last)
}

impl Drop for Workspace {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.folder) {
            tracing::warn!("`{}` could not be removed: {error}", self.folder.display());
        }
    }
}
