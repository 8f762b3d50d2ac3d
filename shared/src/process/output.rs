//! What a program wrote: read while it runs, its end kept, because success and failure stand there. What is kept is cut at line ends, and what is
//! shown is redacted before it is cut, so that no cut leaves half a secret that nobody would recognise.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::Instrument as _;

use super::Error;
use super::shown::{Shown, shortened};
use crate::redact::Redactor;

/// So much of the end of one stream is kept, in bytes. Many programs may run at once.
const LONGEST_OUTPUT: usize = 1 << 20;
/// The last words are looked for in so much of it.
const LONGEST_TAIL: usize = 64 << 10;
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
    /// The last whole lines of its standard output, 1 MiB at most. Not redacted: for reading, not for showing.
    pub stdout: String,
    /// The same of its standard error.
    pub stderr: String,
    /// Its last lines, for showing: of standard error, or of standard output where that is empty; without secrets.
    pub tail: String,
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
        let Self { command, status, elapsed, tail, .. } = self;
        Err(Error::Failed { command, status, elapsed, tail })
    }
}

/// The last lines that a program wrote, for showing. Secrets go before anything is cut, so that no half of one is left.
pub(super) fn tail(status: ExitStatus, stdout: &str, stderr: &str, redactor: &Redactor) -> String {
    let text = if stderr.trim().is_empty() { stdout } else { stderr };
    let text = from_border(text, text.len().saturating_sub(LONGEST_TAIL));
    let was_ended = status.signal().is_some();
    let text = redactor.clean(if was_ended { without_cut_word(text) } else { text });
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    if lines.is_empty() {
        return "it wrote nothing".to_owned();
    }
    let last = &lines[lines.len().saturating_sub(8)..];
    last.iter().map(|line| shortened(line)).collect::<Vec<_>>().join("\n")
}

/// The text of a program that was ended while it may have been writing: the last word may be half a secret, and goes, unless a blank or line end is
/// behind it.
fn without_cut_word(text: &str) -> &str {
    text.trim_end_matches(|c: char| !c.is_whitespace())
}

/// The text from the first line that begins at `start` or later.
fn from_border(text: &str, start: usize) -> &str {
    let border = border(text.as_bytes(), start);
    text.get(border..).unwrap_or_default()
}

/// Where the first line begins at `start` or later; at the end if none does. A progress bar's line ends with a carriage return alone.
fn border(bytes: &[u8], start: usize) -> usize {
    if start == 0 {
        return 0;
    }
    let is_end = |byte: &u8| matches!(byte, b'\n' | b'\r');
    let rest = bytes.get(start - 1..).unwrap_or_default();
    rest.iter().position(is_end).map_or(bytes.len(), |at| start + at)
}

/// A stream that is being read.
#[derive(Debug)]
pub(super) struct Reading {
    task: JoinHandle<()>,
    kept: Arc<Mutex<Kept>>,
}

impl Reading {
    /// Begins to read; its lines are logged at `debug`, unless `is_quiet`.
    pub(super) fn begin<S>(stream: Option<S>, is_quiet: bool, redactor: &Redactor) -> Self
    where
        S: AsyncRead + Send + Unpin + 'static,
    {
        let kept = Arc::new(Mutex::new(Kept::new(LONGEST_OUTPUT)));
        let shown =
            (!is_quiet && tracing::enabled!(tracing::Level::DEBUG)).then(|| Shown::new(redactor.clone()));
        let reading = read(stream, shown, Arc::clone(&kept));
        Self { task: tokio::spawn(reading.in_current_span()), kept }
    }

    /// When something was last read from it, or when reading began.
    pub(super) fn last_heard(&self) -> Instant {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).last_heard
    }

    /// Its program is about to be ended, in mid-word perhaps.
    pub(super) fn will_be_cut(&self) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).will_be_cut = true;
    }

    /// What was read, when the program has ended.
    pub(super) async fn finish(mut self) -> String {
        if timeout(PATIENCE, &mut self.task).await.is_err() {
            self.task.abort();
        }
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).text()
    }
}

async fn read(stream: Option<impl AsyncRead + Unpin>, mut shown: Option<Shown>, kept: Arc<Mutex<Kept>>) {
    let Some(mut stream) = stream else { return };
    let mut bytes = vec![0; 64 << 10];
    // A stream that cannot be read has ended.
    while let Ok(length @ 1..) = stream.read(&mut bytes).await {
        let some = bytes.get(..length).unwrap_or_default();
        kept.lock().unwrap_or_else(PoisonError::into_inner).push(some);
        if let Some(shown) = &mut shown {
            shown.take(some);
        }
    }
    if let Some(shown) = shown {
        let is_cut = kept.lock().unwrap_or_else(PoisonError::into_inner).will_be_cut;
        shown.finish(is_cut);
    }
}

