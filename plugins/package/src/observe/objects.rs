//! Component folders of the bucket, and the RPO. Objects are known by size and tag: reading gigabytes only to look at them would cost as
//! much as packing them.

use std::collections::{BTreeMap, BTreeSet};

use shared::bucket::{Bucket, Entry, Key, Kind};

use super::Found;
use crate::Error;
use crate::component::{Component, LONGEST_VERSION, Node, VERSION, folders_above, is_name, version};
use crate::settings::{RpoSettings, Sources};

/// All component folders below `prefix`.
pub(super) async fn components(
    prefix: &str,
    sources: &Sources,
    bucket: &Bucket,
) -> Result<Vec<Found>, Error> {
    let mut folders: BTreeMap<String, Vec<Entry>> = BTreeMap::new();
    for entry in bucket.list(prefix).await? {
        let Some((name, _)) = below(prefix, &entry.key).split_once('/') else { continue };
        if sources.wants(name) {
            folders.entry(name.to_owned()).or_default().push(entry);
        }
    }
    let mut found = Vec::new();
    for (name, entries) in folders {
        let folder = format!("{prefix}/{name}");
        match component(&folder, &name, &entries, bucket).await? {
            Some(content) => found.push(Found { name, place: format!("`{prefix}` of the bucket"), content }),
            None => tracing::debug!("`{folder}` has no file `{VERSION}`: it is no component"),
        }
    }
    Ok(found)
}

/// One component folder, which must be one.
pub(super) async fn folder(folder: &str, bucket: &Bucket) -> Result<Found, Error> {
    let (parent, name) = folder.rsplit_once('/').unwrap_or(("", folder));
    let entries = bucket.list(folder).await?;
    let content = component(folder, name, &entries, bucket).await?;
    Ok(Found {
        name: name.to_owned(),
        place: format!("`{parent}` of the bucket"),
        content: content.unwrap_or_else(|| Err(vec![format!("it has no file `{VERSION}`")])),
    })
}

/// The RPO with a `VERSION` of our own beside it, as any other component has.
pub(super) async fn rpo(rpo: &RpoSettings, bucket: &Bucket) -> Result<Found, Error> {
    let (folder, file) = rpo.key.rsplit_once('/').unwrap_or(("", &rpo.key));
    let content = match bucket.look(&Key::new(&rpo.key, Kind::Archive)).await? {
        None => Err(vec![format!("there is no `{file}`")]),
        Some(entry) => {
            let text = Node::Text(format!("{}\n", rpo.version));
            let tree = BTreeMap::from([(file.to_owned(), object(&entry)), (VERSION.to_owned(), text)]);
            Ok(Component { name: rpo.component.clone(), version: rpo.version.clone(), tree })
        }
    };
    Ok(Found { name: rpo.component.clone(), place: format!("`{folder}` of the bucket"), content })
}

async fn component(
    folder: &str,
    name: &str,
    entries: &[Entry],
    bucket: &Bucket,
) -> Result<Option<Result<Component, Vec<String>>>, Error> {
    let Some(entry) = entries.iter().find(|entry| below(folder, &entry.key) == VERSION) else {
        return Ok(None);
    };
    let mut problems = Vec::new();
    if !is_name(name) {
        problems.push("its name has other characters than letters, digits, `.`, `-` and `_`".to_owned());
    }
    let bytes = match entry.size {
        // A range of an empty object is an error.
        0 => Vec::new(),
        _ => bucket.head(&Key::new(&entry.key, Kind::Archive), LONGEST_VERSION).await?.to_vec(),
    };
    let version = version(&bytes).map_err(|problem| problems.push(problem));
    let markers = markers(entries, bucket).await?;
    let tree = tree(folder, entries, &markers).map_err(|problem| problems.extend(problem));
    Ok(Some(match (version, tree) {
        (Ok(version), Ok(tree)) if problems.is_empty() => {
            Ok(Component { name: name.to_owned(), version, tree })
        }
        _ => Err(problems),
    }))
}

/// Some tools write an empty object `folder/` in a folder's place. It is listed without its `/`, and nothing can be read under that name.
async fn markers(entries: &[Entry], bucket: &Bucket) -> Result<BTreeSet<String>, Error> {
    let mut markers = BTreeSet::new();
    for entry in entries.iter().filter(|entry| entry.size == 0) {
        if bucket.fetch(&Key::new(&entry.key, Kind::Archive)).await?.is_none() {
            markers.insert(entry.key.clone());
        }
    }
    Ok(markers)
}

/// A bucket has no folders; they follow from the keys, and from the markers of empty ones.
fn tree(
    folder: &str,
    entries: &[Entry],
    markers: &BTreeSet<String>,
) -> Result<BTreeMap<String, Node>, Vec<String>> {
    let mut tree = BTreeMap::new();
    let mut folders = BTreeSet::new();
    for entry in entries {
        let path = below(folder, &entry.key);
        folders.extend(folders_above(path).map(str::to_owned));
        if markers.contains(&entry.key) {
            folders.insert(path.to_owned());
        } else {
            tree.insert(path.to_owned(), object(entry));
        }
    }
    // The marker of the component's own folder.
    folders.remove("");
    let problems: Vec<String> = folders
        .iter()
        .filter(|path| tree.contains_key(*path))
        .map(|path| format!("`{path}` is a file and a folder at once"))
        .collect();
    tree.extend(folders.into_iter().map(|path| (path, Node::Folder)));
    if problems.is_empty() { Ok(tree) } else { Err(problems) }
}

fn object(entry: &Entry) -> Node {
    Node::Object { key: entry.key.clone(), size: entry.size, tag: entry.tag.clone() }
}

fn below<'a>(folder: &str, key: &'a str) -> &'a str {
    key.strip_prefix(folder).unwrap_or(key).trim_start_matches('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(key: &str, size: u64) -> Entry {
        Entry { key: key.to_owned(), size, tag: "t".to_owned() }
    }

    #[test]
    fn folders_follow_from_the_keys_and_markers() {
        let keys = [
            ("", 0),
            ("/VERSION", 2),
            ("/a", 0),
            ("/a/b/c.txt", 5),
            ("/a/b-c", 1),
            ("/empty", 0),
            ("/nothing", 0),
        ];
        let entries = keys.map(|(key, size)| entry(&format!("base/web{key}"), size));
        let markers = ["", "/a", "/empty"].map(|key| format!("base/web{key}")).into();
        let tree = tree("base/web", &entries, &markers).unwrap();
        assert_eq!(
            tree.keys().collect::<Vec<_>>(),
            ["VERSION", "a", "a/b", "a/b-c", "a/b/c.txt", "empty", "nothing"]
        );
        let folders: Vec<_> =
            tree.iter().filter(|(_, node)| **node == Node::Folder).map(|(path, _)| path.as_str()).collect();
        assert_eq!(folders, ["a", "a/b", "empty"]);
    }

    #[test]
    fn a_key_that_is_file_and_folder_is_refused() {
        let problems =
            tree("base/web", &[entry("base/web/a", 7), entry("base/web/a/b", 1)], &BTreeSet::new())
                .unwrap_err();
        assert_eq!(problems, ["`a` is a file and a folder at once"]);
    }
}
