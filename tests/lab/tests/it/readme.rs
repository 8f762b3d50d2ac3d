//! What the documentation says of settings is what the plugins know.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use lab::{folder, json_schema, plugin, process};

/// The pipelines that the README shows, in this order.
const SHOWN: [&str; 2] = ["examples/drone/.drone.yml", "examples/drone/chart/.drone.yml"];

/// The same for Woodpecker; the README links them.
const LINKED: [&str; 2] =
    ["examples/woodpecker/.woodpecker.yml", "examples/woodpecker/chart/.woodpecker.yml"];

pub(crate) fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// What a plugin prints of its settings in one of its forms.
fn printed(name: &str, form: &str) -> String {
    let workspace = folder::temporary("readme").unwrap();
    let mut command = plugin::command::<&str>(name, &workspace, &[]).unwrap();
    command.args(["--settings", form]);
    process::output(command, "").unwrap()
}

/// Writes the file anew if that is asked for, and fails when it is not as wanted.
pub(crate) fn is_as_wanted(path: &Path, wanted: &str) {
    if process::environment("ESTEIRA_BLESS").is_some() {
        std::fs::write(path, wanted).unwrap();
    }
    assert!(
        std::fs::read_to_string(path).unwrap_or_default() == wanted,
        "{} is stale; `make build`, then this test with `ESTEIRA_BLESS=1` writes it anew",
        path.display()
    );
}

/// The text with what stands between two marks replaced.
pub(crate) fn replaced(text: &str, mark: &str, by: &str) -> String {
    let (begin, end) = (format!("<!-- {mark} -->\n"), format!("<!-- end of {mark} -->"));
    let (before, rest) = text.split_once(&begin).expect("the README has no marker");
    let (_, after) = rest.split_once(&end).expect("the README has no end marker");
    format!("{before}{begin}{by}{end}{after}")
}

fn folder_of(plugin: &str) -> PathBuf {
    root().join("plugins").join(plugin.trim_start_matches("plugin-"))
}

#[test]
fn the_tables_in_the_readmes_are_those_of_the_code() {
    for name in plugin::all().unwrap() {
        let path = folder_of(&name).join("README.md");
        let printed = printed(&name, "markdown");
        let (settings, exit_codes) = printed.split_once("\n\n").unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let text = replaced(&text, "settings", &format!("{settings}\n"));
        is_as_wanted(&path, &replaced(&text, "exit codes", exit_codes));
    }
}

#[test]
fn the_generated_documents_are_those_of_the_code() {
    for name in plugin::all().unwrap() {
        for (form, file) in
            [("schema", "settings.schema.json"), ("woodpecker", "docs.md"), ("drone", "content.yaml")]
        {
            is_as_wanted(&folder_of(&name).join(file), &printed(&name, form));
        }
    }
}

fn schema(plugin: &str) -> serde_json::Value {
    serde_json::from_str(&printed(plugin, "schema")).unwrap()
}

fn yaml(text: &str) -> serde_json::Value {
    serde_saphyr::from_str(text).unwrap()
}

#[test]
fn the_schemas_take_what_people_write() {
    let schema = schema("plugin-package");
    let with = |more: &str| yaml(&format!("bucket: s3://artifacts\n{more}"));
    for taken in [
        "",
        "dry_run: yes",
        "dry_run: 'on'",
        "dry_run: 1",
        "compression: 9",
        "compression: '9'",
        "claim_timeout: 90",
        "claim_timeout: 1h30m",
        "components: [web, rpo]",
        "components: web,rpo",
        "components: |\n  web\n  rpo",
        "rpo: '@rpo.rpo'",
        "rpo_version: 12",
        "release: ''",
        "kind:",
        "access_key: {from_secret: bucket_key}",
        "access_key: plain",
        "log_level: debug",
        "gera_chart: false",
    ] {
        let problems = json_schema::problems(&schema, &with(taken));
        assert!(problems.is_empty(), "{taken}: {problems:?}");
    }
    for refused in [
        "dry_rum: true",
        "dry_run: perhaps",
        "compression: 10",
        "claim_timeout: soon",
        "components: [[web]]",
        "components: {web: 1}",
        "rpo_version: 12.10",
        "access_key: {from_secrets: bucket_key}",
        "log_level: loud",
        "upddistr: true",
    ] {
        assert!(!json_schema::problems(&schema, &with(refused)).is_empty(), "{refused}");
    }
    for (no_bucket, unfit) in
        [("dry_run: true", "`required`"), ("bucket:", "/bucket"), ("bucket: ''", "/bucket")]
    {
        let problems = json_schema::problems(&schema, &yaml(no_bucket));
        assert!(problems.len() == 1 && problems[0].contains(unfit), "{no_bucket}: {problems:?}");
    }
}

