//! The bucket's rules, run against a folder here and against a real S3 server in `tests/lab`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::*;
use crate::failure::{Exit, Fault as _, chain};
use crate::run::Run;
use crate::stop::{Stop, Stopped};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Content {
    size: u64,
}

/// A run of another machine: nothing can be said of its process.
fn run(name: &str) -> Run {
    Run::elsewhere(name)
}

fn folder_bucket() -> (tempfile::TempDir, Bucket) {
    let folder = tempfile::tempdir().unwrap();
    let settings = BucketSettings::at(Location::Folder(folder.path().to_owned()));
    let bucket = Bucket::open(&settings).unwrap();
    (folder, bucket)
}

#[tokio::test]
async fn a_created_object_is_never_replaced() {
    let (_folder, bucket) = folder_bucket();
    let key = Key::new("a/b", Kind::Archive);
    assert!(matches!(bucket.put_new(&key, "one".into()).await.unwrap(), Put::Written(_)));
    assert_eq!(bucket.put_new(&key, "two".into()).await.unwrap(), Put::Refused);
    assert_eq!(bucket.fetch(&key).await.unwrap().unwrap().bytes, "one");
}

#[tokio::test]
async fn of_many_writers_that_read_the_same_only_one_wins() {
    let (_folder, bucket) = folder_bucket();
    let key = Key::new("index.yaml", Kind::Index);
    let _ = bucket.put_new(&key, "0".into()).await.unwrap();
    let read = bucket.fetch(&key).await.unwrap().unwrap();
    let writers = (0..8).map(|i| {
        let (bucket, key, version) = (bucket.clone(), key.clone(), read.version.clone());
        tokio::spawn(async move {
            bucket.put_if_unchanged(&key, format!("writer {i}").into(), &version).await.unwrap()
        })
    });
    let results: Vec<Put> =
        futures::future::join_all(writers).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(results.iter().filter(|put| **put != Put::Refused).count(), 1);
}

#[tokio::test]
async fn an_upload_that_is_dropped_leaves_nothing() {
    let (_folder, bucket) = folder_bucket();
    let key = Key::new("a/large", Kind::Archive);
    let mut writer = bucket.writer(&key);
    writer.write_all(&vec![1; PART + 1]).await.unwrap();
    drop(writer);
    assert_eq!(bucket.list("a").await.unwrap(), []);
}

#[tokio::test]
async fn what_is_downloaded_is_what_was_uploaded() {
    let (folder, bucket) = folder_bucket();
    let key = Key::new("deep/er/object", Kind::Archive);
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    std::fs::write(&from, vec![7; 3 << 20]).unwrap();
    let uploaded = bucket.upload(&key, &from).await.unwrap();
    assert_eq!(bucket.download(&key, &to).await.unwrap(), uploaded);
    assert_eq!(uploaded, Transferred { size: 3 << 20, digest: Digest::of(&vec![7; 3 << 20]) });
    assert_eq!(bucket.head(&key, 4).await.unwrap().as_ref(), [7; 4]);
}

#[tokio::test]
async fn an_object_is_read_by_the_name_it_is_listed_under() {
    let (folder, bucket) = folder_bucket();
    let path = "menu/ação/HLP~1 [a]#%20.txt";
    std::fs::create_dir_all(folder.path().join("menu/ação")).unwrap();
    std::fs::write(folder.path().join(path), "x").unwrap();
    let listed = bucket.list("menu/ação").await.unwrap();
    assert_eq!(listed[0].key, path);
    assert_eq!(bucket.fetch(&Key::new(&listed[0].key, Kind::Archive)).await.unwrap().unwrap().bytes, "x");
}

#[tokio::test]
async fn a_claim_refuses_others_and_is_taken_over_by_its_own_rerun() {
    let (_folder, bucket) = folder_bucket();
    let key = Key::new("x/manifest.json", Kind::Json);
    let hour = Duration::from_secs(3600);
    let Claim::Taken(first) = bucket.claim::<Content>(&key, &run("build 1"), hour).await.unwrap() else {
        panic!("not taken")
    };
    assert!(matches!(
        bucket.claim::<Content>(&key, &run("build 2"), hour).await.unwrap(),
        Claim::Held { .. }
    ));
    let Claim::Taken(second) = bucket.claim::<Content>(&key, &run("build 1"), hour).await.unwrap() else {
        panic!("not taken")
    };
    assert!(bucket.settle(&key, Content { size: 1 }, &first).await.is_err(), "the late writer must not win");
    bucket.settle(&key, Content { size: 2 }, &second).await.unwrap();
    let Claim::Published(content, _) = bucket.claim::<Content>(&key, &run("build 2"), hour).await.unwrap()
    else {
        panic!()
    };
    assert_eq!(content, Content { size: 2 });
}

