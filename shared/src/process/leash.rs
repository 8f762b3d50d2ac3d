//! By what a running program is held: its supervisor's pipe, or, where there is no supervisor (tests), its process group. Whoever drops it before the
//! program has ended ends the program and all that it started. Called by `Command::run` alone.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, ChildStdin};
use tokio::time::timeout;

/// What a program is given to end by itself when it ran too long: helm writes down that its release failed.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// How long a supervisor is given to end all that there is.
const LONGEST_END: Duration = Duration::from_secs(10);

/// Ends a program when it is dropped.
#[derive(Debug)]
pub(super) struct Leash {
    /// Read by the supervisor, which ends all when it is closed.
    pipe: Option<ChildStdin>,
    group: Option<Pid>,
}

impl Leash {
    /// Of a program that was just started; one with a pipe as its standard input is a supervisor.
    pub(super) fn of(child: &mut Child) -> Self {
        match child.stdin.take() {
            None => {
                Self { pipe: None, group: child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)) }
            }
            pipe => Self { pipe, group: None },
        }
    }

    /// The program has ended by itself, and its number may soon be another's.
    pub(super) fn loosen(&mut self) {
        self.group = None;
    }

    /// Asks all to end, then makes them.
    pub(super) async fn end(mut self, child: &mut Child) {
        self.send(Signal::TERM);
        if let Some(pipe) = &mut self.pipe {
            // Fails only when the supervisor has ended, and then there is nobody to ask.
            let _ = pipe.write_all(b"T").await;
        }
        let has_ended = timeout(LAST_WORDS, child.wait()).await.is_ok();
        // Those it started may have heard nothing.
        drop(self);
        if !has_ended && timeout(LONGEST_END, child.wait()).await.is_err() {
            // Nothing outlives this signal; there is nothing to do about an error.
            let _ = child.kill().await;
        }
    }

    fn send(&self, signal: Signal) {
        if let Some(group) = self.group {
            // Fails only when the whole group has ended.
            let _ = kill_process_group(group, signal);
        }
    }
}

impl Drop for Leash {
    fn drop(&mut self) {
        self.send(Signal::KILL);
    }
}
