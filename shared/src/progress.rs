//! Progress of long work as lines of the log: how much is done, how fast, how long it will take. Says nothing of short work, and
//! at most one line in ten seconds. Called by whoever moves many bytes or works off many things.

use std::time::{Duration, Instant};

/// The time between two lines, and before the first one.
const BETWEEN: Duration = Duration::from_secs(10);

/// A piece of work of known size.
#[derive(Debug)]
pub struct Progress {
    what: String,
    unit: Unit,
    total: u64,
    done: u64,
    begun: Instant,
    next: Instant,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Bytes,
    Things(&'static str),
}

impl Progress {
    /// Work on so many bytes, such as `upload of `a/b``.
    #[must_use]
    pub fn bytes(what: impl Into<String>, total: u64) -> Self {
        Self::new(what.into(), Unit::Bytes, total, Instant::now())
    }

    /// Work on so many things, such as `patches`.
    #[must_use]
    pub fn things(what: impl Into<String>, things: &'static str, total: usize) -> Self {
        Self::new(what.into(), Unit::Things(things), total as u64, Instant::now())
    }

    fn new(what: String, unit: Unit, total: u64, now: Instant) -> Self {
        Self { what, unit, total, done: 0, begun: now, next: now + BETWEEN }
    }

    /// So much more is done; says so if it is time to.
    pub fn add(&mut self, amount: u64) {
        if let Some(line) = self.line_at(amount, Instant::now()) {
            tracing::info!("{line}");
        }
    }

    fn line_at(&mut self, amount: u64, now: Instant) -> Option<String> {
        self.done += amount;
        // The end of the work is said by whoever did it.
        if now < self.next || self.done == 0 || self.done >= self.total {
            return None;
        }
        self.next = now + BETWEEN;
        Some(format!("{}: {}", self.what, self.words(now.duration_since(self.begun))))
    }

    #[expect(clippy::cast_precision_loss, reason = "rates and times for people")]
    fn words(&self, elapsed: Duration) -> String {
        let (done, total) = (self.done as f64, self.total as f64);
        let rate = done / elapsed.as_secs_f64().max(0.001);
        let left = in_words(((total - done) / rate).round());
        match self.unit {
            Unit::Bytes => {
                format!("{:.1} of {:.1} MB, {:.1} MB/s, {left} left", done / 1e6, total / 1e6, rate / 1e6)
            }
            Unit::Things(things) => {
                format!("{} of {} {things}, {:.1} a minute, {left} left", self.done, self.total, rate * 60.0)
            }
        }
    }
}

/// A time span as coarse as it is uncertain.
fn in_words(seconds: f64) -> String {
    let minutes = seconds / 60.0;
    match () {
        () if seconds < 90.0 => format!("{seconds:.0} s"),
        () if minutes < 90.0 => format!("{minutes:.0} min"),
        () => format!("{:.1} h", minutes / 60.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn says_amount_rate_and_time_left() {
        let begun = Instant::now();
        let mut upload = Progress::new("upload of `a.rpo`".to_owned(), Unit::Bytes, 600_000_000, begun);
        assert_eq!(
            upload.line_at(120_000_000, begun + seconds(10)).as_deref(),
            Some("upload of `a.rpo`: 120.0 of 600.0 MB, 12.0 MB/s, 40 s left")
        );
        let mut rollout = Progress::new("rollout".to_owned(), Unit::Things("namespaces"), 1210, begun);
        assert_eq!(
            rollout.line_at(10, begun + seconds(60)).as_deref(),
            Some("rollout: 10 of 1210 namespaces, 10.0 a minute, 2.0 h left")
        );
    }

    #[test]
    fn short_work_says_nothing_and_long_work_one_line_in_ten_seconds() {
        let begun = Instant::now();
        let mut work = Progress::new("patches".to_owned(), Unit::Things("patches"), 100, begun);
        let lines = (1..=99).filter_map(|second| work.line_at(1, begun + seconds(second))).count();
        assert_eq!(lines, 9);
        let mut short = Progress::new("patches".to_owned(), Unit::Things("patches"), 9, begun);
        assert_eq!((1..=9).filter_map(|second| short.line_at(1, begun + seconds(second))).count(), 0);
    }

    #[test]
    fn the_last_piece_and_no_piece_say_nothing() {
        let begun = Instant::now();
        let mut work = Progress::new("download".to_owned(), Unit::Bytes, 10, begun);
        assert_eq!(work.line_at(0, begun + seconds(20)), None);
        assert_eq!(work.line_at(10, begun + seconds(30)), None);
    }
}
