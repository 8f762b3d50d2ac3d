//! The S3 server of a world: the buckets that the examples name, filled once, and the address at which customers get charts.
//! It may not change an object that is there.
//! Called by `prepare` and `serve`, and by tests that ask what the buckets hold.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse as _, Redirect, Response};
use futures::TryStreamExt as _;
use object_store::aws::AmazonS3;
use object_store::signer::Signer as _;
use object_store::{ObjectStore as _, ObjectStoreExt as _, PutMode};
use reqwest::Method;
use serde::{Deserialize, Serialize};

use crate::error::{Attempt as _, Error};
use crate::listen::Listening;
use crate::s3::{S3, connect};
use crate::{http, wait};

/// The bucket that plugin-rpo and plugin-package work in.
pub const ARTIFACTS: &str = "artifacts";
/// The bucket of the chart repository.
pub const CHARTS: &str = "charts";

/// How to get at the server.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Store {
    /// Where it answers.
    pub endpoint: String,
    /// Access key of an account that may do everything.
    pub access_key: String,
    /// Its secret key.
    pub secret_key: String,
    /// Where charts are read without a key.
    pub charts: String,
}

impl Store {
    /// Makes both buckets and puts the files of `folder` into the first, where they are not there yet.
    pub async fn fill(&self, folder: &Path) -> Result<(), Error> {
        for bucket in [ARTIFACTS, CHARTS] {
            self.create(bucket).await?;
        }
        let artifacts = self.bucket(ARTIFACTS)?;
        let files = walkdir::WalkDir::new(folder).into_iter().flatten();
        for entry in files.filter(|entry| entry.file_type().is_file()) {
            let attempt = || format!("cannot upload `{}`", entry.path().display());
            let key = entry.path().strip_prefix(folder).unwrap_or(entry.path()).to_string_lossy();
            let bytes = std::fs::read(entry.path()).attempting(attempt)?;
            let put = artifacts.put_opts(&key.as_ref().into(), bytes.into(), PutMode::Create.into()).await;
            match put {
                Err(object_store::Error::AlreadyExists { .. }) => {}
                result => drop(result.attempting(attempt)?),
            }
        }
        Ok(())
    }

    /// Every object of both buckets with what tells its content and when it was written.
    pub async fn objects(&self) -> Result<BTreeMap<String, String>, Error> {
        let mut all = BTreeMap::new();
        for bucket in [ARTIFACTS, CHARTS] {
            let store = self.bucket(bucket)?;
            let found: Vec<_> =
                store.list(None).try_collect().await.attempting(|| format!("cannot list `{bucket}`"))?;
            let told = found.into_iter().map(|one| {
                let text = format!("{} {:?} {}", one.size, one.e_tag, one.last_modified);
                (format!("{bucket}/{}", one.location), text)
            });
            all.extend(told);
        }
        Ok(all)
    }

    /// The content of an object.
    pub async fn object(&self, bucket: &str, key: &str) -> Result<Vec<u8>, Error> {
        let attempt = || format!("cannot read `{bucket}/{key}`");
        let got = self.bucket(bucket)?.get(&key.into()).await.attempting(attempt)?;
        Ok(got.bytes().await.attempting(attempt)?.to_vec())
    }

    async fn create(&self, bucket: &str) -> Result<(), Error> {
        let attempt = || format!("cannot create the bucket `{bucket}`");
        let store = self.bucket(bucket)?;
        let client = http::client()?;
        // Just started, the server says that it is ready, and a moment later that it is not initialised yet.
        wait::until("the S3 server", Duration::from_secs(30), &[], async || {
            if store.list_with_delimiter(None).await.is_ok() {
                return Ok(());
            }
            let url = store.signed_url(Method::PUT, &"".into(), Duration::from_secs(60)).await;
            http::success(client.put(url.attempting(attempt)?)).await.map(drop)
        })
        .await
        .attempting(attempt)
    }

    fn bucket(&self, name: &str) -> Result<AmazonS3, Error> {
        let attempt = || format!("cannot use the bucket `{name}`");
        connect(&self.endpoint, &self.secret_key, name).attempting(attempt)
    }
}

/// Serves the chart repository to those who have no key, as the web server before such a bucket does.
pub(super) fn publish_charts(s3: &S3) -> Result<Listening, Error> {
    let store = s3.store(CHARTS).attempting(|| "cannot use the bucket of the charts".to_owned())?;
    Listening::start("the chart repository", Router::new().fallback(chart).with_state(store))
}

async fn chart(State(store): State<AmazonS3>, uri: Uri) -> Response {
    let key = uri.path().trim_start_matches('/');
    match store.signed_url(Method::GET, &key.into(), Duration::from_secs(60)).await {
        Ok(url) => Redirect::temporary(url.as_str()).into_response(),
        Err(_) => StatusCode::BAD_GATEWAY.into_response(),
    }
}
