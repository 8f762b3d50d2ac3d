//! A real CI server: Drone 1.10.1 in its open-source edition, bound to the lab's Git server.
//! It may not run builds: no runner is connected, so a build stays pending until somebody ends it.
//! Called by tests as `lab::drone()`.

use std::path::Path;
use std::sync::OnceLock;

use reqwest::Method;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Mutex;

use crate::ci_server::CiServer;
use crate::error::{Attempt as _, Error, or_fail};
use crate::gitea::{Gitea, gitea};
use crate::wait::block_on;
use crate::{folder, http};

/// A running CI server; it ends when this value is dropped.
pub struct Drone {
    server: CiServer,
    token: String,
    sync: Mutex<()>,
}

/// The CI server of this process, started on first use. Tests share it, each with its own repositories.
#[track_caller]
pub fn drone() -> &'static Drone {
    static DRONE: OnceLock<Result<Drone, Error>> = OnceLock::new();
    or_fail(DRONE.get_or_init(|| Drone::start(&folder::temporary("drone")?, gitea())))
}

#[derive(Deserialize)]
struct Account {
    syncing: bool,
    synced: i64,
}

#[derive(Deserialize)]
struct Robot {
    token: String,
}

impl Drone {
    fn start(folder: &Path, gitea: &'static Gitea) -> Result<Self, Error> {
        let token = folder::random_secret()?;
        let secret = folder::random_secret()?;
        block_on(async || {
            let (server, _) = CiServer::start("drone", "login", folder, gitea, |drone, url, application| {
                let host = url.trim_start_matches("http://");
                // The variable is called a port, and is the address to listen on.
                drone.env("DRONE_SERVER_PORT", host);
                drone.env("DRONE_SERVER_HOST", host).env("DRONE_SERVER_PROTO", "http");
                drone.env("DRONE_DATABASE_DATASOURCE", folder.join("drone.sqlite"));
                drone.env("DRONE_RPC_SECRET", &secret);
                drone
                    .env("DRONE_USER_CREATE", format!("username:{},admin:true,token:{token}", gitea.owner()));
                drone.env("DRONE_GITEA_SERVER", gitea.url());
                drone.env("DRONE_GITEA_CLIENT_ID", &application.client_id);
                drone.env("DRONE_GITEA_CLIENT_SECRET", &application.client_secret);
            })
            .await?;
            let server = Self { server, token, sync: Mutex::new(()) };
            server.ready().await?;
            Ok(server)
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

    /// Lets the server build a repository of the Git server.
    pub async fn activate(&self, repository: &str) -> Result<(), Error> {
        {
            // Two at a time would both add what is new, and one of them fail.
            let _turn = self.sync.lock().await;
            self.call(Method::POST, "user/repos", None).await?;
        }
        self.call(Method::POST, &format!("repos/{}/{repository}", self.owner()), None).await.map(drop)
    }

    /// The API token of a new user, who has no right on any repository.
    pub async fn stranger(&self) -> Result<String, Error> {
        let login = folder::unique_name("stranger");
        let reply = self.call(Method::POST, "users", Some(json!({"login": login, "machine": true}))).await?;
        let robot: Robot = reply.json().await.attempting(|| "cannot read the new user".into())?;
        Ok(robot.token)
    }

    /// The sign-in at the start begins a synchronisation, which must not meet that of `activate`.
    async fn ready(&self) -> Result<(), Error> {
        let quiet = async || {
            let reply = self.call(Method::GET, "user", None).await?;
            let account: Account = reply.json().await.attempting(|| "cannot read the user".into())?;
            if account.syncing || account.synced == 0 {
                return Err(Error::new("it is still reading the repositories"));
            }
            Ok(())
        };
        self.server.until("the CI server's list of repositories", quiet).await
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<serde_json::Value>,
    ) -> Result<reqwest::Response, Error> {
        let mut request = http::client()?.request(method, format!("{}/api/{path}", self.url()));
        if let Some(body) = body {
            request = request.json(&body);
        }
        http::success(request.bearer_auth(&self.token)).await.attempting(|| "the CI server refused".into())
    }
}
