//! Component folders of the workspace. Every file is read once, so that a component is known by its content and not by its times.

use std::collections::BTreeMap;
use std::fs::{FileType, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use shared::digest::Digest;
use walkdir::{DirEntry, WalkDir};

use super::Found;
use crate::Error;
use crate::component::{Component, LONGEST_VERSION, Node, VERSION, is_name, version};
use crate::settings::Sources;

/// All component folders in `source`, in a thread of their own: reading blocks.
pub(super) async fn components(source: &Path, sources: &Sources) -> Result<Vec<Found>, Error> {
    let (folder, wanted) = (source.to_owned(), sources.clone());
    let read = tokio::task::spawn_blocking(move || components_in(&folder, |name| wanted.wants(name)));
    read.await.unwrap_or_else(|error| Err(Error::Workspace { path: source.to_owned(), source: error.into() }))
}

fn components_in(source: &Path, wants: impl Fn(&str) -> bool) -> Result<Vec<Found>, Error> {
    let failed = |source_error| Error::Workspace { path: source.to_owned(), source: source_error };
    let mut folders =
        std::fs::read_dir(source).map_err(failed)?.collect::<io::Result<Vec<_>>>().map_err(failed)?;
    folders.sort_by_key(std::fs::DirEntry::file_name);
    let mut found = Vec::new();
    for folder in folders {
        let (path, name) = (folder.path(), folder.file_name().to_string_lossy().into_owned());
        // Through a symbolic link too: a linked component is refused below, not passed over.
        if !path.is_dir() || !wants(&name) {
            continue;
        }
        if !exists(&path.join(VERSION))
            .map_err(|source| Error::Workspace { path: path.join(VERSION), source })?
        {
            tracing::debug!("`{}` has no file `{VERSION}`: it is no component", path.display());
            continue;
        }
        let is_link = folder.file_type().is_ok_and(|kind| kind.is_symlink());
        let content = match is_link {
            true => Err(vec!["it is a symbolic link; put the folder itself there".to_owned()]),
            false => component(&path, &name),
        };
        found.push(Found { name, place: format!("`{}`", source.display()), content });
    }
    Ok(found)
}

fn exists(path: &Path) -> io::Result<bool> {
    match path.symlink_metadata() {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn component(folder: &Path, name: &str) -> Result<Component, Vec<String>> {
    let mut problems = Vec::new();
    if !is_name(name) {
        problems.push("its name has other characters than letters, digits, `.`, `-` and `_`".to_owned());
    }
    let version = read_version(&folder.join(VERSION)).map_err(|problem| problems.push(problem));
    let mut tree = BTreeMap::new();
    for entry in WalkDir::new(folder).min_depth(1).follow_links(false) {
        match entry.map_err(|error| error.to_string()).and_then(|entry| node(folder, &entry)) {
            Ok((path, node)) => {
                tree.insert(path, node);
            }
            Err(problem) => problems.push(problem),
        }
    }
    match version {
        Ok(version) if problems.is_empty() => Ok(Component { name: name.to_owned(), version, tree }),
        _ => Err(problems),
    }
}

fn read_version(path: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(LONGEST_VERSION).read_to_end(&mut bytes));
    read.map_err(|error| format!("its file `{VERSION}` cannot be read: {error}"))?;
    version(&bytes)
}

fn node(folder: &Path, entry: &DirEntry) -> Result<(String, Node), String> {
    let below = entry.path().strip_prefix(folder).unwrap_or(entry.path());
    let Some(path) = below.to_str().map(str::to_owned) else {
        return Err(format!("the name of `{}` is not UTF-8", below.display()));
    };
    let kind = entry.file_type();
    if kind.is_dir() {
        return Ok((path, Node::Folder));
    }
    if !kind.is_file() {
        return Err(format!("`{path}` is {}; only files and folders can be packed", other_kind(kind)));
    }
    let unreadable = |error: io::Error| format!("`{path}` cannot be read: {error}");
    let metadata = entry.metadata().map_err(|error| unreadable(error.into()))?;
    let digest = Digest::of_file(entry.path()).map_err(unreadable)?;
    Ok((path, file(entry.path().to_owned(), &metadata, digest)))
}

fn file(file: PathBuf, metadata: &Metadata, digest: Digest) -> Node {
    const OWNER_EXECUTES: u32 = 0o100;
    Node::File {
        file,
        is_executable: metadata.permissions().mode() & OWNER_EXECUTES != 0,
        size: metadata.len(),
        digest,
    }
}

fn other_kind(kind: FileType) -> &'static str {
    if kind.is_symlink() { "a symbolic link" } else { "a device, pipe or socket" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(files: &[(&str, &str)]) -> tempfile::TempDir {
        let source = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = source.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        source
    }

    #[test]
    fn folders_with_a_version_are_components_with_all_that_is_in_them() {
        let source =
            source(&[("web/VERSION", "1.0\n"), ("web/a/run.sh", "x"), ("docs/readme", ""), ("stray", "")]);
        std::fs::create_dir(source.path().join("web/empty")).unwrap();
        std::fs::set_permissions(source.path().join("web/a/run.sh"), std::fs::Permissions::from_mode(0o700))
            .unwrap();
        let found = components_in(source.path(), |_| true).unwrap();
        assert_eq!(found.len(), 1);
        let component = found[0].content.as_ref().unwrap();
        assert_eq!((component.name.as_str(), component.version.as_str()), ("web", "1.0"));
        assert_eq!(component.tree.keys().collect::<Vec<_>>(), ["VERSION", "a", "a/run.sh", "empty"]);
        assert!(matches!(component.tree["a/run.sh"], Node::File { is_executable: true, size: 1, .. }));
        assert_eq!((component.files(), component.size()), (2, 5));
    }

    #[test]
    fn everything_that_is_wrong_with_a_component_is_named() {
        let source = source(&[("web files/VERSION", "1.0+5\n"), ("other/VERSION", "1")]);
        std::os::unix::fs::symlink("/etc/passwd", source.path().join("web files/link")).unwrap();
        std::os::unix::fs::symlink(source.path().join("other"), source.path().join("linked")).unwrap();
        let found = components_in(source.path(), |_| true).unwrap();
        let problems: Vec<String> =
            found.into_iter().filter_map(|found| found.content.err()).flatten().collect();
        assert_eq!(problems.len(), 4, "{problems:?}");
        assert!(problems[0].contains("it is a symbolic link"), "{problems:?}");
        assert!(problems[1].contains("other characters"), "{problems:?}");
        assert!(problems[2].contains("`VERSION` says `1.0+5`"), "{problems:?}");
        assert!(problems[3].contains("`link` is a symbolic link"), "{problems:?}");
    }

    #[test]
    fn a_source_that_is_not_there_is_named() {
        assert_eq!(
            components_in(Path::new("/nowhere"), |_| true).unwrap_err().to_string(),
            "cannot read `/nowhere`"
        );
    }
}
