//! Chart indexes: an entry goes into whatever can be read, and all that was listed before is listed still.

use plugin_chart_publish::chart::{Metadata, version};
use plugin_chart_publish::index::{Index, entry};
use shared::digest::Digest;

const HELMS: &[u8] = b"apiVersion: v1
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
generated: \"2026-01-01T00:00:00Z\"
";
const PEOPLES: &[u8] = b"# ours\r\napiVersion: v1\r\nannotations: {a: a\xc3\xa7\xc3\xa3o}\r\nentries: # all\r\n  # the web\r\n  \"web\": &b\r\n    # newest\r\n    - version: '1.0.0' # y\r\n      digest: sha256:FFFF\r\n      description: |\r\n        text\r\n        # no comment\r\n";
const EMPTY: &[u8] = b"apiVersion: v1\nentries: {} # none\ngenerated: now\n";
const NO_VERSIONS: &[u8] = b"entries:\n  api: [] # none\n  web: null\n";

const NEW: &str = "9.9.9";

fn texts() -> [&'static [u8]; 4] {
    [HELMS, PEOPLES, EMPTY, NO_VERSIONS]
}

fn is_inserted(text: &[u8], name: &str) -> bool {
    let Ok(index) = Index::read(text) else { return false };
    let metadata = Metadata {
        name: name.to_owned(),
        version: NEW.to_owned(),
        api_version: Some("v2".to_owned()),
        ..Metadata::default()
    };
    let digest = Digest::of(b"ours");
    let Ok(new) = index.with(name, &entry(&metadata, &digest, "x.tgz", "2026-11-22T12:00:00Z")) else {
        return false;
    };
    let after = Index::read(new.as_bytes()).unwrap();
    for (chart, version) in [("api", "1.0.0"), ("web", "1.0.0"), ("web", "2.0.0")] {
        assert_eq!(index.digests(chart, version), after.digests(chart, version), "{chart} {version}:\n{new}");
    }
    let mut listed = index.digests(name, NEW);
    listed.insert(0, digest.hex().to_owned());
    assert_eq!(after.digests(name, NEW), listed, "{new}");
    true
}

#[test]
fn insertion() {
    super::run("chart indexes", &texts(), |input| {
        let inserted = ["web", "api", "zzz"].map(|name| is_inserted(input, name));
        inserted.contains(&true)
    });
}

#[test]
fn descriptions() {
    let seeds: [&[u8]; 2] = [
        b"apiVersion: v2\nname: web\nversion: 1.4.0\nappVersion: 1.10\nkeywords: [a, b]\nmaintainers:\n- name: Ana\n  email: a@x\ndependencies:\n- name: db\n  import-values: [a, {child: b}]\nannotations:\n  a: \"true\"\n",
        b"apiVersion: v1\nname: 'w'\nversion: \"1.0.0+7\"\ndescription: >-\n  two\n  lines\n\n  \xc3\xa7\n",
    ];
    super::run("`Chart.yaml` and its entry in an index", &seeds, |input| {
        let Ok(metadata) = Metadata::read(&String::from_utf8_lossy(input)) else { return false };
        assert!(!metadata.name.is_empty() && !metadata.name.contains('/'));
        let _ = version(&metadata.version);
        let entry = entry(&metadata, &Digest::of(b"ours"), "x.tgz", "2026-11-22T12:00:00Z");
        for text in texts() {
            let new = Index::read(text).unwrap().with(&metadata.name, &entry).unwrap();
            assert!(
                !Index::read(new.as_bytes()).unwrap().digests(&metadata.name, &metadata.version).is_empty(),
                "{new}"
            );
        }
        true
    });
}
