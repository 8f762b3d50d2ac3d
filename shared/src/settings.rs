//! Settings: what a `PLUGIN_*` variable may be called and hold, how it is read, and what is said when it cannot be used.
//! The environment is read once ([`Env::snapshot`]); all problems of a run are reported together ([`Problems`]).

pub mod common;
pub mod config_file;
mod document;
mod env;
mod origin;
pub mod parse;
mod problem;
mod reader;
mod reference;
mod secret;
mod setting;
mod siblings;
mod suspicion;
mod takes;

pub use common::{COMMON, Common, RawCommon};
pub(crate) use document::is_document;
pub use env::Env;
pub(crate) use env::Readable;
pub use problem::{Problem, Problems};
pub use reader::Reader;
pub(crate) use reference::reference;
pub use secret::Secret;
pub(crate) use setting::is_words;
pub use setting::{Setting, disagreements, groups_help, groups_markdown};
pub use siblings::SIBLING_NAMES;
pub use takes::{Takes, alternatives};
