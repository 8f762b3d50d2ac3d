//! What was tried with the bucket and did not work: whether a rerun may help, and what to do.
//! It may not decide whether a write was refused; that is no error. Made by every other file of the bucket.

use object_store::Error as StoreError;

use super::Bucket;
use crate::failure::{Exit, Fault, chain};
use crate::net::untrusted;

/// Amazon's code for credentials that were good once (<https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>).
const EXPIRED: &str = "the credentials have expired: give the step new ones (`access_key`, `secret_key`, `session_token`) and run it again";
const SILENT_400: &str = "S3 answers so, without a reason, where `session_token` has expired";

/// What was tried with the bucket and did not work.
#[derive(Debug, thiserror::Error)]
#[error("cannot {attempted} in the bucket `{bucket}`")]
pub struct Error {
    pub(super) attempted: String,
    pub(super) bucket: String,
    #[source]
    pub(super) source: Box<dyn std::error::Error + Send + Sync>,
    pub(super) exit: Exit,
    pub(super) hint: Option<&'static str>,
}

impl Fault for Error {
    fn exit(&self) -> Exit {
        self.exit
    }

    fn hints(&self) -> Vec<String> {
        self.hint.map(str::to_owned).into_iter().collect()
    }
}

impl Bucket {
    /// The error of a stream that a caller drove itself.
    #[must_use]
    pub fn io_error(&self, attempted: String, error: std::io::Error) -> Error {
        let source: Box<dyn std::error::Error + Send + Sync> = match error.downcast::<StoreError>() {
            Ok(error) => return self.error(attempted, error),
            Err(error) => Box::new(error),
        };
        Error { attempted, bucket: self.name.clone(), source, exit: Exit::Temporary, hint: None }
    }

    pub(super) fn error(&self, attempted: String, source: StoreError) -> Error {
        Error::new(attempted, &self.name, source)
    }

    pub(super) fn refused(&self, attempted: String, reason: String) -> Error {
        Error { attempted, bucket: self.name.clone(), source: reason.into(), exit: Exit::Failed, hint: None }
    }
}

impl Error {
    /// The settings name nothing that a bucket could be.
    pub(super) fn unusable(bucket: &str, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        let source = Box::new(source);
        Self {
            attempted: "work".to_owned(),
            bucket: bucket.to_owned(),
            source,
            exit: Exit::Failed,
            hint: None,
        }
    }

    fn new(attempted: String, bucket: &str, source: StoreError) -> Self {
        let (exit, hint) = match &source {
            StoreError::NotFound { .. } => (Exit::Failed, Some("not found: is the bucket's name right?")),
            source if is_refusal(source) => (
                Exit::Failed,
                Some(
                    "the bucket refused the credentials: look at `access_key` and `secret_key` (`gcs_key` for `gs://`) and at what they may do",
                ),
            ),
            source if chain(source).contains("ExpiredToken") => (Exit::Temporary, Some(EXPIRED)),
            source if chain(source).contains("400 Bad Request") => (Exit::Temporary, Some(SILENT_400)),
            // Only reading with a condition ends here; a write with one is refused and no error.
            StoreError::Precondition { .. } => {
                return Self {
                    attempted,
                    bucket: bucket.to_owned(),
                    source: "it changed while it was read".into(),
                    exit: Exit::Temporary,
                    hint: None,
                };
            }
            source if is_local(source) => (Exit::Failed, None),
            source if let Some(hint) = untrusted(source) => (Exit::Failed, Some(hint)),
            _ => (Exit::Temporary, None),
        };
        Self { attempted, bucket: bucket.to_owned(), source: Box::new(source), exit, hint }
    }
}

/// A list that the server refuses comes as a generic error with the answer in its text.
fn is_refusal(error: &StoreError) -> bool {
    match error {
        StoreError::PermissionDenied { .. } | StoreError::Unauthenticated { .. } => true,
        StoreError::Generic { .. } => {
            let said = chain(error);
            said.contains("403 Forbidden") || said.contains("401 Unauthorized")
        }
        _ => false,
    }
}

/// What a folder that is used as a bucket says, and no rerun changes.
fn is_local(error: &StoreError) -> bool {
    use std::io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    causes.filter_map(|cause| cause.downcast_ref::<std::io::Error>()).any(|cause| {
        matches!(cause.kind(), PermissionDenied | QuotaExceeded | ReadOnlyFilesystem | StorageFull)
    })
}
