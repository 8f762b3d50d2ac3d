//! The table of the real components: what each is built from and how.
//! It may hold data only; the versions themselves are pinned, with hashes, in `go/<name>/go.{mod,sum}`.
//! Read by `tool`, which builds them.

/// One Go module of pinned programs under `go/`.
pub(crate) struct Component {
    /// Its folder under `go/`.
    pub(crate) name: &'static str,
    /// Each program with the package it is built from.
    pub(crate) programs: &'static [(&'static str, &'static str)],
    /// Flags of the linker: the versions that official builds carry.
    pub(crate) linker: &'static str,
    /// Build tags.
    pub(crate) tags: &'static str,
    /// Whether C code is part of it.
    pub(crate) has_c: bool,
    /// The module, and its files or folders that the programs read when they run.
    pub(crate) resources: (&'static str, &'static [&'static str]),
    /// The module that lacks files it needs to compile, and those files with their content.
    pub(crate) missing: (&'static str, &'static [(&'static str, &'static str)]),
    /// How long a first build takes, as measured on two cores.
    pub(crate) takes: &'static str,
}

const NO_RESOURCES: (&str, &[&str]) = ("", &[]);
const NOTHING_MISSING: (&str, &[(&str, &str)]) = ("", &[]);

/// All of them, the quickest first, so that a problem with the tool chain shows soon.
pub(crate) const COMPONENTS: [Component; 12] = [
    Component {
        name: "drone-runner",
        programs: &[
            ("drone-runner-docker", "github.com/drone-runners/drone-runner-docker"),
            ("card", "./card"),
        ],
        linker: "-s -w",
        tags: "",
        has_c: false,
        resources: NO_RESOURCES,
        missing: NOTHING_MISSING,
        takes: "1 minute",
    },
    Component {
        name: "etcd",
        programs: &[("etcd", "go.etcd.io/etcd/server/v3")],
        linker: "-s -w",
        tags: "",
        has_c: false,
        resources: NO_RESOURCES,
        missing: NOTHING_MISSING,
        takes: "1 minute",
    },
    Component {
        name: "fake-gcs-server",
        programs: &[("fake-gcs-server", "github.com/fsouza/fake-gcs-server")],
        linker: "-s -w",
        tags: "",
        has_c: false,
        resources: NO_RESOURCES,
        missing: NOTHING_MISSING,
        takes: "2 minutes",
    },
    Component {
        name: "drone",
        programs: &[("drone-server", "github.com/drone/drone/cmd/drone-server")],
        linker: "-s -w",
        // The edition under the Apache licence: cron jobs and promotions answer 501.
        tags: "oss nolimit",
        has_c: true,
        resources: NO_RESOURCES,
        missing: NOTHING_MISSING,
        takes: "1 minute",
    },
    Component {
        name: "woodpecker",
        programs: &[("woodpecker-server", "go.woodpecker-ci.org/woodpecker/cmd/server")],
        linker: "-s -w -X go.woodpecker-ci.org/woodpecker/version.Version=1.0.5",
        tags: "",
        has_c: true,
        resources: NO_RESOURCES,
        // Made by a JavaScript tool chain from sources in the module; the API does without.
        missing: (
            "go.woodpecker-ci.org/woodpecker",
            &[(
                "web/dist/index.html",
                "<!doctype html><title>The web interface is not part of the lab</title>",
            )],
        ),
        takes: "2 minutes",
    },
    Component {
        name: "woodpecker-cli",
        programs: &[("woodpecker-cli", "go.woodpecker-ci.org/woodpecker/cmd/cli")],
        linker: "-s -w -X go.woodpecker-ci.org/woodpecker/version.Version=1.0.5",
        tags: "",
        has_c: false,
        resources: NO_RESOURCES,
        missing: NOTHING_MISSING,
        takes: "2 minutes",
    },
    Component {
        name: "kwok",
        programs: &[("kwok", "sigs.k8s.io/kwok/cmd/kwok")],
        linker: "-s -w",
        tags: "",
        has_c: false,
        // What the pretended kubelet does with nodes and pods is data, read at its start.
        resources: (
            "sigs.k8s.io/kwok",
            &[
                "kustomize/stage/node/fast/node-initialize.yaml",
                "kustomize/stage/node/heartbeat/node-heartbeat.yaml",
                "kustomize/stage/pod/fast/pod-complete.yaml",
                "kustomize/stage/pod/fast/pod-delete.yaml",
                "kustomize/stage/pod/fast/pod-ready.yaml",
            ],
        ),
        missing: NOTHING_MISSING,
        takes: "2 minutes",
    },
    Component {
        name: "helm",
        programs: &[("helm", "helm.sh/helm/v4/cmd/helm")],
        linker: "-s -w -X helm.sh/helm/v4/internal/version.version=v4.3.1",
        tags: "",
        has_c: false,
        resources: NO_RESOURCES,
        missing: NOTHING_MISSING,
        takes: "3 minutes",
    },
    Component {
        name: "helm3",
        programs: &[("helm3", "helm.sh/helm/v3/cmd/helm")],
        linker: "-s -w -X helm.sh/helm/v3/internal/version.version=v3.22.0",
        tags: "",
        has_c: false,
        resources: NO_RESOURCES,
        missing: NOTHING_MISSING,
        takes: "2 minutes",
    },
    Component {
        name: "minio",
        programs: &[("minio", "github.com/minio/minio")],
        linker: "-s -w",
        tags: "",
        has_c: false,
        resources: NO_RESOURCES,
        missing: NOTHING_MISSING,
        takes: "3 minutes",
    },
    Component {
        name: "gitea",
        programs: &[("gitea", "code.gitea.io/gitea")],
        linker: "-s -w -X main.Version=1.26.0",
        tags: "sqlite sqlite_unlock_notify",
        has_c: true,
        // The module carries no generated assets, so the server reads these folders instead.
        resources: ("code.gitea.io/gitea", &["options", "public", "templates"]),
        missing: NOTHING_MISSING,
        takes: "6 minutes",
    },
    Component {
        name: "kubernetes",
        programs: &[
            ("kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver"),
            ("kube-controller-manager", "k8s.io/kubernetes/cmd/kube-controller-manager"),
            ("kube-scheduler", "k8s.io/kubernetes/cmd/kube-scheduler"),
            ("kubectl", "k8s.io/kubernetes/cmd/kubectl"),
        ],
        linker: "-s -w -X k8s.io/component-base/version.gitVersion=v1.36.3 \
                 -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=36",
        tags: "",
        has_c: false,
        resources: NO_RESOURCES,
        missing: NOTHING_MISSING,
        takes: "9 minutes",
    },
];

/// The component that contains a program.
pub(crate) fn of_program(program: &str) -> Option<&'static Component> {
    COMPONENTS.iter().find(|component| component.programs.iter().any(|(name, _)| *name == program))
}
