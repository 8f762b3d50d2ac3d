//! Whole runs against a folder as bucket: what appears in the mirror, what a rerun does, and what a failure leaves.

use std::io::Read as _;
use std::path::Path;

use flate2::read::GzDecoder;
use shared::digest::Digest;
use shared::failure::{Exit, Failure};
use shared::report::{Ending, Report};
use shared::stop::Stop;
use tempfile::TempDir;

use super::*;

const ARCHIVE: &str = "m/web/1.0/WebFiles.tar.gz";

struct World {
    workspace: TempDir,
    bucket: TempDir,
}

impl World {
    /// A component `web` in the workspace, `srv` in the bucket, and an earlier `web` in the mirror.
    fn new() -> Self {
        let world = Self { workspace: tempfile::tempdir().unwrap(), bucket: tempfile::tempdir().unwrap() };
        write(world.workspace.path(), "c/web/VERSION", b"1.0\n");
        write(world.workspace.path(), "c/web/index.html", &[b'x'; 100_000]);
        write(world.bucket.path(), "base/srv/VERSION", b"7\n");
        write(world.bucket.path(), "base/srv/bin/ação~1.sh", b"#!/bin/sh\n");
        write(world.bucket.path(), "m/web/0.9/WebFiles.tar.gz", b"by the old scripts");
        world
    }

    async fn run(&self, more: &[(&str, &str)]) -> Result<Report, Failure> {
        let bucket = format!("file://{}", self.bucket.path().display());
        let mut variables = vec![
            ("PLUGIN_BUCKET", bucket.as_str()),
            ("PLUGIN_SOURCE", "c"),
            ("PLUGIN_SOURCE_PREFIX", "base"),
            ("PLUGIN_MIRROR", "m"),
        ];
        variables.extend(more);
        let variables =
            variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let (_sender, stop) = Stop::manual();
        crate::run(Env::in_workspace(variables, self.workspace.path().to_owned()), stop).await
    }

    fn opened(&self, more: &[(&str, &str)]) -> (Env, Bucket) {
        let address = format!("file://{}", self.bucket.path().display());
        let common = [("PLUGIN_BUCKET", address.as_str()), ("PLUGIN_SOURCE", "c"), ("PLUGIN_MIRROR", "m")];
        let variables =
            common.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let env = Env::in_workspace(variables.collect(), self.workspace.path().to_owned());
        let settings = crate::settings::Settings::from_env(&env).unwrap();
        (env, Bucket::open(&settings.bucket).unwrap())
    }

    fn mirror(&self) -> Vec<(String, Vec<u8>)> {
        let mut files: Vec<_> = walkdir::WalkDir::new(self.bucket.path().join("m"))
            .into_iter()
            .map(Result::unwrap)
            .filter(|entry| entry.file_type().is_file())
            .map(|entry| {
                (
                    entry.path().strip_prefix(&self.bucket).unwrap().to_str().unwrap().to_owned(),
                    std::fs::read(entry.path()).unwrap(),
                )
            })
            .collect();
        files.sort();
        files
    }

    fn manifest(&self, archive: &str) -> serde_json::Value {
        serde_json::from_slice(
            &std::fs::read(self.bucket.path().join(format!("{archive}.manifest.json"))).unwrap(),
        )
        .unwrap()
    }
}

fn write(root: &Path, path: impl AsRef<Path>, content: &[u8]) {
    let file = root.join(path);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, content).unwrap();
}

#[tokio::test]
async fn components_of_both_sources_are_packed_under_their_old_names() {
    let world = World::new();
    let report = world.run(&[]).await.unwrap();
    assert_eq!(report.outputs["versions"], serde_json::json!({ "srv": "7", "web": "1.0" }));
    assert_eq!(
        report.outputs["archives"],
        serde_json::json!({ "srv": "m/srv/7/srv.tar.gz", "web": ARCHIVE })
    );
    let archive = std::fs::read(world.bucket.path().join(ARCHIVE)).unwrap();
    assert_eq!(report.outputs["digests"]["web"], Digest::of(&archive).hex());
    let manifest = world.manifest(ARCHIVE);
    assert_eq!(
        (manifest["state"].as_str(), manifest["files"].as_u64(), manifest["size"].as_u64()),
        (Some("published"), Some(2), Some(archive.len() as u64))
    );

    let packed = std::fs::read(world.bucket.path().join("m/srv/7/srv.tar.gz")).unwrap();
    let mut tar = tar::Archive::new(GzDecoder::new(packed.as_slice()));
    let listed: Vec<_> = tar
        .entries()
        .unwrap()
        .map(|entry| {
            entry
                .map(|entry| (entry.path().unwrap().display().to_string(), entry.header().mode().unwrap()))
                .unwrap()
        })
        .collect();
    assert_eq!(
        listed,
        [("VERSION".to_owned(), 0o644), ("bin/".to_owned(), 0o755), ("bin/ação~1.sh".to_owned(), 0o755)]
    );
}