#[tokio::test]
async fn a_claim_that_was_given_up_is_free() {
    let (_folder, bucket) = folder_bucket();
    let key = Key::new("x/manifest.json", Kind::Json);
    let hour = Duration::from_secs(3600);
    let taken = bucket.claim::<Content>(&key, &run("build 1"), hour).await.unwrap();
    assert!(matches!(taken, Claim::Taken(_)));
    bucket.give_up::<Content>(&key, &run("build 1")).await.unwrap();
    assert!(matches!(bucket.claim::<Content>(&key, &run("build 2"), hour).await.unwrap(), Claim::Taken(_)));
}

#[tokio::test]
async fn a_stale_claim_is_taken_over() {
    let (_folder, bucket) = folder_bucket();
    let key = Key::new("x/manifest.json", Kind::Json);
    let _ = bucket.claim::<Content>(&key, &run("dead build"), Duration::ZERO).await.unwrap();
    assert!(matches!(
        bucket.claim::<Content>(&key, &run("build 2"), Duration::ZERO).await.unwrap(),
        Claim::Taken(_)
    ));
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    for path in [FilePath::new("/nowhere/at/all"), file.path()] {
        let settings = BucketSettings::at(Location::Folder(path.to_owned()));
        let error = Bucket::open(&settings).unwrap_err();
        assert_eq!(error.to_string(), format!("cannot work in the bucket `file://{}`", path.display()));
        assert_eq!((error.exit(), error.hints().len()), (Exit::Failed, 1));
    }
}

#[tokio::test]
async fn one_object_is_looked_at_without_a_listing() {
    let (_folder, bucket) = folder_bucket();
    let key = Key::new("a/b", Kind::Archive);
    let _ = bucket.put_new(&key, "one".into()).await.unwrap();
    assert_eq!(bucket.look(&key).await.unwrap().as_ref(), bucket.list("a").await.unwrap().first());
    for absent in ["a", "a/c", "x/y"] {
        assert_eq!(bucket.look(&Key::new(absent, Kind::Archive)).await.unwrap(), None, "{absent}");
    }
}

#[tokio::test]
async fn an_object_of_several_ranges_and_an_empty_one_are_read_whole() {
    let (folder, bucket) = folder_bucket();
    for size in [0, 2 * read::RANGE, 2 * read::RANGE + 1] {
        let bytes = vec![5; usize::try_from(size).unwrap()];
        std::fs::write(folder.path().join("large"), &bytes).unwrap();
        let got =
            bucket.download(&Key::new("large", Kind::Archive), &folder.path().join("to")).await.unwrap();
        assert_eq!(got, Transferred { size, digest: Digest::of(&bytes) });
    }
}

#[tokio::test]
async fn an_object_that_changes_while_it_is_read_is_noticed() {
    let (folder, bucket) = folder_bucket();
    let size = usize::try_from(2 * read::RANGE).unwrap();
    std::fs::write(folder.path().join("large"), vec![1; size]).unwrap();
    let mut reader = bucket.reader(&Key::new("large", Kind::Archive)).await.unwrap();
    let mut piece = [0; 4];
    reader.read_exact(&mut piece).await.unwrap();
    // As every writer of ours does it: a new file in place of the old one.
    std::fs::write(folder.path().join("new"), vec![2; size]).unwrap();
    std::fs::rename(folder.path().join("new"), folder.path().join("large")).unwrap();
    let error = reader.read_to_end(&mut Vec::new()).await.unwrap_err();
    let error = bucket.io_error("read `large`".to_owned(), error);
    assert_eq!(error.exit(), Exit::Temporary);
    assert!(chain(&error).ends_with(": it changed while it was read"), "{}", chain(&error));
}

