//! Listening on a free local port, with threads of its own: a test may wait for a process without answering meanwhile.
//! It may not know what it serves. Called by the stand-ins and by what stands before a real server.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use axum::Router;
use tokio::sync::oneshot;

use crate::error::{Attempt as _, Error};

/// An HTTP server that ends when this value is dropped.
pub(crate) struct Listening {
    url: String,
    stop: Option<oneshot::Sender<()>>,
    server: Option<thread::JoinHandle<()>>,
}

impl Listening {
    /// Starts it.
    pub(crate) fn start(what: &str, routes: Router) -> Result<Self, Error> {
        let attempt = || format!("cannot start {what}");
        let (listener, address) = bind(what)?;
        listener.set_nonblocking(true).attempting(attempt)?;
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
        Ok(Self { url: format!("http://{address}"), stop: Some(stop), server: Some(server) })
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

/// Accepts connections as long as this process runs, and hands each to `serve`, which does not wait for its end.
pub(crate) fn accept(what: &str, serve: impl Fn(TcpStream) + Send + 'static) -> Result<SocketAddr, Error> {
    let (listener, address) = bind(what)?;
    thread::spawn(move || listener.incoming().flatten().for_each(serve));
    Ok(address)
}

fn bind(what: &str) -> Result<(TcpListener, SocketAddr), Error> {
    let bound = TcpListener::bind("127.0.0.1:0").and_then(|listener| {
        let address = listener.local_addr()?;
        Ok((listener, address))
    });
    bound.attempting(|| format!("cannot start {what}"))
}
