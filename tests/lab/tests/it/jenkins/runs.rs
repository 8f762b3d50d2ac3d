//! Single stages with a plugin in a container: one that fails, and one that is aborted.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use lab::jenkinsfile::groovy;
use lab::wire::{Answer, Wire};
use lab::{containers, folder, schema};

use super::{job, library, pipeline, run, telling_docker};

/// A report of an earlier build that must not be taken for this one's.
fn leave_old_report(workspace: &Path, stage: &str) {
    let folder = workspace.join("esteira-reports").join(stage);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("report.html"), "old").unwrap();
    fs::write(folder.join("junit.xml"), "<testsuite><testcase name='old'/></testsuite>").unwrap();
}

#[test]
fn a_failing_plugin_fails_the_build_and_its_report_is_archived_all_the_same() {
    let (Some(groovy), Some(containers)) = (groovy(), containers()) else { return };
    containers.image("plugin-rpo").unwrap();
    let workspace = folder::temporary("workspace").unwrap();
    leave_old_report(&workspace, "rpo");
    let stages = [("rpo", "esteira 'rpo', release: '12.1.2410'"), ("package", "echo 'went on'")];
    let built = run(groovy, &job(&pipeline(&stages), &workspace, &containers.docker()));
    assert!(built.ended.log.contains("PLUGIN_BUCKET: required"), "{}", built.ended.log);
    assert!(
        built.ended.log.contains("plugin-rpo ended with 2: its settings cannot be used"),
        "{}",
        built.ended.log
    );
    assert!(built.ended.log.ends_with("Finished: FAILURE\n") && !built.ended.log.contains("went on"));
    let junit = built.archive.join("junit/esteira-reports/rpo/junit.xml");
    assert!(fs::read_to_string(&junit).unwrap().contains("PLUGIN_BUCKET"));
    schema::check_junit(&[junit]).unwrap();
    let page = fs::read_to_string(built.archive.join("html/Esteira rpo/report.html")).unwrap();
    assert!(
        page.contains("PLUGIN_BUCKET") && page.contains("https://jenkins.example.com/job/erp/7/"),
        "{page}"
    );

    // Where docker itself fails, no report is better than an old one.
    leave_old_report(&workspace, "rpo");
    let stages = [("rpo", "esteira 'rpo', exit: 125")];
    let built = run(groovy, &job(&pipeline(&stages), &workspace, &telling_docker(&workspace)));
    assert_eq!(built.ended.code, 1);
    assert!(!built.archive.join("junit").exists() && !built.archive.join("html").exists());
}

#[test]
fn an_aborted_build_tells_the_plugin_to_stop() {
    let (Some(groovy), Some(containers)) = (groovy(), containers()) else { return };
    containers.image("plugin-image-bump").unwrap();
    let workspace = folder::temporary("workspace").unwrap();
    // It never answers within the time of this test.
    let (asked, was_asked) = mpsc::channel();
    let server = Wire::start(move |_| {
        let _ = asked.send(());
        std::thread::sleep(Duration::from_secs(60));
        Answer::json("200 OK", "{}")
    })
    .unwrap();
    let step = format!(
        "esteira 'image-bump', git_server: '{}', repository: 'erp/images', components: [rpo: '12.1.2410'], secrets: [git_token: 'token']",
        server.url()
    );
    let mut job = job(&pipeline(&[("bump", &step)]), &workspace, &containers.docker());
    job.credentials = BTreeMap::from([("token".to_owned(), "s3cr3t-token".to_owned())]);
    let mut build = groovy.start(&job, &library()).unwrap();
    was_asked.recv_timeout(Duration::from_secs(60)).unwrap_or_else(|_| panic!("{}", build.log()));
    assert_eq!(containers.in_folder(&workspace).unwrap().len(), 1);
    build.abort().unwrap();
    let built = build.wait().unwrap();
    assert!(built.ended.log.contains("told to stop"), "{}", built.ended.log);
    assert!(built.ended.log.ends_with("Finished: ABORTED\n"), "{}", built.ended.log);
    let page = built.archive.join("html/Esteira image-bump/report.json");
    let report: serde_json::Value = serde_json::from_slice(&fs::read(page).unwrap()).unwrap();
    assert_eq!(report["exit_code"], 75, "{report}");
    assert!(containers.in_folder(&workspace).unwrap().is_empty(), "the container goes on");
}