#[test]
fn the_indexes_find_what_they_ask_for() {
    for name in plugin::all().unwrap() {
        let docs = printed(&name, "woodpecker");
        let front = yaml(docs.strip_prefix("---\n").unwrap().split_once("\n---\n").unwrap().0);
        assert_eq!(front["name"], name.as_str());
        assert!(front["tags"].is_array() && front["containerImage"].is_string(), "{front}");

        let content = yaml(&printed(&name, "drone"));
        for key in ["title", "author", "repo", "description"] {
            assert!(content[key].is_string(), "{name}: {key}");
        }
        let properties = content["properties"].as_object().unwrap();
        let known = schema(&name)["properties"].as_object().unwrap().len();
        assert_eq!(properties.len(), known, "{name}");
        for (setting, property) in properties {
            let keys: Vec<&str> = property.as_object().unwrap().keys().map(String::as_str).collect();
            assert_eq!(
                keys,
                ["type", "defaultValue", "description", "secret", "required"],
                "{name}: {setting}"
            );
            let kinds = ["string", "number", "array", "boolean", "object"];
            assert!(kinds.contains(&property["type"].as_str().unwrap()), "{name}: {setting}");
            assert!(!property["defaultValue"].is_null(), "{name}: {setting}");
            assert!(
                property["secret"].is_boolean() && property["required"].is_boolean(),
                "{name}: {setting}"
            );
        }
    }
}

#[test]
fn every_plugin_documents_its_exit_codes() {
    for name in plugin::all().unwrap() {
        let printed = printed(&name, "markdown");
        let (_, table) = printed.split_once("\n\n").unwrap();
        let rows = table.lines().skip(2).map(|row| row.split('|').map(str::trim).collect::<Vec<_>>());
        let codes: Vec<u8> = rows
            .map(|row| {
                assert!(row[2].len() > 10, "{name}: {row:?}");
                row[1].parse().unwrap()
            })
            .collect();
        // Every plugin ends with 3 when only some of its pipelines were started.
        assert_eq!(codes, [0, 1, 2, 3, 75], "{name}");
        let mut help = plugin::command::<&str>(&name, &root(), &[]).unwrap();
        help.arg("--help");
        let help = process::output(help, "").unwrap();
        assert!(codes.iter().all(|code| help.contains(&format!("\n  {code:>2}  "))), "{help}");
    }
}

#[test]
fn the_pipelines_in_the_readme_are_those_in_the_examples() {
    let text = std::fs::read_to_string(root().join("README.md")).unwrap();
    let shown: Vec<_> =
        text.split("```yaml\n").skip(1).map(|rest| rest.split_once("```").unwrap().0.to_owned()).collect();
    assert_eq!(shown, SHOWN.map(|path| std::fs::read_to_string(root().join(path)).unwrap()));
    for path in SHOWN.into_iter().chain(LINKED) {
        assert!(text.contains(&format!("]({path})")), "{path} is not linked");
    }
}

/// The steps of a pipeline by their names: Drone has a list of them, Woodpecker a map.
fn steps(path: &str) -> BTreeMap<String, serde_json::Value> {
    let pipeline = yaml(&std::fs::read_to_string(root().join(path)).unwrap());
    match &pipeline["steps"] {
        serde_json::Value::Array(steps) => {
            steps.iter().map(|step| (step["name"].as_str().unwrap().to_owned(), step.clone())).collect()
        }
        steps => steps.as_object().unwrap().clone().into_iter().collect(),
    }
}

#[test]
fn the_settings_in_the_examples_fit_their_schemas() {
    for path in SHOWN.into_iter().chain(LINKED) {
        for (name, step) in steps(path) {
            let image = step["image"].as_str().unwrap().rsplit('/').next().unwrap();
            let (plugin, version) = image.split_once(':').unwrap();
            assert_eq!(version, env!("CARGO_PKG_VERSION"), "{path}: {name}: a version that never moves");
            let problems = json_schema::problems(&schema(plugin), &step["settings"]);
            assert!(problems.is_empty(), "{path}: {name}: {problems:?}");
        }
    }
}

#[test]
fn the_examples_for_both_servers_have_the_same_steps() {
    let settings = |path| -> BTreeMap<String, serde_json::Value> {
        let of = |step: serde_json::Value| serde_json::json!([step["image"], step["settings"]]);
        steps(path).into_iter().map(|(name, step)| (name, of(step))).collect()
    };
    for (drone, woodpecker) in SHOWN.into_iter().zip(LINKED) {
        assert_eq!(settings(drone), settings(woodpecker), "{drone} and {woodpecker}");
    }
    let parameters = |server: &str| std::fs::read(root().join(format!("examples/{server}/.config"))).unwrap();
    assert_eq!(parameters("drone"), parameters("woodpecker"));
}

#[test]
fn woodpecker_takes_the_examples_for_it() {
    for path in LINKED {
        let mut lint = process::command(lab::tool("woodpecker-cli").unwrap());
        lint.arg("lint").arg(root().join(path));
        process::output(lint, "").unwrap();
    }
}

#[test]
fn the_table_of_tests_names_every_file() {
    let text = std::fs::read_to_string(root().join("CONTRIBUTING.md")).unwrap();
    for entry in std::fs::read_dir(root().join("tests/lab/tests/it")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        // A folder is a part of the file of its name.
        let is_listed = name == "main.rs" || !name.ends_with(".rs") || text.contains(&format!("`{name}`"));
        assert!(is_listed, "{name} is not in CONTRIBUTING.md");
    }
}

#[test]
fn the_table_in_the_readme_names_every_plugin() {
    let text = std::fs::read_to_string(root().join("README.md")).unwrap();
    for name in plugin::all().unwrap() {
        let row = format!("| [{name}](plugins/{}/README.md)", name.trim_start_matches("plugin-"));
        assert!(text.contains(&row), "{name} is not in the table");
    }
}
