//! Looks at the process list again and again while runs go on, as anybody on the machine could: all command lines, and the environment of what the
//! plugins have started. Linux keeps both in `/proc` (proc(5)).

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

const PAUSE: Duration = Duration::from_millis(5);

/// What was seen of processes.
#[derive(Debug, Default)]
pub struct Seen {
    /// Different command lines.
    pub command_lines: BTreeSet<Vec<u8>>,
    /// Environments of the programs that plugins started, each once.
    pub environments: BTreeSet<Vec<u8>>,
}

/// The watching goes on until it is stopped.
pub struct Watch {
    is_over: Arc<AtomicBool>,
    watcher: JoinHandle<Seen>,
}

impl Watch {
    /// Begins to look.
    pub fn begin() -> Self {
        let is_over = Arc::<AtomicBool>::default();
        let over = Arc::clone(&is_over);
        let watcher = thread::spawn(move || {
            let mut seen = Seen::default();
            while !over.load(Ordering::SeqCst) {
                look(&mut seen);
                thread::sleep(PAUSE);
            }
            seen
        });
        Self { is_over, watcher }
    }

    /// What was seen.
    pub fn end(self) -> Seen {
        self.is_over.store(true, Ordering::SeqCst);
        self.watcher.join().unwrap_or_default()
    }
}

fn look(seen: &mut Seen) {
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        // A process may end at any moment; then there is nothing to see.
        let Ok(command_line) = fs::read(format!("/proc/{id}/cmdline")) else { continue };
        if command_line.is_empty() {
            continue;
        }
        // What a plugin, or what watches over its programs, has started; one that is still a copy of it does not count.
        if parent(id)
            .and_then(|parent| fs::read(format!("/proc/{parent}/cmdline")).ok())
            .is_some_and(|line| is_plugin(&line) && line != command_line)
            && let Ok(environment) = fs::read(format!("/proc/{id}/environ"))
            // Read after the command line, it may be that of the next program.
            && fs::read(format!("/proc/{id}/cmdline")).is_ok_and(|now| now == command_line)
        {
            seen.environments.insert(environment);
        }
        seen.command_lines.insert(command_line);
    }
}

fn is_plugin(command_line: &[u8]) -> bool {
    let program = command_line.split(|byte| *byte == 0).next().unwrap_or_default();
    let name = program.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    name.starts_with(b"plugin-")
}

/// The fourth field of `stat`; the second, the name, may hold blanks and brackets.
fn parent(id: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}