/// The end of a stream.
#[derive(Debug)]
struct Kept {
    bytes: Vec<u8>,
    longest: usize,
    is_cut: bool,
    will_be_cut: bool,
    last_heard: Instant,
}

impl Kept {
    fn new(longest: usize) -> Self {
        Self { bytes: Vec::new(), longest, is_cut: false, will_be_cut: false, last_heard: Instant::now() }
    }

    /// Takes in more; at twice the longest, the first half goes, so that each byte is moved once at most.
    fn push(&mut self, some: &[u8]) {
        self.last_heard = Instant::now();
        self.bytes.extend_from_slice(some);
        if self.bytes.len() > 2 * self.longest {
            // One byte more than is kept tells whether a line begins just there.
            self.bytes.drain(..self.bytes.len() - self.longest - 1);
            self.is_cut = true;
        }
    }

    fn text(&self) -> String {
        let start = self.bytes.len().saturating_sub(self.longest).max(usize::from(self.is_cut));
        let text = String::from_utf8_lossy(&self.bytes[border(&self.bytes, start)..]);
        if start > 0 { format!("{CUT}{text}") } else { text.into_owned() }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn tail_of(stdout: &str, stderr: &str) -> String {
        tail(ExitStatus::default(), stdout, stderr, &Redactor::default())
    }

    #[test]
    fn the_end_is_kept_in_whole_lines() {
        for length in 1..30 {
            let (mut kept, mut all) = (Kept::new(40), String::new());
            for number in 0..100 {
                all.push_str(&format!("{number:02} {}\n", "x".repeat(number % length)));
            }
            all.as_bytes().chunks(length).for_each(|chunk| kept.push(chunk));
            let text = kept.text();
            let rest = text.strip_prefix(CUT).unwrap();
            assert!(all.ends_with(&format!("\n{rest}")) && !rest.is_empty(), "{text}");
            assert!(rest.len() <= 40 && kept.bytes.len() <= 80, "{text}");
        }
    }

    #[tokio::test]
    async fn a_line_without_end_is_not_cut_in_its_middle() {
        let endless = vec![b'x'; 3 * LONGEST_OUTPUT];
        let text = Reading::begin(Some(Cursor::new(endless)), true, &Redactor::default()).finish().await;
        assert_eq!(text, CUT);
        let progress = b"50 % done\r".repeat(LONGEST_OUTPUT);
        let text = Reading::begin(Some(Cursor::new(progress)), true, &Redactor::default()).finish().await;
        assert!(text[CUT.len()..].starts_with("50 %") && text.len() > LONGEST_OUTPUT - 10);
    }

    #[tokio::test]
    async fn a_last_line_needs_no_end_and_bytes_need_no_meaning() {
        let text =
            Reading::begin(Some(Cursor::new(b"one\n\xff\xfe two".to_vec())), true, &Redactor::default())
                .finish()
                .await;
        assert_eq!(text, "one\n\u{fffd}\u{fffd} two");
    }

    #[test]
    fn the_last_words_are_short() {
        let long = "y".repeat(5000);
        let tail = tail_of(&format!("{}{long}\n", "line\n".repeat(20)), "\n");
        assert_eq!(tail.lines().count(), 8);
        assert_eq!(tail.chars().count(), 7 * 5 + 1001);
    }

    #[test]
    fn the_last_word_of_a_program_that_was_ended_is_not_shown_if_it_may_be_half_a_word() {
        let ended = |stderr: &str| tail(ExitStatus::from_raw(9), "", stderr, &Redactor::default());
        assert_eq!(ended("step 1\nlogin with s3cr"), "step 1\nlogin with ");
        assert_eq!(ended("Password: "), "Password: ");
        assert_eq!(ended("step 1\n"), "step 1");
        assert_eq!(tail_of("", "v1.2"), "v1.2");
    }

    #[test]
    fn the_last_words_begin_with_a_whole_line() {
        let text = format!("{}\nlast\n", "half of it ".repeat(LONGEST_TAIL));
        assert_eq!(tail_of("", &text), "last");
    }
}
