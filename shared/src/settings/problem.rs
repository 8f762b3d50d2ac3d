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
}

/// All settings of a run that cannot be used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// Notes one more.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<String>) {
        self.0.push(Problem { name: name.into(), text: text.into() });
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
        vec!["`--help` lists every setting with what it takes".to_owned()]
    }
}
