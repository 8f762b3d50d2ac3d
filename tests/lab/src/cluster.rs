//! A real Kubernetes control plane with one fake node: Deployments become ready and Jobs complete.
//! It may not create anything for a test; namespaces and what is in them are the test's.
//! Called by tests as `lab::cluster()`, and by the demo as `Cluster::start`.

mod access;
mod node;
mod start;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};

use self::access::Access;
use self::start::Plan;
use crate::error::{Attempt as _, Error, or_fail};
use crate::process::{self, Process, command};
use crate::tool::tool;
use crate::wait::{block_on, until};
use crate::{folder, http, ports};

const PATIENCE: Duration = Duration::from_secs(120);

/// A running control plane; it ends when this value is dropped.
pub struct Cluster {
    folder: PathBuf,
    access: Access,
    server: String,
    kubeconfig: PathBuf,
    processes: Vec<Process>,
    _claim: folder::Claim,
}

/// The control plane of this process, started on first use. Tests share it, each in namespaces of its own.
#[track_caller]
pub fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Result<Cluster, Error>> = OnceLock::new();
    or_fail(CLUSTER.get_or_init(|| Cluster::start(&folder::temporary("cluster")?)))
}

impl Cluster {
    /// Starts a control plane whose data, keys and (when still free) ports are those kept in `folder`.
    pub fn start(folder: &Path) -> Result<Self, Error> {
        let (folder, claim) = folder::claim(folder)?;
        let access = Access::prepare(folder.join("access"))?;
        let kubeconfig = folder.join("kubeconfig");
        let ports = ports::kept(&folder.join("ports"))?;
        let plan = Plan { folder: &folder, access: &access, kubeconfig: &kubeconfig, ports };
        let server = plan.server();
        folder::write_private(&kubeconfig, &access.kubeconfig(&server, "admin", &access.token))?;
        let processes = block_on(async || bring_up(&plan).await)?;
        Ok(Self { folder, access, server, kubeconfig, processes, _claim: claim })
    }

    /// The address of the API server.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The administrator's token.
    pub fn token(&self) -> &str {
        &self.access.token
    }

    /// The certificate of the authority that signed the API server's, in PEM.
    pub fn authority(&self) -> &str {
        &self.access.authority
    }

    /// The administrator's kubeconfig file.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// A client with the administrator's rights, for the async runtime it is made in.
    pub async fn client(&self) -> Result<kube::Client, Error> {
        client(&self.kubeconfig).await
    }

    /// Runs `kubectl` as the administrator and returns what it prints.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String, Error> {
        process::output(self.kubectl_command(arguments)?, "")
    }

    /// Applies a manifest (YAML, any number of documents) as the administrator.
    pub fn apply(&self, manifest: &str) -> Result<String, Error> {
        process::output(self.kubectl_command(&["apply", "-f", "-"])?, manifest)
    }

    /// A namespace name that no other test has. Nothing is created.
    pub fn namespace(&self, prefix: &str) -> String {
        folder::unique_name(prefix)
    }

    /// The text of a kubeconfig for an existing service account, which may do what its roles allow.
    pub fn service_account(&self, namespace: &str, name: &str) -> Result<String, Error> {
        let token = self.kubectl(&["create", "token", name, "--namespace", namespace, "--duration=24h"])?;
        Ok(self.access.kubeconfig(&self.server, name, token.trim()))
    }

    fn kubectl_command(&self, arguments: &[&str]) -> Result<std::process::Command, Error> {
        let mut kubectl = command(tool("kubectl")?);
        kubectl.args(arguments).env("KUBECONFIG", &self.kubeconfig).env("HOME", &self.folder);
        Ok(kubectl)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // The clients of the API server first, etcd last: the other way round each would complain in its log.
        while self.processes.pop().is_some() {}
    }
}

/// Each step needs the one before it: a controller that finds no API server gives up.
async fn bring_up(plan: &Plan<'_>) -> Result<Vec<Process>, Error> {
    let mut processes = vec![plan.start_etcd()?];
    let health = format!("{}/health", plan.etcd());
    let http = http::client()?;
    until("etcd", PATIENCE, &processes, async || http::success(http.get(&health)).await).await?;

    processes.push(plan.start_api_server()?);
    let client = client(plan.kubeconfig).await?;
    until("the API server", PATIENCE, &processes, async || is_ready(&client).await).await?;

    processes.extend(plan.start_controllers()?);
    node::ready(client, &processes).await?;
    Ok(processes)
}

async fn is_ready(client: &kube::Client) -> Result<(), Error> {
    let attempt = || "cannot ask whether it is ready".to_owned();
    let request = axum::http::Request::get("/readyz").body(Vec::new()).attempting(attempt)?;
    client.request_text(request).await.attempting(attempt)?;
    Ok(())
}

pub(crate) async fn client(kubeconfig: &Path) -> Result<kube::Client, Error> {
    http::choose_tls();
    let attempt = || format!("cannot use `{}`", kubeconfig.display());
    let kubeconfig = Kubeconfig::read_from(kubeconfig).attempting(attempt)?;
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
    kube::Client::try_from(config.attempting(attempt)?).attempting(attempt)
}
