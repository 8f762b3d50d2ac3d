//! plugin-image-bump as a process against the real Git server: one pull request whose diff is version text, whatever happens on the way.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::future::join_all;
use lab::Gitea;
use lab::gitea::PullRequest;
use lab::process::command;
use serde_json::{Value, json};
use tokio::net::TcpListener;

const VERSIONS: &str = "# versões\nRPO_VERSION   ?= 12.1.1\t# RPO\nWEB_FILES_VERSION := 3\r\nOTHER = 1\n";
const VALUES: &str = "# não mexer\r\nimage: {repository: \"r\", tag: 'v1'} # ç\r\n\r\nother:   1.0\r\n";
const COMPONENTS: &str = r#"{"rpo": "12.1.2", "web-files": "3"}"#;

/// A repository and the settings that change it.
struct Bump {
    gitea: &'static Gitea,
    repository: String,
    folder: PathBuf,
}

impl Bump {
    async fn new() -> Self {
        let gitea = lab::gitea();
        let repository = gitea.repository_name("bump");
        let files = [
            ("component-versions.mk", VERSIONS),
            ("chart/values.yaml", VALUES),
            ("VERSION", "1.9"),
            ("README", "x\n"),
        ];
        gitea.create_repository(&repository, &files, "develop").await.unwrap();
        Self { gitea, repository, folder: lab::folder::temporary("image-bump").unwrap() }
    }

