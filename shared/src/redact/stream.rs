//! Redacts a stream of bytes that comes in pieces: holds back as many bytes as the longest secret has, so that one which is split between two
//! pieces is found. Called by the log.

use std::io::{self, Write};

use super::Redactor;

/// Passes on what is written to it, without any secret. [`Redacting::finish`] passes on the rest.
#[derive(Debug)]
pub(crate) struct Redacting<W> {
    redactor: Redactor,
    inner: W,
    held: Vec<u8>,
}

impl<W: Write> Redacting<W> {
    /// In front of `inner`.
    pub(crate) fn new(redactor: Redactor, inner: W) -> Self {
        Self { redactor, inner, held: Vec::new() }
    }

    /// The stream has ended: what was held back is judged and passed on.
    pub(crate) fn finish(&mut self) -> io::Result<&mut W> {
        self.pass_on(true)?;
        Ok(&mut self.inner)
    }

    fn pass_on(&mut self, is_end: bool) -> io::Result<()> {
        let (clean, judged) = self.redactor.clean_beginning(&self.held, is_end);
        self.held.drain(..judged);
        self.inner.write_all(&clean)
    }
}

impl<W: Write> Write for Redacting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.held.extend_from_slice(bytes);
        self.pass_on(false)?;
        Ok(bytes.len())
    }

    /// Of what is not held back.
    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
