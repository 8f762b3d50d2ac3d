//! What a chart says of itself: its name, its version, and the metadata that the index repeats. Pure; helm's own rules, where they are
//! looser than what a repository survives, are tightened here.

use semver::Version;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::settings::parse::Parsed;

/// A semantic version. helm itself also takes `v1.2` and reads it as `1.2.0`, so that one version would have two names.
///
/// # Errors
/// What would have been accepted.
pub fn version(text: &str) -> Parsed<Version> {
    let expected = "a semantic version such as `1.4.0` or `12.1.2310-rc.1` (three numbers without leading zeros, no `v` in front)";
    Version::parse(text.trim()).map_err(|_| expected.to_owned())
}

/// File name of a packaged chart, as helm names it.
#[must_use]
pub fn file_name(name: &str, version: &Version) -> String {
    format!("{name}-{version}.tgz")
}

/// The file's name as part of an address. S3 takes a bare `+` in a path for a space.
#[must_use]
pub fn file_address(name: &str, version: &Version) -> String {
    file_name(name, version).replace('+', "%2B")
}

/// `Chart.yaml`, with the fields that helm knows and no others: helm reads an index strictly, and one unknown field makes the whole index
/// unreadable. All texts are typed as such, so that `appVersion: 1.10` stays a text however it is quoted.
/// Facts: <https://helm.sh/docs/topics/charts/#the-chartyaml-file>.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "the fields are helm's, named in the page above")]
pub struct Metadata {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Option<std::collections::BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dependencies: Option<Vec<Dependency>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deprecated: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub home: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub icon: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keywords: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kube_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maintainers: Option<Vec<Maintainer>>,
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sources: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", rename = "type")]
    pub kind: Option<String>,
    pub version: String,
}

/// A chart that another one needs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
#[expect(missing_docs, reason = "the fields are helm's")]
pub struct Dependency {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub import_values: Option<Vec<Value>>,
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// Somebody who looks after a chart.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the fields are helm's")]
pub struct Maintainer {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

impl Metadata {
    /// Reads the text of a `Chart.yaml` and checks its name: it becomes part of object keys and addresses.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(text: &str) -> Result<Self, String> {
        let metadata: Self =
            serde_saphyr::from_str(text).map_err(|error| error.without_snippet().to_string())?;
        let name = &metadata.name;
        let is_plain = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
        if !is_plain || !name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            return Err(format!("`name: {name}` is not a name of letters, digits, `-`, `_` and `.`"));
        }
        if !matches!(metadata.api_version.as_deref(), Some("v1" | "v2")) {
            return Err("`apiVersion` must be `v2` (or `v1`)".to_owned());
        }
        Ok(metadata)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_strict_versions_pass() {
        assert_eq!(version(" 1.4.0+build.7\n").unwrap().to_string(), "1.4.0+build.7");
        for text in ["v1.4.0", "1.4", "1.04.0", "", "1.4.0.1", "1.4.0 2"] {
            assert!(version(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_plus_is_escaped_in_addresses_only() {
        let version = version("1.4.0+7").unwrap();
        assert_eq!(file_name("web", &version), "web-1.4.0+7.tgz");
        assert_eq!(file_address("web", &version), "web-1.4.0%2B7.tgz");
    }

    #[test]
    fn texts_stay_texts_and_unknown_fields_vanish() {
        let text = "apiVersion: v2\nname: web\nversion: 1.4.0\nappVersion: 1.10\nunknown: 5\ndependencies:\n- name: db\n  import-values: [a, {child: b}]\n";
        let value = serde_json::to_value(Metadata::read(text).unwrap()).unwrap();
        assert_eq!(
            value,
            serde_json::json!({
                "apiVersion": "v2", "appVersion": "1.10", "name": "web", "version": "1.4.0",
                "dependencies": [{"name": "db", "import-values": ["a", {"child": "b"}]}],
            })
        );
    }

    #[test]
    fn a_name_that_is_no_file_name_is_refused() {
        for name in ["../web", "a/b", "'a b'", "''", ".web"] {
            assert!(
                Metadata::read(&format!("apiVersion: v2\nname: {name}\n")).unwrap_err().contains("name"),
                "{name}"
            );
        }
        assert!(Metadata::read("name: web\n").unwrap_err().contains("apiVersion"));
    }
}
