//! What the user can set, as text and as typed values. No IO: everything comes from the snapshot.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use shared::bucket::BucketSettings;
use shared::ci::Start;
use shared::settings::{Common, Env, Problems, Reader, Setting, Takes, parse};

use crate::component::is_name;

/// The plugin's own settings, described once.
pub const OWN: &[Setting] = &[
    Setting::new("release", "a release such as `12.1.2310`", "Release the components belong to; fills `{release}`. A build parameter `RELEASE` overrides it.").config("RELEASE"),
    Setting::new("source", "a folder in the workspace", "Folder with one folder per component; `{kind}` and `{release}` are replaced."),
    Setting::new("source_prefix", "a prefix in the bucket", "The same in the bucket. At least one of `source`, `source_prefix`, `rpo` and the dictionaries is needed."),
    Setting::new("kind", "a path part such as `producao`", "Environment kind whose components are packed: fills `{kind}`."),
    Setting::list("components", "names", "Components of `source` and `source_prefix` to pack; each must be there.").default("every folder with a file `VERSION`"),
    Setting::new("dicionario_padrao_path", "a prefix in the bucket", "Folder of the dictionary, one more component, named like its last part; `{kind}` and `{release}` are replaced.").config("DICIONARIO_PADRAO_PATH"),
    Setting::new("dicionario_mi_path", "a prefix in the bucket", "The same of the international dictionary; required with `gera_mi`, unused without.").config("DICIONARIO_MI_PATH"),
    Setting::boolean("gera_mi", "Also pack the international dictionary.").default("false").config("GERAMI"),
    Setting::new("rpo", "a key in the bucket", "An RPO, one more component; usually `@rpo.rpo`."),
    Setting::new("rpo_component", "a name", "Name of the component that the RPO becomes.").default("rpo"),
    Setting::new("rpo_version", "a version", "Version of that component, usually `@rpo.version`; required with `rpo`."),
    Setting::new("mirror", "a prefix in the bucket", "The mirror: archives go to `<mirror>/<component>/<version>/`.").default("engenharia/bundle/smartsre/espelho"),
    Setting::boolean("overwrite", "Replace a version that the mirror has with other content; otherwise that is refused.").default("false"),
    Setting::of("compression", Takes::Number(0, 9), "gzip level: 0 stores, 1 is fastest, 9 is smallest.").default("6"),
    Setting::duration("claim_timeout", "Age from which another run's claim counts as dead; a living one renews it every 30 seconds.").default("10m"),
    Setting::one_of("upddistr", &["false"], "Packing with UPDDISTR is not possible yet; `true` is refused.").default("false").config("UPDDISTR"),
    Setting::new("upddistrcond", "unset", "Deciding about UPDDISTR by an expression is not possible yet; one is refused.").config("UPDDISTRCOND"),
    Setting::one_of("update_webfiles", &["false"], "Taking the vendor's published web-files is not possible yet; `true` is refused.").default("false").config("UPDATE_WEBFILES"),
    Setting::one_of("update_meurh", &["false"], "Taking the vendor's published MeuRH is not possible yet; `true` is refused.").default("false").config("UPDATE_MEURH"),
    Setting::one_of("update_treports", &["false"], "Taking a version of SmartReports is not possible yet; `true` or a version is refused.").default("false").config("UPDATE_TREPORTS"),
    Setting::boolean("gera_imagem", "Start the image repository's pipeline at the end.").default("false").config("GERA_IMAGEM"),
    Setting::new("imagem_repo", "a repository `owner/name`, or a job of Jenkins", "Image repository; required with `gera_imagem`, unused without.").config("IMAGEM_REPO"),
    Setting::new("imagem_branch", "a branch", "Its branch; unused without `gera_imagem`.").default("the repository's default branch").config("IMAGEM_BRANCH"),
    Setting::boolean("gera_chart", "Start the chart repository's pipeline at the end.").default("false").config("GERA_CHART"),
    Setting::new("chart_repo", "a repository `owner/name`, or a job of Jenkins", "Chart repository; required with `gera_chart`, unused without.").config("CHART_REPO"),
    Setting::new("chart_branch", "a branch", "Its branch; unused without `gera_chart`.").default("the repository's default branch").config("CHART_BRANCH"),
    Setting::new("chart_values", "a file", "Its values file, which that pipeline gets as the build parameter `CHART_VALUES`; unused without `gera_chart`.").config("CHART_VALUES"),
];

