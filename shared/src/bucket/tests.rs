//! The bucket's rules, run against a folder here and against a real S3 server in `tests/lab`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::*;
use crate::run::Run;

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
    let settings = BucketSettings {
        location: Location::Folder(folder.path().to_owned()),
        endpoint: None,
        region: String::new(),
        access_key: None,
        secret_key: None,
        session_token: None,
    };
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
    let Claim::Taken(claim) = bucket.claim::<Content>(&key, &run("build 1"), hour).await.unwrap() else {
        panic!("not taken")
    };
    bucket.give_up::<Content>(&key, &run("build 1"), &claim).await.unwrap();
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
    let settings = BucketSettings {
        location: Location::Folder("/nowhere/at/all".into()),
        endpoint: None,
        region: String::new(),
        access_key: None,
        secret_key: None,
        session_token: None,
    };
    let error = Bucket::open(&settings).unwrap_err();
    assert_eq!(error.to_string(), "cannot open it in the bucket `file:///nowhere/at/all`");
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
