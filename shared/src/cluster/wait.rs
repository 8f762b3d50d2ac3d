//! Waiting until something is so, with a deadline; when it passes, what was last seen is told.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::failure::{Exit, Fault, chain};

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

/// Looks again and again until it is so. Pauses grow from 0.2 s to 2 s. A look that fails for a moment (a restart of the API server) is no end: it counts
/// as not yet.
///
/// # Errors
/// The look's own error at once if it is not temporary, or [`TimedOut`].
pub async fn wait_for<T, E, Look, Looking>(what: &str, limit: Duration, mut look: Look) -> Result<T, E>
where
    E: From<TimedOut> + Fault,
    Look: FnMut() -> Looking,
    Looking: Future<Output = Result<Seen<T>, E>>,
{
    let deadline = Instant::now() + limit;
    let mut pause = Duration::from_millis(200);
    loop {
        let last_seen = match look().await {
            Ok(Seen::Done(value)) => return Ok(value),
            Ok(Seen::NotYet(state)) => state,
            Err(error) if error.exit() == Exit::Temporary => chain(&error),
            Err(error) => return Err(error),
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
    async fn a_look_that_fails_for_a_moment_is_repeated() {
        let mut looks = 0;
        let look = || {
            looks += 1;
            let seen = match looks {
                1 => Err(TimedOut {
                    what: "one request".into(),
                    limit: Duration::ZERO,
                    last_seen: String::new(),
                }),
                _ => Ok(Seen::Done(())),
            };
            async { seen }
        };
        assert!(wait_for("it", Duration::from_secs(5), look).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_tells_what_was_last_seen() {
        let look = || async { Ok::<_, TimedOut>(Seen::<()>::NotYet("1 of 3 ready".to_owned())) };
        let error = wait_for("the Deployment", Duration::from_secs(5), look).await.unwrap_err();
        assert_eq!(error.to_string(), "the Deployment took longer than 5s; last seen: 1 of 3 ready");
    }
}
