//! What the plan decides, from plain values.

use shared::failure::{Exit, Fault as _};
use shared::settings::Env;

use super::*;
use crate::gitea::{Commit, File};

fn settings() -> Settings {
    let env = Env::of(&[
        ("PLUGIN_GIT_SERVER", "https://git.example.com"),
        ("PLUGIN_GIT_TOKEN", "t"),
        ("PLUGIN_REPOSITORY", "team/images"),
        ("PLUGIN_COMPONENTS", "{\"rpo\": \"2.0\"}"),
        ("PLUGIN_VERSION_FILE", "VERSION"),
        ("PLUGIN_VERSION", "2.0"),
    ]);
    Settings::from_env(&env).unwrap()
}

fn head(name: &str, commit: &str) -> Branch {
    Branch { name: name.into(), commit: commit.into(), is_protected: false }
}

fn file(content: &str) -> Option<File> {
    Some(File { sha: format!("blob of {}", content.trim()), content: content.into() })
}

/// The base before the change; no version branch, no pull request.
fn fresh() -> Observed {
    let found = |(path, wanted): (&String, _), content| FoundFile {
        path: path.clone(),
        wanted: Clone::clone(wanted),
        on_base: file(content),
        on_branch: None,
    };
    let settings = settings();
    let files = settings
        .files
        .iter()
        .zip(["1.0\n", "RPO_VERSION = 1.0\n"])
        .map(|(file, content)| found(file, content))
        .collect();
    Observed {
        default_branch: "main".into(),
        base: Some(head("develop", "base1")),
        branch: None,
        files,
        pull_request: None,
    }
}

fn on_branch(mut observed: Observed, contents: [&str; 2], ahead: Vec<Commit>) -> Observed {
    observed.branch = Some(VersionBranch { head: head("esteira/bump", "bump1"), ahead });
    for (found, content) in observed.files.iter_mut().zip(contents) {
        found.on_branch = file(content);
    }
    observed
}

const DONE: [&str; 2] = ["2.0\n", "RPO_VERSION = 2.0\n"];

fn ours(parent: &str) -> Commit {
    Commit {
        sha: "bump1".into(),
        parents: vec![parent.into()],
        message: format!("Update\n\n{}\n", message::MARK),
        files: vec!["VERSION".into(), "component-versions.mk".into()],
    }
}

/// Somebody's commit.
fn foreign() -> Commit {
    Commit { message: "Fix the build\n\nAt last.".into(), files: vec!["Dockerfile".into()], ..ours("x") }
}

fn open(observed: Observed) -> Observed {
    let text = match plan(&settings(), fresh()).unwrap().pull_request {
        PullRequestPlan::Open(text) => text,
        other => panic!("{other:?}"),
    };
    // As a server gives it back.
    let body = text.body.trim().replace('\n', "\r\n");
    let pull_request =
        PullRequest { number: 7, url: "https://git.example.com/7".into(), title: text.title, body };
    Observed { pull_request: Some(pull_request), ..observed }
}

fn decide(observed: Observed) -> (bool, PullRequestPlan) {
    let plan = plan(&settings(), observed).unwrap();
    (plan.commit.is_some(), plan.pull_request)
}

#[test]
fn a_new_version_is_committed_and_proposed() {
    let plan = plan(&settings(), fresh()).unwrap();
    let commit = plan.commit.as_ref().unwrap();
    assert_eq!(commit.files[0].content, b"2.0\n");
    assert_eq!(commit.files[0].base_blob.as_deref(), Some("blob of 1.0"));
    assert_eq!(commit.files[1].content, b"RPO_VERSION = 2.0\n");
    assert_eq!(
        plan.to_string(),
        "VERSION:1: 1.0 -> 2.0\ncomponent-versions.mk:1: RPO_VERSION 1.0 -> 2.0\n\
         commit to `esteira/bump` of team/images, on top of `develop`\nopen a pull request to `develop`: Update to 2.0"
    );
}

#[test]
fn the_same_again_changes_nothing() {
    let observed = open(on_branch(fresh(), DONE, vec![ours("base1")]));
    assert!(plan(&settings(), observed.clone()).unwrap().is_empty());
    // Other files of the base moving on is no reason for a new build of the branch.
    let moved = Observed { base: Some(head("develop", "base2")), ..observed };
    assert!(plan(&settings(), moved).unwrap().is_empty());
}

#[test]
fn a_run_that_was_cut_after_the_commit_is_finished() {
    let (commits, pull_request) = decide(on_branch(fresh(), DONE, vec![ours("base1")]));
    assert!(!commits && matches!(pull_request, PullRequestPlan::Open(_)));
}

