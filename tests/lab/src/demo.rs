//! The demo: a small world on this machine, and the five plugins run in it as a CI server would, from patches to updated customers.
//! It may not do what a plugin does; it plays the people around them, who write settings and merge pull requests.
//! Called by `make demo` through the lab's command line, and by the test that runs it twice.

mod chain;
mod serve;
mod show;
mod world;

use std::path::Path;
use std::time::Instant;

use crate::Error;
use crate::wait::block_on;

pub use chain::{Link, Ran, chain, run_chain, run_link};
pub use serve::{clean, serve};
pub use world::{LABEL, NEW, OLD, Place, World, prepare};

/// Runs the whole demo in `folder`, starting its servers if they do not run, and shows what happened.
pub fn demo(folder: &Path, kubeconfig: Option<&Path>) -> Result<(), Error> {
    let begun = Instant::now();
    show::title();
    let world = serve::world(folder, kubeconfig)?;
    block_on(async || prepare(&world).await)?;
    show::prepared(&world, begun.elapsed());
    let ran = block_on(async || run_chain(&world, show::link).await)?;
    block_on(async || show::ending(&world, &ran, begun.elapsed()).await)
}
