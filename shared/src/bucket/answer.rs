//! Whether what answers is a bucket at all. Logins, consoles and gateways answer everything with a page and status 200, which the client takes for
//! an empty listing or for an object. It may not judge objects by their content: one that is a page is read like any other.
//! Called by the client of a server for every answer, and by whoever reads an object that is never a page.

use std::pin::Pin;

use futures::StreamExt as _;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody,
    HttpService, ReqwestConnector,
};
use reqwest::header::{CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, RANGE};
use reqwest::{Method, StatusCode};

use crate::http::Reply;
use crate::redact::Redactor;

/// A listing has at most 1,000 lines, with keys of at most 1,024 bytes.
const LONGEST_LISTING: usize = 32 << 20;
/// So much of another answer is read, to tell what it is.
const LOOKED_AT: usize = 64 << 10;
/// Every answer of Amazon's, MinIO's and Ceph's has the first, every one of Google's the second: also errors, and objects that are pages.
const OF_STORES: [&str; 2] = ["x-amz-request-id", "x-guploader-uploadid"];

/// The answer is not one that a bucket gives.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{asked} was answered with {what}, not by a bucket ({facts})")]
pub(super) struct NotABucket {
    asked: String,
    what: String,
    facts: String,
}

impl NotABucket {
    /// What was read as a small object is a page for people; none of ours is one.
    pub(super) fn of_object(content_type: Option<&str>, bytes: &[u8], redactor: &Redactor) -> Option<Self> {
        let beginning = &bytes[..bytes.len().min(LOOKED_AT)];
        if !String::from_utf8_lossy(&beginning[..beginning.len().min(256)]).trim_start().starts_with('<') {
            return None;
        }
        let content_type = content_type.and_then(|text| HeaderValue::from_str(text).ok());
        let reply = Reply {
            request: "it".to_owned(),
            status: 200,
            headers: content_type.map(|value| (CONTENT_TYPE, value)).into_iter().collect(),
            body: beginning.to_vec(),
            redactor: redactor.clone(),
        };
        reply.is_page().then(|| Self::of(&reply, ""))
    }

    fn of(reply: &Reply, what: &str) -> Self {
        let mut facts = format!("status {}", reply.status);
        if let Some(content_type) = reply.header(CONTENT_TYPE.as_str()) {
            facts = format!("{facts}, {}", reply.redactor.clean(content_type));
        }
        let page = "a page for people";
        let beginning = reply.beginning();
        let what = match reply.is_page() {
            true if beginning.starts_with(page) => beginning,
            true => page.to_owned(),
            // Of nothing, there is nothing to show, as in the answer to HEAD.
            false if reply.body.trim_ascii().is_empty() => what.to_owned(),
            false => {
                facts = format!("{facts}: {beginning}");
                what.to_owned()
            }
        };
        Self { asked: reply.request.clone(), what, facts }
    }
}

/// Makes the usual client, and looks at its answers.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    redactor: Redactor,
}

impl Watch {
    pub(super) fn new(redactor: &Redactor) -> Self {
        Self { redactor: redactor.clone() }
    }
}

impl HttpConnector for Watch {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let client = ReqwestConnector::default().connect(options)?;
        Ok(HttpClient::new(Watched { client, watch: self.clone() }))
    }
}

#[derive(Debug)]
struct Watched {
    client: HttpClient,
    watch: Watch,
}

impl HttpService for Watched {
    fn call<'a, 'b>(
        &'a self,
        request: HttpRequest,
    ) -> Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(async move {
            let asked = Asked::of(&request);
            let answer = self.client.execute(request).await?;
            asked.judge(answer, &self.watch.redactor).await
        })
    }
}

/// What matters of a request for judging its answer.
struct Asked {
    /// Method and address, without the query.
    text: String,
    method: Method,
    is_listing: bool,
    has_range: bool,
}

