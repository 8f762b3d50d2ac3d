//! Objects that are far larger than the memory they may take, and uploads that are killed.

use std::time::{Duration, Instant};

use lab::run_measured;

use super::Place;

const SIZE: u64 = 2 << 30;
const LIMIT: u64 = 128 << 20;

async fn streams_within_the_limit(place: Place) {
    let mut digests = Vec::new();
    for work in [vec!["upload".to_owned(), SIZE.to_string()], vec!["download".to_owned()]] {
        let command = place.command(&work.iter().map(String::as_str).collect::<Vec<_>>());
        let measured = tokio::task::spawn_blocking(|| run_measured(command).unwrap()).await.unwrap();
        assert!(measured.status.success(), "{work:?}: {}{}", measured.stdout, measured.stderr);
        assert!(measured.peak_rss_bytes <= LIMIT, "{work:?}: {} MiB", measured.peak_rss_bytes >> 20);
        let what = format!("MiB of memory for one large object, {}, {}", work[0], place.kind);
        lab::figures::note("bucket", &what, measured.peak_rss_bytes >> 20).unwrap();
        digests.push(measured.stdout);
    }
    assert_eq!(digests[0].trim().len(), 64, "{digests:?}");
    assert_eq!(digests[0], digests[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_gib_go_to_an_s3_server_and_back_within_128_mib() {
    streams_within_the_limit(Place::s3().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_gib_go_to_a_folder_and_back_within_128_mib() {
    let place = Place::folder();
    let folder = place.name().to_owned();
    streams_within_the_limit(place).await;
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_is_killed_is_never_seen() {
    for place in [Place::folder(), Place::s3().await, Place::gcs().await] {
        let bucket = place.open();
        let mut command = place.command(&["upload", &SIZE.to_string()]);
        let mut upload = command.stdout(std::process::Stdio::null()).spawn().unwrap();
        let begun = Instant::now();
        // SIGKILL at three moments of its life would be the same: only its last request makes the object.
        while begun.elapsed() < Duration::from_millis(700) {
            assert_eq!(bucket.list("").await.unwrap(), [], "{}", place.kind);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert!(upload.try_wait().unwrap().is_none(), "{}: it ended too soon to be killed", place.kind);
        upload.kill().unwrap();
        upload.wait().unwrap();
        assert_eq!(bucket.list("").await.unwrap(), [], "{}", place.kind);
        if place.kind == "folder" {
            std::fs::remove_dir_all(place.name()).unwrap();
        }
    }
}
