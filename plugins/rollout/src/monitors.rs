//! UptimeRobot's monitors: finding an environment's own, pausing them, and above all resuming them at every end. API version 2,
//! <https://uptimerobot.com/api/legacy/>: the key travels in the body, and errors come with HTTP 200 and `stat` other than `ok`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use shared::http;
use shared::net::Net;
use shared::settings::Secret;

use crate::settings::{MonitorPolicy, UptimeSettings};

/// Largest page the service gives.
const PAGE: usize = 50;
const PAUSED: i64 = 0;
const RESUME_TRIES: u32 = 3;

/// A monitor of the account.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Monitor {
    /// Its number.
    pub id: u64,
    /// Its name.
    #[serde(rename = "friendly_name")]
    pub name: String,
    /// 0 paused, 1 not checked yet, 2 up, 8 seems down, 9 down.
    pub status: i64,
}

/// Why the uptime service gave no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No answer, or none that can be read.
    #[error("the uptime service failed")]
    Http(#[from] http::Error),
    /// It answered that it did not do it.
    #[error("the uptime service refused `{method}`: {reason}")]
    Refused {
        /// API method.
        method: String,
        /// Its own words.
        reason: String,
    },
}

/// The account, and the list of what this run paused and still owes. Cheap to clone; all clones share the list.
#[derive(Clone, Debug)]
pub struct Monitors {
    api: http::Api,
    key: Secret,
    policy: MonitorPolicy,
    owed: Arc<Mutex<BTreeMap<u64, String>>>,
}

#[derive(Deserialize)]
struct Answer {
    stat: String,
    #[serde(default)]
    error: Value,
    #[serde(default)]
    monitors: Vec<Monitor>,
    #[serde(default)]
    pagination: Pagination,
}

#[derive(Default, Deserialize)]
struct Pagination {
    #[serde(default)]
    total: usize,
}

impl Monitors {
    /// The account of the settings; nothing is asked yet.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(settings: &UptimeSettings, net: &Net) -> Result<Self, Error> {
        let api = http::Api::new(settings.url.clone(), None, net)?;
        Ok(Self { api, key: settings.key.clone(), policy: settings.policy, owed: Arc::default() })
    }

    /// Every monitor of the account.
    ///
    /// # Errors
    /// When the service cannot be asked.
    pub async fn all(&self) -> Result<Vec<Monitor>, Error> {
        let mut found: Vec<Monitor> = Vec::new();
        loop {
            let (offset, limit) = (found.len().to_string(), PAGE.to_string());
            let page = self.call("getMonitors", &[("offset", &offset), ("limit", &limit)]).await?;
            let is_last =
                page.monitors.is_empty() || found.len() + page.monitors.len() >= page.pagination.total;
            found.extend(page.monitors);
            if is_last {
                return Ok(found);
            }
        }
    }

    /// The given monitors as they are now.
    ///
    /// # Errors
    /// When the service cannot be asked.
    pub async fn these(&self, monitors: &[Monitor]) -> Result<Vec<Monitor>, Error> {
        let ids: Vec<String> = monitors.iter().map(|monitor| monitor.id.to_string()).collect();
        Ok(self.call("getMonitors", &[("monitors", &ids.join("-"))]).await?.monitors)
    }

    /// Picks an environment's monitors out of all, by the beginnings of their names.
    ///
    /// # Errors
    /// In words, when the policy is that each beginning fits exactly one and it does not.
    pub fn of_environment(&self, beginnings: &[String], all: &[Monitor]) -> Result<Vec<Monitor>, String> {
        let mut picked = Vec::new();
        for beginning in beginnings {
            let fitting: Vec<&Monitor> =
                all.iter().filter(|monitor| begins_with(&monitor.name, beginning)).collect();
            if self.policy == MonitorPolicy::Required && fitting.len() != 1 {
                let names: Vec<String> =
                    fitting.iter().map(|monitor| format!("`{}`", monitor.name)).collect();
                let found = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
                return Err(format!("one monitor should begin with `{beginning}`; found: {found}"));
            }
            picked.extend(fitting.into_iter().cloned());
        }
        Ok(picked)
    }

    /// Pauses a monitor. From before the request on it is owed.
    ///
    /// # Errors
    /// When the service does not confirm it.
    pub async fn pause(&self, id: u64, name: &str) -> Result<(), Error> {
        self.owe(id, name);
        self.call("editMonitor", &[("id", &id.to_string()), ("status", "0")]).await.map(|_| ())
    }

    /// Resumes a monitor; only then it is no longer owed.
    ///
    /// # Errors
    /// When the service does not confirm it.
    pub async fn resume(&self, id: u64, name: &str) -> Result<(), Error> {
        self.owe(id, name);
        let mut tried = 1;
        // Resuming twice does no harm, so an unclear answer is asked for again.
        while let Err(error) = self.call("editMonitor", &[("id", &id.to_string()), ("status", "1")]).await {
            if tried == RESUME_TRIES {
                return Err(error);
            }
            tokio::time::sleep(Duration::from_secs(2)).await;
            tried += 1;
        }
        self.owed.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        Ok(())
    }

    /// Takes a monitor off the list of what this run owes: another run has taken it over.
    pub fn disown(&self, id: u64) {
        self.owed.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }

    /// What is paused by us and not resumed yet.
    #[must_use]
    pub fn owed(&self) -> BTreeMap<u64, String> {
        self.owed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn owe(&self, id: u64, name: &str) {
        self.owed.lock().unwrap_or_else(PoisonError::into_inner).insert(id, name.to_owned());
    }

    async fn call(&self, method: &str, fields: &[(&str, &str)]) -> Result<Answer, Error> {
        let common = [("api_key", self.key.expose()), ("format", "json")];
        let reply =
            self.api.post_form(&format!("v2/{method}"), &[&common[..], fields].concat()).await?.ok()?;
        let answer: Answer = reply.json()?;
        if answer.stat == "ok" {
            return Ok(answer);
        }
        // `passed_value` may be the key itself, so only the message is shown.
        let reason = answer.error.get("message").or_else(|| answer.error.get("type")).and_then(Value::as_str);
        Err(Error::Refused {
            method: method.to_owned(),
            reason: reason.unwrap_or("no reason given").to_owned(),
        })
    }
}

