//! What can go wrong with a CI server, by what was attempted, and what to do about it.

use crate::failure::{Exit, Fault};
use crate::http;

/// Why a pipeline was not started, did not end well, or a schedule is not as it should be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("cannot {attempt}")]
    Http {
        attempt: String,
        /// Whether the request may have acted although no good answer came.
        is_uncertain: bool,
        source: http::Error,
    },
    #[error("cannot {attempt}: not found, or the token may not write there")]
    NotFound { attempt: String },
    #[error(
        "cannot {attempt}: this Drone server is the open-source build, which has neither cron nor promotion"
    )]
    OpenSourceBuild { attempt: String },
    #[error("nothing was started: {reason}")]
    NothingMatched { reason: String, hint: String },
    #[error("cannot {attempt}: {reason}")]
    Refused { attempt: String, reason: String },
    #[error("{link} waits for a person's approval; it is not waited for")]
    Blocked { link: String },
    #[error("{link} ended as `{status}`")]
    Unsuccessful { link: String, status: String },
    #[error("{link} is not done after {limit}; last seen as `{status}`")]
    TimedOut {
        link: String,
        limit: String,
        status: String,
        /// Why it could not be seen at the end, if so.
        source: Option<Box<Error>>,
    },
    #[error("{link} left the queue without a build: it was cancelled, or its build was removed")]
    Vanished { link: String },
    #[error("told to stop before this was started")]
    NotBegun,
    #[error("told to stop; {link} goes on without being waited for")]
    StoppedWaiting { link: String },
    #[error("{count} of {total} pipelines were not started or did not end well:\n  {}", texts.join("\n  "))]
    Pipelines { count: usize, total: usize, texts: Vec<String>, hints: Vec<String>, exit: Exit },
}

impl Fault for Error {
    fn exit(&self) -> Exit {
        match self {
            // Whatever repeats a run that ended with 75 would start a second pipeline.
            Self::Http { is_uncertain: true, .. } | Self::TimedOut { .. } => Exit::Failed,
            Self::Http { source, .. } => source.exit(),
            Self::NotBegun | Self::StoppedWaiting { .. } => Exit::Temporary,
            Self::Pipelines { exit, .. } => *exit,
            _ => Exit::Failed,
        }
    }

    fn hints(&self) -> Vec<String> {
        let one = |text: &str| vec![text.to_owned()];
        match self {
            Self::Http { is_uncertain: true, .. } => {
                one("it may have been started all the same: look at the server before you run this again")
            }
            Self::Http { source, .. } => source.hints_about("ci_url"),
            Self::NotFound { .. } => one(
                "look at the name, and whether the owner of `ci_token` may write there: servers hide what a token may not do",
            ),
            Self::OpenSourceBuild { .. } => one(
                "create the schedule somewhere else, such as a Kubernetes CronJob, or use the full build of Drone",
            ),
            Self::NothingMatched { hint, .. } => one(hint),
            Self::Blocked { .. } => one("approve it on the server; protected repositories ask for that"),
            Self::TimedOut { .. } => {
                one("it goes on; raise `trigger_timeout`, or look at it there. A rerun starts another one")
            }
            Self::StoppedWaiting { .. } => one("look at it there; a rerun starts another one"),
            Self::Pipelines { hints, .. } => hints.clone(),
            _ => Vec::new(),
        }
    }
}
