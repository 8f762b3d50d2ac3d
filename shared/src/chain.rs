//! Values from step to step: outputs go to `.esteira/<name>.json` in the workspace, to a dotenv file if one is asked for, and to the bucket, where
//! pipelines of other repositories find them. `@name.key` in a setting takes one; how, [`crate::settings::Reader`] knows.

mod dotenv;
mod handoff;

use std::path::Path;

use serde_json::{Map, Value};

use crate::bucket;
use crate::failure::{Exit, Failure, Fault, chain};
use crate::report::write_json;
use crate::settings::{Common, Env, Problems};

pub(crate) use handoff::take;

/// The CI server's own file for outputs; set by Harness' runner (lite-engine, `pipeline/runtime/run.go`).
const DRONE_OUTPUT: &str = "DRONE_OUTPUT";

/// What was to be handed on or taken and could not be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the work is done, but its outputs cannot be written into `{file}`")]
    File { file: String, source: std::io::Error },
    #[error("the outputs that `handoff` keeps cannot be read or written")]
    Bucket(#[from] bucket::Error),
    #[error("`{key}` in the bucket is not what `handoff` writes: {reason}")]
    Strange { key: String, reason: String },
    #[error("`{key}` in the bucket changes all the time: other runs hand on the same outputs")]
    Contended { key: String },
}

impl Error {
    /// What a run fails with whose outputs could not be taken: this alone, unless its settings have other problems too; those are told all at once.
    pub(crate) fn or_other_problems(self, failure: Failure) -> Failure {
        let reason = chain(&self);
        let Some(Problems(problems)) = failure.source.downcast_ref() else { return failure };
        let is_of_this = |name: &str| {
            // A value that is not there may be missed a second time.
            problems.iter().any(|problem| problem.name == name && problem.text.contains(&reason))
        };
        if problems.iter().all(|problem| is_of_this(&problem.name)) { self.into() } else { failure }
    }
}

impl Fault for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::Bucket(error) => error.exit(),
            Self::Contended { .. } => Exit::Temporary,
            Self::File { .. } | Self::Strange { .. } => Exit::Failed,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Bucket(error) => error.hints(),
            Self::File { .. } => vec!["the run can be repeated: it will find its work done".to_owned()],
            Self::Strange { .. } => vec!["look at it, and remove it if nothing else needs it".to_owned()],
            Self::Contended { .. } => {
                vec!["give each of those steps a name of its own with `output_as`".to_owned()]
            }
        }
    }
}

/// Hands the outputs of a run on to whoever comes after it. Order: the workspace first, because the next step of the same pipeline looks there first.
pub(crate) async fn give(
    env: &Env,
    common: &Common,
    name: &str,
    outputs: &Map<String, Value>,
) -> Result<(), Error> {
    let failed = |file: &Path, source| Error::File { file: file.display().to_string(), source };
    let folder = env.workspace().join(".esteira");
    write_json(&folder, &format!("{name}.json"), outputs)
        .map_err(|source| failed(&folder.join(format!("{name}.json")), source))?;
    if let Some(file) = &common.output_file {
        dotenv::replace(file, outputs).map_err(|source| failed(file, source))?;
    }
    if let Some(file) = env.variable(DRONE_OUTPUT) {
        dotenv::append(Path::new(file), outputs).map_err(|source| failed(Path::new(file), source))?;
    }
    handoff::give(env, common, name, outputs).await
}

#[cfg(test)]
mod tests;
