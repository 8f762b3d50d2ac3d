//! What the user can set, as text and as typed values. No IO: everything comes from the snapshot.

mod value;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use shared::bucket::BucketSettings;
use shared::settings::{Common, Env, Problems, Reader, Secret, Setting, Takes, parse};
use url::Url;

use crate::edit::Wanted;

/// The plugin's own settings, described once.
pub const OWN: &[Setting] = &[
    Setting::new(
        "git_server",
        "an address such as `https://git.example.com`",
        "The Git server (Gitea or Forgejo).",
    )
    .required(),
    Setting::new(
        "git_token",
        "a token",
        "Access token that may write to the repository and open pull requests.",
    )
    .required()
    .secret(),
    Setting::new("repository", "`owner/name`", "The repository to change.").required(),
    Setting::new("base", "a branch", "Branch that the pull request goes to; its files are what is changed.")
        .default("develop"),
    Setting::new(
        "branch",
        "a branch",
        "Version branch. It belongs to the plugin: every change begins anew from the base.",
    )
    .default("esteira/bump"),
    Setting::of(
        "components",
        Takes::TextMap("component and version"),
        "Versions to set in `components_file`, such as `@package.versions`. Required unless `values` or `version_file` is set.",
    ),
    Setting::new("components_file", "a path in the repository", "File of make variables, one per component.")
        .default("component-versions.mk"),
    Setting::new(
        "components_variable",
        "a name with `{COMPONENT}`",
        "Variable of a component: `{COMPONENT}` is its name in upper case, `-` and `.` as `_`.",
    )
    .default("{COMPONENT}_VERSION"),
    Setting::of(
        "values",
        Takes::TextMap("path and text"),
        "Values to set in `values_file`, such as `{\"image.tag\": \"{version}\"}`; `{version}` is replaced. Paths as in Helm: `a.b`, `a[0].b`, `a\\.b`.",
    ),
    Setting::new("values_file", "a path in the repository", "YAML file in which `values` are set.")
        .default("values.yaml"),
    Setting::new(
        "version_file",
        "a path in the repository",
        "File that holds `version` and nothing else, such as `VERSION`.",
    ),
    Setting::new(
        "version",
        "a version such as `12.1.2310`",
        "The version; required with `version_file` and wherever `{version}` is used.",
    ),
    Setting::new(
        "title",
        "a text on one line",
        "Title of the pull request; `{version}` and `{changes}` are replaced.",
    )
    .default("`Update to {version}` or `Update {changes}`"),
    Setting::new(
        "message",
        "a text",
        "Beginning of the commit message; `{version}` and `{changes}` are replaced.",
    )
    .default("the title"),
    Setting::new(
        "author_name",
        "a name",
        "Author of the commit; the token's owner when unset. Needs `author_email`.",
    ),
    Setting::new("author_email", "a mail address", "Mail address of the author. Needs `author_name`."),
];

/// The raw texts of [`OWN`].
#[derive(Debug, Default, Deserialize, Serialize)]
pub struct Raw {
    git_server: Option<String>,
    git_token: Option<String>,
    repository: Option<String>,
    base: Option<String>,
    branch: Option<String>,
    components: Option<String>,
    components_file: Option<String>,
    components_variable: Option<String>,
    values: Option<String>,
    values_file: Option<String>,
    version_file: Option<String>,
    version: Option<String>,
    title: Option<String>,
    message: Option<String>,
    author_name: Option<String>,
    author_email: Option<String>,
}

/// Everything a run needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What every plugin has.
    pub common: Common,
    /// Address of the Git server.
    pub git_server: Url,
    /// Its access token.
    pub git_token: Secret,
    /// The repository.
    pub repository: Repository,
    /// Where the pull request goes.
    pub base: String,
    /// The version branch.
    pub branch: String,
    /// What should be in which file, by path.
    pub files: BTreeMap<String, Wanted>,
    /// The version, if one was given.
    pub version: Option<String>,
    /// Template of the title, if one was given.
    pub title: Option<String>,
    /// Template of the commit message, if one was given.
    pub message: Option<String>,
    /// Author of the commit, if not the token's owner.
    pub author: Option<Author>,
}

/// A repository on the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    /// User or organisation.
    pub owner: String,
    /// Its name.
    pub name: String,
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)
    }
}

/// Who a commit is by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Author {
    /// Name.
    pub name: String,
    /// Mail address.
    pub email: String,
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
        // Only `handoff` uses it, before and after the run; what is wrong with it is said here.
        let _ = BucketSettings::read_if(&mut read, env, false);

        let git_server = read.required("git_server", raw.git_server, parse::url);
        let git_token = read.required("git_token", raw.git_token, parse::secret);
        let repository = read.required("repository", raw.repository, value::repository);
        let base = read.or("base", raw.base, value::branch_name, "develop".to_owned());
        let branch = read.or("branch", raw.branch, value::branch_name, "esteira/bump".to_owned());
        if base == branch {
            read.problem(
                "branch",
                "is the same as `base`; the version branch is overwritten, so it must be another one",
            );
        }

        let has_other_files = raw.values.is_some() || raw.version_file.is_some();
        let uses_version = [&raw.values, &raw.title, &raw.message]
            .into_iter()
            .flatten()
            .any(|text| text.contains("{version}"));
        let version = match uses_version || raw.version_file.is_some() {
            true => read.required("version", raw.version, value::version),
            false => read.optional("version", raw.version, value::version),
        };
        let variable = read.or(
            "components_variable",
            raw.components_variable,
            value::variable,
            "{COMPONENT}_VERSION".to_owned(),
        );
        let variables = |text: &str| value::variables(text, &variable);
        let components = match has_other_files {
            true => read.optional("components", raw.components, variables),
            false => read.required("components", raw.components, variables),
        };
        let components_file = read.or(
            "components_file",
            raw.components_file,
            parse::inner_path,
            "component-versions.mk".to_owned(),
        );
        let values = read.optional("values", raw.values, |text| {
            value::values(text, version.as_deref().unwrap_or_default())
        });
        let values_file =
            read.or("values_file", raw.values_file, parse::inner_path, "values.yaml".to_owned());
        let version_file = read.optional("version_file", raw.version_file, parse::inner_path);

        let mut files = BTreeMap::new();
        for (setting, path, wanted) in [
            (
                "components_file",
                Some(components_file),
                components.filter(|map| !map.is_empty()).map(Wanted::Variables),
            ),
            ("values_file", Some(values_file), values.filter(|map| !map.is_empty()).map(Wanted::Values)),
            ("version_file", version_file, version.clone().map(Wanted::Whole)),
        ] {
            let (Some(path), Some(wanted)) = (path, wanted) else { continue };
            if files.insert(path, wanted).is_some() {
                read.problem(setting, "is a file that another setting changes too");
            }
        }

        let title = read.optional("title", raw.title, value::one_line);
        let message = read.optional("message", raw.message, parse::text);
        let author_name = read.optional("author_name", raw.author_name, value::one_line);
        let author_email = read.optional("author_email", raw.author_email, value::one_line);
        if author_name.is_some() != author_email.is_some() {
            read.problem("author_name", "`author_name` and `author_email` need each other");
        }
        read.finish(|| {
            Some(Self {
                common,
                git_server: git_server?,
                git_token: git_token?,
                repository: repository?,
                base,
                branch,
                files,
                version,
                title,
                message,
                author: author_name.zip(author_email).map(|(name, email)| Author { name, email }),
            })
        })
    }
}

#[cfg(test)]
mod tests;
