//! What is wrong with the settings, all of it at once.

use std::fmt;

use crate::failure::{Exit, Fault};

/// One setting that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The variable or `.config` key.
    pub name: String,
    /// What is wrong, what was expected and what was got; secrets already hidden.
    pub text: String,
    /// Whether it asks for outputs of a step that left none here.
    pub lacks_step: bool,
}

/// All settings of a run that cannot be used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// Notes one more.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<String>) {
        self.0.push(Problem { name: name.into(), text: text.into(), lacks_step: false });
    }

    /// Notes one that asks for outputs of a step that left none here.
    pub(crate) fn add_lacking_step(&mut self, name: impl Into<String>, text: impl Into<String>) {
        self.0.push(Problem { name: name.into(), text: text.into(), lacks_step: true });
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => write!(f, "1 setting cannot be used; nothing was touched")?,
            count => write!(f, "{count} settings cannot be used; nothing was touched")?,
        }
        for problem in &self.0 {
            write!(f, "\n  {}: {}", problem.name, problem.text)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

impl Fault for Problems {
    fn exit(&self) -> Exit {
        Exit::Settings
    }

    fn hints(&self) -> Vec<String> {
        let lacking = "a step whose output is asked for (`@step.key`) must run before this one in the same workspace; in another pipeline, both need the same `handoff` and `bucket`";
        let lacking = self.0.iter().any(|problem| problem.lacks_step).then_some(lacking);
        let help = "`--help` lists every setting with what it takes";
        lacking.into_iter().chain([help]).map(str::to_owned).collect()
    }
}
