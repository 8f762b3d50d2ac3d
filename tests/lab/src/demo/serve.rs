//! The program that keeps the demo's servers running in the background, so that there is something to look at after the demo; and its end.
//! One at a time per folder: a lock file says whether it lives, and which process it is.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use super::namespaces::{self, LABEL};
use super::store::{Store, publish_charts};
use super::world::kubectl;
use super::{World, show};
use crate::cluster::Cluster;
use crate::error::{Attempt as _, Error};
use crate::gitea::Gitea;
use crate::listen::Listening;
use crate::s3::S3;
use crate::standin::updater::Updater;
use crate::standin::uptime::Uptime;
use crate::wait::block_on;
use crate::{folder, process, shim, tool};

/// What a world has for a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BucketOf {
    /// A folder: the chain runs as processes of this machine.
    Folder,
    /// An S3 server: the chain runs in a CI server's engine.
    Store,
}

/// A world's servers; they end when this value is dropped, the cluster last.
pub struct Servers {
    /// Where they are.
    pub world: World,
    /// The uptime service.
    pub uptime: Uptime,
    _updater: Updater,
    _charts: Option<Listening>,
    _store: Option<S3>,
    _git: Gitea,
    _cluster: Option<Cluster>,
}

impl Servers {
    /// Starts those whose data is kept in `folder`; nothing is put into them yet but the monitors.
    pub fn start(folder: &Path, bucket: BucketOf, kubeconfig: Option<&Path>) -> Result<Self, Error> {
        let folder = absolute(folder)?;
        let cluster = kubeconfig.is_none().then(|| Cluster::start(&folder.join("cluster"))).transpose()?;
        let git = Gitea::start(&folder.join("gitea"))?;
        let uptime = Uptime::start(Some(&folder.join("uptime.json")))?;
        let s3 = (bucket == BucketOf::Store).then(|| S3::start(&folder.join("s3"))).transpose()?;
        let charts = s3.as_ref().map(publish_charts).transpose()?;
        let world = World {
            served_by: std::process::id(),
            name: if cluster.is_some() { namespaces::name() } else { namespaces::unique_name(&folder) },
            kubeconfig: match (&cluster, kubeconfig) {
                (Some(cluster), _) => cluster.kubeconfig().to_owned(),
                (None, Some(path)) => real_path(path)?,
                (None, None) => return Err(Error::new("there is no cluster")),
            },
            is_own_cluster: cluster.is_none(),
            git_url: git.url().to_owned(),
            git_owner: git.owner().to_owned(),
            git_token: git.token().to_owned(),
            uptime_url: uptime.url().to_owned(),
            uptime_key: uptime.key().to_owned(),
            helm: tool("helm")?,
            kubectl: tool("kubectl")?,
            store: s3.as_ref().zip(charts.as_ref()).map(|(s3, charts)| Store {
                endpoint: s3.endpoint().to_owned(),
                access_key: s3.access_key().to_owned(),
                secret_key: s3.secret_key().to_owned(),
                charts: charts.url().to_owned(),
            }),
            folder,
        };
        add_monitors(&world, &uptime)?;
        let updater = Updater::start(&world.tools(), &world.published_chart(), &format!("{}-", world.name))?;
        Ok(Self {
            world,
            uptime,
            _updater: updater,
            _charts: charts,
            _store: s3,
            _git: git,
            _cluster: cluster,
        })
    }
}

/// Serves the demo's world until it is told to end.
pub fn serve(folder: &Path, bucket: BucketOf, kubeconfig: Option<&Path>) -> Result<(), Error> {
    let folder = absolute(folder)?;
    let Some(mut lock) = lock(&folder)? else {
        return Err(Error::new("the demo is being served already"));
    };
    lock.set_len(0)
        .and_then(|()| write!(lock, "{}", std::process::id()))
        .attempting(|| "cannot say which process serves".to_owned())?;
    let servers = Servers::start(&folder, bucket, kubeconfig)?;
    let text =
        serde_json::to_string_pretty(&servers.world).attempting(|| "cannot describe the world".to_owned())?;
    folder::write_private(&folder.join("world.json"), &text)?;
    wait_for_the_end()
}