    /// Exit code and log of a run.
    async fn run(&self, version: &str, more: &[(&str, &str)]) -> (i32, String) {
        // Tests are `<target>/<profile>/deps/<name>-<hash>`, plugins `<target>/<profile>/<name>`.
        let this = std::env::current_exe().unwrap();
        let plugin = this.ancestors().nth(2).unwrap().join("plugin-image-bump");
        assert!(plugin.is_file(), "build it first: cargo build -p plugin-image-bump");
        let repository = format!("{}/{}", self.gitea.owner(), self.repository);
        let settings = [
            ("PLUGIN_GIT_SERVER", self.gitea.url()),
            ("PLUGIN_GIT_TOKEN", self.gitea.token()),
            ("PLUGIN_REPOSITORY", &repository),
            ("PLUGIN_COMPONENTS", COMPONENTS),
            ("PLUGIN_VALUES", r#"{"image.tag": "v{version}"}"#),
            ("PLUGIN_VALUES_FILE", "chart/values.yaml"),
            ("PLUGIN_VERSION_FILE", "VERSION"),
            ("PLUGIN_VERSION", version),
        ];
        let mut run = command(plugin);
        run.current_dir(&self.folder).env_clear().envs(settings).envs(more.iter().copied());
        // The proxies of these tests answer from this runtime.
        let result = tokio::task::spawn_blocking(move || run.output().unwrap()).await.unwrap();
        let log = String::from_utf8_lossy(&result.stdout).into_owned();
        assert!(!log.contains(self.gitea.token()), "the token is in the log: {log}");
        (result.status.code().unwrap(), log)
    }

    async fn runs_well(&self, version: &str, more: &[(&str, &str)]) -> String {
        let (code, log) = self.run(version, more).await;
        assert_eq!(code, 0, "{log}");
        log
    }

    fn outputs(&self) -> Value {
        serde_json::from_slice(&std::fs::read(self.folder.join(".esteira/image-bump.json")).unwrap()).unwrap()
    }

    async fn pull_requests(&self) -> Vec<PullRequest> {
        self.gitea.pull_requests(&self.repository).await.unwrap()
    }

    async fn only_pull_request(&self) -> PullRequest {
        let mut all = self.pull_requests().await;
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    async fn file(&self, branch: &str, path: &str) -> Option<String> {
        self.gitea.file(&self.repository, branch, path).await.unwrap()
    }

    /// The changed lines of the pull request's diff.
    async fn changed_lines(&self, number: u64) -> Vec<String> {
        let diff = self.gitea.diff(&self.repository, number).await.unwrap();
        let is_change = |line: &&str| {
            line.starts_with(['+', '-']) && !line.starts_with("+++") && !line.starts_with("---")
        };
        diff.split('\n').filter(is_change).map(str::to_owned).collect()
    }

    /// What everybody sees: pull requests, and the commits and files of the version branch.
    async fn state(&self) -> (Vec<(u64, String, String, String)>, Vec<Option<String>>) {
        let pulls = self.pull_requests().await;
        let pulls = pulls.into_iter().map(|pull| (pull.number, pull.title, pull.body, pull.state)).collect();
        let mut files = Vec::new();
        for path in ["component-versions.mk", "chart/values.yaml", "VERSION", "README"] {
            files.push(self.file("esteira/bump", path).await);
        }
        (pulls, files)
    }

    async fn commits(&self) -> Vec<String> {
        self.gitea.commits(&self.repository, "esteira/bump").await.unwrap()
    }

    /// Changes a file as a colleague would.
    async fn change(&self, branch: &str, path: &str, text: &str) {
        let url = format!(
            "{}/api/v1/repos/{}/{}/contents/{path}",
            self.gitea.url(),
            self.gitea.owner(),
            self.repository
        );
        let request = |method, query: &str| {
            lab::http::client()
                .unwrap()
                .request(method, format!("{url}{query}"))
                .bearer_auth(self.gitea.token())
        };
        let found = lab::http::success(request(Method::GET, &format!("?ref={branch}"))).await.unwrap();
        let sha = found.json::<Value>().await.unwrap()["sha"].clone();
        let change =
            json!({"branch": branch, "sha": sha, "content": STANDARD.encode(text), "message": "By hand"});
        lab::http::success(request(Method::PUT, "").json(&change)).await.unwrap();
    }
}

#[tokio::test]
async fn only_version_text_changes_in_one_pull_request() {
    let bump = Bump::new().await;
    bump.runs_well("1.10", &[]).await;
    let pull = bump.only_pull_request().await;
    assert_eq!(
        (&*pull.title, &*pull.head.name, &*pull.base.name),
        ("Update to 1.10", "esteira/bump", "develop")
    );
    assert_eq!(
        bump.changed_lines(pull.number).await,
        [
            "-1.9",
            "+1.10",
            "-image: {repository: \"r\", tag: 'v1'} # ç\r",
            "+image: {repository: \"r\", tag: 'v1.10'} # ç\r",
            "-RPO_VERSION   ?= 12.1.1\t# RPO",
            "+RPO_VERSION   ?= 12.1.2\t# RPO",
        ]
    );
    let outputs = bump.outputs();
    let expected = json!({
        "branch": "esteira/bump", "changed": 3, "commit": pull.head.sha, "pull_request": pull.number, "url": pull.html_url,
    });
    assert_eq!(outputs, expected);

    // The same once more: nothing new, and nothing to build.
    let log = bump.runs_well("1.10", &[]).await;
    assert!(log.contains("nothing to do"), "{log}");
    assert_eq!((bump.only_pull_request().await.head.sha, bump.outputs()), (pull.head.sha, expected));

    // A newer version: the same pull request, still one commit.
    bump.runs_well("1.11", &[]).await;
    let newer = bump.only_pull_request().await;
    assert_eq!((newer.number, &*newer.title), (pull.number, "Update to 1.11"));
    assert!(bump.changed_lines(newer.number).await.contains(&"+1.11".to_owned()));
    assert_eq!(bump.commits().await.len(), 2);
}

#[tokio::test]
async fn after_the_merge_there_is_nothing_to_do_until_the_next_version() {
    let bump = Bump::new().await;
    bump.runs_well("2.0", &[]).await;
    bump.gitea.merge(&bump.repository, bump.only_pull_request().await.number).await.unwrap();
    assert_eq!(bump.file("develop", "VERSION").await.as_deref(), Some("2.0"));

    let log = bump.runs_well("2.0", &[]).await;
    assert!(log.contains("nothing to do: `develop`"), "{log}");
    assert_eq!((&bump.outputs()["changed"], &bump.outputs()["branch"]), (&json!(0), &json!("develop")));

    // The branch is left over from the merge.
    bump.runs_well("2.1", &[]).await;
    let pulls = bump.pull_requests().await;
    assert_eq!(pulls.iter().map(|pull| pull.state.as_str()).collect::<Vec<_>>(), ["open", "closed"]);
    assert_eq!(
        bump.changed_lines(pulls[0].number).await,
        [
            "-2.0",
            "+2.1",
            "-image: {repository: \"r\", tag: 'v2.0'} # ç\r",
            "+image: {repository: \"r\", tag: 'v2.1'} # ç\r",
        ]
    );
}

#[tokio::test]
async fn a_pull_request_whose_content_came_another_way_is_pointed_out() {
    let bump = Bump::new().await;
    let only_version = [("PLUGIN_COMPONENTS", ""), ("PLUGIN_VALUES", "")];
    bump.runs_well("2.0", &only_version).await;
    bump.change("develop", "VERSION", "2.0").await;
    let log = bump.runs_well("2.0", &only_version).await;
    assert!(log.contains("next: close pull request #1: it brings nothing"), "{log}");
    assert_eq!(bump.only_pull_request().await.state, "open");
}

#[tokio::test]
async fn what_changed_on_the_base_is_kept() {
    let bump = Bump::new().await;
    bump.runs_well("2.0", &[]).await;
    bump.change("develop", "component-versions.mk", &VERSIONS.replace("OTHER = 1", "OTHER = 2")).await;
    bump.runs_well("2.0", &[]).await;
    let text = bump.file("esteira/bump", "component-versions.mk").await.unwrap();
    assert_eq!(text, VERSIONS.replace("OTHER = 1", "OTHER = 2").replace("12.1.1", "12.1.2"));
    // Of other files of the base nothing is taken over, so that no build is started for nothing.
    let before = bump.commits().await;
    bump.change("develop", "README", "y\n").await;
    bump.runs_well("2.0", &[]).await;
    assert_eq!(bump.commits().await, before);
}

#[tokio::test]
async fn somebody_elses_commit_on_the_branch_is_not_lost() {
    let bump = Bump::new().await;
    bump.runs_well("2.0", &[]).await;
    bump.change("esteira/bump", "README", "fixed\n").await;
    // What is proposed already needs no new commit.
    bump.runs_well("2.0", &[]).await;
    let (code, log) = bump.run("2.1", &[]).await;
    assert_eq!(code, 1, "{log}");
    assert!(log.contains("it holds a commit of somebody else: ") && log.contains("`By hand`"), "{log}");
    assert_eq!(bump.file("esteira/bump", "README").await.as_deref(), Some("fixed\n"));
}

#[tokio::test]
async fn nothing_is_touched_when_something_cannot_be_changed() {
    let bump = Bump::new().await;
    let impossible =
        [("PLUGIN_COMPONENTS", r#"{"nothing": "1"}"#), ("PLUGIN_VALUES", r#"{"image": "1", "a.b": "1"}"#)];
    let (code, log) = bump.run("2.0", &impossible).await;
    assert_eq!(code, 1, "{log}");
    assert!(log.contains("3 of the values cannot be changed; nothing was changed"), "{log}");
    bump.runs_well("2.0", &[("PLUGIN_DRY_RUN", "true")]).await;
    let (code, log) = bump.run("2.0", &[("PLUGIN_BASE", "absent")]).await;
    assert_eq!(code, 1, "{log}");
    assert!(log.contains("there is no branch `absent`"), "{log}");
    assert!(bump.pull_requests().await.is_empty());
    assert_eq!(bump.file("esteira/bump", "VERSION").await, None);
    assert_eq!(bump.gitea.commits(&bump.repository, "develop").await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_refused_token_and_a_server_that_is_not_there_are_told_apart() {
    let bump = Bump::new().await;
    let (code, log) = bump.run("2.0", &[("PLUGIN_GIT_TOKEN", "0123456789abcdef")]).await;
    assert_eq!(code, 1, "{log}");
    assert!(log.contains("hint: "), "{log}");
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let (code, log) = bump.run("2.0", &[("PLUGIN_GIT_SERVER", &format!("http://{closed}"))]).await;
    assert_eq!(code, 75, "{log}");
    let (code, log) =
        bump.run("2.0", &[("PLUGIN_REPOSITORY", ""), ("PLUGIN_BRNACH", "x"), ("PLUGIN_VALUES", "1")]).await;
    assert_eq!((code, log.matches("PLUGIN_").count() >= 3), (2, true), "{log}");
}

#[tokio::test]
async fn a_branch_that_cannot_be_beside_another_is_no_refused_token() {
    let bump = Bump::new().await;
    let url = format!("{}/api/v1/repos/{}/{}", bump.gitea.url(), bump.gitea.owner(), bump.repository);
    let branch = json!({"new_branch_name": "esteira", "old_branch_name": "develop"});
    let request = lab::http::client().unwrap().post(format!("{url}/branches"));
    lab::http::success(request.bearer_auth(bump.gitea.token()).json(&branch)).await.unwrap();
    let (code, log) = bump.run("2.0", &[]).await;
    assert_eq!(code, 1, "{log}");
    assert!(log.contains("there can be no branch `esteira/bump`: ") && !log.contains("the token"), "{log}");
}

#[tokio::test]
async fn of_runs_at_once_none_is_told_that_its_token_is_wrong() {
    let bump = Bump::new().await;
    let runs = ["2.0", "2.1", "2.2", "2.3"].map(|version| bump.run(version, &[]));
    let ended = join_all(runs).await;
    assert!(ended.iter().all(|(code, _)| matches!(code, 0 | 75)), "{ended:?}");
    assert!(ended.iter().any(|(code, _)| *code == 0), "{ended:?}");
    assert_eq!(bump.only_pull_request().await.state, "open");
}

/// What stands between plugin and server.
#[derive(Clone)]
struct Between {
    server: String,
    /// A server older than Gitea 1.26 does not know how to overwrite a branch.
    is_older: bool,
    /// Servers have a largest page of their own, whatever is asked for.
    has_small_pages: bool,
    /// Writes that get through before the connection is lost for good.
    writes_left: Arc<AtomicUsize>,
    /// Whether the last write that does not come back still reaches the server.
    is_answer_lost: bool,
}

impl Between {
    fn server(server: &str) -> Self {
        Self {
            server: server.to_owned(),
            is_older: false,
            has_small_pages: false,
            writes_left: Arc::new(AtomicUsize::new(usize::MAX)),
            is_answer_lost: false,
        }
    }

    async fn start(self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(
            async move { axum::serve(listener, Router::new().fallback(pass).with_state(self)).await },
        );
        url
    }

    async fn forward(&self, method: Method, path: &str, token: &str, body: Bytes) -> Response {
        let request = lab::http::client().unwrap().request(method, format!("{}{path}", self.server));
        let request =
            request.header("Authorization", token).header("Content-Type", "application/json").body(body);
        let reply = request.send().await.unwrap();
        (reply.status(), reply.bytes().await.unwrap()).into_response()
    }
}

async fn pass(State(between): State<Between>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let mut path = head.uri.path_and_query().unwrap().to_string();
    if between.has_small_pages {
        path = path.replace("limit=50", "limit=1");
    }
    let path = path.as_str();
    let token = head.headers["Authorization"].to_str().unwrap();
    let mut body = to_bytes(body, usize::MAX).await.unwrap();
    if between.is_older && path.ends_with("/contents") {
        let mut content: Value = serde_json::from_slice(&body).unwrap();
        content.as_object_mut().unwrap().retain(|name, _| !name.starts_with("force_"));
        body = content.to_string().into();
    }
    if head.method != Method::GET {
        let less =
            between.writes_left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if less.is_err() {
            if between.is_answer_lost {
                between.forward(head.method, path, token, body).await;
            }
            return StatusCode::BAD_GATEWAY.into_response();
        }
    }
    between.forward(head.method, path, token, body).await
}

#[tokio::test]
async fn a_run_cut_at_any_write_is_finished_by_the_next() {
    let undisturbed = Bump::new().await;
    undisturbed.runs_well("2.0", &[]).await;
    undisturbed.runs_well("2.1", &[]).await;
    let expected = undisturbed.state().await;
    // The first version has two writes (commit, open), the newer one two more (commit, refresh).
    let cuts = [(0, false), (0, true), (1, false), (1, true), (2, false), (2, true), (3, false), (3, true)];
    let runs = cuts.map(async |(writes, is_answer_lost)| {
        let bump = Bump::new().await;
        let writes_left = Arc::new(AtomicUsize::new(writes));
        let between = Between { writes_left, is_answer_lost, ..Between::server(bump.gitea.url()) };
        let address = between.start().await;
        let cut = [("PLUGIN_GIT_SERVER", address.as_str())];
        let mut codes = Vec::new();
        for version in ["2.0", "2.1"] {
            let (code, _) = bump.run(version, &cut).await;
            codes.push(code);
            if code != 0 {
                bump.runs_well(version, &[]).await;
            }
        }
        assert!(
            codes.contains(&75) && codes.iter().all(|code| matches!(code, 0 | 75)),
            "{writes}: {codes:?}"
        );
        assert_eq!(bump.state().await, expected, "cut after {writes} writes, answer lost: {is_answer_lost}");
    });
    join_all(runs).await;
}

#[tokio::test]
async fn a_server_that_cannot_overwrite_branches_gets_commits_on_top() {
    let bump = Bump::new().await;
    let older = Between { is_older: true, ..Between::server(bump.gitea.url()) }.start().await;
    let older = [("PLUGIN_GIT_SERVER", older.as_str())];
    bump.runs_well("2.0", &older).await;
    let log = bump.runs_well("2.1", &older).await;
    assert!(log.contains("does not overwrite branches"), "{log}");
    let log = bump.runs_well("2.1", &older).await;
    assert!(log.contains("nothing to do"), "{log}");
    let pull = bump.only_pull_request().await;
    assert_eq!(pull.title, "Update to 2.1");
    assert_eq!(bump.commits().await.len(), 3);
    assert_eq!(bump.changed_lines(pull.number).await[..2], ["-1.9", "+2.1"]);
}

#[tokio::test]
async fn the_pull_request_is_found_on_a_later_page() {
    let bump = Bump::new().await;
    let url = format!("{}/api/v1/repos/{}/{}", bump.gitea.url(), bump.gitea.owner(), bump.repository);
    for branch in ["other-1", "other-2"] {
        for (path, body) in [
            ("branches", json!({"new_branch_name": branch, "old_branch_name": "develop"})),
            ("pulls", json!({"base": "develop", "head": branch, "title": branch})),
        ] {
            let request = lab::http::client().unwrap().post(format!("{url}/{path}"));
            lab::http::success(request.bearer_auth(bump.gitea.token()).json(&body)).await.unwrap();
        }
    }
    let address = Between { has_small_pages: true, ..Between::server(bump.gitea.url()) }.start().await;
    bump.runs_well("2.0", &[]).await;
    let log = bump.runs_well("2.0", &[("PLUGIN_GIT_SERVER", &address)]).await;
    assert!(log.contains("nothing to do: the open pull request"), "{log}");
}

#[test]
fn help_names_every_setting() {
    let this = std::env::current_exe().unwrap();
    let plugin = this.ancestors().nth(2).unwrap().join("plugin-image-bump");
    let help = command(plugin).arg("--help").output().unwrap();
    assert!(String::from_utf8_lossy(&help.stdout).contains("PLUGIN_COMPONENTS_VARIABLE"));
}
