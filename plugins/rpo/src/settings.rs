//! What the user can set, as text and as typed values. No IO: everything comes from the snapshot.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use shared::bucket::BucketSettings;
use shared::settings::{Common, Env, Problems, Reader, Setting, parse};

use crate::patch::{Edition, Suits};

/// The plugin's own settings, described once.
pub const OWN: &[Setting] = &[
    Setting::new("release", "a release such as `12.1.2310`", "Release to assemble. A build parameter `RELEASE` overrides it.").required().config("RELEASE"),
    Setting::new("rpo_source", "a prefix in the bucket", "Folder of the base RPO; `{release}` is replaced.").required().config("RPOSOURCE"),
    Setting::new("rpo_source_mi", "a prefix in the bucket", "Folder of the international base RPO; required with `gera_mi`.").config("RPOSOURCE_MI"),
    Setting::new("rpo_name", "a file name", "Name of the RPO; without `.rpo` it is the name that patches must be made for.").default("tttm120.rpo"),
    Setting::new("result", "a prefix in the bucket", "Where results go; `{release}` is replaced.").default("engenharia/bundle/apo/{release}"),
    Setting::boolean("patch_pontual", "Apply the punctual packages in `patch_source`.").default("true").config("PATCHPONTUAL"),
    Setting::new("patch_source", "a prefix in the bucket", "Folder of the punctual packages; `{release}` is replaced.").default("applypatch"),
    Setting::boolean("expcont", "Apply the continuous expedition: `published` patches, and `latest` ones of allowed modules.").default("false").config("EXPCONT"),
    Setting::boolean("expcont_next", "Apply the expedition's `next` channel too.").default("false").config("EXPCONTNEXT"),
    Setting::new("expcont_source", "a prefix in the bucket", "Folder of the expedition's patches; `{channel}` and `{release}` are replaced.").default("expedicao_continua/{channel}/{release}"),
    Setting::list("module_publish_blacklist", "modules", "Modules whose `published` patches are ignored.").config("MODULE_PUBLISH_BLACKLIST"),
    Setting::list("module_latest_allow", "modules", "Modules whose `latest` patches are accepted.").config("MODULE_LATEST_ALLOW"),
    Setting::one_of("unsuffixed", &["both", "brazil", "international"], "Which RPO a patch without `_portuguese`, `_spanish` or `_multi` in its name is for.").default("both"),
    Setting::boolean("gera_mi", "Also assemble the international RPO, into `<result>/mi`.").default("false").config("GERAMI"),
    Setting::boolean("apply_old", "Apply programs older than those in the RPO.").default("false").config("APPLYOLD"),
    Setting::new("appserver", "a folder", "Folder of the AppServer with `appsrvlinux`, made by the user: the vendor's program is not part of this plugin.").required(),
    Setting::new("environment", "a name", "Environment that is written into the AppServer's ini file.").default("esteira"),
    Setting::duration("apply_timeout", "Longest time one patch may take.").default("1h"),
    Setting::duration("idle_timeout", "Longest time the AppServer may write nothing; not limited when unset."),
    Setting::duration("claim_timeout", "Age from which another run's claim counts as dead; a living one renews it every 30 seconds.").default("10m"),
    Setting::one_of("jitt", &["false"], "Generating the JITT is not possible yet; `true` is refused.").default("false").config("JITT"),
    Setting::new("app_version", "a version", "AppServer version of the JITT; unused without `jitt`.").config("APPVERSION"),
    Setting::new("so_version", "a version", "Operating system version of the JITT; unused without `jitt`.").config("SOVERSION"),
    Setting::boolean("build_image", "`true`: there must be a pipeline in `trigger`, which is started at the end; `false`: none is started.").default("`true` where `trigger` is set").config("BUILDIMAGE"),
];

