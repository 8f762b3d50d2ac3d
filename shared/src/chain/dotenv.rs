//! Outputs as `KEY=value` lines.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
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
    if !lines.is_empty() && is_last_line_open(file) {
        lines.insert(0, '\n');
    }
    OpenOptions::new().create(true).append(true).open(file)?.write_all(lines.as_bytes())
}

/// Whether what is appended would become part of somebody's last line. Nothing is read from a pipe.
fn is_last_line_open(file: &Path) -> bool {
    let last_byte = || -> io::Result<u8> {
        let mut file = File::open(file)?;
        file.seek(SeekFrom::End(-1))?;
        let mut last = [0];
        file.read_exact(&mut last)?;
        Ok(last[0])
    };
    file.is_file() && last_byte().is_ok_and(|last| last != b'\n')
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
