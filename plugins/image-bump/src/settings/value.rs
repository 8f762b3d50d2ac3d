//! From text to value, for the settings whose values only this plugin has. Called by `settings`.

use std::collections::BTreeMap;

use shared::settings::parse;

use super::Repository;
use crate::edit::yaml::KeyPath;

pub(super) fn repository(value: &str) -> parse::Parsed<Repository> {
    let is_name = |name: &str| {
        !matches!(name, "" | "." | "..")
            && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    match value.trim().split_once('/') {
        Some((owner, name)) if is_name(owner) && is_name(name) => {
            Ok(Repository { owner: owner.to_owned(), name: name.to_owned() })
        }
        _ => Err("`owner/name`".to_owned()),
    }
}

/// What Git allows, and a little less (<https://git-scm.com/docs/git-check-ref-format>).
pub(super) fn branch_name(value: &str) -> parse::Parsed<String> {
    let name = value.trim();
    let is_plain =
        |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | '+' | '#' | '=' | '@');
    let is_part = |part: &str| {
        !part.is_empty() && !part.starts_with(['.', '-']) && !part.ends_with('.') && !part.ends_with(".lock")
    };
    let is_branch =
        name.chars().all(is_plain) && name.split('/').all(is_part) && !name.contains("..") && name != "@";
    if is_branch { Ok(name.to_owned()) } else { Err("a branch name such as `develop`".to_owned()) }
}

/// Must stay whole in a make variable, a file name and a title.
pub(super) fn version(value: &str) -> parse::Parsed<String> {
    let version = value.trim();
    let is_made_well =
        version.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '+' | '~'));
    if is_made_well && version.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        Ok(version.to_owned())
    } else {
        Err("a version such as `12.1.2310`: letters, digits, `.`, `-`, `_`, `+` or `~`".to_owned())
    }
}

pub(super) fn variable(value: &str) -> parse::Parsed<String> {
    let template = value.trim();
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if template.contains("{COMPONENT}") && template.replace("{COMPONENT}", "").chars().all(is_name) {
        Ok(template.to_owned())
    } else {
        Err("a variable name with `{COMPONENT}` in it".to_owned())
    }
}

pub(super) fn variables(value: &str, template: &str) -> parse::Parsed<BTreeMap<String, String>> {
    let mut variables = BTreeMap::new();
    for (component, wanted) in parse::text_map(value)? {
        let wanted = version(&wanted).map_err(|expected| format!("{expected} for `{component}`"))?;
        let upper = component.trim().to_uppercase().replace(['-', '.'], "_");
        if upper.is_empty() || !upper.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(format!("a component name in place of `{component}`"));
        }
        let variable = template.replace("{COMPONENT}", &upper);
        if variables.insert(variable.clone(), wanted.clone()).is_some_and(|other| other != wanted) {
            return Err(format!(
                "one version for the variable `{variable}`, which is that of two components"
            ));
        }
    }
    Ok(variables)
}

pub(super) fn values(value: &str, version: &str) -> parse::Parsed<BTreeMap<KeyPath, String>> {
    let mut values = BTreeMap::new();
    for (path, text) in parse::text_map(value)? {
        if text.trim().is_empty() || text.chars().any(char::is_control) {
            return Err(format!("a text on one line for `{path}`"));
        }
        values.insert(path.parse()?, text.replace("{version}", version));
    }
    Ok(values)
}

pub(super) fn one_line(value: &str) -> parse::Parsed<String> {
    let line = value.trim();
    if line.chars().any(char::is_control) {
        Err("a text on one line".to_owned())
    } else {
        Ok(line.to_owned())
    }
}
