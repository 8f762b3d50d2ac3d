//! What the plan decides, from plain values.

use semver::Version;
use shared::settings::Env;

use super::*;
use crate::chart::Metadata;
use crate::index::Index;

fn settings(variables: &[(&str, &str)]) -> Settings {
    let variables: Vec<_> = [("PLUGIN_BUCKET", "file:///b"), ("PLUGIN_PREFIX", "stable")]
        .iter()
        .chain(variables)
        .copied()
        .collect();
    Settings::from_env(&Env::of(&variables)).unwrap()
}

fn package() -> Package {
    let version = Version::parse("1.4.0+7").unwrap();
    let metadata = Metadata { name: "web".into(), version: version.to_string(), ..Metadata::default() };
    Package {
        metadata,
        version,
        bytes: "bytes".into(),
        digest: Digest::of(b"ours"),
        content: Digest::of(b"content"),
    }
}

fn same(digest: &[u8]) -> Option<Published> {
    Some(Published { digest: Digest::of(digest), is_same_content: true })
}

fn observed(published: Option<Published>, listed: Option<&[u8]>) -> Observed {
    let entry = |digest: &[u8]| {
        format!(
            "apiVersion: v1\nentries:\n  web:\n  - version: 1.4.0+7\n    digest: {}\n",
            Digest::of(digest)
        )
    };
    let index = listed.map_or_else(Index::default, |digest| Index::read(entry(digest).as_bytes()).unwrap());
    Observed { package: package(), published, index, now: "2026-11-22T12:00:00Z".parse().unwrap() }
}

fn decided(published: Option<Published>, listed: Option<&[u8]>) -> Result<(bool, bool), String> {
    let plan = plan(&settings(&[]), observed(published, listed)).map_err(|error| error.to_string())?;
    assert_eq!(plan.is_empty(), !plan.chart && !plan.index);
    Ok((plan.chart, plan.index))
}

#[test]
fn what_is_missing_is_done_and_nothing_else() {
    assert_eq!(decided(None, None), Ok((true, true)));
    assert_eq!(decided(same(b"ours"), None), Ok((false, true)), "a run was cut between the two writes");
    assert_eq!(decided(None, Some(b"ours")), Ok((true, false)), "somebody deleted the chart");
    assert_eq!(decided(same(b"ours"), Some(b"ours")), Ok((false, false)));
}

#[test]
fn the_same_content_in_other_bytes_is_as_good() {
    let plan = plan(&settings(&[]), observed(same(b"as helm packed it"), None)).unwrap();
    assert_eq!((plan.chart, plan.digest.clone()), (false, Digest::of(b"as helm packed it")));
    assert_eq!(plan.entry(&plan.digest)["digest"], Digest::of(b"as helm packed it").hex());
    assert_eq!(decided(same(b"as helm packed it"), Some(b"as helm packed it")), Ok((false, false)));
}

#[test]
fn other_content_is_refused_with_both_digests() {
    let other = Some(Published { digest: Digest::of(b"other"), is_same_content: false });
    let expected = |place: &str| {
        let (published, ours) = (Digest::of(b"other"), Digest::of(b"ours"));
        format!(
            "did not publish `stable/web-1.4.0+7.tgz`: this version is published with other content\n  {place}: sha256 {published}\n  to publish: sha256 {ours}"
        )
    };
    assert_eq!(decided(other.clone(), None).unwrap_err(), expected("in the bucket"));
    assert_eq!(decided(other, Some(b"ours")).unwrap_err(), expected("in the bucket"));
    assert_eq!(decided(None, Some(b"other")).unwrap_err(), expected("in `stable/index.yaml`"));
    assert_eq!(decided(same(b"ours"), Some(b"other")).unwrap_err(), expected("in `stable/index.yaml`"));
}

#[test]
fn an_entry_without_digest_proves_nothing() {
    let mut observed = observed(None, None);
    observed.index = Index::read(b"entries:\n  web:\n  - version: 1.4.0+7\n").unwrap();
    assert!(plan(&settings(&[]), observed).unwrap_err().to_string().contains("(none given)"));
}

#[test]
fn an_index_that_cannot_be_extended_is_met_before_anything_is_written() {
    let mut observed = observed(None, None);
    observed.index = Index::read(b"{\"apiVersion\": \"v1\", \"entries\": {}}").unwrap();
    let error = plan(&settings(&[]), observed).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot add the chart to the index `stable/index.yaml`; it was left as it is"
    );
}

#[test]
fn the_address_is_a_file_name_or_begins_with_the_setting() {
    let url = |variables: &[_]| plan(&settings(variables), observed(None, None)).unwrap().url;
    assert_eq!(url(&[]), "web-1.4.0%2B7.tgz");
    assert_eq!(
        url(&[("PLUGIN_CHART_URL", "https://charts.example.com/stable")]),
        "https://charts.example.com/stable/web-1.4.0%2B7.tgz"
    );
}

#[test]
fn the_dry_run_names_what_would_be_written() {
    let text = plan(&settings(&[]), observed(None, None)).unwrap().to_string();
    let digest = Digest::of(b"ours");
    assert_eq!(
        text,
        format!(
            "web 1.4.0+7, sha256 {digest}\n  upload `stable/web-1.4.0+7.tgz`, 5 bytes\n  list it in `stable/index.yaml` as `web-1.4.0%2B7.tgz`"
        )
    );
}
