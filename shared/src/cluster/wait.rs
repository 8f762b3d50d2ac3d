//! Waiting until something is so, with a deadline; when it passes, what was last seen is told.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::failure::{Exit, Fault};

/// The deadline passed.
#[derive(Debug, thiserror::Error)]
#[error("{what} took longer than {}; last seen: {last_seen}", humantime::format_duration(*limit))]
pub struct TimedOut {
    /// What was waited for.
    pub what: String,
    /// How long.
    pub limit: Duration,
    /// How things stood at the end.
    pub last_seen: String,
}

impl Fault for TimedOut {
    fn exit(&self) -> Exit {
        Exit::Temporary
    }
}

/// What one look found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen<T> {
    /// It is so.
    Done(T),
    /// Not yet; how things stand, in words.
    NotYet(String),
}

/// Looks again and again until it is so. Pauses grow from 0.2 s to 2 s.
///
/// # Errors
/// The look's own error at once, or [`TimedOut`].
pub async fn wait_for<T, E, Look, Looking>(what: &str, limit: Duration, mut look: Look) -> Result<T, E>
where
    E: From<TimedOut>,
    Look: FnMut() -> Looking,
    Looking: Future<Output = Result<Seen<T>, E>>,
{
    let deadline = Instant::now() + limit;
    let mut pause = Duration::from_millis(200);
    loop {
        let last_seen = match look().await? {
            Seen::Done(value) => return Ok(value),
            Seen::NotYet(state) => state,
        };
        if Instant::now() + pause > deadline {
            return Err(TimedOut { what: what.to_owned(), limit, last_seen }.into());
        }
        sleep(pause).await;
        pause = (pause * 3 / 2).min(Duration::from_secs(2));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_deadline_tells_what_was_last_seen() {
        let look = || async { Ok::<_, TimedOut>(Seen::<()>::NotYet("1 of 3 ready".to_owned())) };
        let error = wait_for("the Deployment", Duration::from_secs(5), look).await.unwrap_err();
        assert_eq!(error.to_string(), "the Deployment took longer than 5s; last seen: 1 of 3 ready");
    }
}
