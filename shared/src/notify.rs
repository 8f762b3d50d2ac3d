//! Tells a webhook how the run ended: as JSON, or in the form that Slack or Teams shows. The last thing that a run does; it never changes its exit code.
//! Webhook addresses hold their own tokens, so the address is a secret and stands in no message.

mod body;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::failure::chain;
use crate::http::{self, Api, Method};
use crate::net::Net;
use crate::report::{Ending, Record};
use crate::settings::{Reader, Secret, Setting, parse};

/// A run must not be kept from ending by whoever is told of it.
const LIMIT: Duration = Duration::from_secs(10);

/// Described once for all plugins.
pub const NOTIFY: &[Setting] = &[
    Setting::new("notify_url", "an address", "Webhook that is told how every run ended, dry runs left out. If it cannot be told, that is a warning.").secret(),
    Setting::one_of("notify_format", &["json", "slack", "teams"], "What the webhook is sent: `json` is plugin, ending, summary, link, error and hints; `teams` is for a webhook of Workflows.").default("json"),
];

/// The raw texts of [`NOTIFY`].
#[derive(Debug, Default, Deserialize, Serialize)]
struct Raw {
    notify_url: Option<String>,
    notify_format: Option<String>,
}

/// The form of a notification.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For programs.
    #[default]
    Json,
    /// Slack's incoming webhooks.
    Slack,
    /// A Teams channel's workflow.
    Teams,
}

/// Who is told, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotifySettings {
    /// The webhook.
    pub url: Secret,
    /// What it understands.
    pub format: Format,
}

/// What is told.
#[derive(Debug, Serialize)]
struct Message<'a> {
    plugin: &'a str,
    version: &'a str,
    /// `done`, `nothing_to_do` or `failed`.
    ending: Ending,
    exit_code: u8,
    seconds: f64,
    summary: String,
    /// The page of the build that this run is a step of.
    link: Option<&'a str>,
    error: &'a [String],
    hints: &'a [String],
}

impl NotifySettings {
    /// Reads them; problems are noted in `read`.
    pub(crate) fn read(read: &mut Reader<'_>) -> Option<Self> {
        let raw: Raw = read.raw();
        let url = read.optional("notify_url", raw.notify_url, webhook);
        let format = read.or("notify_format", raw.notify_format, format, Format::Json);
        Some(Self { url: url?, format })
    }
}

/// Tells the webhook; a failure is a warning. The record is one without secrets.
pub(crate) async fn tell(settings: &NotifySettings, net: &Net, record: &Record) {
    let body = body::of(settings.format, &message(record));
    match tokio::time::timeout(LIMIT, send(settings, net, &body)).await {
        Ok(Ok(())) => tracing::info!("the webhook in `notify_url` was told"),
        Ok(Err(error)) => tracing::warn!("the webhook in `notify_url` could not be told: {}", chain(&error)),
        Err(_) => tracing::warn!("the webhook in `notify_url` did not answer within {LIMIT:?}"),
    }
}

async fn send(settings: &NotifySettings, net: &Net, body: &serde_json::Value) -> Result<(), http::Error> {
    let hidden = "the webhook";
    let unusable = |reason: url::ParseError| http::Error::Unexpected {
        request: hidden.to_owned(),
        reason: reason.to_string(),
        body: String::new(),
        is_page: false,
    };
    let url = Url::parse(settings.url.expose()).map_err(unusable)?;
    Api::new(url, None, net)?.called(hidden).send_json(Method::POST, "", body).await?.ok().map(drop)
}

fn message(record: &Record) -> Message<'_> {
    let failed = record.exit_code != 0;
    let summary = match (failed, &record.report) {
        (true, _) => record.error.first().cloned().unwrap_or_default(),
        (false, report) => report.as_ref().map(|report| report.summary.clone()).unwrap_or_default(),
    };
    Message {
        plugin: record.plugin,
        version: record.version,
        ending: if failed {
            Ending::Failed
        } else {
            record.report.as_ref().map(|report| report.ending).unwrap_or_default()
        },
        exit_code: record.exit_code,
        seconds: record.seconds,
        summary,
        link: record.build.as_deref(),
        error: &record.error,
        hints: &record.hints,
    }
}

/// Unlike other addresses, it may have a query: that is where Teams puts its signature.
fn webhook(value: &str) -> parse::Parsed<Secret> {
    let value = value.trim();
    match Url::parse(value) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(Secret::new(value)),
        _ => Err("an address such as `https://hooks.example.com/…`".to_owned()),
    }
}

fn format(value: &str) -> parse::Parsed<Format> {
    match value.trim() {
        "json" => Ok(Format::Json),
        "slack" => Ok(Format::Slack),
        "teams" => Ok(Format::Teams),
        _ => Err("`json`, `slack` or `teams`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use crate::settings::{Env, disagreements};

    use super::*;

    #[test]
    fn every_field_is_described_and_known_to_the_siblings() {
        assert_eq!(disagreements::<Raw>(NOTIFY), [""; 0]);
    }

    #[test]
    fn an_address_that_is_none_is_not_shown() {
        let env = Env::of(&[("PLUGIN_NOTIFY_URL", "hooks.example.com/token-of-it")]);
        let mut read = Reader::new(&env, &[NOTIFY]);
        assert_eq!(NotifySettings::read(&mut read), None);
        let problems = read.finish(|| Some(())).unwrap_err().to_string();
        assert!(problems.contains("PLUGIN_NOTIFY_URL") && !problems.contains("token-of-it"), "{problems}");
    }
}
