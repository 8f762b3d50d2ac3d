//! What is known of a plugin besides its work: said once in its `lib.rs`, read by whatever starts, describes and reports it.

use crate::settings::Setting;

/// A plugin, as it describes itself.
#[derive(Clone, Copy, Debug)]
pub struct Plugin {
    /// Name of the crate and the binary, such as `plugin-rpo`.
    pub name: &'static str,
    /// One sentence on what it does.
    pub about: &'static str,
    /// Every setting it knows, in groups.
    pub settings: &'static [&'static [Setting]],
    /// The codes it ends with, and what each means for this plugin.
    pub exit_codes: &'static [(u8, &'static str)],
}
