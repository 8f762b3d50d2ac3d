//! Every form of a report, of runs that ended in every way.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::*;
use crate::failure::{Exit, Failure};
use crate::plugin::Plugin;
use crate::redact::Redactor;
use crate::settings::{Env, Setting};

const SETTINGS: &[Setting] = &[Setting::new("token", "", "").secret()];
const PLUGIN: Plugin = Plugin { name: "plugin-rollout", about: "", settings: &[SETTINGS], exit_codes: &[] };
const SECRET: &str = "t0p|secret<>&";

fn worked() -> Report {
    let cells = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
    let rows = vec![
        Row::new(RowResult::Done, cells(["acme", "updated", ""])).took(Duration::from_millis(1500)),
        Row::new(
            RowResult::Failed,
            cells([
                "b|c\nd",
                "failed",
                "step 2 `helm`: </script> *no* _way_ \u{1b}[31m\u{0}\u{ffff}t0p|secret<>&",
            ]),
        ),
        Row::new(RowResult::Skipped, cells(["gamma", "left alone", "[x](y)"])),
        Row::new(RowResult::Unchanged, cells(["zeta", "unchanged", ""])),
    ];
    Report::new(Ending::Done, "1 of 3 environments were updated")
        .fact("bucket", format!("file:///b?{SECRET}"))
        .table(&["namespace", "result", "reason"], rows)
        .output("version", SECRET)
        .then("run again with `retry_failed: true`")
}

fn failure(exit: Exit, report: Option<Report>) -> Failure {
    let source = format!("1 of 3 namespaces failed: {SECRET} ```\n  <b>second line</b>");
    Failure {
        exit,
        hints: vec!["look at `names` | <i>now</i>".to_owned()],
        report: report.map(Box::new),
        source: source.into(),
    }
}

fn record(result: &Result<Report, Failure>) -> Record {
    let env = Env::of(&[("PLUGIN_TOKEN", SECRET), ("DRONE_BUILD_LINK", "https://ci.example.com/7")]);
    Record::of(&PLUGIN, &env, result, Instant::now()).cleaned(&Redactor::of(&env, PLUGIN.settings))
}

fn all_forms(record: &Record) -> [String; 5] {
    let folder = tempfile::tempdir().unwrap();
    write_all(folder.path(), record).unwrap();
    let [json, markdown, junit, _, html] =
        FILES.map(|name| std::fs::read_to_string(folder.path().join(name)).unwrap());
    [json, markdown, junit, html, card::data(record).to_string()]
}

#[test]
fn no_form_holds_a_secret_and_each_escapes_what_it_must() {
    let record = record(&Err(failure(Exit::Partly, Some(worked()))));
    let forms = all_forms(&record);
    for form in &forms {
        for piece in ["t0p", "secret<", "secret&lt;"] {
            assert!(!form.contains(piece), "{piece} in {form}");
        }
        assert!(form.contains("[hidden]") || form.contains("\\[hidden\\]"), "{form}");
    }
    let [_, markdown, junit, html, _] = forms;
    assert!(markdown.contains("| **b\\|c d** |"), "{markdown}");
    assert!(markdown.contains("\n````text\n1 of 3"), "the fence is longer than what it holds: {markdown}");
    assert!(markdown.contains("- look at `names` \\| &lt;i&gt;now&lt;/i&gt;\n"), "{markdown}");
    assert!(!html.contains("<script") && !html.contains("<b>") && !html.contains("<i>"), "{html}");
    assert!(!junit.contains(['\u{0}', '\u{1b}', '\u{ffff}']), "{junit}");
}

#[test]
fn every_ending_tells_in_every_form_what_happened_and_what_to_do() {
    let failures = [Exit::Failed, Exit::Settings, Exit::Partly, Exit::Temporary];
    for (exit, report) in failures.into_iter().flat_map(|exit| [(exit, None), (exit, Some(worked()))]) {
        let changed =
            report.as_ref().map_or("nothing was changed before", |_| "1 of 3 environments were updated");
        let record = record(&Err(failure(exit, report)));
        for form in all_forms(&record) {
            for text in ["1 of 3 namespaces failed", changed, "look at", record.meaning] {
                assert!(form.contains(text), "{exit:?}: {text} is not in {form}");
            }
        }
    }
    let temporary = |report| Failure { hints: Vec::new(), ..failure(Exit::Temporary, report) };
    assert_eq!(record(&Err(temporary(None))).hints, ["run it again"]);
    let begun = Report { next: Vec::new(), ..worked() };
    let hints = record(&Err(temporary(Some(begun)))).hints;
    assert_eq!(hints, ["run it again: it goes on where this run stopped"]);
}

