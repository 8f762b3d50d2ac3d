//! The contract: named checks, each on a bucket of its own of every kind.

use std::time::Duration;

use futures::future::{BoxFuture, join_all};
use futures::{FutureExt as _, StreamExt as _};
use lab::bucket::{Content, count, download, keys, upload};
use shared::bucket::{Bucket, Claim, Key, Kind, Manifest, Put};
use shared::digest::Digest;
use shared::run::Run;
use shared::settings::Env;
use tokio::io::AsyncWriteExt as _;

use super::Place;

type Check = (&'static str, fn(Bucket) -> BoxFuture<'static, ()>);

const CHECKS: [Check; 11] = [
    ("creates only what is not there", |bucket| creates_only(bucket).boxed()),
    ("swaps only what was read", |bucket| swaps_only(bucket).boxed()),
    ("loses no update of many writers", |bucket| loses_no_update(bucket).boxed()),
    ("lists more than 1,000 keys, sorted, and nothing of its own", |bucket| lists_many(bucket).boxed()),
    ("gives back what was uploaded in parts", |bucket| streams(bucket).boxed()),
    ("shows nothing of an upload that is dropped", |bucket| drops(bucket).boxed()),
    ("takes over the claim of a dead run, not of a living one", |bucket| takes_over(bucket).boxed()),
    ("refuses a late writer", |bucket| refuses_late(bucket).boxed()),
    ("notices another content", |bucket| notices(bucket).boxed()),
    ("says what is not there", |bucket| absent(bucket).boxed()),
    ("keeps names as they are", |bucket| names(bucket).boxed()),
];

