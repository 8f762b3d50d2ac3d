//! What arrives in a step: an image whose program writes its own variables into the workspace.
//! It may not judge them, and needs nothing in its image but itself.
//! The image is asked for by the tests of encodings; `write` is called by the hidden subcommand `arrival`, inside of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use crate::containers::Containers;
use crate::error::{Attempt as _, Error};
use crate::folder;
use crate::image::REGISTRY;
use crate::process::output;

/// The file that a step of this image leaves in its workspace.
pub const FILE: &str = "arrived.json";

/// Writes all variables of this process as a JSON object; bytes that are no UTF-8 become U+FFFD.
#[expect(clippy::disallowed_methods, reason = "the lab is no plugin, and this is what arrived")]
pub fn write(file: &Path) -> Result<(), Error> {
    let attempt = || format!("cannot write `{}`", file.display());
    let lossy = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
    let variables: BTreeMap<String, String> =
        std::env::vars_os().map(|(name, value)| (lossy(name), lossy(value))).collect();
    fs::write(file, serde_json::to_vec(&variables).attempting(attempt)?).attempting(attempt)
}

/// The settings that a step of this image left in its workspace: names without `PLUGIN_`.
pub fn read(workspace: &Path) -> Result<BTreeMap<String, String>, Error> {
    let file = workspace.join(FILE);
    let attempt = || format!("cannot read `{}`", file.display());
    let text = fs::read(&file).attempting(attempt)?;
    let variables: BTreeMap<String, String> = serde_json::from_slice(&text).attempting(attempt)?;
    let settings = variables
        .into_iter()
        .filter_map(|(name, value)| Some((name.strip_prefix("PLUGIN_")?.to_owned(), value)));
    Ok(settings.collect())
}

impl Containers {
    /// The name of the image, which is made on first use from the lab's own.
    pub fn arrival_image(&self) -> Result<String, Error> {
        static MADE: OnceLock<Result<String, Error>> = OnceLock::new();
        let make = || {
            let (folder, name) = (folder::temporary("arrival")?, format!("{REGISTRY}/arrival:1"));
            let text = format!("FROM localhost/lab\nENTRYPOINT [\"/lab\", \"arrival\", \"{FILE}\"]\n");
            fs::write(folder.join("Dockerfile"), text).attempting(|| "cannot make an image".to_owned())?;
            let mut build = self.command("buildah");
            build.args(["bud", "--quiet", "--isolation", "chroot", "--tag", &name]).arg(&folder);
            output(build, "").map(|_| name)
        };
        MADE.get_or_init(make).clone()
    }
}
