//! What plugins and helm have written down: manifests, the record on a Lease, the Secret of a release. What is read is written as it was read.

use std::collections::BTreeMap;
use std::fmt::Debug;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use plugin_package::manifest::ArchiveManifest;
use plugin_rollout::record::{ANNOTATION, Record};
use plugin_rollout::release::Release;
use plugin_rpo::manifest::RpoManifest;
use serde::Serialize;
use serde::de::DeserializeOwned;

const DIGEST: &str = "66a60550910adc7c0b598d23769a663ba2d1fd4fd55ae19c6c609215223d9aaf";

fn comes_back<T: DeserializeOwned + Serialize + Debug>(input: &[u8]) -> bool {
    let Ok(read) = serde_json::from_slice::<T>(input) else { return false };
    let text = serde_json::to_string(&read).unwrap();
    let again: T = serde_json::from_str(&text).unwrap();
    assert_eq!(format!("{read:?}"), format!("{again:?}"));
    true
}

#[test]
fn manifests_of_rpos() {
    let seed = format!(
        "{{\"release\":\"12.1\",\"generation\":\"ab\",\"rpo\":\"a/ab/t.rpo\",\"digest\":\"{DIGEST}\",\"size\":5,\"source\":{{\"key\":\"b/t.rpo\",\"size\":4,\"tag\":\"x\"}},\"base\":{{\"key\":\"b/t.rpo\",\"size\":4,\"digest\":\"{DIGEST}\"}},\"patches\":[{{\"key\":\"p/a.ptm\",\"size\":3,\"channel\":\"next\"}}],\"appserver\":\"20.3\",\"apply_old\":false,\"made_by\":\"0.1\"}}"
    );
    super::run("manifests of RPOs", &[seed.as_bytes()], comes_back::<RpoManifest>);
}

#[test]
fn manifests_of_archives() {
    let seed = format!(
        "{{\"component\":\"web\",\"version\":\"1\",\"archive\":\"m/web-1.tar.gz\",\"digest\":\"{DIGEST}\",\"size\":5,\"input\":\"{DIGEST}\",\"files\":2,\"unpacked_size\":9,\"compression\":6,\"made_by\":\"0.1\"}}"
    );
    super::run("manifests of archives", &[seed.as_bytes()], comes_back::<ArchiveManifest>);
}

#[test]
fn records() {
    let seed: &[u8] = b"{\"run\":\"r\",\"version\":\"1.4.0\",\"profile\":\"p\",\"profile_digest\":\"d\",\"state\":\"working\",\"step\":3,\"damage\":\"scaled\",\"monitors\":{\"77\":\"web\"},\"replicas\":{\"web\":2},\"labels_before\":{\"a\":null},\"config_before\":{\"b\":\"c\"}}";
    super::run("records of a rollout", &[seed], |input| {
        let annotations = |text: String| BTreeMap::from([(ANNOTATION.to_owned(), text)]);
        let Ok(text) = std::str::from_utf8(input) else { return false };
        let Ok(record) = Record::of(&annotations(text.to_owned())) else { return false };
        let record = record.unwrap();
        let _ = (record.owes(), record.paused());
        assert_eq!(Record::of(&annotations(record.text())), Ok(Some(record)));
        true
    });
}

#[test]
fn releases() {
    use std::io::Write as _;
    let seed: &[u8] = b"{\"name\":\"web\",\"version\":3,\"info\":{\"status\":\"pending-upgrade\"},\"chart\":{\"metadata\":{\"name\":\"web\",\"version\":\"1.4.0\"}},\"config\":{\"a\":{\"b\":[1]}},\"apply_method\":\"ssa\"}";
    super::run("releases of helm", &[seed], |input| {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(input).unwrap();
        let packed = gzip.finish().unwrap();
        let secret = |bytes| Secret {
            data: Some([("release".to_owned(), ByteString(bytes))].into()),
            ..Secret::default()
        };
        // As it is, it is no base64.
        assert_eq!(Release::of(&secret(packed.clone())), None);
        let release = Release::of(&secret(STANDARD.encode(&packed).into_bytes()));
        release.is_some_and(|release| release.is_pending() || !release.status.is_empty())
    });
}
