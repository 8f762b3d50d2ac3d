//! The one node of the lab, which exists only as an object: the fake kubelet keeps it alive.
//! It may not touch anything else in the cluster.
//! Called by `cluster` once the API server answers.

use std::time::Duration;

use k8s_openapi::api::core::v1::Node;
use kube::api::{Api, PostParams};
use serde_json::json;

use crate::error::{Attempt as _, Error};
use crate::process::Process;
use crate::wait::until;

const NAME: &str = "lab";

/// Creates the node when it is missing and waits until pods can be scheduled on it.
pub(crate) async fn ready(client: kube::Client, watched: &[Process]) -> Result<(), Error> {
    let nodes: Api<Node> = Api::all(client);
    let attempt = || "cannot create the node".to_owned();
    if nodes.get_opt(NAME).await.attempting(attempt)?.is_none() {
        nodes.create(&PostParams::default(), &node()?).await.attempting(attempt)?;
    }
    until("the node", Duration::from_secs(60), watched, async || {
        let node = nodes.get(NAME).await.attempting(|| "cannot read the node".into())?;
        if is_usable(&node) {
            Ok(())
        } else {
            Err(Error::new(format!("{:?}", node.spec.and_then(|s| s.taints))))
        }
    })
    .await
}

/// Ready, and no longer tainted: the taint of a new node goes a moment after it became ready, and until then
/// every pod stays pending.
fn is_usable(node: &Node) -> bool {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let taints = node.spec.as_ref().and_then(|spec| spec.taints.as_deref()).unwrap_or_default();
    conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
        && taints.is_empty()
}

/// Large enough for every pod of a test run.
fn node() -> Result<Node, Error> {
    let room = json!({"cpu": "10000", "memory": "100Ti", "pods": "100000", "ephemeral-storage": "100Ti"});
    let node = json!({
        "metadata": {
            "name": NAME,
            "annotations": {"kwok.x-k8s.io/node": "fake"},
            "labels": {"kubernetes.io/hostname": NAME, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"},
        },
        "status": {"allocatable": room, "capacity": room},
    });
    serde_json::from_value(node).attempting(|| "cannot describe the node".into())
}
