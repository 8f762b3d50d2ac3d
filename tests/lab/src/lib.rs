//! The lab: real counterparts for Esteira's tests and demo, and what they start from.
//! It may not contain anything that a plugin needs to do its work.
//! A test asks for what it needs: `lab::cluster()`, `lab::gitea()`, `lab::s3()`, `lab::drone()`,
//! `lab::woodpecker()`, `lab::containers()`, `lab::tool("helm")`.

mod ci_server;
mod component;
mod error;
mod listen;

pub mod arrival;
pub mod bench;
pub mod bucket;
pub mod cluster;
pub mod containers;
pub mod cut;
pub mod demo;
pub mod drone;
pub mod engine;
pub mod figures;
pub mod fixtures;
pub mod folder;
pub mod gcs;
pub mod gitea;
pub mod http;
pub mod hunt;
pub mod image;
pub mod jenkinsfile;
pub mod json_schema;
pub mod line;
pub mod measure;
pub mod meddler;
pub mod pipeline;
pub mod plugin;
pub mod ports;
pub mod process;
pub mod s3;
pub mod schema;
pub mod shim;
pub mod skipped;
pub mod standin;
pub mod tool;
pub mod trace;
pub mod wait;
pub mod wire;
pub mod woodpecker;

pub use cluster::{Cluster, cluster};
pub use containers::{Containers, containers};
pub use cut::{Cut, Moment};
pub use drone::{Drone, drone};
pub use engine::Engine;
pub use error::{Attempt, Error};
pub use gcs::{Gcs, gcs};
pub use gitea::{Gitea, gitea};
pub use measure::{Measured, run_measured};
pub use s3::{S3, s3};
pub use tool::{build_all, tool};
pub use woodpecker::{Woodpecker, woodpecker};

/// Says one line to the person who waits, on standard error.
pub fn say(line: &str) {
    use std::io::Write as _;
    // Nobody is left to tell when standard error is closed.
    let _ = writeln!(std::io::stderr(), "{line}");
}
