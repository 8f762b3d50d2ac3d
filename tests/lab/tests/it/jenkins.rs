//! Jenkins: the shared library and the Jenkinsfiles in `examples/jenkins`, executed by Jenkins' Groovy, with the plugins as containers.

pub(crate) mod chain;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use lab::jenkinsfile::{Built, Groovy, Job, groovy};
use lab::wire::{Answer, Wire};
use lab::{Containers, containers, figures, folder, plugin, process, schema};

fn library() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/jenkins")
}

/// A build on an agent whose `docker` lies in `bin`.
fn job(pipeline: &str, workspace: &Path, bin: &Path) -> Job {
    let path = format!("{}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", bin.display());
    let environment = [
        ("PATH", path),
        ("ESTEIRA_VERSION", env!("CARGO_PKG_VERSION").to_owned()),
        ("ESTEIRA_DOCKER_OPTIONS", "--network host".to_owned()),
    ];
    Job {
        pipeline: pipeline.to_owned(),
        workspace: workspace.to_owned(),
        environment: environment.map(|(name, value)| (name.to_owned(), value)).into(),
        ..Job::default()
    }
}

/// Stages of one step each.
fn pipeline(stages: &[(&str, &str)]) -> String {
    let stage = |(name, step): &(&str, &str)| format!("    stage('{name}') {{ steps {{ {step} }} }}\n");
    let stages: String = stages.iter().map(stage).collect();
    format!(
        "@Library('esteira') _\npipeline {{\n  agent {{ label 'docker' }}\n  stages {{\n{stages}  }}\n}}\n"
    )
}

fn run(groovy: &Groovy, job: &Job) -> Built {
    groovy.run(job, &library()).unwrap()
}

/// A `docker` that writes its arguments and its environment into files of the workspace and ends with `code`.
fn telling_docker(workspace: &Path, code: u8) -> PathBuf {
    let bin = folder::temporary("bin").unwrap();
    let told = workspace.display();
    let script = format!(
        "#!/bin/sh\nprintf '%s\\0' \"$@\" > '{told}/arguments'\nenv -0 > '{told}/environment'\nexit {code}\n"
    );
    fs::write(bin.join("docker"), script).unwrap();
    fs::set_permissions(bin.join("docker"), fs::Permissions::from_mode(0o755)).unwrap();
    bin
}

fn told(workspace: &Path, file: &str) -> Vec<String> {
    let text = fs::read_to_string(workspace.join(file)).unwrap();
    text.split_terminator('\0').map(str::to_owned).collect()
}

