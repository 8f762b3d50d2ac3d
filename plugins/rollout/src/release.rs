//! A Helm release as helm stores it: a Secret `sh.helm.release.v1.<name>.v<revision>` whose data is gzipped JSON in base64. Read directly, because
//! it says everything in one request; helm's source, `pkg/storage/driver/util.go`, is where the form is written down.

use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use k8s_openapi::api::core::v1::Secret;
use serde::Deserialize;
use serde_json::Value;

/// What helm knows of a release's revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// Revision.
    pub revision: i64,
    /// `deployed`, `failed`, `pending-upgrade`…
    pub status: String,
    /// Name of the chart.
    pub chart: String,
    /// Version of the chart.
    pub version: String,
    /// The user's values.
    pub values: Value,
    /// Whether helm 4's server-side apply made it.
    pub is_server_side: bool,
    /// The Secret it lies in.
    pub secret: String,
}

#[derive(Deserialize)]
struct Stored {
    version: i64,
    info: Info,
    chart: Chart,
    #[serde(default)]
    config: Option<Value>,
    #[serde(default)]
    apply_method: Option<String>,
}

#[derive(Deserialize)]
struct Info {
    status: String,
}

#[derive(Deserialize)]
struct Chart {
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
    version: String,
}

impl Release {
    /// Decodes a release's Secret; `None` when it is something else.
    #[must_use]
    pub fn of(secret: &Secret) -> Option<Self> {
        let encoded = &secret.data.as_ref()?.get("release")?.0;
        let packed = STANDARD.decode(encoded).ok()?;
        let mut text = Vec::new();
        // 64 MiB is far above what fits into a Secret of 1 MiB, and bounds a hostile one.
        GzDecoder::new(packed.as_slice()).take(64 << 20).read_to_end(&mut text).ok()?;
        let stored: Stored = serde_json::from_slice(&text).ok()?;
        Some(Self {
            revision: stored.version,
            status: stored.info.status,
            chart: stored.chart.metadata.name,
            version: stored.chart.metadata.version,
            values: stored.config.unwrap_or_else(|| Value::Object(serde_json::Map::new())),
            is_server_side: stored.apply_method.as_deref() == Some("ssa"),
            secret: secret.metadata.name.clone().unwrap_or_default(),
        })
    }

    /// Whether helm believes that an operation is under way.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.status.starts_with("pending-")
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use k8s_openapi::ByteString;

    use super::*;

    fn secret(json: &str) -> Secret {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(json.as_bytes()).unwrap();
        let encoded = STANDARD.encode(encoder.finish().unwrap());
        let mut secret = Secret {
            data: Some([("release".to_owned(), ByteString(encoded.into_bytes()))].into()),
            ..Secret::default()
        };
        secret.metadata.name = Some("sh.helm.release.v1.acme.v3".to_owned());
        secret
    }

    #[test]
    fn reads_what_helm_stored() {
        let json = r#"{"name":"acme","version":3,"info":{"status":"deployed"},"apply_method":"ssa",
            "chart":{"metadata":{"name":"smarterp","version":"12.1.2210"}},"config":{"replicas":2}}"#;
        let release = Release::of(&secret(json)).unwrap();
        assert_eq!(
            (release.revision, release.chart.as_str(), release.version.as_str()),
            (3, "smarterp", "12.1.2210")
        );
        assert!(release.is_server_side && !release.is_pending());
        assert_eq!(release.values["replicas"], 2);
    }

    #[test]
    fn something_else_is_no_release() {
        assert_eq!(Release::of(&Secret::default()), None);
        assert_eq!(Release::of(&secret("{}")), None);
    }
}
