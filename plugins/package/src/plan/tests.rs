//! What the plan decides, from plain values.

use shared::bucket::{Bucket, BucketSettings, Key, Kind, Location, Put};
use shared::settings::Env;

use super::*;
use crate::component::Node;

fn settings(more: &[(&str, &str)]) -> Settings {
    let mut variables = vec![("PLUGIN_BUCKET", "file:///b"), ("PLUGIN_SOURCE_PREFIX", "base")];
    variables.extend(more);
    Settings::from_env(&Env::of(&variables)).unwrap()
}

fn component(name: &str) -> Component {
    Component {
        name: name.into(),
        version: "2".into(),
        tree: [("VERSION".to_owned(), Node::Text("2".into()))].into(),
    }
}

fn manifest(name: &str) -> ArchiveManifest {
    ArchiveManifest {
        component: name.into(),
        version: "2".into(),
        archive: format!("m/{name}/2/{name}.tar.gz"),
        digest: Digest::of(b"archive"),
        size: 7,
        input: component(name).input(),
        files: 1,
        unpacked_size: 1,
        compression: 6,
        release: None,
        made_by: String::new(),
    }
}

/// A version can only come from a bucket.
async fn some_version() -> Version {
    let folder = tempfile::tempdir().unwrap();
    let location = Location::Folder(folder.path().to_owned());
    let settings = BucketSettings::at(location);
    match Bucket::open(&settings).unwrap().put_new(&Key::new("a", Kind::Json), "1".into()).await.unwrap() {
        Put::Written(version) => version,
        Put::Refused => panic!("the folder was empty"),
    }
}

async fn in_mirror(
    name: &str,
    archive_size: Option<u64>,
    manifest: Option<Manifest<ArchiveManifest>>,
) -> ObservedComponent {
    let version = some_version().await;
    ObservedComponent {
        component: component(name),
        archive: format!("m/{name}/2/{name}.tar.gz"),
        archive_size,
        manifest: manifest.map(|manifest| (manifest, version)),
    }
}

fn observed(components: Vec<ObservedComponent>) -> Observed {
    let places = components
        .iter()
        .map(|one| (one.component.name.clone(), "`base` of the bucket".to_owned()))
        .collect();
    Observed { places, components, problems: Vec::new() }
}

/// A claim in the mirror, as its JSON reads.
fn claim() -> Manifest<ArchiveManifest> {
    serde_json::from_str(r#"{"state": "uploading", "run": "another", "since": "2026-01-01T00:00:00Z"}"#)
        .unwrap()
}

async fn decided(
    archive_size: Option<u64>,
    manifest: Option<Manifest<ArchiveManifest>>,
    overwrite: &str,
) -> Result<String, String> {
    let settings = settings(&[("PLUGIN_OVERWRITE", overwrite)]);
    plan(&settings, observed(vec![in_mirror("web", archive_size, manifest).await]))
        .map(|plan| plan.to_string())
        .map_err(|error| error.to_string())
}

#[tokio::test]
async fn what_the_mirror_lacks_is_uploaded() {
    let expected = "web 2: upload `m/web/2/web.tar.gz`, 1 file, 1 bytes";
    assert_eq!(decided(None, None, "false").await.as_deref(), Ok(expected));
    // A run was cut, or is at it; and an archive that somebody removed.
    assert_eq!(decided(None, Some(claim()), "false").await.as_deref(), Ok(expected));
    assert_eq!(decided(Some(7), Some(claim()), "false").await.as_deref(), Ok(expected));
    assert_eq!(
        decided(None, Some(Manifest::Published(manifest("web"))), "false").await.as_deref(),
        Ok(expected)
    );
}

#[tokio::test]
async fn the_same_content_is_not_packed_again() {
    let plan = plan(
        &settings(&[]),
        observed(vec![in_mirror("web", Some(7), Some(Manifest::Published(manifest("web")))).await]),
    )
    .unwrap();
    assert!(plan.is_empty());
    assert_eq!(plan.to_string(), "web 2: unchanged, in the mirror as `m/web/2/web.tar.gz`");
    // Another level makes other bytes of the same content, which is no reason to touch a published version.
    assert!(
        decided(Some(7), Some(Manifest::Published(manifest("web"))), "true")
            .await
            .unwrap()
            .contains("unchanged")
    );
}

#[tokio::test]
async fn other_content_of_the_same_version_is_refused_unless_overwrite_is_set() {
    let other = Manifest::Published(ArchiveManifest { input: Digest::of(b"other"), ..manifest("web") });
    let cases = [
        (7, Some(other), "has other content"),
        (8, Some(Manifest::Published(manifest("web"))), "has 8 bytes, and 7 when it was packed"),
        (7, None, "was not packed by this plugin"),
    ];
    for (size, manifest, reason) in cases {
        let refusal = decided(Some(size), manifest.clone(), "false").await.unwrap_err();
        assert!(refusal.contains(reason), "{refusal}");
        assert_eq!(
            decided(Some(size), manifest, "true").await.as_deref(),
            Ok("web 2: replace `m/web/2/web.tar.gz`, 1 file, 1 bytes")
        );
    }
}

#[tokio::test]
async fn all_refusals_are_named_at_once() {
    let mut observed =
        observed(vec![in_mirror("web", Some(1), None).await, in_mirror("new", None, None).await]);
    observed.places.push(("web".into(), "`componentes`".into()));
    observed.problems.push(("sick".into(), "`sick`: its file `VERSION` says ``".into()));
    let error = plan(&settings(&[("PLUGIN_COMPONENTS", "web,new,absent")]), observed).unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("3 of the components cannot be packed; nothing was uploaded"), "{text}");
    assert_eq!(text.lines().count(), 5, "{text}");
    for part in [
        "`sick`:",
        "`absent`: no folder",
        "`web` is there more than once: in `base` of the bucket and in `componentes`",
        "`web` 2: `m/web",
    ] {
        assert!(text.contains(part), "{text}");
    }
    assert!(shared::failure::Fault::hints(&error)[0].contains("`overwrite: true`"));
}

#[test]
fn no_component_at_all_is_a_mistake() {
    let text = plan(&settings(&[]), Observed::default()).unwrap_err().to_string();
    assert_eq!(
        text,
        "there is no component to pack: no folder with a file `VERSION` in `base` of the bucket"
    );
}
