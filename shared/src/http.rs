//! Talking to web APIs (Git server, uptime service): one client with time limits, retries where repeating is safe, a size limit,
//! and errors that show what was answered. Secrets travel in headers or bodies, never in addresses.

use std::time::Duration;

pub use reqwest::Method;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Client, ClientBuilder, RequestBuilder, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;

use crate::failure::{Exit, Fault, chain};
use crate::jitter::jittered;
use crate::settings::Secret;

const TRIES: u32 = 4;
/// The longest time one try may take.
const LONGEST_TRY: Duration = Duration::from_secs(60);
/// The same for what can be tried again.
const LONGEST_GET: Duration = Duration::from_secs(30);
/// A server that does not answer is not asked again after this time.
const LONGEST_SILENCE: Duration = Duration::from_secs(90);
const LONGEST_PAUSE: Duration = Duration::from_secs(65);
const LARGEST_REPLY: usize = 32 << 20;

/// A web API at one address.
#[derive(Clone, Debug)]
pub struct Api {
    client: Client,
    base: Url,
    /// What messages call the address.
    shown: String,
}

/// What an API answered, whatever the status.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Method and address, for messages.
    pub request: String,
    /// HTTP status.
    pub status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

/// Why an API gave no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing came back.
    #[error("no answer to {request}")]
    NoAnswer {
        /// Method and address.
        request: String,
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
        /// Beginning of the answer.
        body: String,
    },
    /// The answer is not what it should be.
    #[error("the answer to {request} is not the expected JSON ({reason}): {body}")]
    Unexpected {
        /// Method and address.
        request: String,
        /// What the decoder said.
        reason: String,
        /// Beginning of the answer.
        body: String,
    },
}

impl Fault for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::NoAnswer { .. } => Exit::Temporary,
            Self::Status { status, .. } if *status == 429 || *status >= 500 => Exit::Temporary,
            Self::Status { .. } | Self::Unexpected { .. } => Exit::Failed,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Status { status: 401 | 403, .. } => {
                vec!["the server refused the token: is it right, and may it do this?".to_owned()]
            }
            // Gitea, like GitHub, hides what a token may not see.
            Self::Status { status: 404, .. } => vec!["not found, or the token may not see it".to_owned()],
            _ => Vec::new(),
        }
    }
}

impl Api {
    /// An API at `base` (whose path ends with `/`), with an `Authorization` header if given.
    ///
    /// # Errors
    /// When the header or the client cannot be made.
    pub fn new(base: Url, authorization: Option<&Secret>) -> Result<Self, Error> {
        Self::built(base, authorization, Client::builder())
    }

    /// The same, keeping the server's cookies for as long as it lives: Jenkins ties its crumbs to a session.
    ///
    /// # Errors
    /// When the header or the client cannot be made.
    pub fn with_session(base: Url, authorization: Option<&Secret>) -> Result<Self, Error> {
        Self::built(base, authorization, Client::builder().cookie_store(true))
    }

