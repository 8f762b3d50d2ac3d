//! A real CI server: Woodpecker 1.0.5, bound to the lab's Git server.
//! It may not run pipelines: no agent is connected, so one stays pending until somebody cancels it.
//! Called by tests as `lab::woodpecker()`.

use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use serde::Deserialize;

use crate::error::{Attempt as _, Error, or_fail};
use crate::gitea::{Gitea, gitea};
use crate::process::{Process, command};
use crate::tool::tool;
use crate::wait::{block_on, until};
use crate::{folder, http, ports};

/// A running CI server; it ends when this value is dropped.
pub struct Woodpecker {
    url: String,
    token: String,
    gitea: &'static Gitea,
    _process: Process,
}

/// The CI server of this process, started on first use. Tests share it, each with its own repositories.
#[track_caller]
pub fn woodpecker() -> &'static Woodpecker {
    static WOODPECKER: OnceLock<Result<Woodpecker, Error>> = OnceLock::new();
    or_fail(WOODPECKER.get_or_init(|| Woodpecker::start(&folder::temporary("woodpecker")?, gitea())))
}

#[derive(Deserialize)]
struct Activated {
    id: u64,
}

impl Woodpecker {
    fn start(folder: &Path, gitea: &'static Gitea) -> Result<Self, Error> {
        let url = format!("http://127.0.0.1:{}", ports::free()?);
        let process = block_on(async || serve(folder, &url, gitea).await)?;
        let token = block_on(async || token(&url, gitea, &process).await)?;
        Ok(Self { url, token, gitea, _process: process })
    }

    /// Where the server answers, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The API token of an administrator, who owns every repository.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The owner of every repository.
    pub fn owner(&self) -> &str {
        self.gitea.owner()
    }

    /// Lets the server build a repository of the Git server; returns the number that its API knows it by.
    pub async fn activate(&self, repository: &str) -> Result<u64, Error> {
        let id = self.gitea.repository_id(repository).await?;
        let request = http::client()?.post(format!("{}/api/repos?forge_remote_id={id}", self.url));
        let reply = http::success(request.bearer_auth(&self.token)).await?;
        let activated: Activated =
            reply.json().await.attempting(|| "cannot read the activated repository".into())?;
        Ok(activated.id)
    }
}

async fn serve(folder: &Path, url: &str, gitea: &Gitea) -> Result<Process, Error> {
    let application = gitea.application("woodpecker", &format!("{url}/authorize")).await?;
    let mut server = command(tool("woodpecker-server")?);
    // Schedules are read in the machine's time zone.
    server.current_dir(folder).env("HOME", folder).env("TZ", "UTC");
    server.env("WOODPECKER_HOST", url).env("WOODPECKER_SERVER_ADDR", url.trim_start_matches("http://"));
    server.env("WOODPECKER_GRPC_ADDR", format!("127.0.0.1:{}", ports::free()?));
    server.env("WOODPECKER_GRPC_SECRET", folder::random_secret()?);
    server.env("WOODPECKER_AGENT_SECRET", folder::random_secret()?);
    // As it stands, two requests at a time make one of them fail: "database is locked".
    let patient = "_txlock=immediate&_journal_mode=WAL&_busy_timeout=30000";
    let database = format!("{}?{patient}", folder.join("woodpecker.sqlite").display());
    server.env("WOODPECKER_DATABASE_DATASOURCE", database);
    server.env("WOODPECKER_ADMIN", gitea.owner());
    server.env("WOODPECKER_GITEA", "true").env("WOODPECKER_GITEA_URL", gitea.url());
    server.env("WOODPECKER_GITEA_CLIENT", application.client_id);
    server.env("WOODPECKER_GITEA_SECRET", application.client_secret);
    Process::start(&server, &folder.join("woodpecker.log"))
}

/// Signs in as the owner, who gets a token in the way of the web interface: with the key that it is handed
/// against requests from foreign pages.
async fn token(url: &str, gitea: &Gitea, process: &Process) -> Result<String, Error> {
    let http = http::client()?;
    let watched = std::slice::from_ref(process);
    let health = async || http::success(http.get(format!("{url}/healthz"))).await;
    until("the CI server", Duration::from_secs(60), watched, health).await?;

    let attempt = || "cannot read the web interface's settings".into();
    let browser = gitea.sign_in(&format!("{url}/authorize")).await?;
    let settings = http::success(browser.get(format!("{url}/web-config.js"))).await?;
    let settings = settings.text().await.attempting(attempt)?;
    let key = settings.split_once("WOODPECKER_CSRF = \"").and_then(|(_, rest)| rest.split_once('"'));
    let (key, _) = key.ok_or_else(|| Error::new(attempt()))?;
    let request = browser.post(format!("{url}/api/user/token")).header("X-CSRF-TOKEN", key);
    http::success(request).await?.text().await.attempting(|| "cannot read the token".into())
}
