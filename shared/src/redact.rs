//! Takes secrets out of everything that leaves the process: log lines, reports, errors. Knows each secret of the settings plain,
//! line by line, base64, URL-encoded and JSON-escaped. CI servers mask only the plain form.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE};
use url::form_urlencoded::byte_serialize;

use crate::settings::{Env, Setting};

/// Shorter texts are not searched for: hiding every `1` would make a log unreadable and hide nothing.
const SHORTEST: usize = 4;
/// In documents only longer parts are.
const SHORTEST_PART: usize = 16;
const HIDDEN: &str = "[hidden]";

/// Knows the secrets of a run in all their forms.
#[derive(Clone, Debug, Default)]
pub(crate) struct Redactor {
    /// Longest first, so that a form that contains another is hidden whole.
    forms: Vec<String>,
}

impl Redactor {
    /// Learns the values of all secret settings.
    pub(crate) fn of(env: &Env, groups: &[&[Setting]]) -> Self {
        let names = groups.iter().copied().flatten().filter(|setting| setting.is_secret);
        let variables = env.plugin_variables();
        Self::knowing(names.filter_map(|setting| variables.get(setting.name)).map(String::as_str))
    }

    fn knowing<'a>(secrets: impl Iterator<Item = &'a str>) -> Self {
        let mut forms = BTreeSet::new();
        for secret in secrets {
            for text in std::iter::once(secret.trim()).chain(parts(secret)) {
                if text.len() < SHORTEST {
                    continue;
                }
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
        Self { forms }
    }

    /// The text without any secret.
    pub(crate) fn clean(&self, text: &str) -> String {
        self.forms.iter().fold(text.to_owned(), |text, form| {
            if text.contains(form.as_str()) { text.replace(form.as_str(), HIDDEN) } else { text }
        })
    }
}

/// The parts of a secret that is a document (a key in PEM, a kubeconfig): its tokens and lines of base64. Its words and addresses are no secret, and
/// hiding every `v1` would make a log unreadable.
fn parts(secret: &str) -> impl Iterator<Item = &str> {
    let is_document = secret.trim().contains('\n') || secret.trim_start().starts_with('{');
    let separators = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ',' | '{' | '}' | '[' | ']');
    let is_token = |part: &&str| part.len() >= SHORTEST_PART && !part.contains("://");
    secret.split(separators).filter(is_token).filter(move |_| is_document)
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
    fn knows_the_secret_settings_only() {
        const SETTINGS: &[Setting] = &[Setting::new("token", "", "").secret(), Setting::new("name", "", "")];
        let env = Env::of(&[("PLUGIN_TOKEN", "t0p-secret"), ("PLUGIN_NAME", "public")]);
        assert_eq!(Redactor::of(&env, &[SETTINGS]).clean("t0p-secret public"), "[hidden] public");
    }
}
