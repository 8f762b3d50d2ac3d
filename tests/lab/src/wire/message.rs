//! One request as it came, and one answer as it goes out.

use std::io::{self, Read};
use std::net::SocketAddr;
use std::time::Duration;

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Heard {
    /// `GET`, `POST`, `CONNECT`…
    pub method: String,
    /// What stands after it: a path, an address (asked of a proxy), or `host:port` (`CONNECT`).
    pub target: String,
    /// The header lines, as they came.
    pub headers: String,
    /// The body as it came, in chunks if it came so.
    pub body: Vec<u8>,
}

/// What to do with a request.
#[derive(Clone)]
pub enum Answer {
    /// These bytes and no more, then the connection ends.
    Bytes(Vec<u8>),
    /// Nothing for so long, then the connection ends.
    Silence(Duration),
    /// Whatever the server there answers.
    Forward(SocketAddr),
}

impl Answer {
    /// A whole answer, such as `Answer::new("200 OK", "content-type: text/html\r\n", "<html>")`.
    pub fn new(status: &str, headers: &str, body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        let length = body.len();
        let head =
            format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n");
        Self::Bytes([head.as_bytes(), body].concat())
    }

    /// A whole answer in JSON.
    pub fn json(status: &str, body: impl AsRef<[u8]>) -> Self {
        Self::new(status, "content-type: application/json\r\n", body)
    }
}

impl Heard {
    /// Reads one; none when the client is gone.
    pub(super) fn read(stream: &mut impl Read) -> io::Result<Option<Self>> {
        let mut bytes = Vec::new();
        let head = loop {
            if let Some(end) = position(&bytes, b"\r\n\r\n") {
                break end;
            }
            if more(stream, &mut bytes)? == 0 {
                return Ok(None);
            }
        };
        let text = String::from_utf8_lossy(&bytes[..head]).into_owned();
        let mut body = bytes.split_off(head + 4);
        let (first, headers) = text.split_once("\r\n").unwrap_or((&text, ""));
        let mut words = first.split(' ');
        let mut word = || words.next().unwrap_or_default().to_owned();
        let (method, target) = (word(), word());
        let mut heard = Self { method, target, headers: headers.to_owned(), body: Vec::new() };
        let length = heard.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0_usize);
        let is_chunked = heard.header("transfer-encoding").is_some();
        while if is_chunked { position(&body, b"0\r\n\r\n").is_none() } else { body.len() < length } {
            if more(stream, &mut body)? == 0 {
                break;
            }
        }
        heard.body = body;
        Ok(Some(heard))
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        let named =
            |line: &&str| line.split(':').next().is_some_and(|found| found.eq_ignore_ascii_case(name));
        Some(self.headers.lines().find(named)?.split_once(':')?.1.trim())
    }

    /// The same request as a server wants it that is no proxy; every connection serves one.
    pub(super) fn in_origin_form(&self) -> Vec<u8> {
        let path = match self.target.split_once("://") {
            Some((_, rest)) => rest.find('/').map_or("/", |start| &rest[start..]),
            None => &self.target,
        };
        let is_ours = |line: &&str| {
            let name = line.split(':').next().unwrap_or_default().to_lowercase();
            !["connection", "proxy-authorization", "proxy-connection"].contains(&name.as_str())
        };
        let headers: String =
            self.headers.lines().filter(is_ours).map(|line| format!("{line}\r\n")).collect();
        let head = format!("{} {path} HTTP/1.1\r\n{headers}connection: close\r\n\r\n", self.method);
        [head.as_bytes(), &self.body].concat()
    }
}

fn more(stream: &mut impl Read, bytes: &mut Vec<u8>) -> io::Result<usize> {
    let mut piece = [0; 16 << 10];
    let length = stream.read(&mut piece)?;
    bytes.extend_from_slice(&piece[..length]);
    Ok(length)
}

fn position(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
