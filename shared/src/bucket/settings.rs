//! The settings of a bucket, the same for every plugin that has one.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::net::Net;
use crate::settings::{Env, Reader, Secret, Setting, parse};

/// Described once for all plugins that cannot work without a bucket.
pub const BUCKET: &[Setting] = &[ADDRESS.required(), ENDPOINT, REGION, ACCESS_KEY, SECRET_KEY, SESSION_TOKEN];

/// The same for plugins that need a bucket for some of what they do.
pub const BUCKET_IF_NEEDED: &[Setting] = &[ADDRESS, ENDPOINT, REGION, ACCESS_KEY, SECRET_KEY, SESSION_TOKEN];

const ADDRESS: Setting =
    Setting::new("bucket", "`file:///folder` or `s3://name`", "The bucket, or a folder used as one.");
const ENDPOINT: Setting = Setting::new("endpoint", "an address", "S3 server, when it is not Amazon's.");
const REGION: Setting = Setting::new("region", "a region's name", "S3 region.").default("us-east-1");
const ACCESS_KEY: Setting =
    Setting::new("access_key", "a key", "S3 access key; without one, requests are not signed.").secret();
const SECRET_KEY: Setting = Setting::new("secret_key", "a key", "S3 secret key.").secret();
const SESSION_TOKEN: Setting =
    Setting::new("session_token", "a token", "S3 session token, for temporary credentials.").secret();

/// The raw texts of [`BUCKET`].
#[derive(Debug, Default, Deserialize, Serialize)]
pub struct RawBucket {
    bucket: Option<String>,
    endpoint: Option<String>,
    region: Option<String>,
    access_key: Option<String>,
    secret_key: Option<String>,
    session_token: Option<String>,
}

/// Where the bucket is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A directory.
    Folder(PathBuf),
    /// The name of an S3 bucket.
    S3(String),
}

/// Everything needed to open a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketSettings {
    /// Where it is.
    pub location: Location,
    /// S3 server, when it is not Amazon's.
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
}

impl BucketSettings {
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
        Some(Self {
            location: location?,
            endpoint,
            region: read.or("region", raw.region, parse::text, "us-east-1".to_owned()),
            access_key,
            secret_key,
            session_token: read.optional("session_token", raw.session_token, parse::secret),
            net: Net::read(read, env),
        })
    }
}

fn location(value: &str, env: &Env) -> parse::Parsed<Location> {
    let value = value.trim().trim_end_matches('/');
    if let Some(path) = value.strip_prefix("file://").filter(|path| !path.is_empty()) {
        return Ok(Location::Folder(env.workspace().join(path)));
    }
    match value.strip_prefix("s3://") {
        Some(name) if !name.is_empty() && !name.contains('/') => Ok(Location::S3(name.to_owned())),
        _ => Err("`file:///folder` or `s3://name`".to_owned()),
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => write!(f, "file://{}", path.display()),
            Self::S3(name) => write!(f, "s3://{name}"),
        }
    }
}
