//! The CI server: starts pipelines of other repositories after a run, waits for them if asked, and keeps a schedule there.
//! It may not undo anything and never starts a pipeline twice in one run. Called by [`crate::entry`]; plugins only name pipelines ([`Start`]).

mod after;
mod drone;
mod error;
mod expression;
mod jenkins;
pub(crate) mod schedule;
mod server;
mod settings;
mod start;
mod target;
mod woodpecker;

pub(crate) use after::{start_pipelines, would_start};
pub use settings::{ACTION, CI, CiSettings};
pub(crate) use start::check_parameters;
pub use target::{Start, Target, target};
