//! What tests and demo start from: customer environments, RPOs and patches.
//! Everything is made from parameters, so that the same call gives the same thing again.

mod change;
mod customer;
mod environment;
mod noise;
mod patch;
mod release;
mod rpo;
mod site;

pub(crate) use customer::CONFIG;
pub use customer::Customer;
pub use environment::{Environment, environment};
pub use patch::Patch;
pub use release::{Tools, chart_source, helm, package_chart};
pub use rpo::write_rpo;
pub use site::{Site, sha256};