async fn keep_the_contract(place: impl AsyncFn() -> Place) {
    let mut broken = Vec::new();
    let mut kind = "";
    for (name, check) in CHECKS {
        let place = place().await;
        kind = place.kind;
        if let Err(error) = tokio::spawn(check(place.open())).await {
            broken.push(format!("{name}: {error}"));
        }
    }
    assert!(broken.is_empty(), "{kind}: {broken:#?}");
    lab::figures::note("bucket", &format!("contract checks kept by {kind}"), CHECKS.len() as u64).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_keeps_the_contract() {
    keep_the_contract(async || Place::folder()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_s3_server_keeps_the_contract() {
    keep_the_contract(Place::s3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn googles_interface_keeps_the_contract() {
    keep_the_contract(Place::gcs).await;
}

fn key(path: &str) -> Key {
    Key::new(path, Kind::Json)
}

fn this() -> Run {
    Run::this(&Env::of(&[("BUILD_TAG", "build 1")]))
}

async fn creates_only(bucket: Bucket) {
    assert!(matches!(bucket.put_new(&key("a/b"), "one".into()).await.unwrap(), Put::Written(_)));
    assert_eq!(bucket.put_new(&key("a/b"), "two".into()).await.unwrap(), Put::Refused);
    assert_eq!(bucket.fetch(&key("a/b")).await.unwrap().unwrap().bytes, "one");
    let tries = (0..8).map(|i| {
        let bucket = bucket.clone();
        tokio::spawn(async move { bucket.put_new(&key("c"), i.to_string().into()).await.unwrap() })
    });
    let written = join_all(tries).await.into_iter().filter(|put| matches!(put, Ok(Put::Written(_)))).count();
    assert_eq!(written, 1);
}

async fn swaps_only(bucket: Bucket) {
    let Put::Written(first) = bucket.put_new(&key("a"), "1".into()).await.unwrap() else { panic!("refused") };
    assert_eq!(bucket.fetch(&key("a")).await.unwrap().unwrap().version, first);
    let Put::Written(second) = bucket.put_if_unchanged(&key("a"), "2".into(), &first).await.unwrap() else {
        panic!("refused")
    };
    assert_eq!(bucket.put_if_unchanged(&key("a"), "3".into(), &first).await.unwrap(), Put::Refused);
    assert_eq!(bucket.put_if_unchanged(&key("absent"), "3".into(), &second).await.unwrap(), Put::Refused);
    assert_eq!(bucket.fetch(&key("a")).await.unwrap().unwrap().bytes, "2");
}

async fn loses_no_update(bucket: Bucket) {
    let writers = (0..6).map(|_| {
        let bucket = bucket.clone();
        tokio::spawn(async move { count(&bucket, 5).await.unwrap() })
    });
    assert!(join_all(writers).await.iter().all(Result::is_ok));
    let [.., index] = keys();
    assert_eq!(bucket.fetch(&index).await.unwrap().unwrap().bytes, "30");
}

async fn lists_many(bucket: Bucket) {
    let put = |i: u32| {
        let bucket = bucket.clone();
        async move { bucket.put_new(&key(&format!("many/{i:04}")), "x".into()).await.unwrap() }
    };
    let puts: Vec<Put> = futures::stream::iter((0..1005).map(put)).buffer_unordered(16).collect().await;
    assert!(puts.iter().all(|put| *put != Put::Refused));
    let _ = bucket.put_new(&key("manyfold"), "x".into()).await.unwrap();
    let listed: Vec<String> = bucket.list("many").await.unwrap().into_iter().map(|entry| entry.key).collect();
    assert_eq!(listed, (0..1005).map(|i| format!("many/{i:04}")).collect::<Vec<_>>());
    assert_eq!(bucket.list("").await.unwrap().len(), 1006);
}

async fn streams(bucket: Bucket) {
    for size in [0, 1, 8 << 20, (20 << 20) + 7] {
        let uploaded = upload(&bucket, &key("large"), size).await.unwrap();
        assert_eq!(download(&bucket, &key("large")).await.unwrap(), uploaded, "{size}");
        assert_eq!(bucket.look(&key("large")).await.unwrap().unwrap().size, size);
    }
    assert_eq!(bucket.head(&key("large"), 3).await.unwrap().len(), 3);
}

async fn drops(bucket: Bucket) {
    let mut writer = bucket.writer(&key("a/large"));
    writer.write_all(&vec![1; 17 << 20]).await.unwrap();
    drop(writer);
    assert_eq!(bucket.list("").await.unwrap(), []);
}

async fn takes_over(bucket: Bucket) {
    let hour = Duration::from_secs(3600);
    let run = this();
    let Claim::Taken(_) = bucket.claim::<Content>(&key("m"), &run, hour).await.unwrap() else {
        panic!("held")
    };
    assert!(matches!(bucket.claim::<Content>(&key("m"), &run, hour).await.unwrap(), Claim::Held { .. }));
    // No process has this number.
    let dead = run.to_string().replace(&format!(" {} ", std::process::id()), " 4194305 ");
    assert_ne!(dead, run.to_string());
    let claim = Manifest::<Content>::Uploading { run: dead, since: jiff::Timestamp::now() };
    let _ = bucket.put_new(&key("dead"), serde_json::to_vec(&claim).unwrap().into()).await.unwrap();
    assert!(matches!(bucket.claim::<Content>(&key("dead"), &run, hour).await.unwrap(), Claim::Taken(_)));
}

async fn refuses_late(bucket: Bucket) {
    let run = this();
    let claim = async || bucket.claim::<Content>(&key("m"), &run, Duration::ZERO).await;
    let Claim::Taken(first) = claim().await.unwrap() else { panic!("held") };
    tokio::time::sleep(Duration::from_millis(2)).await;
    // What another run does when this one's claim has grown old.
    let second = bucket.renew::<Content>(&key("m"), &run).await.unwrap().unwrap();
    let content = Content { size: 1, digest: Digest::of(b"x") };
    assert!(bucket.settle(&key("m"), &content, &first).await.is_err());
    bucket.settle(&key("m"), &content, &second).await.unwrap();
    let Claim::Published(found, _) = claim().await.unwrap() else { panic!("not published") };
    assert_eq!(found, content);
}

async fn notices(bucket: Bucket) {
    let folder = lab::folder::temporary("notices").unwrap();
    let [from, to] = ["from", "to"].map(|name| folder.join(name));
    std::fs::write(&from, "what was meant").unwrap();
    let uploaded = bucket.upload(&key("a"), &from).await.unwrap();
    let listed = bucket.list("").await.unwrap().remove(0);
    assert_eq!(bucket.download_of(&listed, &to).await.unwrap(), uploaded);
    std::fs::write(&from, "what is there.").unwrap();
    let other = bucket.upload(&key("a"), &from).await.unwrap();
    assert_eq!(other.size, uploaded.size);
    assert!(bucket.download_of(&listed, &to).await.is_err(), "it is another object than was listed");
    assert_ne!(bucket.download(&key("a"), &to).await.unwrap().digest, uploaded.digest);
}

async fn absent(bucket: Bucket) {
    assert_eq!(bucket.fetch(&key("a")).await.unwrap(), None);
    assert_eq!(bucket.look(&key("a")).await.unwrap(), None);
    assert_eq!(bucket.list("a").await.unwrap(), []);
    assert!(bucket.reader(&key("a")).await.is_err());
}

async fn names(bucket: Bucket) {
    let name = "menu/ação/HLP~1 [a]%20+&=.txt";
    let _ = bucket.put_new(&key(name), "x".into()).await.unwrap();
    assert_eq!(bucket.list("menu/ação").await.unwrap()[0].key, name);
    assert_eq!(bucket.fetch(&key(name)).await.unwrap().unwrap().bytes, "x");
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_have_the_type_of_their_kind_and_are_kept_by_no_cache() {
    let kinds = [
        (Kind::Archive, "application/octet-stream"),
        (Kind::Index, "text/yaml"),
        (Kind::Json, "application/json"),
    ];
    let (s3, gcs) = (Place::s3().await, Place::gcs().await);
    for (kind, expected) in kinds {
        for place in [&s3, &gcs] {
            let bucket = place.open();
            for (path, is_large) in [("small", false), ("large", true)] {
                let key = Key::new(format!("{path}/{expected}"), kind);
                if is_large {
                    upload(&bucket, &key, 9 << 20).await.unwrap();
                } else {
                    let _ = bucket.put_new(&key, "x".into()).await.unwrap();
                }
                assert_eq!(
                    headers(place, &key.to_string()).await,
                    (expected.to_owned(), "no-cache".to_owned())
                );
            }
        }
    }
}

/// What the server itself says: content type and cache header.
async fn headers(place: &Place, key: &str) -> (String, String) {
    if place.kind == "GCS" {
        let object = lab::gcs().object(place.name(), key).await.unwrap();
        return ["contentType", "cacheControl"].map(|name| object[name].as_str().unwrap().to_owned()).into();
    }
    let url = lab::s3().presigned(&reqwest::Method::GET, &format!("/{}/{key}", place.name())).await.unwrap();
    let reply = lab::http::success(lab::http::client().unwrap().get(url)).await.unwrap();
    ["content-type", "cache-control"].map(|name| reply.headers()[name].to_str().unwrap().to_owned()).into()
}
