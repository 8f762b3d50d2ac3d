//! The control plane behaves as a cluster with nodes would.

use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, ListParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use lab::wait::until;
use lab::{Cluster, Error};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(30);

fn new_namespace(prefix: &str) -> (&'static Cluster, String) {
    let cluster = lab::cluster();
    let namespace = cluster.namespace(prefix);
    cluster.kubectl(&["create", "namespace", &namespace]).unwrap();
    (cluster, namespace)
}

fn pod(restart: &str) -> Value {
    json!({
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "web", "image": "example.invalid/web:1"}], "restartPolicy": restart},
    })
}

#[tokio::test]
async fn a_deployment_becomes_ready_and_scales() {
    let (cluster, namespace) = new_namespace("deployment");
    let deployments: Api<Deployment> = Api::namespaced(cluster.client().await.unwrap(), &namespace);
    let wanted = json!({
        "metadata": {"name": "web"},
        "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "web"}}, "template": pod("Always")},
    });
    deployments.create(&PostParams::default(), &serde_json::from_value(wanted).unwrap()).await.unwrap();
    has_replicas(&deployments, 3).await;

    cluster.kubectl(&["scale", "deployment/web", "--replicas=0", "-n", &namespace]).unwrap();
    has_replicas(&deployments, 0).await;
    until("the end of the pods", PATIENCE, &[], async || {
        let left = cluster.kubectl(&["get", "pods", "-n", &namespace, "-o", "name"])?;
        if left.is_empty() { Ok(()) } else { Err(Error::new(left)) }
    })
    .await
    .unwrap();
}

async fn has_replicas(deployments: &Api<Deployment>, count: i32) {
    until("the Deployment", PATIENCE, &[], async || {
        let status = deployments.get_status("web").await.unwrap().status.unwrap();
        let ready = status.ready_replicas.unwrap_or_default();
        if ready == count && status.replicas.unwrap_or_default() == count {
            Ok(())
        } else {
            Err(Error::new(format!("{ready} ready")))
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_job_completes() {
    let (cluster, namespace) = new_namespace("job");
    let jobs: Api<Job> = Api::namespaced(cluster.client().await.unwrap(), &namespace);
    let wanted = json!({"metadata": {"name": "backup"}, "spec": {"template": pod("Never")}});
    jobs.create(&PostParams::default(), &serde_json::from_value(wanted).unwrap()).await.unwrap();
    until("the Job", PATIENCE, &[], async || {
        let status = jobs.get_status("backup").await.unwrap().status.unwrap();
        if status.succeeded == Some(1) { Ok(()) } else { Err(Error::new(format!("{status:?}"))) }
    })
    .await
    .unwrap();
}

const READER: &str = "
apiVersion: v1
kind: ServiceAccount
metadata: {name: reader}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader}
rules:
  - {apiGroups: [''], resources: [configmaps], verbs: [get, list]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects:
  - {kind: ServiceAccount, name: reader, namespace: NAMESPACE}
";

#[tokio::test]
async fn a_service_account_may_do_what_its_role_says_and_no_more() {
    let (cluster, namespace) = new_namespace("rights");
    let manifest = READER
        .replace("NAMESPACE", &namespace)
        .replace("{name: reader}", &format!("{{name: reader, namespace: {namespace}}}"));
    cluster.apply(&manifest).unwrap();

    let kubeconfig = Kubeconfig::from_yaml(&cluster.service_account(&namespace, "reader").unwrap()).unwrap();
    let config =
        kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    let maps: Api<ConfigMap> = Api::namespaced(kube::Client::try_from(config).unwrap(), &namespace);

    maps.list(&ListParams::default()).await.unwrap();
    let map = ConfigMap {
        metadata: kube::api::ObjectMeta { name: Some("new".into()), ..Default::default() },
        ..Default::default()
    };
    let refusal = maps.create(&PostParams::default(), &map).await.unwrap_err();
    assert!(matches!(&refusal, kube::Error::Api(status) if status.code == 403), "{refusal}");
}

#[test]
fn a_second_start_on_the_same_folder_finds_its_objects_and_address_again() {
    let folder = lab::folder::temporary("restarted").unwrap();
    let first = Cluster::start(&folder).unwrap();
    let (kubeconfig, server) =
        (std::fs::read_to_string(first.kubeconfig()).unwrap(), first.server().to_owned());
    first.kubectl(&["create", "namespace", "kept"]).unwrap();
    assert!(Cluster::start(&folder).is_err(), "the folder is in use");
    drop(first);

    let second = Cluster::start(&folder).unwrap();
    second.kubectl(&["get", "namespace", "kept"]).unwrap();
    assert_eq!(second.server(), server);
    assert_eq!(std::fs::read_to_string(second.kubeconfig()).unwrap(), kubeconfig);
}
