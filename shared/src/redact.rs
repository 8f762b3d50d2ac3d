//! Takes secrets out of everything that leaves the process: log lines, reports, errors. Knows each secret of the settings plain,
//! line by line, base64, URL-encoded and JSON-escaped. CI servers mask only the plain form.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE};
use url::form_urlencoded::byte_serialize;

use serde_json::{Map, Value};

use crate::settings::{Env, Reader, Setting, is_document};

/// Shorter texts are not searched for: hiding every `1` would make a log unreadable and hide nothing.
const SHORTEST: usize = 4;
/// In documents only longer parts are, or those that a key calls a secret.
const SHORTEST_PART: usize = 16;
const SHORTEST_NAMED_PART: usize = 8;
const SECRET_KEYS: [&str; 9] =
    ["password", "passwd", "token", "secret", "-data", "_key", "api-key", "apikey", "access-key"];
const HIDDEN: &str = "[hidden]";

/// Knows the secrets of a run in all their forms. Clones share what they know.
#[derive(Clone, Debug, Default)]
pub(crate) struct Redactor {
    /// Longest first, so that a form that contains another is hidden whole.
    forms: Arc<RwLock<Vec<String>>>,
}

impl Redactor {
    /// Knows the values of all secret settings, also those that an earlier step or `.config` supplied.
    pub(crate) fn of(env: &Env, groups: &[&[Setting]]) -> Self {
        let redactor = Self::default();
        redactor.learn(env, groups);
        redactor
    }

    /// Learns them again, from a snapshot that knows more.
    pub(crate) fn learn(&self, env: &Env, groups: &[&[Setting]]) {
        let forms = forms_of(Reader::quiet(env, groups).secrets());
        *self.forms.write().unwrap_or_else(PoisonError::into_inner) = forms;
    }

    #[cfg(test)]
    fn knowing<'a>(secrets: impl Iterator<Item = &'a str>) -> Self {
        Self { forms: Arc::new(RwLock::new(forms_of(secrets))) }
    }

    /// The same value without any secret in its texts; it keeps its shape, whatever the secrets are.
    pub(crate) fn clean_texts(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.clean(&text)),
            Value::Array(items) => items.into_iter().map(|item| self.clean_texts(item)).collect(),
            Value::Object(entries) => Value::Object(self.clean_map(entries)),
            Value::Null | Value::Bool(_) | Value::Number(_) => value,
        }
    }

    /// The same entries without any secret in their texts.
    pub(crate) fn clean_map(&self, entries: Map<String, Value>) -> Map<String, Value> {
        entries.into_iter().map(|(name, value)| (name, self.clean_texts(value))).collect()
    }

    /// The text without any secret.
    pub(crate) fn clean(&self, text: &str) -> String {
        let forms = self.forms.read().unwrap_or_else(PoisonError::into_inner);
        forms.iter().fold(text.to_owned(), |text, form| {
            if text.contains(form.as_str()) { text.replace(form.as_str(), HIDDEN) } else { text }
        })
    }
}

/// All forms of all secrets, longest first.
fn forms_of<'a>(secrets: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut forms = BTreeSet::new();
    for secret in secrets {
        for text in std::iter::once(secret.trim().to_owned()).chain(parts(secret)) {
            if text.len() < SHORTEST {
                continue;
            }
            let text = text.as_str();
            forms.insert(text.to_owned());
            forms.insert(STANDARD.encode(text));
            forms.insert(STANDARD_NO_PAD.encode(text));
            forms.insert(URL_SAFE.encode(text));
            forms.insert(byte_serialize(text.as_bytes()).collect());
            forms.insert(byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20"));
            forms.insert(serde_json::Value::from(text).to_string().trim_matches('"').to_owned());
        }
    }
    let mut forms: Vec<String> = forms.into_iter().collect();
    forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
    forms
}

