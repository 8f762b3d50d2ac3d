//! The cluster: connecting from settings alone, paged lists, patches that touch one thing, waiting with a deadline, and the Lease that
//! keeps two runs off the same namespace. Knows nothing of what plugins do there.

mod lease;
mod settings;
mod wait;

use std::fmt::Debug;
use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, ListParams, Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use crate::failure::{Exit, Fault, chain};
use crate::net::Net;

pub use lease::{Holder, Lease, LeaseGuard};
pub use settings::{Access, CLUSTER, RawCluster};
pub use wait::{Seen, TimedOut, wait_for};

/// Largest page of a list.
const PAGE: u32 = 500;

/// Who is written down as the author of our changes.
pub const FIELD_MANAGER: &str = "esteira";

/// What was tried in the cluster and did not work.
#[derive(Debug, thiserror::Error)]
#[error("cannot {attempted}")]
pub struct Error {
    attempted: String,
    #[source]
    source: Cause,
}

#[derive(Debug, thiserror::Error)]
enum Cause {
    #[error("{0}")]
    Config(String),
    /// The API server's own words; kube's Display says everything twice.
    #[error("the API server answered {}: {}", .0.code, .0.message)]
    Status(Box<kube::core::Status>),
    #[error("no usable answer from the API server")]
    Other(#[source] kube::Error),
    #[error("{0}")]
    Refused(String),
    #[error("{0}")]
    Lost(String),
}

impl Error {
    /// From kube's error.
    #[must_use]
    pub fn new(attempted: impl Into<String>, source: kube::Error) -> Self {
        let source = match source {
            kube::Error::Api(status) => Cause::Status(status),
            other => Cause::Other(other),
        };
        Self { attempted: attempted.into(), source }
    }

    /// For something the API server allowed but that makes no sense.
    #[must_use]
    pub fn refused(attempted: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { attempted: attempted.into(), source: Cause::Refused(reason.into()) }
    }

    fn lost(attempted: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { attempted: attempted.into(), source: Cause::Lost(reason.into()) }
    }

    /// Whether it says that a Lease is not ours any more: then nothing must be written, not even to clean up.
    #[must_use]
    pub fn is_lost_lease(&self) -> bool {
        matches!(self.source, Cause::Lost(_))
    }

    /// The HTTP status, when the API server answered.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match &self.source {
            Cause::Status(status) => Some(status.code),
            _ => None,
        }
    }
}

impl Fault for Error {
    fn exit(&self) -> Exit {
        match &self.source {
            Cause::Other(_) | Cause::Lost(_) => Exit::Temporary,
            Cause::Status(status) if status.code == 429 || status.code >= 500 => Exit::Temporary,
            // Nothing was asked yet: that the access cannot be used is known from the settings and their files.
            Cause::Config(_) => Exit::Settings,
            Cause::Status(_) | Cause::Refused(_) => Exit::Failed,
        }
    }

    fn hints(&self) -> Vec<String> {
        if matches!(self.source, Cause::Config(_)) {
            return vec![
                "set `kubeconfig` (a path, or the file's content), or `server` and `token`; with none of them, the service account of the pod is used".to_owned(),
                "a kubeconfig for a container has its certificates and its token inside: programs (`exec`) and files that it names are not there".to_owned(),
            ];
        }
        match self.status() {
            Some(401) => vec!["the API server does not know these credentials".to_owned()],
            Some(403) => {
                vec!["the account lacks a right; `examples/rbac` has the roles that are needed".to_owned()]
            }
            _ => Vec::new(),
        }
    }
}

