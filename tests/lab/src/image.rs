//! The plugins' images, made by the scripts of `Dockerfiles` from the programs that the tests run.
//! It may not make them in another way than `make images`; only the programs are others: debug builds, stripped.
//! Called by the tests of images and CI engines.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::containers::Containers;
use crate::error::{Attempt as _, Error};
use crate::process::{command, output};
use crate::{folder, plugin, tool};

/// Where the examples have their images.
pub const REGISTRY: &str = "registry.example.com/esteira";

/// The name of a plugin's image as the examples have it.
pub fn name(plugin: &str) -> String {
    format!("{REGISTRY}/{plugin}:{}", env!("CARGO_PKG_VERSION"))
}

/// The scripts.
pub fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Dockerfiles")
}

impl Containers {
    /// The name of a plugin's image, which is made on first use.
    pub fn image(&self, plugin: &str) -> Result<String, Error> {
        static MADE: Mutex<BTreeMap<String, Result<String, Error>>> = Mutex::new(BTreeMap::new());
        let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
        made.entry(plugin.to_owned()).or_insert_with(|| self.make(plugin)).clone()
    }

    fn make(&self, plugin: &str) -> Result<String, Error> {
        static PROGRAMS: OnceLock<Result<PathBuf, Error>> = OnceLock::new();
        let programs = PROGRAMS.get_or_init(programs).as_ref().map_err(Clone::clone)?;
        let (stage, name) = (folder::temporary(plugin)?, name(plugin));
        let mut root = command(scripts().join("root"));
        root.arg(plugin).arg(programs).arg(stage.join("image"));
        output(root, "")?;
        let mut image = self.script("image");
        image.arg(plugin).arg(&stage).arg(&name).env("VERSION", env!("CARGO_PKG_VERSION"));
        output(image, "").map(|_| name)
    }

    fn script(&self, script: &str) -> Command {
        self.command(&scripts().join(script).to_string_lossy())
    }
}

/// A folder with what `Dockerfiles/programs` and `Dockerfiles/helm` would build.
fn programs() -> Result<PathBuf, Error> {
    let (built, folder) = (plugin::programs()?, folder::temporary("programs")?);
    for name in plugin::all()? {
        let mut strip = command("strip");
        strip.arg("-o").arg(folder.join(&name)).arg(built.join(&name));
        output(strip, "")?;
    }
    for helm in ["helm", "helm3"] {
        fs::copy(tool(helm)?, folder.join(helm)).attempting(|| format!("cannot copy {helm}"))?;
    }
    let certificates = output(command(built.join("ca-certificates")), "")?;
    let attempt = || "cannot write the certificates".to_owned();
    fs::write(folder.join("ca-certificates.crt"), certificates).attempting(attempt)?;
    Ok(folder)
}
