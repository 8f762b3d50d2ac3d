//! What Drone and Woodpecker make of a YAML value, row by row, and what becomes of it here. `measured.json` is what arrived in steps of their
//! own engines: the lab's tests of encodings measure it, and make docs/ENCODINGS.md of it.

use super::*;
use crate::settings::Takes;

const SETTINGS: &[Setting] = &[
    Setting::new("text", "a text", ""),
    Setting::boolean("dry_run", ""),
    Setting::number("an_int", ""),
    Setting::duration("timeout", ""),
    Setting::list("tags", "texts", ""),
    Setting::of("values", Takes::Map("texts"), ""),
    Setting::of("versions", Takes::TextMap("texts"), ""),
    Setting::new("release", "a version", ""),
    Setting::of("document", Takes::Document("a certificate"), ""),
];

#[derive(Default, Deserialize)]
struct Raw {
    text: Option<String>,
    dry_run: Option<String>,
    an_int: Option<String>,
    timeout: Option<String>,
    tags: Option<String>,
    values: Option<String>,
    versions: Option<String>,
    release: Option<String>,
    document: Option<String>,
}

/// All values that are set, or all problems, as one text.
fn meaning(variable: &str, value: &str) -> String {
    let mut read = Reader::new(&Env::of(&[(variable, value)]), &[SETTINGS]);
    let raw: Raw = read.raw();
    let shown = |value: Option<String>| value.unwrap_or_default();
    let values = [
        shown(read.optional("text", raw.text, parse::text)),
        shown(read.optional("dry_run", raw.dry_run, parse::boolean).map(|value| value.to_string())),
        shown(read.optional("an_int", raw.an_int, parse::count).map(|value| value.to_string())),
        shown(read.optional("timeout", raw.timeout, parse::duration).map(|value| format!("{value:?}"))),
        shown(read.optional("tags", raw.tags, parse::list).map(|value| format!("{value:?}"))),
        shown(read.optional("values", raw.values, parse::map).map(|value| format!("{value:?}"))),
        shown(read.optional("versions", raw.versions, parse::text_map).map(|value| format!("{value:?}"))),
        shown(read.optional("release", raw.release, parse::version)),
        shown(read.optional("document", raw.document, parse::document).map(|text| text.expose().to_owned())),
    ];
    match read.finish(|| Some(())) {
        Ok(()) => values.concat(),
        Err(problems) => {
            problems.0.iter().map(|problem| format!("! {}: {}", problem.name, problem.text)).collect()
        }
    }
}

/// A line of YAML, what each engine makes of it, and what it means; `! ` begins a part of a problem.
#[derive(Deserialize)]
struct Measured {
    yaml: String,
    drone: Option<Arrived>,
    woodpecker: Option<Arrived>,
    means: Meaning,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Arrived {
    Text(String),
    Stops {},
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Meaning {
    Same(String),
    Each { drone: String, woodpecker: String },
}

#[derive(Deserialize)]
struct Table {
    keys: Vec<Measured>,
    values: Vec<Measured>,
}

fn check(yaml: &str, variable: &str, value: &str, expected: &str) {
    let found = meaning(&format!("PLUGIN_{variable}"), value);
    let fits = match expected.strip_prefix("! ") {
        Some(part) => found.starts_with("! ") && found.contains(part),
        None => found == expected,
    };
    assert!(fits, "{yaml} as `{value}`: expected {expected}, got {found}");
}

#[test]
fn every_value_that_arrived_means_what_the_table_says() {
    let table: Table = serde_json::from_str(include_str!("measured.json")).unwrap();
    let check = |row: &Measured, arrived: Option<&Arrived>, expected: &str, is_key: bool| {
        let (name, _) = row.yaml.split_once(':').unwrap();
        match arrived {
            Some(Arrived::Text(pair)) if is_key => {
                let (variable, value) = pair.split_once('=').unwrap();
                check(&row.yaml, variable, value, expected);
            }
            Some(Arrived::Text(value)) => check(&row.yaml, &name.to_uppercase(), value, expected),
            None => assert_eq!(expected, "", "{}: nothing arrives", row.yaml),
            Some(Arrived::Stops {}) => {}
        }
    };
    let keys = table.keys.iter().map(|row| (row, true));
    for (row, is_key) in keys.chain(table.values.iter().map(|row| (row, false))) {
        let (drone, woodpecker) = match &row.means {
            Meaning::Same(text) => (text, text),
            Meaning::Each { drone, woodpecker } => (drone, woodpecker),
        };
        check(row, row.drone.as_ref(), drone, is_key);
        check(row, row.woodpecker.as_ref(), woodpecker, is_key);
    }
}

/// Forms that none of the measured engines writes: what is set (its name and value), and what it means.
const OTHERS: &[(&str, &str, &str, &str)] = &[
    ("set by Harness itself", "ARTIFACT_FILE", "/tmp/a", ""),
    ("set by Harness itself", "METADATA_FILE", "/tmp/m", ""),
    ("a secret that Drone does not have", "TEXT", "", ""),
    ("numbers as in Woodpecker's documentation", "VALUES", "{\"abc\":\"2\"}", "{\"abc\": \"2\"}"),
    ("JSON of Go", "VALUES", "{\"abc\":1e+06}", "{\"abc\": \"1000000\"}"),
    ("JSON by hand", "VALUES", "{\"abc\":1.0}", "{\"abc\": \"1\"}"),
    ("a variable in Jenkins' single quotes", "TEXT", "$RELEASE", "! still contains `$RELEASE`"),
    ("bytes of Latin-1", "TEXT", "vers\u{fffd}o", "! PLUGIN_TEXT: is not UTF-8 text"),
];

#[test]
fn values_that_others_write_mean_the_same() {
    for (writer, name, value, expected) in OTHERS {
        check(writer, name, value, expected);
    }
}

#[test]
fn one_setting_in_two_spellings_must_have_one_value() {
    let both = |hyphen: &str| {
        let env = Env::of(&[("PLUGIN_DRY-RUN", hyphen), ("PLUGIN_DRY_RUN", "false")]);
        Reader::new(&env, &[SETTINGS]).finish(|| Some(())).err().map(|problems| problems.to_string())
    };
    assert_eq!(both("false"), None);
    assert_eq!(both(""), None);
    let problem = both("true").unwrap();
    assert!(problem.contains("PLUGIN_DRY-RUN and PLUGIN_DRY_RUN are the same setting"), "{problem}");
}
