//! Jenkins: the shared library and the Jenkinsfiles in `examples/jenkins`, executed by Jenkins' Groovy, with the plugins as containers.

pub(crate) mod chain;
mod runs;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use lab::jenkinsfile::{Built, Groovy, Job, groovy};
use lab::{figures, folder, plugin};

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

/// A `docker` that writes its arguments and its environment into files of the workspace and ends as the setting `exit` says.
fn telling_docker(workspace: &Path) -> PathBuf {
    let bin = folder::temporary("bin").unwrap();
    let told = workspace.display();
    let script = format!(
        "#!/bin/sh\nprintf '%s\\0' \"$@\" > '{told}/arguments'\nenv -0 > '{told}/environment'\nexit ${{PLUGIN_EXIT:-0}}\n"
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
    let mut job = job(&pipeline(&[("bump it/now", STEP)]), &workspace, &telling_docker(&workspace));
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
    let of = |pipeline: String| {
        let mut job = job(&pipeline, &workspace, &workspace);
        job.credentials = BTreeMap::from([("token".to_owned(), "t0ken-of-a-test".to_owned())]);
        run(groovy, &job)
    };
    // The shell's echo shows it, and only the mask of the log hides it.
    let shown = of(pipeline(&[("one", &with("sh script: 'echo $TOKEN', returnStatus: true"))]));
    assert!(shown.ended.code == 0 && shown.ended.log.contains("+ echo ****\n****\n"), "{}", shown.ended.log);
    assert!(shown.unmasked.contains("+ echo t0ken-of-a-test"), "{}", shown.unmasked);
    let (in_sh, in_variable) =
        (with("sh script: \"echo ${env.TOKEN}\""), with("withEnv([\"A=${env.TOKEN}\"]) {}"));
    let steps = [
        (&*in_sh, "A secret was passed to \"sh\" by Groovy"),
        (&*in_variable, "A secret was passed to \"withEnv\" by Groovy"),
        (
            "withCredentials([string(credentialsId: 'other', variable: 'A')]) {}",
            "Could not find credentials entry with ID 'other'",
        ),
        ("sh script: 'false; echo went on'", "script returned exit code 1"),
        ("junit testResults: 'none.xml'", "No test report files were found. Configuration error?"),
    ];
    let refused = of(telling(&steps.map(|(step, _)| ("one", step))));
    assert_eq!(caught(&refused), steps.map(|(_, said)| said), "{}", refused.ended.log);
    assert!(!refused.unmasked.contains("\nwent on"), "{}", refused.unmasked);
    let missing = "publishHTML target: [reportDir: 'none', reportFiles: 'a.html', reportName: 'a']";
    assert_eq!(of(pipeline(&[("one", missing)])).ended.code, 1);
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
    let steps: Vec<_> =
        secret.iter().map(|setting| (setting, format!("esteira 'rollout', {setting}: 'wr1tten'"))).collect();
    let mut steps: Vec<(&str, &str)> =
        steps.iter().map(|(setting, step)| (setting.as_str(), step.as_str())).collect();
    steps.push(("odd", "esteira 'rollout', 'a\"; id': 'x'"));
    let workspace = folder::temporary("workspace").unwrap();
    let built = run(groovy, &job(&telling(&steps), &workspace, &telling_docker(&workspace)));
    for setting in &secret {
        assert!(
            built.unmasked.contains(&format!("`{setting}` is a secret")),
            "{setting}: {}",
            built.unmasked
        );
    }
    assert!(!built.unmasked.contains("wr1tten"), "{}", built.unmasked);
    assert!(!workspace.join("arguments").exists(), "docker was run");
    assert!(caught(&built).last().is_some_and(|line| line.contains("is no name of a setting")));
}

/// Stages that each tell why their step failed, and go on.
fn telling(steps: &[(&str, &str)]) -> String {
    let caught =
        |step: &&str| format!("script {{ try {{ {step} }} catch (e) {{ echo \"CAUGHT ${{e.message}}\" }} }}");
    let caught: Vec<String> = steps.iter().map(|(_, step)| caught(step)).collect();
    let stages = steps.iter().zip(&caught).map(|((name, _), step)| (*name, step.as_str()));
    pipeline(&stages.collect::<Vec<_>>())
}

fn caught(built: &Built) -> Vec<&str> {
    built.ended.log.lines().filter_map(|line| line.strip_prefix("CAUGHT ")).collect()
}

#[test]
fn a_failed_stage_says_what_its_exit_code_means() {
    let Some(groovy) = groovy() else { return };
    let workspace = folder::temporary("workspace").unwrap();
    let meanings = [
        ("1", "tried and failed"),
        ("2", "settings"),
        ("3", "some targets"),
        ("75", "temporary"),
        ("125", "`docker run`"),
        ("9", "see the log"),
    ];
    let steps = meanings.map(|(code, _)| (code, format!("esteira 'rpo', exit: {code}")));
    let steps: Vec<(&str, &str)> = steps.iter().map(|(code, step)| (*code, step.as_str())).collect();
    let built = run(groovy, &job(&telling(&steps), &workspace, &telling_docker(&workspace)));
    let caught = caught(&built);
    assert_eq!(caught.len(), meanings.len(), "{}", built.ended.log);
    for (line, (code, meaning)) in caught.iter().zip(meanings) {
        assert!(
            line.contains(&format!("plugin-rpo ended with {code}: ")) && line.contains(meaning),
            "{line}"
        );
    }
}
