//! A bad line before a server: it is slow, and it breaks.
//! It may not understand what goes over it. Called by tests of what a client makes of that.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use crate::error::Error;
use crate::listen;

/// How bad it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Line {
    /// Waited before each piece of at most 64 KiB, in both directions.
    pub delay: Duration,
    /// A connection breaks after so many bytes in one direction, as long as `breaks` are left.
    pub breaks_after: u64,
    /// How often that happens.
    pub breaks: u64,
}

/// A line on a free local port; open connections outlive it, new ones are refused once the process ends.
pub struct BadLine {
    url: String,
    broken: Arc<AtomicU64>,
}

impl BadLine {
    /// Lays a line to `server`, such as `http://127.0.0.1:9000`.
    pub fn start(server: &str, line: Line) -> Result<Self, Error> {
        let to = server.trim_start_matches("http://").to_owned();
        let broken = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&broken);
        let address = listen::accept(&format!("a line to {server}"), move |client| {
            let Ok(server) = TcpStream::connect(&to) else { return };
            let Ok(ends) = client.try_clone().and_then(|client| Ok((client, server.try_clone()?))) else {
                return;
            };
            let (up, down) = (Arc::clone(&count), Arc::clone(&count));
            thread::spawn(move || carry(&client, &server, line, &up));
            thread::spawn(move || carry(&ends.1, &ends.0, line, &down));
        })?;
        Ok(Self { url: format!("http://{address}"), broken })
    }

    /// Where it begins.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// How often it broke.
    pub fn broken(&self) -> u64 {
        self.broken.load(Ordering::SeqCst)
    }
}

fn carry(mut from: &TcpStream, mut to: &TcpStream, line: Line, broken: &AtomicU64) {
    let mut piece = vec![0; 64 << 10];
    let mut carried = 0;
    let mut step = || -> io::Result<bool> {
        let length = from.read(&mut piece)?;
        thread::sleep(line.delay);
        carried += length as u64;
        if line.breaks_after > 0 && carried >= line.breaks_after && is_one_left(broken, line.breaks) {
            return Ok(false);
        }
        to.write_all(piece.get(..length).unwrap_or_default())?;
        Ok(length > 0)
    };
    while step().unwrap_or(false) {}
    // What either end still had to say is lost, as on a line that breaks.
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

fn is_one_left(broken: &AtomicU64, all: u64) -> bool {
    broken
        .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |count| (count < all).then_some(count + 1))
        .is_ok()
}
