//! Outputs as `KEY=value` lines.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use crate::report::write_whole;

/// The reader of `DRONE_OUTPUT` takes no longer lines (lite-engine, `bufio.MaxScanTokenSize`).
const LONGEST_LINE: usize = 64 << 10;

/// Writes a dotenv file that godotenv, a shell and Jenkins' `readProperties` read alike, as long as no value has line breaks.
pub(super) fn replace(file: &Path, outputs: &Map<String, Value>) -> io::Result<()> {
    let lines: String = outputs
        .iter()
        .map(|(key, value)| {
            let text = text(value);
            if is_plain(&text) {
                format!("{key}={text}\n")
            } else {
                format!("{key}=\"{}\"\n", escaped(&text))
            }
        })
        .collect();
    write_whole(file, lines.as_bytes())
}

/// Adds the outputs to the CI server's own file, which other steps may have written to. `__B64__` marks a value in base64 there.
pub(super) fn append(file: &Path, outputs: &Map<String, Value>) -> io::Result<()> {
    let mut lines = String::new();
    for (key, value) in outputs {
        let text = text(value);
        let line = if is_plain(&text) {
            format!("{key}={text}\n")
        } else {
            format!("{key}=__B64__{}\n", STANDARD.encode(&text))
        };
        if line.len() < LONGEST_LINE {
            lines.push_str(&line);
        } else {
            tracing::warn!("the output `{key}` is too long for DRONE_OUTPUT and is only in `.esteira`");
        }
    }
    OpenOptions::new().create(true).append(true).open(file)?.write_all(lines.as_bytes())
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Whether a value means itself to every reader of dotenv files.
fn is_plain(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || "-_./:@+,%".contains(c))
}

/// As it stands between double quotes.
fn escaped(text: &str) -> String {
    text.chars().fold(String::new(), |mut escaped, c| {
        match c {
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '"' | '\\' | '$' | '`' => escaped.extend(['\\', c]),
            c => escaped.push(c),
        }
        escaped
    })
}
