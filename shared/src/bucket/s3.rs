//! An S3 bucket: Amazon's or that of a server which speaks the same.
//! It may not read the environment: credentials come from the settings alone. Called when the bucket is opened.

use std::sync::Arc;

use object_store::ObjectStore;
use object_store::aws::AmazonS3Builder;

use super::answer::Watch;
use super::{BucketSettings, Error, server};

/// The store of an S3 bucket; nothing is asked of it yet.
///
/// # Errors
/// When the settings make no sense.
pub(super) fn open(
    settings: &BucketSettings,
    bucket: &str,
    name: &str,
) -> Result<Arc<dyn ObjectStore>, Error> {
    // Path style, no default checksums: what S3 servers other than Amazon's understand.
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_region(&settings.region)
        .with_virtual_hosted_style_request(false)
        .with_client_options(server::client_options(settings, "s3.amazonaws.com"))
        .with_http_connector(Watch::new(settings.net.redactor()))
        .with_retry(server::retry());
    if let Some(endpoint) = &settings.endpoint {
        builder = builder.with_endpoint(endpoint.as_str().trim_end_matches('/'));
    }
    builder = match (&settings.access_key, &settings.secret_key) {
        (Some(key), Some(secret)) => {
            builder.with_access_key_id(key.expose()).with_secret_access_key(secret.expose())
        }
        _ => builder.with_skip_signature(true),
    };
    if let Some(token) = &settings.session_token {
        builder = builder.with_token(token.expose());
    }
    let store = builder.build().map_err(|source| Error::unusable(name, source))?;
    Ok(Arc::new(store))
}
