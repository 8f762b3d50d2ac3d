//! Reads everything the plan needs: the chart's name and version, its package, and what the bucket has of this version. Running `helm package` into a
//! temporary folder is reading too: it changes nothing that anybody else sees, and only the package shows what would be published.

use std::io;
use std::path::Path;

use bytes::Bytes;
use jiff::Timestamp;
use semver::Version;
use shared::bucket::{Bucket, Key, Kind};
use shared::digest::Digest;
use shared::report::FILES;
use shared::settings::Env;
use walkdir::WalkDir;

use crate::chart::{self, Metadata};
use crate::index::Index;
use crate::settings::Settings;
use crate::{Error, helm, repack};

/// What was found.
#[derive(Clone, Debug)]
pub struct Observed {
    /// The chart as it would be published.
    pub package: Package,
    /// What the bucket has under the package's key.
    pub published: Option<Published>,
    /// The index in the bucket.
    pub index: Index,
    /// When it was looked at.
    pub now: Timestamp,
}

/// A packaged chart.
#[derive(Clone, Debug, PartialEq)]
pub struct Package {
    /// What it says of itself.
    pub metadata: Metadata,
    /// Its version.
    pub version: Version,
    /// The archive.
    pub bytes: Bytes,
    /// Digest of the archive.
    pub digest: Digest,
    /// Digest of what is in it.
    pub content: Digest,
}

/// A chart in the bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// Digest of the archive.
    pub digest: Digest,
    /// Whether the same files are in it, even if it was compressed otherwise: by helm itself, or by a later version of this plugin.
    pub is_same_content: bool,
}

/// Looks at workspace and bucket.
///
/// # Errors
/// When something cannot be read, or helm refuses the chart.
pub async fn observe(settings: &Settings, bucket: &Bucket, env: &Env) -> Result<Observed, Error> {
    let package = package(settings, env).await?;
    let (key, index_key) = (package.key(settings), index_key(settings));
    let published = fetch_published(bucket, &key, &package).await?;
    let index = fetch_index(bucket, &index_key).await?.0;
    Ok(Observed { package, published, index, now: Timestamp::now() })
}

/// The key of the index.
#[must_use]
pub fn index_key(settings: &Settings) -> Key {
    Key::new(settings.in_prefix("index.yaml"), Kind::Index)
}

/// The index, and its version in the bucket if there is such an object.
///
/// # Errors
/// When the bucket cannot be read or the object is no index.
pub async fn fetch_index(
    bucket: &Bucket,
    key: &Key,
) -> Result<(Index, Option<shared::bucket::Version>), Error> {
    let Some(object) = bucket.fetch(key).await? else { return Ok((Index::default(), None)) };
    let index = Index::read(&object.bytes).map_err(|source| Error::Index { key: key.to_string(), source })?;
    Ok((index, Some(object.version)))
}

/// What the bucket has under the package's key.
///
/// # Errors
/// When the bucket cannot be read.
pub async fn fetch_published(
    bucket: &Bucket,
    key: &Key,
    package: &Package,
) -> Result<Option<Published>, Error> {
    let Some(object) = bucket.fetch(key).await? else { return Ok(None) };
    let digest = Digest::of(&object.bytes);
    // Something that is no chart has no content in common with one.
    let content = || repack::content(&object.bytes, &package.metadata.name).ok();
    let is_same_content = digest == package.digest || content().as_ref() == Some(&package.content);
    Ok(Some(Published { digest, is_same_content }))
}

impl Package {
    /// Its key in the bucket.
    #[must_use]
    pub fn key(&self, settings: &Settings) -> Key {
        Key::new(settings.in_prefix(&chart::file_name(&self.metadata.name, &self.version)), Kind::Archive)
    }
}

async fn package(settings: &Settings, env: &Env) -> Result<Package, Error> {
    let folder = env.workspace().join(&settings.chart);
    let file = folder.join("Chart.yaml");
    let unusable = |reason| Error::Unusable { file: shown(&file, env), reason };
    let source = Metadata::read(&read(&file, env)?).map_err(unusable)?;
    let version = version(settings, env, &folder)?;
    let leading_out = links_out(&folder)
        .map_err(|source| Error::Read { file: shown(&folder, env), source: source.into() })?;
    if !leading_out.is_empty() {
        return Err(Error::LeadsOut { folder: shown(&folder, env), links: leading_out });
    }
    tracing::info!("packaging `{}` {version}", source.name);

    let failed = |source| Error::Read { file: "the temporary folder".to_owned(), source };
    let temporary = tempfile::tempdir().map_err(failed)?;
    let archive = helm::fetch_package(settings, env, &folder, &version, temporary.path()).await?;
    let repacked = repack::repack(&archive, &source.name, &own_files(settings, env, &folder))?;
    let metadata = Metadata::read(&repacked.chart_yaml).map_err(unusable)?;
    if metadata.name != source.name || metadata.version != version.to_string() {
        return Err(unusable(format!("helm packaged it as `{}` {}", metadata.name, metadata.version)));
    }
    Ok(Package {
        metadata,
        version,
        bytes: repacked.bytes,
        digest: repacked.digest,
        content: repacked.content,
    })
}

/// Symbolic links that lead out of the chart, each with its target: helm follows links, and would publish whatever the machine has there.
fn links_out(chart: &Path) -> walkdir::Result<Vec<String>> {
    // A chart that cannot be resolved is one that helm cannot read either.
    let Ok(chart) = chart.canonicalize() else { return Ok(Vec::new()) };
    let mut links = Vec::new();
    for entry in WalkDir::new(&chart).sort_by_file_name() {
        let entry = entry?;
        if !entry.path_is_symlink() {
            continue;
        }
        match entry.path().canonicalize() {
            Ok(target) if !target.starts_with(&chart) => {
                let link = entry.path().strip_prefix(&chart).unwrap_or(entry.path());
                links.push(format!("`{}` leads to `{}`", link.display(), target.display()));
            }
            // A link to nothing is for helm to refuse, or to ignore by the chart's own rules.
            _ => {}
        }
    }
    Ok(links)
}

