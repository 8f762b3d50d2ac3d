//! The HTTP client of the lab.
//! It may not keep connections: the counterparts are shared by tests that each have an async runtime of
//! their own, and a connection dies with the runtime that opened it.
//! Called by whatever talks to a counterpart over plain HTTP.

use crate::error::{Attempt as _, Error};

/// A client for 127.0.0.1: no proxy, no kept connections.
pub fn client() -> Result<reqwest::Client, Error> {
    built(builder())
}

/// The same, keeping cookies as a browser does.
pub(crate) fn browser() -> Result<reqwest::Client, Error> {
    built(builder().cookie_store(true))
}

fn builder() -> reqwest::ClientBuilder {
    choose_tls();
    reqwest::Client::builder()
        .no_proxy()
        .pool_max_idle_per_host(0)
        .timeout(std::time::Duration::from_secs(60))
}

fn built(builder: reqwest::ClientBuilder) -> Result<reqwest::Client, Error> {
    builder.build().attempting(|| "cannot make an HTTP client".into())
}

/// Makes `ring` the process's TLS, which reqwest is built without a choice of.
pub(crate) fn choose_tls() {
    // An error says that another caller was first, with the same choice.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// The reply when its status is a success, else an error with the reply's text.
pub async fn success(request: reqwest::RequestBuilder) -> Result<reqwest::Response, Error> {
    let reply = request.send().await.attempting(|| "no reply".into())?;
    if reply.status().is_success() {
        return Ok(reply);
    }
    let (status, url) = (reply.status(), reply.url().clone());
    let text = reply.text().await.unwrap_or_default();
    Err(Error::new(format!("{} answered {status}: {text}", url.path())))
}
