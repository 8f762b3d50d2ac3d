//! What is saved in the bucket before anything is taken apart: the release's values, and the manifests of what is deleted. Each name carries the run and
//! the release's revision, so nothing is ever overwritten and nothing stale is ever used.

use serde_json::Value;
use shared::bucket::{Key, Kind};

use super::Work;
use crate::Error;

impl Work<'_> {
    pub(super) async fn save_values(&mut self) -> Result<(), Error> {
        let release = self.environment().release.as_ref();
        let values = release.map(|release| release.values.clone()).unwrap_or_default();
        self.save("values", &values).await
    }

    /// Saves a document; one of the same run that is there already is the same.
    pub(super) async fn save(&self, name: &str, content: &Value) -> Result<(), Error> {
        let Some(bucket) = &self.worlds.bucket else {
            return Err(Error::Refused("the profile saves values but no bucket is set".to_owned()));
        };
        let key = Key::new(
            format!("{}/{}/{}/{name}.json", self.settings.values_backup, self.name(), self.record.run),
            Kind::Json,
        );
        // Refused means that it is there.
        bucket.put_new(&key, format!("{content:#}\n").into()).await?;
        Ok(())
    }
}