/// The parts of a secret that is a document (a key in PEM, a kubeconfig): its tokens and lines of base64, and what its keys call secret. Its words and
/// addresses are no secret, and hiding every `v1` would make a log unreadable.
fn parts(secret: &str) -> Vec<String> {
    if !is_document(secret) {
        return Vec::new();
    }
    let mut parts = tokens(secret);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hides_every_form_of_a_secret() {
        let secret = "pa\"ss wörd/+=";
        let redactor = Redactor::knowing([secret].into_iter());
        let encoded: String = byte_serialize(secret.as_bytes()).collect();
        let text =
            format!("{secret} {} {encoded} {}", STANDARD.encode(secret), serde_json::json!({ "k": secret }));
        assert_eq!(redactor.clean(&text), "[hidden] [hidden] [hidden] {\"k\":\"[hidden]\"}");
    }

    #[test]
    fn hides_the_tokens_of_a_document_and_not_its_words() {
        let key = "-----BEGIN KEY-----\nAAAABBBBCCCCDDDDEEEE\n-----END KEY-----\n";
        let kubeconfig = "kind: Config\nclusters:\n- cluster: {server: https://10.0.0.1:6443}\nusers:\n- user: {token: eyJhbGciOiJSUzI1NiJ9.x.y}\n";
        let redactor = Redactor::knowing([key, kubeconfig].into_iter());
        assert_eq!(redactor.clean("got AAAABBBBCCCCDDDDEEEE there"), "got [hidden] there");
        assert_eq!(redactor.clean("Bearer eyJhbGciOiJSUzI1NiJ9.x.y"), "Bearer [hidden]");
        assert_eq!(
            redactor.clean("kind: Config at https://10.0.0.1:6443"),
            "kind: Config at https://10.0.0.1:6443"
        );
    }

    #[test]
    fn hides_what_a_document_calls_a_secret_even_if_it_is_short() {
        let yaml = "users:\n- name: administrator\n  user:\n    password: \"two words 1\"\n    token: abcd1234\n- user: {client-key-data: QUJDRA==, x: short678}\n";
        let redactor = Redactor::knowing([yaml].into_iter());
        for secret in ["two words 1", "abcd1234", "QUJDRA=="] {
            assert_eq!(redactor.clean(secret), "[hidden]");
        }
        assert_eq!(redactor.clean("administrator short678"), "administrator short678");
        let json = "{\"type\": \"service_account\", \"auth\": {\"client_secret\": \"two words 2\"}, \"pem\": \"A\\nAAAABBBBCCCCDDDD\\n\"}";
        let redactor = Redactor::knowing([json].into_iter());
        assert_eq!(redactor.clean("two words 2, AAAABBBBCCCCDDDD"), "[hidden], [hidden]");
    }

    #[test]
    fn a_report_keeps_its_shape_whatever_the_secret_is() {
        let redactor = Redactor::knowing(["null", "false", "error"].into_iter());
        let report = serde_json::json!({ "error": [null, false, "it is null"], "n": 1 });
        let clean = serde_json::json!({ "error": [null, false, "it is [hidden]"], "n": 1 });
        assert_eq!(redactor.clean_texts(report), clean);
    }

    #[test]
    fn knows_a_secret_that_an_earlier_step_left() {
        const SETTINGS: &[Setting] = &[Setting::new("token", "", "").secret()];
        let env = Env::of(&[("PLUGIN_TOKEN", "@login.token")]).with_output("login", "token", "t0p-secret");
        let redactor = Redactor::of(&env, &[SETTINGS]);
        assert_eq!(redactor.clean("t0p-secret of @login.token"), "[hidden] of @login.token");
    }

    #[test]
    fn knows_the_secret_settings_only() {
        const SETTINGS: &[Setting] = &[Setting::new("token", "", "").secret(), Setting::new("name", "", "")];
        let env = Env::of(&[("PLUGIN_TOKEN", "t0p-secret"), ("PLUGIN_NAME", "public")]);
        assert_eq!(Redactor::of(&env, &[SETTINGS]).clean("t0p-secret public"), "[hidden] public");
    }
}
