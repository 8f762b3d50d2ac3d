//! The first line within 50 ms, and large files within 128 MiB of memory. The figures themselves come from `make bench`.

use std::time::Duration;

use lab::{bench, plugin};

const LIMIT: u64 = 128 << 20;

/// The fastest of thirty runs counts, not the median: the other tests and whatever else the machine does make a run slower, never faster, and
/// what a plugin itself wastes at its start is in every one of them.
#[test]
fn every_plugin_says_its_first_line_within_50_ms() {
    for name in plugin::all().unwrap() {
        let times = bench::start_up(&name, 30).unwrap();
        assert!(times[0] <= Duration::from_millis(50), "{name}: {times:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_of_1_gib_is_packed_and_uploaded_within_128_mib() {
    let measured = bench::package(lab::s3(), 1 << 30).await.unwrap();
    assert!(measured.status.success(), "{}{}", measured.stdout, measured.stderr);
    assert!(measured.peak_rss_bytes <= LIMIT, "{} MiB", measured.peak_rss_bytes >> 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_rpo_of_600_mib_is_published_within_128_mib() {
    let measured = bench::rpo(lab::s3(), 600 << 20).await.unwrap();
    assert!(measured.status.success(), "{}{}", measured.stdout, measured.stderr);
    assert!(measured.peak_rss_bytes <= LIMIT, "{} MiB", measured.peak_rss_bytes >> 20);
}
