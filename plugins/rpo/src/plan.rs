//! Decides what is to be assembled: pure, no IO. Its `Display` is the dry run.

use std::fmt;

use shared::digest::Hasher;

use crate::Error;
use crate::manifest::{Applied, Origin, RpoManifest};
use crate::observe::{Observed, ObservedEdition, pointer};
use crate::patch::Edition;
use crate::settings::Settings;
use shared::bucket::Version;

/// What will be done.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Release.
    pub release: String,
    /// File name of the RPO.
    pub rpo_name: String,
    /// Programs older than the RPO's too.
    pub apply_old: bool,
    /// What the AppServer says of itself.
    pub appserver: String,
    /// Age of a dead claim.
    pub claim_timeout: std::time::Duration,
    /// One per RPO.
    pub editions: Vec<EditionPlan>,
}

/// What will be done for one RPO.
#[derive(Clone, Debug)]
pub enum EditionPlan {
    /// The last good result has everything.
    UpToDate(Edition, Box<RpoManifest>),
    /// Apply patches and publish.
    Assemble(Box<Assembly>),
}

/// One RPO to assemble.
#[derive(Clone, Debug)]
pub struct Assembly {
    /// Which RPO.
    pub edition: Edition,
    /// Prefix of the results.
    pub result: String,
    /// Short name of the content to be.
    pub generation: String,
    /// The vendor's RPO.
    pub source: Origin,
    /// What the patches are applied on.
    pub base: Origin,
    /// Patches that the base has already.
    pub applied: Vec<Applied>,
    /// Patches to apply, in this order.
    pub pending: Vec<Applied>,
    /// Version of the pointer that will be replaced.
    pub replaces: Option<Version>,
}

impl Assembly {
    /// Key of the pointer to the newest result.
    #[must_use]
    pub fn pointer(&self) -> shared::bucket::Key {
        pointer(&self.result)
    }
}

impl Plan {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.editions.iter().all(|edition| matches!(edition, EditionPlan::UpToDate(..)))
    }
}

/// Decides what to do.
///
/// # Errors
/// When a base is missing or patches must not be applied; all of them are named.
pub fn plan(settings: &Settings, observed: Observed) -> Result<Plan, Error> {
    let refusals: Vec<String> = observed
        .patches
        .iter()
        .filter_map(|found| Some(format!("`{}`: {}", found.origin.key, found.refusal.as_ref()?)))
        .collect();
    if !refusals.is_empty() {
        return Err(Error::Preflight(refusals));
    }
    let editions = observed
        .editions
        .iter()
        .map(|edition| plan_edition(settings, edition, &observed))
        .collect::<Result<_, _>>()?;
    Ok(Plan {
        release: settings.release.clone(),
        rpo_name: settings.rpo_name.clone(),
        apply_old: settings.apply_old,
        appserver: observed.appserver,
        claim_timeout: settings.claim_timeout,
        editions,
    })
}

fn plan_edition(
    settings: &Settings,
    edition: &ObservedEdition,
    observed: &Observed,
) -> Result<EditionPlan, Error> {
    let Some(source) = &edition.source else {
        return Err(Error::NoBase { key: edition.settings.source.clone() });
    };
    // The base is cumulative, but another vendor RPO begins anew with all patches.
    let last_good = edition.latest.as_ref().filter(|manifest| manifest.source.is(source));
    let applied = last_good.map_or_else(Vec::new, |manifest| manifest.patches.clone());
    let pending: Vec<Applied> = observed
        .patches_for(edition.settings.edition)
        .filter(|found| !applied.iter().any(|applied| applied.origin.is(&found.origin)))
        .map(|found| Applied { origin: found.origin.clone(), channel: found.channel.to_owned() })
        .collect();
    if let Some(manifest) = last_good
        && pending.is_empty()
    {
        return Ok(EditionPlan::UpToDate(edition.settings.edition, Box::new(manifest.clone())));
    }
    let base = last_good.map_or_else(
        || source.clone(),
        |manifest| Origin {
            key: manifest.rpo.clone(),
            size: manifest.size,
            tag: String::new(),
            digest: Some(manifest.digest.clone()),
        },
    );
    Ok(EditionPlan::Assemble(Box::new(Assembly {
        edition: edition.settings.edition,
        result: edition.settings.result.clone(),
        generation: generation(settings, &base, &pending),
        source: source.clone(),
        base,
        applied,
        pending,
        replaces: edition.pointer.clone(),
    })))
}

/// The same base, patches and flags have the same name: a rerun works on the same keys.
fn generation(settings: &Settings, base: &Origin, pending: &[Applied]) -> String {
    let mut hasher = Hasher::default();
    let mut take = |text: &str| {
        hasher.update(text.as_bytes());
        hasher.update(&[0]);
    };
    for origin in std::iter::once(base).chain(pending.iter().map(|patch| &patch.origin)) {
        take(&origin.key);
        take(&origin.size.to_string());
        take(&origin.tag);
        take(origin.digest.as_ref().map_or("", |digest| digest.hex()));
    }
    take(if settings.apply_old { "apply old" } else { "only newer" });
    hasher.finish().short().to_owned()
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, edition) in self.editions.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            match edition {
                EditionPlan::UpToDate(edition, manifest) => {
                    write!(
                        f,
                        "{edition}: `{}` has all {} patches already",
                        manifest.rpo,
                        manifest.patches.len()
                    )?;
                }
                EditionPlan::Assemble(assembly) => {
                    writeln!(f, "{}: take `{}`", assembly.edition, assembly.base.key)?;
                    for (number, patch) in assembly.pending.iter().enumerate() {
                        writeln!(f, "  {}. apply `{}` ({})", number + 1, patch.origin.key, patch.channel)?;
                    }
                    write!(f, "  publish `{}/{}/{}`", assembly.result, assembly.generation, self.rpo_name)?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