#[tokio::test]
async fn a_second_run_changes_nothing_and_gives_the_same_outputs() {
    let world = World::new();
    let first = world.run(&[]).await.unwrap();
    let before = world.mirror();
    let second = world.run(&[]).await.unwrap();
    assert_eq!((second.ending, &second.outputs), (Ending::NothingToDo, &first.outputs));
    assert_eq!(world.mirror(), before);
}

#[tokio::test]
async fn a_dry_run_changes_nothing() {
    let world = World::new();
    let before = world.mirror();
    let report = world.run(&[("PLUGIN_DRY_RUN", "true")]).await.unwrap();
    assert!(
        report.summary.contains("web 1.0: upload `m/web/1.0/WebFiles.tar.gz`, 2 files, 100004 bytes"),
        "{}",
        report.summary
    );
    assert_eq!(world.mirror(), before);
}

#[tokio::test]
async fn changed_content_is_refused_and_replaced_only_with_overwrite() {
    let world = World::new();
    world.run(&[]).await.unwrap();
    let before = world.mirror();
    write(world.workspace.path(), "c/web/index.html", b"new");
    let failure = world.run(&[]).await.unwrap_err();
    assert_eq!((failure.exit, failure.hints.len()), (Exit::Failed, 1));
    assert_eq!(world.mirror(), before);
    let report = world.run(&[("PLUGIN_OVERWRITE", "true")]).await.unwrap();
    assert!(report.to_string().contains("replaced"), "{report}");
    assert_eq!(world.run(&[]).await.unwrap().ending, Ending::NothingToDo);
}

