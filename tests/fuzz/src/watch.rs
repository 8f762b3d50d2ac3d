//! An input on which something never ends would let the test hang without a word: this says which one it was, and ends the test.

use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::Duration;

/// No input may take longer: processor time of the whole process, in hundredths of a second, because a busy machine stretches all others.
const LONGEST: u64 = 60 * 100;

/// When it was first seen to be read, if it was, and what it is.
type Input = Mutex<(Option<u64>, Vec<u8>)>;

/// Watches the input that is being read until it is dropped.
pub(crate) struct Watch(Arc<Input>);

impl Watch {
    pub(crate) fn begin(target: &str) -> Self {
        let input = Arc::new(Mutex::new((None, Vec::new())));
        let (seen, target) = (Arc::downgrade(&input), target.to_owned());
        thread::spawn(move || watch(&seen, &target));
        Self(input)
    }

    pub(crate) fn sees(&self, input: &[u8]) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.0 = None;
        seen.1.clear();
        seen.1.extend_from_slice(input);
    }
}

fn watch(seen: &Weak<Input>, target: &str) {
    while let Some(input) = seen.upgrade() {
        let mut input = input.lock().unwrap_or_else(PoisonError::into_inner);
        let now = processor_time().unwrap_or_default();
        if now.saturating_sub(*input.0.get_or_insert(now)) > LONGEST {
            let text = format!("{target}: no end on the input {:?}\n", String::from_utf8_lossy(&input.1));
            // Nothing else can be done if nobody hears it.
            let _ = std::io::stderr().write_all(text.as_bytes());
            std::process::abort();
        }
        drop(input);
        thread::sleep(Duration::from_millis(500));
    }
}

/// Of this process, in hundredths of a second: `utime` and `stime` of proc_pid_stat(5).
fn processor_time() -> Option<u64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    let fields = rest.split_whitespace().skip(11).take(2).map(str::parse::<u64>);
    fields.sum::<Result<u64, _>>().ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_time_that_passes_is_the_processors() {
        let before = super::processor_time().unwrap();
        let mut number = 0_u64;
        while super::processor_time().unwrap() < before + 5 {
            number = std::hint::black_box(number + 1);
        }
        assert!(number > 0);
    }
}
