//! The lab's one error: what was attempted, and why it did not work.
//! It may not grow variants: nobody decides by the kind of a lab failure, a person reads it.
//! Used by every module of the lab.

/// What was attempted and why it failed, as one sentence to read.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Error(String);

impl Error {
    /// An error whose whole story is `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

/// Adds to a failure what was being attempted.
pub trait Attempt<T> {
    /// Puts `what()` ("cannot …") before the cause.
    fn attempting(self, what: impl FnOnce() -> String) -> Result<T, Error>;
}

impl<T, E: std::error::Error> Attempt<T> for Result<T, E> {
    fn attempting(self, what: impl FnOnce() -> String) -> Result<T, Error> {
        self.map_err(|error| Error(format!("{}: {}", what(), chain(&error))))
    }
}

/// The error with its causes, leaving out a cause whose text is already said: several libraries
/// repeat their source in their own message.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    text
}

/// The counterpart itself, for a test that cannot go on without it.
///
/// # Panics
///
/// When the counterpart could not be started: the test has nothing left to prove then.
#[expect(clippy::panic, reason = "a test without its counterpart can only fail, and should say why")]
#[track_caller]
pub(crate) fn or_fail<T>(started: &'static Result<T, Error>) -> &'static T {
    match started {
        Ok(counterpart) => counterpart,
        Err(error) => panic!("{error}"),
    }
}
