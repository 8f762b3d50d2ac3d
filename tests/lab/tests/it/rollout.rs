//! plugin-rollout on real namespaces: both procedures, failures, kills, and the monitors that must never stay paused.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use lab::fixtures::{Customer, Environment, Tools, environment, package_chart};
use lab::plugin::{self, Ended};
use lab::standin::updater::updater;
use lab::standin::uptime::Uptime;
use lab::{cluster, folder};

pub(crate) const OLD: &str = "12.1.2310";
pub(crate) const NEW: &str = "12.1.2410";

/// Customers of one test, with a bucket, a workspace and an uptime service of their own.
pub(crate) struct Site {
    mark: String,
    bucket: PathBuf,
    pub(crate) workspace: PathBuf,
    tools: Tools,
    pub(crate) uptime: Uptime,
}

impl Site {
    pub(crate) fn new() -> Self {
        let mark = folder::unique_name("site");
        let bucket = folder::temporary("bucket").unwrap();
        let workspace = folder::temporary("workspace").unwrap();
        Self {
            mark,
            bucket,
            workspace,
            tools: Tools::shared().unwrap(),
            uptime: Uptime::start(None).unwrap(),
        }
    }

    fn name(&self, customer: &str) -> String {
        format!("{}-{customer}", self.mark)
    }

    /// A customer with a monitor, and somebody else's monitor whose name only contains the customer's.
    pub(crate) async fn customer(&self, name: &str, change: impl Fn(Environment) -> Environment) -> Customer {
        let name = self.name(name);
        self.uptime.add_monitor(&format!("{name} - Protheus ERP")).unwrap();
        self.uptime.add_monitor(&format!("x{name} - Protheus ERP")).unwrap();
        let client = cluster().client().await.unwrap();
        change(environment(&name, OLD)).create(&self.tools, &client).await.unwrap()
    }

    pub(crate) async fn publish(&self, version: &str) {
        let chart = package_chart(&self.tools, version).await.unwrap();
        std::fs::copy(chart, self.bucket.join(format!("smarterp-{version}.tgz"))).unwrap();
    }

