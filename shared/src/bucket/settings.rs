//! The settings of a bucket, the same for every plugin that has one.

use std::fmt;
use std::path::PathBuf;

use base64::Engine as _;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::net::Net;
use crate::settings::{Env, Reader, Secret, Setting, Takes, parse};

/// Described once for all plugins that cannot work without a bucket.
pub const BUCKET: &[Setting] =
    &[ADDRESS.required(), ENDPOINT, REGION, ACCESS_KEY, SECRET_KEY, SESSION_TOKEN, GCS_KEY];

/// The same for plugins that need a bucket for some of what they do.
pub const BUCKET_IF_NEEDED: &[Setting] =
    &[ADDRESS, ENDPOINT, REGION, ACCESS_KEY, SECRET_KEY, SESSION_TOKEN, GCS_KEY];

const ADDRESS: Setting = Setting::new(
    "bucket",
    "`file:///folder`, `s3://name` or `gs://name`",
    "The bucket, or a folder used as one.",
);
const ENDPOINT: Setting = Setting::new(
    "endpoint",
    "an address",
    "Server of the bucket, when it is not Amazon's or Google's public one.",
);
const REGION: Setting = Setting::new("region", "a region's name", "S3 region.").default("us-east-1");
const ACCESS_KEY: Setting =
    Setting::new("access_key", "a key", "S3 access key; without one, requests are not signed.").secret();
const SECRET_KEY: Setting = Setting::new("secret_key", "a key", "S3 secret key.").secret();
const SESSION_TOKEN: Setting =
    Setting::new("session_token", "a token", "S3 session token, for temporary credentials.").secret();
const GCS_KEY: Setting = Setting::of(
    "gcs_key",
    Takes::Document("a path, or the file's content (JSON, also as base64)"),
    "Key of a Google service account, for `gs://`. Without one: the machine's own identity, or, where `endpoint` is \
     `http://`, none.",
)
.secret_document();

/// The raw texts of [`BUCKET`].
#[derive(Debug, Default, Deserialize, Serialize)]
pub struct RawBucket {
    bucket: Option<String>,
    endpoint: Option<String>,
    region: Option<String>,
    access_key: Option<String>,
    secret_key: Option<String>,
    session_token: Option<String>,
    gcs_key: Option<String>,
}

/// Where the bucket is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A directory.
    Folder(PathBuf),
    /// The name of an S3 bucket.
    S3(String),
    /// The name of a bucket of Google Cloud Storage.
    Gcs(String),
}

/// Key of a Google service account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GcsKey {
    /// Where the file lies.
    Path(PathBuf),
    /// What it says.
    Content(Secret),
}

/// Everything needed to open a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketSettings {
    /// Where it is.
    pub location: Location,
    /// The server, when it is not Amazon's or Google's.
    pub endpoint: Option<Url>,
    /// S3 region.
    pub region: String,
    /// S3 access key.
    pub access_key: Option<Secret>,
    /// S3 secret key.
    pub secret_key: Option<Secret>,
    /// S3 session token.
    pub session_token: Option<Secret>,
    /// Trusted authorities and proxies.
    pub net: Net,
    /// Key of a Google service account.
    pub gcs_key: Option<GcsKey>,
    /// Host of Google's metadata server, which knows the machine's own identity.
    pub metadata_host: String,
}

impl BucketSettings {
    /// A bucket without credentials, on the server that is usual for it.
    #[must_use]
    pub fn at(location: Location) -> Self {
        Self {
            location,
            endpoint: None,
            region: "us-east-1".to_owned(),
            access_key: None,
            secret_key: None,
            session_token: None,
            gcs_key: None,
            metadata_host: "metadata.google.internal".to_owned(),
            net: Net::default(),
        }
    }

    /// Reads the bucket's settings; `None` when a problem was noted.
    #[must_use]
    pub fn read(read: &mut Reader<'_>, env: &Env) -> Option<Self> {
        Self::read_if(read, env, true)
    }

    /// Reads the bucket's settings where a bucket is not always needed; `None` when there is none or a problem was noted.
    #[must_use]
    pub fn read_if(read: &mut Reader<'_>, env: &Env, is_needed: bool) -> Option<Self> {
        let raw: RawBucket = read.raw();
        let endpoint = read.optional("endpoint", raw.endpoint, parse::url);
        let location = match is_needed {
            true => read.required("bucket", raw.bucket, |value| location(value, env)),
            false => read.optional("bucket", raw.bucket, |value| location(value, env)),
        };
        let access_key = read.optional("access_key", raw.access_key, parse::secret);
        let secret_key = read.optional("secret_key", raw.secret_key, parse::secret);
        if access_key.is_some() != secret_key.is_some() {
            let (given, lacking) = if access_key.is_some() {
                ("access_key", "secret_key")
            } else {
                ("secret_key", "access_key")
            };
            read.problem(lacking, &format!("required, because `{given}` is set"));
        }
        let gcs_key = read.optional("gcs_key", raw.gcs_key, |value| gcs_key(value, env));
        let session_token = read.optional("session_token", raw.session_token, parse::secret);
        let region = read.or("region", raw.region, parse::text, "us-east-1".to_owned());
        let usual = Self::at(location?);
        // The variable that Google's own libraries read, for where that host's name does not resolve.
        let metadata_host = env.variable("GCE_METADATA_HOST").unwrap_or(&usual.metadata_host).to_owned();
        Some(Self {
            endpoint,
            region,
            access_key,
            secret_key,
            session_token,
            gcs_key,
            metadata_host,
            net: Net::read(read, env),
            ..usual
        })
    }
}

