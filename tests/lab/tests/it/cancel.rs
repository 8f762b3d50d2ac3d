//! A build is cancelled: the engine kills the step in mid-work. No container stays, nothing half is seen, and the next build cleans up and
//! finishes.

use std::collections::BTreeMap;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::Lease;
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};
use lab::demo::{
    ARTIFACTS, NEW, RPO_IMAGE, Servers, Store, World, appserver_image, merge_all, run_pipeline, workspace,
};
use lab::engine::Engine;
use lab::fixtures::sha256;
use lab::pipeline::{self, Operator, Run};
use lab::process::{self, Process};
use lab::{Containers, Cut, Moment, S3, containers, figures, folder, plugin};

use crate::pipelines;

/// How long a claim whose run was killed keeps others out; two hours where nobody sets it.
const CLAIM: Duration = Duration::from_secs(5);

/// One engine, its world, and the builds that were begun in it.
struct Site {
    engine: Engine,
    containers: &'static Containers,
    servers: Servers,
    operator: Operator,
    builds: u32,
}

impl Site {
    async fn new(engine: Engine, containers: &'static Containers) -> Self {
        let servers = pipelines::world(containers).await;
        let operator = Operator::of(&servers.world).unwrap();
        // Another build cannot see whether the killed one lives: only the claim's age tells.
        let patience = format!("{}s", CLAIM.as_secs());
        let operator = operator.setting("appserver", "claim_timeout", &patience).setting(
            "source_prefix",
            "claim_timeout",
            &patience,
        );
        Self { engine, containers, servers, operator, builds: 0 }
    }

    fn world(&self) -> &World {
        &self.servers.world
    }

    /// Begins a build, waits until it is `held`, and cancels it as the server would: by a signal to the engine. What the engine wrote.
    fn cancel(&mut self, run: Run, operator: &Operator, held: impl Fn(&str)) -> String {
        self.builds += 1;
        let folder = workspace(self.world(), self.engine, run).unwrap();
        let command = operator.command(self.containers, (self.engine, run), &folder, self.builds).unwrap();
        let log = folder.with_extension("log");
        let engine = Process::start(&command, &log).unwrap();
        held(&log.display().to_string());
        assert!(
            !self.containers.in_folder(&folder).unwrap().is_empty(),
            "{:?}: a step is at work",
            self.engine
        );
        process::terminate(engine.id()).unwrap();
        let told = Instant::now();
        let status = engine.wait().unwrap();
        let log = std::fs::read_to_string(&log).unwrap();
        assert!(!status.success(), "{:?}: {run:?}: a cancelled build is no success:\n{log}", self.engine);
        assert_eq!(self.containers.in_folder(&folder).unwrap(), [""; 0], "{:?}: {log}", self.engine);
        // SIGKILL, and at once: the plugin hears nothing.
        assert!(told.elapsed() < Duration::from_secs(10), "{:?}: {:?}", self.engine, told.elapsed());
        assert!(!log.contains("told to stop"), "{:?}: {log}", self.engine);
        log
    }

    async fn finish(&mut self, run: Run) -> String {
        self.builds += 1;
        let (world, operator) = (&self.servers.world, &self.operator);
        let ended = run_pipeline(world, self.containers, operator, (self.engine, run), self.builds).await;
        let ended = ended.unwrap();
        assert_eq!(ended.code, 0, "{:?}: {run:?}:\n{}", self.engine, ended.log);
        ended.log
    }

    async fn artifacts(&self) -> BTreeMap<String, String> {
        artifacts(self.world().store.as_ref().unwrap()).await
    }

    async fn latest(&self) -> Option<Vec<u8>> {
        let store = self.world().store.as_ref().unwrap();
        store.object(ARTIFACTS, &format!("engenharia/bundle/apo/{NEW}/latest.json")).await.ok()
    }

    /// Holders of the Leases in the environments.
    async fn holders(&self) -> Vec<String> {
        let kubeconfig = kube::config::Kubeconfig::read_from(&self.world().kubeconfig).unwrap();
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &Default::default()).await.unwrap();
        let leases: Api<Lease> = Api::all(kube::Client::try_from(config).unwrap());
        let all = leases.list(&ListParams::default()).await.unwrap();
        let ours = all.into_iter().filter(|lease| {
            lease.namespace().is_some_and(|namespace| namespace.starts_with(&self.world().name))
        });
        ours.filter_map(|lease| lease.spec?.holder_identity).filter(|holder| !holder.is_empty()).collect()
    }
}

/// What is in the bucket, by digest; claims and manifests name their runs, and are left out.
async fn artifacts(store: &Store) -> BTreeMap<String, String> {
    let mut artifacts = BTreeMap::new();
    for name in store.objects().await.unwrap().into_keys() {
        if let Some(key) = name.strip_prefix(&format!("{ARTIFACTS}/")).filter(|key| !is_record(key)) {
            artifacts.insert(key.to_owned(), sha256(&store.object(ARTIFACTS, key).await.unwrap()));
        }
    }
    artifacts
}

fn is_record(key: &str) -> bool {
    Path::new(key).extension().is_some_and(|extension| extension == "json") || key.starts_with(".esteira")
}