/// Connects with the given access, over the kubeconfig's own `proxy-url`, else over `net`'s proxy; gives the API server's address too. The first
/// request is made by whoever uses the client.
///
/// # Errors
/// When the access cannot be used.
pub async fn connect(access: &Access, net: &Net) -> Result<(Client, String), Error> {
    let failed = |text: String| Error {
        attempted: "use the access to the cluster".to_owned(),
        source: Cause::Config(text),
    };
    let mut config = match access {
        Access::InCluster => Config::incluster().map_err(|error| {
            failed(format!("no access is set, and this is no pod with a service account: {error}"))
        })?,
        Access::Kubeconfig { path: Some(path), .. } => {
            let kubeconfig = Kubeconfig::read_from(path).map_err(|error| failed(error.to_string()))?;
            from_kubeconfig(kubeconfig, net).await.map_err(failed)?
        }
        Access::Kubeconfig { path: None, content } => {
            let kubeconfig =
                Kubeconfig::from_yaml(content.expose()).map_err(|error| failed(error.to_string()))?;
            from_kubeconfig(kubeconfig, net).await.map_err(failed)?
        }
    };
    // An operator wants to know which cluster this is before anything happens in it.
    let address = config.cluster_url.to_string();
    tracing::info!("cluster {address}");
    config.connect_timeout = Some(Duration::from_secs(10));
    config.read_timeout = Some(Duration::from_secs(60));
    // Files and programs that the kubeconfig names are read and run here; a container has neither.
    let client = Client::try_from(config).map_err(|error| failed(chain(&error)))?;
    Ok((client, address))
}

async fn from_kubeconfig(kubeconfig: Kubeconfig, net: &Net) -> Result<Config, String> {
    let has_proxy = kubeconfig.clusters.iter().any(|one| {
        one.cluster
            .as_ref()
            .and_then(|cluster| cluster.proxy_url.as_ref())
            .is_some_and(|proxy| !proxy.is_empty())
    });
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .map_err(|error| error.to_string())?;
    // The library looks at the environment where the kubeconfig says nothing; it knows neither each scheme's proxy nor ports in NO_PROXY.
    if !has_proxy {
        let proxy = Url::parse(&config.cluster_url.to_string()).ok().and_then(|server| net.proxy(&server));
        config.proxy_url = proxy.and_then(|proxy| proxy.as_str().parse().ok());
    }
    Ok(config)
}

/// All objects of a kind, page by page.
///
/// # Errors
/// When a page cannot be read.
pub async fn list<K>(api: &Api<K>, what: &str, labels: Option<&str>) -> Result<Vec<K>, Error>
where
    K: Clone + DeserializeOwned + Debug,
{
    let mut parameters = ListParams::default().limit(PAGE);
    if let Some(labels) = labels {
        parameters = parameters.labels(labels);
    }
    let mut found = Vec::new();
    loop {
        let page = api.list(&parameters).await.map_err(|error| Error::new(format!("list {what}"), error))?;
        found.extend(page.items);
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => parameters = parameters.continue_token(&token),
            None => return Ok(found),
        }
    }
}

/// A merge patch of one object: touches only the fields that are in it. With a `metadata.uid` or `metadata.resourceVersion` in the patch, a
/// late writer is refused by the server.
///
/// # Errors
/// When the server refuses it.
pub async fn merge<K>(api: &Api<K>, name: &str, patch: &Value, what: &str) -> Result<K, Error>
where
    K: Clone + DeserializeOwned + Debug,
{
    api.patch(
        name,
        &PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() },
        &Patch::Merge(patch),
    )
    .await
    .map_err(|error| Error::new(what, error))
}

/// Scales a Deployment through the scale subresource: that does not take the field away from helm.
///
/// # Errors
/// When the server refuses it.
pub async fn scale(api: &Api<Deployment>, name: &str, replicas: i32, namespace: &str) -> Result<(), Error> {
    let patch = Patch::Merge(serde_json::json!({ "spec": { "replicas": replicas } }));
    let parameters = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    let scaled = api.patch_scale(name, &parameters, &patch).await;
    scaled.map_err(|error| {
        Error::new(format!("scale the Deployment `{name}` in `{namespace}` to {replicas}"), error)
    })?;
    Ok(())
}

/// Sets labels of a namespace, if it is still the one with this uid.
///
/// # Errors
/// When the server refuses it.
pub async fn label_namespace(
    client: &Client,
    name: &str,
    uid: &str,
    labels: &Value,
) -> Result<Namespace, Error> {
    let patch = serde_json::json!({ "metadata": { "uid": uid, "labels": labels } });
    merge(&Api::all(client.clone()), name, &patch, &format!("label the namespace `{name}`")).await
}
