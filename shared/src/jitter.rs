//! Pauses that differ from run to run, so that runs which met once do not meet again and again.

use std::time::{Duration, SystemTime};

/// `base` and up to as much again.
#[must_use]
pub fn jittered(base: Duration) -> Duration {
    let nanos = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |now| now.subsec_nanos());
    base + base.mul_f64(f64::from(nanos % 1000) / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_never_shorter_and_never_twice_as_long() {
        let base = Duration::from_millis(250);
        assert!((base..base * 2).contains(&jittered(base)));
    }
}
