//! The settings that every plugin has.

use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};
use url::Url;

use super::{Env, Reader, Setting, alternatives, parse};
use crate::ci::CiSettings;
use crate::net::{CA_FILE, Net};
use crate::notify::NotifySettings;

/// Described once for all plugins.
pub const COMMON: &[Setting] = &[
    Setting::boolean("dry_run", "Stop after the plan and print it; nothing is changed.").default("false"),
    Setting::one_of("log_level", LEVELS, "How much the log says.").default("info"),
    Setting::one_of(
        "log_format",
        &["text", "json"],
        "Form of the log lines. In `json` the report is one event, as JSON text in its field `report`.",
    )
    .default("text"),
    Setting::new(
        "report_dir",
        "a folder, relative to the workspace or absolute",
        "Where the run is reported as `report.json`, `report.md`, `report.html` and `junit.xml`, also when it fails; not written when unset.",
    ),
    Setting::new(
        "card_template",
        "an https address",
        "Drone shows a card on the build's page, by this template (`docs/cards/template.json`, put where browsers reach it); no card when unset.",
    ),
    Setting::new(
        "output_as",
        "a name",
        "Name of this step's outputs, for a plugin that runs twice in a pipeline: `.esteira/<name>.json`.",
    )
    .default("the plugin's name without `plugin-`"),
    Setting::new(
        "output_file",
        "a file in the workspace",
        "The outputs once more, as `KEY=value` lines (dotenv), for steps that are no plugins of Esteira.",
    ),
    Setting::new(
        "handoff",
        "a prefix in the bucket",
        "Outputs are also kept in the bucket, as `<handoff>/<name>.json`, and `@name.key` is looked for there when the workspace does not have it: for pipelines of several repositories.",
    ),
    CA_FILE,
];

const LEVELS: &[&str] = &["error", "warn", "info", "debug", "trace"];

/// The raw texts of [`COMMON`].
#[derive(Debug, Default, Deserialize, Serialize)]
pub struct RawCommon {
    dry_run: Option<String>,
    log_level: Option<String>,
    log_format: Option<String>,
    report_dir: Option<String>,
    card_template: Option<String>,
    output_as: Option<String>,
    output_file: Option<String>,
    handoff: Option<String>,
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// What every plugin knows about its run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Common {
    /// Stop after the plan.
    pub dry_run: bool,
    /// `error` to `trace`.
    pub log_level: String,
    /// Form of log lines.
    pub log_format: LogFormat,
    /// Where report files go.
    pub report_dir: Option<PathBuf>,
    /// Address of the card's template.
    pub card_template: Option<Url>,
    /// Name of this step's outputs, when it is not the plugin's.
    pub output_as: Option<String>,
    /// Where the outputs go as dotenv lines.
    pub output_file: Option<PathBuf>,
    /// Prefix in the bucket under which outputs are handed on.
    pub handoff: Option<String>,
    /// The CI server: what is started there, and the schedule.
    pub ci: CiSettings,
    /// Who is told how the run ended.
    pub notify: Option<NotifySettings>,
    /// Trusted authorities and proxies, for every client.
    pub net: Net,
}

impl Common {
    /// Reads the common settings; problems are noted in `read`.
    #[must_use]
    pub fn read(read: &mut Reader<'_>, env: &Env) -> Self {
        let raw: RawCommon = read.raw();
        let in_workspace = |value: &str| parse::text(value).map(|path| env.workspace().join(path));
        let report_folder = |value: &str| report_folder(value, env.workspace());
        let handoff = read.optional("handoff", raw.handoff, parse::inner_path);
        if handoff.is_some() && !env.plugin_variables().contains_key("bucket") {
            read.problem("bucket", "required, because `handoff` is set");
        }
        Self {
            dry_run: read.or("dry_run", raw.dry_run, parse::boolean, false),
            log_level: read.or("log_level", raw.log_level, log_level, "info".to_owned()),
            log_format: read.or("log_format", raw.log_format, log_format, LogFormat::Text),
            report_dir: read.optional("report_dir", raw.report_dir, report_folder),
            card_template: read.optional("card_template", raw.card_template, https),
            output_as: read.optional("output_as", raw.output_as, output_name),
            output_file: read.optional("output_file", raw.output_file, in_workspace),
            handoff,
            ci: CiSettings::read(read, env),
            notify: NotifySettings::read(read),
            net: Net::read(read, env),
        }
    }
}

/// Absolute, or in the workspace: a CI server may mount a place for reports, but one that a relative path leaves the workspace for is a slip.
fn report_folder(value: &str, workspace: &Path) -> parse::Parsed<PathBuf> {
    let path = PathBuf::from(parse::text(value)?);
    let leaves = path.is_relative() && path.components().any(|part| part == Component::ParentDir);
    if leaves {
        return Err("a folder in the workspace, or an absolute path".to_owned());
    }
    Ok(workspace.join(path))
}

/// Whose browser looks at the card fetches it, so it may have a query and must not be in the clear.
fn https(value: &str) -> parse::Parsed<Url> {
    let url = Url::parse(value.trim()).ok();
    url.filter(|url| url.scheme() == "https" && url.username().is_empty() && url.password().is_none())
        .ok_or_else(|| "an https address such as `https://pages.example.com/card.json`".to_owned())
}

fn log_level(value: &str) -> parse::Parsed<String> {
    let level = value.trim().to_lowercase();
    if LEVELS.contains(&level.as_str()) { Ok(level) } else { Err(alternatives(LEVELS)) }
}

fn log_format(value: &str) -> parse::Parsed<LogFormat> {
    match value.trim() {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("`text` or `json`".to_owned()),
    }
}

fn output_name(value: &str) -> parse::Parsed<String> {
    let name = value.trim();
    let is_name =
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    if is_name { Ok(name.to_owned()) } else { Err("a name of letters, digits, `-` and `_`".to_owned()) }
}
