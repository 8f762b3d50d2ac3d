//! One CI server of three kinds: starting a pipeline, and looking how far it is. It may not wait and never repeats what may have acted.

use super::drone::Drone;
use super::error::Error;
use super::jenkins::{Jenkins, Place};
use super::settings::{Access, Kind};
use super::target::Start;
use super::woodpecker::Woodpecker;
use crate::http::{self, Reply};

/// A server, connected.
#[derive(Debug)]
pub(super) enum Server {
    Drone(Drone),
    Woodpecker(Woodpecker),
    Jenkins(Jenkins),
}

/// A pipeline that was started by this run.
#[derive(Clone, Debug)]
pub(crate) struct Started {
    /// As the settings name it.
    pub(crate) target: String,
    /// Its page.
    pub(crate) link: String,
    /// How it was last seen.
    pub(crate) status: String,
    /// Where its state is read.
    pub(super) place: Place,
}

impl Started {
    /// Whether it is known only by its place in a queue.
    pub(super) fn is_queued(&self) -> bool {
        matches!(self.place, Place::Queued { .. })
    }
}

/// How far a pipeline is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    UnderWay,
    Blocked,
    Successful,
    Unsuccessful,
}

impl Server {
    pub(super) fn open(access: &Access) -> Result<Self, Error> {
        let connected = match access.kind {
            Kind::Drone => Drone::open(access).map(Self::Drone),
            Kind::Woodpecker => Woodpecker::open(access).map(Self::Woodpecker),
            Kind::Jenkins => Jenkins::open(access).map(Self::Jenkins),
        };
        connected.map_err(|source| failed("connect to the CI server", source))
    }

    pub(super) async fn start(&self, start: &Start) -> Result<Started, Error> {
        match self {
            Self::Drone(drone) => drone.start(start).await,
            Self::Woodpecker(woodpecker) => woodpecker.start(start).await,
            Self::Jenkins(jenkins) => jenkins.start(start).await,
        }
    }

    /// How far it is; its `status`, and with Jenkins its `link`, are brought up to date.
    pub(super) async fn look(&self, started: &mut Started) -> Result<State, Error> {
        match self {
            Self::Drone(drone) => drone.look(started).await,
            Self::Woodpecker(woodpecker) => woodpecker.look(started).await,
            Self::Jenkins(jenkins) => jenkins.look(started).await,
        }
    }
}

/// The status words of Drone (core/status.go) and Woodpecker (server/model/const.go).
pub(super) fn state_of(status: &str) -> State {
    match status {
        "success" => State::Successful,
        "failure" | "error" | "killed" | "canceled" | "declined" | "skipped" => State::Unsuccessful,
        "blocked" => State::Blocked,
        // pending, running, created, waiting_on_dependencies, and what later versions may add.
        _ => State::UnderWay,
    }
}

/// The error of a request that got no answer and was only reading.
pub(super) fn failed(attempt: &str, source: http::Error) -> Error {
    Error::Http { attempt: attempt.to_owned(), is_uncertain: false, source }
}

/// The error of a request that may have started something although no good answer came.
pub(super) fn uncertain(attempt: &str, source: http::Error) -> Error {
    let is_uncertain = match &source {
        http::Error::NoAnswer { source, .. } => !source.is_connect(),
        http::Error::Status { status, .. } => *status >= 500 && *status != 503,
        http::Error::Unexpected { .. } => true,
    };
    Error::Http { attempt: attempt.to_owned(), is_uncertain, source }
}

/// The reply, unless it is a no; what these servers mean by 404 and 501 is said in words.
pub(super) fn good(attempt: &str, reply: Reply) -> Result<Reply, Error> {
    answered(attempt, reply, failed)
}

/// The same for a request that starts something.
pub(super) fn acted(attempt: &str, sent: Result<Reply, http::Error>) -> Result<Reply, Error> {
    answered(attempt, sent.map_err(|source| uncertain(attempt, source))?, uncertain)
}

fn answered(attempt: &str, reply: Reply, error: fn(&str, http::Error) -> Error) -> Result<Reply, Error> {
    match reply.status {
        404 => Err(Error::NotFound { attempt: attempt.to_owned() }),
        501 => Err(Error::OpenSourceBuild { attempt: attempt.to_owned() }),
        _ => reply.ok().map_err(|source| error(attempt, source)),
    }
}
