//! The account behind the API: its monitors, keys and rate limit. It knows nothing of HTTP.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

use super::{Change, Monitor, Request};
use crate::error::{Attempt as _, Error};
use crate::folder::write_private;

/// Keys look as in life: the first letters say what kind of key it is.
pub(super) const KEY: &str = "u900100-5c1d2e7fab09e3d4c6b8a712";
pub(super) const READ_ONLY_KEY: &str = "ur900100-0b7e4d92c5f1a8637de20914";

const FIRST_ID: u64 = 780_100_001;
/// How long a resumed monitor is "not checked yet".
const UNCHECKED: Duration = Duration::from_millis(300);

/// What a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Full,
    ReadOnly,
    OneMonitor(u64),
}

#[derive(Default)]
pub(super) struct Account {
    monitors: BTreeMap<u64, Kept>,
    resumed: BTreeMap<u64, Instant>,
    file: Option<PathBuf>,
    limit: Option<Limit>,
    pub(super) history: Vec<Change>,
    pub(super) requests: Vec<Request>,
}

/// What the state file keeps of a monitor.
#[derive(Serialize, Deserialize)]
struct Kept {
    name: String,
    paused: bool,
}

struct Limit {
    requests: u32,
    window: Duration,
    begun: Instant,
    used: u32,
}

/// Where a client stands with its rate limit.
pub(super) struct Rate {
    pub(super) limit: u32,
    pub(super) remaining: u32,
    pub(super) reset: Duration,
    pub(super) exceeded: bool,
}

impl Account {
    pub(super) fn load(file: Option<&Path>) -> Result<Self, Error> {
        let mut account = Self { file: file.map(Path::to_owned), ..Self::default() };
        if let Some(file) = file.filter(|file| file.exists()) {
            let attempt = || format!("cannot read the monitors in `{}`", file.display());
            let text = std::fs::read(file).attempting(attempt)?;
            account.monitors = serde_json::from_slice(&text).attempting(attempt)?;
        }
        Ok(account)
    }

    pub(super) fn access(key: &str) -> Option<Access> {
        match key {
            KEY => Some(Access::Full),
            READ_ONLY_KEY => Some(Access::ReadOnly),
            _ => {
                let id = key.strip_prefix('m')?.split_once('-')?.0.parse().ok()?;
                (key == monitor_key(id)).then_some(Access::OneMonitor(id))
            }
        }
    }

    pub(super) fn add(&mut self, name: &str) -> Result<u64, Error> {
        let id = self.monitors.last_key_value().map_or(FIRST_ID, |(last, _)| last + 1);
        self.monitors.insert(id, Kept { name: name.to_owned(), paused: false });
        self.save()?;
        Ok(id)
    }

    /// Sets a status and gives the monitor's name.
    pub(super) fn set_status(&mut self, id: u64, status: u8) -> Result<String, Error> {
        let monitor = self.monitors.get_mut(&id).ok_or_else(|| Error::new(format!("no monitor {id}")))?;
        if monitor.paused && status == 1 {
            self.resumed.insert(id, Instant::now());
        }
        monitor.paused = status == 0;
        let name = monitor.name.clone();
        self.save()?;
        Ok(name)
    }

    /// An edit by a client.
    pub(super) fn edit(&mut self, id: u64, status: u8) -> Result<(), Error> {
        let name = self.set_status(id, status)?;
        self.history.push(Change { id, name, status, at: SystemTime::now() });
        Ok(())
    }

    pub(super) fn monitors(&self) -> impl Iterator<Item = Monitor> {
        self.monitors.iter().map(|(id, kept)| {
            let checked = self.resumed.get(id).is_none_or(|resumed| resumed.elapsed() >= UNCHECKED);
            let status = match (kept.paused, checked) {
                (true, _) => 0,
                (false, false) => 1,
                (false, true) => 2,
            };
            Monitor { id: *id, name: kept.name.clone(), status }
        })
    }

    pub(super) fn limit(&mut self, requests: u32, window: Duration) {
        self.limit = Some(Limit { requests, window, begun: Instant::now(), used: 0 });
    }

    /// Counts one request against the limit, if there is one.
    pub(super) fn count(&mut self) -> Option<Rate> {
        let limit = self.limit.as_mut()?;
        if limit.begun.elapsed() >= limit.window {
            limit.begun = Instant::now();
            limit.used = 0;
        }
        limit.used = limit.used.saturating_add(1);
        Some(Rate {
            limit: limit.requests,
            remaining: limit.requests.saturating_sub(limit.used),
            reset: limit.window.saturating_sub(limit.begun.elapsed()),
            exceeded: limit.used > limit.requests,
        })
    }

    fn save(&self) -> Result<(), Error> {
        let Some(file) = &self.file else { return Ok(()) };
        let text = serde_json::to_string_pretty(&self.monitors)
            .attempting(|| "cannot keep the monitors".to_owned())?;
        write_private(file, &text)
    }
}

pub(super) fn monitor_key(id: u64) -> String {
    format!("m{id}-7d3f90b2a4c81e65")
}
