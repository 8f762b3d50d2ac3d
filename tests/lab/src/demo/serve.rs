//! The program that keeps the demo's servers running in the background, so that there is something to look at after the demo; and its end.
//! One at a time per folder: a lock file says whether it lives.

use std::fs::{self, File, TryLockError};
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use super::World;
use super::world::{LABEL, kubectl};
use crate::cluster::Cluster;
use crate::error::{Attempt as _, Error};
use crate::gitea::Gitea;
use crate::standin::updater::Updater;
use crate::standin::uptime::Uptime;
use crate::{folder, process, shim, tool};

const NAME: &str = "esteira-demo";

/// Serves the demo's world until it is told to end.
pub fn serve(folder: &Path, kubeconfig: Option<&Path>) -> Result<(), Error> {
    let folder = absolute(folder)?;
    let Some(_lock) = lock(&folder)? else { return Err(Error::new("the demo is being served already")) };
    let cluster = kubeconfig.is_none().then(|| Cluster::start(&folder.join("cluster"))).transpose()?;
    let git = Gitea::start(&folder.join("gitea"))?;
    let uptime = Uptime::start(Some(&folder.join("uptime.json")))?;
    let world = World {
        served_by: std::process::id(),
        name: NAME.to_owned(),
        kubeconfig: match (&cluster, kubeconfig) {
            (Some(cluster), _) => cluster.kubeconfig().to_owned(),
            (None, Some(path)) => {
                fs::canonicalize(path).attempting(|| format!("cannot use `{}`", path.display()))?
            }
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
        folder: folder.clone(),
    };
    add_monitors(&world, &uptime)?;
    let _updater = Updater::start(&world.tools(), &world.published_chart(), NAME)?;
    let text = serde_json::to_string_pretty(&world).attempting(|| "cannot describe the world".to_owned())?;
    folder::write_private(&folder.join("world.json"), &text)?;
    wait_for_the_end()
}

/// The world that is served in `folder`; its servers are started if they do not run.
pub(super) fn world(folder: &Path, kubeconfig: Option<&Path>) -> Result<World, Error> {
    let folder = absolute(folder)?;
    let description = folder.join("world.json");
    let mut served = None;
    if lock(&folder)?.is_some() {
        // Nobody serves: what is described there is dead.
        let _ = fs::remove_file(&description);
        served = Some(start(&folder, kubeconfig)?);
    }
    loop {
        if let Ok(text) = fs::read(&description) {
            let world: World = serde_json::from_slice(&text)
                .attempting(|| format!("cannot read `{}`", description.display()))?;
            // One that serves another cluster than the one asked for is of no use.
            return match kubeconfig.is_some() == world.is_own_cluster {
                true => Ok(world),
                false => {
                    Err(Error::new("the demo already runs on another cluster; `make demo-clean` ends it"))
                }
            };
        }
        if let Some(child) = &mut served
            && let Ok(Some(status)) = child.try_wait()
        {
            let log = fs::read_to_string(folder.join("serve.log")).unwrap_or_default();
            return Err(Error::new(format!("the demo's servers ended with {status}:\n{log}")));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Ends the servers and removes everything the demo made.
pub fn clean(folder: &Path) -> Result<(), Error> {
    let Ok(text) = fs::read(folder.join("world.json")) else {
        return if folder.exists() { remove(folder) } else { Ok(()) };
    };
    let world: World =
        serde_json::from_slice(&text).attempting(|| "cannot read the demo's world".to_owned())?;
    if world.is_own_cluster {
        kubectl(&world, &["delete", "namespace", "--selector", &format!("{LABEL}={}", world.name)])?;
    }
    if lock(folder)?.is_none() {
        let mut kill = process::command("kill");
        kill.arg(world.served_by.to_string());
        process::output(kill, "")?;
        while lock(folder)?.is_none() {
            std::thread::sleep(Duration::from_millis(100));
        }
    }
    remove(folder)
}

fn remove(folder: &Path) -> Result<(), Error> {
    fs::remove_dir_all(folder).attempting(|| format!("cannot remove `{}`", folder.display()))
}

fn start(folder: &Path, kubeconfig: Option<&Path>) -> Result<std::process::Child, Error> {
    let attempt = || "cannot start the demo's servers".to_owned();
    let log = File::create(folder.join("serve.log")).attempting(attempt)?;
    let errors = log.try_clone().attempting(attempt)?;
    let mut serve = process::command(shim::lab_program()?);
    serve.arg("serve").arg(folder).args(kubeconfig);
    // A group of its own: a Ctrl-C that ends the demo leaves the servers to the next one.
    serve.stdin(Stdio::null()).stdout(log).stderr(errors).process_group(0);
    serve.spawn().attempting(attempt)
}

fn add_monitors(world: &World, uptime: &Uptime) -> Result<(), Error> {
    let known: Vec<String> = uptime.monitors().into_iter().map(|monitor| monitor.name).collect();
    let environments = world.places().into_iter().map(|place| format!("{} - Protheus ERP", place.namespace));
    // A name that only contains a customer's: it must never be paused.
    for name in environments.chain([format!("x{NAME}-acme - Protheus ERP")]) {
        if !known.contains(&name) {
            uptime.add_monitor(&name)?;
        }
    }
    Ok(())
}

fn absolute(folder: &Path) -> Result<PathBuf, Error> {
    folder::create(folder)?;
    fs::canonicalize(folder).attempting(|| format!("cannot use `{}`", folder.display()))
}

/// The lock of the one that serves; `None` when it is taken.
fn lock(folder: &Path) -> Result<Option<File>, Error> {
    let attempt = || format!("cannot lock `{}`", folder.display());
    let file = File::create(folder.join("serve.lock")).attempting(attempt)?;
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