/// The raw texts of [`OWN`].
#[derive(Debug, Default, Deserialize, Serialize)]
pub struct Raw {
    release: Option<String>,
    rpo_source: Option<String>,
    rpo_source_mi: Option<String>,
    rpo_name: Option<String>,
    result: Option<String>,
    patch_pontual: Option<String>,
    patch_source: Option<String>,
    expcont: Option<String>,
    expcont_next: Option<String>,
    expcont_source: Option<String>,
    module_publish_blacklist: Option<String>,
    module_latest_allow: Option<String>,
    unsuffixed: Option<String>,
    gera_mi: Option<String>,
    apply_old: Option<String>,
    appserver: Option<String>,
    environment: Option<String>,
    apply_timeout: Option<String>,
    idle_timeout: Option<String>,
    claim_timeout: Option<String>,
    jitt: Option<String>,
    app_version: Option<String>,
    so_version: Option<String>,
    build_image: Option<String>,
}

/// Everything a run needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What every plugin has.
    pub common: Common,
    /// The bucket.
    pub bucket: BucketSettings,
    /// Release to assemble.
    pub release: String,
    /// File name of the RPO.
    pub rpo_name: String,
    /// One entry per RPO to assemble.
    pub editions: Vec<EditionSettings>,
    /// Folders of patches, in the order in which they are applied.
    pub channels: Vec<Channel>,
    /// What no suffix means.
    pub unsuffixed: Suits,
    /// Apply programs older than those in the RPO.
    pub apply_old: bool,
    /// Folder of the AppServer.
    pub appserver: PathBuf,
    /// Environment in the AppServer's ini.
    pub environment: String,
    /// Longest time for one patch.
    pub apply_timeout: Duration,
    /// Longest time the AppServer may write nothing.
    pub idle_timeout: Option<Duration>,
    /// Age of a dead claim.
    pub claim_timeout: Duration,
    /// Whether the pipelines of `trigger` are started at the end.
    pub build_image: bool,
}

/// Where one RPO comes from and goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EditionSettings {
    /// Which RPO.
    pub edition: Edition,
    /// Key of the base RPO.
    pub source: String,
    /// Prefix of the results.
    pub result: String,
}

/// A folder of patches and which modules of it are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    /// `published`, `latest`, `next` or `pontual`.
    pub name: &'static str,
    /// Prefix in the bucket.
    pub prefix: String,
    /// Which modules.
    pub modules: Modules,
}

/// Which modules of a channel are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Modules {
    /// All but these.
    Except(Vec<String>),
    /// Only these.
    Only(Vec<String>),
}

impl Modules {
    /// Whether a patch of this module is wanted; a patch whose module is unknown is in no list.
    #[must_use]
    pub fn include(&self, module: Option<&str>) -> bool {
        let is_in = |list: &[String]| {
            module.is_some_and(|module| list.iter().any(|one| one.eq_ignore_ascii_case(module)))
        };
        match self {
            Self::Except(list) => !is_in(list),
            Self::Only(list) => is_in(list),
        }
    }

    /// Whether a patch whose module is unknown could be one that is not wanted.
    #[must_use]
    pub fn need_a_module(&self) -> bool {
        matches!(self, Self::Except(list) if !list.is_empty())
    }
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

        let release = read.required("release", raw.release, parse::version);
        let rpo_name = read.or("rpo_name", raw.rpo_name, file_name, "tttm120.rpo".to_owned());
        let source = read.required("rpo_source", raw.rpo_source, parse::inner_path);
        let result =
            read.or("result", raw.result, parse::inner_path, "engenharia/bundle/apo/{release}".to_owned());
        let with_international = read.or("gera_mi", raw.gera_mi, parse::boolean, false);
        let source_international = match with_international {
            true => read.required("rpo_source_mi", raw.rpo_source_mi, parse::inner_path),
            false => read.optional("rpo_source_mi", raw.rpo_source_mi, parse::inner_path),
        };

