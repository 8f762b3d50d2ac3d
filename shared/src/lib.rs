//! What Esteira's five plugins have in common: how they start, read their settings, report and fail, and the
//! seams to the outside worlds; two of them, `cluster` and `process`, are features. A plugin imports from here; nothing here knows a plugin.

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
pub mod net;
pub mod notify;
mod plugin;
#[cfg(feature = "process")]
pub mod process;
pub mod progress;
mod redact;
pub mod report;
pub mod run;
pub mod settings;
pub mod stop;
