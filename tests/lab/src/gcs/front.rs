//! Translates what object_store asks by the XML interface into the JSON interface of the server behind.
//! It may not keep objects or judge preconditions: a generation is the server's word.
//! Run by `gcs`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_MATCH, LAST_MODIFIED,
    RANGE,
};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use url::{Url, form_urlencoded};

use super::account;
use super::parts::Uploads;
use super::xml::{escaped, listing, quoted, refusal, text, xml};
use crate::error::{Attempt as _, Error};
use crate::http;

const GENERATION: &str = "x-goog-generation";
const GENERATION_MATCH: &str = "x-goog-if-generation-match";
/// Stands in no object of a test.
const BOUNDARY: &str = "the-content-of-the-object-is-between-these-6f2d7c";

pub(super) struct Front {
    server: String,
    client: reqwest::Client,
    uploads: Mutex<Uploads>,
}

/// One request to an object.
struct Call {
    bucket: String,
    object: String,
    query: HashMap<String, String>,
    headers: HeaderMap,
    body: Bytes,
}

/// Where the JSON interface has an object.
pub(super) fn object_url(server: &str, bucket: &str, object: &str) -> Result<Url, Error> {
    let attempt = || format!("cannot address `{object}`");
    let mut url = Url::parse(server).attempting(attempt)?;
    url.path_segments_mut()
        .map_err(|()| Error::new(attempt()))?
        .extend(["storage", "v1", "b", bucket, "o", object]);
    Ok(url)
}

impl Front {
    pub(super) fn routes(server: &str) -> Result<Router, Error> {
        let front = Self { server: server.to_owned(), client: http::client()?, uploads: Mutex::default() };
        Ok(Router::new().fallback(answer).layer(DefaultBodyLimit::disable()).with_state(Arc::new(front)))
    }

    fn uploads(&self) -> MutexGuard<'_, Uploads> {
        self.uploads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn object(&self, call: &Call) -> Result<Value, Response> {
        let url = object_url(&self.server, &call.bucket, &call.object).map_err(broken)?;
        let reply = self.client.get(url).send().await.map_err(broken)?;
        match reply.status() {
            StatusCode::OK => reply.json().await.map_err(broken),
            status => Err(refusal(status)),
        }
    }

    /// Once more where the object was replaced between the two questions that make one here.
    async fn get(&self, call: &Call, has_body: bool) -> Result<Response, Response> {
        loop {
            if let Some(answer) = self.get_once(call, has_body).await? {
                return Ok(answer);
            }
        }
    }

    async fn get_once(&self, call: &Call, has_body: bool) -> Result<Option<Response>, Response> {
        let object = self.object(call).await?;
        let tag = quoted(&object["etag"]);
        if call.headers.get(IF_MATCH).is_some_and(|wanted| wanted.as_bytes() != tag.as_bytes()) {
            return Err(refusal(StatusCode::PRECONDITION_FAILED));
        }
        let mut headers = described(&object, &tag);
        if !has_body {
            headers.push((CONTENT_LENGTH, text(&object["size"])));
            return Ok(Some((StatusCode::OK, axum::response::AppendHeaders(headers)).into_response()));
        }
        let mut url = object_url(&self.server, &call.bucket, &call.object).map_err(broken)?;
        // Of this very generation: the object may be replaced at any moment.
        url.query_pairs_mut()
            .append_pair("alt", "media")
            .append_pair("generation", &text(&object["generation"]));
        let mut request = self.client.get(url);
        if let Some(range) = call.headers.get(RANGE) {
            request = request.header(RANGE, range);
        }
        let reply = request.send().await.map_err(broken)?;
        let status = reply.status();
        if status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        if let Some(range) = reply.headers().get(CONTENT_RANGE).and_then(|range| range.to_str().ok()) {
            headers.push((CONTENT_RANGE, range.to_owned()));
        }
        let body = reply.bytes().await.map_err(broken)?;
        Ok(Some((status, axum::response::AppendHeaders(headers), body).into_response()))
    }

    async fn list(&self, call: &Call) -> Result<Response, Response> {
        let mut url = object_url(&self.server, &call.bucket, "").map_err(broken)?;
        let asked = |name: &str| call.query.get(name).cloned();
        // At most 1,000 keys in one answer, as at Google's.
        let most = asked("max-keys").unwrap_or_else(|| "1000".to_owned());
        url.query_pairs_mut().append_pair("maxResults", &most);
        for (xml, json) in
            [("prefix", "prefix"), ("continuation-token", "pageToken"), ("start-after", "startOffset")]
        {
            if let Some(value) = asked(xml) {
                url.query_pairs_mut().append_pair(json, &value);
            }
        }
        let reply = self.client.get(url).send().await.map_err(broken)?;
        if !reply.status().is_success() {
            return Err(refusal(reply.status()));
        }
        let reply: Value = reply.json().await.map_err(broken)?;
        Ok(xml(StatusCode::OK, &listing(&reply)))
    }

    async fn put(&self, call: &Call) -> Result<Response, Response> {
        let number = call.query.get("partNumber").and_then(|number| number.parse().ok());
        if let (Some(number), Some(id)) = (number, call.query.get("uploadId")) {
            let tag = self.uploads().take(id, number, call.body.clone());
            let tag = tag.ok_or_else(|| refusal(StatusCode::NOT_FOUND))?;
            return Ok((StatusCode::OK, [(ETAG, tag)]).into_response());
        }
        let (tag, generation) = self.insert(call, &call.headers, &call.body).await?;
        Ok((StatusCode::OK, [(ETAG.as_str(), tag), (GENERATION, generation)]).into_response())
    }

