//! A small HTTP server of the lab on a free local port, with a thread of its own: a test may wait for a process without answering meanwhile.
//! It may not know what it serves. Called by what stands before a real server.

use std::net::TcpListener;
use std::thread;

use axum::Router;
use tokio::sync::oneshot;

use crate::error::{Attempt as _, Error};

/// A server that ends when this value is dropped.
pub(crate) struct Listening {
    url: String,
    stop: Option<oneshot::Sender<()>>,
    server: Option<thread::JoinHandle<()>>,
}

impl Listening {
    /// Starts it.
    pub(crate) fn start(what: &str, routes: Router) -> Result<Self, Error> {
        let attempt = || format!("cannot start {what}");
        let listener = TcpListener::bind("127.0.0.1:0").attempting(attempt)?;
        listener.set_nonblocking(true).attempting(attempt)?;
        let url = format!("http://{}", listener.local_addr().attempting(attempt)?);
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().attempting(attempt)?;
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
        Ok(Self { url, stop: Some(stop), server: Some(server) })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        // Both fail only if the server has already ended.
        let _ = self.stop.take().map(|stop| stop.send(()));
        let _ = self.server.take().map(thread::JoinHandle::join);
    }
}
