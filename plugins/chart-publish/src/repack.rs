//! Packs what helm packed once more, so that the same source gives the same bytes: helm writes each file's time of change into the archive (every
//! checkout has others) and subcharts in random order. What is in the files is not touched.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use bytes::Bytes;
use flate2::read::GzDecoder;
use flate2::{Compression, GzBuilder};
use shared::digest::{Digest, Hasher};

/// helm refuses charts with more than 100 MiB of files; this much again for the archive's headers bounds what is read into memory.
const LARGEST: u64 = 110 << 20;

/// 1980-01-01, the oldest time that every archive format can hold. 0 would do for helm, but makes GNU tar warn of implausibly old files.
const TIME: u64 = 315_532_800;

/// Fixed, like the gzip header without name and time: another level is other bytes. The best one, because a chart is read far more often.
const LEVEL: u32 = 9;

/// A chart archive whose bytes depend on nothing but its files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repacked {
    /// The archive.
    pub bytes: Bytes,
    /// Its digest, which stands in the index.
    pub digest: Digest,
    /// Digest of names and contents alone, whatever compressed them.
    pub content: Digest,
    /// The text of its `Chart.yaml`, as helm wrote it.
    pub chart_yaml: String,
}

/// What is wrong with a chart archive.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is no archive.
    #[error("it is not a tar.gz archive")]
    Read(#[source] io::Error),
    /// Its files cannot be packed again.
    #[error("it cannot be packed again")]
    Write(#[source] io::Error),
    /// It has a file that no chart may have.
    #[error("`{path}` in it {reason}")]
    File {
        /// The path.
        path: String,
        /// Why.
        reason: &'static str,
    },
    /// It has no `Chart.yaml`.
    #[error("it has no readable `{0}/Chart.yaml`")]
    NoChart(String),
}

/// Packs an archive of the chart `name` again, without the files below the paths of `leave_out` (relative to the chart's folder).
///
/// # Errors
/// When it is no chart archive.
pub fn repack(archive: &[u8], name: &str, leave_out: &[String]) -> Result<Repacked, Error> {
    let mut files = files(archive, name)?;
    files.retain(|path, _| !leave_out.iter().any(|own| is_below(path, &format!("{name}/{own}"))));
    let no_chart = || Error::NoChart(name.to_owned());
    let chart_yaml = files.get(&format!("{name}/Chart.yaml")).ok_or_else(no_chart)?;
    let chart_yaml = String::from_utf8(chart_yaml.clone()).map_err(|_| no_chart())?;
    let gzip = GzBuilder::new().write(Vec::new(), Compression::new(LEVEL));
    let hashed =
        write(&files, name, Hashed { inner: gzip, hasher: Hasher::default() }).map_err(Error::Write)?;
    let bytes = hashed.inner.finish().map_err(Error::Write)?;
    Ok(Repacked {
        digest: Digest::of(&bytes),
        content: hashed.hasher.finish(),
        bytes: bytes.into(),
        chart_yaml,
    })
}

/// Digest of the names and contents in an archive of the chart `name`: archives that differ only in times, order or compression have the same.
///
/// # Errors
/// When it is no chart archive.
pub fn content(archive: &[u8], name: &str) -> Result<Digest, Error> {
    let files = files(archive, name)?;
    let hashed = Hashed { inner: io::sink(), hasher: Hasher::default() };
    Ok(write(&files, name, hashed).map_err(Error::Write)?.hasher.finish())
}

fn is_below(path: &str, parent: &str) -> bool {
    path.strip_prefix(parent).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn files(archive: &[u8], name: &str) -> Result<BTreeMap<String, Vec<u8>>, Error> {
    let mut tar = tar::Archive::new(GzDecoder::new(archive).take(LARGEST));
    let mut files = BTreeMap::new();
    for entry in tar.entries().map_err(Error::Read)? {
        let mut entry = entry.map_err(Error::Read)?;
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let refused = |reason| Error::File { path: path.clone(), reason };
        if path.as_bytes() != &*entry.path_bytes() {
            return Err(refused("has a name that is not UTF-8"));
        }
        match entry.header().entry_type() {
            tar::EntryType::Regular => {}
            // helm skips these too when it reads a chart; files bring their folders along.
            tar::EntryType::Directory | tar::EntryType::XGlobalHeader => continue,
            _ => return Err(refused("is not a regular file")),
        }
        if !path.strip_prefix(name).is_some_and(|rest| rest.starts_with('/')) {
            return Err(refused("does not lie in the chart's folder"));
        }
        if path.contains('\\') || path.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(refused("is no plain path"));
        }
        let mut content = Vec::new();
        entry.read_to_end(&mut content).map_err(Error::Read)?;
        if files.insert(path.clone(), content).is_some() {
            return Err(refused("is there twice"));
        }
    }
    Ok(files)
}

/// Writes `Chart.yaml` first, as helm does, so that readers of the beginning find it; all others by name.
fn write<W: Write>(files: &BTreeMap<String, Vec<u8>>, name: &str, to: W) -> io::Result<W> {
    let mut tar = tar::Builder::new(to);
    let chart_yaml = format!("{name}/Chart.yaml");
    let first = files.get_key_value(&chart_yaml);
    for (path, content) in first.into_iter().chain(files.iter().filter(|(path, _)| **path != chart_yaml)) {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(TIME);
        header.set_size(content.len() as u64);
        tar.append_data(&mut header, path, content.as_slice())?;
    }
    tar.into_inner()
}

/// Passes bytes on and hashes them on the way.
struct Hashed<W> {
    inner: W,
    hasher: Hasher,
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..length]);
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An archive as helm would write it: times and order as given.
    fn archive(files: &[(&str, &str)], time: u64, level: u32) -> Vec<u8> {
        let gzip = GzBuilder::new().comment("Helm").mtime(7).write(Vec::new(), Compression::new(level));
        let mut tar = tar::Builder::new(gzip);
        for (path, content) in files {
            let mut header = tar::Header::new_ustar();
            header.set_size(content.len() as u64);
            header.set_mode(0o600);
            header.set_mtime(time);
            // Unlike append_data, this writes paths that should be refused.
            header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
            header.set_cksum();
            tar.append(&header, content.as_bytes()).unwrap();
        }
        tar.into_inner().unwrap().finish().unwrap()
    }

    const CHART: (&str, &str) = ("web/Chart.yaml", "name: web\n");

    #[test]
    fn the_same_files_give_the_same_bytes_whatever_their_times_and_order() {
        let one = archive(
            &[CHART, ("web/values.yaml", "a: 1\n"), ("web/charts/a/x", "1"), ("web/charts/b/x", "2")],
            1_700_000_000,
            6,
        );
        let two = archive(
            &[("web/charts/b/x", "2"), ("web/charts/a/x", "1"), ("web/values.yaml", "a: 1\n"), CHART],
            1_800_000_000,
            1,
        );
        let (one, two) = (repack(&one, "web", &[]).unwrap(), repack(&two, "web", &[]).unwrap());
        assert_eq!(one, two);
        assert_eq!(one.chart_yaml, "name: web\n");
        let other = archive(&[CHART, ("web/values.yaml", "a: 2\n")], 1_700_000_000, 6);
        assert_ne!(repack(&other, "web", &[]).unwrap().content, one.content);
    }

    #[test]
    fn the_archive_begins_with_chart_yaml_and_names_nobody() {
        let bytes = repack(&archive(&[("web/A", "1"), CHART], 5, 6), "web", &[]).unwrap().bytes;
        assert_eq!(
            bytes[..10],
            [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 255],
            "no name, no time, no operating system"
        );
        let mut tar = tar::Archive::new(GzDecoder::new(bytes.as_ref()));
        let headers: Vec<_> = tar
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let header = entry.header();
                (
                    entry.path().unwrap().display().to_string(),
                    header.mode().unwrap(),
                    header.uid().unwrap(),
                    header.mtime().unwrap(),
                )
            })
            .collect();
        assert_eq!(
            headers,
            [("web/Chart.yaml".to_owned(), 0o644, 0, TIME), ("web/A".to_owned(), 0o644, 0, TIME)]
        );
    }

    #[test]
    fn repacking_twice_changes_nothing_and_keeps_the_content() {
        let helms = archive(&[CHART, ("web/a", "1")], 5, 6);
        let once = repack(&helms, "web", &[]).unwrap();
        assert_eq!(repack(&once.bytes, "web", &[]).unwrap(), once);
        assert_eq!(
            content(&helms, "web").unwrap(),
            once.content,
            "what helm itself had published counts as the same"
        );
    }

    #[test]
    fn own_files_are_left_out() {
        let archive = archive(&[CHART, ("web/.esteira/rpo.json", "{}"), ("web/.esteira2", "kept")], 5, 6);
        let repacked = repack(&archive, "web", &[".esteira".to_owned()]).unwrap();
        let paths: Vec<_> = files(&repacked.bytes, "web").unwrap().into_keys().collect();
        assert_eq!(paths, ["web/.esteira2", "web/Chart.yaml"]);
    }

    #[test]
    fn long_names_survive() {
        let path = format!("web/templates/{}.yaml", "long-".repeat(40));
        let mut tar = tar::Builder::new(GzBuilder::new().write(Vec::new(), Compression::new(1)));
        for path in ["web/Chart.yaml", &path] {
            let mut header = tar::Header::new_gnu();
            header.set_size(1);
            tar.append_data(&mut header, path, b"1".as_slice()).unwrap();
        }
        let repacked = repack(&tar.into_inner().unwrap().finish().unwrap(), "web", &[]).unwrap();
        assert!(files(&repacked.bytes, "web").unwrap().contains_key(&path));
    }

    #[test]
    fn what_no_chart_may_have_is_refused() {
        let refusal =
            |path| repack(&archive(&[CHART, (path, "1")], 5, 6), "web", &[]).unwrap_err().to_string();
        assert!(refusal("web/../x").contains("no plain path"));
        assert!(refusal("/web/x").contains("does not lie in the chart's folder"));
        assert!(refusal("webs/x").contains("does not lie in the chart's folder"));
        assert!(refusal("web/Chart.yaml").contains("twice"));
        assert!(repack(b"no archive", "web", &[]).unwrap_err().to_string().contains("not a tar.gz"));
        assert_eq!(
            repack(&archive(&[("web/a", "1")], 5, 6), "web", &[]).unwrap_err().to_string(),
            "it has no readable `web/Chart.yaml`"
        );
    }
}
