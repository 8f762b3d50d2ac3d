//! A counterpart that misbehaves: it refuses, hangs, or stands before a real one and slows it down. It knows nothing of what is asked.

use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use futures::StreamExt as _;
use tokio::net::TcpListener;

/// What it does with a request.
pub(super) enum Answer {
    Reply(StatusCode, &'static str),
    Hang,
    /// The answer of the server at this address.
    Of(String),
    /// The same, with a pause before each of this many pieces of its body.
    Slowly(String, Duration, usize),
}

/// Serves until the test ends; gives its address.
pub(super) async fn start(
    answer: impl Fn(&Method, &str) -> Answer + Clone + Send + Sync + 'static,
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let app = Router::new().fallback(respond).with_state(std::sync::Arc::new(answer) as Shared);
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

type Shared = std::sync::Arc<dyn Fn(&Method, &str) -> Answer + Send + Sync>;

async fn respond(State(answer): State<Shared>, request: Request) -> Response {
    match answer(request.method(), &request.uri().to_string()) {
        Answer::Reply(status, body) => {
            (status, [("ETag", "\"1\""), ("Content-Type", "application/xml")], body).into_response()
        }
        Answer::Hang => std::future::pending().await,
        Answer::Of(server) => forward(&server, request).await,
        Answer::Slowly(server, pause, pieces) => {
            let (head, body) = forward(&server, request).await.into_parts();
            let whole = to_bytes(body, usize::MAX).await.unwrap();
            let size = whole.len().div_ceil(pieces).max(1);
            let parts: Vec<Bytes> = whole.chunks(size).map(Bytes::copy_from_slice).collect();
            let stream = futures::stream::iter(parts).then(move |part| async move {
                tokio::time::sleep(pause).await;
                Ok::<_, std::io::Error>(part)
            });
            Response::from_parts(head, Body::from_stream(stream))
        }
    }
}

/// With the headers as they came: `Host` is part of a signature.
async fn forward(server: &str, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let to = lab::http::client().unwrap().request(head.method, format!("{server}{}", head.uri));
    let reply = to.headers(head.headers).body(body).send().await.unwrap();
    let mut response = Response::builder().status(reply.status());
    *response.headers_mut().unwrap() = reply.headers().clone();
    response.headers_mut().unwrap().remove("transfer-encoding");
    response.body(Body::from(reply.bytes().await.unwrap())).unwrap()
}
