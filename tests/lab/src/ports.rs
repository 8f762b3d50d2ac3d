//! Free ports of 127.0.0.1.
//! It may not hold a port: the tool that is to listen on it binds it a moment later.
//! Called by every module that starts a listening tool.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::net::TcpSocket;

use crate::error::{Attempt as _, Error};
use crate::wait::{block_on, until};

// Below the range that Linux hands out for outgoing connections (32768 on), so that a port found free is not
// taken by a client before the tool binds it.
const FIRST: u32 = 20_000;
const COUNT: u32 = 12_000;

const PATIENCE: Duration = Duration::from_secs(5);

/// A port that nobody listens on, and that no other caller in this process was given.
pub fn free() -> Result<u16, Error> {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    // Neighbouring process ids begin far apart: test processes are started one after another.
    let start = process::id().wrapping_mul(7919);
    for _ in 0..COUNT {
        let step = GIVEN.fetch_add(1, Ordering::Relaxed);
        let candidate = FIRST + start.wrapping_add(step) % COUNT;
        if let Ok(port) = u16::try_from(candidate)
            && is_free(port)
        {
            return Ok(port);
        }
    }
    Err(Error::new(format!("no free port on 127.0.0.1 between {FIRST} and {}", FIRST + COUNT)))
}

/// `COUNT` free ports: those noted in `note` by an earlier start when they are still free, so that whoever
/// remembers an address finds it again, else new ones, noted for the next time. What the earlier start left
/// behind may listen a moment longer than it lived itself: its ports are waited for.
pub fn kept<const COUNT: usize>(note: &Path) -> Result<[u16; COUNT], Error> {
    let noted: Vec<u16> = fs::read_to_string(note)
        .unwrap_or_default()
        .split_whitespace()
        .filter_map(|p| p.parse().ok())
        .collect();
    if let Ok(ports) = <[u16; COUNT]>::try_from(noted)
        && become_free(&ports)
    {
        return Ok(ports);
    }
    let mut ports = [0; COUNT];
    for port in &mut ports {
        *port = free()?;
    }
    let text = ports.map(|port| port.to_string()).join(" ");
    fs::write(note, text).attempting(|| format!("cannot note the ports in `{}`", note.display()))?;
    Ok(ports)
}

/// Whether all are free, now or soon.
fn become_free(ports: &[u16]) -> bool {
    let are_free = async || match ports.iter().find(|port| !is_free(**port)) {
        None => Ok(()),
        Some(port) => Err(Error::new(format!("{port} is listened on"))),
    };
    block_on(async || until("a port of an earlier start", PATIENCE, &[], are_free).await).is_ok()
}

/// Asks without listening: a child that another thread starts at this moment would keep on listening until it becomes its program, and who asks
/// at the same time, or is to have the port, would find it taken. A bound socket stands in nobody's way (`SO_REUSEADDR`, socket(7)).
fn is_free(port: u16) -> bool {
    let bind = || {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
    };
    bind().is_ok()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_port_that_is_listened_on_is_not_free_and_asking_does_not_take_it() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        assert!(!is_free(listener.local_addr().unwrap().port()));
        let port = free().unwrap();
        let asking = TcpSocket::new_v4().unwrap();
        asking.set_reuseaddr(true).unwrap();
        asking.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).unwrap();
        assert!(is_free(port), "who asks stands in the way of another who asks");
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
    }
}