impl Monitor {
    /// Whether it is paused.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.status == PAUSED
    }
}

/// Whether `name` begins with `beginning` as whole words: `abc - Protheus` fits `abc - Protheus ERP`, never `abc - Protheus2` or `xabc - …`.
fn begins_with(name: &str, beginning: &str) -> bool {
    name.strip_prefix(beginning)
        .is_some_and(|rest| !rest.chars().next().is_some_and(|next| next.is_alphanumeric() || next == '_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn monitor(id: u64, name: &str) -> Monitor {
        Monitor { id, name: name.to_owned(), status: 2 }
    }

    fn monitors(policy: MonitorPolicy) -> Monitors {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let url = url::Url::parse("http://127.0.0.1:1/").unwrap();
        Monitors::new(&UptimeSettings { key: Secret::new("k"), url, policy }, &Net::default()).unwrap()
    }

    #[test]
    fn another_customers_monitor_is_never_taken() {
        for other in
            ["xabc - Protheus", "abcd - Protheus", "abc - Protheus2", "the abc - Protheus", "ABC - Protheus"]
        {
            assert!(!begins_with(other, "abc - Protheus"), "{other}");
        }
        assert!(begins_with("abc - Protheus", "abc - Protheus"));
        assert!(begins_with("abc - Protheus (ERP)", "abc - Protheus"));
    }

    #[tokio::test]
    async fn a_service_that_is_not_there_names_the_setting_with_its_address() {
        use shared::failure::Fault as _;
        let error = monitors(MonitorPolicy::Required).all().await.unwrap_err();
        let hints = crate::Error::from(error).hints();
        assert!(hints[0].starts_with("is `uptimerobot_url` right, and can it be reached"), "{hints:?}");
    }

    #[test]
    fn none_or_several_refuse_the_namespace_unless_allowed() {
        let all =
            [monitor(1, "abc - Protheus"), monitor(2, "abc - Protheus ERP"), monitor(3, "def - Protheus")];
        let strict = monitors(MonitorPolicy::Required);
        assert!(
            strict
                .of_environment(&["abc - Protheus".to_owned()], &all)
                .unwrap_err()
                .contains("`abc - Protheus ERP`")
        );
        assert!(
            strict.of_environment(&["xyz - Protheus".to_owned()], &all).unwrap_err().ends_with("found: none")
        );
        assert_eq!(strict.of_environment(&["def - Protheus".to_owned()], &all).unwrap(), [all[2].clone()]);
        let lenient = monitors(MonitorPolicy::Optional);
        assert_eq!(lenient.of_environment(&["abc - Protheus".to_owned()], &all).unwrap().len(), 2);
        assert_eq!(lenient.of_environment(&["xyz - Protheus".to_owned()], &all).unwrap().len(), 0);
    }
}