#[tokio::test]
async fn a_run_that_was_cut_anywhere_is_finished_by_the_next() {
    let undisturbed = World::new();
    undisturbed.run(&[]).await.unwrap();
    let published = undisturbed.mirror();
    let claim =
        |run: &str| format!(r#"{{"state": "uploading", "run": "{run}", "since": "2020-01-01T00:00:00Z"}}"#);
    for with_archive in [false, true] {
        let world = World::new();
        write(world.bucket.path(), format!("{ARCHIVE}.manifest.json"), claim("dead").as_bytes());
        if with_archive {
            write(world.bucket.path(), ARCHIVE, b"whole, but without manifest");
        }
        world.run(&[]).await.unwrap();
        let archives = |files: &[(String, Vec<u8>)]| -> Vec<(String, Vec<u8>)> {
            files.iter().filter(|(name, _)| name.ends_with(".gz")).cloned().collect()
        };
        assert!(archives(&world.mirror()) == archives(&published), "with archive: {with_archive}");
    }
}

#[tokio::test]
async fn another_runs_fresh_claim_is_left_alone() {
    let world = World::new();
    // A clock that is ahead of ours.
    let claim = r#"{"state": "uploading", "run": "another", "since": "2100-01-01T00:00:00Z"}"#;
    write(world.bucket.path(), format!("{ARCHIVE}.manifest.json"), claim.as_bytes());
    let failure = world.run(&[]).await.unwrap_err();
    assert_eq!(failure.exit, Exit::Temporary);
    let text = failure.to_string();
    assert!(text.contains("`another` is packing `m/web/1.0/WebFiles.tar.gz` since 2100-01-01"), "{text}");
    let report = failure.report.unwrap();
    assert_eq!(report.summary, "1 of 2 components were packed before the failure");
    assert_eq!(report.table.unwrap().rows[0].cells[0], "srv");
}

#[tokio::test]
async fn a_file_that_changes_meanwhile_leaves_no_archive_and_frees_the_claim() {
    let world = World::new();
    let (settings_env, bucket) = world.opened(&[]);
    let settings = crate::settings::Settings::from_env(&settings_env).unwrap();
    let observed = crate::observe::observe(&settings, &bucket).await.unwrap();
    let plan = crate::plan::plan(&settings, observed).unwrap();
    write(world.workspace.path(), "c/web/index.html", b"shorter");
    let failed = execute(&plan, &bucket, &settings_env, &Stop::manual().1).await.unwrap_err();
    assert!(matches!(failed.source, Error::Changed { .. }), "{}", failed.source);
    assert!(!world.bucket.path().join(ARCHIVE).exists());
    assert_eq!(world.manifest(ARCHIVE)["since"], "1970-01-01T00:00:00Z");
    assert_eq!(world.run(&[("PLUGIN_COMPONENTS", "web")]).await.unwrap().ending, Ending::Done);
}

#[tokio::test]
async fn a_replacement_that_fails_does_not_make_the_version_free() {
    let world = World::new();
    let web = [("PLUGIN_COMPONENTS", "web"), ("PLUGIN_OVERWRITE", "true")];
    world.run(&web).await.unwrap();
    let published = world.manifest(ARCHIVE);
    write(world.workspace.path(), "c/web/index.html", b"new");
    let (settings_env, bucket) = world.opened(&web);
    let settings = crate::settings::Settings::from_env(&settings_env).unwrap();
    let observed = crate::observe::observe(&settings, &bucket).await.unwrap();
    let plan = crate::plan::plan(&settings, observed).unwrap();
    write(world.workspace.path(), "c/web/index.html", b"shorter");
    execute(&plan, &bucket, &settings_env, &Stop::manual().1).await.unwrap_err();
    let left = world.manifest(ARCHIVE);
    assert_eq!((&left["state"], &left["since"]), (&"replacing".into(), &"1970-01-01T00:00:00Z".into()));
    assert_eq!(left["replaces"]["input"], published["input"]);

    let failure = world.run(&web[..1]).await.unwrap_err();
    assert!(failure.exit == Exit::Failed && failure.to_string().contains("has other content"), "{failure}");
    assert_eq!(world.run(&web).await.unwrap().ending, Ending::Done);
    assert_eq!(world.manifest(ARCHIVE)["state"], "published");
}

#[tokio::test]
async fn an_object_that_is_replaced_after_it_was_listed_is_not_packed() {
    let world = World::new();
    let bucket = format!("file://{}", world.bucket.path().display());
    let env = Env::of(&[
        ("PLUGIN_BUCKET", bucket.as_str()),
        ("PLUGIN_SOURCE_PREFIX", "base"),
        ("PLUGIN_MIRROR", "m"),
    ]);
    let settings = crate::settings::Settings::from_env(&env).unwrap();
    let bucket = Bucket::open(&settings.bucket).unwrap();
    let plan =
        crate::plan::plan(&settings, crate::observe::observe(&settings, &bucket).await.unwrap()).unwrap();
    // Of the same size, as another upload would leave it.
    write(world.bucket.path(), "new", b"8\n");
    std::fs::rename(world.bucket.path().join("new"), world.bucket.path().join("base/srv/VERSION")).unwrap();
    let failed = execute(&plan, &bucket, &env, &Stop::manual().1).await.unwrap_err();
    let text = shared::failure::chain(&failed.source);
    assert!(text.contains("`base/srv/VERSION`") && text.ends_with("it changed while it was read"), "{text}");
    assert_eq!(Failure::from(failed.source).exit, Exit::Temporary);
    assert!(!world.bucket.path().join("m/srv/7/srv.tar.gz").exists());
}

#[test]
fn a_rate_is_told_only_of_what_is_large_enough() {
    assert_eq!(pace(20, Duration::from_millis(200)), "0.2 s");
    assert_eq!(pace(100_000_000, Duration::from_secs(2)), "2.0 s (50.0 MB/s)");
}

#[tokio::test]
async fn the_rpo_is_one_more_component() {
    let world = World::new();
    write(world.bucket.path(), "apo/12.1/tttm120.rpo", &[9; 300_000]);
    let rpo = [
        ("PLUGIN_RPO", "apo/12.1/tttm120.rpo"),
        ("PLUGIN_RPO_VERSION", "12.1-ab"),
        ("PLUGIN_RPO_COMPONENT", "apo"),
    ];
    let report = world.run(&rpo).await.unwrap();
    assert_eq!(report.outputs["versions"]["apo"], "12.1-ab");
    let packed = std::fs::File::open(world.bucket.path().join("m/apo/12.1-ab/apo.tar.gz")).unwrap();
    let mut tar = tar::Archive::new(GzDecoder::new(packed));
    let mut sizes = Vec::new();
    for entry in tar.entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        sizes.push((entry.path().unwrap().display().to_string(), content.len()));
    }
    assert_eq!(sizes, [("VERSION".to_owned(), 8), ("tttm120.rpo".to_owned(), 300_000)]);
}

#[tokio::test]
async fn many_parts_arrive_in_order() {
    let world = World::new();
    // Incompressible, and more than two parts of an upload.
    let mut state = 1_u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33).to_le_bytes()[0]
    })
    .take(20 << 20)
    .collect();
    write(world.workspace.path(), "c/web/noise", &noise);
    write(world.bucket.path(), "base/srv/noise", &noise);
    let report = world.run(&[("PLUGIN_COMPRESSION", "1")]).await.unwrap();
    for (name, archive) in report.outputs["archives"].as_object().unwrap() {
        let file = std::fs::File::open(world.bucket.path().join(archive.as_str().unwrap())).unwrap();
        let mut tar = tar::Archive::new(GzDecoder::new(file));
        let mut content = Vec::new();
        tar.entries()
            .unwrap()
            .map(Result::unwrap)
            .find(|entry| entry.path().unwrap() == Path::new("noise"))
            .unwrap()
            .read_to_end(&mut content)
            .unwrap();
        assert!(content == noise, "{name}");
    }
}