/// The world that is served in `folder`; its servers are started if they do not run.
pub(super) fn world(folder: &Path, bucket: BucketOf, kubeconfig: Option<&Path>) -> Result<World, Error> {
    let folder = absolute(folder)?;
    let description = folder.join("world.json");
    let mut served = None;
    if lock(&folder)?.is_some() {
        // Nobody serves: what is described there is dead.
        let _ = fs::remove_file(&description);
        served = Some(start(&folder, bucket, kubeconfig)?);
    }
    loop {
        if let Ok(text) = fs::read(&description) {
            let world: World = serde_json::from_slice(&text)
                .attempting(|| format!("cannot read `{}`", description.display()))?;
            return is_for(&world, kubeconfig).map(|()| world);
        }
        if let Some(child) = &mut served
            && let Ok(Some(status)) = child.try_wait()
        {
            let log = fs::read_to_string(folder.join("serve.log")).unwrap_or_default();
            return Err(Error::new(format!("the demo's servers ended ({status}): {}", without_prefix(&log))));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Whether servers run for the demo in `folder`.
pub(super) fn is_served(folder: &Path) -> bool {
    folder.exists() && lock(folder).is_ok_and(|lock| lock.is_none())
}

/// An error when the world that is served stands in another cluster than the one asked for: it is of no use then.
fn is_for(world: &World, kubeconfig: Option<&Path>) -> Result<(), Error> {
    let wanted = kubeconfig.map(real_path).transpose()?;
    let served = world.is_own_cluster.then(|| world.kubeconfig.clone());
    match wanted == served {
        true => Ok(()),
        false => Err(Error::new("the demo already runs on another cluster; `make demo-clean` ends it")),
    }
}

/// What the servers said, without the mark that whoever shows it puts before it again.
fn without_prefix(log: &str) -> String {
    let lines: Vec<_> = log.trim().lines().map(|line| line.trim_start_matches("error: ")).collect();
    lines.join("\n  ")
}

/// Ends the servers and removes everything the demo made; in a cluster of the user's, that is what has the demo's own label.
pub fn clean(folder: &Path) -> Result<(), Error> {
    if !folder.exists() {
        show::say("There is no demo: nothing to end.");
        return Ok(());
    }
    let mut ended = Vec::new();
    if let Ok(text) = fs::read(folder.join("world.json")) {
        let world: World =
            serde_json::from_slice(&text).attempting(|| "cannot read the demo's world".to_owned())?;
        if world.is_own_cluster {
            ended.push(delete_namespaces(&world)?);
        }
    }
    if end_servers(folder)? {
        ended.push("the servers ended".to_owned());
    }
    fs::remove_dir_all(folder).attempting(|| format!("cannot remove `{}`", folder.display()))?;
    ended.push(format!("`{}` removed", folder.display()));
    show::say(&format!("The demo is over: {}.", ended.join(", ")));
    Ok(())
}

fn delete_namespaces(world: &World) -> Result<String, Error> {
    let server = block_on(async || namespaces::api_server(&world.kubeconfig).await)?;
    show::say(&format!("Deleting the namespaces with the label {LABEL}={} at {server}", world.name));
    let selector = format!("{LABEL}={}", world.name);
    let deleted = kubectl(world, &["delete", "namespace", "--selector", &selector, "--output", "name"])?;
    Ok(format!("{} namespaces deleted", deleted.lines().count()))
}

/// Ends the process that serves, and waits until it has; whether there was one.
pub(super) fn end_servers(folder: &Path) -> Result<bool, Error> {
    if lock(folder)?.is_some() {
        return Ok(false);
    }
    let path = folder.join("serve.lock");
    let id = fs::read_to_string(&path).attempting(|| format!("cannot read `{}`", path.display()))?;
    let id = id.trim().parse().attempting(|| format!("`{}` names no process", path.display()))?;
    process::terminate(id)?;
    while lock(folder)?.is_none() {
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(true)
}

fn start(folder: &Path, bucket: BucketOf, kubeconfig: Option<&Path>) -> Result<std::process::Child, Error> {
    let attempt = || "cannot start the demo's servers".to_owned();
    let log = File::create(folder.join("serve.log")).attempting(attempt)?;
    let errors = log.try_clone().attempting(attempt)?;
    let mut serve = process::command(shim::lab_program()?);
    serve.arg(if bucket == BucketOf::Store { "serve-store" } else { "serve" }).arg(folder).args(kubeconfig);
    // A group of its own: a Ctrl-C that ends the demo leaves the servers to the next one.
    serve.stdin(Stdio::null()).stdout(log).stderr(errors).process_group(0);
    serve.spawn().attempting(attempt)
}

fn add_monitors(world: &World, uptime: &Uptime) -> Result<(), Error> {
    let known: Vec<String> = uptime.monitors().into_iter().map(|monitor| monitor.name).collect();
    let environments = world.places().into_iter().map(|place| format!("{} - Protheus ERP", place.namespace));
    // A name that only contains a customer's: it must never be paused.
    for name in environments.chain([format!("x{}-acme - Protheus ERP", world.name)]) {
        if !known.contains(&name) {
            uptime.add_monitor(&name)?;
        }
    }
    Ok(())
}

pub(super) fn absolute(folder: &Path) -> Result<PathBuf, Error> {
    folder::create(folder)?;
    real_path(folder)
}

fn real_path(path: &Path) -> Result<PathBuf, Error> {
    fs::canonicalize(path).attempting(|| format!("cannot use `{}`", path.display()))
}

/// The lock of the one that serves; `None` when it is taken.
fn lock(folder: &Path) -> Result<Option<File>, Error> {
    let attempt = || format!("cannot lock `{}`", folder.display());
    // Not emptied: whoever holds the lock has written there which process it is.
    let mut open = OpenOptions::new();
    let file = open.create(true).truncate(false).read(true).write(true).open(folder.join("serve.lock"));
    let file = file.attempting(attempt)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error).attempting(attempt),
    }
}

fn wait_for_the_end() -> Result<(), Error> {
    let attempt = || "cannot wait for a signal".to_owned();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().attempting(attempt)?;
    runtime.block_on(async {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate()).attempting(attempt)?;
        let mut interrupt = signal(SignalKind::interrupt()).attempting(attempt)?;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        // Nobody reads the log any more when standard error is closed.
        let _ = writeln!(std::io::stderr(), "ending");
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_servers_said_is_not_marked_as_an_error_twice() {
        assert_eq!(without_prefix("error: no port is free\nlook\n"), "no port is free\n  look");
    }

    #[test]
    fn without_a_demo_there_is_nothing_to_end() {
        let folder = tempfile::tempdir().unwrap();
        clean(&folder.path().join("demo")).unwrap();
        assert!(!end_servers(folder.path()).unwrap());
        assert!(!is_served(folder.path()));
        clean(folder.path()).unwrap();
        assert!(!folder.path().exists());
    }
}
