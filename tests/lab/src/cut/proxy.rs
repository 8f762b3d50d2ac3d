//! The proxy of a cut: passes every request on as it came, one write after another, and acts at one of them.
//! It may not change a request: an S3 server verifies the client's signature, which covers the address that the client was given.
//! Called by `cut`.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use tokio::sync::{Mutex as Turn, watch};

use super::Moment;
use crate::error::{Attempt as _, Error};
use crate::http::choose_tls;
use crate::listen::Listening;
use crate::process;

/// A plugin's largest request is a part of an upload, of 8 MiB.
const LARGEST_BODY: usize = 64 << 20;

/// What is done at the write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// End the run.
    Kill,
    /// Keep it waiting.
    Hold,
}

/// Where the requests go, and what happens to which of them.
pub(super) struct Gate {
    server: String,
    armed: Mutex<Option<(usize, Moment, Act)>>,
    counted: Mutex<&'static str>,
    /// Writes pass one by one: of parts that are uploaded side by side, which one is the n-th would be chance.
    turn: Turn<()>,
    writes: AtomicUsize,
    process: AtomicU32,
    is_closed: AtomicBool,
    was_reached: AtomicBool,
    released: watch::Sender<bool>,
}

impl Gate {
    pub(super) fn new(server: &str) -> Self {
        Self {
            server: server.to_owned(),
            armed: Mutex::default(),
            counted: Mutex::default(),
            turn: Turn::default(),
            writes: AtomicUsize::new(0),
            process: AtomicU32::new(0),
            is_closed: AtomicBool::new(false),
            was_reached: AtomicBool::new(false),
            released: watch::Sender::new(false),
        }
    }

    pub(super) fn arm(&self, write: usize, moment: Moment, act: Act) {
        *self.armed.lock().unwrap_or_else(PoisonError::into_inner) = Some((write, moment, act));
    }

    pub(super) fn count_only(&self, path: &'static str) {
        *self.counted.lock().unwrap_or_else(PoisonError::into_inner) = path;
    }

    fn is_write(&self, request: &Parts) -> bool {
        let counted = *self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        !matches!(request.method, Method::GET | Method::HEAD) && request.uri.path().ends_with(counted)
    }

    pub(super) fn watch(&self, process: u32) {
        self.process.store(process, Ordering::SeqCst);
    }

    pub(super) fn writes(&self) -> usize {
        self.writes.load(Ordering::SeqCst)
    }

    pub(super) fn was_reached(&self) -> bool {
        self.was_reached.load(Ordering::SeqCst)
    }

    pub(super) fn has_killed(&self) -> bool {
        self.is_closed.load(Ordering::SeqCst)
    }

    pub(super) fn release(&self) {
        self.released.send_replace(true);
    }

    async fn act_at(&self, write: usize, moment: Moment) {
        let armed = *self.armed.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((_, _, act)) = armed.filter(|armed| (armed.0, armed.1) == (write, moment)) else { return };
        match act {
            Act::Kill => {
                self.is_closed.store(true, Ordering::SeqCst);
                // Fails only when the process has ended by itself, which the run's exit code tells.
                let _ = process::kill(self.process.load(Ordering::SeqCst));
                // The dead hear no answer.
                std::future::pending::<()>().await;
            }
            Act::Hold => {
                self.was_reached.store(true, Ordering::SeqCst);
                // Fails only when the gate is gone.
                let _ = self.released.subscribe().wait_for(|is_released| *is_released).await;
            }
        }
    }
}

/// Starts the listening side.
pub(super) fn start(gate: Arc<Gate>) -> Result<Listening, Error> {
    choose_tls();
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .attempting(|| "cannot start the proxy of a cut".into())?;
    Listening::start("the proxy of a cut", Router::new().fallback(pass).with_state((gate, client)))
}

async fn pass(State((gate, client)): State<(Arc<Gate>, reqwest::Client)>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, LARGEST_BODY).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    if !gate.is_write(&head) {
        return forward(&gate, &client, head, body).await;
    }
    let _turn = gate.turn.lock().await;
    if gate.has_killed() {
        return StatusCode::GONE.into_response();
    }
    let write = gate.writes.fetch_add(1, Ordering::SeqCst) + 1;
    gate.act_at(write, Moment::Before).await;
    let reply = forward(&gate, &client, head, body).await;
    gate.act_at(write, Moment::After).await;
    reply
}

async fn forward(gate: &Gate, client: &reqwest::Client, head: Parts, body: Bytes) -> Response {
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    let mut headers = head.headers;
    // Of this connection alone; the length is that of the body.
    for name in [CONNECTION, TRANSFER_ENCODING, CONTENT_LENGTH] {
        headers.remove(name);
    }
    let request = client.request(head.method.clone(), format!("{}{path}", gate.server)).headers(headers);
    let request = if body.is_empty() && head.method == Method::GET { request } else { request.body(body) };
    let Ok(reply) = request.send().await else { return StatusCode::BAD_GATEWAY.into_response() };
    let (status, mut headers) = (reply.status(), reply.headers().clone());
    headers.remove(CONNECTION);
    headers.remove(TRANSFER_ENCODING);
    let Ok(body) = reply.bytes().await else { return StatusCode::BAD_GATEWAY.into_response() };
    (status, headers, body).into_response()
}
