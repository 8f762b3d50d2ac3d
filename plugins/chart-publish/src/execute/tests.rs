//! The protocol of the two writes, against a folder used as a bucket.

use std::path::Path;

use semver::Version;
use shared::settings::Env;

use super::*;
use crate::chart::Metadata;
use crate::observe::{Observed, Package, fetch_index, fetch_published};
use crate::plan::plan;
use crate::settings::Settings;

fn package(version: &str, bytes: &'static str) -> Package {
    let version = Version::parse(version).unwrap();
    let metadata = Metadata { name: "web".into(), version: version.to_string(), ..Metadata::default() };
    let digest = Digest::of(bytes.as_bytes());
    Package { metadata, version, bytes: bytes.into(), content: digest.clone(), digest }
}

async fn planned(folder: &Path, package: Package) -> Result<(Plan, Bucket), Error> {
    let bucket = format!("file://{}", folder.display());
    let settings =
        Settings::from_env(&Env::of(&[("PLUGIN_BUCKET", &bucket), ("PLUGIN_CONFLICT_TIMEOUT", "1m")]))
            .unwrap();
    let bucket = Bucket::open(&settings.bucket).unwrap();
    let published = fetch_published(&bucket, &package.key(&settings), &package).await.unwrap();
    let index = fetch_index(&bucket, &crate::observe::index_key(&settings)).await.unwrap().0;
    let observed = Observed { package, published, index, now: "2026-11-22T12:00:00Z".parse().unwrap() };
    plan(&settings, observed).map(|plan| (plan, bucket))
}

async fn publish_as_planned((plan, bucket): &(Plan, Bucket)) -> Result<(bool, bool), Error> {
    execute(plan, bucket, &Stop::manual().1)
        .await
        .map(|done| (done.chart, done.index))
        .map_err(|failed| failed.source)
}

fn listed(folder: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(folder.join("index.yaml")).unwrap();
    let mut versions: Vec<String> = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("version: "))
        .map(|text| text.replace('"', ""))
        .collect();
    versions.sort();
    versions
}

#[tokio::test]
async fn publishes_once_and_then_has_nothing_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let first = planned(folder.path(), package("1.0.0", "a")).await.unwrap();
    assert_eq!(publish_as_planned(&first).await.unwrap(), (true, true));
    let before = std::fs::read(folder.path().join("index.yaml")).unwrap();
    let again = planned(folder.path(), package("1.0.0", "a")).await.unwrap();
    assert!(again.0.is_empty());
    assert_eq!(publish_as_planned(&again).await.unwrap(), (false, false));
    assert_eq!(std::fs::read(folder.path().join("index.yaml")).unwrap(), before);
}

#[tokio::test]
async fn a_run_that_was_cut_between_the_writes_is_finished_by_the_next() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("web-1.0.0.tgz"), "a").unwrap();
    let rerun = planned(folder.path(), package("1.0.0", "a")).await.unwrap();
    assert_eq!(publish_as_planned(&rerun).await.unwrap(), (false, true));
    assert_eq!(listed(folder.path()), ["1.0.0"]);
}

#[tokio::test]
async fn of_parallel_publications_none_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let runs = (0..12).map(|number| {
        let folder = folder.path().to_owned();
        tokio::spawn(async move {
            let planned = planned(&folder, package(&format!("1.0.{number}+b"), "a")).await.unwrap();
            publish_as_planned(&planned).await.unwrap()
        })
    });
    for run in runs.collect::<Vec<_>>() {
        assert_eq!(run.await.unwrap(), (true, true));
    }
    assert_eq!(listed(folder.path()).len(), 12);
}

#[tokio::test]
async fn two_that_publish_the_same_at_once_both_succeed() {
    let folder = tempfile::tempdir().unwrap();
    // Both plans are made before either writes.
    let one = planned(folder.path(), package("1.0.0", "a")).await.unwrap();
    let two = planned(folder.path(), package("1.0.0", "a")).await.unwrap();
    assert_eq!(publish_as_planned(&one).await.unwrap(), (true, true));
    assert_eq!(publish_as_planned(&two).await.unwrap(), (false, false));
    assert_eq!(listed(folder.path()), ["1.0.0"]);
}

#[tokio::test]
async fn other_content_that_appears_meanwhile_is_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let late = planned(folder.path(), package("1.0.0", "late")).await.unwrap();
    let first = planned(folder.path(), package("1.0.0", "first")).await.unwrap();
    publish_as_planned(&first).await.unwrap();
    let error = publish_as_planned(&late).await.unwrap_err();
    assert!(matches!(error, Error::OtherContent { .. }), "{error}");
    assert_eq!(std::fs::read_to_string(folder.path().join("web-1.0.0.tgz")).unwrap(), "first");
    assert!(matches!(
        planned(folder.path(), package("1.0.0", "late")).await,
        Err(Error::OtherContent { .. })
    ));
}

#[tokio::test]
async fn a_chart_that_vanished_is_put_back() {
    let folder = tempfile::tempdir().unwrap();
    publish_as_planned(&planned(folder.path(), package("1.0.0", "a")).await.unwrap()).await.unwrap();
    std::fs::remove_file(folder.path().join("web-1.0.0.tgz")).unwrap();
    let rerun = planned(folder.path(), package("1.0.0", "a")).await.unwrap();
    assert_eq!(publish_as_planned(&rerun).await.unwrap(), (true, false));
}