/// The raw texts of [`OWN`].
#[derive(Debug, Default, Deserialize, Serialize)]
pub struct Raw {
    release: Option<String>,
    source: Option<String>,
    source_prefix: Option<String>,
    kind: Option<String>,
    components: Option<String>,
    dicionario_padrao_path: Option<String>,
    dicionario_mi_path: Option<String>,
    gera_mi: Option<String>,
    rpo: Option<String>,
    rpo_component: Option<String>,
    rpo_version: Option<String>,
    mirror: Option<String>,
    overwrite: Option<String>,
    compression: Option<String>,
    claim_timeout: Option<String>,
    upddistr: Option<String>,
    upddistrcond: Option<String>,
    update_webfiles: Option<String>,
    update_meurh: Option<String>,
    update_treports: Option<String>,
    pub(crate) gera_imagem: Option<String>,
    pub(crate) imagem_repo: Option<String>,
    pub(crate) imagem_branch: Option<String>,
    pub(crate) gera_chart: Option<String>,
    pub(crate) chart_repo: Option<String>,
    pub(crate) chart_branch: Option<String>,
    pub(crate) chart_values: Option<String>,
}

/// Everything a run needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What every plugin has.
    pub common: Common,
    /// The bucket.
    pub bucket: BucketSettings,
    /// Where components lie.
    pub sources: Sources,
    /// Prefix of the mirror.
    pub mirror: String,
    /// Replace versions with other content.
    pub overwrite: bool,
    /// gzip level.
    pub compression: u32,
    /// Age of a dead claim.
    pub claim_timeout: Duration,
    /// Pipelines of the image and the chart repository, to be started at the end.
    pub starts: Vec<Start>,
}

/// Where components lie, and which of them are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources {
    /// Release they belong to.
    pub release: Option<String>,
    /// Folder of component folders in the workspace.
    pub workspace: Option<PathBuf>,
    /// The same in the bucket.
    pub prefix: Option<String>,
    /// Which of these components; `None` is all.
    pub components: Option<Vec<String>>,
    /// Single component folders in the bucket.
    pub folders: Vec<String>,
    /// An RPO to pack.
    pub rpo: Option<RpoSettings>,
}

/// An RPO of the bucket as a component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RpoSettings {
    /// Its key.
    pub key: String,
    /// Name of the component.
    pub component: String,
    /// Version of the component.
    pub version: String,
}

impl Settings {
    /// Reads all settings.
    ///
    /// # Errors
    /// All problems at once.
    pub fn from_env(env: &Env) -> Result<Self, Problems> {
        let mut read = Reader::new(env, crate::PLUGIN.settings);
        let mut raw: Raw = read.raw();
        refuse_what_is_not_possible_yet(&mut read, &raw);
        let common = Common::read(&mut read, env);
        let bucket = BucketSettings::read(&mut read, env);
        let starts = crate::next::read(&mut read, &mut raw, &common.ci);
        let sources = Sources::read(&mut read, &mut raw, env);
        let mirror =
            read.or("mirror", raw.mirror, parse::inner_path, "engenharia/bundle/smartsre/espelho".to_owned());
        let overwrite = read.or("overwrite", raw.overwrite, parse::boolean, false);
        let compression = read.or("compression", raw.compression, level, 6);
        let claim_timeout =
            read.or("claim_timeout", raw.claim_timeout, parse::duration, Duration::from_secs(600));
        read.finish(|| {
            Some(Self {
                common,
                bucket: bucket?,
                sources,
                mirror,
                overwrite,
                compression,
                claim_timeout,
                starts,
            })
        })
    }
}

