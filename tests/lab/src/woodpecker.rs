//! A real CI server: Woodpecker 1.0.5, bound to the lab's Git server.
//! It may not run pipelines: no agent is connected, so one stays pending until somebody cancels it.
//! Called by tests as `lab::woodpecker()`.

use std::path::Path;
use std::sync::OnceLock;

use serde::Deserialize;

use crate::ci_server::CiServer;
use crate::error::{Attempt as _, Error, or_fail};
use crate::gitea::{Gitea, gitea};
use crate::wait::block_on;
use crate::{folder, http, ports};

/// A running CI server; it ends when this value is dropped.
pub struct Woodpecker {
    server: CiServer,
    token: String,
    gitea: &'static Gitea,
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
        let agents = format!("127.0.0.1:{}", ports::free()?);
        let (secret, agent_secret) = (folder::random_secret()?, folder::random_secret()?);
        // As it stands, two requests at a time make one of them fail: "database is locked".
        let patient = "_txlock=immediate&_journal_mode=WAL&_busy_timeout=30000";
        let database = format!("{}?{patient}", folder.join("woodpecker.sqlite").display());
        block_on(async || {
            let started =
                CiServer::start("woodpecker", "authorize", folder, gitea, |server, url, application| {
                    // Schedules are read in the machine's time zone.
                    server.env("TZ", "UTC").env("WOODPECKER_HOST", url);
                    server.env("WOODPECKER_SERVER_ADDR", url.trim_start_matches("http://"));
                    server.env("WOODPECKER_GRPC_ADDR", agents);
                    server.env("WOODPECKER_GRPC_SECRET", secret).env("WOODPECKER_AGENT_SECRET", agent_secret);
                    server.env("WOODPECKER_DATABASE_DATASOURCE", database);
                    server.env("WOODPECKER_ADMIN", gitea.owner());
                    server.env("WOODPECKER_GITEA", "true").env("WOODPECKER_GITEA_URL", gitea.url());
                    server.env("WOODPECKER_GITEA_CLIENT", &application.client_id);
                    server.env("WOODPECKER_GITEA_SECRET", &application.client_secret);
                });
            let (server, browser) = started.await?;
            let token = token(server.url(), &browser).await?;
            Ok(Self { server, token, gitea })
        })
    }

    /// Where the server answers, without a slash at the end.
    pub fn url(&self) -> &str {
        self.server.url()
    }

    /// The API token of an administrator, who owns every repository.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The owner of every repository.
    pub fn owner(&self) -> &str {
        self.server.owner()
    }

    /// Lets the server build a repository of the Git server; returns the number that its API knows it by.
    pub async fn activate(&self, repository: &str) -> Result<u64, Error> {
        let id = self.gitea.repository_id(repository).await?;
        let request = http::client()?.post(format!("{}/api/repos?forge_remote_id={id}", self.url()));
        let reply = http::success(request.bearer_auth(&self.token)).await?;
        let activated: Activated =
            reply.json().await.attempting(|| "cannot read the activated repository".into())?;
        Ok(activated.id)
    }
}

/// A token for the owner, got in the way of the web interface: with the key that it is handed against requests from foreign pages.
async fn token(url: &str, browser: &reqwest::Client) -> Result<String, Error> {
    let attempt = || "cannot read the web interface's settings".into();
    let settings = http::success(browser.get(format!("{url}/web-config.js"))).await?;
    let settings = settings.text().await.attempting(attempt)?;
    let key = settings.split_once("WOODPECKER_CSRF = \"").and_then(|(_, rest)| rest.split_once('"'));
    let (key, _) = key.ok_or_else(|| Error::new(attempt()))?;
    let request = browser.post(format!("{url}/api/user/token")).header("X-CSRF-TOKEN", key);
    http::success(request).await?.text().await.attempting(|| "cannot read the token".into())
}
