//! Which namespaces the user means. Selection is always explicit: texts, names, labels, or the word `all`.

use std::collections::BTreeMap;

/// The user's selection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Texts in the name, any case; `all` means every one.
    pub texts: Vec<String>,
    /// Exact names.
    pub names: Vec<String>,
    /// A label selector, which the API server applies.
    pub labels: Option<String>,
    /// Left out although selected.
    pub exclude: Vec<String>,
}

impl Selection {
    /// Whether nothing was selected.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty() && self.names.is_empty() && self.labels.is_none()
    }

    /// Whether a namespace is selected. A label selector was applied by the API server before: it narrows texts and names.
    #[must_use]
    pub fn includes(&self, name: &str) -> bool {
        let by_text = self.texts.iter().any(|text| text == "all" || contains(name, text));
        let by_name = self.names.iter().any(|one| one == name);
        let only_by_labels = self.texts.is_empty() && self.names.is_empty() && self.labels.is_some();
        by_text || by_name || only_by_labels
    }

    /// The text that leaves a namespace out: it is in its name or in a label's value.
    #[must_use]
    pub fn excluded_by<'a>(
        &'a self,
        profile: &'a [String],
        name: &str,
        labels: &BTreeMap<String, String>,
    ) -> Option<&'a str> {
        let is_there =
            |text: &&String| contains(name, text) || labels.values().any(|value| contains(value, text));
        self.exclude.iter().chain(profile).find(is_there).map(String::as_str)
    }
}

/// An empty text is in every name, which nobody means.
fn contains(text: &str, part: &str) -> bool {
    !part.is_empty() && text.to_lowercase().contains(&part.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selection(texts: &[&str], names: &[&str]) -> Selection {
        let owned = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        Selection { texts: owned(texts), names: owned(names), ..Selection::default() }
    }

    #[test]
    fn texts_match_inside_names_match_whole() {
        assert!(selection(&["ACME"], &[]).includes("my-acme-1"));
        assert!(!selection(&[], &["acme"]).includes("my-acme-1"));
        assert!(selection(&["all"], &[]).includes("anything"));
    }

    #[test]
    fn an_empty_text_selects_and_excludes_nothing() {
        assert!(!selection(&[""], &[]).includes("acme"));
        assert_eq!(selection(&["all"], &[]).excluded_by(&[String::new()], "acme", &BTreeMap::new()), None);
    }

    #[test]
    fn a_label_value_can_leave_a_namespace_out() {
        let labels = BTreeMap::from([("state".to_owned(), "Canceled".to_owned())]);
        let profile = ["canceled".to_owned()];
        assert_eq!(selection(&["all"], &[]).excluded_by(&profile, "acme", &labels), Some("canceled"));
        assert_eq!(selection(&["all"], &[]).excluded_by(&profile, "acme", &BTreeMap::new()), None);
    }
}
