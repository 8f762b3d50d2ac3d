//! What can be started: a pipeline's repository and branch, or Jenkins' job. No IO.

use std::collections::BTreeMap;
use std::fmt;

use crate::settings::parse::Parsed;

/// A pipeline, as a setting names it: `owner/name@branch`, or a job `folder/job` of Jenkins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// `owner/name`, or the job with its folders.
    pub path: String,
    /// Its branch; the repository's default branch when there is none. For Jenkins the branch's job of a multibranch project.
    pub branch: Option<String>,
}

/// A pipeline that is to be started when the run has ended well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// Which.
    pub target: Target,
    /// Build parameters.
    pub parameters: BTreeMap<String, String>,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.branch {
            Some(branch) => write!(f, "{}@{branch}", self.path),
            None => write!(f, "{}", self.path),
        }
    }
}

/// Reads a pipeline's name.
///
/// # Errors
/// When it is none.
pub fn target(value: &str) -> Parsed<Target> {
    let expected =
        || "a pipeline such as `owner/name@branch`, or for Jenkins a job such as `folder/job`".to_owned();
    let value = value.trim();
    let (path, branch) = match value.split_once('@') {
        Some((path, branch)) => (path, Some(branch)),
        None => (value, None),
    };
    let is_path = |text: &str| {
        text.split('/').all(|part| !matches!(part, "" | "." | ".."))
            && !text.chars().any(|c| c.is_whitespace() && c != ' ' || c.is_control())
    };
    if !is_path(path) || branch.is_some_and(|branch| !is_path(branch)) {
        return Err(expected());
    }
    Ok(Target { path: path.to_owned(), branch: branch.map(str::to_owned) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipeline_is_a_path_and_perhaps_a_branch() {
        let with = |path: &str, branch: Option<&str>| Target {
            path: path.into(),
            branch: branch.map(str::to_owned),
        };
        assert_eq!(target(" acme/images@release/12.1 "), Ok(with("acme/images", Some("release/12.1"))));
        assert_eq!(target("folder/job"), Ok(with("folder/job", None)));
        for wrong in ["", "acme/", "/acme", "acme/x@", "acme/../x", "a\tb/c"] {
            assert!(target(wrong).is_err(), "{wrong}");
        }
    }
}
