//! A webhook, as Slack, Teams and others have: whatever is posted is kept. Slack's answers with 200 and `ok`, Teams' with 202; here it is a switch.
//! Written from docs.slack.dev ("Sending messages using incoming webhooks") and learn.microsoft.com ("Create incoming webhooks with Workflows").

use std::time::Duration;

use super::served::{Answer, Answers, Request, Served};
use crate::error::Error;

/// How it answers.
#[derive(Clone, Copy, Debug)]
pub struct State {
    /// With this status.
    pub status: u16,
    /// After this time.
    pub after: Duration,
}

/// The webhook; it ends when dropped.
pub struct Webhook(Served<State>);

impl Webhook {
    /// Starts it.
    pub fn start() -> Result<Self, Error> {
        Ok(Self(Served::start(State { status: 200, after: Duration::ZERO })?))
    }

    /// Its address, without a path.
    pub fn url(&self) -> &str {
        self.0.url()
    }

    /// All requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.0.requests()
    }

    /// Changes how it answers.
    pub fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        self.0.with(work)
    }
}

impl Answers for State {
    fn answer(&mut self, _: &Request) -> Answer {
        Answer { after: self.after, ..Answer::status(self.status, "ok") }
    }
}