    async fn post(&self, call: &Call) -> Result<Response, Response> {
        let Some(id) = call.query.get("uploadId") else {
            let id = self.uploads().begin(&call.object, &call.headers);
            let text = format!(
                "<InitiateMultipartUploadResult><Bucket>{}</Bucket><Key>{}</Key><UploadId>{id}</UploadId></InitiateMultipartUploadResult>",
                escaped(&call.bucket),
                escaped(&call.object)
            );
            return Ok(xml(StatusCode::OK, &text));
        };
        let whole = self.uploads().whole(id, &call.object, &String::from_utf8_lossy(&call.body));
        let (headers, content) = whole.ok_or_else(|| refusal(StatusCode::BAD_REQUEST))?;
        let (tag, generation) = self.insert(call, &headers, &content).await?;
        self.uploads().abort(id);
        let text =
            format!("<CompleteMultipartUploadResult><ETag>{tag}</ETag></CompleteMultipartUploadResult>");
        Ok(([(GENERATION, generation)], xml(StatusCode::OK, &text)).into_response())
    }

    async fn delete(&self, call: &Call) -> Result<Response, Response> {
        let status = match call.query.get("uploadId") {
            Some(id) if self.uploads().abort(id) => StatusCode::OK,
            Some(_) => StatusCode::NOT_FOUND,
            None => {
                let url = object_url(&self.server, &call.bucket, &call.object).map_err(broken)?;
                self.client.delete(url).send().await.map_err(broken)?.status()
            }
        };
        if status.is_success() { Ok(StatusCode::NO_CONTENT.into_response()) } else { Err(refusal(status)) }
    }

    /// Writes an object and gives its tag and generation.
    async fn insert(
        &self,
        call: &Call,
        headers: &HeaderMap,
        content: &[u8],
    ) -> Result<(String, String), Response> {
        let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let kind = header(CONTENT_TYPE).unwrap_or("application/octet-stream");
        let about = json!({ "contentType": kind, "cacheControl": header(CACHE_CONTROL) });
        let mut body = format!(
            "--{BOUNDARY}\r\nContent-Type: application/json\r\n\r\n{about}\r\n--{BOUNDARY}\r\nContent-Type: {kind}\r\n\r\n"
        )
        .into_bytes();
        body.extend_from_slice(content);
        body.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
        let mut url =
            Url::parse(&format!("{}/upload/storage/v1/b/{}/o", self.server, call.bucket)).map_err(broken)?;
        url.query_pairs_mut().append_pair("uploadType", "multipart").append_pair("name", &call.object);
        if let Some(generation) = call.headers.get(GENERATION_MATCH).and_then(|value| value.to_str().ok()) {
            url.query_pairs_mut().append_pair("ifGenerationMatch", generation);
        }
        let kind = format!("multipart/related; boundary={BOUNDARY}");
        let reply =
            self.client.post(url).header(CONTENT_TYPE, kind).body(body).send().await.map_err(broken)?;
        if !reply.status().is_success() {
            return Err(refusal(reply.status()));
        }
        let object: Value = reply.json().await.map_err(broken)?;
        Ok((quoted(&object["etag"]), text(&object["generation"])))
    }
}

async fn answer(
    State(front): State<Arc<Front>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let token = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    if !token.is_some_and(account::has_signed) {
        return refusal(StatusCode::UNAUTHORIZED);
    }
    // object_store encodes all but letters and digits, so that no `+`, `&` or `=` stands for itself.
    let decoded =
        |text: &str| form_urlencoded::parse(text.as_bytes()).next().map(|(text, _)| text.into_owned());
    let mut names =
        uri.path().trim_start_matches('/').splitn(2, '/').map(|name| decoded(name).unwrap_or_default());
    let call = Call {
        bucket: names.next().unwrap_or_default(),
        object: names.next().unwrap_or_default(),
        query: form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect(),
        headers,
        body,
    };
    let answered = match method {
        Method::GET if call.object.is_empty() => front.list(&call).await,
        Method::GET => front.get(&call, true).await,
        Method::HEAD => front.get(&call, false).await,
        Method::PUT => front.put(&call).await,
        Method::POST => front.post(&call).await,
        Method::DELETE => front.delete(&call).await,
        _ => Err(refusal(StatusCode::METHOD_NOT_ALLOWED)),
    };
    answered.unwrap_or_else(|refused| refused)
}

fn described(object: &Value, tag: &str) -> Vec<(axum::http::HeaderName, String)> {
    let changed = text(&object["updated"]).parse::<jiff::Timestamp>().unwrap_or_default();
    let changed = changed.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    vec![
        (ETAG, tag.to_owned()),
        (LAST_MODIFIED, changed),
        (axum::http::HeaderName::from_static(GENERATION), text(&object["generation"])),
        (CONTENT_TYPE, text(&object["contentType"])),
        (CACHE_CONTROL, text(&object["cacheControl"])),
    ]
}

fn broken(error: impl std::fmt::Display) -> Response {
    xml(
        StatusCode::INTERNAL_SERVER_ERROR,
        &format!("<Error><Message>{}</Message></Error>", escaped(&error.to_string())),
    )
}
