//! A bucket of Google Cloud Storage, by its XML interface; compare-and-swap goes by generations.
//! It may not leave the choice of credentials to object_store, which looks for them in the environment and in the home folder.
//! Called when the bucket is opened.

mod identity;

use std::sync::Arc;

use object_store::gcp::{GcpCredential, GoogleCloudStorageBuilder};
use object_store::{ObjectStore, StaticCredentialProvider};

use super::answer::Watch;
use super::settings::service_account;
use super::{BucketSettings, Error, GcsKey, server};
use identity::MachineIdentity;

/// The store of a bucket at Google's, or of a server which speaks the same; nothing is asked of it yet.
///
/// # Errors
/// When the key cannot be read or is none.
pub(super) fn open(
    settings: &BucketSettings,
    bucket: &str,
    name: &str,
) -> Result<Arc<dyn ObjectStore>, Error> {
    let mut builder = GoogleCloudStorageBuilder::new()
        .with_bucket_name(bucket)
        .with_client_options(server::client_options(settings, "storage.googleapis.com"))
        .with_http_connector(Watch::new(settings.net.redactor()))
        .with_retry(server::retry());
    if let Some(endpoint) = &settings.endpoint {
        builder = builder.with_base_url(endpoint.as_str().trim_end_matches('/'));
    }
    builder = match &settings.gcs_key {
        Some(key) => builder.with_service_account_key(content(key, name)?),
        // An emulator. The machine's token must never travel in the open.
        None if settings.endpoint.as_ref().is_some_and(|endpoint| endpoint.scheme() == "http") => {
            let nobody = GcpCredential { bearer: String::new() };
            builder
                .with_skip_signature(true)
                .with_credentials(Arc::new(StaticCredentialProvider::new(nobody)))
        }
        None => builder.with_credentials(Arc::new(MachineIdentity::new(&settings.metadata_host))),
    };
    let store = builder.build().map_err(|source| Error {
        hint: Some("look at `gcs_key`: it must be the key of a service account, as Google gave it out"),
        ..Error::unusable(name, source)
    })?;
    Ok(Arc::new(store))
}

fn content(key: &GcsKey, name: &str) -> Result<String, Error> {
    let path = match key {
        GcsKey::Content(text) => return Ok(text.expose().to_owned()),
        GcsKey::Path(path) => path,
    };
    let unusable = |reason: String| Error {
        attempted: format!("read the key file `{}` for use", path.display()),
        hint: Some("look at `gcs_key`: a path is one of this machine, relative to the workspace"),
        ..Error::unusable(name, std::io::Error::other(reason))
    };
    let text = std::fs::read_to_string(path).map_err(|error| unusable(error.to_string()))?;
    let text = service_account(&text).map_err(|expected| unusable(format!("expected {expected}")))?;
    Ok(text.expose().to_owned())
}
