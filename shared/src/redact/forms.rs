//! How a secret looks when a program or a server has encoded it: base64 (also inside of a longer text), percent-encoded, in JSON, HTML, YAML or a
//! shell's quotes, hexadecimal. Pure; called by the redactor alone.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

use super::SHORTEST;

/// Of longer texts (documents, whose parts are searched for by themselves) only the common forms are known, to keep the search small.
const LONGEST_FULL: usize = 1024;
/// The middle of an encoded secret says too little below this length.
const SHORTEST_MIDDLE: usize = 6;

/// Adds all forms of a text.
pub(super) fn add(text: &str, forms: &mut BTreeSet<String>) {
    forms.insert(text.to_owned());
    forms.insert(json(text, false, false, false));
    for encoded in [STANDARD.encode(text), URL_SAFE.encode(text)] {
        forms.insert(encoded.trim_end_matches('=').to_owned());
        // Padding says nothing, but one form more hides it too.
        forms.insert(encoded);
    }
    if text.len() > LONGEST_FULL {
        return;
    }
    add_base64_in_a_longer_text(text, forms);
    add_percent_encoded(text, forms);
    add_json(text, forms);
    add_quoted(text, forms);
    let hex = |byte: &u8| format!("{byte:02x}");
    let hex: String = text.as_bytes().iter().map(hex).collect();
    forms.insert(hex.to_uppercase());
    forms.insert(hex);
    forms.retain(|form| form.len() >= SHORTEST);
}

/// Three bytes are four letters, so inside of a longer text the letters depend on how many bytes stand before; those at both ends also on their
/// neighbours. `Basic` credentials (`user:secret`) and Kubernetes' Secrets are such texts. Long ones are wrapped, at 64 (PEM) or 76 (MIME) letters.
fn add_base64_in_a_longer_text(text: &str, forms: &mut BTreeSet<String>) {
    for before in 0..3_usize {
        let bytes = [&b"\0\0"[..before], text.as_bytes()].concat();
        let (first, end) = ((before * 8).div_ceil(6), bytes.len() * 8 / 6);
        for encoded in [STANDARD.encode(&bytes), URL_SAFE.encode(&bytes)] {
            let middle = &encoded[first..end];
            if middle.len() >= SHORTEST_MIDDLE {
                forms.insert(middle.to_owned());
            }
        }
    }
    let encoded = STANDARD.encode(text);
    for width in [64, 76].into_iter().filter(|width| encoded.len() > *width) {
        let lines = encoded.as_bytes().chunks(width).map(|line| String::from_utf8_lossy(line).into_owned());
        forms.extend(lines.filter(|line| line.len() >= 16));
    }
}

/// Which characters stay as they are differs from program to program, so do the cases of the digits.
fn add_percent_encoded(text: &str, forms: &mut BTreeSet<String>) {
    // In this order: RFC 3986, HTML forms, JavaScript's encodeURIComponent, a path's part, a whole path, a user's part, nothing at all.
    for kept in
        ["-_.~", "*-._", "-_.~!'()*", "-_.~!$&'()*+,;=:@", "-_.~!$&'()*+,;=:@/", "-_.~!$&'()*+,;=", ""]
    {
        let encoded: String = text.bytes().map(|byte| percent(byte, kept)).collect();
        forms.insert(encoded.replace("%20", "+"));
        forms.insert(lower_digits(&encoded));
        forms.insert(lower_digits(&encoded.replace("%20", "+")));
        forms.insert(encoded);
    }
    forms.insert(text.bytes().map(|byte| format!("%{byte:02X}")).collect());
    forms.insert(text.bytes().map(|byte| format!("%{byte:02x}")).collect());
}

fn percent(byte: u8, kept: &str) -> String {
    if byte.is_ascii_alphanumeric() || kept.as_bytes().contains(&byte) {
        char::from(byte).to_string()
    } else {
        format!("%{byte:02X}")
    }
}

fn lower_digits(encoded: &str) -> String {
    let mut parts = encoded.split('%');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let (digits, rest) = part.split_at_checked(2).unwrap_or((part, ""));
        format!("{text}%{}{rest}", digits.to_lowercase())
    })
}

/// As serde, as PHP and others (`\/`), as Go (`\u003c`), as Python (no character beyond ASCII); and once more, as JSON in JSON.
fn add_json(text: &str, forms: &mut BTreeSet<String>) {
    for variant in 0..8 {
        let form = json(text, variant & 1 > 0, variant & 2 > 0, variant & 4 > 0);
        forms.insert(json(&form, false, false, false));
        forms.insert(form);
    }
    let all: String = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
    let upper: String = text.encode_utf16().map(|unit| format!("\\u{unit:04X}")).collect();
    forms.extend([all, upper]);
    // As Rust's and others' Debug writes it.
    forms.insert(inner(&format!("{text:?}")).to_owned());
}

fn json(text: &str, escapes_slash: bool, escapes_html: bool, escapes_beyond_ascii: bool) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    let escaped = |c: char| -> String {
        c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect()
    };
    let mut form = String::with_capacity(quoted.len());
    for c in inner(&quoted).chars() {
        match c {
            '/' if escapes_slash => form.push_str("\\/"),
            '<' | '>' | '&' if escapes_html => form.push_str(&escaped(c)),
            c if escapes_beyond_ascii && !c.is_ascii() => form.push_str(&escaped(c)),
            c => form.push(c),
        }
    }
    form
}

fn inner(quoted: &str) -> &str {
    quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(quoted)
}

fn add_quoted(text: &str, forms: &mut BTreeSet<String>) {
    // Inside of single quotes: POSIX shells, Python's shlex, YAML.
    for apostrophe in ["'\\''", "'\"'\"'", "''"] {
        forms.insert(text.replace('\'', apostrophe));
    }
    let escaped = |special: &str| -> String {
        text.chars().fold(String::new(), |form, c| {
            if special.contains(c) {
                form + "\\" + c.encode_utf8(&mut [0; 4])
            } else {
                form + c.encode_utf8(&mut [0; 4])
            }
        })
    };
    // Inside of double quotes, and without any.
    forms.insert(escaped("\"$`\\"));
    forms.insert(escaped(" !\"#$&'()*,;<>?[\\]^`{|}"));
    let html = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    for (quote, apostrophe) in [
        ("\"", "'"),
        ("&quot;", "'"),
        ("&quot;", "&#39;"),
        ("&#34;", "&#39;"),
        ("&quot;", "&apos;"),
        ("&quot;", "&#x27;"),
    ] {
        forms.insert(html.replace('"', quote).replace('\'', apostrophe));
    }
}