#[tokio::test]
async fn an_object_that_is_not_as_it_was_listed_is_refused() {
    let (folder, bucket) = folder_bucket();
    let to = folder.path().join("to");
    for (before, after) in [("one", "two"), ("one", "longer"), ("", "x")] {
        std::fs::write(folder.path().join("object"), before).unwrap();
        let listed = bucket.list("").await.unwrap().into_iter().find(|entry| entry.key == "object").unwrap();
        std::fs::write(folder.path().join("new"), after).unwrap();
        std::fs::rename(folder.path().join("new"), folder.path().join("object")).unwrap();
        let error = bucket.download_of(&listed, &to).await.unwrap_err();
        assert!(chain(&error).ends_with("it changed while it was read"), "{}", chain(&error));
        let untagged = Entry { tag: String::new(), ..listed };
        assert_eq!(bucket.download_of(&untagged, &to).await.is_ok(), before.len() == after.len());
    }
}

#[tokio::test]
async fn a_file_of_this_machine_that_fails_is_nothing_to_wait_for() {
    let (folder, bucket) = folder_bucket();
    let key = Key::new("object", Kind::Archive);
    let _ = bucket.put_new(&key, "one".into()).await.unwrap();
    let nowhere = folder.path().join("nowhere/file");
    let download = bucket.download(&key, &nowhere).await.unwrap_err();
    let upload = bucket.upload(&key, &nowhere).await.unwrap_err();
    for error in [download, upload] {
        assert_eq!(error.exit(), Exit::Failed);
        assert!(chain(&error).contains("nowhere/file` cannot be "), "{}", chain(&error));
    }
    let io = std::io::Error::from(std::io::ErrorKind::StorageFull);
    let full = object_store::Error::Generic { store: "folder", source: Box::new(io) };
    assert_eq!(bucket.error("write it".to_owned(), full).exit(), Exit::Failed);
}

#[tokio::test]
async fn a_renewed_claim_is_young_and_one_that_was_taken_over_cannot_be_renewed() {
    let (_folder, bucket) = folder_bucket();
    let key = Key::new("x/manifest.json", Kind::Json);
    let this = run("build 1");
    let old = claim_since(&bucket, &key, &this, "2020-01-01T00:00:00Z").await;
    let renewed = bucket.renew::<Content>(&key, &this).await.unwrap().unwrap();
    let hour = Duration::from_secs(3600);
    assert!(matches!(
        bucket.claim::<Content>(&key, &run("build 2"), hour).await.unwrap(),
        Claim::Held { .. }
    ));
    let error = bucket.settle(&key, Content { size: 1 }, &old).await.unwrap_err();
    assert_eq!(error.exit(), Exit::Temporary);
    assert_eq!(bucket.renew::<Content>(&key, &run("build 2")).await.unwrap(), None);
    bucket.settle(&key, Content { size: 1 }, &renewed).await.unwrap();
    assert_eq!(bucket.renew::<Content>(&key, &this).await.unwrap(), None);
}

