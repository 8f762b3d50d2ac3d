//! The Drone card, as Drone's runner takes it out of a step's output: in a chunk that begins with the sequence and ends with it.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lab::{folder, plugin};
use serde_json::Value;

pub(super) const TEMPLATE: &str = "https://pages.example.com/card.json";

/// The chunks of a plugin that fails, with a secret in its error.
pub(super) fn chunks(workspace: &Path, card: Option<&str>, template: Option<&str>) -> Vec<Vec<u8>> {
    let mut settings =
        vec![("source", "components"), ("bucket", "s3://none"), ("endpoint", "http://127.0.0.1:1")];
    settings.extend([("log_level", "debug"), ("access_key", "an-access-key"), ("secret_key", "127.0.0.1")]);
    settings.extend(template.map(|template| ("card_template", template)));
    let command = plugin::command("plugin-package", workspace, &settings).unwrap();
    chunks_of(command, card)
}

/// The chunks that a plugin writes on standard output: a socket keeps what was written at once together, and apart from all else.
pub(super) fn chunks_of(mut command: Command, card: Option<&str>) -> Vec<Vec<u8>> {
    if let Some(card) = card {
        command.env("DRONE_CARD_PATH", card);
    }
    let (ours, its) = UnixDatagram::pair().unwrap();
    ours.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    command.stdout(OwnedFd::from(its)).stderr(std::process::Stdio::null());
    let mut child = lab::process::spawn(command).unwrap();
    let mut chunks = Vec::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let has_ended = child.try_wait().unwrap().is_some();
        match ours.recv(&mut buffer) {
            Ok(length) if length > 0 => chunks.push(buffer[..length].to_vec()),
            _ if has_ended => return chunks,
            _ => {}
        }
    }
}

fn card_in(chunk: &[u8]) -> Option<Value> {
    let text = std::str::from_utf8(chunk).unwrap().strip_prefix("\u{1b}]1338;")?;
    let base64 = text.strip_suffix("\u{1b}]0m\n").expect("nothing follows the card in its chunk");
    Some(serde_json::from_slice(&STANDARD.decode(base64).unwrap()).unwrap())
}

pub(super) fn workspace() -> std::path::PathBuf {
    let workspace = folder::temporary("card").unwrap();
    std::fs::create_dir_all(workspace.join("components/web")).unwrap();
    std::fs::write(workspace.join("components/web/VERSION"), "1.0\n").unwrap();
    workspace
}

#[test]
fn a_card_is_the_last_chunk_alone_and_without_secrets() {
    let chunks = chunks(&workspace(), Some("/dev/stdout"), Some(TEMPLATE));
    let cards: Vec<_> = chunks.iter().map(|chunk| card_in(chunk)).collect();
    let (last, before) = cards.split_last().unwrap();
    assert!(!before.is_empty() && before.iter().all(Option::is_none), "one card, after the log");
    let card = last.as_ref().unwrap();
    assert_eq!(card["schema"], TEMPLATE);
    assert_eq!(
        (&card["data"]["plugin"], &card["data"]["verdict"]),
        (&"plugin-package".into(), &"not finished".into())
    );
    let text = card.to_string();
    assert!(text.contains("[hidden]") && !text.contains("127.0.0.1"), "{text}");
}

#[test]
fn without_a_path_or_a_template_there_is_no_card() {
    let workspace = workspace();
    for (path, template) in [(None, Some(TEMPLATE)), (Some(""), Some(TEMPLATE)), (Some("/dev/stdout"), None)]
    {
        let chunks = chunks(&workspace, path, template);
        assert!(!chunks.is_empty() && chunks.iter().all(|chunk| card_in(chunk).is_none()));
        let says_why = chunks.iter().any(|chunk| String::from_utf8_lossy(chunk).contains("`card_template`"));
        assert_eq!(says_why, template.is_none());
    }
}

#[test]
fn a_card_for_a_file_is_written_there() {
    let workspace = workspace();
    let file = workspace.join("out/card.json");
    let chunks = chunks(&workspace, Some(file.to_str().unwrap()), Some(TEMPLATE));
    assert!(chunks.iter().all(|chunk| card_in(chunk).is_none()));
    let card: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    assert_eq!(card["data"]["plugin"], "plugin-package");
}

#[test]
fn a_stream_by_its_number_is_that_stream() {
    for path in ["/dev/fd/1", "/proc/self/fd/1"] {
        let chunks = chunks(&workspace(), Some(path), Some(TEMPLATE));
        assert!(chunks.last().is_some_and(|last| card_in(last).is_some()), "{path}");
    }
}

#[test]
fn a_card_that_cannot_be_written_is_a_warning() {
    let workspace = workspace();
    let bucket = format!("file://{}", folder::temporary("bucket").unwrap().display());
    let settings = [("source", "components"), ("bucket", bucket.as_str()), ("card_template", TEMPLATE)];
    let mut command = plugin::command("plugin-package", &workspace, &settings).unwrap();
    command.env("DRONE_CARD_PATH", "components/web/VERSION/card.json");
    let ended = plugin::Ended::of(&command.output().unwrap());
    assert_eq!(ended.code, 0, "{}", ended.log);
    assert!(ended.log.contains("warning: cannot write the card"), "{}", ended.log);
}
