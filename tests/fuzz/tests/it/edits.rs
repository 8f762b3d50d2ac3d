//! Edits of files in Git: a version becomes another one, all else stays as it was, and a second edit finds nothing to do.

use std::collections::BTreeMap;

use plugin_image_bump::edit::{Edit, Wanted, splice};
use serde_json::Value;

const NEW: &str = "1.10";

/// The content after the edits; every edit replaces what it says, in the line that it names.
fn after(content: &[u8], edits: &[Edit], is_yaml: bool) -> Vec<u8> {
    let mut end = 0;
    let mut in_order: Vec<&Edit> = edits.iter().collect();
    in_order.sort_by_key(|edit| edit.span.start);
    for edit in in_order {
        assert!(end <= edit.span.start && edit.span.end <= content.len(), "{edit:?}");
        assert_eq!(line(&content[..edit.span.start], is_yaml), edit.line, "{edit:?}");
        assert!(!edit.text.contains('\n') && !content[edit.span.clone()].contains(&b'\n'), "{edit:?}");
        end = edit.span.end;
    }
    let new = splice(content, edits);
    let lines = |text: &[u8]| text.iter().filter(|byte| **byte == b'\n').count();
    assert_eq!(lines(content), lines(&new));
    new
}

/// The line after these bytes, from 1. To YAML, a carriage return alone ends a line too.
fn line(before: &[u8], is_yaml: bool) -> usize {
    let ends = |(at, byte): (usize, &u8)| match byte {
        b'\n' => true,
        b'\r' => is_yaml && before.get(at + 1).is_some_and(|next| *next != b'\n'),
        _ => false,
    };
    before.iter().enumerate().filter(|at| ends(*at)).count() + 1
}

/// Whether the edit is made; then it is complete.
fn is_made(content: &[u8], wanted: &Wanted) -> Option<Vec<u8>> {
    let edits = wanted.edits(content).ok()?;
    let new = after(content, &edits, matches!(wanted, Wanted::Values(_)));
    assert_eq!(wanted.edits(&new), Ok(Vec::new()), "{}", String::from_utf8_lossy(&new));
    Some(new)
}

#[test]
fn yaml() {
    let seeds: [&[u8]; 4] = [
        b"# ours\nimage:\n  repository: registry/app # where\n  tag: 1.2.3 # which\nreplicas: 2\n",
        b"containers:\n- {name: a, image: \"x:1\"}\n- name: b\nimage: {tag: '1.9', \"pull\": Always}\nlist: [1, [2, {a: b}]]\n",
        b"base: &base\n  a: 1\nother:\n  <<: *base\n  text: |\n    tag: 5\n\nimage:\r\n    tag:    \"1.1\"   # \xc3\xa7\r\n",
        b"a: 1\n---\nimage:\n  ? tag\n  : 1.10\n...\n",
    ];
    let wanted = Wanted::Values([("image.tag".parse().unwrap(), NEW.to_owned())].into());
    super::run("YAML edits", &seeds, |input| {
        let Some(new) = is_made(input, &wanted) else { return false };
        let read = |text: &[u8]| serde_saphyr::from_str::<Value>(std::str::from_utf8(text).unwrap()).ok();
        if let Some(mut expected) = read(input) {
            expected["image"]["tag"] = NEW.into();
            assert_eq!(read(&new), Some(expected), "{}", String::from_utf8_lossy(&new));
        }
        true
    });
}

#[test]
fn make() {
    let seeds: [&[u8]; 3] = [
        b"# versions\nexport WEB_VERSION := 1.2.3 # the web\nAPI_VERSION?=2\n\nall:\n\techo WEB_VERSION=1\n",
        b"override WEB_VERSION = 1.9\r\ndefine X\nWEB_VERSION = 5\nendef\nLONG = a \\\n  WEB_VERSION = 6\n",
        b"WEB_VERSION ::= 1\\#2\nWEB_VERSION+=1\\#2\nN\xe3o := $(WEB_VERSION)",
    ];
    let wanted = Wanted::Variables(BTreeMap::from([("WEB_VERSION".to_owned(), NEW.to_owned())]));
    super::run("edits of make files", &seeds, |input| is_made(input, &wanted).is_some());
}

#[test]
fn whole_files() {
    let seeds: [&[u8]; 3] = [b"1.2.3\n", b"\r\n 1.2.3 \r\n\r\n", b""];
    let wanted = Wanted::Whole(NEW.to_owned());
    super::run("edits of version files", &seeds, |input| is_made(input, &wanted).is_some());
}

#[test]
fn paths() {
    let seeds: [&[u8]; 2] = [b"containers[0].image", b"labels.app\\.kubernetes\\.io/version[1][2]"];
    super::run("paths of values", &seeds, |input| {
        let text = String::from_utf8_lossy(input);
        let Ok(path) = text.parse::<plugin_image_bump::edit::yaml::KeyPath>() else { return false };
        assert!(!path.steps().is_empty());
        assert_eq!(path.to_string().parse().as_ref(), Ok(&path));
        true
    });
}
