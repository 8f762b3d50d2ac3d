//! An input on which something never ends would let the test hang without a word: this says which one it was, and ends the test.

use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

/// No input may take longer, however busy the machine is.
const LONGEST: Duration = Duration::from_secs(30);

type Input = Mutex<(Instant, Vec<u8>)>;

/// Watches the input that is being read until it is dropped.
pub(crate) struct Watch(Arc<Input>);

impl Watch {
    pub(crate) fn begin(target: &str) -> Self {
        let input = Arc::new(Mutex::new((Instant::now(), Vec::new())));
        let (seen, target) = (Arc::downgrade(&input), target.to_owned());
        thread::spawn(move || watch(&seen, &target));
        Self(input)
    }

    pub(crate) fn sees(&self, input: &[u8]) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.0 = Instant::now();
        seen.1.clear();
        seen.1.extend_from_slice(input);
    }
}

fn watch(seen: &Weak<Input>, target: &str) {
    while let Some(input) = seen.upgrade() {
        let input = input.lock().unwrap_or_else(PoisonError::into_inner);
        if input.0.elapsed() > LONGEST {
            let text = format!("{target}: no end on the input {:?}\n", String::from_utf8_lossy(&input.1));
            // Nothing else can be done if nobody hears it.
            let _ = std::io::stderr().write_all(text.as_bytes());
            std::process::abort();
        }
        drop(input);
        thread::sleep(Duration::from_millis(500));
    }
}
