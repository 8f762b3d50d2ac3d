//! The demo in a CI server's own engine: the world of `make demo`, the pipelines of `examples`, the images of `make images` in the user's own
//! podman. It may not leave anything running when it is interrupted.
//! Called by `make drone` and `make woodpecker` through the lab's command line.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::pipelines::{RPO_IMAGE, appserver_image, merge_all, workspace};
use super::{BucketOf, World, prepare, serve, show};
use crate::containers::Containers;
use crate::engine::Engine;
use crate::error::{Attempt as _, Error};
use crate::pipeline::{Operator, Run};
use crate::wait::block_on;
use crate::{folder, image, plugin, process};

/// Longer than an engine takes to remove a step.
const PATIENCE: Duration = Duration::from_secs(20);

/// The engine that is at work, for whoever interrupts it; once it is interrupted, none begins any more.
#[derive(Default)]
struct AtWork {
    engine: Option<u32>,
    is_over: bool,
}

/// Runs the chain in `folder` and shows what the engine prints. Ctrl-C ends it, its steps and its servers; what was done stays, and the next
/// run goes on from there.
pub fn in_engine(engine: Engine, folder: &Path) -> Result<(), Error> {
    let folder = serve::absolute(folder)?;
    let attempt = || "cannot start the demo".to_owned();
    let runtime = Builder::new_current_thread().enable_all().build().attempting(attempt)?;
    let at_work = Arc::new(Mutex::new(AtWork::default()));
    let result = runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt()).attempting(attempt)?;
        let mut terminate = signal(SignalKind::terminate()).attempting(attempt)?;
        let (place, told) = (folder.clone(), Arc::clone(&at_work));
        let mut running = spawn_blocking(move || run(engine, &place, &told));
        tokio::select! {
            ended = &mut running => return ended.attempting(attempt)?,
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        let at_work = {
            let mut at_work = at_work.lock().unwrap_or_else(PoisonError::into_inner);
            at_work.is_over = true;
            at_work.engine
        };
        // Fails only when it has ended by itself.
        let _ = at_work.map(process::terminate);
        // It removes its containers, and then the run ends too.
        let _ = timeout(PATIENCE, running).await;
        serve::end_servers(&folder)?;
        Err(Error::new("interrupted: nothing is left running, and the next run goes on from here"))
    });
    runtime.shutdown_background();
    result
}

fn run(engine: Engine, place: &Path, at_work: &Mutex<AtWork>) -> Result<(), Error> {
    let begun = Instant::now();
    show::title();
    // Two at a time would remove each other's steps.
    let (podman, _claim) = folder::claim(&place.join("podman"))?;
    let containers = Containers::of_the_user(&podman)?;
    let rest = Leftovers { containers: &containers, folder: place.join("workspaces") };
    must_be_there(&containers)?;
    show_revision(&containers)?;
    appserver_image(&containers, RPO_IMAGE, None)?;
    let world = serve::world(place, BucketOf::Store, None)?;
    block_on(async || prepare(&world).await)?;
    show::prepared(&world, begun.elapsed());
    if engine == Engine::Woodpecker {
        show::say(
            "After each pipeline Woodpecker tells of steps that it could not kill: with podman, those that had ended already.",
        );
    }
    let operator = Operator::of(&world)?;
    // Numbered anew in each run: to the plugins, a second one is a restart of the same builds, which need not wait for what the first one,
    // killed, had claimed.
    for (number, run) in (1..).zip(Run::ALL) {
        show::say(&format!(
            "\n{engine:?} runs the pipeline `{}` ({}):\n",
            run.name(),
            run.event(engine).name
        ));
        let workspace = workspace(&world, engine, run)?;
        let command = operator.command(&containers, (engine, run), &workspace, number)?;
        let child = begin(&command, at_work)?;
        if !wait(child)?.success() {
            return Err(Error::new(format!("the pipeline `{}` failed: its log is above", run.name())));
        }
        after(&world, run)?;
    }
    drop(rest);
    block_on(async || show::engine_ending(&world, begun.elapsed()).await)
}

fn after(world: &World, run: Run) -> Result<(), Error> {
    if run == Run::Release {
        show::say("\nThe owners of the two repositories merge the pull requests.");
        block_on(async || merge_all(world).await)?;
    }
    Ok(())
}

fn must_be_there(containers: &Containers) -> Result<(), Error> {
    let is_missing = |name: &String| {
        let mut exists = containers.command("podman");
        exists.args(["image", "exists", name]);
        process::output(exists, "").is_err()
    };
    let names = plugin::all()?.into_iter().map(|plugin| image::name(&plugin));
    let missing: Vec<String> = names.filter(is_missing).collect();
    match missing.is_empty() {
        true => Ok(()),
        false => {
            Err(Error::new(format!("podman has no image {}; `make images` makes them", missing.join(", "))))
        }
    }
}

/// Images of another commit are used as they are, so whoever looks should know.
fn show_revision(containers: &Containers) -> Result<(), Error> {
    let format = "{{index .Labels \"org.opencontainers.image.revision\"}}";
    let mut inspect = containers.command("podman");
    inspect.args(["image", "inspect", "--format", format]);
    inspect.args(plugin::all()?.iter().map(|plugin| image::name(plugin)));
    let labels = process::output(inspect, "")?;
    let revisions: BTreeSet<&str> =
        labels.lines().map(|label| if label.is_empty() { "(not told)" } else { label }).collect();
    let shown = revisions.iter().copied().collect::<Vec<_>>().join(", ");
    show::say(&format!("The images are of the commit {shown}."));
    let mut head = process::command("git");
    head.args(["rev-parse", "HEAD"]).current_dir(image::scripts());
    let Ok(head) = process::output(head, "") else { return Ok(()) };
    let head = head.trim();
    if revisions.iter().any(|revision| revision.trim_end_matches("-dirty") != head) {
        show::say(&format!("WARNING: this checkout is at {head}; `make images` makes them of it."));
    }
    Ok(())
}

fn begin(command: &std::process::Command, at_work: &Mutex<AtWork>) -> Result<Child, Error> {
    let mut at_work = at_work.lock().unwrap_or_else(PoisonError::into_inner);
    if at_work.is_over {
        return Err(Error::new("interrupted"));
    }
    let child =
        process::spawn(process::shimmed(command)?).attempting(|| "cannot start the engine".to_owned())?;
    at_work.engine = Some(child.id());
    Ok(child)
}

fn wait(mut child: Child) -> Result<std::process::ExitStatus, Error> {
    child.wait().attempting(|| "cannot wait for the engine".to_owned())
}

/// Containers that an engine did not remove: it was killed, or did not get to it.
struct Leftovers<'a> {
    containers: &'a Containers,
    folder: PathBuf,
}

impl Drop for Leftovers<'_> {
    fn drop(&mut self) {
        for id in self.containers.in_folder(&self.folder).unwrap_or_default() {
            let mut remove = self.containers.command("podman");
            remove.args(["rm", "--force", "--time", "0", &id]);
            if let Err(error) = process::output(remove, "") {
                crate::say(&format!("error: {error}"));
            }
        }
    }
}
