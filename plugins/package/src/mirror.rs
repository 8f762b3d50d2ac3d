//! Names in the mirror: `<mirror>/<component>/<version>/<name>.tar.gz` with its manifest beside it. Image builds look for a component's
//! archive under the very file name that its earlier versions had, whatever that is. Pure.

use std::collections::{BTreeMap, BTreeSet};

use shared::bucket::{Entry, Key, Kind};

const ARCHIVE: &str = ".tar.gz";
const MANIFEST: &str = ".manifest.json";

/// Key of the manifest of an archive.
#[must_use]
pub fn manifest_key(archive: &str) -> Key {
    Key::new(format!("{archive}{MANIFEST}"), Kind::Json)
}

/// File name of the archive of a version, from all keys below the component's folder `prefix` in the mirror. The version's own folder
/// decides, then the earlier versions; only a new component is free.
///
/// # Errors
/// When the mirror has several names; they are listed.
pub fn archive_name(
    component: &str,
    version: &str,
    prefix: &str,
    listing: &[Entry],
) -> Result<String, String> {
    let mut own = BTreeSet::new();
    let mut earlier: BTreeMap<&str, &str> = BTreeMap::new();
    for entry in listing {
        let Some((folder, name)) =
            entry.key.strip_prefix(prefix).and_then(|below| below.strip_prefix('/')?.split_once('/'))
        else {
            continue;
        };
        if folder == version {
            // A run that was cut may have left only its claim.
            own.extend(Some(name.strip_suffix(MANIFEST).unwrap_or(name)).filter(|name| is_archive(name)));
        } else if is_archive(name) {
            earlier.insert(name, folder);
        }
    }
    let names: Vec<&str> =
        if own.is_empty() { earlier.keys().copied().collect() } else { own.iter().copied().collect() };
    match names.as_slice() {
        [] => Ok(format!("{component}{ARCHIVE}")),
        [name] => Ok((*name).to_owned()),
        several => {
            let shown = |name: &&str| format!("`{name}` (as in `{}`)", earlier.get(name).unwrap_or(&version));
            Err(format!(
                "the mirror has it under several names, so the right one is unknown: {}; leave only the right one in `{prefix}`",
                several.iter().map(shown).collect::<Vec<_>>().join(", ")
            ))
        }
    }
}

fn is_archive(name: &str) -> bool {
    name.ends_with(ARCHIVE) && !name.contains('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(keys: &[&str]) -> Result<String, String> {
        let listing: Vec<Entry> = keys
            .iter()
            .map(|key| Entry { key: format!("m/web/{key}"), size: 1, tag: String::new() })
            .collect();
        archive_name("web", "2", "m/web", &listing)
    }

    #[test]
    fn a_new_component_is_called_after_itself() {
        assert_eq!(name(&[]).as_deref(), Ok("web.tar.gz"));
        assert_eq!(name(&["1/readme.txt", "1/old/deep.tar.gz", "stray.tar.gz"]).as_deref(), Ok("web.tar.gz"));
    }

    #[test]
    fn earlier_versions_fix_the_name() {
        assert_eq!(
            name(&["1/WebFiles.tar.gz", "0.9/WebFiles.tar.gz", "1/WebFiles.tar.gz.manifest.json"]).as_deref(),
            Ok("WebFiles.tar.gz")
        );
    }

    #[test]
    fn several_names_are_refused_unless_the_version_itself_has_one() {
        let reason = name(&["1/WebFiles.tar.gz", "0.9/web.tar.gz"]).unwrap_err();
        assert!(reason.contains("`WebFiles.tar.gz` (as in `1`), `web.tar.gz` (as in `0.9`)"), "{reason}");
        assert_eq!(
            name(&["1/WebFiles.tar.gz", "0.9/web.tar.gz", "2/web.tar.gz.manifest.json"]).as_deref(),
            Ok("web.tar.gz")
        );
    }
}
