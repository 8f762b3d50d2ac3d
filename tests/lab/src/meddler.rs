//! Somebody between a client and a bucket's server who takes conditions away, or says that the credentials have expired.
//! It may not keep anything. Called by tests of what a client makes of such servers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::{CONNECTION, CONTENT_TYPE, IF_MATCH, IF_NONE_MATCH, TRANSFER_ENCODING};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};

use crate::error::Error;
use crate::http;
use crate::listen::Listening;
use crate::s3::S3;

const GENERATION_MATCH: &str = "x-goog-if-generation-match";

/// What is done to the requests.
#[derive(Clone, Copy)]
pub enum Meddling {
    /// Writes lose their conditions. Those to S3 are signed with their headers, so they are signed anew.
    IgnoresConditions(Option<&'static S3>),
    /// After so many requests every further one is answered as Amazon does when temporary credentials have expired
    /// (<https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>).
    ExpiresAfter(u64),
    /// Every answer to a GET of a path that ends so has one bit turned in its middle.
    TurnsABit(&'static str),
}

/// The one between, on a free local port; gone when dropped.
pub struct Meddler {
    listening: Listening,
    seen: Arc<AtomicU64>,
}

struct Between {
    server: String,
    client: reqwest::Client,
    meddling: Meddling,
    seen: Arc<AtomicU64>,
}

impl Meddler {
    /// Stands before `server`.
    pub fn start(server: &str, meddling: Meddling) -> Result<Self, Error> {
        let seen = Arc::new(AtomicU64::new(0));
        let between =
            Between { server: server.to_owned(), client: http::client()?, meddling, seen: Arc::clone(&seen) };
        let routes =
            Router::new().fallback(answer).layer(DefaultBodyLimit::disable()).with_state(Arc::new(between));
        Ok(Self { listening: Listening::start("the one between", routes)?, seen })
    }

    /// Where it answers.
    pub fn url(&self) -> &str {
        self.listening.url()
    }

    /// How many requests came.
    pub fn requests(&self) -> u64 {
        self.seen.load(Ordering::SeqCst)
    }
}

async fn answer(
    State(between): State<Arc<Between>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let before = between.seen.fetch_add(1, Ordering::SeqCst);
    if matches!(between.meddling, Meddling::ExpiresAfter(requests) if before >= requests) {
        let text =
            "<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>";
        return (StatusCode::BAD_REQUEST, [(CONTENT_TYPE, "application/xml")], text).into_response();
    }
    match passed_on(&between, method, uri, headers, body).await {
        Ok(reply) => reply,
        Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
    }
}

async fn passed_on(
    between: &Between,
    method: Method,
    uri: Uri,
    mut headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Error> {
    let mut url = format!("{}{uri}", between.server);
    if let Meddling::IgnoresConditions(s3) = between.meddling {
        let names = [IF_MATCH.as_str(), IF_NONE_MATCH.as_str(), GENERATION_MATCH];
        let had_one = names.map(|name| headers.remove(name)).iter().any(Option::is_some);
        if let (true, Some(s3)) = (had_one && method == Method::PUT, s3) {
            url = s3.presigned(&method, uri.path()).await?;
            headers.clear();
        }
    }
    let request = between.client.request(method.clone(), url).headers(headers).body(body);
    let reply = request.send().await.map_err(|error| Error::new(error.to_string()))?;
    let (status, mut headers) = (reply.status(), reply.headers().clone());
    let length = headers.get("content-length").cloned();
    let mut body = reply.bytes().await.map_err(|error| Error::new(error.to_string()))?.to_vec();
    let turns = matches!(between.meddling, Meddling::TurnsABit(end) if uri.path().trim_end_matches('/').ends_with(end));
    if turns && method == Method::GET && status.is_success() {
        let middle = body.len() / 2;
        if let Some(byte) = body.get_mut(middle) {
            *byte ^= 1;
        }
    }
    headers.remove(TRANSFER_ENCODING);
    headers.remove(CONNECTION);
    let mut response = (status, body).into_response();
    *response.headers_mut() = headers;
    if let (Method::HEAD, Some(length)) = (method, length) {
        response.headers_mut().insert("content-length", length);
    }
    Ok(response)
}