/// What the release's first two steps make of the same objects when nobody disturbs them.
async fn undisturbed(world: &World, engine: Engine) -> BTreeMap<String, String> {
    let server = S3::start(&folder::temporary("s3").unwrap()).unwrap();
    let store = Store {
        endpoint: server.endpoint().to_owned(),
        access_key: server.access_key().to_owned(),
        secret_key: server.secret_key().to_owned(),
        charts: String::new(),
    };
    store.fill(&world.bucket()).await.unwrap();
    let workspace = folder::temporary("undisturbed").unwrap();
    std::fs::copy(pipeline::examples(engine).join(".config"), workspace.join(".config")).unwrap();
    let appserver = folder::temporary("appserver").unwrap();
    lab::standin::appserver::install(&appserver).unwrap();
    let bucket = [
        ("bucket", format!("s3://{ARTIFACTS}")),
        ("endpoint", store.endpoint.clone()),
        ("access_key", store.access_key.clone()),
        ("secret_key", store.secret_key.clone()),
    ];
    let run = |name: &str, own: &[(&str, &str)]| {
        let own = own.iter().map(|(name, value)| (*name, (*value).to_owned()));
        let settings: Vec<_> = bucket.iter().cloned().chain(own).collect();
        let ended = plugin::run(name, &workspace, &settings).unwrap();
        assert_eq!(ended.code, 0, "{}", ended.log);
    };
    run("plugin-rpo", &[("appserver", &appserver.display().to_string())]);
    let components = ("source_prefix", "engenharia/bundle/base/imagem/componentes/{kind}");
    let rpo = [("rpo", "@rpo.rpo"), ("rpo_version", "@rpo.version"), ("kind", "producao")];
    run("plugin-package", &[[components].as_slice(), &rpo].concat());
    artifacts(&store).await
}

/// Waits until the build is at the write.
fn until_at(cut: &Cut, log: &str) {
    cut.until_held().unwrap_or_else(|error| panic!("{error}:\n{}", std::fs::read_to_string(log).unwrap()));
}

/// Waits until the log says it.
fn until_said(log: &str, text: &str) {
    let end = Instant::now() + Duration::from_secs(60);
    while !std::fs::read_to_string(log).unwrap_or_default().contains(text) {
        let log = || std::fs::read_to_string(log).unwrap_or_default();
        assert!(Instant::now() < end, "it never said `{text}`:\n{}", log());
        sleep(Duration::from_millis(20));
    }
}

async fn is_cancelled_and_finished_by_the_next(engine: Engine) {
    let Some(containers) = containers() else { return };
    let mut site = Site::new(engine, containers).await;
    let before = site.artifacts().await;

    let hanging = format!("registry.example.com/erp/plugin-rpo:hang-{engine:?}").to_lowercase();
    appserver_image(containers, &hanging, Some("hang:2")).unwrap();
    let operator = site.operator.clone().with(RPO_IMAGE, &hanging);
    site.cancel(Run::Release, &operator, |log| {
        until_said(log, "applying 2 of 4");
        // The second patch is downloaded before that line; the AppServer starts right after it.
        sleep(Duration::from_millis(500));
    });
    assert_eq!(site.artifacts().await, before, "{engine:?}: half an RPO is none");
    assert_eq!(site.latest().await, None, "{engine:?}");

    sleep(CLAIM);
    let store = site.world().store.clone().unwrap();
    let cut = Cut::in_front_of(&store.endpoint).unwrap();
    let cut = cut.counting("/webfiles.tar.gz").hold_at(1, Moment::Before);
    let operator = site.operator.clone().with("https://s3.example.com", cut.url());
    let log = site.cancel(Run::Release, &operator, |log| until_at(&cut, log));
    assert!(log.contains("was assembled and published"), "{engine:?}: rpo went on:\n{log}");
    let archive = |keys: &BTreeMap<String, String>| {
        keys.keys().any(|key| key.contains(NEW) && key.ends_with("/webfiles.tar.gz"))
    };
    assert!(!archive(&site.artifacts().await), "{engine:?}: an archive appears whole or not at all");
    assert!(site.latest().await.is_some(), "{engine:?}");

    sleep(CLAIM);
    site.finish(Run::Release).await;
    let (now, wanted) = (site.artifacts().await, undisturbed(site.world(), engine).await);
    assert!(archive(&now) && now != before);
    assert_eq!(now, wanted, "{engine:?}: as if nobody had disturbed it");
    merge_all(site.world()).await.unwrap();

    site.finish(Run::Chart).await;
    let cut = Cut::in_front_of(&site.world().uptime_url).unwrap();
    let cut = cut.counting("/editMonitor").hold_at(1, Moment::After);
    let operator = site.operator.clone().setting("uptimerobot_key", "uptimerobot_url", cut.url());
    site.cancel(Run::Production, &operator, |log| until_at(&cut, log));
    assert_eq!(pipelines::paused(&site.servers).len(), 1, "{engine:?}: nobody could resume it");
    assert!(!site.holders().await.is_empty(), "{engine:?}: nor give the Lease back");

    site.finish(Run::Production).await;
    assert_eq!(pipelines::paused(&site.servers), [""; 0], "{engine:?}");
    assert_eq!(site.holders().await, [""; 0], "{engine:?}");
    let versions = pipelines::versions(site.world());
    assert!(versions.values().all(|version| version == NEW), "{engine:?}: {versions:?}");
    figures::note(
        "cancel",
        &format!("{engine:?}'s engine kills a step in mid-work, and the next build finishes"),
        3,
    )
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_drones_engine_kills_is_finished_by_the_next() {
    is_cancelled_and_finished_by_the_next(Engine::Drone).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_woodpeckers_engine_kills_is_finished_by_the_next() {
    is_cancelled_and_finished_by_the_next(Engine::Woodpecker).await;
}
