//! helm as a command line: the one call this plugin makes of it.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use semver::Version;
use shared::process::Command;
use shared::settings::Env;

use crate::Error;
use crate::settings::Settings;

/// Packaging reads local files only; what takes longer than this hangs.
const TIME_LIMIT: Duration = Duration::from_secs(300);

/// Packages the chart in `source` into the folder `into` and gives the archive's bytes.
///
/// # Errors
/// When helm refuses the chart.
pub async fn fetch_package(
    settings: &Settings,
    env: &Env,
    source: &Path,
    version: &Version,
    into: &Path,
) -> Result<Vec<u8>, Error> {
    let packages = into.join("packages");
    let mut command = Command::new(&settings.helm, env)
        .arg("package")
        .arg(source)
        .arg(format!("--version={version}"))
        .arg(format!("--destination={}", packages.display()))
        // Plugins and registries of whoever runs this have no say in what the package is.
        .env("HELM_CONFIG_HOME", into.join("config").display().to_string())
        .env("HELM_CACHE_HOME", into.join("cache").display().to_string())
        .env("HELM_DATA_HOME", into.join("data").display().to_string());
    if let Some(app_version) = &settings.app_version {
        command = command.arg(format!("--app-version={app_version}"));
    }
    command.time_limit(TIME_LIMIT).run().await?.checked()?;
    let failed = |source| Error::Read { file: packages.display().to_string(), source };
    let package = only_file(&packages).map_err(failed)?;
    std::fs::read(package).map_err(failed)
}

/// The archive is found by being the only file, not by a name: how helm names it is helm's business.
fn only_file(folder: &Path) -> io::Result<PathBuf> {
    let mut files = std::fs::read_dir(folder)?;
    match (files.next(), files.next()) {
        (Some(file), None) => Ok(file?.path()),
        _ => {
            Err(io::Error::other("helm said that it packaged the chart, but did not leave exactly one file"))
        }
    }
}
