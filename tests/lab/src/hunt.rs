//! The hunt for secrets: looks for marked values, in the forms that programs write them in, in whatever came out of a run.
//! It may not use the plugins' redactor, which it judges: the forms are written down here a second time.
//! Called by the tests of secrets.

mod watch;

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use crate::error::{Attempt as _, Error};

pub use watch::{Seen, Watch};

/// Forms shorter than this are found by chance.
const SHORTEST: usize = 6;

/// What is looked for, and how much was looked through.
#[derive(Clone, Debug, Default)]
pub struct Hunt {
    forms: Vec<(String, Vec<u8>)>,
    /// Bytes looked through.
    pub bytes: u64,
    /// Files looked through.
    pub files: u64,
    /// Where something was found, with the marker's name and form.
    pub found: Vec<String>,
}

impl Hunt {
    /// For markers, each with a name that may be told.
    pub fn new(markers: &[(&str, &str)]) -> Self {
        let named = |(name, secret): &(&str, &str)| {
            let (name, forms) = ((*name).to_owned(), forms(secret));
            forms.into_iter().map(move |(form, text)| (format!("{name}, {form}"), text.into_bytes()))
        };
        Self { forms: markers.iter().flat_map(named).collect(), ..Self::default() }
    }

    /// How many forms of all markers are looked for.
    pub fn forms(&self) -> u64 {
        self.forms.len() as u64
    }

    /// Every form of every marker: name and text. For tests that plant them.
    pub fn planted(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.forms.iter().map(|(name, text)| (name.as_str(), text.as_slice()))
    }

    /// Looks through bytes that came from `place`.
    pub fn search(&mut self, place: &str, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        for (name, form) in &self.forms {
            if contains(bytes, form) {
                self.found.push(format!("{name} in {place}"));
            }
        }
    }

    /// Looks through the names and contents of all files below a folder; what is not there is empty.
    pub fn search_folder(&mut self, folder: &Path) -> Result<(), Error> {
        if !folder.exists() {
            return Ok(());
        }
        for entry in walkdir::WalkDir::new(folder) {
            let entry = entry.attempting(|| format!("cannot look through `{}`", folder.display()))?;
            let place = entry.path().display().to_string();
            self.search(&format!("the name of {place}"), place.as_bytes());
            if entry.file_type().is_file() {
                self.files += 1;
                let bytes = fs::read(entry.path()).attempting(|| format!("cannot read `{place}`"))?;
                self.search(&place, &bytes);
            }
        }
        Ok(())
    }
}

fn contains(bytes: &[u8], form: &[u8]) -> bool {
    let Some((first, rest)) = form.split_first() else { return false };
    let mut from = 0;
    // Comparing at each place where the first byte stands is quick enough, and needs no library that the plugins use.
    while let Some(at) = bytes[from..].iter().position(|byte| byte == first) {
        from += at + 1;
        if bytes[from..].starts_with(rest) {
            return true;
        }
    }
    false
}

fn forms(secret: &str) -> Vec<(String, String)> {
    let json = serde_json::Value::from(secret).to_string();
    let json = json[1..json.len() - 1].to_owned();
    let percent = |is_kept: fn(u8) -> bool, upper: bool| -> String {
        let digits = |byte: u8| if upper { format!("%{byte:02X}") } else { format!("%{byte:02x}") };
        secret
            .bytes()
            .map(|byte| if is_kept(byte) { char::from(byte).to_string() } else { digits(byte) })
            .collect()
    };
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let mut forms = vec![
        ("plain", secret.to_owned()),
        ("JSON", json.clone()),
        ("JSON with \\/", json.replace('/', "\\/")),
        ("JSON with \\u00xx", json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")),
        ("JSON in JSON", json.replace('\\', "\\\\").replace('"', "\\\"")),
        ("percent", percent(unreserved, true)),
        ("percent, small digits", percent(unreserved, false)),
        ("form", percent(unreserved, true).replace("%20", "+")),
        ("percent, all", percent(|_| false, true)),
        ("shell", secret.replace('\'', "'\\''")),
        (
            "HTML",
            secret.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;").replace('\'', "&#39;"),
        ),
        ("hexadecimal", hex.to_uppercase()),
        ("hexadecimal, small", hex),
    ];
    for before in 0..3 {
        let text = format!("{}{secret}", &"xx"[..before]);
        let (first, end) = ((before * 8).div_ceil(6), text.len() * 8 / 6);
        let name = ["base64", "base64 behind one byte", "base64 behind two bytes"][before];
        forms.push((name, STANDARD.encode(&text)[first..end].to_owned()));
        forms.push((name, URL_SAFE_NO_PAD.encode(&text)[first..end].to_owned()));
    }
    let mut all: Vec<(String, String)> = Vec::new();
    for (name, form) in forms {
        if form.len() >= SHORTEST && all.iter().all(|(_, known)| *known != form) {
            all.push((name.to_owned(), form));
        }
    }
    all
}
