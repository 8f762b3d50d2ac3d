//! What the real CI servers have in common: a process bound to the lab's Git server, whose owner signs in there.
//! It may not know their APIs or how they are configured. Called by `drone` and `woodpecker`.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use reqwest::Client;

use crate::error::Error;
use crate::gitea::{Application, Gitea};
use crate::process::{Process, command};
use crate::tool::tool;
use crate::wait::until;
use crate::{http, ports};

const PATIENCE: Duration = Duration::from_secs(60);

/// A running CI server; it ends when this value is dropped.
pub(crate) struct CiServer {
    url: String,
    gitea: &'static Gitea,
    process: Process,
}

impl CiServer {
    /// Starts the tool `<name>-server` on a free port, as `configure` says for its address and its application
    /// at the Git server, and signs the owner in at the path `login`. The client that is returned is hers.
    pub(crate) async fn start(
        name: &str,
        login: &str,
        folder: &Path,
        gitea: &'static Gitea,
        configure: impl FnOnce(&mut Command, &str, &Application),
    ) -> Result<(Self, Client), Error> {
        let url = format!("http://127.0.0.1:{}", ports::free()?);
        let login = format!("{url}/{login}");
        let application = gitea.application(name, &login).await?;
        let mut server = command(tool(&format!("{name}-server"))?);
        server.current_dir(folder).env("HOME", folder);
        configure(&mut server, &url, &application);
        let process = Process::start(&server, &folder.join(format!("{name}.log")))?;
        let started = Self { url, gitea, process };

        let http = http::client()?;
        let health = format!("{}/healthz", started.url);
        started.until("the CI server", async || http::success(http.get(&health)).await).await?;
        let browser = gitea.sign_in(&login).await?;
        Ok((started, browser))
    }

    /// Where the server answers, without a slash at the end.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The owner of every repository.
    pub(crate) fn owner(&self) -> &str {
        self.gitea.owner()
    }

    /// Waits, as long as the server runs, for at most a minute.
    pub(crate) async fn until<T>(
        &self,
        what: &str,
        ready: impl AsyncFnMut() -> Result<T, Error>,
    ) -> Result<T, Error> {
        until(what, PATIENCE, std::slice::from_ref(&self.process), ready).await
    }
}
