//! Google Cloud Storage by its XML interface, which the real fake-gcs-server does not speak whole: that server keeps the objects, generations
//! and preconditions, and `front` translates. Uploads in parts are kept by `front`, because the server's compose ends at 32 parts and knows no
//! preconditions.
//!
//! Written from Google's documentation of the XML interface (<https://cloud.google.com/storage/docs/xml-api/overview>: put-object-upload,
//! get-object-download, get-bucket-list, delete-object, post-object-multipart, put-object-multipart, post-object-complete, delete-multipart,
//! reference-headers). Called by tests as `lab::gcs()`.

mod account;
mod front;
mod parts;
mod xml;

use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::{Value, json};

use self::front::Front;
use crate::error::{Attempt as _, Error, or_fail};
use crate::listen::Listening;
use crate::process::{Process, command};
use crate::tool::tool;
use crate::wait::{block_on, until};
use crate::{folder, http, ports};

/// A running bucket service; it ends when this value is dropped.
pub struct Gcs {
    server: String,
    front: Listening,
    process: Process,
}

/// The bucket service of this process, started on first use. Tests share it, each with a bucket of its own.
#[track_caller]
pub fn gcs() -> &'static Gcs {
    static GCS: OnceLock<Result<Gcs, Error>> = OnceLock::new();
    or_fail(GCS.get_or_init(|| Gcs::start(&folder::temporary("gcs")?)))
}

impl Gcs {
    fn start(folder: &Path) -> Result<Self, Error> {
        let port = ports::free()?;
        let server = format!("http://127.0.0.1:{port}");
        let mut fake = command(tool("fake-gcs-server")?);
        fake.args(["-scheme", "http", "-host", "127.0.0.1", "-port", &port.to_string()]);
        fake.args(["-backend", "memory", "-log-level", "warn", "-public-host", &format!("127.0.0.1:{port}")]);
        let process = Process::start(&fake, &folder.join("fake-gcs-server.log"))?;
        let front = Listening::start("the front of the bucket service", Front::routes(&server)?)?;
        let service = Self { server, front, process };
        block_on(async || service.ready().await)?;
        Ok(service)
    }

    /// Where the XML interface answers.
    pub fn endpoint(&self) -> &str {
        self.front.url()
    }

    /// The content of the key file of an account that may do everything.
    pub fn key(&self) -> String {
        account::key_file()
    }

    /// Creates an empty bucket that no other test has, and returns its name.
    pub async fn create_bucket(&self) -> Result<String, Error> {
        let name = folder::unique_name("bucket");
        let request =
            http::client()?.post(format!("{}/storage/v1/b", self.server)).json(&json!({ "name": name }));
        http::success(request).await.attempting(|| format!("cannot create the bucket `{name}`"))?;
        Ok(name)
    }

    /// What the server says of an object: `generation`, `contentType`, `cacheControl` and so on.
    pub async fn object(&self, bucket: &str, key: &str) -> Result<Value, Error> {
        let request = http::client()?.get(front::object_url(&self.server, bucket, key)?);
        let reply = http::success(request).await.attempting(|| format!("cannot look at `{key}`"))?;
        reply.json().await.attempting(|| format!("cannot look at `{key}`"))
    }

    async fn ready(&self) -> Result<(), Error> {
        let http = http::client()?;
        let watched = std::slice::from_ref(&self.process);
        let answer = until("the bucket service", Duration::from_secs(60), watched, async || {
            http::success(http.get(format!("{}/_internal/healthcheck", self.server))).await
        });
        answer.await.map(drop)
    }
}
