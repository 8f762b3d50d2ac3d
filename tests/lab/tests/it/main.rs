//! The lab proves itself: each counterpart does what Esteira's tests rely on.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed step of a test ends it")]

mod appserver;
mod bucket;
mod chaining;
mod chart_publish;
mod children;
mod ci_server;
mod concurrency;
mod control_plane;
mod crashes;
mod demo;
mod encodings;
mod ends_with_its_owner;
mod engines;
mod environment;
mod exit_codes;
mod git_server;
mod http;
mod image_bump;
mod limits;
mod measured_run;
mod notify;
mod object_store;
mod package;
mod processes;
mod readme;
mod real_ci_servers;
mod reports;
mod rollout;
mod rpo;
mod schedule;
mod secrets;
mod settings;
mod trigger;
mod updater;
mod uptime;
