//! What a run of a program costs: wall time and peak memory.
//! It may not judge the figures.
//! Called by tests and benchmarks that hold a program to its limits.

use std::fs;
use std::io::Read;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Attempt as _, Error};
use crate::process::spawn;

/// A finished run and what it cost.
#[derive(Debug)]
pub struct Measured {
    /// How the program ended.
    pub status: ExitStatus,
    /// All it wrote to standard output.
    pub stdout: String,
    /// All it wrote to standard error.
    pub stderr: String,
    /// From the start to the end.
    pub wall: Duration,
    /// From the start to the first byte of output, on either stream.
    pub first_output: Option<Duration>,
    /// The most memory it had resident at once.
    pub peak_rss_bytes: u64,
}

/// Runs a command to its end and measures it.
pub fn run_measured(mut command: Command) -> Result<Measured, Error> {
    let name = command.get_program().to_string_lossy().into_owned();
    let attempt = || format!("cannot measure `{name}`");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());

    let begun = Instant::now();
    let mut child = spawn(command).attempting(attempt)?;
    let stdout = child.stdout.take().map(|stream| thread::spawn(move || read(stream, begun)));
    let stderr = child.stderr.take().map(|stream| thread::spawn(move || read(stream, begun)));

    let mut peak_rss_bytes = 0;
    let status = loop {
        // The kernel keeps the maximum, so only growth within the last pause before the end is missed.
        peak_rss_bytes = peak_rss(child.id()).unwrap_or(peak_rss_bytes);
        match child.try_wait().attempting(attempt)? {
            Some(status) => break status,
            None => thread::sleep(Duration::from_millis(2)),
        }
    };
    let wall = begun.elapsed();
    let [(stdout, first_out), (stderr, first_error)] =
        [stdout, stderr].map(|reader| reader.and_then(|reader| reader.join().ok()).unwrap_or_default());
    let first_output = [first_out, first_error].into_iter().flatten().min();
    Ok(Measured { status, stdout, stderr, wall, first_output, peak_rss_bytes })
}

/// The most memory that a running process has had resident so far, in bytes; `None` once it has ended.
pub fn peak_rss(id: u32) -> Option<u64> {
    memory(id, "VmHWM")
}

/// A line of a running process' `/proc/<id>/status` that is an amount of memory, such as `VmRSS`, in bytes.
pub fn memory(id: u32, name: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

fn read(mut stream: impl Read, begun: Instant) -> (String, Option<Duration>) {
    let (mut all, mut some, mut first) = (Vec::new(), [0; 8192], None);
    while let Ok(count @ 1..) = stream.read(&mut some) {
        first.get_or_insert_with(|| begun.elapsed());
        all.extend_from_slice(&some[..count]);
    }
    (String::from_utf8_lossy(&all).into_owned(), first)
}
