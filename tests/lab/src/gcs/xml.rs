//! The texts of the XML interface: listings, tags, refusals.
//! It may not ask the server. Called by `front`.

use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use serde_json::Value;

pub(super) fn listing(reply: &Value) -> String {
    let mut text = "<ListBucketResult>".to_owned();
    for object in reply["items"].as_array().into_iter().flatten() {
        text += &format!(
            "<Contents><Key>{}</Key><Size>{}</Size><LastModified>{}</LastModified><ETag>{}</ETag></Contents>",
            escaped(&self::text(&object["name"])),
            self::text(&object["size"]),
            self::text(&object["updated"]),
            escaped(&quoted(&object["etag"])),
        );
    }
    if let Some(next) = reply["nextPageToken"].as_str() {
        text += &format!("<NextContinuationToken>{}</NextContinuationToken>", escaped(next));
    }
    text + "</ListBucketResult>"
}

pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// A tag as the XML interface shows it.
pub(super) fn quoted(tag: &Value) -> String {
    format!("\"{}\"", text(tag).trim_matches('"'))
}

pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

pub(super) fn xml(status: StatusCode, text: &str) -> Response {
    (status, [(CONTENT_TYPE, "application/xml")], format!("<?xml version='1.0' encoding='UTF-8'?>{text}"))
        .into_response()
}

/// With the codes of <https://cloud.google.com/storage/docs/xml-api/reference-status>.
pub(super) fn refusal(status: StatusCode) -> Response {
    let code = match status {
        StatusCode::UNAUTHORIZED => "AuthenticationRequired",
        StatusCode::NOT_FOUND => "NoSuchKey",
        StatusCode::PRECONDITION_FAILED => "PreconditionFailed",
        StatusCode::BAD_REQUEST => "InvalidPart",
        _ => "InternalError",
    };
    xml(status, &format!("<Error><Code>{code}</Code></Error>"))
}
