//! Settings in every shape that YAML has: what of them arrives in a step of Drone and of Woodpecker, written down in
//! docs/ENCODINGS.md and in the table that the decoders are tested with.

mod meant;
mod rows;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use lab::engine::{Engine, PUSH};
use lab::{Containers, arrival, containers, folder};

use crate::readme::{is_as_wanted, replaced, root};
use rows::{Arrived, Row, Rows};

/// The same steps for either engine; each is a name, an image and its settings as lines of YAML.
pub(crate) fn pipeline(engine: Engine, steps: &[(&str, &str, &str)]) -> String {
    let mut text = match engine {
        Engine::Drone => "kind: pipeline\ntype: docker\nname: lab\nsteps:\n".to_owned(),
        // Its `exec` knows no other secrets than the axes of a matrix.
        Engine::Woodpecker => "matrix: {TOKEN: [hush]}\nsteps:\n".to_owned(),
    };
    for (name, image, settings) in steps {
        let begin = match engine {
            Engine::Drone => format!("- name: {name}\n  pull: never\n"),
            Engine::Woodpecker => format!("  {name}:\n"),
        };
        let indent = if engine == Engine::Drone { "  " } else { "    " };
        // Writing into a String cannot fail.
        let _ =
            write!(text, "{begin}{indent}image: {image}\n{indent}network_mode: host\n{indent}settings:\n");
        for line in settings.lines() {
            let _ = writeln!(text, "{indent}  {line}");
        }
    }
    text
}

/// Runs a pipeline in a workspace.
pub(crate) fn run(
    containers: &Containers,
    engine: Engine,
    workspace: &Path,
    steps: &[(&str, &str, &str)],
) -> lab::plugin::Ended {
    std::fs::write(workspace.join(engine.file()), pipeline(engine, steps)).unwrap();
    engine.run(containers, workspace, "lab", PUSH).unwrap()
}

/// What of these settings arrives in a step, or what the engine says instead of running it.
fn arriving(
    containers: &Containers,
    engine: Engine,
    settings: &str,
) -> Result<BTreeMap<String, String>, String> {
    let (workspace, image) = (folder::temporary("arrival").unwrap(), containers.arrival_image().unwrap());
    let ended = run(containers, engine, &workspace, &[("arrival", &image, settings)]);
    // Woodpecker 1 says so of a value that it cannot write, and begins the step without it and without some others.
    let is_whole = ended.code == 0 && !ended.log.contains("paramsToEnv");
    if is_whole { Ok(arrival::read(&workspace).unwrap()) } else { Err(ended.log) }
}

/// Notes in each row what arrives of it. A row is a setting of its own name, so that all of them fit into one step.
fn measure(containers: &Containers, engine: Engine, rows: &mut Rows) {
    let alone = |row: &&mut Row| matches!(row.arrived(engine), Some(Arrived::Stops { .. }));
    let (stopping, mut passing): (Vec<_>, Vec<_>) = rows.all().partition(alone);
    for row in stopping {
        let log = arriving(containers, engine, &row.setting(0)).expect_err(&row.yaml);
        let Some(Arrived::Stops { stops }) = row.arrived(engine) else { unreachable!() };
        assert!(
            log.contains(stops.as_str()),
            "{engine:?} does not stop at `{}` as expected: {log}",
            row.yaml
        );
    }
    let settings: String = passing.iter().enumerate().map(|(at, row)| row.setting(at)).collect();
    let arrived = arriving(containers, engine, &settings).unwrap_or_else(|log| {
        let refused = |row: &Row| arriving(containers, engine, &row.setting(0)).err();
        let refused = passing.iter().filter_map(|row| Some(format!("{}: {}", row.yaml, refused(row)?)));
        panic!("{engine:?}: {log}\nmark in {}:\n{}", rows::path().display(), refused.collect::<String>())
    });
    for (at, row) in passing.iter_mut().enumerate() {
        *row.arrived_mut(engine) = row.found(at, &arrived).map(Arrived::Text);
    }
}

#[test]
fn what_arrives_in_a_step_is_what_the_page_and_the_decoders_table_say() {
    let Some(containers) = containers() else { return };
    let mut rows = Rows::read();
    for engine in Engine::ALL {
        measure(containers, engine, &mut rows);
    }
    is_as_wanted(&rows::path(), &rows.as_json());
    let page = root().join("docs/ENCODINGS.md");
    let text = std::fs::read_to_string(&page).unwrap();
    let text = replaced(&text, "keys", &rows::table("key", &rows.keys));
    is_as_wanted(&page, &replaced(&text, "values", &rows::table("value", &rows.values)));
    let count = u64::try_from(rows.all().count()).unwrap();
    lab::figures::note("encodings", "shapes of YAML, measured in both engines", count).unwrap();
}
