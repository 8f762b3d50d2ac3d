//! What Drone and Woodpecker make of a YAML value, row by row, and what becomes of it here. Sources: drone-runner-docker `engine/compiler/step.go` and
//! `internal/encoder/encoder.go`; Woodpecker `pipeline/frontend/yaml/compiler/settings/params.go` and its tests.

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
    ];
    match read.finish(|| Some(())) {
        Ok(()) => values.concat(),
        Err(problems) => {
            problems.0.iter().map(|problem| format!("! {}: {}", problem.name, problem.text)).collect()
        }
    }
}

/// YAML, what arrives (both servers where there is one pair, else Drone's and Woodpecker's), and what it means; `! ` begins a part of a problem.
type Row = (&'static str, &'static [(&'static str, &'static str)], &'static str);

#[rustfmt::skip]
const ROWS: &[Row] = &[
    // Keys
    ("dry-run: true", &[("DRY-RUN", "true"), ("DRY_RUN", "true")], "true"),
    ("dry.run: true", &[("DRY.RUN", "true"), ("DRY_RUN", "true")], "true"),
    ("dryRun: true", &[("DRYRUN", "true")], "! PLUGIN_DRYRUN: no such setting; did you mean `PLUGIN_DRY_RUN`, in YAML `dry_run`?"),
    ("anInt: 3", &[("ANINT", "3")], "! PLUGIN_ANINT: no such setting; did you mean `PLUGIN_AN_INT`, in YAML `an_int`?"),
    ("tgas: [a]", &[("TGAS", "a")], "! PLUGIN_TGAS: no such setting; did you mean `PLUGIN_TAGS`?"),
    ("completely: other", &[("COMPLETELY", "other")], "! PLUGIN_COMPLETELY: no such setting"),
    ("(set by Harness itself)", &[("ARTIFACT_FILE", "/tmp/a"), ("METADATA_FILE", "/tmp/m")], ""),
    // Plain values
    ("text: foo", &[("TEXT", "foo")], "foo"),
    ("text: \" foo \"", &[("TEXT", " foo ")], "foo"),
    ("text: |\\n  a\\n  b", &[("TEXT", "a\nb\n")], "a\nb"),
    ("dry_run: true", &[("DRY_RUN", "true")], "true"),
    ("dry_run: yes", &[("DRY_RUN", "true"), ("DRY_RUN", "yes")], "true"),
    ("dry_run: on", &[("DRY_RUN", "true"), ("DRY_RUN", "on")], "true"),
    ("dry_run: y", &[("DRY_RUN", "true"), ("DRY_RUN", "y")], "true"),
    ("dry_run: off", &[("DRY_RUN", "false"), ("DRY_RUN", "off")], "false"),
    ("dry_run: n", &[("DRY_RUN", "false"), ("DRY_RUN", "n")], "false"),
    ("dry_run: T (strconv)", &[("DRY_RUN", "T"), ("DRY_RUN", "1")], "true"),
    ("dry_run: perhaps", &[("DRY_RUN", "perhaps")], "! PLUGIN_DRY_RUN: expected `true` or `false`; got `perhaps`"),
    ("an_int: 42", &[("AN_INT", "42")], "42"),
    ("an_int: 1.0", &[("AN_INT", "1")], "1"),
    ("an_int: 1000000.0", &[("AN_INT", "1e+06")], "1000000"),
    ("an_int: 1.2", &[("AN_INT", "1.2")], "! PLUGIN_AN_INT: expected a whole number"),
    ("text: 1.2", &[("TEXT", "1.2")], "1.2"),
    ("release: 1.0", &[("RELEASE", "1")], "1"),
    ("release: 12000000.0", &[("RELEASE", "1.2e+07")], "! PLUGIN_RELEASE: expected a version in quotes"),
    ("timeout: 90", &[("TIMEOUT", "90")], "90s"),
    ("timeout: 1000000.0", &[("TIMEOUT", "1e+06")], "1000000s"),
    ("timeout: 5m30s", &[("TIMEOUT", "5m30s")], "330s"),
    ("timeout: 1.5h", &[("TIMEOUT", "1.5h")], "5400s"),
    // Nothing
    ("text: ~", &[], ""),
    ("text: \"\"", &[("TEXT", "")], ""),
    ("tags: []", &[("TAGS", "")], ""),
    ("text: (a missing secret)", &[("TEXT", "")], ""),
    ("text: \" \"", &[("TEXT", " ")], ""),
    // Lists
    ("tags: [foo, bar, baz]", &[("TAGS", "foo,bar,baz")], "[\"foo\", \"bar\", \"baz\"]"),
    ("tags: [next]", &[("TAGS", "next")], "[\"next\"]"),
    ("tags: [1, 2, 3]", &[("TAGS", "1,2,3")], "[\"1\", \"2\", \"3\"]"),
    ("tags: [1.0.0, 1.0]", &[("TAGS", "1.0.0,1")], "[\"1.0.0\", \"1\"]"),
    ("tags: [a, null]", &[("TAGS", "a,")], "[\"a\"]"),
    ("tags: [\"a,b\", c]", &[("TAGS", "a,b,c")], "[\"a\", \"b\", \"c\"]"),
    ("tags: '[\"a,b\", \"c\"]'", &[("TAGS", "[\"a,b\", \"c\"]")], "[\"a,b\", \"c\"]"),
    ("tags: |\\n  a\\n  b", &[("TAGS", "a\nb\n")], "[\"a\", \"b\"]"),
    ("tags: [y, n]", &[("TAGS", "true,false"), ("TAGS", "true,false")], "[\"true\", \"false\"]"),
    ("tags: [[a], b]", &[("TAGS", "[[\"a\"],\"b\"]")], "! PLUGIN_TAGS: expected a list of texts, without lists and maps inside of it"),
    ("tags: [{name: john}]", &[("TAGS", "[{\"name\":\"john\"}]")], "! PLUGIN_TAGS: expected a list of texts"),
    ("tags: [copy a b, {foo: null}]", &[("TAGS", "[\"copy a b\",{\"foo\":null}]")], "! PLUGIN_TAGS: expected a list of texts"),
    ("tags: '[a, b]'", &[("TAGS", "[a, b]")], "! PLUGIN_TAGS: expected a list: `a,b` or JSON"),
    ("tags: '[\"a\", null, 3, 1.0]'", &[("TAGS", "[\"a\", null, 3, 1.0]")], "[\"a\", \"3\", \"1\"]"),
    // Maps
    ("values: {foo: bar}", &[("VALUES", "{\"foo\":\"bar\"}")], "{\"foo\": \"bar\"}"),
    ("values: {abc: 2}", &[("VALUES", "{\"abc\":2}"), ("VALUES", "{\"abc\":\"2\"}")], "{\"abc\": \"2\"}"),
    ("values: {abc: 1.0}", &[("VALUES", "{\"abc\":1}"), ("VALUES", "{\"abc\":1.0}")], "{\"abc\": \"1\"}"),
    ("values: {abc: 1000000.0}", &[("VALUES", "{\"abc\":1000000}"), ("VALUES", "{\"abc\":1e+06}")], "{\"abc\": \"1000000\"}"),
    ("values: {a: yes}", &[("VALUES", "{\"a\":true}"), ("VALUES", "{\"a\":\"true\"}")], "{\"a\": \"true\"}"),
    ("values: {y: a}", &[("VALUES", "{\"true\":\"a\"}")], "which is what YAML makes of `y`, `yes` and `on`"),
    ("values: {n: a}", &[("VALUES", "{\"false\":\"a\"}")], "which is what YAML makes of `n`, `no` and `off`"),
    ("values: {a: null}", &[("VALUES", "{\"a\":null}")], "! PLUGIN_VALUES: expected a map of texts"),
    ("values: {a: [b, 3]}", &[("VALUES", "{\"a\":[\"b\",3]}")], "for `a`; got"),
    ("values: {}", &[("VALUES", "{}")], "{}"),
    ("versions: {web: 1.10}", &[("VERSIONS", "{\"web\":1.1}")], "else `1.10` becomes 1.1"),
    ("versions: {web: \"1.10\"}", &[("VERSIONS", "{\"web\":\"1.10\"}")], "{\"web\": \"1.10\"}"),
    // Secrets, variables, code pages
    ("values: {a: {from_secret: x}}", &[("VALUES", "{\"a\":{\"from_secret\":\"x\"}}")], "! PLUGIN_VALUES: still contains `from_secret`"),
    ("tags: [{from_secret: x}]", &[("TAGS", "[{\"from_secret\":\"x\"}]")], "! PLUGIN_TAGS: still contains `from_secret`"),
    ("text: about from_secret", &[("TEXT", "about from_secret")], "about from_secret"),
    ("text: v$${DRONE_TAG}", &[("TEXT", "v${DRONE_TAG}")], "! PLUGIN_TEXT: still contains `${DRONE_TAG}`"),
    ("text: (bytes of Latin-1)", &[("TEXT", "vers\u{fffd}o")], "! PLUGIN_TEXT: is not UTF-8 text"),
];

#[test]
fn every_value_means_the_same_however_it_was_written_on_the_way() {
    for (yaml, forms, expected) in ROWS {
        for (name, value) in *forms {
            let found = meaning(&format!("PLUGIN_{name}"), value);
            let is_part = expected.starts_with("! ") || !expected.is_empty() && found.starts_with("! ");
            let fits = if is_part { found.contains(expected) } else { found == *expected };
            assert!(fits, "{yaml} as `{value}`: expected {expected}, got {found}");
        }
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