/// Every form of a value, with what shells and Groovy make something else of.
const STEP: &str = r#"script {
    def name = 'web'
    esteira 'image-bump', text: "of ${name}", shell: '''$HOME `id` "q" 'p' \\ ; *
second line é''', number: 1234567, half: 1.50, yes: true, no: false, list: ['a,b', "${name}", 3], empty_list: [],
        map: [key: 'v"al', deep: [1, true, null]], nothing: null, empty: '', secrets: [git_token: 'token'], secret_files: [kubeconfig: 'cluster']
}"#;
const ARRIVED: [(&str, &str); 14] = [
    ("PLUGIN_TEXT", "of web"),
    ("PLUGIN_SHELL", "$HOME `id` \"q\" 'p' \\ ; *\nsecond line é"),
    ("PLUGIN_NUMBER", "1234567"),
    ("PLUGIN_HALF", "1.50"),
    ("PLUGIN_YES", "true"),
    ("PLUGIN_NO", "false"),
    ("PLUGIN_LIST", r#"["a,b","web",3]"#),
    ("PLUGIN_EMPTY_LIST", "[]"),
    ("PLUGIN_MAP", r#"{"key":"v\"al","deep":[1,true,null]}"#),
    ("PLUGIN_GIT_TOKEN", "t0ken-$HOME-\"'"),
    ("PLUGIN_REPORT_DIR", "esteira-reports/bump-it-now-image-bump"),
    ("STAGE_NAME", "bump it/now"),
    ("BUILD_TAG", "jenkins-erp-7"),
    ("ESTEIRA_IMAGE", concat!("registry.example.com/esteira/plugin-image-bump:", env!("CARGO_PKG_VERSION"))),
];

#[test]
fn settings_arrive_as_they_are_written_and_only_by_the_environment() {
    let Some(groovy) = groovy() else { return };
    // Jenkins' own names have such characters: a second build at a time gets `@2`.
    let workspace = folder::temporary("workspace").unwrap().join("chart of erp@2");
    fs::create_dir(&workspace).unwrap();
    let mut job = job(&pipeline(&[("bump it/now", STEP)]), &workspace, &telling_docker(&workspace, 0));
    job.credentials = BTreeMap::from([
        ("token".to_owned(), "t0ken-$HOME-\"'".to_owned()),
        ("cluster".to_owned(), "apiVersion: v1\n".to_owned()),
    ]);
    let built = run(groovy, &job);
    assert_eq!(built.ended.code, 0, "{}", built.ended.log);
    let variables = told(&workspace, "environment");
    let all: BTreeMap<&str, &str> = variables.iter().filter_map(|line| line.split_once('=')).collect();
    for (name, value) in ARRIVED {
        assert_eq!(all.get(name), Some(&value), "{name}");
    }
    assert!(!all.contains_key("PLUGIN_NOTHING") && !all.contains_key("PLUGIN_EMPTY"), "{all:?}");
    let arguments = told(&workspace, "arguments");
    let place = workspace.display().to_string();
    for (name, value) in ARRIVED.iter().filter(|(name, _)| name.starts_with("PLUGIN_")) {
        assert!(arguments.iter().any(|argument| argument == name), "{name}: {arguments:?}");
        let tells = |argument: &String| argument.contains(value) && !argument.contains(&place);
        assert!(!arguments.iter().any(tells), "{name}: {arguments:?}");
    }
    for mounted in [format!("{place}:{place}"), format!("{0}:{0}:ro", all["PLUGIN_KUBECONFIG"])] {
        assert!(arguments.contains(&mounted), "{mounted}: {arguments:?}");
    }
    assert!(!Path::new(all["PLUGIN_KUBECONFIG"]).exists(), "the secret's file is left");
    assert!(!built.unmasked.contains("t0ken"), "{}", built.unmasked);
    figures::note("jenkins", "settings arrived as they were written", ARRIVED.len() as u64).unwrap();
}

#[test]
fn the_definitions_of_the_steps_have_the_traps_of_jenkins() {
    let Some(groovy) = groovy() else { return };
    let workspace = folder::temporary("workspace").unwrap();
    let with = |body: &str| {
        format!("withCredentials([string(credentialsId: 'token', variable: 'TOKEN')]) {{ {body} }}")
    };
    let of = |stages: &[(&str, &str)]| {
        let mut job = job(&pipeline(stages), &workspace, &workspace);
        job.credentials = BTreeMap::from([("token".to_owned(), "t0ken-of-a-test".to_owned())]);
        run(groovy, &job)
    };
    // The shell's echo shows it, and only the mask of the log hides it.
    let shown = of(&[("one", &with("sh script: 'echo $TOKEN', returnStatus: true"))]);
    assert!(shown.ended.code == 0 && shown.ended.log.contains("+ echo ****\n****\n"), "{}", shown.ended.log);
    assert!(shown.unmasked.contains("+ echo t0ken-of-a-test"), "{}", shown.unmasked);
    let refused = [
        (with("sh script: \"echo ${env.TOKEN}\""), "A secret was passed to \"sh\""),
        (with("withEnv([\"A=${env.TOKEN}\"]) {}"), "A secret was passed to \"withEnv\""),
        ("withCredentials([string(credentialsId: 'other', variable: 'A')]) {}".to_owned(), "with ID 'other'"),
        ("sh script: 'false; echo went on'".to_owned(), "script returned exit code 1"),
        ("junit testResults: 'none.xml'".to_owned(), "No test report files were found"),
        (
            "publishHTML target: [reportDir: 'none', reportFiles: 'a.html', reportName: 'a']".to_owned(),
            "does not exist",
        ),
    ];
    for (step, wanted) in refused {
        let built = of(&[("one", &step)]);
        assert!(built.ended.code == 1 && built.ended.log.contains(wanted), "{step}: {}", built.ended.log);
        assert!(!built.ended.log.contains("t0ken") && !built.ended.log.contains("\nwent on"), "{step}");
    }
}

#[test]
fn a_secret_cannot_be_written_into_a_pipeline() {
    let Some(groovy) = groovy() else { return };
    let mut secret = Vec::new();
    for name in plugin::all().unwrap() {
        let folder = library().join("../../plugins").join(name.trim_start_matches("plugin-"));
        let text = fs::read_to_string(folder.join("content.yaml")).unwrap();
        let content: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
        for (setting, property) in content["properties"].as_object().unwrap() {
            // Of `set`, some values may be secret; it is a map, which is written down.
            if property["secret"] == true && setting != "set" && !secret.contains(setting) {
                secret.push(setting.clone());
            }
        }
    }
    assert!(secret.len() >= 10, "{secret:?}");
    let steps: Vec<String> = secret
        .iter()
        .map(|setting| {
            format!("script {{ try {{ esteira 'rollout', {setting}: 'wr1tten' }} catch (e) {{ echo e.message }} }}")
        })
        .collect();
    let stages: Vec<(&str, &str)> =
        secret.iter().map(String::as_str).zip(steps.iter().map(String::as_str)).collect();
    let workspace = folder::temporary("workspace").unwrap();
    let built = run(groovy, &job(&pipeline(&stages), &workspace, &telling_docker(&workspace, 0)));
    for setting in &secret {
        assert!(
            built.unmasked.contains(&format!("`{setting}` is a secret")),
            "{setting}: {}",
            built.unmasked
        );
    }
    assert!(!built.unmasked.contains("wr1tten"), "{}", built.unmasked);
    assert!(!workspace.join("arguments").exists(), "docker was run");

    let odd = pipeline(&[("odd", "esteira 'rollout', 'a\"; id': 'x'")]);
    let built = run(groovy, &job(&odd, &workspace, &telling_docker(&workspace, 0)));
    assert_eq!(built.ended.code, 1);
    assert!(built.ended.log.contains("is no name of a setting"), "{}", built.ended.log);
}

#[test]
fn a_failed_stage_says_what_its_exit_code_means() {
    let Some(groovy) = groovy() else { return };
    let workspace = folder::temporary("workspace").unwrap();
    for (code, meaning) in [
        (1, "tried and failed"),
        (2, "settings"),
        (3, "some targets"),
        (75, "temporary"),
        (125, "`docker run`"),
    ] {
        let stages = [("rpo", "esteira 'rpo', release: '12.1.2410'"), ("package", "echo 'went on'")];
        let built = run(groovy, &job(&pipeline(&stages), &workspace, &telling_docker(&workspace, code)));
        assert_eq!(built.ended.code, 1, "{code}");
        let line = built.ended.log.lines().find(|line| line.starts_with("ERROR: ")).unwrap();
        assert!(
            line.contains(&format!("plugin-rpo ended with {code}: ")) && line.contains(meaning),
            "{line}"
        );
        assert!(built.ended.log.ends_with("Finished: FAILURE\n") && !built.ended.log.contains("went on"));
    }
}

/// A stage of a report of an earlier build that must not be taken for this one's.
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
    let built = run(groovy, &job(&pipeline(&stages), &workspace, &telling_docker(&workspace, 125)));
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
    build.abort().unwrap();
    let built = build.wait().unwrap();
    assert!(built.ended.log.contains("told to stop"), "{}", built.ended.log);
    assert!(built.ended.log.ends_with("Finished: ABORTED\n"), "{}", built.ended.log);
    let page = built.archive.join("html/Esteira image-bump/report.json");
    let report: serde_json::Value = serde_json::from_slice(&fs::read(page).unwrap()).unwrap();
    assert_eq!(report["exit_code"], 75, "{report}");
    assert!(running(containers).is_empty(), "the container goes on");
}

/// Containers of this test's image that still run.
fn running(containers: &Containers) -> String {
    let mut podman = containers.command("podman");
    podman.args(["ps", "--quiet", "--filter", "ancestor=registry.example.com/esteira/plugin-image-bump"]);
    process::output(podman, "").unwrap().trim().to_owned()
}
