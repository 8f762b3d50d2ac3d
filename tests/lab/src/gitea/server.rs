//! Gitea's process: its configuration, its start, its one administrator.
//! It may not touch repositories.
//! Called by `gitea`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::error::Error;
use crate::process::{Process, command, output};
use crate::tool::{resources, tool};
use crate::wait::{block_on, until};
use crate::{folder, http, ports};

/// The one user, who owns every repository.
pub(super) const OWNER: &str = "esteira";

/// A running server and how to reach it; it ends when this value is dropped.
pub(super) struct Server {
    folder: PathBuf,
    pub(super) url: String,
    process: Process,
    _claim: folder::Claim,
}

impl Server {
    pub(super) fn start(folder: &Path) -> Result<Self, Error> {
        let (folder, claim) = folder::claim(folder)?;
        let [port] = ports::kept(&folder.join("ports"))?;
        let url = format!("http://127.0.0.1:{port}");
        folder::write_private(&configuration(&folder), &app_ini(&folder, port)?)?;
        let mut web = gitea(&folder)?;
        web.arg("web");
        let process = Process::start(&web, &folder.join("gitea.log"))?;

        let server = Self { folder, url, process, _claim: claim };
        block_on(async || server.ready().await)?;
        Ok(server)
    }

    async fn ready(&self) -> Result<(), Error> {
        let health = format!("{}/api/healthz", self.url);
        let http = http::client()?;
        let watched = std::slice::from_ref(&self.process);
        let answer = until("the Git server", Duration::from_secs(60), watched, async || {
            http::success(http.get(&health)).await
        });
        answer.await.map(drop)
    }

    /// The administrator's API token, kept over restarts; the user is created with it.
    pub(super) fn token(&self) -> Result<String, Error> {
        let path = self.folder.join("admin.token");
        if let Ok(token) = fs::read_to_string(&path) {
            return Ok(token);
        }
        // A start that was cut off between the user and the note of its token left the user behind.
        let list = output(self.admin(&["user", "list"])?, "")?;
        if !list.lines().any(|line| line.split_whitespace().nth(1) == Some(OWNER)) {
            let email = format!("{OWNER}@lab.invalid");
            // Nobody signs in with a password, so nobody needs to know it.
            let create = ["user", "create", "--admin", "--random-password", "--must-change-password=false"];
            let who = ["--username", OWNER, "--email", &email];
            output(self.admin(&[&create[..], &who[..]].concat())?, "")?;
        }
        let name = folder::unique_name(&format!("lab-{}", std::process::id()));
        let token = ["user", "generate-access-token", "--raw", "--scopes", "all", "--username", OWNER];
        let printed = output(self.admin(&[&token[..], &["--token-name", &name]].concat())?, "")?;
        // Warnings may come before it.
        let token = printed.trim().lines().next_back().unwrap_or_default().to_owned();
        folder::write_private(&path, &token)?;
        Ok(token)
    }

    fn admin(&self, arguments: &[&str]) -> Result<Command, Error> {
        let mut admin = gitea(&self.folder)?;
        admin.arg("admin").args(arguments);
        Ok(admin)
    }
}

fn configuration(folder: &Path) -> PathBuf {
    folder.join("app.ini")
}

fn gitea(folder: &Path) -> Result<Command, Error> {
    let mut gitea = command(tool("gitea")?);
    gitea.arg("--config").arg(configuration(folder)).arg("--work-path").arg(folder);
    gitea.env("HOME", folder).current_dir(folder);
    Ok(gitea)
}

/// Everything that is not Git over HTTP is off: it is the API and the pull requests that are needed.
fn app_ini(folder: &Path, port: u16) -> Result<String, Error> {
    let resources = resources("gitea")?;
    let (folder, resources) = (folder.display(), resources.display());
    Ok(format!(
        "APP_NAME = Lab
RUN_MODE = prod
WORK_PATH = {folder}
; Build containers are commonly root alone.
I_AM_BEING_UNSAFE_RUNNING_AS_ROOT = true

[server]
HTTP_ADDR = 127.0.0.1
HTTP_PORT = {port}
ROOT_URL = http://127.0.0.1:{port}/
STATIC_ROOT_PATH = {resources}
DISABLE_SSH = true
OFFLINE_MODE = true
LFS_START_SERVER = false

[database]
DB_TYPE = sqlite3
PATH = {folder}/gitea.db

[security]
INSTALL_LOCK = true

[service]
DISABLE_REGISTRATION = true
ENABLE_NOTIFY_MAIL = false

[log]
MODE = console
LEVEL = Warn

[session]
PROVIDER = memory

[indexer]
ISSUE_INDEXER_TYPE = db

[cron]
ENABLED = false

[actions]
ENABLED = false

[packages]
ENABLED = true

[time]
DEFAULT_UI_LOCATION = UTC
"
    ))
}