impl Sources {
    /// Reads where components lie; problems are noted in `read`.
    fn read(read: &mut Reader<'_>, raw: &mut Raw, env: &Env) -> Self {
        if [&raw.source, &raw.source_prefix, &raw.dicionario_padrao_path, &raw.dicionario_mi_path, &raw.rpo]
            .iter()
            .all(|source| source.is_none())
        {
            read.problem("source", "required, unless `source_prefix`, `rpo` or a dictionary is set");
        }
        let workspace = read.optional("source", raw.source.take(), parse::text);
        let prefix = read.optional("source_prefix", raw.source_prefix.take(), parse::inner_path);
        let standard =
            read.optional("dicionario_padrao_path", raw.dicionario_padrao_path.take(), component_folder);
        let with_international = read.or("gera_mi", raw.gera_mi.take(), parse::boolean, false);
        let international = match with_international {
            true => read.required("dicionario_mi_path", raw.dicionario_mi_path.take(), component_folder),
            false => read
                .optional("dicionario_mi_path", raw.dicionario_mi_path.take(), component_folder)
                .filter(|_| false),
        };
        let templates: Vec<&str> = [&workspace, &prefix, &standard, &international]
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect();

        let release = read.optional("release", raw.release.take(), parse::version);
        let kind = read.optional("kind", raw.kind.take(), parse::inner_path);
        for (name, is_set) in [("release", release.is_some()), ("kind", kind.is_some())] {
            if !is_set && templates.iter().any(|template| template.contains(&format!("{{{name}}}"))) {
                read.problem(name, &format!("required, because a source contains `{{{name}}}`"));
            }
        }
        let filled = |template: String| {
            template
                .replace("{release}", release.as_deref().unwrap_or_default())
                .replace("{kind}", kind.as_deref().unwrap_or_default())
        };
        Self {
            workspace: workspace.map(|folder| env.workspace().join(filled(folder))),
            prefix: prefix.map(filled),
            components: read.optional("components", raw.components.take(), names),
            folders: standard.into_iter().chain(international).map(filled).collect(),
            rpo: read_rpo(read, raw),
            release,
        }
    }

    /// Whether a component of `source` or `source_prefix` is wanted.
    #[must_use]
    pub fn wants(&self, name: &str) -> bool {
        self.components.as_ref().is_none_or(|names| names.iter().any(|wanted| wanted == name))
    }
}

fn read_rpo(read: &mut Reader<'_>, raw: &mut Raw) -> Option<RpoSettings> {
    let key = read.optional("rpo", raw.rpo.take(), parse::inner_path);
    let component = read.or("rpo_component", raw.rpo_component.take(), name, "rpo".to_owned());
    let version = match key {
        Some(_) => read.required("rpo_version", raw.rpo_version.take(), parse::version),
        None => read.optional("rpo_version", raw.rpo_version.take(), parse::version),
    };
    Some(RpoSettings { key: key?, component, version: version? })
}

fn refuse_what_is_not_possible_yet(read: &mut Reader<'_>, raw: &Raw) {
    for (name, value) in [
        ("upddistr", &raw.upddistr),
        ("update_webfiles", &raw.update_webfiles),
        ("update_meurh", &raw.update_meurh),
    ] {
        if read.or(name, value.clone(), parse::boolean, false) {
            read.problem(name, "is not possible yet; leave it `false`");
        }
    }
    if raw.upddistrcond.is_some() {
        read.problem("upddistrcond", "is not possible yet; leave it unset");
    }
    // Yes, no, or a version: everything but a no is refused.
    if raw.update_treports.as_deref().is_some_and(|value| parse::boolean(value) != Ok(false)) {
        read.problem("update_treports", "is not possible yet; leave it `false`");
    }
}

fn name(value: &str) -> parse::Parsed<String> {
    let name = value.trim();
    if is_name(name) {
        Ok(name.to_owned())
    } else {
        Err("a name of letters, digits, `.`, `-` and `_`".to_owned())
    }
}

fn names(value: &str) -> parse::Parsed<Vec<String>> {
    parse::list(value)?
        .iter()
        .map(|item| name(item).map_err(|_| "a list of names of letters, digits, `.`, `-` and `_`".to_owned()))
        .collect()
}

/// A folder whose last part names a component.
fn component_folder(value: &str) -> parse::Parsed<String> {
    let path = parse::inner_path(value)?;
    let is_named = path.rsplit('/').next().is_some_and(is_name);
    if is_named { Ok(path) } else { Err("a path whose last part is a component's name".to_owned()) }
}

fn level(value: &str) -> parse::Parsed<u32> {
    value.trim().parse().ok().filter(|level| *level <= 9).ok_or_else(|| "a number from `0` to `9`".to_owned())
}

#[cfg(test)]
mod tests {
    use shared::settings::disagreements;

