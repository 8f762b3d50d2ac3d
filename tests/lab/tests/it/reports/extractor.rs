//! What a plugin writes in a Drone step passes the part of Drone's runner that takes the card out of it: the card is the one meant,
//! and the log around it is whole.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lab::{Engine, containers, folder, plugin, process, tool};
use serde_json::Value;

use super::card::{TEMPLATE, chunks, chunks_of, workspace};
use crate::readme::root;

/// The card and the rest of the log, as the runner has them.
struct Extracted {
    card: Option<Value>,
    log: String,
}

fn extracted(chunks: &[Vec<u8>]) -> Extracted {
    let chunks: Vec<_> = chunks.iter().map(|chunk| STANDARD.encode(chunk)).collect();
    let found =
        process::output(process::command(tool("card").unwrap()), &serde_json::to_string(&chunks).unwrap());
    let found: Value = serde_json::from_str(&found.unwrap()).unwrap();
    let log = STANDARD.decode(found["log"].as_str().unwrap_or_default()).unwrap();
    Extracted {
        card: Some(found["card"].clone()).filter(|card| !card.is_null()),
        log: String::from_utf8(log).unwrap(),
    }
}

/// The same bytes as Docker's log driver hands them on: a chunk per line, and of a long line one per 16 KiB
/// (moby, `daemon/logger/copier.go`).
fn as_lines(chunks: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let bytes = chunks.concat();
    bytes
        .split_inclusive(|byte| *byte == b'\n')
        .flat_map(|line| line.chunks(16 << 10))
        .map(<[u8]>::to_vec)
        .collect()
}

/// All of the log but the card.
fn plain(chunks: &[Vec<u8>]) -> String {
    let is_log = |chunk: &&Vec<u8>| !chunk.starts_with(b"\x1b]1338;");
    String::from_utf8(chunks.iter().filter(is_log).flatten().copied().collect()).unwrap()
}

/// The fields of the sample beside the template, which are those of the template.
fn has_all_fields(card: &Value) {
    let sample = std::fs::read(root().join("docs/cards/sample_data.json")).unwrap();
    let sample: Value = serde_json::from_slice(&sample).unwrap();
    let names = |data: &Value| data.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&card["data"]), names(&sample));
    assert_eq!(card["schema"], TEMPLATE);
}

#[test]
fn the_card_of_a_run_passes_drones_extractor_and_the_log_around_it_is_whole() {
    let workspace = workspace();
    let bucket = format!("file://{}", folder::temporary("bucket").unwrap().display());
    let settings = [("source", "components"), ("bucket", &bucket), ("card_template", TEMPLATE)];
    let command = plugin::command("plugin-package", &workspace, &settings).unwrap();
    let chunks = chunks_of(command, Some("/dev/stdout"));
    for chunks in [chunks.clone(), as_lines(&chunks)] {
        let found = extracted(&chunks);
        let card = found.card.expect("Drone finds no card");
        has_all_fields(&card);
        assert_eq!(
            (&card["data"]["plugin"], &card["data"]["colour"]),
            (&"plugin-package".into(), &"Good".into())
        );
        assert!(card["data"]["rows"].to_string().contains("web"), "{card}");
        assert_eq!(found.log, plain(&chunks));
        assert!(found.log.contains("web") && !found.log.contains('\u{1b}'), "{}", found.log);
    }
}

#[test]
fn the_card_of_a_failed_run_passes_without_its_secrets() {
    let chunks = chunks(&workspace(), Some("/dev/stdout"), Some(TEMPLATE));
    for chunks in [chunks.clone(), as_lines(&chunks)] {
        let found = extracted(&chunks);
        let card = found.card.expect("Drone finds no card");
        has_all_fields(&card);
        assert_eq!(card["data"]["verdict"], "not finished");
        let text = card.to_string();
        assert!(text.contains("[hidden]") && !text.contains("127.0.0.1"), "{text}");
        assert!(!text.contains("an-access-key"), "{text}");
        assert_eq!(found.log, plain(&chunks));
    }
}

#[test]
fn without_a_template_drone_finds_no_card_and_the_whole_log() {
    let chunks = chunks(&workspace(), Some("/dev/stdout"), None);
    let found = extracted(&chunks);
    assert!(found.card.is_none());
    assert_eq!(found.log.as_bytes(), chunks.concat());
}

#[test]
fn the_log_of_a_step_in_drones_engine_has_no_card_in_it() {
    let Some(containers) = containers() else { return };
    let image = containers.image("plugin-package").unwrap();
    for template in [true, false] {
        let workspace = workspace();
        let mut settings =
            "log_level: debug\nsource: components\nbucket: file:///drone/src/bucket\n".to_owned();
        if template {
            settings += &format!("card_template: {TEMPLATE}\n");
        }
        std::fs::create_dir_all(workspace.join("bucket")).unwrap();
        // The runner does not wait for the last lines of a log, so a whole one is looked for.
        let is_whole = (0..10).any(|_| {
            let steps = [("package", &*image, &*settings)];
            let ended = crate::encodings::run(containers, Engine::Drone, &workspace, &steps);
            assert_eq!(ended.code, 0, "{}", ended.log);
            assert!(!ended.log.contains('\u{1b}') && !ended.log.contains("1338"), "{}", ended.log);
            assert!(!template || !ended.log.contains("no card"), "{}", ended.log);
            ended.log.contains("web") && (template || ended.log.contains("no card"))
        });
        assert!(is_whole);
    }
}
