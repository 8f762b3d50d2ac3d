//! Splicing, on texts as helm and people write them.

use super::*;

const OURS: &str = "1.1.0";

fn ours(name: &str) -> Value {
    let metadata = Metadata {
        name: name.to_owned(),
        version: OURS.to_owned(),
        api_version: Some("v2".to_owned()),
        ..Metadata::default()
    };
    entry(&metadata, &Digest::of(b"ours"), &format!("{name}-{OURS}.tgz"), "2026-11-22T12:00:00Z")
}

fn spliced(text: &str, name: &str) -> Result<String, String> {
    Index::read(text.as_bytes())
        .and_then(|index| index.with(name, &ours(name)))
        .map_err(|error| error.to_string())
}

/// The splice as a diff: all of the old text is there, in order, with one block between; gives the block and what follows it.
fn inserted(text: &str, name: &str) -> (String, String) {
    let new = spliced(text, name).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let same = text.bytes().zip(new.bytes()).take_while(|(old, new)| old == new).count();
    let start = text[..same].rfind('\n').map_or(0, |end| end + 1);
    let length = new.len() - text.len();
    assert_eq!(&new[start + length..], &text[start..], "bytes of others changed:\n{new}");
    (new[start..start + length].to_owned(), text[start..].to_owned())
}

fn item(column: usize) -> String {
    text::item(&ours("web"), column, "\n")
}

const HELMS: &str = "apiVersion: v1
entries:
  api:
  - apiVersion: v2
    created: \"2026-01-01T00:00:00.123456789-03:00\"
    description: a long text that helm
      folds
    digest: 66a60550910adc7c0b598d23769a663ba2d1fd4fd55ae19c6c609215223d9aaf
    name: api
    urls:
    - api-1.0.0.tgz
    version: 1.0.0
  web:
  - created: \"2026-01-01T00:00:00Z\"
    digest: ffff
    name: web
    version: 1.0.0
  - null
  - name: web
    version: 2.0.0.1
generated: \"2026-01-01T00:00:00Z\"
";

#[test]
fn a_new_version_goes_before_the_first_item_of_its_chart() {
    let (block, after) = inserted(HELMS, "web");
    assert_eq!(block, item(2));
    assert!(after.starts_with("  - created:"), "{after}");
}

#[test]
fn a_new_chart_goes_where_its_name_belongs() {
    for (name, next) in [("aaa", "  api:"), ("bbb", "  web:"), ("zzz", "generated:")] {
        let (block, after) = inserted(HELMS, name);
        assert_eq!(block, format!("  {name}:\n{}", text::item(&ours(name), 2, "\n")));
        assert!(after.starts_with(next), "{name}: {after}");
    }
}

#[test]
fn dashes_stand_where_the_list_has_them() {
    let text = "entries:\n    web:\n        - name: web\n          version: 1.0.0\napiVersion: v1\n";
    assert_eq!(inserted(text, "web").0, item(8));
    assert!(inserted(text, "zzz").0.starts_with("    zzz:\n    - apiVersion: v2\n"));
    let flush = "entries:\n  web:\n  -   name: web\n      version: 1.0.0\n";
    assert_eq!(inserted(flush, "web").0, item(2));
}

#[test]
fn windows_line_ends_and_a_byte_order_mark_are_kept() {
    let text = HELMS.replace('\n', "\r\n");
    assert_eq!(inserted(&text, "web").0, item(2).replace('\n', "\r\n"));
    assert_eq!(inserted(&format!("\u{feff}{HELMS}"), "web").0, item(2));
}

#[test]
fn comments_stay_with_what_they_speak_of() {
    let text = "# ours\napiVersion: v1\nentries: # all\n  # the api\n  api: # x\n    # first\n    - version: 1.0.0 # y\n      description: |\n        text\n        # no comment\n  # the web\n  web:\n  # newest\n  - version: 1.0.0\n# the end\ngenerated: now\n# after\n";
    assert!(inserted(text, "web").1.starts_with("  # newest\n"));
    assert!(inserted(text, "api").1.starts_with("    # first\n"));
    assert!(inserted(text, "aaa").1.starts_with("  # the api\n"));
    assert!(inserted(text, "bbb").1.starts_with("  # the web\n"));
    assert!(inserted(text, "zzz").1.starts_with("# the end\n"));
}

#[test]
fn quoted_names_anchors_and_block_texts_do_not_mislead() {
    let text = "apiVersion: v1\nentries:\n  \"api\": &a\n  - description: |\n      web:\n      - version: 9\n    version: '1'\n  'web': &b\n  - version: 1.0.0\n";
    assert_eq!(inserted(text, "web"), (item(2), "  - version: 1.0.0\n".to_owned()));
    let accents = "apiVersion: v1\nannotations: {a: ação \u{1f680}}\nentries:\n  web:\n  - version: 1.0.0\n    description: é\n";
    assert_eq!(inserted(accents, "web").0, item(2));
}

