//! The whole chain, as `make demo` runs it: once, again without changing anything, and after an interruption in mid-work.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};
use lab::demo::{LABEL, Link, NEW, Ran, World, chain, prepare, run_chain, run_link, state};
use lab::standin::updater::Updater;
use lab::standin::uptime::Uptime;
use lab::{cluster, folder, gitea, plugin, process, tool};

pub(crate) struct Demo {
    pub(crate) world: World,
    pub(crate) uptime: Uptime,
    _updater: Updater,
}

pub(crate) async fn demo() -> Demo {
    let demo = unprepared();
    prepare(&demo.world).await.unwrap();
    demo
}

fn unprepared() -> Demo {
    let (cluster, git) = (cluster(), gitea());
    let uptime = Uptime::start(None).unwrap();
    let world = World {
        served_by: std::process::id(),
        folder: folder::temporary("demo").unwrap(),
        name: folder::unique_name("demo"),
        kubeconfig: cluster.kubeconfig().to_owned(),
        is_own_cluster: false,
        git_url: git.url().to_owned(),
        git_owner: git.owner().to_owned(),
        git_token: git.token().to_owned(),
        uptime_url: uptime.url().to_owned(),
        uptime_key: uptime.key().to_owned(),
        helm: tool("helm").unwrap(),
        kubectl: tool("kubectl").unwrap(),
        store: None,
    };
    for place in world.places() {
        uptime.add_monitor(&format!("{} - Protheus ERP", place.namespace)).unwrap();
    }
    let prefix = format!("{}-", world.name);
    let updater = Updater::start(&world.tools(), &world.published_chart(), &prefix).unwrap();
    Demo { world, uptime, _updater: updater }
}

impl Demo {
    pub(crate) fn paused(&self) -> Vec<String> {
        self.uptime.monitors().into_iter().filter(|one| one.status == 0).map(|one| one.name).collect()
    }

    fn kubectl(&self, arguments: &[&str]) -> String {
        cluster().kubectl(arguments).unwrap()
    }

    pub(crate) fn versions(&self) -> BTreeSet<String> {
        let of = |namespace: &str| {
            self.kubectl(&["get", "namespace", namespace, "-o", "jsonpath={.metadata.labels.BaseVersion}"])
        };
        self.world.places().iter().map(|place| of(&place.namespace)).collect()
    }

    async fn state(&self) -> BTreeMap<String, String> {
        let mut state = state(&self.world).await.unwrap();
        state.insert("monitors".to_owned(), format!("{}", self.uptime.history().len()));
        state
    }
}

fn quiet(_: usize, _: &Link, _: Option<&Ran>) {}

