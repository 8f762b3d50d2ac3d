//! Reads everything the plan needs: the component folders of workspace and bucket with every file in them, and what the mirror has of
//! each. Objects are listed, not read. Changes nothing.

mod objects;
mod workspace;

use shared::bucket::{Bucket, Manifest, Version};

use crate::Error;
use crate::component::Component;
use crate::manifest::ArchiveManifest;
use crate::mirror;
use crate::settings::Settings;

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// Every component seen, sound or not: its name and where it lies.
    pub places: Vec<(String, String)>,
    /// The sound ones.
    pub components: Vec<ObservedComponent>,
    /// What is wrong with the others: name and problem, one by one.
    pub problems: Vec<(String, String)>,
}

/// A component and its place in the mirror.
#[derive(Clone, Debug)]
pub struct ObservedComponent {
    /// What would be packed.
    pub component: Component,
    /// Key of its archive.
    pub archive: String,
    /// Size of that archive, if it is there.
    pub archive_size: Option<u64>,
    /// Its manifest, if there is one.
    pub manifest: Option<(Manifest<ArchiveManifest>, Version)>,
}

/// A component folder as it was found.
#[derive(Debug)]
struct Found {
    name: String,
    place: String,
    /// The component, or everything that is wrong with it.
    content: Result<Component, Vec<String>>,
}

/// Looks at workspace, bucket and mirror.
///
/// # Errors
/// When one of them cannot be read at all; what is wrong with single components is part of the result.
pub async fn observe(settings: &Settings, bucket: &Bucket) -> Result<Observed, Error> {
    let mut found = Vec::new();
    let sources = &settings.sources;
    if let Some(folder) = &sources.workspace {
        found.extend(workspace::components(folder, sources).await?);
    }
    if let Some(prefix) = &sources.prefix {
        found.extend(objects::components(prefix, sources, bucket).await?);
    }
    for folder in &sources.folders {
        found.push(objects::folder(folder, bucket).await?);
    }
    if let Some(rpo) = &sources.rpo {
        found.push(objects::rpo(rpo, bucket).await?);
    }

    let mut observed = Observed::default();
    for Found { name, place, content } in found {
        match content {
            Ok(component) => match look_into_mirror(component, settings, bucket).await? {
                Ok(component) => observed.components.push(component),
                Err(problem) => observed.problems.push((name.clone(), format!("`{name}`: {problem}"))),
            },
            Err(problems) => observed.problems.extend(
                problems.iter().map(|problem| (name.clone(), format!("`{name}` in {place}: {problem}"))),
            ),
        }
        observed.places.push((name, place));
    }
    Ok(observed)
}

async fn look_into_mirror(
    component: Component,
    settings: &Settings,
    bucket: &Bucket,
) -> Result<Result<ObservedComponent, String>, Error> {
    let prefix = format!("{}/{}", settings.mirror, component.name);
    let listing = bucket.list(&prefix).await?;
    let name = match mirror::archive_name(&component.name, &component.version, &prefix, &listing) {
        Ok(name) => name,
        Err(problem) => return Ok(Err(problem)),
    };
    let archive = format!("{prefix}/{}/{name}", component.version);
    let archive_size = listing.iter().find(|entry| entry.key == archive).map(|entry| entry.size);
    let manifest = bucket.manifest(&mirror::manifest_key(&archive)).await?;
    Ok(Ok(ObservedComponent { component, archive, archive_size, manifest }))
}