    use super::*;

    fn problems(variables: &[(&str, &str)], file: &str) -> Vec<String> {
        let problems = Settings::from_env(&Env::of(variables).with_config_file(file)).unwrap_err();
        problems.0.into_iter().map(|problem| problem.name.replace("PLUGIN_", "").to_lowercase()).collect()
    }

    #[test]
    fn every_field_is_described_and_known_to_the_siblings() {
        assert_eq!(disagreements::<Raw>(OWN), [""; 0]);
    }

    #[test]
    fn the_rpo_of_an_earlier_step_is_a_component() {
        let env = Env::of(&[
            ("PLUGIN_BUCKET", "file:///b"),
            ("PLUGIN_RPO", "@rpo.rpo"),
            ("PLUGIN_RPO_VERSION", "@rpo.version"),
        ])
        .with_output("rpo", "rpo", "apo/12.1/ab/tttm120.rpo")
        .with_output("rpo", "version", "12.1-ab");
        let rpo = Settings::from_env(&env).unwrap().sources.rpo.unwrap();
        assert_eq!(
            (rpo.key.as_str(), rpo.component.as_str(), rpo.version.as_str()),
            ("apo/12.1/ab/tttm120.rpo", "rpo", "12.1-ab")
        );
    }

    #[test]
    fn sources_are_filled_in() {
        let file = "RELEASE=12.1.2310\nGERAMI=yes\nDICIONARIO_PADRAO_PATH=dic/{release}/dicionario\nDICIONARIO_MI_PATH=dic/{release}/dicionario-mi/\n";
        let variables = [
            ("PLUGIN_BUCKET", "file:///b"),
            ("PLUGIN_SOURCE_PREFIX", "base/{kind}"),
            ("PLUGIN_SOURCE", "c/{kind}"),
            ("PLUGIN_KIND", "producao"),
        ];
        let settings = Settings::from_env(&Env::of(&variables).with_config_file(file)).unwrap().sources;
        assert_eq!(settings.prefix.as_deref(), Some("base/producao"));
        assert_eq!(settings.workspace, Some(PathBuf::from("c/producao")));
        assert_eq!(settings.folders, ["dic/12.1.2310/dicionario", "dic/12.1.2310/dicionario-mi"]);
        assert!(settings.wants("anything"));
    }

    #[test]
    fn without_settings_all_required_ones_are_named() {
        assert_eq!(problems(&[], ""), ["bucket", "source"]);
        assert_eq!(problems(&[("PLUGIN_BUCKET", "file:///b"), ("PLUGIN_RPO", "a")], ""), ["rpo_version"]);
        let templates = [
            ("PLUGIN_BUCKET", "file:///b"),
            ("PLUGIN_SOURCE_PREFIX", "{kind}/{release}"),
            ("PLUGIN_GERA_MI", "true"),
            ("PLUGIN_RPO", "a"),
        ];
        assert_eq!(problems(&templates, ""), ["dicionario_mi_path", "release", "kind", "rpo_version"]);
    }

    #[test]
    fn what_cannot_be_done_yet_is_refused() {
        let variables = [("PLUGIN_BUCKET", "file:///b"), ("PLUGIN_SOURCE", "c")];
        let file = "UPDDISTR=true\nUPDDISTRCOND=a && b\nUPDATE_WEBFILES=true\nUPDATE_MEURH=yes\nUPDATE_TREPORTS=12.1\n";
        assert_eq!(problems(&variables, file).len(), 5);
        let file = "UPDDISTR=false\nUPDATE_WEBFILES=no\nUPDATE_TREPORTS=no\nGERA_CHART=false\nCHART_REPO=a/b\nIMAGEM_REPO=a/c\n";
        assert!(Settings::from_env(&Env::of(&variables).with_config_file(file)).is_ok());
    }

    #[test]
    fn wrong_values_are_named() {
        let variables = [
            ("PLUGIN_BUCKET", "file:///b"),
            ("PLUGIN_SOURCE", "c"),
            ("PLUGIN_COMPRESSION", "10"),
            ("PLUGIN_COMPONENTS", "web, ../x"),
            ("PLUGIN_MIRROR", "/x"),
        ];
        assert_eq!(problems(&variables, ""), ["components", "mirror", "compression"]);
    }
}
