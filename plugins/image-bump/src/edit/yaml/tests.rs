//! What is changed, byte by byte, and what is refused.

use super::*;

fn wanted(pairs: &[(&str, &str)]) -> BTreeMap<KeyPath, String> {
    pairs.iter().map(|(path, value)| (path.parse().unwrap(), (*value).to_owned())).collect()
}

fn becomes(content: &str, pairs: &[(&str, &str)]) -> String {
    let edits = edits(content.as_bytes(), &wanted(pairs))
        .unwrap_or_else(|refusals| panic!("{content:?}: {refusals:?}"));
    String::from_utf8(splice(content.as_bytes(), &edits)).unwrap()
}

fn refused(content: &str, path: &str) -> (usize, String) {
    let mut refusals = edits(content.as_bytes(), &wanted(&[(path, "2.0.0")])).unwrap_err();
    assert_eq!(refusals.len(), 1);
    let refusal = refusals.remove(0);
    (refusal.line.unwrap_or(0), refusal.reason)
}

/// Every way to write the value, in every place it may stand: only the value's own bytes may change.
#[test]
fn only_the_value_changes_wherever_and_however_it_is_written() {
    let places = [
        "image:\n  tag: @\n",
        "image:\n  tag: @",
        "image:\r\n  repository: r\r\n  tag: @\r\nafter: 1.0\r\n",
        "# ação ü 漢字 😀\nimage: # é\n\n\n  # tag: 9\n  repository: \"é\" # ç\n  tag: @   # não mexer\n\nafter: {a: 1.0 , b: [ x ]}\n",
        "\u{feff}image:\n  tag: @\n",
        "image: {repository: \"ã\", tag: @ , other: 'x'}\n",
        "image: { tag: @}\n",
        "\"image\":\n      'tag'   :    @    # c\n",
        "---\nimage:\n  tag: @\n...\n",
        "first: 1\n---\nimage:\n  tag: @\n---\nlast: |\n  tag: 1\n",
        "base: &base\n  x: 1.0\nimage:\n  <<: *base\n  tag: @\n  y: *base\n",
        "image:\n  tag: &unused @\n",
        "image:\n  tag: !!str @\n",
        "text: |\n  image:\n    tag: 1.0.0\nimage:\n  tag: @\nfolded: >-\n  a\n\n  b\n",
        "? {a: b}\n: x\nimage:\n  ? tag\n  : @\n",
        "image:\n  digest:\n  tag: @\n  empty:\n",
    ];
    let values = [
        ("1.0.0", "2.0.0", "2.0.0"),
        ("'1.0.0'", "2.0.0", "'2.0.0'"),
        ("\"1.0.0\"", "2.0.0", "\"2.0.0\""),
        ("\"a\\u00e9\"", "2.0.0", "\"2.0.0\""),
        ("\"\"", "2.0.0", "\"2.0.0\""),
        ("1.0.0", "1.10", "\"1.10\""),
        ("1.9", "1.10", "\"1.10\""),
        ("1.10", "1.10", "\"1.10\""),
        ("'1.10'", "1.10", "'1.10'"),
        ("1.0.0", "no", "\"no\""),
        ("1.0.0", "a: b #c", "\"a: b #c\""),
        ("'x'", "it's", "'it''s'"),
        ("~", "2.0.0", "2.0.0"),
        ("1.0.0", "registry.example.com/a/b:1.10@sha256:abc", "registry.example.com/a/b:1.10@sha256:abc"),
        ("hello world", "hello world", "hello world"),
    ];
    for place in places {
        for (before, value, after) in values {
            // With the tag it is a text already.
            let after = if place.contains("!!str") && before == value { before } else { after };
            assert_eq!(
                becomes(&place.replace('@', before), &[("image.tag", value)]),
                place.replace('@', after)
            );
        }
    }
}

#[test]
fn several_values_change_at_once_and_what_is_right_stays() {
    let before = "a: 1.0.0\nb: 'x' # ü\nc:\n- name: one\n  image: r:1.0.0\n- {name: two, image: \"s:1.0.0\"}\nlabels: {app.kubernetes.io/version: 1.0.0}\n";
    let after = "a: 1.0.0\nb: 'y' # ü\nc:\n- name: one\n  image: r:2.0.0\n- {name: two, image: \"s:2.0.0\"}\nlabels: {app.kubernetes.io/version: 2.0.0}\n";
    let values = [
        ("a", "1.0.0"),
        ("b", "y"),
        ("c[0].image", "r:2.0.0"),
        ("c[1].image", "s:2.0.0"),
        ("labels.app\\.kubernetes\\.io/version", "2.0.0"),
    ];
    assert_eq!(becomes(before, &values), after);
    assert_eq!(becomes(after, &values), after);
}

