//! Random and half-broken input for everything that reads what others wrote: valid texts, changed a little, so that what is read goes deep.
//! It may not know what is read. Called by the tests beside it, a target each; `make fuzz` lets them run for long.

mod edit;
mod watch;

use std::panic::RefUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bolero::produce;
pub use edit::{Edit, changed};

/// How long a target runs in a usual test.
const USUAL: Duration = Duration::from_millis(1000);
/// Whatever is read, the process needs no more than this, in bytes. The archives that are read at most are a tenth of it.
const LARGEST: u64 = 1 << 30;

/// Feeds `property` with `seeds` and their changes, which panics where something does not hold and otherwise says whether the input was read to its
/// end. Gives how many inputs there were, and how many of them were read to their end; every seed must be. `ESTEIRA_FUZZ_SECONDS` sets how long a
/// target runs.
pub fn fuzz(target: &str, seeds: &[&[u8]], property: impl Fn(&[u8]) -> bool + RefUnwindSafe) -> (u64, u64) {
    for seed in seeds {
        assert!(property(seed), "{target}: a seed is refused: {}", String::from_utf8_lossy(seed));
    }
    let (inputs, read) = (AtomicU64::new(seeds.len() as u64), AtomicU64::new(seeds.len() as u64));
    let watch = watch::Watch::begin(target);
    try_changes(&|seed, edits| {
        let input = changed(seeds, seed, edits);
        watch.sees(&input);
        let is_read = property(&input);
        inputs.fetch_add(1, Ordering::Relaxed);
        read.fetch_add(u64::from(is_read), Ordering::Relaxed);
    });
    let memory = lab::measure::peak_rss(std::process::id()).unwrap_or_default();
    assert!(memory < LARGEST, "{target}: {} MiB of memory", memory >> 20);
    (inputs.into_inner(), read.into_inner())
}

fn try_changes(property: &(impl Fn(usize, &[Edit]) + RefUnwindSafe)) {
    bolero::check!()
        .with_generator((produce::<u8>(), produce::<Vec<Edit>>().with().len(0..8_usize)))
        .with_test_time(time())
        .for_each(|(seed, edits)| property(usize::from(*seed), edits));
}

fn time() -> Duration {
    let seconds = lab::process::environment("ESTEIRA_FUZZ_SECONDS");
    let seconds = seconds.and_then(|text| text.to_str()?.parse().ok());
    seconds.map_or(USUAL, Duration::from_secs)
}
