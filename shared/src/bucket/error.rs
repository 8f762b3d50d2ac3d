//! What was tried with the bucket and did not work: whether a rerun may help, and what to do.
//! It may not decide whether a write was refused; that is no error. Made by every other file of the bucket.

use object_store::Error as StoreError;

use super::Bucket;
use super::answer::NotABucket;
use crate::failure::{Exit, Fault, chain};
use crate::net::untrusted;

/// Amazon's code for credentials that were good once (<https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>).
const EXPIRED: &str = "the credentials have expired: give the step new ones (`access_key`, `secret_key`, `session_token`) and run it again";
const SILENT_400: &str = "S3 answers so, without a reason, where `session_token` has expired";
/// Answers to HEAD never have a reason.
const SILENT_400_ELSE: &str = "the server gave no reason: look at `region`, `endpoint` and the keys";
const BAD_REQUEST: &str = "400 Bad Request";
/// Codes of a 400 for what went wrong on the way, and which may go well the next time (same source).
const ON_THE_WAY: [&str; 3] = ["RequestTimeout", "IncompleteBody", "BadDigest"];
/// What S3 says where the bucket is in another region (same source); the last are object_store's words for a redirect to no address.
const ELSEWHERE: [&str; 4] = [
    "AuthorizationHeaderMalformed",
    "PermanentRedirect",
    "IllegalLocationConstraint",
    "redirect without LOCATION",
];
const REGION: &str =
    "the server says that the bucket is elsewhere: look at `region`, and at `endpoint` if it is set";
const NAME: &str = "not found: is the bucket's name right?";
const CREDENTIALS: &str = "the bucket refused the credentials: look at `access_key` and `secret_key` (`gcs_key` for `gs://`) and at what they may do";
const NO_BUCKET: &str = "what answers is no bucket: is `endpoint` the address of the bucket's server, and not of its console? Does a login or a proxy stand before it (`HTTP_PROXY`, `HTTPS_PROXY`, `NO_PROXY`)?";
const UNREACHED: &str = "no connection was made: is `endpoint` right, and can it be reached from here, also by way of the proxy, if there is one?";

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
        let bucket = self.name.clone();
        if let Some(answer) = causes(&source).find_map(|cause| cause.downcast_ref::<NotABucket>()) {
            return self.not_a_bucket(attempted, answer.clone());
        }
        // Only reading with a condition ends here; a write with one is refused and no error.
        if let StoreError::Precondition { .. } = source {
            let source = "it changed while it was read".into();
            return Error { attempted, bucket, source, exit: Exit::Temporary, hint: None };
        }
        let (exit, hint) = judgement(&source, self.is_for_a_time);
        Error { attempted, bucket, source: Box::new(source), exit, hint }
    }

    pub(super) fn not_a_bucket(&self, attempted: String, answer: NotABucket) -> Error {
        let source = Box::new(answer);
        Error { attempted, bucket: self.name.clone(), source, exit: Exit::Failed, hint: Some(NO_BUCKET) }
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
}

/// Whether a rerun may help, and what to do. Where the client keeps the server's answer as text alone, it is told by that.
fn judgement(error: &StoreError, has_session_token: bool) -> (Exit, Option<&'static str>) {
    let said = chain(error);
    let is_generic = matches!(error, StoreError::Generic { .. });
    if matches!(error, StoreError::NotFound { .. }) || is_generic && said.contains("404 Not Found") {
        (Exit::Failed, Some(NAME))
    } else if is_refusal(error) {
        (Exit::Failed, Some(CREDENTIALS))
    } else if ELSEWHERE.iter().any(|code| said.contains(code)) {
        (Exit::Failed, Some(REGION))
    } else if said.contains("ExpiredToken") {
        (Exit::Temporary, Some(EXPIRED))
    } else if let Some((_, reason)) = said.rsplit_once(BAD_REQUEST) {
        let is_silent = reason.trim_matches([':', ' ']).is_empty();
        match (is_silent, has_session_token) {
            (true, true) => (Exit::Temporary, Some(SILENT_400)),
            _ if ON_THE_WAY.iter().any(|code| reason.contains(code)) => (Exit::Temporary, None),
            (true, false) => (Exit::Failed, Some(SILENT_400_ELSE)),
            (false, _) => (Exit::Failed, None),
        }
    } else if is_local(error) {
        (Exit::Failed, None)
    } else if let Some(hint) = untrusted(error) {
        (Exit::Failed, Some(hint))
    } else if causes(error).filter_map(|cause| cause.downcast_ref::<reqwest::Error>()).any(|e| e.is_connect())
    {
        (Exit::Temporary, Some(UNREACHED))
    } else {
        (Exit::Temporary, None)
    }
}

fn causes<'a>(error: &'a StoreError) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(std::error::Error::source(error), |cause| cause.source())
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
    causes(error).filter_map(|cause| cause.downcast_ref::<std::io::Error>()).any(|cause| {
        matches!(cause.kind(), PermissionDenied | QuotaExceeded | ReadOnlyFilesystem | StorageFull)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As object_store writes an answer whose status it has no kind of its own for.
    fn answered(status: &str, body: &str) -> StoreError {
        let text = format!(
            "Error performing GET http://x/ in 1ms - Server returned non-2xx status code: {status}: {body}"
        );
        StoreError::Generic { store: "S3", source: text.into() }
    }

    fn code(code: &str) -> String {
        format!("<Error><Code>{code}</Code><Message>Some words.</Message></Error>")
    }

    #[test]
    fn a_bad_request_is_put_down_to_a_session_token_only_where_there_is_one_and_no_reason() {
        let silent = answered(BAD_REQUEST, "");
        assert_eq!(judgement(&silent, true), (Exit::Temporary, Some(SILENT_400)));
        assert_eq!(judgement(&silent, false), (Exit::Failed, Some(SILENT_400_ELSE)));
        let invalid = answered(BAD_REQUEST, &code("InvalidArgument"));
        for has_session_token in [true, false] {
            assert_eq!(judgement(&invalid, has_session_token), (Exit::Failed, None));
        }
        let expired = answered(BAD_REQUEST, &code("ExpiredToken"));
        assert_eq!(judgement(&expired, false), (Exit::Temporary, Some(EXPIRED)));
        for reason in ON_THE_WAY {
            assert_eq!(judgement(&answered(BAD_REQUEST, &code(reason)), false), (Exit::Temporary, None));
        }
    }

    #[test]
    fn a_bucket_of_another_region_is_called_that() {
        for error in [
            answered(BAD_REQUEST, &code("AuthorizationHeaderMalformed")),
            answered(BAD_REQUEST, &code("IllegalLocationConstraintException")),
            answered("301 Moved Permanently", &code("PermanentRedirect")),
            answered(
                "Received redirect without LOCATION, this normally indicates an incorrectly configured region",
                "",
            ),
        ] {
            assert_eq!(judgement(&error, true), (Exit::Failed, Some(REGION)), "{error}");
        }
    }

    #[test]
    fn only_what_may_pass_is_worth_a_rerun() {
        assert_eq!(
            judgement(&answered("404 Not Found", &code("NoSuchBucket")), true),
            (Exit::Failed, Some(NAME))
        );
        assert_eq!(judgement(&answered("403 Forbidden", ""), true), (Exit::Failed, Some(CREDENTIALS)));
        assert_eq!(judgement(&answered("503 Slow Down", ""), true), (Exit::Temporary, None));
    }
}
