//! Writes the files of `report_dir`, each whole and readable by others. May only write what a cleaned [`Record`] holds;
//! called by `entry` at a run's end, and by `chain` for the files that it hands on.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use serde::Serialize;

use super::{Record, html, junit, markdown};

/// The files that a run writes into `report_dir`.
pub const FILES: [&str; 5] = ["report.json", "report.md", "junit.xml", "report.css", "report.html"];

/// How long the reader of a pipe may take.
const UNTIL_TAKEN: Duration = Duration::from_secs(5);

/// Writes the record in every form.
pub(crate) fn write_all(folder: &Path, record: &Record) -> io::Result<()> {
    let junit = junit::of(record).map_err(io::Error::other)?;
    let [json_file, markdown_file, junit_file, style_file, html_file] = FILES;
    write_json(folder, json_file, record)?;
    write_whole(&folder.join(markdown_file), markdown::of(record).as_bytes())?;
    write_whole(&folder.join(junit_file), junit.as_bytes())?;
    write_whole(&folder.join(style_file), html::STYLE.as_bytes())?;
    write_whole(&folder.join(html_file), html::of(record).as_bytes())
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

/// Writes a file so that readers see the old or the new one, never half of it. Its folder is made if need be. What is there and is no file (a link, a
/// pipe, a device) stays and is written into.
pub(crate) fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    if path.symlink_metadata().is_ok_and(|there| !there.is_file()) {
        return write_into(path, content);
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(content)?;
    set_readable(file.as_file())?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// Opening a pipe waits for its reader, and there may be none.
fn write_into(path: &Path, content: &[u8]) -> io::Result<()> {
    let (sender, written) = mpsc::channel();
    let (path, content) = (path.to_owned(), content.to_owned());
    std::thread::spawn(move || {
        let write = || {
            let mut file = OpenOptions::new().append(true).create(true).open(&path)?;
            // What a link leads to is replaced. A stream of this process is not, because the file behind it has the log.
            if file.metadata()?.is_file() && !path.starts_with("/dev") && !path.starts_with("/proc") {
                file.set_len(0)?;
            }
            file.write_all(&content)
        };
        // Fails only when it was given up meanwhile.
        let _ = sender.send(write());
    });
    let given_up = |_| io::Error::new(io::ErrorKind::TimedOut, "nobody reads what is written there");
    written.recv_timeout(UNTIL_TAKEN).map_err(given_up)?
}

/// Temporary files are born 0600; reports are read by other users (Jenkins' agent, a later container).
fn set_readable(file: &std::fs::File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn a_link_stays_and_what_it_leads_to_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (link, target) = (folder.path().join("link"), folder.path().join("target"));
        symlink(&target, &link).unwrap();
        for content in ["a long text", "short"] {
            write_whole(&link, content.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&target).unwrap(), content);
        }
        assert!(link.symlink_metadata().unwrap().is_symlink());
    }

    #[test]
    fn what_is_no_file_is_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let _socket = UnixListener::bind(&path).unwrap();
        write_whole(&path, b"text").unwrap_err();
        assert!(!path.symlink_metadata().unwrap().is_file());
    }
}
