//! The demo: a small world on this machine, and the five plugins run in it as a CI server would, from patches to updated customers.
//! It may not do what a plugin does; it plays the people around them, who write settings and merge pull requests.
//! Called by `make demo` through the lab's command line, and by the test that runs it twice.

mod chain;
mod in_engine;
mod namespaces;
mod pipelines;
mod serve;
mod show;
mod state;
mod store;
mod world;

use std::path::Path;
use std::time::Instant;

use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::spawn_blocking;

use crate::error::{Attempt as _, Error};
use crate::wait::block_on;

pub use chain::{Link, Ran, chain, run_chain, run_link};
pub use in_engine::in_engine;
pub use namespaces::LABEL;
pub use pipelines::{RPO_IMAGE, appserver_image, merge_all, run_pipeline, workspace};
pub use serve::{BucketOf, Servers, clean, serve};
pub use state::state;
pub use store::{ARTIFACTS, CHARTS, Store};
pub use world::{NEW, OLD, Place, World, prepare};

/// Runs the whole demo in `folder`, starting its servers if they do not run, and shows what happened. Ctrl-C ends it, but not the servers.
pub fn demo(folder: &Path, kubeconfig: Option<&Path>) -> Result<(), Error> {
    let (place, kubeconfig) = (folder.to_owned(), kubeconfig.map(Path::to_owned));
    let attempt = || "cannot start the demo".to_owned();
    let runtime = Builder::new_current_thread().enable_all().build().attempting(attempt)?;
    let result = runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt()).attempting(attempt)?;
        tokio::select! {
            ended = spawn_blocking(move || run(&place, kubeconfig.as_deref())) => ended.attempting(attempt)?,
            _ = interrupt.recv() => Err(Error::new("interrupted")),
        }
    });
    // The plugin that was running has heard Ctrl-C too and ends by itself: nobody waits for it.
    runtime.shutdown_background();
    result.map_err(|error| match serve::is_served(folder) {
        true => Error::new(format!("{error}\n{}", show::SERVERS_GO_ON)),
        false => error,
    })
}

fn run(folder: &Path, kubeconfig: Option<&Path>) -> Result<(), Error> {
    let begun = Instant::now();
    show::title();
    if let Some(kubeconfig) = kubeconfig {
        let server = block_on(async || namespaces::api_server(kubeconfig).await)?;
        show::own_cluster(kubeconfig, &server, &namespaces::unique_name(&serve::absolute(folder)?));
    }
    let world = serve::world(folder, BucketOf::Folder, kubeconfig)?;
    block_on(async || prepare(&world).await)?;
    show::prepared(&world, begun.elapsed());
    let ran = block_on(async || run_chain(&world, show::link).await)?;
    block_on(async || show::ending(&world, &ran, begun.elapsed()).await)
}