#[derive(Debug, thiserror::Error)]
enum WorkError {
    #[error(transparent)]
    Bucket(#[from] Error),
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

#[tokio::test]
async fn work_that_is_told_to_stop_frees_its_claim_for_runs_of_other_machines() {
    let (_folder, bucket) = folder_bucket();
    let key = Key::new("x/manifest.json", Kind::Json);
    let hour = Duration::from_secs(3600);
    let Claim::Taken(claim) = bucket.claim::<Content>(&key, &run("build 1"), hour).await.unwrap() else {
        panic!("not taken")
    };
    let (sender, stop) = Stop::manual();
    let stopped = bucket
        .finish(&key, &run("build 1"), claim, &stop, async {
            sender.send(true).unwrap();
            std::future::pending::<Result<Content, WorkError>>().await
        })
        .await;
    assert!(matches!(stopped, Err(WorkError::Stopped(_))), "{stopped:?}");
    let next = bucket.claim::<Content>(&key, &run("build 2"), hour).await.unwrap();
    assert!(matches!(next, Claim::Taken(_)), "{next:?}");
}

/// Time stands still but where all wait: hours of work take no time.
#[tokio::test(start_paused = true)]
async fn a_claim_stays_young_as_long_as_the_work_goes_on_and_is_free_when_it_failed() {
    let (_folder, bucket) = folder_bucket();
    let key = Key::new("x/manifest.json", Kind::Json);
    let this = run("build 1");
    let claim = claim_since(&bucket, &key, &this, "2020-01-01T00:00:00Z").await;
    let hour = Duration::from_secs(3600);
    let stop = Stop::manual().1;
    let failed = bucket.finish(&key, &this, claim, &stop, async {
        tokio::time::sleep(hour).await;
        let held = bucket.claim::<Content>(&key, &run("build 2"), hour).await.unwrap();
        assert!(matches!(held, Claim::Held { .. }), "{held:?}");
        Err::<Content, WorkError>(bucket.refused("work".to_owned(), "on purpose".to_owned()).into())
    });
    assert!(failed.await.is_err());
    let Claim::Taken(claim) = bucket.claim::<Content>(&key, &run("build 2"), hour).await.unwrap() else {
        panic!("not taken")
    };
    let next = run("build 2");
    let done = bucket.finish(&key, &next, claim, &stop, async {
        tokio::time::sleep(hour).await;
        Ok::<_, WorkError>(Content { size: 3 })
    });
    assert_eq!(done.await.unwrap(), Content { size: 3 });
    assert!(matches!(
        bucket.manifest::<Content>(&key).await.unwrap(),
        Some((Manifest::Published(Content { size: 3 }), _))
    ));
}

#[tokio::test(start_paused = true)]
async fn work_whose_claim_was_taken_over_ends() {
    let (_folder, bucket) = folder_bucket();
    let key = Key::new("x/manifest.json", Kind::Json);
    let this = run("build 1");
    let claim = claim_since(&bucket, &key, &this, "2020-01-01T00:00:00Z").await;
    let stop = Stop::manual().1;
    let lost = bucket.finish(&key, &this, claim, &stop, async {
        let other = bucket.claim::<Content>(&key, &run("build 2"), Duration::ZERO).await.unwrap();
        assert!(matches!(other, Claim::Taken(_)), "{other:?}");
        std::future::pending::<Result<Content, WorkError>>().await
    });
    let error = lost.await.unwrap_err();
    assert!(matches!(&error, WorkError::Bucket(error) if error.exit() == Exit::Temporary), "{error:?}");
    let now = bucket.manifest::<Content>(&key).await.unwrap();
    assert!(
        matches!(now, Some((Manifest::Uploading { run: holder, .. }, _)) if holder == run("build 2").to_string())
    );
}

async fn claim_since(bucket: &Bucket, key: &Key, run: &Run, since: &str) -> Version {
    let claim = Manifest::<Content>::Uploading { run: run.to_string(), since: since.parse().unwrap() };
    match bucket.put_new(key, serde_json::to_vec(&claim).unwrap().into()).await.unwrap() {
        Put::Written(version) => version,
        Put::Refused => panic!("the folder was empty"),
    }
}

#[tokio::test]
async fn a_claim_of_a_living_process_is_not_taken_even_by_a_run_of_the_same_name() {
    let (_folder, bucket) = folder_bucket();
    let key = Key::new("x/manifest.json", Kind::Json);
    let hour = Duration::from_secs(3600);
    let this = Run::this(&crate::settings::Env::of(&[("BUILD_TAG", "build 1")]));
    assert!(matches!(bucket.claim::<Content>(&key, &this, hour).await.unwrap(), Claim::Taken(_)));
    assert!(matches!(bucket.claim::<Content>(&key, &this, hour).await.unwrap(), Claim::Held { .. }));
}

#[tokio::test]
async fn what_a_dead_run_left_beside_an_object_is_no_object_and_is_removed_a_day_later() {
    let (folder, bucket) = folder_bucket();
    let key = Key::new("a/b", Kind::Archive);
    std::fs::create_dir(folder.path().join("a")).unwrap();
    let [old, young] = ["a/b#1", "a/b#2"].map(|name| folder.path().join(name));
    for file in [&old, &young] {
        std::fs::write(file, "half").unwrap();
    }
    let day_ago = std::time::SystemTime::now() - Duration::from_secs(25 * 60 * 60);
    std::fs::File::options().write(true).open(&old).unwrap().set_modified(day_ago).unwrap();
    assert_eq!(bucket.list("").await.unwrap(), []);
    let _ = bucket.put_new(&key, "one".into()).await.unwrap();
    assert!(!old.exists() && young.exists());
    assert_eq!(bucket.list("").await.unwrap().len(), 1);
}
