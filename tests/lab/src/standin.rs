//! Stand-ins for what cannot be had: each is written from documented behaviour and its module says from which.
//! Where a real component can run (API server, helm, S3, Git server), it runs: no stand-in is written for it.

pub mod appserver;
pub mod drone;
pub mod jenkins;
mod served;
pub mod updater;
pub mod uptime;
pub mod webhook;
pub mod woodpecker;

pub use served::{Answer, Answers, Request, Served};
