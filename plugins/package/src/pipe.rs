//! Two short pipes between the thread that packs, which blocks, and the bucket, which does not. Plain channels instead of a bridge that
//! drives the runtime from the thread: when a run is told to stop, the other ends vanish and the thread ends by itself.

use std::io::{self, Read, Write};

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Size of one piece; with `IN_FLIGHT` of them this bounds what a pipe holds.
pub const PIECE: usize = 256 << 10;
const IN_FLIGHT: usize = 4;

/// What the packing thread writes to.
#[derive(Debug)]
pub struct Inlet {
    sender: Sender<Bytes>,
    piece: BytesMut,
}

/// What the packing thread reads from.
#[derive(Debug)]
pub struct Outlet {
    receiver: Receiver<Bytes>,
    piece: Bytes,
}

/// A pipe out of the packing thread.
#[must_use]
pub fn from_thread() -> (Inlet, Receiver<Bytes>) {
    let (sender, receiver) = channel(IN_FLIGHT);
    (Inlet { sender, piece: BytesMut::with_capacity(PIECE) }, receiver)
}

/// A pipe into the packing thread.
#[must_use]
pub fn into_thread() -> (Sender<Bytes>, Outlet) {
    let (sender, receiver) = channel(IN_FLIGHT);
    (sender, Outlet { receiver, piece: Bytes::new() })
}

impl Write for Inlet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = bytes.len().min(PIECE - self.piece.len());
        self.piece.extend_from_slice(&bytes[..length]);
        if self.piece.len() == PIECE {
            self.flush()?;
        }
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.piece, BytesMut::with_capacity(PIECE)).freeze();
        self.sender.blocking_send(piece).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl Read for Outlet {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.receiver.blocking_recv() {
                Some(piece) => self.piece = piece,
                None => return Ok(0),
            }
        }
        let length = buffer.len().min(self.piece.len());
        self.piece.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out_in_pieces() {
        let (mut inlet, mut received) = from_thread();
        let content: Vec<u8> = (0..PIECE + 5).map(|at| at.to_le_bytes()[0]).collect();
        inlet.write_all(&content).unwrap();
        inlet.flush().unwrap();
        drop(inlet);
        let (sender, mut outlet) = into_thread();
        while let Some(piece) = received.blocking_recv() {
            sender.blocking_send(piece).unwrap();
        }
        drop(sender);
        let mut out = Vec::new();
        outlet.read_to_end(&mut out).unwrap();
        assert!(out == content);
    }

    #[test]
    fn writing_fails_once_nobody_reads() {
        let (mut inlet, received) = from_thread();
        drop(received);
        assert_eq!(inlet.write_all(&vec![0; PIECE]).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}