impl Asked {
    fn of(request: &HttpRequest) -> Self {
        let (method, uri) = (request.method().clone(), request.uri());
        let address = uri.to_string();
        let query = uri.query().unwrap_or_default();
        Self {
            text: format!("{method} {}", address.split('?').next().unwrap_or_default()),
            is_listing: method == Method::GET && query.split('&').any(|pair| pair == "list-type=2"),
            has_range: request.headers().contains_key(RANGE),
            method,
        }
    }

    async fn judge(self, answer: HttpResponse, redactor: &Redactor) -> Result<HttpResponse, HttpError> {
        if self.is_listing && answer.status().is_success() {
            return self.judge_listing(answer, redactor).await;
        }
        if self.can_be(answer.status(), answer.headers()) {
            return Ok(answer);
        }
        let (parts, body) = answer.into_parts();
        let body = if self.method == Method::HEAD { Vec::new() } else { beginning(body, LOOKED_AT).await?.0 };
        Err(self.refusal(parts.status, parts.headers, body, "an object without a tag", redactor))
    }

    /// A listing is read here: nothing else of its answer than its first words tells it from a page.
    async fn judge_listing(
        self,
        answer: HttpResponse,
        redactor: &Redactor,
    ) -> Result<HttpResponse, HttpError> {
        let (parts, body) = answer.into_parts();
        let (body, is_whole) = beginning(body, LONGEST_LISTING).await?;
        let what = match (is_whole, is_listing(&body)) {
            (true, true) => return Ok(HttpResponse::from_parts(parts, body.into())),
            (true, false) => "something else than a listing",
            (false, _) => "something longer than 32 MiB",
        };
        Err(self.refusal(parts.status, parts.headers, body, what, redactor))
    }

    /// Whether a bucket may give an answer of this status and these headers.
    fn can_be(&self, status: StatusCode, headers: &HeaderMap) -> bool {
        let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let is_page = content_type.is_some_and(|value| value.to_ascii_lowercase().contains("html"));
        let is_object = self.method == Method::GET || self.method == Method::HEAD;
        if OF_STORES.iter().any(|name| headers.contains_key(*name)) {
            return true;
        }
        match status {
            // The client asks again.
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => true,
            _ if status.is_client_error() => !is_page || self.method == Method::HEAD,
            _ if !status.is_success() => true,
            _ if !is_object => !is_page,
            // A range was asked for, and the whole came.
            StatusCode::OK if self.has_range && is_page => false,
            _ => headers.contains_key(ETAG),
        }
    }

    fn refusal(
        self,
        status: StatusCode,
        headers: HeaderMap,
        body: Vec<u8>,
        what: &str,
        redactor: &Redactor,
    ) -> HttpError {
        let reply =
            Reply { request: self.text, status: status.as_u16(), headers, body, redactor: redactor.clone() };
        // Of this kind the client repeats nothing.
        HttpError::new(HttpErrorKind::Unknown, NotABucket::of(&reply, what))
    }
}

/// The first bytes of a body, and whether they are all.
async fn beginning(body: HttpResponseBody, limit: usize) -> Result<(Vec<u8>, bool), HttpError> {
    let mut bytes = Vec::new();
    let mut stream = body.bytes_stream();
    while let Some(piece) = stream.next().await {
        bytes.extend_from_slice(&piece?);
        if bytes.len() > limit {
            bytes.truncate(limit);
            return Ok((bytes, false));
        }
    }
    Ok((bytes, true))
}

/// Whether the root of the document is what S3 and Google list a bucket by.
fn is_listing(body: &[u8]) -> bool {
    let start = String::from_utf8_lossy(&body[..body.len().min(4096)]);
    let mut rest = start.trim_start_matches('\u{feff}').trim_start();
    while let Some(end) = [("<?", "?>"), ("<!--", "-->")]
        .iter()
        .find_map(|(from, to)| Some(rest.strip_prefix(from)?.split_once(to)?.1))
    {
        rest = end.trim_start();
    }
    let name = rest.strip_prefix('<').and_then(|rest| rest.split([' ', '\t', '\r', '\n', '/', '>']).next());
    name.is_some_and(|name| name.rsplit(':').next() == Some("ListBucketResult"))
}

#[cfg(test)]
mod tests;
