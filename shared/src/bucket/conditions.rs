//! Whether the server honours conditional writes. All that keeps two runs apart rests on them, and a server that does not know the
//! headers ignores them without a word. Asked once in a run, before its first such write; never by a run that only reads.

use object_store::path::Path;
use object_store::{PutMode, PutOptions, UpdateVersion};

use super::{Bucket, Error, Key, Kind};
use crate::failure::{Exit, chain};

/// Stays in the bucket, so that all runs but the very first one change nothing by asking.
const MARKER: &str = ".esteira/conditional-writes";
const TEXT: &str =
    "Plugins try to replace this object, to see that the server refuses it. It may be deleted.\n";
const HINT: &str = "use a server that honours conditional writes: Amazon S3, Google Cloud Storage, MinIO, Ceph from Squid on, or a folder";

pub(super) fn is_marker(path: &Path) -> bool {
    path.as_ref() == MARKER
}

impl Bucket {
    /// Ends the run where the server ignores conditions.
    ///
    /// # Errors
    /// When it does, or cannot be asked.
    pub(super) async fn must_honour_conditions(&self) -> Result<(), Error> {
        self.conditions.get_or_try_init(|| self.try_to_break_them()).await?;
        Ok(())
    }

    async fn try_to_break_them(&self) -> Result<(), Error> {
        if self.is_written(PutMode::Create).await? && self.is_written(PutMode::Create).await? {
            return Err(self.careless("an object that was to be created only was replaced"));
        }
        // No object has this tag: it would be the MD5 of nothing we know. Nor this generation, which is a time in microseconds.
        let never = UpdateVersion { e_tag: Some(format!("\"{:032}\"", 0)), version: Some("1".to_owned()) };
        if self.is_written(PutMode::Update(never)).await? {
            return Err(self.careless("an object was replaced that was not the expected one"));
        }
        Ok(())
    }

    async fn is_written(&self, mode: PutMode) -> Result<bool, Error> {
        use object_store::Error::{AlreadyExists, Precondition};
        let key = Key::new(MARKER, Kind::Text);
        let options = PutOptions { mode, attributes: key.attributes(), ..PutOptions::default() };
        match self.store.put_opts(key.path(), TEXT.into(), options).await {
            Ok(_) => Ok(true),
            Err(AlreadyExists { .. } | Precondition { .. }) => Ok(false),
            Err(error) if chain(&error).contains("501 Not Implemented") => {
                Err(self.careless("it says that it does not implement them"))
            }
            Err(error) => {
                Err(self.error(format!("write `{key}`, by which conditional writes are tried,"), error))
            }
        }
    }

    fn careless(&self, why: &str) -> Error {
        let reason = format!("the server ignores conditional writes: {why}");
        let attempted = "keep runs apart that write at the same time".to_owned();
        Error { hint: Some(HINT), exit: Exit::Failed, ..self.refused(attempted, reason) }
    }
}