#[test]
fn entries_at_the_end_may_lack_a_line_end() {
    let text = "apiVersion: v1\nentries:\n  api:\n  - version: 1.0.0";
    let new = spliced(text, "web").unwrap();
    assert_eq!(new, format!("{text}\n  web:\n{}", item(2)));
}

#[test]
fn an_index_without_charts_is_opened() {
    for empty in ["{}", "null", "~", "", "{ }"] {
        let text = format!("apiVersion: v1\nentries: {empty}\ngenerated: now\n").replace(": \n", ":\n");
        let expected = format!("apiVersion: v1\nentries:\n  web:\n{}generated: now\n", item(2));
        assert_eq!(spliced(&text, "web").unwrap(), expected, "{text}");
    }
    let commented = "apiVersion: v1\nentries: {} # none yet\n";
    assert_eq!(
        spliced(commented, "web").unwrap(),
        format!("apiVersion: v1\nentries: # none yet\n  web:\n{}", item(2))
    );
    assert_eq!(
        spliced("apiVersion: v1\nentries: {}", "web").unwrap(),
        format!("apiVersion: v1\nentries:\n  web:\n{}", item(2))
    );
}

#[test]
fn a_chart_without_versions_is_opened() {
    for empty in ["[]", "null", ""] {
        let text = format!("apiVersion: v1\nentries:\n  web: {empty}\n  xyz: []\n").replace(": \n", ":\n");
        assert_eq!(
            spliced(&text, "web").unwrap(),
            format!("apiVersion: v1\nentries:\n  web:\n{}  xyz: []\n", item(2)),
            "{text}"
        );
    }
}

#[test]
fn without_an_index_a_canonical_one_is_written() {
    let expected =
        format!("apiVersion: v1\nentries:\n  web:\n{}generated: \"2026-11-22T12:00:00Z\"\n", item(2));
    for text in ["", "\n", "  \n\n"] {
        assert_eq!(spliced(text, "web").unwrap(), expected);
    }
    assert_eq!(Index::default().with("web", &ours("web")).unwrap(), expected);
}

#[test]
fn what_cannot_be_spliced_is_refused_in_words() {
    let refusal = |text: &str| spliced(text, "web").unwrap_err();
    assert!(
        refusal("{\"apiVersion\": \"v1\", \"entries\": {}}")
            .starts_with("it is written as JSON or in braces")
    );
    assert!(refusal("apiVersion: v1\nentries: {api: []}\n").starts_with("`entries` is written in braces"));
    assert!(
        refusal("apiVersion: v1\nentries:\n  web: [{version: 1.0.0}]\n")
            .starts_with("the list of `web` is written in braces")
    );
    assert!(
        refusal("apiVersion: v1\nentries:\n  api: &a\n  - version: 1\n  web: *a\n")
            .starts_with("the list of `web` is neither")
    );
    assert!(refusal("apiVersion: v1\nentries:\n  web: text\n").starts_with("the list of `web` is neither"));
    assert!(refusal("apiVersion: v1\ngenerated: now\n").starts_with("it has no `entries`"));
    for text in
        ["a: [", "- a\n", "apiVersion: v1\nentries: {}\nentries: {}\n", "just text", "a: 1\n---\nb: 2\n"]
    {
        assert!(refusal(text).starts_with("it is no YAML text"), "{text}: {}", refusal(text));
    }
    assert!(Index::read(b"\xff\xfe").is_err());
    // A text after `...` is outside of the document; the check after the splice notices.
    assert!(refusal("entries:\n  api:\n  - version: 1.0.0\n...\n").contains("helm repo index"));
}

#[test]
fn versions_are_compared_whole() {
    let text = "entries:\n  web:\n  - {version: 1.0.0+a, digest: AAAA}\n  - {version: 1.0.0+b, digest: \"sha256:bbbb\"}\n  - {version: 1.0.1}\n";
    let index = Index::read(text.as_bytes()).unwrap();
    let digests = |version| index.digests("web", version);
    assert_eq!(digests("1.0.0+a"), ["aaaa"]);
    assert_eq!(digests("1.0.0+b"), ["bbbb"]);
    assert_eq!(digests("1.0.1"), [""]);
    assert_eq!(digests("1.0.0"), [""; 0]);
    assert_eq!(index.digests("api", "1.0.0"), [""; 0]);
}

#[test]
fn an_index_of_many_charts_is_within_the_parsers_limits() {
    let text = format!("apiVersion: v1\nentries: {{}}\nkeywords: [{}]\n", "a, ".repeat(300_000));
    assert!(Index::read(text.as_bytes()).is_ok());
}