        let blacklist =
            read.or("module_publish_blacklist", raw.module_publish_blacklist, parse::list, Vec::new());
        let allowed = read.or("module_latest_allow", raw.module_latest_allow, parse::list, Vec::new());
        let expedition = read.or("expcont", raw.expcont, parse::boolean, false);
        let expedition_next = read.or("expcont_next", raw.expcont_next, parse::boolean, false);
        let expedition_source = read.or(
            "expcont_source",
            raw.expcont_source,
            parse::inner_path,
            "expedicao_continua/{channel}/{release}".to_owned(),
        );
        let punctual = read.or("patch_pontual", raw.patch_pontual, parse::boolean, true);
        let patch_source =
            read.or("patch_source", raw.patch_source, parse::inner_path, "applypatch".to_owned());

        if read.or("jitt", raw.jitt, parse::boolean, false) {
            read.problem("jitt", "is not possible yet; leave it `false`");
        }
        let build_image = read.optional("build_image", raw.build_image, parse::boolean);
        if build_image == Some(true) && !common.ci.has_triggers() {
            read.problem("build_image", "is `true`, but `trigger` does not say which pipeline to start");
        }
        let unsuffixed = read.or("unsuffixed", raw.unsuffixed, suits, Suits::Both);
        let apply_old = read.or("apply_old", raw.apply_old, parse::boolean, false);
        let appserver = read.required("appserver", raw.appserver, |value| {
            parse::text(value).map(|path| env.workspace().join(path))
        });
        let environment = read.or("environment", raw.environment, ini_name, "esteira".to_owned());
        let apply_timeout =
            read.or("apply_timeout", raw.apply_timeout, parse::duration, Duration::from_secs(3600));
        let idle_timeout = read.optional("idle_timeout", raw.idle_timeout, parse::duration);
        let claim_timeout =
            read.or("claim_timeout", raw.claim_timeout, parse::duration, Duration::from_secs(600));

        read.finish(|| {
            let release = release?;
            let filled = |template: &str| template.replace("{release}", &release);
            let result = filled(&result);
            let mut editions = vec![EditionSettings {
                edition: Edition::Brazil,
                source: format!("{}/{rpo_name}", filled(&source?)),
                result: result.clone(),
            }];
            if with_international {
                editions.push(EditionSettings {
                    edition: Edition::International,
                    source: format!("{}/{rpo_name}", filled(&source_international?)),
                    result: format!("{result}/mi"),
                });
            }
            let channel = |name, modules| Channel {
                name,
                prefix: filled(&expedition_source).replace("{channel}", name),
                modules,
            };
            let mut channels = Vec::new();
            if expedition {
                channels.push(channel("published", Modules::Except(blacklist)));
                channels.push(channel("latest", Modules::Only(allowed)));
            }
            if expedition_next {
                channels.push(channel("next", Modules::Except(Vec::new())));
            }
            if punctual {
                channels.push(Channel {
                    name: "pontual",
                    prefix: filled(&patch_source),
                    modules: Modules::Except(Vec::new()),
                });
            }
            Some(Self {
                common,
                bucket: bucket?,
                rpo_name,
                editions,
                channels,
                unsuffixed,
                apply_old,
                appserver: appserver?,
                environment,
                apply_timeout,
                idle_timeout,
                claim_timeout,
                build_image: build_image != Some(false),
                release,
            })
        })
    }

    /// The name that patches must be made for.
    #[must_use]
    pub fn target(&self) -> &str {
        self.rpo_name.trim_end_matches(".rpo")
    }
}

fn file_name(value: &str) -> parse::Parsed<String> {
    let name = parse::inner_path(value)?;
    if name.ends_with(".rpo") && !name.contains('/') {
        Ok(name)
    } else {
        Err("a file name such as `tttm120.rpo`".to_owned())
    }
}

