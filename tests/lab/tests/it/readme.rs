//! What the documentation says of settings is what the plugins know.

use std::path::PathBuf;

use lab::{folder, plugin, process};

/// The pipelines that the README shows, in this order.
const EXAMPLES: [&str; 2] = ["examples/drone/.drone.yml", "examples/drone/chart/.drone.yml"];

fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// The table that a plugin prints of its settings.
fn table(name: &str) -> String {
    let workspace = folder::temporary("readme").unwrap();
    let mut command = plugin::command::<&str>(name, &workspace, &[]).unwrap();
    command.arg("--settings");
    process::output(command, "").unwrap()
}

#[test]
fn the_tables_in_the_readmes_are_those_of_the_code() {
    for name in plugin::all().unwrap() {
        let path = root().join("plugins").join(name.trim_start_matches("plugin-")).join("README.md");
        let text = std::fs::read_to_string(&path).unwrap();
        let (before, rest) = text.split_once("<!-- settings -->\n").expect("the README has no marker");
        let (_, after) = rest.split_once("<!-- end of settings -->").expect("the README has no end marker");
        let wanted = format!("{before}<!-- settings -->\n{}<!-- end of settings -->{after}", table(&name));
        if process::environment("ESTEIRA_BLESS").is_some() {
            std::fs::write(&path, &wanted).unwrap();
        }
        assert!(
            std::fs::read_to_string(&path).unwrap() == wanted,
            "plugins/{}/README.md is stale; `make build`, then `ESTEIRA_BLESS=1 cargo test -p lab --test it readme` writes it anew",
            name.trim_start_matches("plugin-")
        );
    }
}

#[test]
fn the_pipelines_in_the_readme_are_those_in_the_examples() {
    let text = std::fs::read_to_string(root().join("README.md")).unwrap();
    let shown: Vec<_> =
        text.split("```yaml\n").skip(1).map(|rest| rest.split_once("```").unwrap().0.to_owned()).collect();
    assert_eq!(shown, EXAMPLES.map(|path| std::fs::read_to_string(root().join(path)).unwrap()));
    for path in EXAMPLES {
        assert!(text.contains(&format!("]({path})")), "{path} is not linked");
    }
}

#[test]
fn the_examples_set_only_what_the_plugins_know() {
    for path in EXAMPLES {
        let text = std::fs::read_to_string(root().join(path)).unwrap();
        let pipeline: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
        for step in pipeline["steps"].as_array().unwrap() {
            let image = step["image"].as_str().unwrap().rsplit('/').next().unwrap();
            let known = table(image.split(':').next().unwrap());
            for setting in step["settings"].as_object().unwrap().keys() {
                assert!(known.contains(&format!("\n| `{setting}` |")), "{path}: {image} has no `{setting}`");
            }
        }
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
