//! The contract between a plugin's errors and [`crate::entry`]: how a run ends when it does not end well.
//! Nothing here prints; `entry` is the only place that does.

use std::error::Error;
use std::fmt;

use crate::report::Report;

/// How a run that did not succeed ends. Never 78: Drone takes that for "skip the rest and pass".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Tried and failed, or refused.
    Failed = 1,
    /// The settings cannot be used; nothing was touched.
    Settings = 2,
    /// Some targets failed, the others are done.
    Partly = 3,
    /// A rerun may help: something was unreachable, busy, or the run was told to stop.
    Temporary = 75,
}

/// An error that knows how the process should end and what the reader can do.
pub trait Fault: Error + Send + Sync + 'static {
    /// The exit code that fits.
    fn exit(&self) -> Exit {
        Exit::Failed
    }

    /// What to do about it, one line each; may be empty.
    fn hints(&self) -> Vec<String> {
        Vec::new()
    }
}

/// A run that did not succeed: the error, and the report of what had been changed before it.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What to do about it, one line each.
    pub hints: Vec<String>,
    /// What was done before the failure, if anything was.
    pub report: Option<Box<Report>>,
    /// The error itself; its sources are printed below it.
    pub source: Box<dyn Error + Send + Sync>,
}

impl Failure {
    /// The same failure, saying what had already been changed.
    #[must_use]
    pub fn after(mut self, report: Report) -> Self {
        self.report = Some(Box::new(report));
        self
    }

    /// The error and its causes, one text each; a cause that its parent already quotes is left out.
    #[must_use]
    pub fn chain(&self) -> Vec<String> {
        causes(&*self.source)
    }
}

/// An error and its causes in one line.
#[must_use]
pub fn chain(error: &(dyn Error + 'static)) -> String {
    causes(error).join(": ")
}

fn causes(error: &(dyn Error + 'static)) -> Vec<String> {
    let mut texts = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !texts.iter().any(|parent| parent.contains(&text)) {
            texts.push(text);
        }
        cause = error.source();
    }
    texts
}

impl<F: Fault> From<F> for Failure {
    fn from(fault: F) -> Self {
        Self { exit: fault.exit(), hints: fault.hints(), report: None, source: Box::new(fault) }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.chain().join(": "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot read the index")]
    struct Outer(#[source] Inner);

    #[derive(Debug, thiserror::Error)]
    #[error("connection refused")]
    struct Inner;

    impl Fault for Outer {
        fn exit(&self) -> Exit {
            Exit::Temporary
        }
    }

    #[test]
    fn keeps_exit_code_and_prints_every_cause_once() {
        let failure = Failure::from(Outer(Inner));
        assert_eq!(failure.exit as u8, 75);
        assert_eq!(failure.chain(), ["cannot read the index", "connection refused"]);
    }
}
