//! The updater that lives in customers' namespaces: what a Job made from CronJob `protheus-updater` does.
//!
//! Source: the team's update procedures (the namespace's labels, UPDATER_STATUS and its values, the profiles that end in
//! such a Job). The program itself is the vendor's and not public. It ends in a `helm upgrade` of the release to the
//! version in the label UpdaterDesiredVersion, then UPDATER_STATUS=OK and BaseVersion; UPDATER_STATUS=FAILED if not.
//! Inferred: that it leaves an environment alone that is in use, unless UpdaterIgnoreUsing is `true`.
//!
//! The lab's chart gives the Job's pod a scheduler that does not exist, so that no kubelet, real or fake, ends it at
//! once: this stand-in plays the pod. So the Job runs as long as the upgrade and fails if that fails.

mod environment;
mod job;

use std::collections::HashSet;
use std::rc::Rc;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use k8s_openapi::api::batch::v1::Job;
use kube::api::ListParams;
use kube::{Api, Client};
use tokio::sync::oneshot;

use crate::error::{Attempt as _, Error, or_fail};
use crate::fixtures::Tools;

const CRON_JOB: &str = "protheus-updater";
const PAUSE: Duration = Duration::from_millis(300);

/// The updater of every namespace in one cluster, which must have no second one; it takes up no more Jobs when dropped.
pub struct Updater {
    stop: Option<oneshot::Sender<()>>,
    worker: Option<thread::JoinHandle<()>>,
}

/// What the work on one Job needs.
struct Site {
    client: Client,
    tools: Tools,
    chart: String,
}

/// The updater of the control plane that this process's tests share; it upgrades to any version that was packaged
/// with [`crate::fixtures::package_chart`] and [`Tools::shared`].
#[track_caller]
pub fn updater() -> &'static Updater {
    static UPDATER: OnceLock<Result<Updater, Error>> = OnceLock::new();
    or_fail(UPDATER.get_or_init(|| {
        let tools = Tools::shared()?;
        Updater::start(&tools, &tools.charts.join("smarterp-{version}.tgz").to_string_lossy(), "")
    }))
}

impl Updater {
    /// Starts it. `chart` says where the chart of a version lies: a path or URL with `{version}` in it. Only namespaces whose
    /// names begin with `prefix` are its own: in a cluster that is not the lab's there are real ones. Of several updaters in one
    /// process, the one with the longest prefix has the namespace: two helms at one release fail each other.
    ///
    /// It has a thread of its own: a test may wait for a plugin's process without doing anything else meanwhile.
    pub fn start(tools: &Tools, chart: &str, prefix: &str) -> Result<Self, Error> {
        let attempt = || "cannot start the updater".to_owned();
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().attempting(attempt)?;
        let (tools, chart, prefix) = (tools.clone(), chart.to_owned(), prefix.to_owned());
        prefixes().push(prefix.clone());
        let (stop, stopped) = oneshot::channel();
        let worker = thread::spawn(move || {
            tokio::task::LocalSet::new().block_on(&runtime, async {
                let client = match crate::cluster::client(&tools.kubeconfig).await {
                    Ok(client) => client,
                    Err(error) => return crate::say(&format!("the updater does not run: {error}")),
                };
                tokio::select! {
                    () = watch(Rc::new(Site { client, tools, chart }), &prefix) => {}
                    _ = stopped => {}
                }
            });
        });
        Ok(Self { stop: Some(stop), worker: Some(worker) })
    }
}

impl Drop for Updater {
    fn drop(&mut self) {
        // Both fail only if the worker has already ended. Joining lets a running helm end: killed in its work, it
        // would leave a release that nobody can upgrade.
        let _ = self.stop.take().map(|stop| stop.send(()));
        let _ = self.worker.take().map(thread::JoinHandle::join);
    }
}

/// The prefixes of all updaters that were started in this process.
fn prefixes() -> MutexGuard<'static, Vec<String>> {
    static PREFIXES: Mutex<Vec<String>> = Mutex::new(Vec::new());
    PREFIXES.lock().unwrap_or_else(PoisonError::into_inner)
}

fn owns(prefix: &str, namespace: &str) -> bool {
    let longest = prefixes().iter().filter(|one| namespace.starts_with(*one)).map(String::len).max();
    namespace.starts_with(prefix) && longest == Some(prefix.len())
}

/// Takes up every Job of the CronJob once, as many at a time as there are.
async fn watch(site: Rc<Site>, prefix: &str) {
    let jobs: Api<Job> = Api::all(site.client.clone());
    let mut taken = HashSet::new();
    loop {
        // An API server that does not answer now is asked again.
        for job in jobs.list(&ListParams::default()).await.into_iter().flatten() {
            let uid = job.metadata.uid.clone().unwrap_or_default();
            let is_here = owns(prefix, job.metadata.namespace.as_deref().unwrap_or_default());
            if is_here && is_ours(&job) && taken.insert(uid) {
                let site = Rc::clone(&site);
                tokio::task::spawn_local(async move {
                    if let Err(error) = job::work(&site, &job).await {
                        crate::say(&format!("the updater gave up a Job: {error}"));
                    }
                });
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Made from the CronJob and not finished. What says that a Job was handled is that it ended: one that an earlier
/// updater left half done is taken up again.
fn is_ours(job: &Job) -> bool {
    let owners = job.metadata.owner_references.as_deref().unwrap_or_default();
    let conditions = job.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    owners.iter().any(|owner| owner.kind == "CronJob" && owner.name == CRON_JOB)
        && job.metadata.deletion_timestamp.is_none()
        && !conditions.iter().any(|condition| ["Complete", "Failed"].contains(&condition.type_.as_str()))
}
