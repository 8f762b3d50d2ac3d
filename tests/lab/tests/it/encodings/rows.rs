//! The rows of what is measured: a line of YAML, what arrives of it in a step, and what it is read as.
//! The first and the last are written by hand, the rest is measured; the decoders' own test checks the last.

use std::collections::BTreeMap;
use std::path::PathBuf;

use lab::Engine;
use serde::{Deserialize, Serialize};

/// What became of a line.
#[derive(Deserialize, Serialize)]
#[serde(untagged)]
pub(super) enum Arrived {
    /// A variable; with rows of keys `NAME=value`.
    Text(String),
    /// The engine says this. Written by hand: such a row runs alone, because others do not arrive beside it.
    Stops { stops: String },
}

/// What a plugin reads in it; `! ` begins a part of a problem.
#[derive(Deserialize, Serialize)]
#[serde(untagged)]
enum Meaning {
    Same(String),
    Each { drone: String, woodpecker: String },
}

/// One line of YAML.
#[derive(Deserialize, Serialize)]
pub(super) struct Row {
    pub(super) yaml: String,
    drone: Option<Arrived>,
    woodpecker: Option<Arrived>,
    means: Meaning,
}

/// All of them.
#[derive(Deserialize)]
pub(super) struct Rows {
    /// About the name of a setting.
    pub(super) keys: Vec<Row>,
    /// About the value; the name only says which type reads it.
    pub(super) values: Vec<Row>,
}

/// The file, which lies beside the decoders' test.
pub(super) fn path() -> PathBuf {
    crate::readme::root().join("shared/src/settings/reader/tests/measured.json")
}

impl Rows {
    pub(super) fn read() -> Self {
        serde_json::from_slice(&std::fs::read(path()).unwrap()).unwrap()
    }

    pub(super) fn all(&mut self) -> impl Iterator<Item = &mut Row> {
        self.keys.iter_mut().chain(&mut self.values)
    }

    /// A row a line, so that a difference is read easily.
    pub(super) fn as_json(&self) -> String {
        let lines = |rows: &[Row]| {
            let rows = rows.iter().map(|row| format!("    {}", serde_json::to_string(row).unwrap()));
            rows.collect::<Vec<_>>().join(",\n")
        };
        format!(
            "{{\n  \"keys\": [\n{}\n  ],\n  \"values\": [\n{}\n  ]\n}}\n",
            lines(&self.keys),
            lines(&self.values)
        )
    }
}

/// The settings of the decoders' test. Other names are rows of keys.
const TYPES: [&str; 9] =
    ["text", "dry_run", "an_int", "timeout", "tags", "values", "versions", "release", "document"];

impl Row {
    pub(super) fn arrived(&self, engine: Engine) -> Option<&Arrived> {
        match engine {
            Engine::Drone => self.drone.as_ref(),
            Engine::Woodpecker => self.woodpecker.as_ref(),
        }
    }

    pub(super) fn arrived_mut(&mut self, engine: Engine) -> &mut Option<Arrived> {
        match engine {
            Engine::Drone => &mut self.drone,
            Engine::Woodpecker => &mut self.woodpecker,
        }
    }

    /// The key, where the row is about that.
    fn key(&self) -> Option<&str> {
        let key = self.yaml.split(':').next().unwrap();
        (!TYPES.contains(&key)).then_some(key)
    }

    /// The line as the setting number `at` of a step.
    pub(super) fn setting(&self, at: usize) -> String {
        match self.key() {
            Some(_) => format!("{}\n", self.yaml),
            None => format!("row_{at}:{}\n", self.yaml.split_once(':').unwrap().1),
        }
    }

    /// What of the setting number `at` is among what arrived.
    pub(super) fn found(&self, at: usize, arrived: &BTreeMap<String, String>) -> Option<String> {
        let Some(key) = self.key() else { return arrived.get(&format!("ROW_{at}")).cloned() };
        let plain = |name: &str| name.to_uppercase().replace(['-', '.'], "_");
        let (name, value) = arrived.iter().find(|(name, _)| plain(name) == plain(key))?;
        Some(format!("{name}={value}"))
    }
}

/// The table of these rows.
pub(super) fn table(what: &str, rows: &[Row]) -> String {
    let mut text = format!("| {what} | Drone | Woodpecker | a plugin reads |\n|---|---|---|---|\n");
    for row in rows {
        let arrived = [row.drone.as_ref(), row.woodpecker.as_ref()];
        let is_read = arrived.iter().any(|arrived| !matches!(arrived, Some(Arrived::Stops { .. })));
        let means = if is_read { row.means.cell() } else { String::new() };
        let cells = [code(&row.yaml), arrival(arrived[0]), arrival(arrived[1]), means];
        text += &format!("| {} |\n", cells.join(" | "));
    }
    text
}

fn arrival(arrived: Option<&Arrived>) -> String {
    match arrived {
        None => "no variable".to_owned(),
        Some(Arrived::Text(text)) if text.is_empty() => "empty".to_owned(),
        Some(Arrived::Text(text)) => code(text),
        Some(Arrived::Stops { stops }) => format!("error: {}", code(stops)),
    }
}

impl Meaning {
    fn cell(&self) -> String {
        let words = |text: &str| match text.strip_prefix("! ") {
            Some(problem) => format!("refused: {}", problem.replace('|', "\\|")),
            None if text.is_empty() => "unset".to_owned(),
            None => code(text),
        };
        match self {
            Self::Same(text) => words(text),
            Self::Each { drone, woodpecker } => {
                format!("**not the same:** {}; {}", words(drone), words(woodpecker))
            }
        }
    }
}

/// As code on one line: line breaks are `⏎`, blanks at the ends `␣`.
fn code(text: &str) -> String {
    let text = text.replace('\n', "⏎").replace('|', "\\|");
    let inner = text.trim_matches(' ');
    let begin = text.len() - text.trim_start_matches(' ').len();
    let end = text.len() - begin - inner.len();
    let text = format!("{}{inner}{}", "␣".repeat(begin), "␣".repeat(end));
    if text.contains('`') { format!("`` {text} ``") } else { format!("`{text}`") }
}
