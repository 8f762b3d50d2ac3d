//! The `docker run` lines of the READMEs, run by sh as they stand there, with podman as `docker`.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use lab::fixtures::{Patch, Tools, environment, write_rpo};
use lab::plugin::{self, Ended};
use lab::wait::block_on;
use lab::{Containers, cluster, containers, figures, folder, gitea, process, s3};

use crate::jenkins::chain::image_with_appserver;

/// Whoever the READMEs run a container as, and somebody nobody knows, whose home is `/` (runc sees to that), where he may not write.
const USERS: [&str; 2] = ["-u \"$(id -u):$(id -g)\"", "-u 12345:54321"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The one block of a README with `docker run` in it.
fn line(readme: &str) -> String {
    let text = fs::read_to_string(root().join(readme)).unwrap();
    let blocks = text.split("```sh\n").skip(1).map(|rest| rest.split_once("```").unwrap().0);
    let mut lines = blocks.filter(|block| block.contains("docker run"));
    let line = lines.next().unwrap_or_else(|| panic!("{readme} has no line"));
    assert!(lines.next().is_none(), "{readme} has several");
    line.to_owned()
}

/// A workspace that anybody may write, and a home with the access to the cluster.
struct Hand {
    workspace: PathBuf,
    home: PathBuf,
    bucket: String,
    repository: String,
    namespace: String,
}

impl Hand {
    fn new() -> Self {
        let (workspace, home) = (folder::temporary("workspace").unwrap(), folder::temporary("home").unwrap());
        fs::set_permissions(&workspace, fs::Permissions::from_mode(0o777)).unwrap();
        fs::create_dir(home.join(".kube")).unwrap();
        fs::copy(cluster().kubeconfig(), home.join(".kube/config")).unwrap();
        for (path, text) in [
            ("components/web/VERSION", "1.0\n"),
            ("components/web/index.html", "<p>hello</p>\n"),
            ("chart/Chart.yaml", "apiVersion: v2\nname: web\nversion: 0.0.1\ndescription: of a test\n"),
            ("chart/values.yaml", "greeting: hello\n"),
        ] {
            let file = workspace.join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        let (bucket, repository) = block_on(async || targets().await).unwrap();
        let namespace = folder::unique_name("by-hand");
        Self { workspace, home, bucket, repository, namespace }
    }

    /// A line with the names that are others here, in one place.
    fn here(&self, line: &str, user: &str) -> String {
        let bucket = format!("PLUGIN_BUCKET=s3://{} -e PLUGIN_ENDPOINT={}", self.bucket, s3().endpoint());
        [
            ("docker run --rm", "docker run --rm --network host"),
            (USERS[0], user),
            ("PLUGIN_BUCKET=s3://artifacts", &bucket),
            ("PLUGIN_BUCKET=s3://charts", &bucket),
            ("https://git.example.com", gitea().url()),
            ("erp/images", &format!("{}/{}", gitea().owner(), self.repository)),
            // Other tests have theirs in the same cluster.
            ("PLUGIN_NAMESPACES=development", &format!("PLUGIN_NAMES={}", self.namespace)),
        ]
        .iter()
        .fold(line.to_owned(), |line, (readme, here)| line.replace(readme, here))
    }

    fn run(&self, containers: &Containers, line: &str, user: &str) -> Ended {
        let path = format!("{}:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", containers.docker().display());
        let mut sh = process::command("sh");
        sh.arg("-euc").arg(self.here(line, user)).env_clear().current_dir(&self.workspace);
        sh.env("PATH", path).env("HOME", &self.home);
        sh.env("PLUGIN_ACCESS_KEY", s3().access_key()).env("PLUGIN_SECRET_KEY", s3().secret_key());
        sh.env("PLUGIN_GIT_TOKEN", gitea().token());
        Ended::of(&sh.output().unwrap())
    }
}

/// A bucket with what plugin-rpo begins with, and a repository.
async fn targets() -> Result<(String, String), lab::Error> {
    let (bucket, repository) = (s3().create_bucket().await?, gitea().repository_name("by-hand"));
    let files = [("component-versions.mk", "RPO_VERSION := 12.1.2310\n")];
    gitea().create_repository(&repository, &files, "develop").await?;
    let file = folder::temporary("upload")?.join("file");
    write_rpo(&file, 1, 20_000).unwrap();
    s3().upload(&bucket, "base_12.1.xx/tttm120.rpo", &file).await?;
    Patch::new(2).payload(2000).write(&file).unwrap();
    s3().upload(&bucket, "applypatch/1-a_multi.ptm", &file).await?;
    Ok((bucket, repository))
}

/// Runs a README's line as each user, each time on a new target; the step's outputs come back.
fn outputs_of(readme: &str, step: &str) -> Option<Vec<(Hand, serde_json::Value)>> {
    let containers = containers()?;
    match step {
        "rpo" => image_with_appserver(containers),
        _ => drop(containers.image(&format!("plugin-{step}")).unwrap()),
    }
    let mut all = Vec::new();
    for user in USERS {
        let hand = Hand::new();
        let ended = hand.run(containers, &line(readme), user);
        assert_eq!(ended.code, 0, "{readme}, {user}: {}", ended.log);
        let file = hand.workspace.join(format!(".esteira/{step}.json"));
        let is_unknown = user.contains("12345");
        assert!(!is_unknown || fs::metadata(&file).unwrap().uid() == 12345, "{readme}: not run as {user}");
        let outputs = plugin::outputs(&hand.workspace, step).unwrap();
        all.push((hand, outputs));
    }
    figures::note("by_hand", &format!("users who ran plugin-{step} as its README says"), all.len() as u64)
        .unwrap();
    Some(all)
}

#[test]
fn the_line_of_plugin_rpo_assembles_a_release() {
    for (_, outputs) in outputs_of("plugins/rpo/README.md", "rpo").into_iter().flatten() {
        assert_eq!(outputs["release"], "12.1.2410", "{outputs}");
    }
}

#[test]
fn the_line_of_plugin_package_packs_the_components() {
    for readme in ["plugins/package/README.md", "README.md"] {
        for (_, outputs) in outputs_of(readme, "package").into_iter().flatten() {
            assert_eq!(outputs["versions"]["web"], "1.0", "{outputs}");
        }
    }
}

#[test]
fn the_line_of_plugin_image_bump_opens_a_pull_request() {
    for (hand, outputs) in outputs_of("plugins/image-bump/README.md", "image-bump").into_iter().flatten() {
        let open = block_on(async || gitea().pull_requests(&hand.repository).await).unwrap();
        assert_eq!(open.len(), 1, "{outputs}");
        let diff = block_on(async || gitea().diff(&hand.repository, open[0].number).await).unwrap();
        assert!(diff.contains("+RPO_VERSION := 12.1.2410"), "{diff}");
    }
}

#[test]
fn the_line_of_plugin_chart_publish_publishes_the_chart() {
    let readme = "plugins/chart-publish/README.md";
    for (_, outputs) in outputs_of(readme, "chart-publish").into_iter().flatten() {
        assert_eq!((&outputs["chart"], &outputs["version"]), (&"web".into(), &"1.4.0".into()), "{outputs}");
    }
}

#[test]
fn the_line_of_plugin_rollout_shows_the_plan_and_changes_nothing() {
    let Some(containers) = containers() else { return };
    containers.image("plugin-rollout").unwrap();
    for user in USERS {
        let hand = Hand::new();
        let tools = Tools::shared().unwrap();
        block_on(async || {
            let client = cluster().client().await?;
            environment(&hand.namespace, "12.1.2310").create(&tools, &client).await.map(drop)
        })
        .unwrap();
        let ended = hand.run(containers, &line("plugins/rollout/README.md"), user);
        assert_eq!(ended.code, 0, "{user}: {}", ended.log);
        let planned = format!("{}: 12.1.2310 -> 12.1.2410", hand.namespace);
        assert!(ended.log.contains(&planned), "{planned}: {}", ended.log);
        let label = ["get", "namespace", &hand.namespace, "-o", "jsonpath={.metadata.labels.BaseVersion}"];
        assert_eq!(cluster().kubectl(&label).unwrap(), "12.1.2310");
    }
}
