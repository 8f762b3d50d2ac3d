//! A program's output in the log: the first lines as they come, then how many there were, and at the end the last ones. Each line is redacted whole
//! and cut afterwards. What a tool writes without end fills neither the log nor memory. Called by `output`.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::io::BufRead as _;

use crate::redact::Redactor;

/// So many lines of a stream are logged as they come.
const FIRST: u64 = 1000;
/// And so many when it has ended.
const LAST: usize = 20;
/// In messages, lines are cut here, in characters.
const LONGEST: usize = 1000;
/// Of a line that goes on longer, in bytes, the rest is passed over.
const LONGEST_LINE: usize = 64 << 10;
/// No secret in one line is longer, in bytes (a longer file is known by its lines too): what could be the beginning of one stands in the last so many
/// bytes of a line that was not read to its end.
const LONGEST_SECRET: usize = 32 << 10;

/// Logs a stream.
#[derive(Debug, Default)]
pub(super) struct Shown {
    redactor: Redactor,
    line: Line,
    count: u64,
    last: VecDeque<Line>,
}

#[derive(Debug, Default)]
struct Line {
    bytes: Vec<u8>,
    is_too_long: bool,
}

impl Shown {
    /// Nothing is shown that this redactor knows as a secret.
    pub(super) fn new(redactor: Redactor) -> Self {
        Self { redactor, ..Self::default() }
    }

    /// Takes in what was read.
    pub(super) fn take(&mut self, mut some: &[u8]) {
        while !some.is_empty() {
            let before = some;
            // Reading from memory cannot fail.
            let length = some.skip_until(b'\n').unwrap_or(before.len());
            let part = before.get(..length).unwrap_or_default();
            self.line.add(part);
            if part.ends_with(b"\n") {
                self.end_line();
            }
        }
    }

    /// Logs what was held back. The last word of a program that was ended in its middle is not shown: it may be half a secret.
    pub(super) fn finish(mut self, is_cut: bool) {
        if is_cut {
            let end = self.line.bytes.iter().rposition(u8::is_ascii_whitespace).map_or(0, |at| at + 1);
            self.line.bytes.truncate(end);
        }
        if !self.line.bytes.is_empty() {
            self.end_line();
        }
        let left_out = self.left_out();
        if left_out > 0 {
            tracing::debug!("| [{left_out} lines are not shown]");
        }
        for line in &self.last {
            tracing::debug!("| {}", line.text(&self.redactor));
        }
    }

    fn end_line(&mut self) {
        self.count += 1;
        if self.count <= FIRST {
            tracing::debug!("| {}", self.line.text(&self.redactor));
            self.line.clear();
            return;
        }
        // The room of the oldest line is used again.
        let mut next = if self.last.len() < LAST { None } else { self.last.pop_front() }.unwrap_or_default();
        next.clear();
        self.last.push_back(std::mem::replace(&mut self.line, next));
        let left_out = self.left_out();
        // A sign of life, ever more rarely.
        if left_out >= FIRST && left_out.is_power_of_two() {
            tracing::debug!("| [{left_out} lines are not shown so far]");
        }
    }

    fn left_out(&self) -> u64 {
        self.count.saturating_sub(FIRST).saturating_sub(self.last.len() as u64)
    }
}

impl Line {
    fn add(&mut self, part: &[u8]) {
        let room = LONGEST_LINE.saturating_sub(self.bytes.len());
        self.is_too_long |= part.len() > room;
        self.bytes.extend_from_slice(part.get(..room).unwrap_or(part));
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.is_too_long = false;
    }

    /// As it is shown.
    fn text(&self, redactor: &Redactor) -> String {
        let text = redactor.clean(String::from_utf8_lossy(&self.bytes).trim_end());
        if !self.is_too_long {
            return shortened(&text).into_owned();
        }
        let end = text.floor_char_boundary(text.len().saturating_sub(LONGEST_SECRET));
        let sure = text.get(..end).unwrap_or_default();
        format!("{}…", shortened(sure).trim_end_matches('…'))
    }
}

/// A line that was redacted, cut to what a message can hold.
pub(super) fn shortened(line: &str) -> Cow<'_, str> {
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]).into(),
        None => line.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Env, Setting};

    fn last(shown: &Shown) -> Vec<String> {
        shown.last.iter().map(|line| line.text(&shown.redactor)).collect()
    }

    #[test]
    fn a_flood_leaves_its_beginning_its_length_and_its_end() {
        let mut shown = Shown::default();
        for number in 0..50_000_u32 {
            shown.take(format!("line {number}\n").as_bytes());
        }
        assert_eq!((shown.count, shown.last.len(), shown.left_out()), (50_000, LAST, 48_980));
        assert_eq!(last(&shown).last().unwrap(), "line 49999");
    }

    #[test]
    fn a_line_is_put_together_from_its_pieces_and_its_length_is_bounded() {
        let mut shown = Shown { count: FIRST, ..Shown::default() };
        b"ab\ncd".chunks(1).for_each(|piece| shown.take(piece));
        assert_eq!((last(&shown), shown.line.bytes.as_slice()), (vec!["ab".to_owned()], b"cd".as_slice()));
        (0..100).for_each(|_| shown.take(&[b'x'; 10_000]));
        assert_eq!(shown.line.bytes.len(), LONGEST_LINE);
        shown.take(b"\nnext\n");
        assert_eq!(last(&shown), ["ab", &format!("cd{}…", "x".repeat(LONGEST - 2)), "next"]);
    }

    #[test]
    fn no_cut_leaves_half_a_secret() {
        const SETTINGS: &[Setting] = &[Setting::new("token", "", "").secret()];
        let secret = "only-this-test-knows-it";
        let env = Env::of(&[("PLUGIN_TOKEN", secret)]);
        let redactor = Redactor::of(&env, &[SETTINGS]);
        let shown_from = |redactor: &Redactor| Shown { count: FIRST, ..Shown::new(redactor.clone()) };
        for at in [0, LONGEST - 5, LONGEST_LINE - 5, LONGEST_LINE - LONGEST_SECRET - 5] {
            let mut shown = shown_from(&redactor);
            let line = format!("{}{secret}{}\n", "x".repeat(at), "y".repeat(100));
            line.as_bytes().chunks(7).for_each(|piece| shown.take(piece));
            let text = last(&shown).remove(0);
            assert!(!text.contains("only") && !text.contains("knows-it"), "{at}: {text}");
        }
        // Redacted, such a line is shorter than what is shown of one.
        let mut shown = shown_from(&redactor);
        shown.take(format!("{}\n", secret.repeat(LONGEST_LINE)).as_bytes());
        assert!(!last(&shown).remove(0).contains("only"));
    }

    #[test]
    fn of_a_line_that_was_not_read_to_its_end_nothing_unsure_is_shown() {
        let line =
            |is_too_long| Line { bytes: vec![b's'; LONGEST_SECRET], is_too_long }.text(&Redactor::default());
        assert_eq!(line(true), "…");
        assert_eq!(line(false).chars().count(), LONGEST + 1);
    }
}
