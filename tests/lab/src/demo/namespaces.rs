//! Whose a namespace is: the demo may stand in a cluster of the user's, beside real customers and other people's demos.
//! It may not delete or change anything; it tells what may be.

use std::collections::BTreeMap;
use std::path::Path;

use kube::config::{KubeConfigOptions, Kubeconfig};
use sha2::{Digest as _, Sha256};

use crate::error::{Attempt as _, Error};
use crate::{http, process};

/// Label that marks the demo's namespaces, from their first moment on; its value is the world's name. The rollouts select by it, and
/// nothing without it is ever deleted.
pub const LABEL: &str = "esteira.demo/world";

/// Label that a namespace gets when everything is in it: one without was begun by a run that was interrupted.
pub(super) const COMPLETE: &str = "esteira.demo/complete";

const NAME: &str = "esteira-demo";

/// What may be done with a namespace that has the name of one of the demo's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is not there: it can be made.
    Absent,
    /// It is this demo's and complete.
    Complete,
    /// It is this demo's, and a run was interrupted while making it: it can be made anew.
    Begun,
    /// It is somebody else's.
    Foreign,
}

/// The standing of a namespace with these labels in the world `name`; `None` when there is no such namespace.
pub(super) fn standing(labels: Option<&BTreeMap<String, String>>, name: &str) -> Standing {
    match labels {
        None => Standing::Absent,
        Some(labels) if labels.get(LABEL).map(String::as_str) != Some(name) => Standing::Foreign,
        Some(labels) if labels.contains_key(COMPLETE) => Standing::Complete,
        Some(_) => Standing::Begun,
    }
}

/// The world's name in the demo's own cluster, where it is alone.
pub(super) fn name() -> String {
    NAME.to_owned()
}

/// The world's name in a cluster of the user's: another one for every person and folder, so that two demos do not meet there, and the same
/// one again for the next run.
pub(super) fn unique_name(folder: &Path) -> String {
    let user = process::environment("USER").unwrap_or_default();
    let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name_for(folder, &user.to_string_lossy(), machine.trim())
}

fn name_for(folder: &Path, user: &str, machine: &str) -> String {
    let hash = Sha256::digest(format!("{}\n{user}\n{machine}", folder.display()));
    format!("{NAME}-{:02x}{:02x}", hash[0], hash[1])
}

/// Address of the API server that a kubeconfig leads to. Nothing is asked of the server.
pub(super) async fn api_server(kubeconfig: &Path) -> Result<String, Error> {
    http::choose_tls();
    let attempt = || format!("cannot use `{}`", kubeconfig.display());
    let read = Kubeconfig::read_from(kubeconfig).attempting(attempt)?;
    let config = kube::Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await;
    Ok(config.attempting(attempt)?.cluster_url.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn only_a_namespace_with_the_worlds_own_label_may_be_made_anew() {
        assert_eq!(standing(None, "demo-1"), Standing::Absent);
        assert_eq!(standing(Some(&labels(&[])), "demo-1"), Standing::Foreign);
        assert_eq!(
            standing(Some(&labels(&[(LABEL, "demo-2"), (COMPLETE, "true")])), "demo-1"),
            Standing::Foreign
        );
        assert_eq!(standing(Some(&labels(&[(LABEL, "demo-1")])), "demo-1"), Standing::Begun);
        assert_eq!(
            standing(Some(&labels(&[(LABEL, "demo-1"), (COMPLETE, "true")])), "demo-1"),
            Standing::Complete
        );
    }

    #[test]
    fn two_people_and_two_folders_have_different_names_and_a_second_run_the_same() {
        let ana = name_for(Path::new("/home/ana/esteira/target/demo"), "ana", "one");
        assert_eq!(ana, name_for(Path::new("/home/ana/esteira/target/demo"), "ana", "one"));
        assert_eq!(ana.len(), "esteira-demo-0123".len());
        assert_ne!(ana, name_for(Path::new("/home/ana/other/target/demo"), "ana", "one"));
        assert_ne!(ana, name_for(Path::new("/home/ana/esteira/target/demo"), "rui", "one"));
        assert_ne!(ana, name_for(Path::new("/home/ana/esteira/target/demo"), "ana", "two"));
    }

    #[tokio::test]
    async fn the_address_of_a_cluster_is_known_without_asking_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        let text = r#"{"clusters":[{"name":"c","cluster":{"server":"https://10.0.0.1:6443"}}],"users":[{"name":"u","user":{}}],"contexts":[{"name":"x","context":{"cluster":"c","user":"u"}}],"current-context":"x"}"#;
        std::fs::write(&path, text).unwrap();
        assert_eq!(api_server(&path).await.unwrap(), "https://10.0.0.1:6443/");
    }
}
