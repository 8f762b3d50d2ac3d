//! Talking to web APIs (Git server, uptime service, CI server): one client with time limits, retries where repeating is safe, a size limit,
//! and errors that show what was answered. Secrets travel in headers or bodies, never in addresses.

mod again;
mod error;
mod redirect;
mod reply;

use std::time::Duration;

pub use reqwest::Method;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Client, ClientBuilder, RequestBuilder, Response};
use serde::Serialize;
use tokio::time::{Instant, sleep};
use url::Url;

use crate::failure::chain;
use crate::net::Net;
use crate::settings::Secret;

use again::{backoff, pause_asked_for};
pub use error::Error;
use redirect::{is_same_origin, target};
pub use reply::Reply;

const TRIES: u32 = 4;
/// The longest time one try may take.
const LONGEST_TRY: Duration = Duration::from_secs(60);
/// The same for what can be tried again.
const LONGEST_GET: Duration = Duration::from_secs(30);
/// A server that does not answer is not asked again after this time.
const LONGEST_SILENCE: Duration = Duration::from_secs(90);
const LARGEST_REPLY: usize = 32 << 20;
/// Further redirects are shown instead of followed.
const REDIRECTS: usize = 5;

/// A web API at one address.
#[derive(Clone, Debug)]
pub struct Api {
    client: Client,
    base: Url,
    authorization: Option<HeaderValue>,
    net: Net,
    /// What messages call the address.
    shown: String,
}

impl Api {
    /// An API at `base` (whose path ends with `/`), with an `Authorization` header if given, reached over `net`.
    ///
    /// # Errors
    /// When the header or the client cannot be made.
    pub fn new(base: Url, authorization: Option<&Secret>, net: &Net) -> Result<Self, Error> {
        Self::built(base, authorization, net, net.client())
    }

    /// The same, keeping the server's cookies for as long as it lives: Jenkins ties its crumbs to a session.
    ///
    /// # Errors
    /// When the header or the client cannot be made.
    pub fn with_session(base: Url, authorization: Option<&Secret>, net: &Net) -> Result<Self, Error> {
        Self::built(base, authorization, net, net.client().cookie_store(true))
    }

    fn built(
        base: Url,
        authorization: Option<&Secret>,
        net: &Net,
        client: ClientBuilder,
    ) -> Result<Self, Error> {
        let failed = |source| Error::NoAnswer { request: base.to_string(), via: None, source };
        let authorization = authorization.map(header).transpose().map_err(|reason| Error::Unexpected {
            request: base.to_string(),
            reason,
            body: String::new(),
            is_page: false,
        })?;
        let accept = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/json"))]);
        let client = client.default_headers(accept).build().map_err(failed)?;
        Ok(Self { client, shown: base.to_string(), base, authorization, net: net.clone() })
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
        let begun = Instant::now();
        let mut tried = 1;
        loop {
            let answer = self.try_once(&method, &address, &request, &fill).await;
            let pause = match &answer {
                Err(error) if error.may_pass(&method) => Some(backoff(tried)),
                Err(_) => None,
                Ok(reply) => pause_asked_for(&method, reply, tried),
            };
            // One that says how long to wait is alive, and is waited for.
            let is_hopeless = answer.is_err() && begun.elapsed() > LONGEST_SILENCE;
            let Some(pause) = pause.filter(|_| tried < TRIES && !is_hopeless) else { return answer };
            let reason = match &answer {
                Ok(reply) => format!("answered with {}", reply.status),
                Err(error) => chain(error),
            };
            tracing::warn!("{request}: {reason}; try {} follows in {pause:.1?}", tried + 1);
            sleep(pause).await;
            tried += 1;
        }
    }

    /// One try, with the redirects that may be followed, to the last byte of the answer.
    async fn try_once(
        &self,
        method: &Method,
        address: &str,
        request: &str,
        fill: &impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<Reply, Error> {
        let mut request = request.to_owned();
        let mut address = Url::parse(address).map_err(|error| self.unusable(&request, &error.to_string()))?;
        let limit = if *method == Method::GET { LONGEST_GET } else { LONGEST_TRY };
        for redirected in 0..=REDIRECTS {
            let mut next = self.client.request(method.clone(), address.clone()).timeout(limit);
            if let Some(secret) = self.authorization.as_ref().filter(|_| is_same_origin(&address, &self.base))
            {
                next = next.header(AUTHORIZATION, secret.clone());
            }
            let response =
                fill(next).send().await.map_err(|source| self.no_answer(&request, &address, source))?;
            match target(method, &address, &response).filter(|_| redirected < REDIRECTS) {
                Some(next) => {
                    let mut shown = next.clone();
                    // What a server puts there may be a token.
                    shown.set_query(None);
                    request = format!("{request} (redirected to {shown})");
                    address = next;
                }
                None => return self.read(request, &address, response).await,
            }
        }
        Err(self.unusable(&request, "redirected too often"))
    }

    async fn read(&self, request: String, address: &Url, mut response: Response) -> Result<Reply, Error> {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let mut body = Vec::new();
        while let Some(piece) =
            response.chunk().await.map_err(|source| self.no_answer(&request, address, source))?
        {
            if body.len() + piece.len() > LARGEST_REPLY {
                return Err(self.unusable(&request, &format!("longer than {} MiB", LARGEST_REPLY >> 20)));
            }
            body.extend_from_slice(&piece);
        }
        Ok(Reply { request, status, headers, body, redactor: self.net.redactor().clone() })
    }

    fn no_answer(&self, request: &str, address: &Url, source: reqwest::Error) -> Error {
        let via = self.net.proxy_in_words(address);
        Error::NoAnswer { request: request.to_owned(), via, source: source.without_url() }
    }

    fn unusable(&self, request: &str, reason: &str) -> Error {
        Error::Unexpected {
            request: self.net.redactor().clean(request),
            reason: reason.to_owned(),
            body: String::new(),
            is_page: false,
        }
    }
}

fn header(secret: &Secret) -> Result<HeaderValue, String> {
    let mut value = HeaderValue::from_str(secret.expose())
        .map_err(|_| "the token holds characters that no header may hold".to_owned())?;
    value.set_sensitive(true);
    Ok(value)
}

/// A name as one part of an address's path: `/` and all else that is special is escaped.
#[must_use]
pub fn segment(name: &str) -> String {
    url::form_urlencoded::byte_serialize(name.as_bytes()).collect::<String>().replace('+', "%20")
}

#[cfg(test)]
mod tests;
