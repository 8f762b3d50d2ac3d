//! Long work says how far it is, and when it will be done.

use std::time::Duration;

use axum::http::Method;
use lab::{folder, plugin};

use super::Settings;
use super::counterpart::{self, Answer};

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_download_says_how_far_it_is() {
    let s3 = lab::s3();
    let bucket = s3.create_bucket().await.unwrap();
    let real = s3.endpoint().trim_end_matches('/').to_owned();
    let workspace = folder::temporary("workspace").unwrap();
    let file = workspace.join("file");
    for (key, content) in [("VERSION", b"1.0\n".to_vec()), ("noise", noise(6 << 20))] {
        std::fs::write(&file, content).unwrap();
        s3.upload(&bucket, &format!("base/web/{key}"), &file).await.unwrap();
    }

    // A bucket that takes 15 s to give it.
    let slow =
        counterpart::start(move |method, path| match method == Method::GET && path.contains("web/noise") {
            true => Answer::Slowly(real.clone(), Duration::from_millis(750), 20),
            false => Answer::Of(real.clone()),
        })
        .await;
    let settings: Settings = vec![
        ("bucket", format!("s3://{bucket}")),
        ("endpoint", slow),
        ("access_key", s3.access_key().to_owned()),
        ("secret_key", s3.secret_key().to_owned()),
        ("source_prefix", "base".to_owned()),
        ("mirror", "mirror".to_owned()),
    ];
    let ended = plugin::run("plugin-package", &workspace, &settings).unwrap();
    assert_eq!(ended.code, 0, "{}", ended.log);
    let said = ended
        .log
        .lines()
        .any(|line| line.starts_with("pack ") && line.contains(" MB/s, ") && line.ends_with(" left"));
    assert!(said, "{}", ended.log);
}

/// Bytes that no packer makes smaller.
fn noise(size: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    (0..size).map(|_| next()).collect()
}
