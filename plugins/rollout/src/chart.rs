//! The chart of a rollout, before the first namespace is touched: fetched once, opened, and rendered with the values of every environment that would get
//! it. Reads only; called by `observe`.

use std::path::{Path, PathBuf};

use futures::StreamExt as _;
use shared::bucket::{Key, Kind};
use shared::settings::Env;

use crate::environment::Environment;
use crate::gates::{Wanted, refusal};
use crate::helm::Install;
use crate::settings::Settings;
use crate::{Error, Worlds};

/// Renderings at the same time: each is a helm of 60 to 100 MB.
const RENDERERS: usize = 2;

/// The chart from the workspace, else from the bucket; once for all namespaces.
///
/// # Errors
/// When it is nowhere, or the bucket cannot be read.
pub async fn fetch(settings: &Settings, worlds: &Worlds, env: &Env) -> Result<PathBuf, Error> {
    let file = env.workspace().join(&settings.chart);
    if file.is_file() {
        return Ok(file);
    }
    let no_chart = || Error::NoChart { chart: settings.chart.clone() };
    let bucket = worlds.bucket.as_ref().ok_or_else(no_chart)?;
    let key = Key::new(&settings.chart, Kind::Archive);
    if bucket.look(&key).await?.is_none() {
        return Err(no_chart());
    }
    let file = worlds.helm.folder().join("chart.tgz");
    let got = bucket.download(&key, &file).await?;
    tracing::info!("chart `{}`, {} bytes, sha256 {}", settings.chart, got.size, got.digest);
    Ok(file)
}

/// Opens the chart: it must be what its name says, or a wrong file would be labelled as the wanted version.
///
/// # Errors
/// When it is another chart, or helm cannot open it.
pub async fn open(settings: &Settings, version: &str, worlds: &Worlds, chart: &Path) -> Result<(), Error> {
    let inside = worlds.helm.chart(chart).await?;
    if inside.name == settings.profile.chart && inside.version == version {
        return Ok(());
    }
    Err(Error::WrongChart {
        chart: settings.chart.clone(),
        name: inside.name,
        version: inside.version,
        wanted: format!("{} {version}", settings.profile.chart),
    })
}

/// Renders the chart with the values of each environment that would be touched, and notes where helm refuses.
pub async fn render(
    settings: &Settings,
    version: &str,
    worlds: &Worlds,
    chart: &Path,
    environments: &mut [Environment],
) {
    let wanted = Wanted::of(settings, version);
    let candidates = environments.iter_mut().filter(|environment| refusal(wanted, environment).is_none());
    let renderings = candidates.map(|environment| async {
        if let Some(release) = &environment.release {
            let install = Install {
                namespace: &environment.name,
                chart,
                values: &release.values,
                force_conflicts: false,
            };
            environment.render_error = worlds.helm.render(install).await.err().map(|error| error.to_string());
        }
    });
    futures::stream::iter(renderings).buffer_unordered(RENDERERS).collect::<Vec<()>>().await;
}
