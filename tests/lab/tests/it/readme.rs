//! What the documentation says of settings is what the plugins know.

use std::path::PathBuf;

use lab::bench::PLUGINS;
use lab::{folder, plugin, process};

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
    for name in PLUGINS {
        let path = root().join("plugins").join(name.trim_start_matches("plugin-")).join("README.md");
        let text = std::fs::read_to_string(&path).unwrap();
        let (before, rest) = text.split_once("<!-- settings -->\n").expect("the README has no marker");
        let (_, after) = rest.split_once("<!-- end of settings -->").expect("the README has no end marker");
        let wanted = format!("{before}<!-- settings -->\n{}<!-- end of settings -->{after}", table(name));
        if process::environment("ESTEIRA_BLESS").is_some() {
            std::fs::write(&path, &wanted).unwrap();
        }
        assert!(
            std::fs::read_to_string(&path).unwrap() == wanted,
            "{} is stale; `ESTEIRA_BLESS=1 cargo test -p lab readme` writes it anew",
            path.display()
        );
    }
}

#[test]
fn the_pipeline_in_the_readme_is_the_one_in_the_examples() {
    let text = std::fs::read_to_string(root().join("README.md")).unwrap();
    let (_, rest) = text.split_once("```yaml\n").unwrap();
    let (shown, _) = rest.split_once("```").unwrap();
    assert_eq!(shown, std::fs::read_to_string(root().join("examples/drone/.drone.yml")).unwrap());
}
