//! Where the lab keeps things: a temporary folder per process, and files that hold secrets.
//! It may not know what is kept.
//! Called by every module that starts a counterpart.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use crate::error::{Attempt as _, Error};
use crate::process::{command, environment, spawn};
use crate::shim;

/// A new sub-folder of this process's temporary folder, which is removed when the process ends, however it
/// ends. `ESTEIRA_LAB_KEEP` in the environment keeps it, to read the logs.
pub fn temporary(name: &str) -> Result<PathBuf, Error> {
    static ROOT: OnceLock<Result<Root, Error>> = OnceLock::new();
    let root = ROOT.get_or_init(Root::new).as_ref().map_err(Clone::clone)?;
    let folder = root.path.join(unique_name(name));
    create(&folder)?;
    Ok(folder)
}

/// A name that nobody else in this process is given.
pub fn unique_name(prefix: &str) -> String {
    static GIVEN: AtomicU32 = AtomicU32::new(1);
    format!("{prefix}-{}", GIVEN.fetch_add(1, Ordering::Relaxed))
}

/// Creates a folder with its parents, readable by the owner alone: it will hold keys and tokens.
pub(crate) fn create(folder: &Path) -> Result<(), Error> {
    use std::os::unix::fs::DirBuilderExt as _;
    let builder = &mut fs::DirBuilder::new();
    let created = builder.recursive(true).mode(0o700).create(folder);
    created.attempting(|| format!("cannot create the folder `{}`", folder.display()))
}

/// A folder taken for this process alone; it may be taken again when this value is dropped.
pub(crate) struct Claim(File);

impl Drop for Claim {
    fn drop(&mut self) {
        // Closing the file is not enough: a child that another thread starts at this moment has it open too, and the lock with it, until it
        // becomes its program (flock(2)). Where this fails, the lock ends with that.
        let _ = self.0.unlock();
    }
}

/// Takes a persistent folder, created when missing, for as long as the returned claim is kept. The returned
/// path is absolute: tools work in other folders than their owner.
pub(crate) fn claim(folder: &Path) -> Result<(PathBuf, Claim), Error> {
    create(folder)?;
    let attempt = || format!("cannot claim `{}`, which another lab may be using", folder.display());
    let path = fs::canonicalize(folder).attempting(attempt)?;
    let file = File::create(path.join("lock")).attempting(attempt)?;
    file.try_lock().attempting(attempt)?;
    Ok((path, Claim(file)))
}

/// Writes a file that only its owner may read, whole or not at all.
pub(crate) fn write_private(path: &Path, content: &str) -> Result<(), Error> {
    let written = || -> io::Result<()> {
        let partial = path.with_added_extension("partial");
        let mut file =
            OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&partial)?;
        file.write_all(content.as_bytes())?;
        fs::rename(partial, path)
    };
    written().attempting(|| format!("cannot write `{}`", path.display()))
}

/// The secret kept in the file `path`, made on first use.
pub(crate) fn kept_secret(path: &Path) -> Result<String, Error> {
    if let Ok(secret) = fs::read_to_string(path) {
        return Ok(secret);
    }
    let secret = random_secret()?;
    write_private(path, &secret)?;
    Ok(secret)
}

/// A secret that nobody can guess: 40 hexadecimal digits.
pub(crate) fn random_secret() -> Result<String, Error> {
    let mut random = [0; 20];
    File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut random))
        .attempting(|| "cannot read random bytes".into())?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The process's folder, and the sweeper that outlives this process to remove it.
struct Root {
    path: PathBuf,
    _sweeper: Option<Child>,
}

impl Root {
    fn new() -> Result<Self, Error> {
        let attempt = || "cannot prepare the lab's temporary folder".into();
        let path = tempfile::Builder::new().prefix("esteira-lab-").tempdir().attempting(attempt)?.keep();
        if environment("ESTEIRA_LAB_KEEP").is_some() {
            crate::say(&format!("keeping {}", path.display()));
            return Ok(Self { path, _sweeper: None });
        }
        let mut sweeper = command(shim::lab_program()?);
        sweeper.arg("sweep").arg(&path).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // Out of reach of a Ctrl-C, which ends this process and not the sweeper.
        sweeper.process_group(0);
        let sweeper = spawn(sweeper).attempting(attempt)?;
        Ok(Self { path, _sweeper: Some(sweeper) })
    }
}

/// Removes `folder` when the process at the other end of standard input has ended.
///
/// Waiting for the end of a pipe notices every kind of end, and needs no polling.
pub fn sweep_after_owner(folder: &Path) -> Result<(), Error> {
    let attempt = || format!("cannot sweep `{}`", folder.display());
    io::copy(&mut io::stdin(), &mut io::sink()).attempting(attempt)?;
    // The tools are being killed at this moment and may still write.
    for _ in 0..20 {
        if fs::remove_dir_all(folder).is_ok() || !folder.exists() {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(250));
    }
    fs::remove_dir_all(folder).attempting(attempt)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_folder_is_free_when_its_claim_is_dropped_though_a_child_still_has_the_lock_open() {
        let folder = tempfile::tempdir().unwrap();
        let (_, claim) = super::claim(folder.path()).unwrap();
        // As a child has it between fork and exec.
        let _inherited = claim.0.try_clone().unwrap();
        assert!(super::claim(folder.path()).is_err(), "it is taken");
        drop(claim);
        super::claim(folder.path()).unwrap();
    }
}
