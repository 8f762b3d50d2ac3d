//! A folder as a bucket: two processes at once, and a process that is ended between any two of its system calls.

use std::path::{Path, PathBuf};

use lab::bucket::{Content, download, keys};
use lab::process::output;
use lab::trace::trace;
use shared::bucket::{Bucket, Manifest};

use super::Place;

/// A bucket with an index that others have written into.
fn begun() -> (Place, PathBuf) {
    let place = Place::folder();
    let folder = PathBuf::from(place.name());
    std::fs::write(folder.join("index"), "theirs\n").unwrap();
    (place, folder)
}

/// All objects with their content; the manifest without who wrote it, for a claim is another one in every run.
async fn published(bucket: &Bucket) -> (Vec<String>, Option<Content>, String) {
    let [_, manifest, index] = keys();
    let names = bucket.list("").await.unwrap().into_iter().map(|entry| entry.key).collect();
    let content = match bucket.manifest::<Content>(&manifest).await.unwrap() {
        Some((Manifest::Published(content), _)) => Some(content),
        Some((Manifest::Uploading { .. } | Manifest::Replacing { .. }, _)) | None => None,
    };
    let index = bucket.fetch(&index).await.unwrap().unwrap().bytes;
    (names, content, String::from_utf8(index.to_vec()).unwrap())
}

/// What a reader may find after a cut: each object as it was or as it is to be, and no other.
async fn is_whole(bucket: &Bucket, end: &(Vec<String>, Option<Content>, String), cut: &str) {
    let (names, content, index) = published(bucket).await;
    assert!(names.iter().all(|name| end.0.contains(name)), "{cut}: {names:?}");
    assert!(content.is_none() || content == end.1, "{cut}: {content:?}");
    assert!(index == "theirs\n" || index == end.2, "{cut}: {index}");
    let [archive, ..] = keys();
    if names.contains(&archive.to_string()) {
        let digest = download(bucket, &archive).await.unwrap();
        assert_eq!(Some(digest), end.1.as_ref().map(|content| content.digest.clone()), "{cut}");
    } else {
        assert_eq!(content, None, "{cut}: published, and not there");
    }
}

fn leftovers(folder: &Path) -> usize {
    let files =
        |folder: &Path| std::fs::read_dir(folder).map(|files| files.flatten().collect()).unwrap_or_default();
    let both: [Vec<_>; 2] = [files(folder), files(&folder.join("a"))];
    both.iter().flatten().filter(|file| file.file_name().to_string_lossy().contains('#')).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_survives_a_cut_before_every_system_call_that_changes_it() {
    let (place, folder) = begun();
    let undisturbed = trace(&folder, 0, &place.command(&["publish"])).unwrap();
    assert!(!undisturbed.is_cut);
    let calls = undisturbed.changes.len();
    let seen = |call: &str| undisturbed.changes.iter().any(|change| change.starts_with(call));
    assert!(
        ["open", "write", "fsync", "rename", "link", "unlink", "flock", "mkdir"].into_iter().all(seen),
        "{undisturbed:#?}"
    );
    let end = published(&place.open()).await;
    assert_eq!(end.0, ["a/archive", "a/manifest.json", "index"]);
    assert_eq!((end.2.as_str(), end.1.is_some(), leftovers(&folder)), ("theirs\nours\n", true, 0));
    std::fs::remove_dir_all(&folder).unwrap();

    let mut left = 0;
    for cut in 1..=calls {
        let (place, folder) = begun();
        let traced = trace(&folder, cut, &place.command(&["publish"])).unwrap();
        assert!(traced.is_cut && traced.changes.len() == cut, "{cut}: {traced:#?}");
        let cut = format!("cut {cut} of {calls}, before `{}`", traced.changes[cut - 1]);
        let bucket = place.open();
        is_whole(&bucket, &end, &cut).await;
        left += leftovers(&folder);

        output(place.command(&["publish"]), "").unwrap_or_else(|error| panic!("{cut}: {error}"));
        assert_eq!(published(&bucket).await, end, "{cut}");
        is_whole(&bucket, &end, &cut).await;
        std::fs::remove_dir_all(&folder).unwrap();
    }
    assert!(left > 0, "no cut left anything: were they cuts?");
    lab::figures::note("bucket", "system calls of the folder that a run was cut before", calls as u64)
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_lose_no_update_of_each_other() {
    const EACH: u64 = 60;
    let place = Place::folder();
    let processes = [(); 3].map(|()| {
        let command = place.command(&["count", &EACH.to_string()]);
        tokio::task::spawn_blocking(|| output(command, "").unwrap())
    });
    for process in processes {
        process.await.unwrap();
    }
    let [.., index] = keys();
    assert_eq!(place.open().fetch(&index).await.unwrap().unwrap().bytes, (3 * EACH).to_string());
    lab::figures::note("bucket", "updates of several processes at once, none lost", 3 * EACH).unwrap();
}
