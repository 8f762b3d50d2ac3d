//! A webhook, as Slack, Teams and others have: whatever is posted is kept. Slack's answers with 200 and `ok`, Teams' with 202; here it is a switch.
//! Written from docs.slack.dev ("Sending messages using incoming webhooks") and learn.microsoft.com ("Create incoming webhooks with Workflows").

use std::time::Duration;

use super::served::{Answer, Answers, Request, Served};

/// How it answers.
#[derive(Clone, Copy, Debug)]
pub struct State {
    /// With this status.
    pub status: u16,
    /// After this time.
    pub after: Duration,
}

/// The webhook; it ends when dropped.
pub type Webhook = Served<State>;

impl Default for State {
    fn default() -> Self {
        Self { status: 200, after: Duration::ZERO }
    }
}

impl Answers for State {
    fn answer(&mut self, _: &Request) -> Answer {
        Answer { after: self.after, ..Answer::status(self.status, "ok") }
    }
}
