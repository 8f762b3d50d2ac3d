//! What the stand-ins for CI servers have in common: an HTTP server that keeps every request, and whose state a test looks at or changes meanwhile.
//! It may not know what it stands for. Called by their modules, which decide on the answers.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{self, HeaderMap};
use axum::response::Response;

use crate::error::Error;
use crate::listen::Listening;

/// One request as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// The HTTP method.
    pub method: String,
    /// The path without the query.
    pub path: String,
    /// The query, decoded.
    pub query: Vec<(String, String)>,
    /// The whole address as it stood in the request line.
    pub uri: String,
    /// The body.
    pub body: String,
    /// The header `Authorization`.
    pub authorization: String,
    /// The header `Cookie`.
    pub cookie: String,
}

/// What is answered.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: String,
    /// How long the answer is kept back.
    pub(super) after: Duration,
}

impl Answer {
    pub(super) fn json(body: &serde_json::Value) -> Self {
        Self { status: 200, body: body.to_string(), ..Self::default() }
    }

    pub(super) fn status(status: u16, body: &str) -> Self {
        Self { status, body: body.to_owned(), ..Self::default() }
    }

    pub(super) fn header(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }
}

/// The state of a stand-in; its default is a server that does as it should.
pub trait Answers: Default + Send + 'static {
    /// Answers one request.
    fn answer(&mut self, request: &Request) -> Answer;
}

/// A stand-in on a free local port; it ends when dropped.
pub struct Served<S> {
    listening: Listening,
    inner: Arc<Mutex<Inner<S>>>,
}

#[derive(Default)]
struct Inner<S> {
    state: S,
    requests: Vec<Request>,
}

impl<S: Answers> Served<S> {
    /// Starts it.
    pub fn start() -> Result<Self, Error> {
        let inner = Arc::<Mutex<Inner<S>>>::default();
        let routes = Router::new().fallback(handle::<S>).with_state(Arc::clone(&inner));
        Ok(Self { listening: Listening::start("a stand-in", routes)?, inner })
    }

    /// Its address, without a path.
    pub fn url(&self) -> &str {
        self.listening.url()
    }

    /// All requests so far.
    pub fn requests(&self) -> Vec<Request> {
        lock(&self.inner).requests.clone()
    }

    /// Looks at what it has, or changes how it behaves.
    pub fn with<T>(&self, work: impl FnOnce(&mut S) -> T) -> T {
        work(&mut lock(&self.inner).state)
    }
}

fn lock<S>(inner: &Mutex<Inner<S>>) -> MutexGuard<'_, Inner<S>> {
    inner.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn handle<S: Answers>(
    State(inner): State<Arc<Mutex<Inner<S>>>>,
    request: http::Request<Body>,
) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap_or_default();
    let query = parts.uri.query().unwrap_or_default();
    let request = Request {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: url::form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
        uri: parts.uri.to_string(),
        body: String::from_utf8_lossy(&body).into_owned(),
        authorization: header(&parts.headers, "authorization"),
        cookie: header(&parts.headers, "cookie"),
    };
    let answer = {
        let mut inner = lock(&inner);
        inner.requests.push(request.clone());
        inner.state.answer(&request)
    };
    tokio::time::sleep(answer.after).await;
    let response = answer
        .headers
        .iter()
        .fold(Response::builder().status(answer.status), |built, (name, value)| built.header(*name, value));
    response.body(Body::from(answer.body)).unwrap_or_default()
}

fn header(headers: &HeaderMap, name: &str) -> String {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}
