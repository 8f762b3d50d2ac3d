//! What Esteira's five plugins have in common: how they start, read their settings, report and fail, and the
//! seams to the outside worlds, one feature each. A plugin imports from here; nothing here knows a plugin.

pub mod bucket;
mod chain;
pub mod ci;
#[cfg(feature = "cluster")]
pub mod cluster;
pub mod digest;
pub mod entry;
pub mod failure;
pub mod http;
pub mod jitter;
mod log;
pub mod notify;
#[cfg(feature = "process")]
pub mod process;
mod redact;
pub mod report;
pub mod run;
pub mod settings;
pub mod stop;