    pub(crate) fn settings(
        &self,
        profile: &str,
        more: &[(&'static str, &str)],
    ) -> Vec<(&'static str, String)> {
        let all = [
            ("bucket", format!("file://{}", self.bucket.display())),
            ("profile", profile.to_owned()),
            ("version", NEW.to_owned()),
            ("namespaces", self.mark.clone() + "-"),
            ("kubeconfig", cluster().kubeconfig().display().to_string()),
            ("helm", self.tools.helm.display().to_string()),
            ("uptimerobot_url", self.uptime.url().to_owned()),
            ("uptimerobot_key", self.uptime.key().to_owned()),
            ("helm_timeout", "2m".to_owned()),
            ("log_level", "debug".to_owned()),
        ];
        let more = more.iter().map(|(name, value)| (*name, (*value).to_owned()));
        let mut settings: Vec<(&str, String)> = Vec::new();
        for (name, value) in all.into_iter().chain(more) {
            settings.retain(|(known, _)| *known != name);
            settings.push((name, value));
        }
        settings
    }

    pub(crate) fn run(&self, profile: &str, more: &[(&'static str, &str)]) -> Ended {
        plugin::run("plugin-rollout", &self.workspace, &self.settings(profile, more)).unwrap()
    }

    /// A production rollout that is in mid-work: it has paused a monitor.
    async fn in_mid_work(&self, more: &[(&'static str, &str)]) -> std::process::Child {
        let settings = self.settings("smarterp-producao", more);
        let child = plugin::start("plugin-rollout", &self.workspace, &settings).unwrap();
        wait_until(|| !self.paused().is_empty()).await;
        child
    }

    async fn killed_after_pausing(&self) {
        let mut child = self.in_mid_work(&[]).await;
        child.kill().unwrap();
        child.wait().unwrap();
    }

    pub(crate) fn paused(&self) -> Vec<String> {
        self.uptime.monitors().into_iter().filter(|one| one.status == 0).map(|one| one.name).collect()
    }
}

pub(crate) async fn version(customer: &Customer) -> (String, String, String) {
    (
        customer.label("BaseVersion").await.unwrap().unwrap_or_default(),
        customer.label("UpdaterDesiredVersion").await.unwrap().unwrap_or_default(),
        customer.config("UPDATER_STATUS").await.unwrap().unwrap_or_default(),
    )
}

pub(crate) fn updated() -> (String, String, String) {
    (NEW.into(), NEW.into(), "OK".into())
}

fn untouched() -> (String, String, String) {
    (OLD.into(), OLD.into(), "OK".into())
}

#[tokio::test(flavor = "multi_thread")]
async fn production_environments_get_the_version_and_go_back_to_sleep() {
    let site = Site::new();
    site.publish(NEW).await;
    let plain = site.customer("acme", |one| one).await;
    let worn = site.customer("globex", Environment::changed_by_others).await;

    let plan = site.run("smarterp-producao", &[("dry_run", "true")]);
    assert_eq!(plan.code, 0, "{}", plan.log);
    assert!(plan.log.contains("2 to update"), "{}", plan.log);
    assert_eq!(version(&plain).await, untouched(), "a dry run changes nothing");
    assert!(site.uptime.history().is_empty());

    let ended = site.run("smarterp-producao", &[("backup", "true")]);
    assert_eq!(ended.code, 0, "{}", ended.log);
    for customer in [&plain, &worn] {
        assert_eq!(version(customer).await, updated(), "{}", ended.log);
        assert_eq!(customer.config("HOOK_ENVIRONMENT_producao").await.unwrap().as_deref(), Some(""));
        let replicas = customer.replicas().await.unwrap();
        let awake: Vec<_> =
            replicas.iter().filter(|(_, count)| **count > 0).map(|(name, _)| name.as_str()).collect();
        assert_eq!(awake, ["protheus-sleeper"], "everything else sleeps");
    }
    assert_eq!(site.paused(), [""; 0]);
    let touched: Vec<String> = site.uptime.history().into_iter().map(|change| change.name).collect();
    assert!(
        touched.iter().all(|name| name.starts_with(&site.mark)),
        "only the customers' own monitors: {touched:?}"
    );
    assert!(site.bucket.join("rollout").join(plain.name()).is_dir(), "the values were saved");

    let again = site.run("smarterp-producao", &[]);
    assert_eq!(again.code, 0, "{}", again.log);
    assert!(again.log.contains("nothing to do"), "{}", again.log);
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_8_the_chart_and_the_next_rollout_add_nothing_twice() {
    let site = Site::new();
    site.publish(NEW).await;
    site.publish("12.1.2411").await;
    let customer = site.customer("acme", |one| one).await;
    for version in [NEW, "12.1.2411"] {
        let ended = site.run("smarterp-producao", &[("version", version)]);
        assert_eq!(ended.code, 0, "{}", ended.log);
    }
    let name = customer.application("appserver");
    let depends = cluster()
        .kubectl(&[
            "get",
            "deployment",
            &name,
            "-n",
            customer.name(),
            "-o",
            r"jsonpath={.metadata.annotations.tks\.sh/sleeper\.depends}",
        ])
        .unwrap();
    for item in ["protheus-config-producao-all", "protheus-rest-producao-all"] {
        assert_eq!(depends.split(',').filter(|one| *one == item).count(), 1, "{depends}");
    }
    assert!(!depends.contains("null"), "{depends}");
}

#[tokio::test(flavor = "multi_thread")]
async fn homologation_environments_are_updated_by_their_own_updater() {
    let _updater = updater();
    let site = Site::new();
    site.publish(NEW).await;
    let customer = site.customer("acme-development", |one| one).await;
    let ended = site.run("smarterp-release", &[]);
    assert_eq!(ended.code, 0, "{}", ended.log);
    assert_eq!(version(&customer).await, updated(), "{}", ended.log);
    assert!(site.run("smarterp-release", &[]).log.contains("nothing to do"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_must_not_be_touched_is_left_alone_with_the_reason() {
    let site = Site::new();
    site.publish(NEW).await;
    let used = site.customer("used", Environment::in_use).await;
    let odd = site.customer("odd", |one| one.status("UPDATING")).await;
    let bare = site.customer("bare", Environment::without_release).await;
    let tiller = site.customer("tiller", Environment::helm2_release).await;
    let unlabelled = site.customer("unlabelled", |one| one.without_label("BaseVersion")).await;
    let canceled = site.customer("canceled", |one| one).await;

    let plan = site.run("smarterp-producao", &[("dry_run", "true")]);
    for reason in [
        "somebody works there",
        "UPDATER_STATUS is UPDATING",
        "no deployed Helm release",
        "Helm 2",
        "no label `BaseVersion`",
        "left out by `canceled`",
    ] {
        assert!(plan.log.contains(reason), "{reason}:\n{}", plan.log);
    }
    let ended = site.run("smarterp-producao", &[]);
    assert_eq!(ended.code, 0, "{}", ended.log);
    for customer in [used, bare, tiller, canceled] {
        assert_eq!(version(&customer).await, untouched());
    }
    assert_eq!(version(&odd).await.2, "UPDATING");
    assert_eq!(unlabelled.label("UpdaterDesiredVersion").await.unwrap().as_deref(), Some(OLD));
    assert!(site.uptime.history().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_helm_fails_its_namespace_alone_and_is_retried_on_demand() {
    let site = Site::new();
    site.publish(NEW).await;
    let bad = site.customer("acme", |one| one).await;
    let good = site.customer("globex", |one| one).await;
    // The API server refuses this value, helm's rendering does not.
    let quota = format!(
        "apiVersion: v1\nkind: ResourceQuota\nmetadata: {{name: none, namespace: {}}}\nspec: {{hard: {{count/services: \"0\"}}}}\n",
        bad.name()
    );
    cluster().kubectl(&["delete", "services", "--all", "-n", bad.name()]).unwrap();
    cluster().apply(&quota).unwrap();

    let ended = site.run("smarterp-producao", &[("max_failures", "2")]);
    assert_eq!(ended.code, 3, "{}", ended.log);
    assert_eq!(version(&good).await, updated());
    assert_eq!(version(&bad).await, (OLD.into(), NEW.into(), "FAILED".into()), "{}", ended.log);
    assert!(ended.log.contains("helm_upgrade") && ended.log.contains("quota"), "{}", ended.log);
    assert_eq!(site.paused(), [""; 0], "monitors are resumed after a failure too");

    cluster().kubectl(&["delete", "resourcequota", "none", "-n", bad.name()]).unwrap();
    let refused = site.run("smarterp-producao", &[]);
    assert_eq!(refused.code, 1, "an unfinished environment is never green: {}", refused.log);
    assert!(refused.log.contains("retry_failed"), "{}", refused.log);
    let resume = site.run("smarterp-producao", &[("action", "resume")]);
    assert!(
        resume.log.contains("no dead run left anything"),
        "a half-updated environment is not woken: {}",
        resume.log
    );
    let retried = site.run("smarterp-producao", &[("retry_failed", "true")]);
    assert_eq!(retried.code, 0, "{}", retried.log);
    assert_eq!(version(&bad).await, updated());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_run_owes_its_monitors_and_the_next_run_finishes() {
    let site = Site::new();
    site.publish(NEW).await;
    let customer = site.customer("acme", |one| one).await;

    site.killed_after_pausing().await;
    assert_eq!(site.paused().len(), 1, "SIGKILL leaves the monitor paused");

    let resumed = site.run("smarterp-producao", &[("action", "resume")]);
    assert_eq!(resumed.code, 0, "{}", resumed.log);
    assert_eq!(site.paused(), [""; 0], "{}", resumed.log);
    assert!(site.run("smarterp-producao", &[("action", "resume")]).log.contains("no dead run left anything"));

    let ended = site.run("smarterp-producao", &[]);
    assert_eq!(ended.code, 0, "{}", ended.log);
    assert_eq!(version(&customer).await, updated());
    assert_eq!(site.paused(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rerun_without_the_monitors_does_not_forget_them() {
    let site = Site::new();
    site.publish(NEW).await;
    let customer = site.customer("acme", |one| one).await;
    site.killed_after_pausing().await;

    let blind = site.run("smarterp-producao", &[("monitors", "none")]);
    assert_eq!(blind.code, 1, "{}", blind.log);
    assert!(blind.log.contains(&format!("`{} - Protheus ERP`", customer.name())), "{}", blind.log);
    assert_eq!(site.run("smarterp-producao", &[]).code, 0);
    assert_eq!(site.paused(), [""; 0]);
    assert_eq!(version(&customer).await, updated());
}

/// What a run leaves that was killed right after it had scaled the sleeper down and before it deleted anything.
fn killed_while_scaling(site: &Site, customer: &Customer) -> u64 {
    let name = customer.name();
    let monitor = site.uptime.monitors().into_iter().find(|one| one.name.starts_with(name)).unwrap();
    site.uptime.set_status(monitor.id, 0).unwrap();
    cluster().kubectl(&["scale", "deployment", "protheus-sleeper", "-n", name, "--replicas", "0"]).unwrap();
    let record = serde_json::json!({
        "run": "r1-0123456789ab", "version": NEW, "profile": "smarterp-producao", "profile_digest": "older", "state": "working",
        "step": 8, "damage": "scaled", "monitors": { monitor.id.to_string(): monitor.name }, "replicas": { "protheus-sleeper": 1 },
    });
    let lease = serde_json::json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": { "name": "esteira-rollout", "namespace": name, "annotations": { "esteira.rollout/record": record.to_string() } },
    });
    cluster().apply(&lease.to_string()).unwrap();
    monitor.id
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_kill_and_a_resume_nobody_who_came_back_is_thrown_out() {
    let site = Site::new();
    site.publish(NEW).await;
    let customer = site.customer("acme", |one| one).await;
    killed_while_scaling(&site, &customer);

    assert_eq!(site.run("smarterp-producao", &[("action", "resume")]).code, 0);
    assert_eq!(site.paused(), [""; 0]);
    assert_eq!(customer.replicas().await.unwrap()["protheus-sleeper"], 1, "what was scaled is given back");
    let application = customer.application("appserver");
    cluster()
        .kubectl(&["scale", "deployment", &application, "-n", customer.name(), "--replicas", "1"])
        .unwrap();

    let rerun = site.run("smarterp-producao", &[]);
    assert_eq!(rerun.code, 1, "{}", rerun.log);
    assert!(rerun.log.contains("somebody works there"), "{}", rerun.log);
    assert_eq!(customer.replicas().await.unwrap()[&application], 1, "nothing was touched");

    cluster()
        .kubectl(&["scale", "deployment", &application, "-n", customer.name(), "--replicas", "0"])
        .unwrap();
    let rerun = site.run("smarterp-producao", &[]);
    assert_eq!(rerun.code, 0, "{}", rerun.log);
    assert_eq!(version(&customer).await, updated());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chart_that_is_not_what_its_name_says_and_a_helm_that_is_not_there_touch_nothing() {
    let site = Site::new();
    let chart = package_chart(&site.tools, OLD).await.unwrap();
    std::fs::copy(chart, site.bucket.join(format!("smarterp-{NEW}.tgz"))).unwrap();
    let customer = site.customer("acme", |one| one).await;
    let wrong = site.run("smarterp-producao", &[]);
    assert_eq!(wrong.code, 1, "{}", wrong.log);
    assert!(wrong.log.contains(&format!("in version {OLD}")), "{}", wrong.log);
    let absent = site.run("smarterp-producao", &[("helm", "/nowhere/helm")]);
    assert_eq!(absent.code, 1, "{}", absent.log);
    assert!(absent.log.contains("setting `helm`"), "{}", absent.log);
    let typo = site.run("smarterp-producao", &[("names", "no-such-customer"), ("namespaces", "")]);
    assert_eq!(typo.code, 1, "{}", typo.log);
    assert!(typo.log.contains("no namespace `no-such-customer`"), "{}", typo.log);
    assert_eq!(version(&customer).await, untouched());
    assert!(site.uptime.history().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_16_values_that_do_not_render_leave_one_environment_alone() {
    let site = Site::new();
    // The new chart cannot be rendered for one of the customers.
    let source = folder::temporary("chart").unwrap().join("smarterp");
    copy(lab::fixtures::chart_source(), &source);
    let check =
        "{{ if eq .Values.sleeperUser \"nobody\" }}{{ fail \"sleeperUser must be somebody\" }}{{ end }}";
    std::fs::write(source.join("templates/check.yaml"), check).unwrap();
    let (from, to) = (source.display().to_string(), site.bucket.display().to_string());
    lab::fixtures::helm(&site.tools, &["package", &from, "--version", NEW, "-d", &to]).await.unwrap();
    let good = site.customer("acme", |one| one).await;
    let bad = site.customer("globex", |one| one.value("sleeperUser=nobody")).await;
    let ended = site.run("smarterp-producao", &[]);
    assert!(ended.log.contains("sleeperUser must be somebody"), "{}", ended.log);
    assert_eq!(version(&good).await, updated(), "{}", ended.log);
    assert_eq!(version(&bad).await, untouched());
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    for entry in walkdir::WalkDir::new(from) {
        let entry = entry.unwrap();
        let target = to.join(entry.path().strip_prefix(from).unwrap());
        match entry.file_type().is_dir() {
            true => std::fs::create_dir_all(target).unwrap(),
            false => std::fs::copy(entry.path(), target).map(drop).unwrap(),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_told_to_stop_resumes_its_monitors_and_says_so() {
    let site = Site::new();
    site.publish(NEW).await;
    let customer = site.customer("acme", |one| one).await;
    let child = site.in_mid_work(&[]).await;
    lab::process::terminate(child.id()).unwrap();
    let ended = Ended::of(&child.wait_with_output().unwrap());
    assert_eq!(ended.code, 75, "{}", ended.log);
    assert_eq!(site.paused(), [""; 0]);

    let rerun = site.run("smarterp-producao", &[]);
    assert_eq!(rerun.code, 0, "{}", rerun.log);
    assert_eq!(version(&customer).await, updated());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_living_run_keeps_another_out_of_its_namespace() {
    let site = Site::new();
    site.publish(NEW).await;
    let customer = site.customer("acme", |one| one).await;
    // A quota that lets no Job's pod be made keeps the first run waiting for its backup.
    let quota = format!(
        "apiVersion: v1\nkind: ResourceQuota\nmetadata: {{name: none, namespace: {}}}\nspec: {{hard: {{pods: \"0\"}}}}\n",
        customer.name()
    );
    cluster().apply(&quota).unwrap();
    let first = site.in_mid_work(&[("backup", "true")]).await;

    let second = site.run("smarterp-producao", &[]);
    assert_eq!(second.code, 75, "{}", second.log);
    assert!(second.log.contains("is working on it"), "{}", second.log);
    let resume = site.run("smarterp-producao", &[("action", "resume")]);
    assert_eq!(resume.code, 75, "what a living run paused is its own: {}", resume.log);
    assert_eq!(site.paused().len(), 1, "the first run's monitor is its own");

    lab::process::terminate(first.id()).unwrap();
    let begun = Instant::now();
    let ended = Ended::of(&first.wait_with_output().unwrap());
    assert_eq!(ended.code, 75, "{}", ended.log);
    assert!(begun.elapsed() < Duration::from_secs(10), "a wait ends at once");
    assert_eq!(site.paused(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_14_a_failed_backup_leaves_the_environment_as_it_was() {
    let site = Site::new();
    site.publish(NEW).await;
    let customer = site.customer("acme", |one| one).await;
    let before = customer.replicas().await.unwrap();
    let quota = format!(
        "apiVersion: v1\nkind: ResourceQuota\nmetadata: {{name: none, namespace: {}}}\nspec: {{hard: {{pods: \"0\"}}}}\n",
        customer.name()
    );
    cluster().apply(&quota).unwrap();
    let ended = site.run("smarterp-producao", &[("backup", "true"), ("backup_timeout", "3s")]);
    assert_eq!(ended.code, 1, "{}", ended.log);
    assert!(ended.log.contains("took longer than 3s"), "{}", ended.log);
    assert_eq!(version(&customer).await, untouched(), "{}", ended.log);
    assert_eq!(customer.replicas().await.unwrap(), before);
    assert_eq!(site.paused(), [""; 0]);

    cluster().kubectl(&["delete", "resourcequota", "none", "-n", customer.name()]).unwrap();
    let again = site.run("smarterp-producao", &[]);
    assert_eq!(again.code, 0, "{}", again.log);
    assert_eq!(version(&customer).await, updated());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_monitor_that_was_paused_before_stays_paused() {
    let site = Site::new();
    site.publish(NEW).await;
    let customer = site.customer("acme", |one| one).await;
    let monitor =
        site.uptime.monitors().into_iter().find(|one| one.name.starts_with(customer.name())).unwrap();
    site.uptime.set_status(monitor.id, 0).unwrap();
    let ended = site.run("smarterp-producao", &[]);
    assert_eq!(ended.code, 0, "{}", ended.log);
    assert_eq!(site.paused(), [monitor.name]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_roles_in_the_examples_are_enough_and_less_is_named() {
    let _updater = updater();
    let site = Site::new();
    site.publish(NEW).await;
    let production = site.customer("acme", |one| one).await;
    let homologation = site.customer("acme-development", |one| one).await;
    let release = account("release", "smarterp-release.yaml", &site.mark);
    let producao = account("producao", "smarterp-producao.yaml", &site.mark);

    let lacking = site.run("smarterp-producao", &[("kubeconfig", &release), ("exclude", "development")]);
    assert_eq!(lacking.code, 1, "{}", lacking.log);
    assert!(lacking.log.contains("cannot deletecollection resource"), "{}", lacking.log);
    assert_eq!(site.paused(), [""; 0]);

    let ended = site.run(
        "smarterp-producao",
        &[
            ("kubeconfig", &producao),
            ("exclude", "development"),
            ("backup", "true"),
            ("retry_failed", "true"),
        ],
    );
    assert_eq!(ended.code, 0, "{}", ended.log);
    assert_eq!(version(&production).await, updated());
    let development = format!("{}-acme-development", site.mark);
    let ended = site.run("smarterp-release", &[("kubeconfig", &release), ("namespaces", &development)]);
    assert_eq!(ended.code, 0, "{}", ended.log);
    assert_eq!(version(&homologation).await, updated());
}

/// A service account with a role of the examples and nothing else; its kubeconfig as text.
fn account(name: &str, file: &str, mark: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/rbac").join(file);
    let account = format!("{mark}-{name}");
    cluster().apply(&std::fs::read_to_string(path).unwrap()).unwrap();
    cluster().kubectl(&["create", "serviceaccount", &account, "-n", "default"]).unwrap();
    let (role, user) =
        (format!("--clusterrole=esteira-rollout-{name}"), format!("--serviceaccount=default:{account}"));
    cluster().kubectl(&["create", "clusterrolebinding", &account, &role, &user]).unwrap();
    cluster().service_account("default", &account).unwrap()
}

async fn wait_until(is_so: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < end, "it never came");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
