//! What the user can set, as text and as typed values. No IO: everything comes from the snapshot.

use std::path::PathBuf;
use std::time::Duration;

use semver::Version;
use serde::{Deserialize, Serialize};
use shared::bucket::BucketSettings;
use shared::settings::{Common, Env, Problems, Reader, Setting, parse};

use crate::chart;

/// The plugin's own settings, described once.
pub const OWN: &[Setting] = &[
    Setting::new("chart", "a folder in the workspace", "Folder of the chart.").default("."),
    Setting::new("version", "a semantic version", "Version of the chart.")
        .default("the content of `version_file`"),
    Setting::new(
        "version_file",
        "a file name",
        "File with the version: looked for in the chart's folder, then in the workspace.",
    )
    .default("VERSION"),
    Setting::new("app_version", "a text", "Version of the application, instead of the one in `Chart.yaml`."),
    Setting::new(
        "prefix",
        "a prefix in the bucket",
        "Folder of the chart repository: its `index.yaml` and the charts lie in it.",
    )
    .default("the bucket's root"),
    Setting::new(
        "chart_url",
        "an address",
        "Address of that folder, written into the index. Without it the index has file names, which helm looks for beside the index.",
    ),
    Setting::new("helm", "a program", "Name or path of helm.").default("helm"),
    Setting::duration("conflict_timeout", "Longest time to go on trying while others change the index.")
        .default("5m"),
];

/// The raw texts of [`OWN`].
#[derive(Debug, Default, Deserialize, Serialize)]
pub struct Raw {
    chart: Option<String>,
    version: Option<String>,
    version_file: Option<String>,
    app_version: Option<String>,
    prefix: Option<String>,
    chart_url: Option<String>,
    helm: Option<String>,
    conflict_timeout: Option<String>,
}

/// Everything a run needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What every plugin has.
    pub common: Common,
    /// The bucket.
    pub bucket: BucketSettings,
    /// Folder of the chart, below the workspace; empty for the workspace itself.
    pub chart: PathBuf,
    /// Version of the chart, when it does not come from a file.
    pub version: Option<Version>,
    /// Name of the file with the version.
    pub version_file: String,
    /// Version of the application, when it is not the one in `Chart.yaml`.
    pub app_version: Option<String>,
    /// Folder of the chart repository in the bucket; empty for its root.
    pub prefix: String,
    /// Address of that folder, ending with `/`.
    pub chart_url: Option<String>,
    /// The helm program.
    pub helm: PathBuf,
    /// Longest time to go on trying while others change the index.
    pub conflict_timeout: Duration,
}

impl Settings {
    /// Reads all settings.
    ///
    /// # Errors
    /// All problems at once.
    pub fn from_env(env: &Env) -> Result<Self, Problems> {
        let mut read = Reader::new(env, crate::PLUGIN.settings);
        let raw: Raw = read.raw();
        let common = Common::read(&mut read, env);
        let bucket = BucketSettings::read(&mut read, env);
        let chart = read.or("chart", raw.chart, folder, PathBuf::new());
        let version = read.optional("version", raw.version, chart::version);
        let version_file = read.or("version_file", raw.version_file, parse::inner_path, "VERSION".to_owned());
        let app_version = read.optional("app_version", raw.app_version, parse::text);
        let prefix = read.or("prefix", raw.prefix, parse::inner_path, String::new());
        let chart_url =
            read.optional("chart_url", raw.chart_url, |value| parse::url(value).map(String::from));
        let helm = read.or("helm", raw.helm, |value| program(value, env), PathBuf::from("helm"));
        let conflict_timeout =
            read.or("conflict_timeout", raw.conflict_timeout, parse::duration, Duration::from_secs(300));
        read.finish(|| {
            Some(Self {
                common,
                bucket: bucket?,
                chart,
                version,
                version_file,
                app_version,
                prefix,
                chart_url,
                helm,
                conflict_timeout,
            })
        })
    }

    /// A key in the chart repository's folder.
    #[must_use]
    pub fn in_prefix(&self, name: &str) -> String {
        if self.prefix.is_empty() { name.to_owned() } else { format!("{}/{name}", self.prefix) }
    }
}

/// A folder in the workspace; `.` is the workspace itself.
fn folder(value: &str) -> parse::Parsed<PathBuf> {
    let path = value.trim();
    let path = path.strip_prefix("./").unwrap_or(path);
    if matches!(path, "" | ".") {
        return Ok(PathBuf::new());
    }
    parse::inner_path(path)
        .map(PathBuf::from)
        .map_err(|_| "a folder in the workspace such as `charts/web`".to_owned())
}

/// A bare name is looked for on PATH, a path is one in the workspace.
fn program(value: &str, env: &Env) -> parse::Parsed<PathBuf> {
    let name = value.trim();
    Ok(if name.contains('/') { env.workspace().join(name) } else { PathBuf::from(name) })
}

#[cfg(test)]
mod tests {
    use shared::settings::disagreements;

    use super::*;

    fn problems(variables: &[(&str, &str)]) -> Vec<String> {
        let problems = Settings::from_env(&Env::of(variables)).unwrap_err();
        problems.0.iter().map(|problem| format!("{}: {}", problem.name, problem.text)).collect()
    }

    #[test]
    fn every_field_is_described_and_known_to_the_siblings() {
        assert_eq!(disagreements::<Raw>(OWN), [""; 0]);
    }

    #[test]
    fn a_bucket_is_enough() {
        let settings = Settings::from_env(&Env::of(&[("PLUGIN_BUCKET", "file:///b")])).unwrap();
        assert_eq!((settings.chart.as_os_str(), settings.version_file.as_str()), ("".as_ref(), "VERSION"));
        assert_eq!(settings.in_prefix("index.yaml"), "index.yaml");
        assert_eq!(settings.helm, PathBuf::from("helm"));
    }

    #[test]
    fn all_problems_are_named_at_once() {
        let found = problems(&[
            ("PLUGIN_CHART", "../other"),
            ("PLUGIN_VERSION", "v1.4"),
            ("PLUGIN_CHART_URL", "charts.example.com"),
            ("PLUGIN_CONFLICT_TIMOUT", "5m"),
        ]);
        assert_eq!(found.len(), 5, "{found:?}");
        assert_eq!(
            found[0],
            "PLUGIN_CONFLICT_TIMOUT: no such setting; did you mean `PLUGIN_CONFLICT_TIMEOUT`?"
        );
        assert!(found[1].starts_with("PLUGIN_BUCKET: required"), "{found:?}");
        assert!(found[3].contains("got `v1.4`"), "{found:?}");
    }

    #[test]
    fn the_version_of_an_earlier_step_is_taken() {
        let env = Env::of(&[
            ("PLUGIN_BUCKET", "file:///b"),
            ("PLUGIN_VERSION", "@package.version"),
            ("PLUGIN_PREFIX", "charts/"),
        ]);
        let settings = Settings::from_env(&env.with_output("package", "version", "12.1.2310")).unwrap();
        assert_eq!(settings.version, Some(Version::new(12, 1, 2310)));
        assert_eq!(settings.in_prefix("index.yaml"), "charts/index.yaml");
    }
}
