//! What is saved in the bucket before anything is taken apart: the release's values, and the manifests of what is deleted. Each name carries the run and
//! the release's revision, so nothing is ever overwritten and nothing stale is ever used.

use bytes::Bytes;
use serde_json::Value;
use shared::bucket::{Key, Kind, Put};

use super::Work;
use crate::Error;

impl Work<'_> {
    pub(super) async fn save_values(&mut self) -> Result<(), Error> {
        let release = self.environment().release.as_ref();
        let values = release.map(|release| release.values.clone()).unwrap_or_default();
        self.save("values", &values).await
    }

    /// Saves a document. What is there already is kept; if it is something else, the new one gets the next number.
    pub(super) async fn save(&self, name: &str, content: &Value) -> Result<(), Error> {
        let Some(bucket) = &self.worlds.bucket else {
            return Err(Error::Refused("the profile saves values but no bucket is set".to_owned()));
        };
        let folder = format!("{}/{}/{}", self.settings.values_backup, self.name(), self.record.run);
        let text = Bytes::from(format!("{content:#}\n"));
        let mut file = format!("{name}.json");
        for number in 2.. {
            let key = Key::new(format!("{folder}/{file}"), Kind::Json);
            let is_saved = match bucket.put_new(&key, text.clone()).await? {
                Put::Written(_) => true,
                Put::Refused => bucket.fetch(&key).await?.is_some_and(|object| object.bytes == text),
            };
            if is_saved {
                break;
            }
            file = format!("{name}-{number}.json");
        }
        Ok(())
    }
}