fn location(value: &str, env: &Env) -> parse::Parsed<Location> {
    let value = value.trim().trim_end_matches('/');
    if let Some(path) = value.strip_prefix("file://").filter(|path| !path.is_empty()) {
        return Ok(Location::Folder(env.workspace().join(path)));
    }
    let (kind, name) = value.split_once("://").unwrap_or_default();
    match kind {
        _ if name.is_empty() || name.contains('/') => Err(EXPECTED.to_owned()),
        "s3" => Ok(Location::S3(name.to_owned())),
        "gs" => Ok(Location::Gcs(name.to_owned())),
        _ => Err(EXPECTED.to_owned()),
    }
}

const EXPECTED: &str = "`file:///folder`, `s3://name` or `gs://name`";

fn gcs_key(value: &str, env: &Env) -> parse::Parsed<GcsKey> {
    let value = value.trim();
    let decoded = base64::engine::general_purpose::STANDARD
        .decode(value.split_whitespace().collect::<String>())
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .filter(|text| text.trim_start().starts_with('{'));
    match (value.starts_with('{'), decoded) {
        (true, _) => service_account(value).map(GcsKey::Content),
        (false, Some(text)) => service_account(&text).map(GcsKey::Content),
        (false, None) if value.contains('\n') => Err(NO_KEY.to_owned()),
        (false, None) => Ok(GcsKey::Path(env.workspace().join(value))),
    }
}

const NO_KEY: &str = "the key of a service account: JSON with `client_email`, `private_key` and `private_key_id`, or where it lies";

/// The content of a key file, if it is one (<https://cloud.google.com/iam/docs/keys-create-delete>).
///
/// # Errors
/// What was expected.
pub(super) fn service_account(text: &str) -> parse::Parsed<Secret> {
    let value: serde_json::Value = serde_json::from_str(text).map_err(|_| NO_KEY.to_owned())?;
    let is_whole =
        ["client_email", "private_key", "private_key_id"].iter().all(|name| value[name].is_string());
    match value["type"].as_str() {
        None | Some("service_account") if is_whole => Ok(Secret::new(text)),
        Some(kind @ ("authorized_user" | "external_account")) => Err(format!("{NO_KEY}; not `{kind}`")),
        _ => Err(NO_KEY.to_owned()),
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => write!(f, "file://{}", path.display()),
            Self::S3(name) => write!(f, "s3://{name}"),
            Self::Gcs(name) => write!(f, "gs://{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str =
        r#"{"type": "service_account", "client_email": "a@b", "private_key": "k", "private_key_id": "1"}"#;

    fn read(variables: &[(&str, &str)]) -> Result<BucketSettings, String> {
        let env = Env::of(variables);
        let mut read = Reader::new(&env, &[BUCKET]);
        let settings = BucketSettings::read(&mut read, &env);
        read.finish(|| settings).map_err(|problems| problems.to_string())
    }

    #[test]
    fn a_key_of_google_is_a_path_or_content_plain_or_in_base64() {
        let key = |value: &str| {
            read(&[("PLUGIN_BUCKET", "gs://name"), ("PLUGIN_GCS_KEY", value)]).unwrap().gcs_key.unwrap()
        };
        let content = GcsKey::Content(Secret::new(KEY));
        assert_eq!(key(KEY), content);
        assert_eq!(key(&base64::engine::general_purpose::STANDARD.encode(KEY)), content);
        assert!(matches!(key("keys/bucket.json"), GcsKey::Path(path) if path.ends_with("keys/bucket.json")));
    }

    #[test]
    fn what_is_no_key_of_a_service_account_is_refused_and_not_shown() {
        for text in
            [r#"{"type": "authorized_user", "refresh_token": "marked"}"#, r#"{"marked": 1"#, "a\nmarked"]
        {
            let problem = read(&[("PLUGIN_BUCKET", "gs://name"), ("PLUGIN_GCS_KEY", text)]).unwrap_err();
            assert!(problem.contains("PLUGIN_GCS_KEY") && problem.contains("private_key_id"), "{problem}");
            assert!(!problem.contains("marked"), "{problem}");
        }
    }

    #[test]
    fn a_bucket_has_a_name_and_a_kind_that_is_known() {
        assert_eq!(read(&[("PLUGIN_BUCKET", "gs://n/")]).unwrap().location, Location::Gcs("n".to_owned()));
        for address in ["gs://", "gs://a/b", "az://a", "bucket"] {
            assert!(read(&[("PLUGIN_BUCKET", address)]).is_err(), "{address}");
        }
    }
}
