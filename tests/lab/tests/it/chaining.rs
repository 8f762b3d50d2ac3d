//! Values from step to step, with the plugins as processes: in one workspace, to steps that are no plugins, and through the bucket to pipelines of
//! other repositories.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lab::plugin::{self, Ended};
use lab::{figures, folder, ports, process};
use serde_json::{Value, json};

/// A workspace with component folders, and the settings that pack them into a folder.
struct Pipeline {
    workspace: PathBuf,
    settings: Vec<(&'static str, String)>,
}

impl Pipeline {
    fn new(components: &[(&str, &str)]) -> Self {
        let workspace = folder::temporary("workspace").unwrap();
        for (name, version) in components {
            let folder = workspace.join("components").join(name);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("VERSION"), format!("{version}\n")).unwrap();
        }
        let bucket = folder::temporary("bucket").unwrap();
        let settings = vec![
            ("bucket", format!("file://{}", bucket.display())),
            ("source", "components".to_owned()),
            ("mirror", "mirror".to_owned()),
        ];
        Self { workspace, settings }
    }

    fn run(&self, more: &[(&'static str, &str)]) -> Ended {
        let settings = with(&self.settings, more);
        plugin::run("plugin-package", &self.workspace, &settings).unwrap()
    }

    /// Another step's outputs, which any step may write.
    fn outputs(&self, step: &str, outputs: &Value) {
        fs::create_dir_all(self.workspace.join(".esteira")).unwrap();
        fs::write(self.workspace.join(format!(".esteira/{step}.json")), outputs.to_string()).unwrap();
    }
}

fn with(settings: &[(&'static str, String)], more: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
    let mut all = settings.to_vec();
    all.retain(|(name, _)| more.iter().all(|(other, _)| other != name));
    all.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
    all
}

fn noted(what: &str) {
    figures::note("chaining", what, 1).unwrap();
}

#[test]
fn an_output_that_is_absent_is_told_with_what_is_there() {
    let pipeline = Pipeline::new(&[("web", "1.0")]);
    assert_eq!(pipeline.run(&[]).code, 0);
    let ended = pipeline.run(&[
        ("rpo", "@rpo.rpo"),
        ("rpo_version", "@package.version"),
        ("components", "[\"web\", \"@package.names\"]"),
    ]);
    assert_eq!(ended.code, 2, "{}", ended.log);
    for said in [
        "PLUGIN_RPO: `@rpo.rpo` asks for `.esteira/rpo.json`, which no earlier step wrote in this workspace (there: `package`)",
        "PLUGIN_RPO_VERSION: `@package.version` asks for `version` in `.esteira/package.json`, which has only `versions`, `archives`, `digests`",
        "PLUGIN_COMPONENTS: `@package.names` asks for `names`",
        "3 settings cannot be used; nothing was touched",
    ] {
        assert!(ended.log.contains(said), "{said} is not in:\n{}", ended.log);
    }
    noted("an absent output is one clear problem, in lists too");
}

#[test]
fn outputs_that_cannot_be_read_are_told() {
    let pipeline = Pipeline::new(&[("web", "1.0")]);
    fs::write(pipeline.workspace.join(".esteira"), "a file where the folder should be").unwrap();
    let ended = pipeline.run(&[("components", "@names.all")]);
    assert_eq!(ended.code, 2, "{}", ended.log);
    assert!(ended.log.contains("`.esteira` is there, but cannot be read: "), "{}", ended.log);
    fs::remove_file(pipeline.workspace.join(".esteira")).unwrap();
    pipeline.outputs("names", &json!("no map"));
    let ended = pipeline.run(&[("components", "@names.all")]);
    assert_eq!(ended.code, 2, "{}", ended.log);
    assert!(ended.log.contains("`.esteira/names.json` is there, but cannot be read: "), "{}", ended.log);
    noted("an unreadable `.esteira` is told");
}

#[test]
fn outputs_are_taken_inside_of_lists_and_maps() {
    let pipeline = Pipeline::new(&[("web", "1.0"), ("api", "2.0"), ("jobs", "3.0"), ("left", "4.0")]);
    pipeline.outputs("names", &json!({ "one": "web", "many": ["api", "jobs"] }));
    for components in ["@names.one,@names.many", "[\"@names.one\", \"api\", \"jobs\"]", "web\n@names.many\n"]
    {
        let ended = pipeline.run(&[("components", components), ("dry_run", "true")]);
        assert_eq!(ended.code, 0, "{components}: {}", ended.log);
        let packed = ["web 1.0: upload", "api 2.0: upload", "jobs 3.0: upload"];
        assert!(packed.iter().all(|line| ended.log.contains(line)), "{components}: {}", ended.log);
        assert!(!ended.log.contains("left 4.0"), "{components}: {}", ended.log);
    }
    noted("an output as an item of a list, in all its forms");
}

#[test]
fn a_plugin_that_runs_twice_keeps_two_sets_of_outputs() {
    let pipeline = Pipeline::new(&[("web", "1.0"), ("api", "2.0")]);
    for name in ["web", "api"] {
        let ended = pipeline.run(&[("components", name), ("output_as", &format!("of-{name}"))]);
        assert_eq!(ended.code, 0, "{}", ended.log);
    }
    let versions = |step| plugin::outputs(&pipeline.workspace, step).unwrap()["versions"].clone();
    assert_eq!((versions("of-web"), versions("of-api")), (json!({ "web": "1.0" }), json!({ "api": "2.0" })));
    assert!(!pipeline.workspace.join(".esteira/package.json").exists());
    noted("two runs in one pipeline by `output_as`");
}

#[test]
fn a_dry_run_hands_nothing_on() {
    let pipeline = Pipeline::new(&[("web", "1.0")]);
    let ended = pipeline.run(&[("dry_run", "true"), ("output_file", "out.env"), ("handoff", "handoff")]);
    assert_eq!(ended.code, 0, "{}", ended.log);
    assert!(!pipeline.workspace.join(".esteira").exists() && !pipeline.workspace.join("out.env").exists());
}

#[test]
fn a_shell_reads_the_output_file_and_harness_its_own() {
    let pipeline = Pipeline::new(&[("web", "1.0"), ("reports", "2.0")]);
    fs::write(pipeline.workspace.join("drone.env"), "EARLIER=1\n").unwrap();
    let settings = with(&pipeline.settings, &[("output_file", "out/values.env")]);
    let mut command = plugin::command("plugin-package", &pipeline.workspace, &settings).unwrap();
    command.env("DRONE_OUTPUT", pipeline.workspace.join("drone.env"));
    process::output(command, "").unwrap();
    let outputs = plugin::outputs(&pipeline.workspace, "package").unwrap();

    for key in ["versions", "archives", "digests"] {
        let mut shell = process::command("sh");
        shell.current_dir(&pipeline.workspace).args([
            "-eu",
            "-c",
            &format!(". ./out/values.env; printf %s \"${key}\""),
        ]);
        let value: Value = serde_json::from_str(&process::output(shell, "").unwrap()).unwrap();
        assert_eq!(value, outputs[key], "{key}");
    }
    let lines = fs::read_to_string(pipeline.workspace.join("drone.env")).unwrap();
    let mut lines = lines.lines();
    assert_eq!(lines.next(), Some("EARLIER=1"));
    for (line, key) in lines.by_ref().zip(["versions", "archives", "digests"]) {
        let encoded = line.strip_prefix(&format!("{key}=__B64__")).unwrap();
        let text = STANDARD.decode(encoded).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&text).unwrap(), outputs[key], "{key}");
    }
    assert_eq!(lines.next(), None);
    noted("`output_file` read by a shell, DRONE_OUTPUT as its reader decodes it");
}

async fn s3() -> Vec<(&'static str, String)> {
    let s3 = lab::s3();
    vec![
        ("bucket", format!("s3://{}", s3.create_bucket().await.unwrap())),
        ("endpoint", s3.endpoint().to_owned()),
        ("access_key", s3.access_key().to_owned()),
        ("secret_key", s3.secret_key().to_owned()),
        ("handoff", "handoff/erp".to_owned()),
    ]
}

fn in_bucket(pipeline: &mut Pipeline, bucket: &[(&'static str, String)]) {
    pipeline.settings.retain(|(name, _)| *name != "bucket");
    pipeline.settings.extend(bucket.to_vec());
}

#[tokio::test(flavor = "multi_thread")]
async fn pipelines_of_two_repositories_meet_in_the_bucket() {
    let bucket = s3().await;
    let mut first = Pipeline::new(&[("web", "1.10")]);
    in_bucket(&mut first, &bucket);
    let ended = first.run(&[]);
    assert_eq!(ended.code, 0, "{}", ended.log);
    assert!(ended.log.contains("outputs are handed on in `handoff/erp/package.json`"), "{}", ended.log);

    let gitea = lab::gitea();
    let repository = gitea.repository_name("chained");
    gitea
        .create_repository(&repository, &[("component-versions.mk", "WEB_VERSION ?= 1.9\n")], "develop")
        .await
        .unwrap();
    let second = folder::temporary("second").unwrap();
    let settings = with(
        &bucket,
        &[
            ("git_server", gitea.url()),
            ("git_token", gitea.token()),
            ("repository", &format!("{}/{repository}", gitea.owner())),
            ("components", "@package.versions"),
        ],
    );
    let run = |settings: Vec<(&'static str, String)>| {
        let folder = second.clone();
        // The Git server answers other tests from this runtime meanwhile.
        tokio::task::spawn_blocking(move || plugin::run("plugin-image-bump", &folder, &settings).unwrap())
    };
    let ended = run(settings.clone()).await.unwrap();
    assert_eq!(ended.code, 0, "{}", ended.log);
    let told = "outputs of `package` come from `handoff/erp/package.json`, written by ";
    assert!(ended.log.contains(told), "{}", ended.log);
    let changed = gitea.file(&repository, "esteira/bump", "component-versions.mk").await.unwrap();
    assert_eq!(changed.as_deref(), Some("WEB_VERSION ?= 1.10\n"));

    let ended = run(with(&settings, &[("components", "@rpo.versions")])).await.unwrap();
    assert_eq!(ended.code, 2, "{}", ended.log);
    let told = "neither the workspace has `.esteira/rpo.json` nor the bucket `handoff/erp/rpo.json`";
    assert!(ended.log.contains(told), "{}", ended.log);
    noted("two pipelines of two repositories by `handoff`");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_that_hand_on_the_same_name_leave_one_whole() {
    let bucket = s3().await;
    let runs: Vec<_> = (0..4)
        .map(|number| {
            let mut pipeline = Pipeline::new(&[("web", &format!("1.{number}"))]);
            in_bucket(&mut pipeline, &bucket);
            std::thread::spawn(move || pipeline.run(&[]))
        })
        .collect();
    for run in runs {
        let ended = run.join().unwrap();
        assert!(
            ended.code == 0 || ended.code == 75 && ended.log.contains("changes all the time"),
            "{}",
            ended.log
        );
    }
    let reader = Pipeline::new(&[("web", "9")]);
    let settings =
        with(&bucket, &[("source", "components"), ("rpo", "a"), ("rpo_version", "@package.versions")]);
    let ended = plugin::run("plugin-package", &reader.workspace, &settings).unwrap();
    let whole = (0..4).any(|number| ended.log.contains(&format!("got `{{\"web\":\"1.{number}\"}}`")));
    assert!(ended.code == 2 && whole, "{}", ended.log);
    noted("writers of one `handoff` at once, one whole result");
}

#[test]
fn a_bucket_out_of_reach_is_temporary_and_said_once() {
    let workspace = folder::temporary("workspace").unwrap();
    let nowhere = format!("http://127.0.0.1:{}", ports::free().unwrap());
    let settings = [
        ("git_server", nowhere.as_str()),
        ("git_token", "token-of-git"),
        ("repository", "erp/images"),
        ("components", "@package.versions"),
        ("bucket", "s3://nothing"),
        ("endpoint", nowhere.as_str()),
        ("handoff", "handoff"),
    ];
    let ended = plugin::run("plugin-image-bump", &workspace, &settings).unwrap();
    assert_eq!(ended.code, 75, "{}", ended.log);
    assert_eq!(ended.log.lines().filter(|line| line.starts_with("error: ")).count(), 1, "{}", ended.log);
    assert!(ended.log.contains("`handoff`") && ended.log.contains("127.0.0.1"), "{}", ended.log);
    assert_eq!(files(&workspace), 0);
    noted("`handoff` with a bucket out of reach is temporary");
}

#[test]
fn a_bucket_out_of_reach_hides_no_other_problem_of_the_settings() {
    let pipeline = Pipeline::new(&[("web", "1.0")]);
    fs::write(pipeline.workspace.join(".config"), "DICIONARIO_PADRAO_PATH=@paths.dictionary\n").unwrap();
    let nowhere = format!("http://127.0.0.1:{}", ports::free().unwrap());
    let there = [("bucket", "s3://nothing"), ("endpoint", nowhere.as_str()), ("handoff", "handoff")];
    let wrong: [&[_]; 3] = [
        &[("dryrun", "true"), ("components", "@rpo.names")],
        &[("dryrun", "true"), ("kind", "@rpo.kind"), ("components", "[\"web\", \"@other.name\"]")],
        &[("dryrun", "true"), ("trigger_parameters", "{\"V\": \"@rpo.version\"}")],
    ];
    for wrong in wrong {
        let ended = pipeline.run(&[&there[..], wrong].concat());
        assert_eq!(ended.code, 2, "{}", ended.log);
        assert!(ended.log.contains("PLUGIN_DRYRUN: no such setting; did you mean"), "{}", ended.log);
        assert!(ended.log.contains("127.0.0.1"), "{}", ended.log);
    }
    let only_the_bucket: [&[_]; 3] =
        [&[("components", "@rpo.names")], &[("trigger_parameters", "{\"V\": \"@rpo.version\"}")], &[]];
    for wrong in only_the_bucket {
        let ended = pipeline.run(&[&there[..], wrong].concat());
        assert_eq!(ended.code, 75, "{}", ended.log);
        assert!(ended.log.contains("`handoff`"), "{}", ended.log);
    }
    noted("settings' problems told although `handoff` is out of reach");
}

#[test]
fn junk_in_the_bucket_stops_only_who_needs_it() {
    let pipeline = Pipeline::new(&[("web", "1.0")]);
    let bucket = Path::new(pipeline.settings[0].1.strip_prefix("file://").unwrap());
    fs::create_dir(bucket.join("handoff")).unwrap();
    for step in ["package", "names"] {
        fs::write(bucket.join(format!("handoff/{step}.json")), "{").unwrap();
    }
    let ended = pipeline.run(&[("handoff", "handoff"), ("components", "@names.all"), ("dryrun", "true")]);
    assert_eq!(ended.code, 2, "{}", ended.log);
    for said in ["`handoff/names.json` in the bucket is not what `handoff` writes: ", "PLUGIN_DRYRUN: "] {
        assert!(ended.log.contains(said), "{said} is not in:\n{}", ended.log);
    }
    let own = ("trigger_parameters", "{\"VERSIONS\": \"@package.versions\"}");
    let ended = pipeline.run(&[("handoff", "handoff"), own]);
    assert_eq!(ended.code, 0, "{}", ended.log);
    let replaced = fs::read_to_string(bucket.join("handoff/package.json")).unwrap();
    assert!(replaced.contains("written_by"), "{replaced}");
    noted("junk under `handoff` stops only who needs it");
}

#[test]
fn a_pipe_as_output_file_stays_a_pipe() {
    let pipeline = Pipeline::new(&[("web", "1.0")]);
    let pipe = pipeline.workspace.join("values");
    let mut mkfifo = process::command("mkfifo");
    mkfifo.arg(&pipe);
    process::output(mkfifo, "").unwrap();
    let its = pipe.clone();
    let reader = std::thread::spawn(move || fs::read_to_string(its).unwrap());
    let ended = pipeline.run(&[("output_file", "values")]);
    assert_eq!(ended.code, 0, "{}", ended.log);
    assert!(!fs::symlink_metadata(&pipe).unwrap().is_file());
    assert!(reader.join().unwrap().starts_with("versions="));
}

fn files(folder: &Path) -> usize {
    fs::read_dir(folder).unwrap().count()
}
