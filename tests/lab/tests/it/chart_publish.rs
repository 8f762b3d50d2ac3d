//! plugin-chart-publish as a process, read by the real helm: what it publishes can be installed, appears once, and is never replaced.

use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use lab::process::{command, output};
use tokio::net::TcpListener;

const CHART: [(&str, &str); 5] = [
    (
        "charts/web/Chart.yaml",
        "apiVersion: v2\nname: web\nversion: 0.0.1 # see VERSION\nappVersion: 1.0\ndescription: \"ação # \\\"x\\\"\"\n",
    ),
    ("charts/web/values.yaml", "greeting: hello\n"),
    (
        "charts/web/templates/greeting.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: g}\ndata: {text: \"{{ .Values.greeting }} {{ .Chart.Version }}\"}\n",
    ),
    ("charts/web/charts/db/Chart.yaml", "apiVersion: v2\nname: db\nversion: 1.0.0\n"),
    ("VERSION", "1.4.0\n"),
];

/// A workspace with a chart, and the settings of a publication from it.
struct Workspace {
    folder: PathBuf,
    settings: Vec<(&'static str, String)>,
}

impl Workspace {
    fn new(bucket: &str) -> Self {
        let folder = lab::folder::temporary("chart-publish").unwrap();
        let helm = lab::tool("helm").unwrap().display().to_string();
        let settings = vec![
            ("PLUGIN_BUCKET", bucket.to_owned()),
            ("PLUGIN_CHART", "charts/web".to_owned()),
            ("PLUGIN_PREFIX", "stable".to_owned()),
            ("PLUGIN_HELM", helm),
        ];
        let workspace = Self { folder, settings };
        CHART.iter().for_each(|(path, text)| workspace.write(path, text));
        workspace
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn plugin(&self, more: &[(&str, &str)]) -> std::process::Command {
        // Tests are `<target>/<profile>/deps/<name>-<hash>`, plugins `<target>/<profile>/<name>`.
        let this = std::env::current_exe().unwrap();
        let plugin = this.ancestors().nth(2).unwrap().join("plugin-chart-publish");
        assert!(plugin.is_file(), "build it first: cargo build -p plugin-chart-publish");
        let mut run = command(plugin);
        run.current_dir(&self.folder)
            .env_clear()
            .envs(self.settings.iter().map(|(name, value)| (name, value)))
            .envs(more.iter().copied());
        run
    }

    /// Exit code and log of a run.
    fn run(&self, more: &[(&str, &str)]) -> (i32, String) {
        let result = self.plugin(more).output().unwrap();
        (result.status.code().unwrap(), String::from_utf8_lossy(&result.stdout).into_owned())
    }

    fn publish(&self, version: &str) {
        let (code, log) = self.run(&[("PLUGIN_VERSION", version)]);
        assert_eq!(code, 0, "{log}");
    }

    fn output(&self, key: &str) -> String {
        let text = std::fs::read_to_string(self.folder.join(".esteira/chart-publish.json")).unwrap();
        serde_json::from_str::<serde_json::Value>(&text).unwrap()[key].as_str().unwrap().to_owned()
    }
}

fn folder_bucket() -> (PathBuf, String) {
    let folder = lab::folder::temporary("charts").unwrap();
    let address = format!("file://{}", folder.display());
    (folder, address)
}

/// Runs helm with a home of its own.
fn helm(home: &Path, arguments: &[&str]) -> String {
    let mut helm = command(lab::tool("helm").unwrap());
    for (name, folder) in
        [("HELM_CONFIG_HOME", "config"), ("HELM_CACHE_HOME", "cache"), ("HELM_DATA_HOME", "data")]
    {
        helm.env(name, home.join(folder));
    }
    helm.args(arguments).current_dir(home);
    output(helm, "").unwrap()
}

/// Serves a folder as a web server would; gives its address.
async fn serve(folder: PathBuf) -> String {
    let file = |State(folder): State<PathBuf>, request: Request| async move {
        let path = request.uri().path().trim_start_matches('/').replace("%2B", "+");
        std::fs::read(folder.join(path)).map_err(|_| StatusCode::NOT_FOUND)
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        axum::serve(listener, Router::new().fallback(file).with_state(folder)).await.unwrap()
    });
    address
}

fn index(bucket: &Path) -> String {
    std::fs::read_to_string(bucket.join("stable/index.yaml")).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn helm_installs_what_was_published() {
    let (bucket, address) = folder_bucket();
    let workspace = Workspace::new(&address);
    for version in ["1.4.0", "1.5.0", "1.5.0+b.1", "1.5.0+b.2"] {
        workspace.publish(version);
    }
    let home = lab::folder::temporary("helm").unwrap();
    let repository = format!("{}/stable", serve(bucket).await);
    helm(&home, &["repo", "add", "ours", &repository]);
    assert_eq!(helm(&home, &["search", "repo", "ours", "--versions"]).matches("ours/web").count(), 4);
    for version in ["1.4.0", "1.5.0+b.1", "1.5.0+b.2"] {
        helm(&home, &["pull", "ours/web", "--version", version]);
        let pulled = helm(&home, &["template", "x", &format!("web-{version}.tgz")]);
        assert!(pulled.contains(&format!("hello {version}")), "{pulled}");
    }
    assert!(helm(&home, &["template", "x", "ours/web", "--version", "1.5.0"]).contains("hello 1.5.0"));
}

#[test]
fn the_same_source_is_published_once() {
    let (bucket, address) = folder_bucket();
    let workspace = Workspace::new(&address);
    let (code, log) = workspace.run(&[("PLUGIN_DRY_RUN", "true")]);
    assert!(code == 0 && log.contains("upload `stable/web-1.4.0.tgz`"), "{log}");
    assert_eq!(std::fs::read_dir(&bucket).unwrap().count(), 0);

    let (code, log) = workspace.run(&[]);
    assert!(code == 0 && log.contains("`web` 1.4.0 was published"), "{log}");
    let (digest, before) = (workspace.output("digest"), index(&bucket));

    // Another checkout has other times.
    let other = Workspace::new(&address);
    let old = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    for (path, _) in CHART {
        std::fs::File::options()
            .write(true)
            .open(other.folder.join(path))
            .unwrap()
            .set_modified(old)
            .unwrap();
    }
    let (code, log) = other.run(&[]);
    assert!(code == 0 && log.contains("nothing to do"), "{log}");
    assert_eq!((other.output("digest"), index(&bucket)), (digest, before.clone()));

    other.write("charts/web/values.yaml", "greeting: bye\n");
    let (code, log) = other.run(&[]);
    assert!(code == 1 && log.contains("this version is published with other content"), "{log}");
    assert_eq!(index(&bucket), before);
}

#[test]
fn a_chart_in_the_workspace_itself_does_not_contain_what_runs_leave_there() {
    let (_bucket, address) = folder_bucket();
    let workspace = Workspace::new(&address);
    for (path, text) in CHART {
        workspace.write(path.trim_start_matches("charts/web/"), text);
    }
    std::fs::remove_dir_all(workspace.folder.join("charts/web")).unwrap();
    let settings = [("PLUGIN_CHART", "."), ("PLUGIN_REPORT_DIR", "out")];
    assert_eq!(workspace.run(&settings).0, 0);
    let (code, log) = workspace.run(&settings);
    assert!(code == 0 && log.contains("nothing to do"), "{log}");
}

#[test]
fn a_run_that_was_killed_is_finished_by_the_next() {
    let (bucket, address) = folder_bucket();
    let workspace = Workspace::new(&address);
    let versions: Vec<String> = (0..10).map(|number| format!("1.0.{number}")).collect();
    for (number, version) in versions.iter().enumerate() {
        let mut run = workspace
            .plugin(&[("PLUGIN_VERSION", version)])
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(40 + 20 * number as u64));
        run.kill().unwrap();
        run.wait().unwrap();
    }
    versions.iter().for_each(|version| workspace.publish(version));
    let index = index(&bucket);
    assert!(
        versions.iter().all(|version| index.matches(&format!("version: \"{version}\"")).count() == 1),
        "{index}"
    );
}

#[tokio::test]
async fn of_parallel_publications_to_s3_none_is_lost() {
    let s3 = lab::s3();
    let mut workspace = Workspace::new(&format!("s3://{}", s3.create_bucket().await.unwrap()));
    workspace.settings.extend([
        ("PLUGIN_ENDPOINT", s3.endpoint().to_owned()),
        ("PLUGIN_ACCESS_KEY", s3.access_key().to_owned()),
        ("PLUGIN_SECRET_KEY", s3.secret_key().to_owned()),
    ]);
    let run = |number: usize| {
        let (version, name) = (format!("1.0.{number}"), format!("run-{number}"));
        let mut run = workspace.plugin(&[("PLUGIN_VERSION", &version), ("PLUGIN_OUTPUT_AS", &name)]);
        run.stdout(std::process::Stdio::null()).spawn().unwrap()
    };
    for mut run in (0..8).map(run).collect::<Vec<_>>() {
        assert!(run.wait().unwrap().success());
    }
    // Each version is both there and listed: nothing is left to do for any.
    for number in 0..8 {
        let (code, log) = workspace.run(&[("PLUGIN_VERSION", &format!("1.0.{number}"))]);
        assert!(code == 0 && log.contains("nothing to do"), "{log}");
    }
    let (code, log) = workspace.run(&[("PLUGIN_BUCKET", "s3://no-such-bucket")]);
    assert!(code == 1 && log.contains("is the bucket's name right?"), "{log}");
}

#[test]
fn unusable_settings_are_all_named_and_nothing_is_touched() {
    let (bucket, address) = folder_bucket();
    let workspace = Workspace::new(&address);
    let (code, log) = workspace.run(&[
        ("PLUGIN_VERSON", "1.0.0"),
        ("PLUGIN_CONFLICT_TIMEOUT", "soon"),
        ("PLUGIN_CHART", "/etc"),
    ]);
    assert_eq!(code, 2, "{log}");
    for name in [
        "PLUGIN_VERSON: no such setting; did you mean `PLUGIN_VERSION`?",
        "PLUGIN_CONFLICT_TIMEOUT: expected",
        "PLUGIN_CHART: expected",
    ] {
        assert!(log.contains(name), "{log}");
    }
    assert_eq!(std::fs::read_dir(bucket).unwrap().count(), 0);
}
