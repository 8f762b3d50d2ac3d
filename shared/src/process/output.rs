//! What a program wrote: read while it runs, its end kept, because success and failure stand there.

use std::process::ExitStatus;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::Instrument as _;

use super::Error;

/// So much of the end of one stream is kept.
const LONGEST_OUTPUT: usize = 16 << 20;
/// A line that goes on longer is taken as several.
const LONGEST_LINE: u64 = 64 << 10;
/// In messages, lines are cut here.
const LONGEST_SHOWN: usize = 1000;
/// How long the end of a stream is waited for when the program has ended: something that it left behind may keep the stream open.
const PATIENCE: Duration = Duration::from_secs(1);
const CUT: &str = "[earlier output was not kept]\n";

/// What a program left.
#[derive(Clone, Debug)]
pub struct Output {
    /// The command line, for messages.
    pub command: String,
    /// How it ended.
    pub status: ExitStatus,
    /// The last 16 MiB of its standard output.
    pub stdout: String,
    /// The last 16 MiB of its standard error.
    pub stderr: String,
    /// How long it ran.
    pub elapsed: Duration,
}

impl Output {
    /// The output of a program that ended with exit code 0.
    ///
    /// # Errors
    /// When it did not.
    pub fn checked(self) -> Result<Self, Error> {
        if self.status.success() {
            return Ok(self);
        }
        let tail = self.tail();
        Err(Error::Failed { command: self.command, status: self.status, elapsed: self.elapsed, tail })
    }

    /// The last lines it wrote: of standard error, or of standard output where that is empty.
    #[must_use]
    pub fn tail(&self) -> String {
        let text = if self.stderr.trim().is_empty() { &self.stdout } else { &self.stderr };
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        if lines.is_empty() {
            "it wrote nothing".to_owned()
        } else {
            lines[lines.len().saturating_sub(8)..]
                .iter()
                .map(|line| shortened(line))
                .collect::<Vec<_>>()
                .join("\n")
        }
    }
}

fn shortened(line: &str) -> String {
    match line.char_indices().nth(LONGEST_SHOWN) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

/// A stream that is being read.
#[derive(Debug)]
pub(super) struct Reading {
    task: JoinHandle<()>,
    kept: Arc<Mutex<Kept>>,
}

impl Reading {
    /// Begins to read; each line is logged at `debug`, unless `is_quiet`.
    pub(super) fn begin<S>(stream: Option<S>, is_quiet: bool) -> Self
    where
        S: AsyncRead + Send + Unpin + 'static,
    {
        let kept = Arc::<Mutex<Kept>>::default();
        let reading = read(stream, is_quiet, Arc::clone(&kept));
        Self { task: tokio::spawn(reading.in_current_span()), kept }
    }

    /// What was read, when the program has ended.
    pub(super) async fn finish(mut self) -> String {
        if timeout(PATIENCE, &mut self.task).await.is_err() {
            self.task.abort();
        }
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).text()
    }
}

async fn read(stream: Option<impl AsyncRead + Unpin>, is_quiet: bool, kept: Arc<Mutex<Kept>>) {
    let Some(stream) = stream else { return };
    let mut lines = BufReader::new(stream);
    let mut line = Vec::new();
    // A stream that cannot be read has ended.
    while let Ok(1..) = (&mut lines).take(LONGEST_LINE).read_until(b'\n', &mut line).await {
        if !is_quiet {
            tracing::debug!("| {}", String::from_utf8_lossy(&line).trim_end());
        }
        kept.lock().unwrap_or_else(PoisonError::into_inner).push(&line, LONGEST_OUTPUT);
        line.clear();
    }
}

/// The end of a stream.
#[derive(Debug, Default)]
struct Kept {
    bytes: Vec<u8>,
    is_cut: bool,
}

impl Kept {
    /// Takes in more; at twice the longest, the first half goes, so that each byte is moved once at most.
    fn push(&mut self, line: &[u8], longest: usize) {
        self.bytes.extend_from_slice(line);
        if self.bytes.len() > 2 * longest {
            self.bytes.drain(..self.bytes.len() - longest);
            self.is_cut = true;
        }
    }

    fn text(&self) -> String {
        let start = self.bytes.len().saturating_sub(LONGEST_OUTPUT);
        let text = String::from_utf8_lossy(&self.bytes[start..]);
        if self.is_cut || start > 0 { format!("{CUT}{text}") } else { text.into_owned() }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn the_end_is_kept() {
        let mut kept = Kept::default();
        for number in 0..100 {
            kept.push(format!("line {number:02}\n").as_bytes(), 40);
        }
        let text = kept.text();
        assert!(text.starts_with(CUT) && text.ends_with("line 98\nline 99\n"), "{text}");
        assert!(text.len() <= CUT.len() + 80, "{text}");
    }

    #[tokio::test]
    async fn a_line_without_end_takes_no_more_room_than_others() {
        let endless = vec![b'x'; LONGEST_OUTPUT + 100];
        let text = Reading::begin(Some(Cursor::new(endless)), true).finish().await;
        assert_eq!(text.len(), CUT.len() + LONGEST_OUTPUT);
    }

    #[test]
    fn the_last_words_are_short() {
        let long = "y".repeat(5000);
        let stdout = format!("{}{long}\n", "line\n".repeat(20));
        let output = Output {
            command: String::new(),
            status: ExitStatus::default(),
            stdout,
            stderr: "\n".to_owned(),
            elapsed: Duration::ZERO,
        };
        assert_eq!(output.tail().lines().count(), 8);
        assert_eq!(output.tail().chars().count(), 7 * 5 + LONGEST_SHOWN + 1);
    }
}