    fn built(base: Url, authorization: Option<&Secret>, client: ClientBuilder) -> Result<Self, Error> {
        let failed = |source| Error::NoAnswer { request: base.to_string(), source };
        let mut headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/json"))]);
        if let Some(secret) = authorization {
            let mut value = HeaderValue::from_str(secret.expose()).map_err(|_| Error::Unexpected {
                request: base.to_string(),
                reason: "the token holds characters that no header may hold".to_owned(),
                body: String::new(),
            })?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let client = client
            .user_agent(concat!("esteira/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .connect_timeout(Duration::from_secs(10))
            .build()
            .map_err(failed)?;
        Ok(Self { client, shown: base.to_string(), base })
    }

    /// The same API, whose messages say `name` instead of its address: for addresses that are secrets.
    #[must_use]
    pub fn called(mut self, name: &str) -> Self {
        name.clone_into(&mut self.shown);
        self
    }

    /// `GET`, repeated when the server is busy or away for a moment.
    ///
    /// # Errors
    /// When nothing comes back.
    pub async fn get(&self, path: &str) -> Result<Reply, Error> {
        self.send(Method::GET, path, |request| request).await
    }

    /// A request with a JSON body; repeated only when the server surely did not act on it.
    ///
    /// # Errors
    /// When nothing comes back.
    pub async fn send_json(&self, method: Method, path: &str, body: &impl Serialize) -> Result<Reply, Error> {
        self.send(method, path, |request| request.json(body)).await
    }

    /// `POST` of a form; repeated only when the server surely did not act on it.
    ///
    /// # Errors
    /// When nothing comes back.
    pub async fn post_form(&self, path: &str, fields: &[(&str, &str)]) -> Result<Reply, Error> {
        self.send(Method::POST, path, |request| request.form(fields)).await
    }

    /// `POST` without a body whose values stand in the address, for APIs that read them nowhere else. Messages show the address without them.
    /// Repeated only when the server surely did not act on it.
    ///
    /// # Errors
    /// When nothing comes back.
    pub async fn post_query(&self, path: &str, query: &[(&str, &str)]) -> Result<Reply, Error> {
        self.send(Method::POST, path, |request| request.query(query)).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        fill: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<Reply, Error> {
        let address = format!("{}{path}", self.base);
        let request = format!("{method} {}{path}", self.shown);
        let begun = tokio::time::Instant::now();
        let mut tried = 1;
        loop {
            let limit = if method == Method::GET { LONGEST_GET } else { LONGEST_TRY };
            let answer = fill(self.client.request(method.clone(), &address)).timeout(limit).send().await;
            let pause = match &answer {
                Err(error) if error.is_connect() || method == Method::GET => Some(backoff(tried)),
                Err(_) => None,
                Ok(response) => pause_asked_for(&method, response.status(), response.headers(), tried),
            };
            // One that says how long to wait is alive, and is waited for.
            let is_hopeless = answer.is_err() && begun.elapsed() > LONGEST_SILENCE;
            if let Some(pause) = pause.filter(|_| tried < TRIES && !is_hopeless) {
                tracing::warn!("{request}: {}; try {} follows in {pause:.1?}", reason(answer), tried + 1);
                tokio::time::sleep(pause).await;
                tried += 1;
                continue;
            }
            let no_answer = |error: reqwest::Error| Error::NoAnswer {
                request: request.clone(),
                source: error.without_url(),
            };
            let mut response = answer.map_err(no_answer)?;
            let status = response.status().as_u16();
            let headers = std::mem::take(response.headers_mut());
            let mut body = Vec::new();
            while let Some(piece) = response.chunk().await.map_err(no_answer)? {
                if body.len() + piece.len() > LARGEST_REPLY {
                    let reason = format!("longer than {LARGEST_REPLY} bytes");
                    return Err(Error::Unexpected { request, reason, body: String::new() });
                }
                body.extend_from_slice(&piece);
            }
            return Ok(Reply { request, status, headers, body });
        }
    }
}

impl Reply {
    /// The reply, unless its status is an error.
    ///
    /// # Errors
    /// When the status is not 2xx.
    pub fn ok(self) -> Result<Self, Error> {
        if (200..300).contains(&self.status) {
            return Ok(self);
        }
        Err(Error::Status { request: self.request.clone(), status: self.status, body: self.beginning() })
    }

    /// The decoded body.
    ///
    /// # Errors
    /// When it is not the expected JSON; the answer is shown.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body).map_err(|error| self.unexpected(error.to_string()))
    }

    /// The error for an answer that is JSON but makes no sense.
    #[must_use]
    pub fn unexpected(&self, reason: String) -> Error {
        Error::Unexpected { request: self.request.clone(), reason, body: self.beginning() }
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header of the reply, if it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    fn beginning(&self) -> String {
        let text = self.text();
        let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if line.chars().count() > 300 {
            format!("{}…", line.chars().take(300).collect::<String>())
        } else {
            line
        }
    }
}

/// A name as one part of an address's path: `/` and all else that is special is escaped.
#[must_use]
pub fn segment(name: &str) -> String {
    url::form_urlencoded::byte_serialize(name.as_bytes()).collect::<String>().replace('+', "%20")
}

/// Why a try gave nothing, in one line without the address.
fn reason(answer: Result<reqwest::Response, reqwest::Error>) -> String {
    match answer {
        Ok(response) => format!("answered with {}", response.status()),
        Err(error) => format!("no answer ({})", chain(&error.without_url())),
    }
}

fn pause_asked_for(method: &Method, status: StatusCode, headers: &HeaderMap, tried: u32) -> Option<Duration> {
    let is_refused_unread = matches!(status.as_u16(), 429 | 503);
    let is_gone_for_a_moment = *method == Method::GET && matches!(status.as_u16(), 502 | 504);
    if !is_refused_unread && !is_gone_for_a_moment {
        return None;
    }
    let seconds = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    Some(seconds.map(Duration::from_secs).map_or_else(|| backoff(tried), |pause| pause.min(LONGEST_PAUSE)))
}

/// 0.25 s, 0.5 s, 1 s, plus up to as much again so that parallel runs do not knock together.
fn backoff(tried: u32) -> Duration {
    jittered(Duration::from_millis(250) * 2_u32.saturating_pow(tried - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_safe_is_repeated() {
        let pause = |method, status| {
            pause_asked_for(&method, StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), 1).is_some()
        };
        assert!(pause(Method::POST, 429));
        assert!(pause(Method::GET, 502));
        assert!(!pause(Method::POST, 502), "the server behind the gateway may have acted");
        assert!(!pause(Method::GET, 404));
    }

    #[test]
    fn waits_as_long_as_the_server_asks() {
        let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static("7"))]);
        assert_eq!(
            pause_asked_for(&Method::GET, StatusCode::TOO_MANY_REQUESTS, &headers, 1),
            Some(Duration::from_secs(7))
        );
    }

    #[test]
    fn a_branch_name_is_one_segment() {
        assert_eq!(segment("esteira/bump 1"), "esteira%2Fbump%201");
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_temporary() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let base = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
        drop(listener);
        let error = Api::new(base, None).unwrap().send_json(Method::POST, "x", &()).await.unwrap_err();
        assert_eq!(error.exit(), Exit::Temporary);
        assert!(error.to_string().starts_with("no answer to POST http://127.0.0.1:"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_accepts_and_never_answers_is_given_up_within_two_minutes() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let base = Url::parse(&format!("http://{}/", silent.local_addr().unwrap())).unwrap();
        let begun = tokio::time::Instant::now();
        let error = Api::new(base, None).unwrap().get("x").await.unwrap_err();
        assert_eq!(error.exit(), Exit::Temporary);
        assert!(begun.elapsed() <= LONGEST_SILENCE + LONGEST_GET, "{:?}", begun.elapsed());
    }
}
