//! What the stand-ins for CI servers have in common: a thread that answers HTTP on a free local port and keeps every request.
//! It may not know what it stands for. Called by their modules, which decide on the answers.

use std::net::TcpListener;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{self, HeaderMap};
use axum::response::Response;
use tokio::sync::oneshot;

use crate::error::{Attempt as _, Error};

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
pub(super) struct Answer {
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

/// Something that answers.
pub(super) trait Answers: Send + 'static {
    fn answer(&mut self, request: &Request) -> Answer;
}

/// A server on a free local port; it ends when dropped.
pub(super) struct Served<S> {
    url: String,
    inner: Arc<Mutex<Inner<S>>>,
    stop: Option<oneshot::Sender<()>>,
    server: Option<thread::JoinHandle<()>>,
}

struct Inner<S> {
    state: S,
    requests: Vec<Request>,
}

impl<S: Answers> Served<S> {
    /// Starts it, with a thread of its own: a test may wait for a plugin's process without answering requests meanwhile.
    pub(super) fn start(state: S) -> Result<Self, Error> {
        let attempt = || "cannot start a stand-in".to_owned();
        let inner = Arc::new(Mutex::new(Inner { state, requests: Vec::new() }));
        let listener = TcpListener::bind("127.0.0.1:0").attempting(attempt)?;
        listener.set_nonblocking(true).attempting(attempt)?;
        let url = format!("http://{}", listener.local_addr().attempting(attempt)?);
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().attempting(attempt)?;
        let routes = Router::new().fallback(handle::<S>).with_state(Arc::clone(&inner));
        let (stop, stopped) = oneshot::channel();
        let server = thread::spawn(move || {
            runtime.block_on(async {
                let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
                tokio::select! {
                    _ = axum::serve(listener, routes) => {}
                    _ = stopped => {}
                }
            });
        });
        Ok(Self { url, inner, stop: Some(stop), server: Some(server) })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.lock().requests.clone()
    }

    /// Looks at the state, or changes it.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut S) -> T) -> T {
        work(&mut self.lock().state)
    }

    fn lock(&self) -> MutexGuard<'_, Inner<S>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
        let mut inner = inner.lock().unwrap_or_else(PoisonError::into_inner);
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

impl<S> Drop for Served<S> {
    fn drop(&mut self) {
        // Both fail only if the server has already ended.
        let _ = self.stop.take().map(|stop| stop.send(()));
        let _ = self.server.take().map(thread::JoinHandle::join);
    }
}