/// A section name of an ini file; also an argument of the AppServer.
fn ini_name(value: &str) -> parse::Parsed<String> {
    let name = value.trim();
    let is_plain =
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    if is_plain { Ok(name.to_owned()) } else { Err("a name of letters, digits, `-` and `_`".to_owned()) }
}

fn suits(value: &str) -> parse::Parsed<Suits> {
    match value.trim().to_lowercase().as_str() {
        "both" => Ok(Suits::Both),
        "brazil" => Ok(Suits::Only(Edition::Brazil)),
        "international" => Ok(Suits::Only(Edition::International)),
        _ => Err("`both`, `brazil` or `international`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use shared::settings::disagreements;

    use super::*;

    const MINIMAL: [(&str, &str); 2] = [("PLUGIN_BUCKET", "file:///b"), ("PLUGIN_APPSERVER", "/appserver")];

    #[test]
    fn every_field_is_described_and_known_to_the_siblings() {
        assert_eq!(disagreements::<Raw>(OWN), [""; 0]);
    }

    #[test]
    fn the_config_file_supplies_everything() {
        let file = "RELEASE=12.1.2310\nRPOSOURCE=base_12.1.xx\nEXPCONT=true\nMODULE_LATEST_ALLOW=fin,fat\nGERAMI=true\nRPOSOURCE_MI=mi\n";
        let settings = Settings::from_env(&Env::of(&MINIMAL).with_config_file(file)).unwrap();
        assert_eq!(settings.editions[0].source, "base_12.1.xx/tttm120.rpo");
        assert_eq!(settings.editions[1].result, "engenharia/bundle/apo/12.1.2310/mi");
        let channels: Vec<_> = settings.channels.iter().map(|channel| channel.prefix.as_str()).collect();
        assert_eq!(
            channels,
            ["expedicao_continua/published/12.1.2310", "expedicao_continua/latest/12.1.2310", "applypatch"]
        );
        assert_eq!(settings.channels[1].modules, Modules::Only(vec!["fin".into(), "fat".into()]));
        assert_eq!(settings.target(), "tttm120");
    }

    #[test]
    fn without_settings_all_required_ones_are_named() {
        let problems = Settings::from_env(&Env::of(&[])).unwrap_err();
        let names: Vec<&str> = problems.0.iter().map(|problem| problem.name.as_str()).collect();
        assert_eq!(names, ["PLUGIN_BUCKET", "PLUGIN_RELEASE", "PLUGIN_RPO_SOURCE", "PLUGIN_APPSERVER"]);
    }

    #[test]
    fn what_cannot_be_done_yet_is_refused() {
        let file = "RELEASE=1\nRPOSOURCE=b\nJITT=true\n";
        let problems = Settings::from_env(&Env::of(&MINIMAL).with_config_file(file)).unwrap_err();
        assert_eq!(problems.0.len(), 1);
    }

    #[test]
    fn build_image_says_whether_the_next_pipeline_is_started() {
        let read = |file: &str, variables: &[(&str, &str)]| {
            let env = Env::of(&[&MINIMAL, variables].concat());
            Settings::from_env(&env.with_config_file(&format!("RELEASE=1\nRPOSOURCE=b\n{file}")))
        };
        let trigger = [
            ("PLUGIN_TRIGGER", "erp/package@main"),
            ("PLUGIN_CI_SERVER", "drone"),
            ("PLUGIN_CI_URL", "https://drone.example.com"),
            ("PLUGIN_CI_TOKEN", "t"),
        ];
        let problems = read("BUILDIMAGE=yes\n", &[]).unwrap_err().to_string();
        assert!(problems.contains("PLUGIN_BUILD_IMAGE: is `true`, but `trigger`"), "{problems}");
        assert!(read("BUILDIMAGE=yes\n", &trigger).unwrap().build_image);
        assert!(read("", &trigger).unwrap().build_image);
        assert!(!read("BUILDIMAGE=no\n", &trigger).unwrap().build_image);
    }
}
