//! Reads everything the plan needs: the last good result, the base, the patches with the first bytes of those that may be new, and the
//! AppServer's version. Changes nothing.

use shared::bucket::{Bucket, Entry, Key, Kind, Version};

use crate::Error;
use crate::appserver::AppServer;
use crate::manifest::{Origin, RpoManifest};
use crate::patch::{self, Edition, Suits};
use crate::settings::{Channel, EditionSettings, Settings};

/// What was found.
#[derive(Clone, Debug)]
pub struct Observed {
    /// Per RPO to assemble.
    pub editions: Vec<ObservedEdition>,
    /// Patches of all channels, in channel order.
    pub patches: Vec<Found>,
    /// What the AppServer says of itself.
    pub appserver: String,
}

/// What was found of one RPO.
#[derive(Clone, Debug)]
pub struct ObservedEdition {
    /// Where it comes from and goes to.
    pub settings: EditionSettings,
    /// The base RPO, if it is there.
    pub source: Option<Origin>,
    /// The last good result, if there is one and its RPO is still there.
    pub latest: Option<RpoManifest>,
    /// Version of the pointer to the newest result, if there is one, sound or not.
    pub pointer: Option<Version>,
}

/// A patch in the bucket.
#[derive(Clone, Debug)]
pub struct Found {
    /// The object.
    pub origin: Origin,
    /// Its channel's name.
    pub channel: &'static str,
    /// Which RPOs it is for.
    pub suits: Suits,
    /// Why it must not be applied, if so.
    pub refusal: Option<String>,
}

/// Looks at bucket and AppServer.
///
/// # Errors
/// When one of them cannot be asked.
pub async fn observe(settings: &Settings, bucket: &Bucket, appserver: &AppServer) -> Result<Observed, Error> {
    appserver.check()?;
    let mut editions = Vec::new();
    for edition in &settings.editions {
        editions.push(observe_edition(edition, bucket).await?);
    }
    let mut patches = Vec::new();
    for channel in &settings.channels {
        for entry in patches_of(channel, settings.target(), bucket).await? {
            patches.push(look_at(&entry, channel, settings, &editions, bucket).await?);
        }
    }
    let appserver = appserver.version().await?;
    Ok(Observed { editions, patches, appserver })
}

/// Key of the pointer to the newest result.
#[must_use]
pub fn pointer(result: &str) -> Key {
    Key::new(format!("{result}/latest.json"), Kind::Json)
}

async fn observe_edition(settings: &EditionSettings, bucket: &Bucket) -> Result<ObservedEdition, Error> {
    let source = bucket.look(&Key::new(&settings.source, Kind::Archive)).await?.as_ref().map(Origin::of);
    let (mut latest, mut version) = (None, None);
    let key = pointer(&settings.result);
    if let Some(object) = bucket.fetch(&key).await? {
        let manifest: RpoManifest = serde_json::from_slice(&object.bytes)
            .map_err(|source| Error::Pointer { key: key.to_string(), source })?;
        version = Some(object.version);
        if is_there(&manifest, bucket).await? {
            latest = Some(manifest);
        } else {
            tracing::warn!(
                "{}: `{key}` names `{}` of {} bytes, which is gone or another; it is assembled anew from `{}`",
                settings.edition,
                manifest.rpo,
                manifest.size,
                settings.source
            );
        }
    }
    Ok(ObservedEdition { settings: settings.clone(), source, latest, pointer: version })
}

/// Whether the bucket has the RPO that a manifest is about.
///
/// # Errors
/// When the bucket cannot be asked.
pub async fn is_there(manifest: &RpoManifest, bucket: &Bucket) -> Result<bool, Error> {
    let rpo = bucket.look(&Key::new(&manifest.rpo, Kind::Archive)).await?;
    Ok(rpo.is_some_and(|rpo| rpo.size == manifest.size))
}

async fn patches_of(channel: &Channel, target: &str, bucket: &Bucket) -> Result<Vec<Entry>, Error> {
    let mut entries = bucket.list(&channel.prefix).await?;
    entries.retain(|entry| {
        patch::is_patch(&entry.key)
            && channel.modules.include(module_of(&entry.key, &channel.prefix, target).as_deref())
    });
    entries.sort_by(|left, right| patch::natural_order(&left.key, &right.key));
    Ok(entries)
}

/// The folder below the channel's prefix names the module; without one, the file's name does.
fn module_of(key: &str, prefix: &str, target: &str) -> Option<String> {
    let below = key.strip_prefix(prefix)?.trim_start_matches('/');
    match below.split_once('/') {
        Some((folder, _)) => Some(folder.to_owned()),
        None => patch::module(below, target),
    }
}

async fn look_at(
    entry: &Entry,
    channel: &Channel,
    settings: &Settings,
    editions: &[ObservedEdition],
    bucket: &Bucket,
) -> Result<Found, Error> {
    let name = entry.key.rsplit('/').next().unwrap_or(&entry.key);
    let origin = Origin::of(entry);
    let suits = patch::suits(name, settings.unsuffixed);
    let is_applied_wherever_it_suits =
        editions.iter().filter(|edition| suits.includes(edition.settings.edition)).all(|edition| {
            let applied = edition.latest.as_ref().map_or(&[][..], |manifest| &manifest.patches);
            applied.iter().any(|applied| applied.origin.is(&origin))
        });
    let refusal = if is_applied_wherever_it_suits || entry.size == 0 {
        (entry.size == 0).then(|| "it is empty".to_owned())
    } else if channel.modules.need_a_module()
        && module_of(&entry.key, &channel.prefix, settings.target()).is_none()
    {
        Some("its module cannot be told, so it may be one that `module_publish_blacklist` leaves out; put it into a folder named like its module".to_owned())
    } else {
        let head = bucket.head(&Key::new(&entry.key, Kind::Archive), patch::HEADER_LENGTH).await?;
        patch::check(name, &head, entry.size, settings.target()).err()
    };
    Ok(Found { origin, channel: channel.name, suits, refusal })
}

impl Observed {
    /// The patches for one RPO.
    pub fn patches_for(&self, edition: Edition) -> impl Iterator<Item = &Found> {
        self.patches.iter().filter(move |found| found.suits.includes(edition))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_or_the_name_tells_the_module() {
        assert_eq!(module_of("exp/fin/a.ptm", "exp", "tttm120").as_deref(), Some("fin"));
        assert_eq!(
            module_of("exp/expedicao_continua_12_1_2310_fat_tttm120_hp.ptm", "exp", "tttm120").as_deref(),
            Some("fat")
        );
        assert_eq!(module_of("exp/whatever.ptm", "exp", "tttm120"), None);
    }
}
