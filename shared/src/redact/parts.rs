//! What of a secret is secret by itself: the tokens of a document, the lines of a text, the user and path of an address. Pure; called by the
//! redactor alone.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::settings::is_document;

/// In documents only longer parts are searched for, or those that a key calls a secret.
const SHORTEST_PART: usize = 16;
const SHORTEST_NAMED_PART: usize = 8;
const SECRET_KEYS: [&str; 9] =
    ["password", "passwd", "token", "secret", "-data", "_key", "api-key", "apikey", "access-key"];

/// The parts of a secret, whichever way it came: as it is, with line breaks written out as `\n`, or in base64.
pub(super) fn parts(secret: &str) -> Vec<String> {
    let mut parts = of_address(secret);
    let unescaped = (!secret.contains('\n') && secret.contains("\\n")).then(|| secret.replace("\\n", "\n"));
    let compact: String = secret.split_whitespace().collect();
    let decoded = STANDARD.decode(compact).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    for document in [Some(secret.to_owned()), unescaped, decoded].into_iter().flatten() {
        parts.extend(of_document(&document));
    }
    parts
}

/// Users and passwords of the addresses in a text. One that stands alone is a token.
pub(super) fn userinfo(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for rest in text.split("://").skip(1) {
        let rest = rest.split([' ', '\n', '"', '\'', '<', '>', ',']).next().unwrap_or_default();
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        // A password may hold what ends a host, if it was not encoded.
        let is_cut = authority.split_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_err());
        let Some((user, _)) = (if is_cut { rest } else { authority }).rsplit_once('@') else { continue };
        let secret = match user.split_once(':') {
            Some((_, password)) if !password.is_empty() => {
                // Sent as `Basic` credentials.
                found.push(user.to_owned());
                password
            }
            _ => user.trim_end_matches(':'),
        };
        found.push(decoded(secret));
        found.push(secret.to_owned());
    }
    found
}

/// Of a secret address (a webhook): its path and query hold tokens, and servers tell them alone.
fn of_address(secret: &str) -> Vec<String> {
    let Some((_, rest)) = secret.trim().split_once("://").filter(|_| !is_document(secret)) else {
        return Vec::new();
    };
    let Some((_, path)) = rest.split_once(['/', '?']) else { return Vec::new() };
    let parts = path.split(['/', '?', '&', '=', '#']).filter(|part| part.len() >= SHORTEST_NAMED_PART);
    let mut parts: Vec<String> = parts.flat_map(|part| [part.to_owned(), decoded(part)]).collect();
    if path.len() >= SHORTEST_NAMED_PART {
        parts.push(path.to_owned());
    }
    parts
}

fn decoded(text: &str) -> String {
    url::form_urlencoded::parse(text.replace('+', "%2B").as_bytes()).next().map_or_else(
        || text.to_owned(),
        |(name, value)| if value.is_empty() { name.into_owned() } else { format!("{name}={value}") },
    )
}

/// Lines of a text that are neither `key: value` nor the frame of a key in PEM.
fn lines(text: &str) -> impl Iterator<Item = String> {
    let is_secret =
        |line: &&str| line.len() >= SHORTEST_NAMED_PART && !line.contains(':') && !line.starts_with("---");
    text.lines().map(str::trim).filter(is_secret).map(str::to_owned)
}

/// The parts of a secret that is a document (a key in PEM, a kubeconfig): its tokens and lines of base64, and what its keys call secret. Its words and
/// addresses are no secret, and hiding every `v1` would make a log unreadable.
fn of_document(secret: &str) -> Vec<String> {
    if !is_document(secret) {
        return Vec::new();
    }
    let mut parts = tokens(secret);
    parts.extend(lines(secret));
    if let Ok(document) = serde_json::from_str(secret) {
        add_named(&document, false, &mut parts);
    } else {
        parts.extend(secret.lines().filter_map(named));
        parts.extend(secret.split(['{', '}', ',']).filter_map(named));
    }
    parts
}

fn tokens(text: &str) -> Vec<String> {
    let separators = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ',' | '{' | '}' | '[' | ']');
    let is_token = |part: &&str| part.len() >= SHORTEST_PART && !part.contains("://");
    text.split(separators).filter(is_token).map(str::to_owned).collect()
}

/// The texts of a JSON document that stand under a secret's name, and the tokens of all others: a key in PEM is one text with line breaks.
fn add_named(value: &Value, is_named: bool, parts: &mut Vec<String>) {
    match value {
        Value::String(text) if is_named && text.len() >= SHORTEST_NAMED_PART => parts.push(text.clone()),
        Value::String(text) => parts.extend(tokens(text)),
        Value::Array(items) => items.iter().for_each(|item| add_named(item, is_named, parts)),
        Value::Object(entries) => {
            entries.iter().for_each(|(name, value)| add_named(value, is_secret_key(name), parts));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The value of a line of YAML, or of a piece of a map in it, whose key says that it is secret.
fn named(line: &str) -> Option<String> {
    let (key, value) = line.split_once(": ")?;
    let plain = |text: &str| text.trim().trim_matches(['"', '\'']).to_owned();
    let value = plain(value);
    (is_secret_key(&plain(key)) && value.len() >= SHORTEST_NAMED_PART).then_some(value)
}

fn is_secret_key(key: &str) -> bool {
    let key = key.to_lowercase();
    SECRET_KEYS.iter().any(|end| key.ends_with(end))
}