#[test]
fn an_edit_says_what_was_and_what_will_be() {
    let edits = edits(b"image:\n  tag: 1.9\n", &wanted(&[("image.tag", "1.10")])).unwrap();
    let edit = Edit {
        name: "image.tag".into(),
        line: 2,
        old: "1.9".into(),
        new: "1.10".into(),
        span: 14..17,
        text: "\"1.10\"".into(),
    };
    assert_eq!(edits, [edit]);
}

#[test]
fn what_cannot_be_changed_safely_is_refused_with_line_and_reason() {
    for (content, line, reason) in [
        ("v: &v 1.0\nimage:\n  tag: *v\n", 3, "`image.tag` is an alias: its value stands elsewhere"),
        ("base: &b {tag: 1}\nimage: *b\n", 2, "`image.tag` is not written out: `image` is an alias"),
        (
            "base: &b {tag: 1}\nimage:\n  <<: *b\n",
            3,
            "`image.tag` is not written out, only inherited through a merge key `<<`",
        ),
        ("image:\n  tag: &v 1.0\nother: *v\n", 2, "`image.tag` is also the value of an alias in line 3"),
        (
            "image: &i\n  tag: 1.0\nother:\n  <<: *i\n",
            2,
            "`image.tag` is also the value of an alias in line 4",
        ),
        (
            "image:\n  tag: 1\n  tag: 2\n",
            3,
            "which `image.tag` is meant cannot be told: the key is there twice (lines 2 and 3)",
        ),
        ("image: {tag: 1}\nimage: {x: 2}\n", 2, "`image.tag` is ambiguous: the key `image` is there twice"),
        (
            "image: {tag: 1}\n---\nimage: {tag: 1}\n",
            3,
            "which `image.tag` is meant cannot be told: it is in several documents (lines 1 and 3)",
        ),
        ("image:\n  tag: |\n    1.0\n", 3, "`image.tag` is a block of lines"),
        ("image:\n  tag: >-\n    1.0\n", 3, "`image.tag` is a block of lines"),
        ("image:\n  tag: 1.0\n    and more\n", 2, "`image.tag` goes over several lines"),
        ("image:\n  tag: \"1.0\n    and more\"\n", 2, "`image.tag` goes over several lines"),
        ("image:\n  tag: '1.0\n\n    and more'\n", 2, "`image.tag` goes over several lines"),
        ("image:\n  tag:\n", 2, "`image.tag` has no value yet"),
        ("image:\n  tag: !custom 1.0\n", 2, "`image.tag` has the tag `!custom`"),
        ("image:\n  tag: !!int 1\n", 2, "`image.tag` has the tag `tag:yaml.org,2002:!int`"),
        ("image:\n  tag: {a: 1}\n", 2, "`image.tag` is not a single value"),
        ("image:\n  tag: [1]\n", 2, "`image.tag` is not a single value"),
        ("image: 1.0\n", 1, "there is no `image.tag`: `image` is a single value"),
        ("image:\n  repository: r\n", 2, "there is no `image.tag`: `image` has no `tag`"),
        ("# nothing\nother: 1\n", 0, "there is no `image.tag`: the file has no `image`"),
        ("", 0, "there is no `image.tag`: the file is empty"),
    ] {
        let got = refused(content, "image.tag");
        // Where a block begins, the parser says the line of its text.
        assert_eq!((got.0, got.1.as_str()), (line, reason), "{content:?}");
    }
    assert_eq!(refused("c: [{a: 1}]\n", "c[1].a").1, "there is no `c[1].a`: `c` has no `[1]`");
    let (line, reason) = refused("a: 1\nimage: [\n", "image.tag");
    assert!(line >= 2 && reason.starts_with("is not valid YAML: "), "{line} {reason}");
    assert_eq!(
        edits(b"a: 1\nb: \xe3\n", &wanted(&[("a", "2")])).unwrap_err(),
        [Refusal::at(2, "is not UTF-8")]
    );
}

#[test]
fn everything_that_cannot_be_changed_is_named_at_once() {
    assert_eq!(edits(b"a: 1\n", &wanted(&[("a", "2"), ("b", "2"), ("c.d", "2")])).unwrap_err().len(), 2);
}
