//! The step engines of Drone and Woodpecker: their own programs run a pipeline's steps as containers.
//! It may not know the plugins; a pipeline is what the caller wrote, in a folder that becomes the workspace.
//! Called by tests and by `make drone` and `make woodpecker`.

use std::path::Path;
use std::process::Command;

use crate::containers::Containers;
use crate::error::{Attempt as _, Error};
use crate::plugin::Ended;
use crate::{folder, process, tool};

/// Whose engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// `drone-runner-docker exec`, 1.8.3.
    Drone,
    /// `woodpecker-cli exec`, 1.0.5.
    Woodpecker,
}

/// What a pipeline run is about, beside its file.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// `push`, or `promote` with Drone and `deployment` with Woodpecker.
    pub name: &'a str,
    /// The branch.
    pub branch: &'a str,
    /// Target of a promotion, or empty.
    pub target: &'a str,
}

/// How long a pipeline may take. An engine waits for ever when it misses that a container has ended, as it does when a podman with other
/// settings than the socket's looks at that container first and notes its end elsewhere.
const MINUTES: &str = "15";

/// A push to `main`.
pub const PUSH: Event<'static> = Event { name: "push", branch: "main", target: "" };

impl Engine {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Drone, Self::Woodpecker];

    /// Name of the pipeline's file in the root of a repository.
    pub fn file(self) -> &'static str {
        match self {
            Self::Drone => ".drone.yml",
            Self::Woodpecker => ".woodpecker.yml",
        }
    }

    /// Where the steps find the workspace.
    pub fn workspace(self) -> &'static str {
        match self {
            Self::Drone => "/drone/src",
            Self::Woodpecker => "/woodpecker/src",
        }
    }

    /// The engine about to run the pipeline that lies in `folder`, which is the workspace.
    pub fn command(
        self,
        containers: &Containers,
        folder: &Path,
        pipeline: &str,
        event: Event<'_>,
    ) -> Result<Command, Error> {
        let mut command = process::command(tool(match self {
            Self::Drone => "drone-runner-docker",
            Self::Woodpecker => "woodpecker-cli",
        })?);
        command.env("DOCKER_HOST", containers.socket()).current_dir(folder);
        match self {
            Self::Drone => {
                // Trusted, because only such repositories may have steps in the machine's network.
                command.args(["exec", "--repo-trusted", "--repo-timeout", MINUTES, "--stage-name", pipeline]);
                command.args(["--build-event", event.name, "--repo-branch", event.branch]);
                command.args(["--commit-target", event.branch, "--commit-source", event.branch]);
                command.args(["--build-target", event.target, self.file()]);
            }
            Self::Woodpecker => {
                command.env("WOODPECKER_BACKEND_DOCKER_HOST", containers.socket());
                // What it makes is named after this; two pipelines at a time must not share it.
                command.args(["exec", "--timeout", &format!("{MINUTES}m"), "--backend-engine", "docker"]);
                command.arg("--prefix");
                command.arg(folder::unique_name(&format!("lab-{}", std::process::id())));
                command.args(["--pipeline-event", event.name, "--commit-branch", event.branch]);
                command.args(["--pipeline-target", event.target, self.file()]);
            }
        }
        Ok(command)
    }

    /// Runs the pipeline to its end.
    pub fn run(
        self,
        containers: &Containers,
        folder: &Path,
        pipeline: &str,
        event: Event<'_>,
    ) -> Result<Ended, Error> {
        let output = self.command(containers, folder, pipeline, event)?.output();
        Ok(Ended::of(&output.attempting(|| format!("cannot run {self:?}'s engine"))?))
    }
}
