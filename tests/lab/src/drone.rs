//! A real CI server: Drone 1.10.1 in its open-source edition, bound to the lab's Git server.
//! It may not run builds: no runner is connected, so a build stays pending until somebody ends it.
//! Called by tests as `lab::drone()`.

use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use reqwest::Method;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Mutex;

use crate::error::{Attempt as _, Error, or_fail};
use crate::gitea::{Gitea, gitea};
use crate::process::{Process, command};
use crate::tool::tool;
use crate::wait::{block_on, until};
use crate::{folder, http, ports};

const PATIENCE: Duration = Duration::from_secs(60);

/// A running CI server; it ends when this value is dropped.
pub struct Drone {
    url: String,
    token: String,
    gitea: &'static Gitea,
    process: Process,
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
        let url = format!("http://127.0.0.1:{}", ports::free()?);
        let token = folder::random_secret()?;
        let process = block_on(async || serve(folder, &url, &token, gitea).await)?;
        let server = Self { url, token, gitea, process, sync: Mutex::new(()) };
        block_on(async || server.ready().await)?;
        Ok(server)
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

    /// Signs in once, so that the server may read the owner's repositories.
    async fn ready(&self) -> Result<(), Error> {
        let http = http::client()?;
        let health = format!("{}/healthz", self.url);
        let watched = std::slice::from_ref(&self.process);
        until("the CI server", PATIENCE, watched, async || http::success(http.get(&health)).await).await?;
        self.gitea.sign_in(&format!("{}/login", self.url)).await?;
        // The first sign-in starts a synchronisation, which must not meet that of `activate`.
        let quiet = async || {
            let reply = self.call(Method::GET, "user", None).await?;
            let account: Account = reply.json().await.attempting(|| "cannot read the user".into())?;
            if account.syncing || account.synced == 0 {
                return Err(Error::new("it is still reading the repositories"));
            }
            Ok(())
        };
        until("the CI server's list of repositories", PATIENCE, watched, quiet).await
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<serde_json::Value>,
    ) -> Result<reqwest::Response, Error> {
        let mut request = http::client()?.request(method, format!("{}/api/{path}", self.url));
        if let Some(body) = body {
            request = request.json(&body);
        }
        http::success(request.bearer_auth(&self.token)).await.attempting(|| "the CI server refused".into())
    }
}

async fn serve(folder: &Path, url: &str, token: &str, gitea: &Gitea) -> Result<Process, Error> {
    let host = url.trim_start_matches("http://");
    let application = gitea.application("drone", &format!("{url}/login")).await?;
    let mut drone = command(tool("drone-server")?);
    drone.current_dir(folder).env("HOME", folder);
    // The variable is called a port, and is the address to listen on.
    drone.env("DRONE_SERVER_PORT", host).env("DRONE_SERVER_HOST", host).env("DRONE_SERVER_PROTO", "http");
    drone.env("DRONE_DATABASE_DATASOURCE", folder.join("drone.sqlite"));
    drone.env("DRONE_RPC_SECRET", folder::random_secret()?);
    drone.env("DRONE_USER_CREATE", format!("username:{},admin:true,token:{token}", gitea.owner()));
    drone.env("DRONE_GITEA_SERVER", gitea.url());
    drone.env("DRONE_GITEA_CLIENT_ID", application.client_id);
    drone.env("DRONE_GITEA_CLIENT_SECRET", application.client_secret);
    Process::start(&drone, &folder.join("drone.log"))
}
