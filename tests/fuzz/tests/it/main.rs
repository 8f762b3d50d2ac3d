//! What the plugins read of others, a target each: no panic, no endless loop, bounded memory, and what can be known of the result.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a broken property ends the test")]

mod archives;
mod documents;
mod edits;
mod index;
mod patches;
mod settings;

/// Runs a target and notes how many inputs it was given.
fn run(target: &str, seeds: &[&[u8]], property: impl Fn(&[u8]) -> bool + std::panic::RefUnwindSafe) {
    let (inputs, read) = fuzz::fuzz(target, seeds, property);
    assert!(
        inputs > seeds.len() as u64 && read > seeds.len() as u64,
        "{target}: {read} of {inputs} were read"
    );
    lab::figures::note("fuzz", &format!("{target}: inputs"), inputs).unwrap();
    lab::figures::note("fuzz", &format!("{target}: inputs that were read to their end"), read).unwrap();
}