/// The version of the settings, or the one in the version file: beside the chart if it is there, where every chart of a repository can have its
/// own, else in the workspace.
fn version(settings: &Settings, env: &Env, folder: &Path) -> Result<Version, Error> {
    if let Some(version) = &settings.version {
        return Ok(version.clone());
    }
    let mut files = vec![folder.join(&settings.version_file), env.workspace().join(&settings.version_file)];
    files.dedup();
    let Some(file) = files.iter().find(|file| file.exists()) else {
        return Err(Error::NoVersion(files.iter().map(|file| shown(file, env)).collect()));
    };
    let text = read(file, env)?;
    let expected = |expected| Error::Unusable {
        file: shown(file, env),
        reason: format!("expected {expected}; got `{}`", text.trim()),
    };
    let version = chart::version(text.trim_start_matches('\u{feff}')).map_err(expected)?;
    tracing::info!("version {version} comes from `{}`", shown(file, env));
    Ok(version)
}

/// Files that plugins of this project write into the workspace. Where the chart's folder is the workspace itself, helm packs them too, and the outputs
/// of one run would make the next one's package another.
fn own_files(settings: &Settings, env: &Env, folder: &Path) -> Vec<String> {
    let reports = settings.common.report_dir.iter().flat_map(|folder| FILES.map(|name| folder.join(name)));
    let files = std::iter::once(env.workspace().join(".esteira")).chain(reports);
    let below = |file: std::path::PathBuf| Some(file.strip_prefix(folder).ok()?.to_str()?.to_owned());
    files.filter_map(below).collect()
}

fn read(file: &Path, env: &Env) -> Result<String, Error> {
    let failed = |source: io::Error| Error::Read { file: shown(file, env), source };
    std::fs::read_to_string(file).map_err(failed)
}

fn shown(file: &Path, env: &Env) -> String {
    file.strip_prefix(env.workspace()).unwrap_or(file).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workspace(files: &[(&str, &str)]) -> (tempfile::TempDir, Env) {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let env = Env::in_workspace([].into(), folder.path().to_owned());
        (folder, env)
    }

    fn settings(variables: &[(&str, &str)], env: &Env) -> Settings {
        let mut all: std::collections::BTreeMap<String, String> =
            [("PLUGIN_BUCKET".to_owned(), "file:///b".to_owned())].into();
        all.extend(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        Settings::from_env(&Env::in_workspace(all, env.workspace().to_owned())).unwrap()
    }

    fn found(variables: &[(&str, &str)], files: &[(&str, &str)]) -> Result<String, String> {
        let (_folder, env) = workspace(files);
        let settings = settings(variables, &env);
        let version = version(&settings, &env, &env.workspace().join(&settings.chart));
        version.map(|version| version.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_version_beside_the_chart_goes_before_the_workspaces() {
        let (beside, root) = (("charts/web/VERSION", "1.0.0\n"), ("VERSION", "\u{feff}2.0.0\r\n"));
        let chart = ("PLUGIN_CHART", "charts/web");
        assert_eq!(found(&[chart], &[beside, root]).as_deref(), Ok("1.0.0"));
        assert_eq!(found(&[chart], &[root]).as_deref(), Ok("2.0.0"));
        assert_eq!(found(&[chart, ("PLUGIN_VERSION", "3.0.0")], &[beside, root]).as_deref(), Ok("3.0.0"));
        assert_eq!(
            found(&[chart], &[]).unwrap_err(),
            "no version: neither `charts/web/VERSION` nor `VERSION` is there, and `version` is not set"
        );
        assert!(
            found(&[chart], &[("VERSION", "v2\n")])
                .unwrap_err()
                .starts_with("`VERSION` cannot be used: expected a semantic version")
        );
    }

    #[test]
    fn links_are_refused_only_where_they_lead_out_of_the_chart() {
        let (folder, _env) = workspace(&[("web/templates/a.yaml", ""), ("web-more/secret", "")]);
        let chart = folder.path().join("web");
        let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, chart.join(name)).unwrap();
        link("templates/a.yaml", "inside.yaml");
        link("templates", "inside");
        link("nowhere", "broken");
        assert_eq!(links_out(&chart).unwrap(), [""; 0]);
        link("/etc/hostname", "templates/outside.yaml");
        link("../web-more", "crds");
        let links = links_out(&chart).unwrap();
        assert_eq!(links.len(), 2, "{links:?}");
        assert!(links[0].starts_with("`crds` leads to `/") && links[0].ends_with("/web-more`"), "{links:?}");
        assert!(links[1].starts_with("`templates/outside.yaml` leads to `/etc/"), "{links:?}");
    }

    #[test]
    fn own_files_are_those_below_the_chart() {
        let (_folder, env) = workspace(&[]);
        let own = |variables| {
            let settings = settings(variables, &env);
            own_files(&settings, &env, &env.workspace().join(&settings.chart))
        };
        assert_eq!(
            own(&[("PLUGIN_REPORT_DIR", "out")]),
            [
                ".esteira",
                "out/report.json",
                "out/report.md",
                "out/junit.xml",
                "out/report.css",
                "out/report.html"
            ]
        );
        assert_eq!(own(&[("PLUGIN_CHART", "charts/web")]), [""; 0]);
    }
}
