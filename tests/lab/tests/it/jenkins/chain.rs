//! The two Jenkinsfiles of the examples, in the demo's world: patches in, customers updated. Between them the owners merge.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use lab::demo::{NEW, World};
use lab::hunt::Hunt;
use lab::jenkinsfile::{Built, Job, groovy};
use lab::{Containers, cluster, containers, figures, folder, gitea, plugin, process, s3, schema};

use super::{job, library};
use crate::demo::demo;

/// An example with the names that are others here; each must be in it.
fn example(path: &str, names: &[(&str, &str)]) -> String {
    let mut text = fs::read_to_string(library().join(path)).unwrap();
    for (example, here) in names {
        assert!(text.contains(example), "{path} has no {example}");
        text = text.replace(example, here);
    }
    text
}

/// The image that plugin-rpo's README tells to make, with the stand-in for the AppServer.
pub(crate) fn image_with_appserver(containers: &Containers) {
    containers.image("plugin-rpo").unwrap();
    lab::demo::appserver_image(containers, lab::demo::RPO_IMAGE, None).unwrap();
}

/// A bucket of the S3 server with what the demo's has.
async fn bucket_as(folder: &Path) -> String {
    let bucket = s3().create_bucket().await.unwrap();
    for entry in walkdir::WalkDir::new(folder) {
        let entry = entry.unwrap();
        if entry.file_type().is_file() {
            let key = entry.path().strip_prefix(folder).unwrap().to_string_lossy().into_owned();
            s3().upload(&bucket, &key, entry.path()).await.unwrap();
        }
    }
    bucket
}

fn release(world: &World, containers: &Containers, bucket: &str) -> Job {
    let store = format!("'s3://{bucket}', endpoint: '{}'", s3().endpoint());
    let repository = |name: &str| format!("'{}/{name}'", world.git_owner);
    let text = example(
        "Jenkinsfile",
        &[
            ("'s3://artifacts'", &store),
            ("'https://git.example.com'", &format!("'{}'", world.git_url)),
            ("'erp/images'", &repository(&world.image_repository())),
            ("'erp/chart'", &repository(&world.chart_repository())),
        ],
    );
    let mut job = job(&text, &world.workspace(), &containers.docker());
    job.credentials = credentials(&[
        ("bucket-key", s3().access_key()),
        ("bucket-secret", s3().secret_key()),
        ("git-token", &world.git_token),
    ]);
    job
}

fn chart(world: &World, containers: &Containers, workspace: &Path) -> Job {
    // The stand-in for the environments' own updater takes its charts from a folder.
    let bucket = world.bucket().join("charts");
    let demo_only = format!("selector: '{}={}', concurrency: 2, profile: ", lab::demo::LABEL, world.name);
    let uptime = format!("uptimerobot_url: '{}', profile: 'smarterp-producao'", world.uptime_url);
    let text = example(
        "chart/Jenkinsfile",
        &[
            ("'s3://charts'", &format!("'file://{}'", bucket.display())),
            ("profile: 'smarterp-producao'", &uptime),
            ("profile: ", &demo_only),
        ],
    );
    let mut job = job(&text, workspace, &containers.docker());
    let options = format!("--network host --volume {0}:{0}", bucket.display());
    job.environment.insert("ESTEIRA_DOCKER_OPTIONS".to_owned(), options);
    job.parameters = BTreeMap::from([("PRODUCTION".to_owned(), true.into())]);
    job.credentials = credentials(&[
        // A folder needs none.
        ("bucket-key", "AKIAOFTHECHARTS"),
        ("bucket-secret", "5ecret-of-the-charts"),
        ("kubeconfig", &fs::read_to_string(&world.kubeconfig).unwrap()),
        ("uptimerobot-key", &world.uptime_key),
    ]);
    job
}

fn credentials(all: &[(&str, &str)]) -> BTreeMap<String, String> {
    all.iter().map(|(id, secret)| ((*id).to_owned(), (*secret).to_owned())).collect()
}

async fn run(job: Job) -> Built {
    let built = tokio::task::spawn_blocking(move || groovy().unwrap().run(&job, &library()).unwrap());
    let built = built.await.unwrap();
    assert_eq!(built.ended.code, 0, "{}", built.unmasked);
    built
}

/// The owner of a repository merges what is open there.
async fn merge(repository: &str) {
    for open in gitea().pull_requests(repository).await.unwrap().iter().filter(|one| one.state == "open") {
        gitea().merge(repository, open.number).await.unwrap();
    }
}

