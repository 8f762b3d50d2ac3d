//! Writes the files of `report_dir`, each whole and readable by others. May only write what a cleaned [`Record`] holds;
//! called by `entry` at a run's end, and by `chain` for the files that it hands on.

use std::io;
use std::path::Path;

use serde::Serialize;

use super::{Record, html, junit, markdown};

/// The files that a run writes into `report_dir`.
pub const FILES: [&str; 4] = ["report.json", "report.md", "junit.xml", "report.html"];

/// Writes the record in every form.
pub(crate) fn write_all(folder: &Path, record: &Record) -> io::Result<()> {
    let mut json = serde_json::to_vec_pretty(record)?;
    json.push(b'\n');
    let junit = junit::of(record).map_err(io::Error::other)?;
    let forms = [json, markdown::of(record).into_bytes(), junit.into_bytes(), html::of(record).into_bytes()];
    for (name, content) in FILES.iter().zip(forms) {
        write_whole(&folder.join(name), &content)?;
    }
    Ok(())
}

/// Removes what an earlier run left: a run that is killed must not seem to have ended as that one did. What cannot be removed
/// cannot be replaced either, which is said at the end.
pub(crate) fn clear(folder: &Path) {
    for name in FILES {
        let _ = std::fs::remove_file(folder.join(name));
    }
}

/// Writes a JSON file so that readers see the old or the new one, never half of it.
pub(crate) fn write_json(folder: &Path, name: &str, content: &impl Serialize) -> io::Result<()> {
    let mut text = serde_json::to_vec_pretty(content)?;
    text.push(b'\n');
    write_whole(&folder.join(name), &text)
}

/// Writes a file so that readers see the old or the new one, never half of it. Its folder is made if need be.
pub(crate) fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    io::Write::write_all(&mut file, content)?;
    set_readable(file.as_file())?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// Temporary files are born 0600; reports are read by other users (Jenkins' agent, a later container).
fn set_readable(file: &std::fs::File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}
