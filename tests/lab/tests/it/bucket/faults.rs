//! Servers and lines that misbehave: what a client makes of them.

use std::time::Duration;

use lab::bucket::{download, keys, publish, upload};
use lab::line::{BadLine, Line};
use lab::meddler::{Meddler, Meddling};
use shared::bucket::{Bucket, Key, Kind, Put};
use shared::failure::{Exit, Fault as _, chain};

use super::Place;

fn key(path: &str) -> Key {
    Key::new(path, Kind::Json)
}

fn endpoint(place: &Place) -> &str {
    &place.settings.iter().find(|(name, _)| *name == "endpoint").unwrap().1
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_ignores_conditions_is_refused_before_anything_is_written() {
    for place in [Place::s3().await, Place::gcs().await] {
        let s3 = (place.kind == "MinIO").then(lab::s3);
        let meddler = Meddler::start(endpoint(&place), Meddling::IgnoresConditions(s3)).unwrap();
        let bucket = place.by(meddler.url()).open();
        for _ in 0..2 {
            let error = bucket.put_new(&key("a"), "one".into()).await.unwrap_err();
            assert!(chain(&error).contains("the server ignores conditional writes"), "{}", chain(&error));
            assert_eq!((error.exit(), error.hints().len()), (Exit::Failed, 1), "{}", place.kind);
        }
        assert_eq!(place.open().list("").await.unwrap(), [], "{}", place.kind);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_asked_once_for_conditions_and_not_at_all_by_who_only_reads() {
    for place in [Place::s3().await, Place::gcs().await] {
        let meddler = Meddler::start(endpoint(&place), Meddling::ExpiresAfter(u64::MAX)).unwrap();
        let run = || place.by(meddler.url()).open();
        let requests = async |bucket: &Bucket, write: &str| {
            let before = meddler.requests();
            let _ = bucket.put_new(&key(write), "x".into()).await.unwrap();
            meddler.requests() - before
        };
        let bucket = run();
        assert_eq!(bucket.fetch(&key("a")).await.unwrap(), None);
        assert_eq!(bucket.list("").await.unwrap(), []);
        assert_eq!(meddler.requests(), 2);
        // The first run of all makes the marker; a later one is refused at once.
        assert_eq!([requests(&bucket, "a").await, requests(&bucket, "b").await], [4, 1], "{}", place.kind);
        assert_eq!(
            [requests(&run(), "c").await, requests(&bucket.clone(), "d").await],
            [3, 1],
            "{}",
            place.kind
        );
        let listed: Vec<_> = bucket.list("").await.unwrap().into_iter().map(|entry| entry.key).collect();
        assert_eq!(listed, ["a", "b", "c", "d"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_server_is_waited_for() {
    for place in [Place::s3().await, Place::gcs().await] {
        let line = Line { delay: Duration::from_millis(10), ..Line::default() };
        let wire = BadLine::start(endpoint(&place), line).unwrap();
        let bucket = place.by(wire.url()).open();
        publish(&bucket).await.unwrap();
        let [archive, ..] = keys();
        assert_eq!(
            download(&bucket, &archive).await.unwrap(),
            download(&place.open(), &archive).await.unwrap()
        );
    }
}

/// Wherever the line breaks: the transfer is whole in the end, or one error says that a rerun may help, and a rerun does.
#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_breaks_at_any_byte_leaves_nothing_half() {
    let mut broken = 0;
    for place in [Place::s3().await, Place::gcs().await] {
        for (i, after) in [1, 300, 5_000, 200_000, 3_000_000, 9_000_000].into_iter().enumerate() {
            let wire =
                BadLine::start(endpoint(&place), Line { breaks_after: after, breaks: 2, ..Line::default() })
                    .unwrap();
            let bucket = place.by(wire.url()).open();
            let large = key(&format!("large-{i}"));
            let uploaded = loop {
                match upload(&bucket, &large, (9 << 20) + 5).await {
                    Ok(digest) => break digest,
                    Err(_) => assert_eq!(place.open().look(&large).await.unwrap(), None),
                }
            };
            assert_eq!(download(&place.open(), &large).await.unwrap(), uploaded);
            broken += wire.broken();

            let wire =
                BadLine::start(endpoint(&place), Line { breaks_after: after, breaks: 2, ..Line::default() })
                    .unwrap();
            let bucket = place.by(wire.url()).open();
            let read = loop {
                match download(&bucket, &large).await {
                    Ok(digest) => break digest,
                    Err(error) => assert!(wire.broken() > 0, "{error}"),
                }
            };
            assert_eq!(read, uploaded);
            broken += wire.broken();
        }
    }
    assert!(broken >= 24, "{broken}");
    lab::figures::note("bucket", "broken connections survived", broken).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_write_whose_line_breaks_is_an_error_that_a_rerun_mends() {
    for place in [Place::s3().await, Place::gcs().await] {
        let _ = place.open().put_new(&key("before"), "x".into()).await.unwrap();
        let wire =
            BadLine::start(endpoint(&place), Line { breaks_after: 1, breaks: 9, ..Line::default() }).unwrap();
        let bucket = place.by(wire.url()).open();
        let put = loop {
            match bucket.put_new(&key("a"), "one".into()).await {
                Ok(put) => break put,
                Err(error) => assert_eq!(error.exit(), Exit::Temporary, "{}", chain(&error)),
            }
        };
        let found = place.open().fetch(&key("a")).await.unwrap().unwrap();
        assert_eq!(found.bytes, "one");
        assert!(wire.broken() > 0 && matches!(put, Put::Written(_) | Put::Refused));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_expire_on_the_way_are_one_clear_error() {
    let place = Place::s3().await;
    for after in [0, 2, 5, 7] {
        let meddler = Meddler::start(endpoint(&place), Meddling::ExpiresAfter(after)).unwrap();
        let bucket = place.by(meddler.url()).open();
        let folder = lab::folder::temporary("expires").unwrap();
        let file = folder.join("file");
        std::fs::write(&file, vec![7; 20 << 20]).unwrap();
        let work = async {
            let _ = bucket.put_new(&key(&format!("small-{after}")), "x".into()).await?;
            bucket.upload(&key("large"), &file).await?;
            bucket.fetch(&key("absent")).await
        };
        let error = work.await.unwrap_err();
        assert_eq!(error.exit(), Exit::Temporary, "{after}: {}", chain(&error));
        assert!(error.hints()[0].contains("the credentials have expired"), "{after}: {:?}", error.hints());
        assert_eq!(place.open().look(&key("large")).await.unwrap(), None, "{after}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bit_that_turned_on_the_way_changes_the_digest() {
    for place in [Place::s3().await, Place::gcs().await] {
        let uploaded = upload(&place.open(), &key("a"), 100_000).await.unwrap();
        let meddler = Meddler::start(endpoint(&place), Meddling::TurnsABit("")).unwrap();
        let read = download(&place.by(meddler.url()).open(), &key("a")).await.unwrap();
        assert_ne!(read, uploaded);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn googles_interface_without_a_key_is_a_clear_refusal() {
    let place = Place::gcs().await;
    let settings = place.settings.iter().filter(|(name, _)| *name != "gcs_key").cloned().collect();
    let bucket = Place { kind: place.kind, settings }.open();
    for error in [
        bucket.fetch(&key("a")).await.map(drop).unwrap_err(),
        bucket.list("").await.map(drop).unwrap_err(),
        bucket.put_new(&key("a"), "x".into()).await.map(drop).unwrap_err(),
    ] {
        assert_eq!(error.exit(), Exit::Failed, "{}", chain(&error));
        assert!(error.hints()[0].contains("`gcs_key`"), "{:?}", error.hints());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_does_not_exist_is_nothing_to_wait_for() {
    let mut place = Place::s3().await;
    place.settings[0].1.push_str("-that-nobody-made");
    let bucket = place.open();
    let file = lab::folder::temporary("absent").unwrap().join("file");
    std::fs::write(&file, vec![7; 20 << 20]).unwrap();
    for error in [
        bucket.list("a").await.map(drop).unwrap_err(),
        bucket.put_new(&key("a"), "x".into()).await.map(drop).unwrap_err(),
        bucket.upload(&key("a"), &file).await.map(drop).unwrap_err(),
    ] {
        assert_eq!(error.exit(), Exit::Failed, "{}", chain(&error));
        assert!(error.hints()[0].contains("is the bucket's name right"), "{:?}", error.hints());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_is_told_from_one_that_fails() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for place in [Place::s3().await, Place::gcs().await] {
        for url in [format!("http://{free}"), "http://no-such-host.invalid".to_owned()] {
            let error = place.by(&url).open().list("a").await.unwrap_err();
            assert_eq!(error.exit(), Exit::Temporary, "{}", chain(&error));
            assert!(error.hints()[0].contains("is `endpoint` right"), "{url}: {}", chain(&error));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_a_page_is_downloaded_like_any_other() {
    for place in [Place::s3().await, Place::gcs().await] {
        let bucket = place.open();
        let folder = lab::folder::temporary("page").unwrap();
        let (from, to) = (folder.join("from"), folder.join("to"));
        std::fs::write(&from, "<!doctype html><html></html>").unwrap();
        let uploaded = bucket.upload(&key("index.html"), &from).await.unwrap();
        assert_eq!(bucket.download(&key("index.html"), &to).await.unwrap(), uploaded);
        let error = bucket.fetch(&key("index.html")).await.unwrap_err();
        assert!(chain(&error).contains("a page for people"), "none of ours is one: {}", chain(&error));
    }
}
