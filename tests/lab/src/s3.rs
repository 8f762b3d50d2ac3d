//! A real S3 server: MinIO, which honours conditional writes.
//! It may not read or write objects; tests do that through the code they test.
//! Called by tests as `lab::s3()`.

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::buffered::BufWriter;
use object_store::signer::Signer as _;
use reqwest::Method;
use tokio::io::AsyncWriteExt as _;

use crate::error::{Attempt as _, Error, or_fail};
use crate::process::{Process, command};
use crate::tool::tool;
use crate::wait::{block_on, until};
use crate::{folder, http, ports};

const ACCESS_KEY: &str = "lab";

/// A running S3 server; it ends when this value is dropped.
pub struct S3 {
    endpoint: String,
    secret_key: String,
    process: Process,
    _claim: folder::Claim,
}

/// The S3 server of this process, started on first use. Tests share it, each with a bucket of its own.
#[track_caller]
pub fn s3() -> &'static S3 {
    static S3: OnceLock<Result<S3, Error>> = OnceLock::new();
    or_fail(S3.get_or_init(|| S3::start(&folder::temporary("s3")?)))
}

impl S3 {
    /// Starts a server whose data, key and (when still free) port are those kept in `folder`.
    pub fn start(folder: &Path) -> Result<Self, Error> {
        let (folder, claim) = folder::claim(folder)?;
        let secret_key = folder::kept_secret(&folder.join("secret.key"))?;
        let [port] = ports::kept(&folder.join("ports"))?;
        let endpoint = format!("http://127.0.0.1:{port}");

        let mut minio = command(tool("minio")?);
        minio.args(["server", "--address", &format!("127.0.0.1:{port}"), "--quiet"]).arg(folder.join("data"));
        minio.env("MINIO_ROOT_USER", ACCESS_KEY).env("MINIO_ROOT_PASSWORD", &secret_key);
        // No web console, and no question to the outside whether there is a newer version.
        minio.env("MINIO_BROWSER", "off").env("MINIO_UPDATE", "off").env("HOME", &folder);
        let process = Process::start(&minio, &folder.join("minio.log"))?;

        let server = Self { endpoint, secret_key, process, _claim: claim };
        block_on(async || server.ready().await)?;
        Ok(server)
    }

    /// Where the server answers, for path-style requests.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The access key of an account that may do everything.
    pub fn access_key(&self) -> &str {
        ACCESS_KEY
    }

    /// The secret key of that account.
    pub fn secret_key(&self) -> &str {
        &self.secret_key
    }

    /// The process id, to measure the server or to end it.
    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// Creates an empty bucket that no other test has, and returns its name.
    pub async fn create_bucket(&self) -> Result<String, Error> {
        let name = folder::unique_name("bucket");
        let attempt = || format!("cannot create the bucket `{name}`");
        // object_store cannot create buckets, but it signs any request to a path: a PUT of the empty path is
        // the one that creates the bucket.
        let store = self.store(&name).attempting(attempt)?;
        let signed = store.signed_url(Method::PUT, &"".into(), Duration::from_secs(60)).await;
        let url = signed.attempting(attempt)?;
        let http = http::client()?;
        // Under load the server says that it is ready, and a moment later that it is not initialised yet.
        let watched = std::slice::from_ref(&self.process);
        let answer = until("the S3 server", Duration::from_secs(30), watched, async || {
            http::success(http.put(url.clone())).await
        });
        answer.await.attempting(attempt)?;
        Ok(name)
    }

    /// Puts a file into a bucket, as somebody would who feeds the pipeline.
    pub async fn upload(&self, bucket: &str, key: &str, file: &Path) -> Result<(), Error> {
        let attempt = || format!("cannot upload `{key}`");
        let store = Arc::new(self.store(bucket).attempting(attempt)?);
        let mut input = tokio::fs::File::open(file).await.attempting(attempt)?;
        let mut output = BufWriter::new(store, key.into());
        tokio::io::copy(&mut input, &mut output).await.attempting(attempt)?;
        output.shutdown().await.attempting(attempt)
    }

    /// An address at which a request to `/<bucket>/<key>` may be made for a minute, whatever its headers.
    pub async fn presigned(&self, method: &Method, path: &str) -> Result<String, Error> {
        let attempt = || format!("cannot sign a request to `{path}`");
        let (bucket, key) =
            path.trim_start_matches('/').split_once('/').ok_or_else(|| Error::new(attempt()))?;
        let store = self.store(bucket).attempting(attempt)?;
        let key = object_store::path::Path::from_url_path(key).attempting(attempt)?;
        let signed = store.signed_url(method.clone(), &key, Duration::from_secs(60)).await;
        Ok(signed.attempting(attempt)?.to_string())
    }

    pub(crate) fn store(&self, bucket: &str) -> object_store::Result<AmazonS3> {
        connect(&self.endpoint, &self.secret_key, bucket)
    }

    async fn ready(&self) -> Result<(), Error> {
        let health = format!("{}/minio/health/ready", self.endpoint);
        let http = http::client()?;
        let watched = std::slice::from_ref(&self.process);
        let answer = until("the S3 server", Duration::from_secs(60), watched, async || {
            http::success(http.get(&health)).await
        });
        answer.await.map(drop)
    }
}

/// A bucket on such a server, whichever process runs it.
pub(crate) fn connect(endpoint: &str, secret_key: &str, bucket: &str) -> object_store::Result<AmazonS3> {
    http::choose_tls();
    AmazonS3Builder::new()
        .with_endpoint(endpoint)
        .with_allow_http(true)
        .with_region("us-east-1")
        .with_bucket_name(bucket)
        .with_access_key_id(ACCESS_KEY)
        .with_secret_access_key(secret_key)
        .build()
}
