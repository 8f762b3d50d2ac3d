//! The command lines of the control plane, in the order in which they are started.
//! It may not use the cluster: `cluster` waits for it and fills it.
//! Called by `cluster`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use walkdir::WalkDir;

use super::access::Access;
use crate::error::{Attempt as _, Error};
use crate::process::{Process, command};
use crate::tool::{resources, tool};

/// Where the control plane keeps its files and listens.
pub(crate) struct Plan<'a> {
    pub(crate) folder: &'a Path,
    pub(crate) access: &'a Access,
    pub(crate) kubeconfig: &'a Path,
    pub(crate) ports: [u16; 3],
}

impl Plan<'_> {
    /// Where the API server will answer.
    pub(crate) fn server(&self) -> String {
        format!("https://127.0.0.1:{}", self.ports[0])
    }

    pub(crate) fn etcd(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports[1])
    }

    pub(crate) fn start_etcd(&self) -> Result<Process, Error> {
        let (client, peer) = (self.etcd(), format!("http://127.0.0.1:{}", self.ports[2]));
        let mut etcd = self.program("etcd")?;
        etcd.arg(flag("data-dir", self.folder.join("etcd").display()));
        etcd.args([flag("listen-client-urls", &client), flag("advertise-client-urls", &client)]);
        etcd.args([flag("listen-peer-urls", &peer), flag("initial-advertise-peer-urls", &peer)]);
        etcd.arg(flag("initial-cluster", format!("default={peer}")));
        // The data need not survive a power cut, and a synced write is most of what etcd costs.
        etcd.args(["--unsafe-no-fsync", "--log-level=warn"]);
        self.start("etcd", &etcd)
    }

    pub(crate) fn start_api_server(&self) -> Result<Process, Error> {
        let file = |name| self.access.file(name).display().to_string();
        let mut server = self.program("kube-apiserver")?;
        server.args([flag("etcd-servers", self.etcd()), flag("secure-port", self.ports[0])]);
        // Without these two it looks for a network interface other than the loopback, which a bare machine
        // may not have, and publishes itself there.
        server.args([
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            "--endpoint-reconciler-type=none",
        ]);
        server.args([
            flag("tls-cert-file", file("apiserver.crt")),
            flag("tls-private-key-file", file("apiserver.key")),
        ]);
        server.args(["--authorization-mode=RBAC".to_owned(), flag("token-auth-file", file("tokens.csv"))]);
        server.arg("--service-account-issuer=https://kubernetes.default.svc");
        server.arg(flag("service-account-key-file", file("service-account.pub")));
        server.arg(flag("service-account-signing-key-file", file("service-account.key")));
        // Pods need no account here: the fake kubelet runs no container that could use its token.
        server.arg("--disable-admission-plugins=ServiceAccount");
        server.args(["--service-cluster-ip-range=10.96.0.0/12", "--profiling=false"]);
        self.start("kube-apiserver", &server)
    }

    pub(crate) fn start_controllers(&self) -> Result<Vec<Process>, Error> {
        let kubeconfig = flag("kubeconfig", self.kubeconfig.display());
        let client = [&kubeconfig, "--leader-elect=false", "--kube-api-qps=500", "--kube-api-burst=1000"];
        let quiet = ["--secure-port=0", "--profiling=false"];

        let mut manager = self.program("kube-controller-manager")?;
        manager.args(client).args(quiet).arg("--controllers=*,-nodeipam");
        let key = self.access.file("service-account.key");
        manager.arg(flag("service-account-private-key-file", key.display()));
        manager.arg(flag("root-ca-file", self.access.file("ca.crt").display()));

        let mut scheduler = self.program("kube-scheduler")?;
        scheduler.args(client).args(quiet);

        let stages = self.stages()?;
        let mut kubelet = self.program("kwok")?;
        kubelet.args([kubeconfig, flag("config", stages.display())]);
        kubelet.args(["--manage-all-nodes=true", "--cidr=10.64.0.0/12"]);

        Ok(vec![
            self.start("kube-controller-manager", &manager)?,
            self.start("kube-scheduler", &scheduler)?,
            self.start("kwok", &kubelet)?,
        ])
    }

    /// One file with all that the fake kubelet does to nodes and pods, joined from the files it ships.
    fn stages(&self) -> Result<PathBuf, Error> {
        let attempt = || "cannot join the stages of nodes and pods".to_owned();
        let mut stages = Vec::new();
        for entry in WalkDir::new(resources("kwok")?).sort_by_file_name() {
            let entry = entry.attempting(attempt)?;
            if entry.file_type().is_file() {
                stages.push(fs::read_to_string(entry.path()).attempting(attempt)?);
            }
        }
        let path = self.folder.join("stages.yaml");
        fs::write(&path, stages.join("\n---\n")).attempting(attempt)?;
        Ok(path)
    }

    fn program(&self, name: &str) -> Result<Command, Error> {
        let mut program = command(tool(name)?);
        // Whatever a tool keeps for its user (caches, defaults) is the lab's.
        program.env("HOME", self.folder).current_dir(self.folder);
        Ok(program)
    }

    fn start(&self, name: &str, program: &Command) -> Result<Process, Error> {
        Process::start(program, &self.folder.join(format!("{name}.log")))
    }
}

fn flag(name: &str, value: impl std::fmt::Display) -> String {
    format!("--{name}={value}")
}
