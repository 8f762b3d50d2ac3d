//! Values that are the content of a file: a kubeconfig, a certificate, a key. CI servers hand them on with their line breaks, but people also
//! paste them with `\n`, or as base64 so that they stay on one line. All three mean the same text.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

/// The document that a value is, as its plain text; `None` is a path or a token.
#[must_use]
pub(super) fn text_of(value: &str) -> Option<String> {
    let value = value.trim();
    if is_plain(value) {
        return Some(value.to_owned());
    }
    if value.contains("\\n") {
        return Some(value.replace("\\r", "").replace("\\n", "\n"));
    }
    let joined: String = value.split_whitespace().collect();
    let bytes = STANDARD.decode(&joined).or_else(|_| STANDARD_NO_PAD.decode(&joined)).ok()?;
    let text = String::from_utf8(bytes).ok()?.trim().to_owned();
    (is_plain(&text) && !text.contains('\0')).then_some(text)
}

/// Whether a value is the content of a file in any of its forms, and not a path or a token.
pub(crate) fn is_document(value: &str) -> bool {
    text_of(value).is_some()
}

/// Lines of base64 have line breaks too, but nothing else that a document has.
fn is_plain(text: &str) -> bool {
    let is_base64 = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=' | '\r' | '\n');
    text.starts_with('{') || text.contains('\n') && !text.chars().all(is_base64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEM: &str = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----";

    #[test]
    fn a_document_is_read_plain_escaped_and_in_base64() {
        let encoded = STANDARD.encode(PEM);
        let lines = encoded
            .as_bytes()
            .chunks(20)
            .map(|line| std::str::from_utf8(line).unwrap())
            .collect::<Vec<_>>()
            .join("\n");
        for form in [
            PEM.to_owned(),
            format!("{PEM}\n"),
            PEM.replace('\n', "\\n"),
            encoded.clone(),
            lines,
            encoded.replace('=', ""),
        ] {
            assert_eq!(text_of(&form).as_deref(), Some(PEM), "{form}");
        }
        assert_eq!(text_of("{\"kind\": \"Config\"}").as_deref(), Some("{\"kind\": \"Config\"}"));
        assert_eq!(text_of("eyJraW5kIjogIkNvbmZpZyJ9").as_deref(), Some("{\"kind\": \"Config\"}"));
    }

    #[test]
    fn a_path_and_a_token_are_none() {
        for value in ["/home/me/.kube/config\n", "kubeconfig", "c2VjcmV0", "s3cr3t=", "ghp/0123+456=", ""] {
            assert_eq!(text_of(value), None, "{value}");
        }
    }
}
