//! The bytes of an archive, and what other tars find in it.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, SystemTime};

use flate2::read::GzDecoder;

use super::*;

fn component(tree: impl IntoIterator<Item = (String, Node)>) -> Component {
    Component { name: "web".into(), version: "1".into(), tree: tree.into_iter().collect() }
}

fn file(folder: &Path, path: &str, content: &str, is_executable: bool) -> (String, Node) {
    let file = folder.join(path);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, content).unwrap();
    (
        path.to_owned(),
        Node::File {
            file,
            is_executable,
            size: content.len() as u64,
            digest: Digest::of(content.as_bytes()),
        },
    )
}

fn pack(component: &Component, objects: &[u8]) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    write(component, 6, objects, &mut bytes)?;
    Ok(bytes)
}

/// Path, mode, type and content of every entry.
fn unpacked(bytes: &[u8]) -> Vec<(String, u32, EntryType, String)> {
    let mut archive = tar::Archive::new(GzDecoder::new(bytes));
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let header = entry.header().clone();
        assert_eq!((header.mtime().unwrap(), header.uid().unwrap(), header.gid().unwrap()), (MTIME, 0, 0));
        assert_eq!((header.username().unwrap(), header.groupname().unwrap()), (Some(""), Some("")));
        let mut content = String::new();
        entry.read_to_string(&mut content).unwrap();
        (
            entry.path().unwrap().to_str().unwrap().to_owned(),
            header.mode().unwrap(),
            header.entry_type(),
            content,
        )
    });
    entries.collect()
}

#[test]
fn times_and_order_of_creation_do_not_change_a_byte() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let first = component([
        file(one.path(), "VERSION", "1\n", false),
        file(one.path(), "a/b", "x", true),
        ("a".into(), Node::Folder),
    ]);
    let second = component([
        ("a".into(), Node::Folder),
        file(two.path(), "a/b", "x", true),
        file(two.path(), "VERSION", "1\n", false),
    ]);
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
    fs::File::options().append(true).open(two.path().join("a/b")).unwrap().set_modified(long_ago).unwrap();
    let bytes = pack(&first, &[]).unwrap();
    assert_eq!(bytes, pack(&second, &[]).unwrap());
    // The gzip header: no flags, no time, unknown system.
    assert_eq!((bytes[3], &bytes[4..8], bytes[9]), (0, &[0; 4][..], 255));
    let listed = unpacked(&bytes);
    assert_eq!(
        listed.iter().map(|(path, mode, ..)| (path.as_str(), *mode)).collect::<Vec<_>>(),
        [("VERSION", 0o644), ("a/", 0o755), ("a/b", 0o755)]
    );
}

#[test]
fn long_utf8_and_empty_names_come_back_as_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let long = format!("{}/{}ção.txt", "dicionário".repeat(12), "x".repeat(150));
    let parent = long.split_once('/').unwrap().0.to_owned();
    let tree = [
        file(folder.path(), &long, "long", false),
        (parent.clone(), Node::Folder),
        ("empty".into(), Node::Folder),
        file(folder.path(), "nothing", "", false),
    ];
    let listed = unpacked(&pack(&component(tree), &[]).unwrap());
    let expected = [
        (format!("{parent}/"), 0o755, EntryType::Directory, String::new()),
        (long, 0o644, EntryType::Regular, "long".to_owned()),
        ("empty/".to_owned(), 0o755, EntryType::Directory, String::new()),
        ("nothing".to_owned(), 0o644, EntryType::Regular, String::new()),
    ];
    assert_eq!(listed, expected);
}

#[test]
fn the_first_bytes_of_an_object_decide_its_mode() {
    let contents = ["", "#!", "\x7fELF\x02rest", "#", "plain text"];
    let node =
        |content: &str| Node::Object { key: "k".into(), size: content.len() as u64, tag: String::new() };
    let tree: BTreeMap<String, Node> =
        contents.iter().enumerate().map(|(at, content)| (at.to_string(), node(content))).collect();
    let listed = unpacked(&pack(&component(tree), contents.concat().as_bytes()).unwrap());
    assert_eq!(
        listed.iter().map(|(_, mode, ..)| *mode).collect::<Vec<_>>(),
        [PLAIN, PROGRAM, PROGRAM, PLAIN, PLAIN]
    );
    assert_eq!(listed.iter().map(|(.., content)| content.as_str()).collect::<Vec<_>>(), contents);
}

#[test]
fn a_file_that_changed_meanwhile_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let component = component([file(folder.path(), "log", "12345", false)]);
    for (now, reason) in [
        ("123", "it had 5 bytes, and now only 3"),
        ("123456789", "it had 5 bytes, and now more"),
        ("54321", "other content of the same size"),
    ] {
        fs::write(folder.path().join("log"), now).unwrap();
        let error = pack(&component, &[]).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
    fs::remove_file(folder.path().join("log")).unwrap();
    assert!(matches!(pack(&component, &[]), Err(Error::Read { .. })));
}
