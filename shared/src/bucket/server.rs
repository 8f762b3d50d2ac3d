//! How the servers of S3 and Google are talked to: timeouts and repetitions, the same for both.
//! It may not know credentials. Called by the files that open a bucket on a server.

use std::time::Duration;

use super::BucketSettings;
use object_store::{BackoffConfig, ClientOptions, RetryConfig};

/// Timeouts of one request, and the way to the server: `host` where no endpoint is set. Plain HTTP is for servers on the same machine or net; which one is asked is the user's word.
pub(super) fn client_options(settings: &BucketSettings, host: &str) -> ClientOptions {
    let options = ClientOptions::new()
        .with_allow_http(true)
        .with_connect_timeout(Duration::from_secs(10))
        .with_timeout(Duration::from_secs(300));
    settings.net.options(options, settings.endpoint.as_ref(), host)
}

/// Requests that failed on the way are repeated where that cannot do harm: at most five times within a minute.
pub(super) fn retry() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(200),
            max_backoff: Duration::from_secs(5),
            base: 2.0,
        },
        max_retries: 5,
        retry_timeout: Duration::from_secs(60),
    }
}