#[test]
fn runs_that_end_well_say_so() {
    for (ending, words) in
        [(Ending::Done, "done"), (Ending::NothingToDo, "nothing to do"), (Ending::DryRun, "dry run")]
    {
        let record = record(&Ok(Report { ending, ..worked() }));
        assert_eq!(record.verdict().words, words);
        let [json, markdown, junit, html, card] = all_forms(&record);
        assert!(markdown.starts_with(&format!("# plugin-rollout: {words}\n\n1 of 3")), "{markdown}");
        assert!(html.contains(&format!("<h1>plugin-rollout: <strong>{words}</strong></h1>")), "{html}");
        assert!(!junit.contains("<error") && junit.matches("<failure").count() == 1, "only the row: {junit}");
        assert!(card.contains(&format!("\"verdict\":\"{words}\"")), "{card}");
        let json: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["report"]["table"]["rows"][0], json!(["acme", "updated", ""]));
        assert_eq!(json["report"]["table"]["results"], json!(["done", "failed", "skipped", "unchanged"]));
        assert_eq!(json["report"]["table"]["seconds"][0], json!(1.5));
        assert_eq!((&json["exit_code"], &json["build"]), (&json!(0), &json!("https://ci.example.com/7")));
    }
}

#[test]
fn files_are_readable_by_others_and_old_ones_are_gone_before() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    write_all(folder.path(), &record(&Ok(worked()))).unwrap();
    for name in FILES {
        let mode = std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o644, "{name}");
    }
    std::fs::write(folder.path().join("other.xml"), "not ours").unwrap();
    clear(folder.path());
    let left: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["other.xml"]);
}

#[test]
fn prints_facts_and_table_in_columns_and_marks_what_failed() {
    let cells = |component: &str, result: &str| vec![component.to_owned(), result.to_owned()];
    let long = format!("helm said {}", "much ".repeat(20));
    let report = Report::new(Ending::Done, "2 components are in the mirror")
        .fact("bucket", "file:///b")
        .fact("release", "12.1.2310")
        .table(
            &["component", "result"],
            vec![
                Row::new(RowResult::Done, cells("rpo", "uploaded")),
                Row::new(RowResult::Failed, cells("web-files", "failed")),
            ],
        )
        .then("look at the mirror");
    assert_eq!(
        report.to_string(),
        "2 components are in the mirror\n  bucket   file:///b\n  release  12.1.2310\n  component  result\n  rpo        uploaded\n! web-files  failed\nnext: look at the mirror"
    );
    let table = |result| {
        let rows = vec![Row::new(result, cells("acme", &long))];
        Report::new(Ending::Failed, "").table(&["namespace", "reason"], rows).to_string()
    };
    for result in [RowResult::Failed, RowResult::Skipped] {
        assert!(table(result).ends_with(&format!("…\n      reason: {}", long.trim())), "nothing is lost");
    }
    assert!(table(RowResult::Done).lines().all(|line| line.chars().count() < 80), "cut");
}

#[test]
fn a_card_shows_the_failed_rows_first_and_stays_small() {
    let row = |index: usize| {
        let result = if index == 700 { RowResult::Failed } else { RowResult::Done };
        Row::new(result, vec![format!("customer-{index}"), "x ".repeat(500)])
    };
    let report =
        Report::new(Ending::Failed, "s").table(&["namespace", "result"], (0..1000).map(row).collect());
    let data = card::data(&record(&Err(failure(Exit::Partly, Some(report)))));
    assert_eq!(data["rows"][0]["name"], "customer-700");
    assert_eq!(data["rows"][20]["text"], "980 more in the report files");
    assert!(data.to_string().len() < 16 << 10);
}

/// The fields that a template asks for, and whether the data has them: in a list, each of its items.
fn lacking(template: &Value, data: &Value, lacks: &mut Vec<String>) {
    match template {
        Value::Object(entries) => {
            let list =
                entries.get("$data").and_then(Value::as_str).map(|name| name.trim_matches(['$', '{', '}']));
            let items = match list.map(|name| (name, data[name].as_array())) {
                None => vec![data],
                Some((_, Some(items))) if !items.is_empty() => items.iter().collect(),
                Some((name, _)) => return lacks.push(format!("the list {name}")),
            };
            let others = || entries.iter().filter(|(name, _)| *name != "$data");
            items.iter().for_each(|item| others().for_each(|(_, value)| lacking(value, item, lacks)));
        }
        Value::Array(items) => items.iter().for_each(|item| lacking(item, data, lacks)),
        Value::String(text) => {
            for field in text.split("${").skip(1).filter_map(|rest| rest.split('}').next()) {
                if !data[field].is_string() {
                    lacks.push(field.to_owned());
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[test]
fn the_card_has_every_field_of_its_template() {
    let template: Value = serde_json::from_str(include_str!("../../../docs/cards/template.json")).unwrap();
    let sample: Value = serde_json::from_str(include_str!("../../../docs/cards/sample_data.json")).unwrap();
    let data = card::data(&record(&Err(failure(Exit::Partly, Some(worked())))));
    for data in [&data, &sample] {
        let mut lacks = Vec::new();
        lacking(&template, data, &mut lacks);
        assert_eq!(lacks, [""; 0]);
    }
    let names = |data: &Value| data.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&sample), names(&data), "the sample is what the plugins send");
    let mut lacks = Vec::new();
    lacking(&json!({ "text": "${nowhere}" }), &data, &mut lacks);
    assert_eq!(lacks, ["nowhere"]);
}
