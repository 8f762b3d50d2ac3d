//! Large files within 128 MiB of memory. The figures themselves come from `make bench`, which measures times as well: a test that is timed fails on a
//! machine with something else to do.

use lab::bench;

const LIMIT: u64 = 128 << 20;

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
