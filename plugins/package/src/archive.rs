//! Writes a component as tar.gz: the same content gives the same bytes, wherever, whenever and by whomever it is packed. Memory does not
//! depend on the component's size. Runs in a thread of its own, because packing blocks; called by `execute`.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use flate2::{Compression, GzBuilder};
use shared::digest::{Digest, Hasher};
use shared::progress::Progress;
use tar::{Builder, EntryType, Header};

use crate::component::{Component, Node};

/// The time of every entry: 2006-07-24, the one tar-rs and cargo use for reproducible archives. Not 0, which GNU tar calls implausibly old.
const MTIME: u64 = 1_153_704_088;
/// "Unknown" by RFC 1952; otherwise the byte would tell on which system the archive was made.
const GZIP_OS: u8 = 255;
const PROGRAM: u32 = 0o755;
const PLAIN: u32 = 0o644;

/// Why a component could not be packed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file is not what was looked at before.
    #[error("`{path}` changed while it was being packed: {reason}")]
    Changed {
        /// The file or object.
        path: String,
        /// In what way.
        reason: String,
    },
    /// A file cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The archive cannot be written.
    #[error("cannot write the archive")]
    Write(#[source] io::Error),
}

/// Packs `component` into `output`. `objects` gives the content of all its objects, one after the other in the order of the tree.
///
/// # Errors
/// When a file cannot be read or changed meanwhile, or the archive cannot be written.
pub fn write(
    component: &Component,
    level: u32,
    mut objects: impl Read,
    output: impl Write,
) -> Result<(), Error> {
    let gzip = GzBuilder::new().mtime(0).operating_system(GZIP_OS).write(output, Compression::new(level));
    let progress = Progress::bytes(format!("pack {}", component.name), component.size());
    let mut archive = Archive { builder: Builder::new(gzip), progress };
    for (path, node) in &component.tree {
        match node {
            Node::Folder => archive.folder(path)?,
            Node::File { file, is_executable, size, digest } => {
                let opened =
                    std::fs::File::open(file).map_err(|source| Error::Read { path: file.clone(), source })?;
                let mode = if *is_executable { PROGRAM } else { PLAIN };
                archive.file(
                    path,
                    mode,
                    *size,
                    Source { place: file, digest: Some(digest), reader: opened },
                )?;
            }
            Node::Object { key, size, tag: _ } => {
                let place = Path::new(key);
                let mut head = Vec::with_capacity(4);
                let read_head = objects.by_ref().take((*size).min(4)).read_to_end(&mut head);
                read_head.map_err(|source| Error::Read { path: place.to_owned(), source })?;
                let rest = objects.by_ref().take(size - head.len() as u64);
                let mode = if is_program(&head) { PROGRAM } else { PLAIN };
                archive.file(path, mode, *size, Source { place, digest: None, reader: head.chain(rest) })?;
            }
            Node::Text(text) => {
                archive.file(
                    path,
                    PLAIN,
                    text.len() as u64,
                    Source { place: Path::new(path), digest: None, reader: text.as_bytes() },
                )?;
            }
        }
    }
    let gzip = archive.builder.into_inner().map_err(Error::Write)?;
    gzip.finish().and_then(|mut output| output.flush()).map_err(Error::Write)
}

/// Whether a file without mode is a program: it begins as an ELF file or names its interpreter.
fn is_program(head: &[u8]) -> bool {
    head.starts_with(b"\x7fELF") || head.starts_with(b"#!")
}

struct Archive<W: Write> {
    builder: Builder<W>,
    /// Of the content, as it is before it is packed.
    progress: Progress,
}

struct Source<'a, R> {
    /// For messages.
    place: &'a Path,
    /// What the content must be, where that is known.
    digest: Option<&'a Digest>,
    reader: R,
}

impl<W: Write> Archive<W> {
    fn folder(&mut self, path: &str) -> Result<(), Error> {
        self.builder
            .append_data(&mut header(EntryType::Directory, PROGRAM, 0), format!("{path}/"), io::empty())
            .map_err(Error::Write)
    }

    fn file(&mut self, path: &str, mode: u32, size: u64, source: Source<'_, impl Read>) -> Result<(), Error> {
        // One byte more than expected is enough to see that it grew; a log that grows for ever would never end.
        let mut watched =
            Watched::new(source.reader.take(size + 1), source.digest.is_some(), &mut self.progress);
        let appended =
            self.builder.append_data(&mut header(EntryType::Regular, mode, size), path, &mut watched);
        if let Some(error) = watched.error {
            return Err(Error::Read { path: source.place.to_owned(), source: error });
        }
        appended.map_err(Error::Write)?;
        let changed = |reason| Error::Changed { path: source.place.display().to_string(), reason };
        if watched.size != size {
            let now = if watched.size > size { "more".to_owned() } else { format!("only {}", watched.size) };
            return Err(changed(format!("it had {size} bytes, and now {now}")));
        }
        match (source.digest, watched.hasher.map(Hasher::finish)) {
            (Some(before), Some(now)) if *before != now => {
                Err(changed("it has other content of the same size".to_owned()))
            }
            _ => Ok(()),
        }
    }
}

/// GNU headers: names of any length and bytes, understood by every tar.
fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_mtime(MTIME);
    header.set_uid(0);
    header.set_gid(0);
    header
}

/// Counts and hashes what is read, and keeps a failure of the source apart from one of the archive.
struct Watched<'a, R> {
    reader: R,
    size: u64,
    hasher: Option<Hasher>,
    error: Option<io::Error>,
    progress: &'a mut Progress,
}

impl<'a, R> Watched<'a, R> {
    fn new(reader: R, is_hashed: bool, progress: &'a mut Progress) -> Self {
        Self { reader, size: 0, hasher: is_hashed.then(Hasher::default), error: None, progress }
    }
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.reader.read(buffer) {
            Ok(length) => {
                self.size += length as u64;
                self.progress.add(length as u64);
                if let Some(hasher) = &mut self.hasher {
                    hasher.update(&buffer[..length]);
                }
                Ok(length)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                self.error = Some(error);
                Err(io::Error::other("the source cannot be read"))
            }
        }
    }
}

#[cfg(test)]
mod tests;
