//! What a web API answered, and the words for an answer that is not what it should be: its status, its type and its beginning, secrets hidden.

use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, LOCATION};
use serde::de::DeserializeOwned;

use super::Error;
use crate::redact::Redactor;

/// So much of an answer is shown, in characters.
const LONGEST_SHOWN: usize = 300;
/// So much of it is looked at for that, in bytes.
const LOOKED_AT: usize = 64 << 10;

/// What an API answered, whatever the status.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Method and address, for messages; also those that it was redirected to.
    pub request: String,
    /// HTTP status.
    pub status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) redactor: Redactor,
}

impl Reply {
    /// The reply, unless its status is an error or a redirect that is not followed.
    ///
    /// # Errors
    /// When the status is not 2xx.
    pub fn ok(self) -> Result<Self, Error> {
        let (request, status) = (self.request.clone(), self.status);
        match (status, self.header(LOCATION.as_str())) {
            (200..300, _) => Ok(self),
            (300..400, Some(target)) => {
                // What a server puts into the query may be a token.
                let target = target.split(['?', '#']).next().unwrap_or_default();
                Err(Error::Redirected { request, status, target: self.redactor.clean(target) })
            }
            _ => Err(Error::Status { request, status, body: self.beginning() }),
        }
    }

    /// A header, if it is there and is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
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
        let mut facts = vec![format!("status {}", self.status)];
        facts.push(self.header(CONTENT_TYPE.as_str()).unwrap_or("without a content type").to_owned());
        // None is asked for, so none is undone.
        facts.extend(
            self.header(CONTENT_ENCODING.as_str()).map(|encoding| format!("compressed with {encoding}")),
        );
        facts.push(reason);
        Error::Unexpected {
            request: self.request.clone(),
            reason: self.redactor.clean(&facts.join(", ")),
            body: self.beginning(),
            is_page: self.is_page(),
        }
    }

    /// Whether it is a page for people, such as a login.
    pub(crate) fn is_page(&self) -> bool {
        let start =
            String::from_utf8_lossy(&self.body[..self.body.len().min(256)]).trim_start().to_lowercase();
        self.header(CONTENT_TYPE.as_str()).is_some_and(|kind| kind.contains("html"))
            || start.starts_with("<!doctype html")
            || start.starts_with("<html")
    }

    /// The first words of the body. Secrets go before it is cut, so that no half of one is left.
    pub(crate) fn beginning(&self) -> String {
        let bytes = &self.body[..self.body.len().min(LOOKED_AT)];
        let text = String::from_utf8_lossy(bytes);
        if text.contains('\0') || text.matches('\u{fffd}').count() * 10 > text.chars().count() {
            return format!("{} bytes that are no text", self.body.len());
        }
        let text = self.redactor.clean(&text);
        let shown = match title(&text).filter(|_| self.is_page()) {
            Some(title) => format!("a page for people, \"{title}\""),
            None => text,
        };
        let line = shown.split_whitespace().collect::<Vec<_>>().join(" ");
        match line.char_indices().nth(LONGEST_SHOWN) {
            Some((end, _)) => format!("{}…", &line[..end]),
            None if line.is_empty() => "an empty body".to_owned(),
            None => line,
        }
    }

    #[cfg(test)]
    pub(super) fn of(status: u16, headers: &[(&'static str, &str)], body: &str) -> Self {
        let headers = headers
            .iter()
            .map(|(name, value)| (reqwest::header::HeaderName::from_static(name), value.parse().unwrap()));
        Self {
            request: "GET http://git.example/x".to_owned(),
            status,
            headers: headers.collect(),
            body: body.as_bytes().to_vec(),
            redactor: Redactor::default(),
        }
    }
}

/// The title of an HTML page.
fn title(page: &str) -> Option<&str> {
    let lower = page.to_ascii_lowercase();
    let begin = lower.find("<title")?;
    let begin = begin + lower[begin..].find('>')? + 1;
    let end = begin + lower[begin..].find("</title")?;
    Some(page[begin..end].trim()).filter(|title| !title.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Fault as _;

    const HTML: (&str, &str) = ("content-type", "text/html; charset=utf-8");

    #[test]
    fn a_login_page_is_called_one() {
        let page = "<!DOCTYPE html>\n<html><head>\n<title>Sign in\n - Acme</title></head>";
        let error = Reply::of(200, &[HTML], page).json::<Vec<u8>>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "the answer to GET http://git.example/x is not the expected JSON (status 200, text/html; charset=utf-8, expected value at line 1 column 1): a page for people, \"Sign in - Acme\""
        );
        assert!(error.hints()[0].contains("is the address right"), "{:?}", error.hints());
    }

    #[test]
    fn what_nobody_can_read_is_not_shown() {
        let mut reply = Reply::of(200, &[("content-encoding", "gzip")], "");
        reply.body = vec![0x1f, 0x8b, 8, 0, 0, 0, 0xff, 0xfe];
        let text = reply.json::<u8>().unwrap_err().to_string();
        assert!(text.contains("without a content type, compressed with gzip"), "{text}");
        assert!(text.ends_with("8 bytes that are no text"), "{text}");
        let text = Reply::of(200, &[], " ").json::<u8>().unwrap_err().to_string();
        assert!(text.ends_with("an empty body"), "{text}");
    }

    #[test]
    fn a_redirect_that_is_not_followed_says_where_to_without_its_query() {
        let error = Reply::of(301, &[("location", "https://git.example/x?token=abc")], "").ok().unwrap_err();
        assert!(error.to_string().contains("`https://git.example/x`"), "{error}");
        assert_eq!(
            Reply::of(304, &[], "").ok().unwrap_err().to_string().split(": ").last(),
            Some("an empty body")
        );
    }

    #[test]
    fn a_long_answer_is_cut() {
        let error = Reply::of(500, &[], &"ä".repeat(400)).ok().unwrap_err();
        let Error::Status { body, .. } = error else { panic!("{error}") };
        assert_eq!(body.chars().count(), LONGEST_SHOWN + 1);
    }
}
