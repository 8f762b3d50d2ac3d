//! The monitoring service UptimeRobot, API version 2.
//!
//! Sources: the API's own documentation (uptimerobot.com/api: methods, `api_key` in the body as form or JSON, pagination
//! with at most 50 monitors, kinds of keys, rate limits with 429, `Retry-After` and `X-RateLimit-*`); the Go client
//! bitfield/uptimerobot (numbers of the states); public clients for `stat: fail`, which comes with HTTP 200. Inferred:
//! the exact fields and texts of `error`.
//!
//! Played as far as a rollout needs it: `getMonitors` and `editMonitor`. A resumed monitor reads as 1 ("not checked
//! yet") for a moment, then 2 ("up").

mod account;
mod reply;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::routing::post;

use self::account::{Account, KEY, READ_ONLY_KEY};
use crate::error::Error;
use crate::listen::Listening;

/// One monitor as `getMonitors` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Monitor {
    /// Its number.
    pub id: u64,
    /// Its `friendly_name`.
    pub name: String,
    /// 0 paused, 1 not checked yet, 2 up.
    pub status: u8,
}

/// One edit of a monitor's status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The monitor's number.
    pub id: u64,
    /// The monitor's name.
    pub name: String,
    /// 0 paused, 1 resumed.
    pub status: u8,
    /// When.
    pub at: SystemTime,
}

/// One request as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The HTTP method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// The body.
    pub body: String,
}

/// The service on a free local port, with one account; it ends when dropped.
pub struct Uptime {
    listening: Listening,
    account: Arc<Mutex<Account>>,
}

impl Uptime {
    /// Starts it. With a file the monitors are kept there and are found again by the next start.
    pub fn start(state_file: Option<&Path>) -> Result<Self, Error> {
        let account = Arc::new(Mutex::new(Account::load(state_file)?));
        let routes = Router::new()
            .route("/v2/getMonitors", post(reply::get_monitors))
            .route("/v2/editMonitor", post(reply::edit_monitor))
            .with_state(Arc::clone(&account));
        Ok(Self { listening: Listening::start("the uptime service", routes)?, account })
    }

    /// What `https://api.uptimerobot.com` is in life: a client appends `/v2/getMonitors`.
    pub fn url(&self) -> &str {
        self.listening.url()
    }

    /// The account's main key, which may do everything.
    pub fn key(&self) -> &'static str {
        KEY
    }

    /// A key that may read only.
    pub fn read_only_key(&self) -> &'static str {
        READ_ONLY_KEY
    }

    /// The key of one monitor, which may read that monitor only.
    pub fn monitor_key(&self, id: u64) -> String {
        account::monitor_key(id)
    }

    /// Adds a monitor that is up and returns its number. Names need not be unique.
    pub fn add_monitor(&self, name: &str) -> Result<u64, Error> {
        self.account().add(name)
    }

    /// Pauses (0) or resumes (1) a monitor as a person would in the service's own pages: not in the history.
    pub fn set_status(&self, id: u64, status: u8) -> Result<(), Error> {
        self.account().set_status(id, status).map(drop)
    }

    /// Answers at most `requests` within each `window` from now on, the rest with 429; in life the window is a minute.
    pub fn limit(&self, requests: u32, window: Duration) {
        self.account().limit(requests, window);
    }

    /// All monitors in the order of their numbers.
    pub fn monitors(&self) -> Vec<Monitor> {
        self.account().monitors().collect()
    }

    /// The edits of status that clients made since the start, in order.
    pub fn history(&self) -> Vec<Change> {
        self.account().history.clone()
    }

    /// The requests since the start, also those that were refused.
    pub fn requests(&self) -> Vec<Request> {
        self.account().requests.clone()
    }

    fn account(&self) -> MutexGuard<'_, Account> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