fn reports(built: &Built, stages: &[&str]) -> Vec<PathBuf> {
    for stage in stages {
        let json = built.archive.join("html").join(format!("Esteira {stage}")).join("report.json");
        let report: serde_json::Value = serde_json::from_slice(&fs::read(&json).unwrap()).unwrap();
        assert_eq!(report["report"]["ending"], "done", "{stage}: {}", built.ended.log);
    }
    let junit = |stage: &&str| built.archive.join("junit/esteira-reports").join(stage).join("junit.xml");
    stages.iter().map(junit).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pipelines_take_a_release_from_patches_to_customers() {
    let (Some(_), Some(containers)) = (groovy(), containers()) else { return };
    let demo = demo().await;
    let world = &demo.world;
    for name in plugin::all().unwrap() {
        containers.image(&name).unwrap();
    }
    image_with_appserver(containers);

    let bucket = bucket_as(&world.bucket()).await;
    let first = run(release(world, containers, &bucket)).await;
    let mut junit = reports(&first, &["rpo", "package", "image-bump", "chart-bump"]);
    merge(&world.image_repository()).await;
    merge(&world.chart_repository()).await;

    let workspace = folder::temporary("workspace").unwrap();
    fs::create_dir_all(world.bucket().join("charts")).unwrap();
    let mut git = process::command("git");
    let url = format!("{}/{}/{}.git", world.git_url, world.git_owner, world.chart_repository());
    git.args(["clone", "--quiet", "--branch", "develop", &url]).arg(&workspace);
    process::output(git, "").unwrap();
    let second = run(chart(world, containers, &workspace)).await;
    junit.extend(reports(&second, &["chart-publish", "homologation", "production"]));

    assert_eq!(demo.versions(), BTreeSet::from([NEW.to_owned()]));
    assert_eq!(demo.paused(), [""; 0]);
    let stages = junit.len() as u64;
    schema::check_junit(&junit).unwrap();
    no_secret_was_told(world, &[&first, &second], &[&world.workspace(), &workspace]);
    figures::note("jenkins", "stages of the Jenkinsfiles in the examples, run as containers", stages)
        .unwrap();
}

/// Not even in the log from which Jenkins would have hidden it.
fn no_secret_was_told(world: &World, builds: &[&Built], workspaces: &[&Path]) {
    let mut hunt = Hunt::new(&[
        ("secret_key", s3().secret_key()),
        ("secret_key of the charts", "5ecret-of-the-charts"),
        ("git_token", &world.git_token),
        ("uptimerobot_key", &world.uptime_key),
        ("token in the kubeconfig", cluster().token()),
    ]);
    for built in builds {
        hunt.search("a build's log", built.unmasked.as_bytes());
        hunt.search_folder(&built.archive).unwrap();
    }
    for workspace in workspaces {
        // What git keeps of a clone is compressed; nobody wrote a secret into the repository.
        hunt.search_folder(workspace).unwrap();
    }
    assert_eq!(hunt.found, [""; 0]);
    assert!(hunt.files > 20, "{}", hunt.files);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stage_in_the_readme_is_one_line_and_runs() {
    let (Some(_), Some(containers)) = (groovy(), containers()) else { return };
    containers.image("plugin-package").unwrap();
    let readme = fs::read_to_string(library().join("../../README.md")).unwrap();
    let stage = readme.split_once("```groovy\n").unwrap().1.split_once("```").unwrap().0;
    let bucket = s3().create_bucket().await.unwrap();
    let here = format!("'s3://{bucket}', endpoint: '{}'", s3().endpoint());
    let text = format!(
        "pipeline {{ agent {{ label 'docker' }}\nstages {{\n{}}} }}",
        stage.replace("'s3://artifacts'", &here)
    );
    let workspace = folder::temporary("workspace").unwrap();
    fs::create_dir_all(workspace.join("components/web")).unwrap();
    fs::write(workspace.join("components/web/VERSION"), "1.0\n").unwrap();
    let mut job = job(&text, &workspace, &containers.docker());
    job.credentials = credentials(&[("bucket-key", s3().access_key()), ("bucket-secret", s3().secret_key())]);
    let built = run(job).await;
    schema::check_junit(&reports(&built, &["package"])).unwrap();
    assert_eq!(plugin::outputs(&workspace, "package").unwrap()["versions"]["web"], "1.0");
}
