//! Takes secrets out of everything that leaves the process: log lines, reports, errors, streams. Knows each secret in the forms that programs and
//! servers write it in ([`forms`]); CI servers mask only the plain one. Called by `entry`, the log, and whoever cuts what came from outside.

mod forms;
mod parts;
mod stream;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use serde_json::{Map, Value};

use crate::net;
use crate::settings::{Env, Reader, Setting, is_document};

pub(crate) use stream::Redacting;

/// Shorter texts are not searched for: hiding every `1` would make a log unreadable and hide nothing.
const SHORTEST: usize = 4;
const HIDDEN: &str = "[hidden]";
/// A file that a setting names as holding a secret is read up to this size.
const LARGEST_FILE: u64 = 1 << 20;
/// Where Kubernetes puts the token of a pod's own account (<https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/>).
const ACCOUNT_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// Knows the secrets of a run in all their forms. Clones share what they know.
#[derive(Clone, Default)]
pub(crate) struct Redactor(Arc<RwLock<Known>>);

#[derive(Default)]
struct Known {
    /// None while nothing is known.
    search: Option<AhoCorasick>,
    /// Length of the longest form, in bytes.
    longest: usize,
    /// The search could not be built: everything is hidden.
    is_blind: bool,
}

impl Redactor {
    /// The snapshot's own, knowing the values of all secret settings, also those that an earlier step or `.config` supplied.
    pub(crate) fn of(env: &Env, groups: &[&[Setting]]) -> Self {
        let redactor = env.redactor().clone();
        redactor.learn(env, groups);
        redactor
    }

    /// Learns them again, from a snapshot that knows more.
    pub(crate) fn learn(&self, env: &Env, groups: &[&[Setting]]) {
        let read = Reader::quiet(env, groups);
        let mut secrets: Vec<String> = read.secrets().map(str::to_owned).collect();
        let of_addresses = read.values().values().cloned().chain(net::secrets(env));
        secrets.extend(of_addresses.flat_map(|value| parts::userinfo(&value)));
        let documents = groups.iter().copied().flatten().filter(|setting| setting.is_secret_document);
        for setting in documents {
            let value = read.values().get(setting.name).filter(|value| !is_document(value));
            secrets.extend(value.and_then(|path| small_file(&env.workspace().join(path.trim()))));
            if setting.name == "kubeconfig" && env.variable("KUBERNETES_SERVICE_HOST").is_some() {
                secrets.extend(small_file(Path::new(ACCOUNT_TOKEN)));
            }
        }
        self.know(&secrets);
    }

    fn know<S: AsRef<str>>(&self, secrets: &[S]) {
        let all: BTreeSet<String> = secrets.iter().flat_map(|secret| all_forms(secret.as_ref())).collect();
        let longest = all.iter().map(String::len).max().unwrap_or_default();
        // Of its machines this one is built quickest, and takes the least memory for long secrets.
        let search = AhoCorasick::builder().kind(Some(AhoCorasickKind::NoncontiguousNFA)).build(&all);
        let is_blind = search.is_err();
        let search = search.ok().filter(|_| !all.is_empty());
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Known { search, longest, is_blind };
    }

    #[cfg(test)]
    fn knowing(secrets: &[&str]) -> Self {
        let redactor = Self::default();
        redactor.know(secrets);
        redactor
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
        let clean = self.known(|known| known.hide(text.as_bytes(), true).0);
        String::from_utf8(clean)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
    }

    /// As much of the bytes as can be judged before more come, without any secret, and how many bytes that was.
    fn clean_beginning(&self, bytes: &[u8], is_end: bool) -> (Vec<u8>, usize) {
        self.known(|known| known.hide(bytes, is_end))
    }

    fn known<T>(&self, ask: impl FnOnce(&Known) -> T) -> T {
        ask(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Known {
    fn hide(&self, bytes: &[u8], is_end: bool) -> (Vec<u8>, usize) {
        if self.is_blind {
            return (HIDDEN.as_bytes().to_vec(), bytes.len());
        }
        let spans = self.spans(bytes);
        // A secret may begin in the last bytes and end in the next.
        let mut judged =
            if is_end { bytes.len() } else { (bytes.len() + 1).saturating_sub(self.longest.max(1)) };
        if let Some((start, _)) = spans.iter().find(|(start, end)| *start < judged && judged < *end) {
            judged = *start;
        }
        let mut clean = Vec::with_capacity(judged);
        let mut from = 0;
        for (start, end) in spans.into_iter().take_while(|(_, end)| *end <= judged) {
            clean.extend_from_slice(&bytes[from..start]);
            clean.extend_from_slice(HIDDEN.as_bytes());
            from = end;
        }
        clean.extend_from_slice(&bytes[from..judged]);
        (clean, judged)
    }

    /// Where secrets stand: of those that overlap, or stand inside of each other, no byte is left.
    fn spans(&self, bytes: &[u8]) -> Vec<(usize, usize)> {
        let Some(search) = &self.search else { return Vec::new() };
        let mut found: Vec<_> =
            search.find_overlapping_iter(bytes).map(|found| (found.start(), found.end())).collect();
        found.sort_unstable();
        let mut spans: Vec<(usize, usize)> = Vec::new();
        for (start, end) in found {
            match spans.last_mut() {
                Some(last) if start < last.1 => last.1 = last.1.max(end),
                _ => spans.push((start, end)),
            }
        }
        spans
    }
}

/// All forms of a secret and of its parts.
fn all_forms(secret: &str) -> BTreeSet<String> {
    let texts =
        std::iter::once(Cow::from(secret.trim())).chain(parts::parts(secret).into_iter().map(Cow::from));
    let mut all = BTreeSet::new();
    for text in texts.filter(|text| text.len() >= SHORTEST) {
        forms::add(&text, &mut all);
    }
    all
}

fn small_file(path: &Path) -> Option<String> {
    let is_small = std::fs::metadata(path).is_ok_and(|file| file.is_file() && file.len() <= LARGEST_FILE);
    // One that cannot be read is a problem for whoever needs it.
    is_small.then(|| std::fs::read_to_string(path).ok()).flatten()
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redactor(hidden)")
    }
}

#[cfg(test)]
mod tests;
