//! What people read about a change: title and description of the pull request, and the commit message. Made of the change alone, so that
//! the next run with the same change makes the same texts and leaves everything as it is.

use crate::plan::Change;
use crate::settings::Settings;

/// Ends every commit of ours: a branch whose commits lack it holds somebody else's work.
pub const MARK: &str = "Made-by: plugin-image-bump";

/// More than this many changes are counted, not named.
const NAMED: usize = 3;

/// Title and description of the pull request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// Title, one line.
    pub title: String,
    /// Description, Markdown.
    pub body: String,
}

/// Title and description for these changes.
#[must_use]
pub fn pull_request(settings: &Settings, changes: &[Change]) -> Text {
    let rows: String = changes.iter().map(row).collect();
    let body = format!(
        "| file | value | from | to |\n|---|---|---|---|\n{rows}\nMade by plugin-image-bump. The branch `{}` is its own: the next change begins anew from `{}`.\n",
        settings.branch, settings.base
    );
    Text { title: title(settings, changes), body }
}

/// The commit message for these changes.
#[must_use]
pub fn commit(settings: &Settings, changes: &[Change]) -> String {
    let begin = settings
        .message
        .as_ref()
        .map_or_else(|| title(settings, changes), |template| filled(template, settings, changes));
    let lines: String = changes.iter().map(|change| format!("{change}\n")).collect();
    format!("{begin}\n\n{lines}\n{MARK}")
}

/// Whether a commit of this message was made by [`commit`].
#[must_use]
pub fn is_ours(message: &str) -> bool {
    // Others may add lines below: servers sign off, people approve.
    message.lines().any(|line| line.trim_end() == MARK)
}

fn title(settings: &Settings, changes: &[Change]) -> String {
    let default = if settings.version.is_some() { "Update to {version}" } else { "Update {changes}" };
    filled(settings.title.as_deref().unwrap_or(default), settings, changes)
}

fn filled(template: &str, settings: &Settings, changes: &[Change]) -> String {
    template
        .replace("{version}", settings.version.as_deref().unwrap_or_default())
        .replace("{changes}", &named(changes))
}

fn named(changes: &[Change]) -> String {
    if changes.len() > NAMED {
        return format!("{} values", changes.len());
    }
    let names = changes.iter().map(|change| format!("{} to {}", change.name, change.new));
    names.collect::<Vec<_>>().join(", ")
}

fn row(change: &Change) -> String {
    let cell = |text: &str| match text {
        "" => String::new(),
        text => format!("`{}`", text.replace('|', "\\|").replace('`', "'")),
    };
    let Change { file, name, old, new, .. } = change;
    format!("| {} | {} | {} | {} |\n", cell(file), cell(name), cell(old), cell(new))
}

#[cfg(test)]
mod tests {
    use shared::settings::Env;

    use super::*;

    fn settings(more: &[(&str, &str)]) -> Settings {
        let minimal = [
            ("PLUGIN_GIT_SERVER", "https://git.example.com"),
            ("PLUGIN_GIT_TOKEN", "t"),
            ("PLUGIN_REPOSITORY", "team/images"),
            ("PLUGIN_COMPONENTS", "{}"),
        ];
        Settings::from_env(&Env::of(&[&minimal[..], more].concat())).unwrap()
    }

    fn change(name: &str) -> Change {
        Change {
            file: "versions.mk".into(),
            line: 3,
            name: name.into(),
            old: "1|0".into(),
            new: "1.10".into(),
        }
    }

    #[test]
    fn the_title_says_the_version_or_what_changes() {
        let title = |more: &[(&str, &str)], changes: &[Change]| pull_request(&settings(more), changes).title;
        assert_eq!(title(&[("PLUGIN_VERSION", "2")], &[change("A")]), "Update to 2");
        assert_eq!(title(&[], &[change("A"), change("B")]), "Update A to 1.10, B to 1.10");
        assert_eq!(title(&[], &["A", "B", "C", "D"].map(change)), "Update 4 values");
        let template = [("PLUGIN_VERSION", "2"), ("PLUGIN_TITLE", "[{version}] {changes}")];
        assert_eq!(title(&template, &[change("A")]), "[2] A to 1.10");
    }

    #[test]
    fn the_description_is_a_table_that_nothing_breaks() {
        let body = pull_request(&settings(&[]), &[change("A")]).body;
        assert!(body.contains("\n| `versions.mk` | `A` | `1\\|0` | `1.10` |\n\n"), "{body}");
    }

    #[test]
    fn a_commit_of_ours_is_known_again() {
        let message = commit(&settings(&[("PLUGIN_MESSAGE", "chore: {changes}")]), &[change("A")]);
        assert_eq!(message, "chore: A to 1.10\n\nversions.mk:3: A 1|0 -> 1.10\n\nMade-by: plugin-image-bump");
        assert!(is_ours(&format!("{message}\n\nSigned-off-by: A <a@example.com>\n")));
        assert!(!is_ours("fix the build"));
    }
}