#[test]
fn an_old_branch_with_the_right_content_begins_anew() {
    // Merged and reverted since, or left over from another base.
    for ahead in [vec![], vec![ours("base0")], vec![ours("bump0"), ours("base1")]] {
        assert!(decide(on_branch(fresh(), DONE, ahead)).0);
    }
}

#[test]
fn a_newer_version_moves_the_branch_of_the_same_pull_request() {
    let mut observed = open(on_branch(fresh(), ["1.5\n", "RPO_VERSION = 1.5\n"], vec![ours("base1")]));
    observed.pull_request.as_mut().unwrap().title = "Update to 1.5".into();
    let (commits, pull_request) = decide(observed);
    assert!(commits && matches!(pull_request, PullRequestPlan::Refresh(PullRequest { number: 7, .. }, _)));
}

#[test]
fn only_the_text_is_refreshed_when_only_the_text_differs() {
    let mut observed = open(on_branch(fresh(), DONE, vec![ours("base1")]));
    observed.pull_request.as_mut().unwrap().body = "old".into();
    let (commits, pull_request) = decide(observed);
    assert!(!commits && matches!(pull_request, PullRequestPlan::Refresh(..)));
}

#[test]
fn what_an_earlier_run_changed_beside_it_is_taken_back() {
    let wider = Commit { files: vec!["VERSION".into(), "values.yaml".into()], ..ours("base1") };
    let (commits, pull_request) = decide(open(on_branch(fresh(), DONE, vec![wider])));
    assert!(commits && matches!(pull_request, PullRequestPlan::Keep(_)));
}

#[test]
fn a_file_that_changed_on_the_base_begins_anew() {
    let mut observed = open(on_branch(fresh(), DONE, vec![ours("base1")]));
    observed.files[1].on_base = file("# new\nRPO_VERSION = 1.0\n");
    assert!(decide(observed).0);
}

#[test]
fn with_everything_on_the_base_there_is_nothing_to_do() {
    let mut observed = fresh();
    for (found, content) in observed.files.iter_mut().zip(DONE) {
        found.on_base = file(content);
    }
    let none = plan(&settings(), observed.clone()).unwrap();
    assert!(none.is_empty() && none.pull_request == PullRequestPlan::None);
    let left_over = plan(&settings(), open(on_branch(observed, DONE, vec![ours("base0")]))).unwrap();
    assert!(left_over.is_empty());
    assert_eq!(
        left_over.to_string(),
        "`develop` of team/images holds everything already\nleave pull request #7, which brings nothing"
    );
}

#[test]
fn a_file_that_is_right_already_is_not_in_the_commit() {
    let mut observed = fresh();
    observed.files[0].on_base = file("2.0\n");
    let commit = plan(&settings(), observed).unwrap().commit.unwrap();
    let blobs: Vec<bool> = commit.files.iter().map(|file| file.base_blob.is_some()).collect();
    assert_eq!(blobs, [false, true]);
}

#[test]
fn somebody_elses_work_is_not_overwritten() {
    let before = ["1.5\n", "RPO_VERSION = 1.5\n"];
    let error = plan(&settings(), on_branch(fresh(), before, vec![foreign(), ours("base1")])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`esteira/bump` is not overwritten: it holds a commit of somebody else: bump1 `Fix the build`"
    );
    // What needs no overwriting is fine.
    assert!(!decide(open(on_branch(fresh(), DONE, vec![foreign(), ours("base1")]))).0);
    // The server's button that merges the base into the branch.
    let merge = Commit {
        parents: vec!["bump1".into(), "base2".into()],
        message: "Merge branch".into(),
        files: vec![],
        ..foreign()
    };
    assert!(decide(on_branch(fresh(), before, vec![merge, ours("base1")])).0);

    let mut guarded = on_branch(fresh(), before, vec![]);
    guarded.branch.as_mut().unwrap().head.is_protected = true;
    assert!(plan(&settings(), guarded).unwrap_err().to_string().ends_with("it is protected"));
    let default = Observed { default_branch: "esteira/bump".into(), ..fresh() };
    assert!(plan(&settings(), default).unwrap_err().to_string().ends_with("default branch"));
}

#[test]
fn everything_that_cannot_be_changed_is_named_at_once() {
    let mut observed = fresh();
    observed.files[0].on_base = None;
    observed.files[1].on_base = file("RPO_VERSION = $(X)\n");
    let error = plan(&settings(), observed).unwrap_err();
    assert_eq!(
        error.to_string(),
        "2 of the values cannot be changed; nothing was changed:\n  `VERSION`: there is no such file on `develop`\n  \
         `component-versions.mk`, line 1: `RPO_VERSION` is made of other variables"
    );
    assert_eq!(error.exit(), Exit::Failed);
    let error = plan(&settings(), Observed { base: None, ..fresh() }).unwrap_err();
    assert_eq!(error.to_string(), "there is no branch `develop` in team/images: look at `base`");
}
