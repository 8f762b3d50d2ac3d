//! Decides which components are packed: pure, no IO. Its `Display` is the dry run.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use shared::bucket::{Manifest, Version};
use shared::digest::Digest;

use crate::Error;
use crate::component::Component;
use crate::manifest::ArchiveManifest;
use crate::observe::{Observed, ObservedComponent};
use crate::settings::{Settings, Sources};

/// What will be done.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Release, where the settings name one.
    pub release: Option<String>,
    /// gzip level.
    pub compression: u32,
    /// Age of a dead claim.
    pub claim_timeout: Duration,
    /// One per component, by name.
    pub components: Vec<ComponentPlan>,
}

/// What will be done for one component.
#[derive(Clone, Debug)]
pub enum ComponentPlan {
    /// The mirror has this version with this content.
    Unchanged(Box<ArchiveManifest>),
    /// Pack it into the mirror.
    Pack(Box<Packing>),
}

/// One component to pack.
#[derive(Clone, Debug)]
pub struct Packing {
    /// What is packed.
    pub component: Component,
    /// Its input digest.
    pub input: Digest,
    /// Key of the archive.
    pub archive: String,
    /// What the manifest says was published, where that is another thing, and the manifest's version.
    pub replaces: Option<(ArchiveManifest, Version)>,
    /// Whether an archive that may be in use is replaced.
    pub is_overwrite: bool,
}

impl Plan {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.components.iter().all(|component| matches!(component, ComponentPlan::Unchanged(_)))
    }
}

/// Decides what to do.
///
/// # Errors
/// When there is nothing to pack, or components cannot be packed; all of them are named.
pub fn plan(settings: &Settings, observed: Observed) -> Result<Plan, Error> {
    let mut reasons = observed.problems.clone();
    reasons.extend(missing(&settings.sources, &observed));
    reasons.extend(found_twice(&observed));
    if reasons.is_empty() && observed.components.is_empty() {
        return Err(Error::NoComponent { places: places(&settings.sources) });
    }
    let mut by_mirror = false;
    let mut components = Vec::new();
    let mut observed = observed.components;
    observed.sort_by(|left, right| left.component.name.cmp(&right.component.name));
    for component in observed {
        let name = component.component.name.clone();
        match plan_component(settings, component) {
            Ok(plan) => components.push(plan),
            Err(reason) => {
                by_mirror = true;
                reasons.push((name, reason));
            }
        }
    }
    if !reasons.is_empty() {
        let (names, reasons): (BTreeSet<String>, Vec<String>) = reasons.into_iter().unzip();
        return Err(Error::Refused { components: names.len(), reasons, by_mirror });
    }
    Ok(Plan {
        release: settings.sources.release.clone(),
        compression: settings.compression,
        claim_timeout: settings.claim_timeout,
        components,
    })
}

fn plan_component(settings: &Settings, observed: ObservedComponent) -> Result<ComponentPlan, String> {
    let ObservedComponent { component, archive, archive_size, manifest } = observed;
    let input = component.input();
    let (replaces, conflict) = match (manifest, archive_size) {
        (None, None) => (None, None),
        (None, Some(_)) => {
            (None, Some("was not packed by this plugin, so what is in it is unknown".to_owned()))
        }
        // Whoever claimed it may have left the archive behind; the claim decides whose turn it is.
        (Some((Manifest::Uploading { .. }, _)), _) | (Some((Manifest::Replacing { .. }, _)), None) => {
            (None, None)
        }
        // The version stays what was published first: whoever was replacing it may have been cut.
        (Some((Manifest::Replacing { replaces, .. }, _)), _) if replaces.input == input => (None, None),
        (Some((Manifest::Replacing { replaces, .. }, _)), _) => {
            (None, Some(other_content(&replaces, &input)))
        }
        (Some((Manifest::Published(published), version)), size) => match size {
            // Somebody cleaned up.
            None => (Some((published, version)), None),
            Some(size) if size != published.size => {
                let reason = format!("has {size} bytes, and {} when it was packed", published.size);
                (Some((published, version)), Some(reason))
            }
            Some(_) if published.input == input => return Ok(ComponentPlan::Unchanged(Box::new(published))),
            Some(_) => {
                let reason = other_content(&published, &input);
                (Some((published, version)), Some(reason))
            }
        },
    };
    let is_overwrite = conflict.is_some();
    match conflict {
        Some(reason) if !settings.overwrite => {
            Err(format!("`{}` {}: `{archive}` {reason}", component.name, component.version))
        }
        _ => Ok(ComponentPlan::Pack(Box::new(Packing { component, input, archive, replaces, is_overwrite }))),
    }
}

fn other_content(published: &ArchiveManifest, input: &Digest) -> String {
    format!("has other content: packed from {}, and now there is {}", published.input.short(), input.short())
}

/// Each with its name, as all reasons.
fn missing(sources: &Sources, observed: &Observed) -> Vec<(String, String)> {
    let is_there = |name: &String| observed.places.iter().any(|(found, _)| found == name);
    let reason = |name: &String| {
        format!("`{name}`: no folder of this name with a file `VERSION` in {}", places(sources))
    };
    let wanted = sources.components.iter().flatten();
    wanted.filter(|name| !is_there(name)).map(|name| (name.clone(), reason(name))).collect()
}

/// Which of two folders of the same name is meant can only be guessed.
fn found_twice(observed: &Observed) -> Vec<(String, String)> {
    let mut by_name: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, place) in &observed.places {
        by_name.entry(name).or_default().push(place);
    }
    let reason =
        |name, places: Vec<&str>| format!("`{name}` is there more than once: in {}", places.join(" and in "));
    let several = by_name.into_iter().filter(|(_, places)| places.len() > 1);
    several.map(|(name, places)| (name.to_owned(), reason(name, places))).collect()
}

fn places(sources: &Sources) -> String {
    let workspace = sources.workspace.iter().map(|folder| format!("`{}`", folder.display()));
    let bucket = sources.prefix.iter().map(|prefix| format!("`{prefix}` of the bucket"));
    let places: Vec<String> = workspace.chain(bucket).collect();
    if places.is_empty() { "the sources, of which none is set".to_owned() } else { places.join(" or ") }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, component) in self.components.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            match component {
                ComponentPlan::Unchanged(manifest) => {
                    write!(
                        f,
                        "{} {}: unchanged, in the mirror as `{}`",
                        manifest.component, manifest.version, manifest.archive
                    )?;
                }
                ComponentPlan::Pack(packing) => {
                    let Packing { component, archive, is_overwrite, .. } = packing.as_ref();
                    let what = if *is_overwrite { "replace" } else { "upload" };
                    write!(
                        f,
                        "{} {}: {what} `{archive}`, {}, {} bytes",
                        component.name,
                        component.version,
                        component.files_in_words(),
                        component.size()
                    )?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
