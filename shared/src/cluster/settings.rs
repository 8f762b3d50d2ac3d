//! How a plugin gets access to the cluster.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::settings::{Env, Reader, Secret, Setting, Takes, parse};

/// Described once for all plugins.
pub const CLUSTER: &[Setting] = &[
    Setting::of("kubeconfig", Takes::Document("a path, or the file's content"), "Access to the cluster.")
        .default("the pod's service account")
        .secret_document(),
    Setting::new("server", "an address", "API server, instead of `kubeconfig`; with `token`."),
    Setting::new("token", "a token", "Bearer token for `server`.").secret(),
    Setting::of(
        "ca",
        Takes::Document("PEM"),
        "Certificate of the authority that signed `server`'s certificate.",
    ),
];

/// The raw texts of [`CLUSTER`].
#[derive(Debug, Default, Deserialize, Serialize)]
pub struct RawCluster {
    kubeconfig: Option<String>,
    server: Option<String>,
    token: Option<String>,
    ca: Option<String>,
}

/// Access to a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// As the pod we run in.
    InCluster,
    /// By a kubeconfig file.
    Kubeconfig {
        /// Where it lies, if it is a file.
        path: Option<PathBuf>,
        /// What it says, if it was given as text.
        content: Secret,
    },
}

impl Access {
    /// Reads the access; problems are noted in `read`.
    #[must_use]
    pub fn read(read: &mut Reader<'_>, env: &Env) -> Self {
        let raw: RawCluster = read.raw();
        let token = read.optional("token", raw.token, parse::secret);
        let server = read.optional("server", raw.server, parse::url);
        let authority = read.optional("ca", raw.ca, parse::document);
        match (raw.kubeconfig, server) {
            (Some(_), Some(_)) => {
                read.problem("server", "is set together with `kubeconfig`; which one is meant?");
                Self::InCluster
            }
            (Some(text), None) => Self::from_text(&text, env),
            (None, Some(server)) => {
                let Some(token) = token else {
                    read.problem("token", "required, because `server` is set");
                    return Self::InCluster;
                };
                Self::Kubeconfig {
                    path: None,
                    content: kubeconfig(server.as_str(), &token, authority.as_ref()),
                }
            }
            (None, None) => Self::InCluster,
        }
    }

    fn from_text(text: &str, env: &Env) -> Self {
        match parse::document(text) {
            Ok(content) => Self::Kubeconfig { path: None, content },
            Err(_) => {
                Self::Kubeconfig { path: Some(env.workspace().join(text.trim())), content: Secret::new("") }
            }
        }
    }
}

/// A kubeconfig as JSON, which is YAML too: helm reads the same access that we use.
fn kubeconfig(server: &str, token: &Secret, authority: Option<&Secret>) -> Secret {
    use base64::Engine as _;
    let mut cluster = serde_json::json!({ "server": server.trim_end_matches('/') });
    if let Some(pem) = authority {
        cluster["certificate-authority-data"] =
            base64::engine::general_purpose::STANDARD.encode(pem.expose()).into();
    }
    let config = serde_json::json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{ "name": "cluster", "cluster": cluster }],
        "users": [{ "name": "user", "user": { "token": token.expose() } }],
        "contexts": [{ "name": "context", "context": { "cluster": "cluster", "user": "user" } }],
        "current-context": "context",
    });
    Secret::new(config.to_string())
}
