//! Decides what is to be published: pure, no IO. Its `Display` is the dry run.

use std::fmt;
use std::time::Duration;

use serde_json::Value;
use shared::bucket::Key;
use shared::digest::Digest;

use crate::observe::{Observed, Package, Published, index_key};
use crate::settings::Settings;
use crate::{Error, chart, index};

/// What will be done.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The chart as it is published.
    pub package: Package,
    /// Digest of the chart in the bucket: the package's, unless the same content lies there already with other bytes.
    pub digest: Digest,
    /// Where the chart goes.
    pub key: Key,
    /// The index.
    pub index_key: Key,
    /// Where helm will find the chart, as the index says it.
    pub url: String,
    /// Whether the chart has to be uploaded.
    pub chart: bool,
    /// Whether the index has to list it.
    pub index: bool,
    /// When it counts as created.
    pub created: String,
    /// Longest time to go on trying while others change the index.
    pub conflict_timeout: Duration,
}

impl Plan {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.chart && !self.index
    }

    /// The chart's entry in the index, for an archive of this digest.
    #[must_use]
    pub fn entry(&self, digest: &Digest) -> Value {
        index::entry(&self.package.metadata, digest, &self.url, &self.created)
    }

    /// Whether the index lists the archive of this digest already.
    ///
    /// # Errors
    /// When it lists the version with other content.
    pub fn is_listed(&self, index: &index::Index, digest: &Digest) -> Result<bool, Error> {
        let listed = index.digests(&self.package.metadata.name, &self.package.version.to_string());
        match listed.iter().find(|listed| *listed != digest.hex()) {
            Some(other) => Err(self.other_content(
                format!("in `{}`", self.index_key),
                if other.is_empty() { "(none given)" } else { other },
            )),
            None => Ok(!listed.is_empty()),
        }
    }

    /// The digest to list when the bucket has this: bytes may differ, content may not, because somebody may have installed it.
    ///
    /// # Errors
    /// When it has other content.
    pub fn accept(&self, published: &Published) -> Result<Digest, Error> {
        match published.is_same_content {
            true => Ok(published.digest.clone()),
            false => Err(self.other_content("in the bucket".to_owned(), published.digest.hex())),
        }
    }

    fn other_content(&self, place: String, published: &str) -> Error {
        let ours = self.package.digest.clone();
        Error::OtherContent { key: self.key.to_string(), place, published: published.to_owned(), ours }
    }
}

/// Decides what to do.
///
/// # Errors
/// When the version is published with other content, or the index cannot be extended: then nothing at all is written.
pub fn plan(settings: &Settings, observed: Observed) -> Result<Plan, Error> {
    let package = observed.package;
    let file = chart::file_address(&package.metadata.name, &package.version);
    let mut plan = Plan {
        digest: package.digest.clone(),
        key: package.key(settings),
        index_key: index_key(settings),
        url: settings.chart_url.as_ref().map_or(file.clone(), |base| format!("{base}{file}")),
        chart: observed.published.is_none(),
        index: true,
        created: observed.now.to_string(),
        conflict_timeout: settings.conflict_timeout,
        package,
    };
    if let Some(published) = &observed.published {
        plan.digest = plan.accept(published)?;
    }
    plan.index = !plan.is_listed(&observed.index, &plan.digest)?;
    if plan.index {
        // An index that cannot be extended is better met before the chart is uploaded.
        let entry = plan.entry(&plan.digest);
        let spliced = observed.index.with(&plan.package.metadata.name, &entry);
        spliced.map_err(|source| Error::Index { key: plan.index_key.to_string(), source })?;
    }
    Ok(plan)
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}, sha256 {}", self.package.metadata.name, self.package.version, self.digest)?;
        if self.chart {
            write!(f, "\n  upload `{}`, {} bytes", self.key, self.package.bytes.len())?;
        } else {
            write!(f, "\n  `{}` is in the bucket already", self.key)?;
        }
        if self.index {
            write!(f, "\n  list it in `{}` as `{}`", self.index_key, self.url)
        } else {
            write!(f, "\n  `{}` lists it already", self.index_key)
        }
    }
}

#[cfg(test)]
mod tests;