/// Counts how many of the demo's namespaces are in work at the same time, by the Leases that are held.
async fn watch_leases(world: World, is_over: Arc<AtomicBool>, most: Arc<AtomicUsize>) {
    let leases: Api<Lease> = Api::all(cluster().client().await.unwrap());
    while !is_over.load(Ordering::SeqCst) {
        let all = leases.list(&ListParams::default()).await.unwrap();
        let is_ours =
            |lease: &&Lease| lease.namespace().is_some_and(|namespace| namespace.starts_with(&world.name));
        let is_held = |lease: &&Lease| lease.spec.as_ref().is_some_and(|spec| spec.holder_identity.is_some());
        most.fetch_max(all.iter().filter(is_ours).filter(is_held).count(), Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_chain_brings_a_release_to_six_customers_and_a_second_run_changes_nothing() {
    let demo = demo().await;
    let (is_over, most) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let watcher = tokio::spawn(watch_leases(demo.world.clone(), Arc::clone(&is_over), Arc::clone(&most)));
    let ran = run_chain(&demo.world, quiet).await.unwrap();
    is_over.store(true, Ordering::SeqCst);
    watcher.await.unwrap();

    assert!(ran.iter().all(|one| one.ending == "done"), "every link had something to do");
    assert_eq!(demo.versions(), BTreeSet::from([NEW.to_owned()]));
    assert_eq!(most.load(Ordering::SeqCst), 2, "two at a time, never more");
    assert_eq!(demo.paused(), [""; 0]);

    the_pull_requests_touch_only_version_text(&demo).await;
    gnu_tar_lists_the_components(&demo);
    helm_uses_the_published_chart(&demo).await;

    let before = demo.state().await;
    let again = run_chain(&demo.world, quiet).await.unwrap();
    for one in &again {
        assert_eq!(one.ending, "nothing_to_do", "{}: {}", one.plugin, one.log);
    }
    the_reports_are_those_of_the_first_run(&demo);
    let after = demo.state().await;
    let changed: Vec<_> =
        after.iter().filter(|(name, value)| before.get(*name) != Some(value)).map(|(name, _)| name).collect();
    assert_eq!(changed, [""; 0]);
    assert_eq!(before.len(), after.len());
}

fn the_reports_are_those_of_the_first_run(demo: &Demo) {
    for link in chain(&demo.world) {
        let text = std::fs::read(demo.world.reports().join(link.output).join("report.json")).unwrap();
        let report: serde_json::Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(report["report"]["ending"], "done", "{}", link.output);
    }
}

async fn the_pull_requests_touch_only_version_text(demo: &Demo) {
    for (repository, lines) in [(demo.world.image_repository(), 3), (demo.world.chart_repository(), 2)] {
        let requests = gitea().pull_requests(&repository).await.unwrap();
        assert_eq!(requests.len(), 1, "one pull request");
        let diff = gitea().diff(&repository, requests[0].number).await.unwrap();
        let side = |sign: &str| -> Vec<String> {
            let is_content =
                |line: &&str| line.starts_with(sign) && !line.starts_with("+++") && !line.starts_with("---");
            diff.lines().filter(is_content).map(|line| line[1..].to_owned()).collect()
        };
        let (old, new) = (side("-"), side("+"));
        assert_eq!((old.len(), new.len()), (lines, lines), "{diff}");
        for (old, new) in old.iter().zip(&new) {
            let (before, after) =
                old.split_once("12.1.2310").unwrap_or_else(|| panic!("no version text: {diff}"));
            assert!(new.starts_with(before) && new.ends_with(after) && new.contains(NEW), "{diff}");
        }
    }
}

fn gnu_tar_lists_the_components(demo: &Demo) {
    let versions = plugin::outputs(&demo.world.workspace(), "package").unwrap()["archives"].clone();
    let archives = versions.as_object().unwrap();
    assert_eq!(
        archives.keys().map(String::as_str).collect::<BTreeSet<_>>(),
        BTreeSet::from(["dicionario", "rpo", "web-files"])
    );
    assert!(
        archives["web-files"].as_str().unwrap().ends_with("/webfiles.tar.gz"),
        "the name of the earlier versions"
    );
    for (component, key) in archives {
        let mut tar = process::command("tar");
        tar.arg("-tzf").arg(demo.world.bucket().join(key.as_str().unwrap()));
        let listed = process::output(tar, "").unwrap();
        let wanted = match component.as_str() {
            "rpo" => "tttm120.rpo",
            "web-files" => "index.html",
            _ => "sdfbra.txt",
        };
        assert!(listed.lines().any(|line| line.ends_with(wanted)), "{component}: {listed}");
    }
}

async fn helm_uses_the_published_chart(demo: &Demo) {
    let router = axum::Router::new().fallback(serve_file).with_state(demo.world.bucket());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    let home = folder::temporary("helm").unwrap();
    let helm = |arguments: Vec<String>| {
        let (program, home) = (demo.world.helm.clone(), home.clone());
        tokio::task::spawn_blocking(move || {
            let mut helm = process::command(program);
            helm.args(arguments).env_clear().env("HOME", &home).current_dir(&home);
            process::output(helm, "").unwrap()
        })
    };
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    helm(words(&format!("repo add esteira http://{address}/charts"))).await.unwrap();
    helm(words(&format!("pull esteira/smarterp --version {NEW}"))).await.unwrap();
    let shown = helm(words(&format!("show chart smarterp-{NEW}.tgz"))).await.unwrap();
    assert!(shown.contains(&format!("appVersion: {NEW}")), "{shown}");
    let rendered = helm(words(&format!("template acme smarterp-{NEW}.tgz"))).await.unwrap();
    assert!(rendered.contains(&format!("value: \"{NEW}\"")), "{rendered}");
}

async fn serve_file(
    axum::extract::State(root): axum::extract::State<std::path::PathBuf>,
    uri: axum::http::Uri,
) -> Result<Vec<u8>, axum::http::StatusCode> {
    let path = root.join(uri.path().trim_start_matches('/'));
    tokio::fs::read(path).await.map_err(|_| axum::http::StatusCode::NOT_FOUND)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_that_is_killed_in_mid_work_is_finished_by_the_next() {
    let demo = demo().await;
    for link in chain(&demo.world) {
        // Killed once in mid-work, then run to its end: at whatever point it was cut, the next run finishes.
        let mut child = plugin::start(link.plugin, &demo.world.workspace(), &link.settings).unwrap();
        let pause = if link.plugin == "plugin-rollout" { 1500 } else { 60 };
        tokio::time::sleep(Duration::from_millis(pause)).await;
        let _ = child.kill();
        child.wait().unwrap();
        run_link(&demo.world, &link).await.unwrap();
    }
    assert_eq!(demo.versions(), BTreeSet::from([NEW.to_owned()]));
    assert_eq!(demo.paused(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_is_not_the_demos_is_left_alone() {
    let demo = unprepared();
    let foreign = demo.world.places()[2].namespace.clone();
    demo.kubectl(&["create", "namespace", &foreign]);
    let refused = prepare(&demo.world).await.unwrap_err().to_string();
    assert!(refused.contains(&format!("the namespace `{foreign}` is not this demo's")), "{refused}");
    assert_eq!(demo.kubectl(&["get", "namespace", &foreign, "-o", "jsonpath={.status.phase}"]), "Active");
    let selector = format!("{LABEL}={}", demo.world.name);
    assert_eq!(demo.kubectl(&["get", "namespaces", "-l", &selector, "-o", "name"]), "", "nothing was made");
    demo.kubectl(&["delete", "namespace", &foreign, "--wait=false"]);
}
