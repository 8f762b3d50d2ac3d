//! Why a web API gave no usable answer, how the run ends then, and what to do about it.

use reqwest::Method;

use crate::failure::{Exit, Fault};
use crate::net::untrusted;

/// Why an API gave no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing came back, or not all of it.
    #[error("no answer to {request}{}", via.as_ref().map(|proxy| format!(" over the proxy {proxy}")).unwrap_or_default())]
    NoAnswer {
        /// Method and address.
        request: String,
        /// The proxy on the way, without its password.
        via: Option<String>,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// The status says no.
    #[error("{request} was answered with {status}: {body}")]
    Status {
        /// Method and address.
        request: String,
        /// HTTP status.
        status: u16,
        /// Beginning of the answer, secrets hidden.
        body: String,
    },
    /// The answer is a redirect that is not followed.
    #[error(
        "{request} was answered with {status}: it is to be sent to `{target}`, where it is not sent by itself"
    )]
    Redirected {
        /// Method and address.
        request: String,
        /// HTTP status.
        status: u16,
        /// The address that was given, without its query.
        target: String,
    },
    /// The answer is not what it should be.
    #[error("the answer to {request} is not the expected JSON ({reason}){}{body}", if body.is_empty() { "" } else { ": " })]
    Unexpected {
        /// Method and address.
        request: String,
        /// What the decoder said, with status and content type.
        reason: String,
        /// Beginning of the answer, secrets hidden.
        body: String,
        /// Whether it is a page for people.
        is_page: bool,
    },
}

impl Error {
    /// What to do about it, naming the setting that has the address, for callers that know it.
    #[must_use]
    pub fn hints_about(&self, setting: &str) -> Vec<String> {
        self.advice(&format!("`{setting}`"))
    }

    /// Whether not even a connection was made: nobody is there, or the name is not known.
    fn is_unreached(&self) -> bool {
        matches!(self, Self::NoAnswer { source, .. } if source.is_connect() && untrusted(source).is_none())
    }

    /// Whether the same request may be sent again: the server surely did not act on it, or nothing is changed by it.
    pub(super) fn may_pass(&self, method: &Method) -> bool {
        match self {
            Self::NoAnswer { source, .. } if untrusted(source).is_some() => false,
            Self::NoAnswer { source, .. } => source.is_connect() || *method == Method::GET,
            _ => false,
        }
    }

    fn advice(&self, address: &str) -> Vec<String> {
        let unreached = || {
            format!(
                "is {address} right, and can it be reached from here (proxy, firewall)? If so, run it again"
            )
        };
        let unreached = self.is_unreached().then(unreached);
        let hint = match self {
            Self::NoAnswer { source, .. } if untrusted(source).is_some() => untrusted(source),
            Self::NoAnswer { via: Some(_), .. } => {
                Some("hosts that are to be asked directly belong into NO_PROXY")
            }
            Self::Status { status: 401 | 403, .. } => {
                Some("the server refused the token: is it right, and may it do this?")
            }
            Self::Status { status: 407, .. } => Some(
                "the proxy wants a user and password: `http://user:password@host:port` in HTTP_PROXY or HTTPS_PROXY",
            ),
            // Gitea, like GitHub, hides what a token may not see.
            Self::Status { status: 404, .. } => Some("not found, or the token may not see it"),
            Self::Redirected { .. } => Some("set the address in the settings to the one that answers itself"),
            Self::Unexpected { is_page: true, .. } => Some(
                "that is a page for people, such as a login: is the address right, and does a proxy or single sign-on stand before the API?",
            ),
            _ => None,
        };
        unreached.into_iter().chain(hint.map(str::to_owned)).collect()
    }
}

impl Fault for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::NoAnswer { source, .. } if untrusted(source).is_some() => Exit::Failed,
            Self::NoAnswer { .. } => Exit::Temporary,
            Self::Status { status, .. } if *status == 429 || *status >= 500 => Exit::Temporary,
            Self::Status { .. } | Self::Redirected { .. } | Self::Unexpected { .. } => Exit::Failed,
        }
    }

    fn hints(&self) -> Vec<String> {
        self.advice("the address")
    }
}
