//! The RPO: opened by one process at a time, and a record at its end for each patch.
//!
//! The vendor's format is not public. A record holds the patch's name, digest and whether old programs were asked for,
//! so the same base and the same patches in the same order give the same bytes. It ends with its own length and a mark:
//! records are read from the end, whatever the size of the base before them.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

const MARK: &[u8; 8] = b"RPOPATCH";
const DIGEST: usize = 32;
/// Length of the record and mark.
const TAIL: usize = 4 + MARK.len();

/// One patch in an RPO.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The patch's file name as the AppServer was given it.
    pub name: String,
    /// SHA-256 of the patch in lower-case hexadecimal digits.
    pub sha256: String,
    /// Whether `-applyoldprogram` was given.
    pub apply_old: bool,
}

/// The patches in the RPO `path`, in the order of their application.
///
/// # Errors
/// If the file cannot be read, or a record in it is broken.
pub fn applied(path: &Path) -> io::Result<Vec<Applied>> {
    let mut file = File::open(path)?;
    let mut end = file.metadata()?.len();
    let mut found = Vec::new();
    while let Some((applied, start)) = record_before(&mut file, end)? {
        found.push(applied);
        end = start;
    }
    found.reverse();
    Ok(found)
}

/// The record that ends at `end` and where it starts; `None` if what ends there is no record.
fn record_before(file: &mut File, end: u64) -> io::Result<Option<(Applied, u64)>> {
    let Some(tail_start) = end.checked_sub(TAIL as u64) else { return Ok(None) };
    let mut length = [0; 4];
    let mut mark = [0; MARK.len()];
    file.seek(SeekFrom::Start(tail_start))?;
    file.read_exact(&mut length)?;
    file.read_exact(&mut mark)?;
    if mark != *MARK {
        return Ok(None);
    }
    let broken = || io::Error::new(io::ErrorKind::InvalidData, "broken patch record in the RPO");
    let start = tail_start.checked_sub(u64::from(u32::from_le_bytes(length))).ok_or_else(broken)?;
    let mut body = Vec::new();
    file.seek(SeekFrom::Start(start))?;
    file.take(tail_start - start).read_to_end(&mut body)?;
    let (old, rest) = body.split_first().ok_or_else(broken)?;
    let (digest, name) = rest.split_at_checked(DIGEST).ok_or_else(broken)?;
    let name = String::from_utf8(name.to_vec()).map_err(|_| broken())?;
    Ok(Some((Applied { name, sha256: hex(digest), apply_old: *old == 1 }, start)))
}

/// An RPO that no other process has open.
pub(super) struct Repository {
    file: File,
}

impl Repository {
    /// Opens the RPO alone. Where there is none, an empty one is made, and as the vendor's server does with an empty
    /// one, it cannot be opened.
    pub(super) fn open(path: &Path) -> Result<Self, String> {
        let failed =
            |why: &str| format!("COMPILEERROR-300 Failed to open repository {} ({why})", path.display());
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(path)
            .map_err(|error| failed(&error.to_string()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(failed("in use")),
            Err(TryLockError::Error(error)) => return Err(failed(&error.to_string())),
        }
        match file.metadata() {
            Ok(metadata) if metadata.len() > 0 => Ok(Self { file }),
            Ok(_) => Err(failed("empty")),
            Err(error) => Err(failed(&error.to_string())),
        }
    }

    /// Adds the record of one patch.
    pub(super) fn append(&mut self, name: &str, digest: &[u8], apply_old: bool) -> io::Result<()> {
        let mut record = vec![u8::from(apply_old)];
        record.extend_from_slice(digest);
        record.extend_from_slice(name.as_bytes());
        let length = u32::try_from(record.len()).map_err(io::Error::other)?;
        record.extend_from_slice(&length.to_le_bytes());
        record.extend_from_slice(MARK);
        self.file.write_all(&record)
    }
}

/// Lower-case hexadecimal digits of `bytes`.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
