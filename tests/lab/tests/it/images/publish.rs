//! `Dockerfiles/publish` and a real registry, which is Gitea's: both architectures under one tag, and no tag ever moves.

use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lab::plugin::{self, Ended};
use lab::process::output;
use lab::{Containers, containers, figures, folder, gitea, image, ports};

/// What `make images` would leave on a machine of this architecture; what is in the images does not matter.
fn made(containers: &Containers, architecture: &str, content: &str) -> PathBuf {
    let made = folder::temporary(architecture).unwrap();
    std::fs::write(made.join("file"), content).unwrap();
    std::fs::write(made.join("Dockerfile"), "FROM scratch\nCOPY file /file\n").unwrap();
    let name = format!("localhost/{}", folder::unique_name("made"));
    let mut build = containers.command("buildah");
    build.args(["bud", "--quiet", "--isolation", "chroot", "--arch", architecture, "--tag", &name]);
    output(arg(build, &made), "").unwrap();
    for plugin in plugin::all().unwrap() {
        let mut push = containers.command("buildah");
        push.args(["push", "--quiet", &name, &format!("oci-archive:{}/{plugin}.tar", made.display())]);
        output(push, "").unwrap();
    }
    made
}

fn arg(mut command: Command, path: &Path) -> Command {
    command.arg(path);
    command
}

#[derive(Clone)]
struct Registry {
    containers: &'static Containers,
    name: String,
    login: PathBuf,
}

impl Registry {
    fn new(containers: &'static Containers) -> Self {
        let host = gitea().url().trim_start_matches("http://");
        let login = folder::temporary("login").unwrap().join("auth.json");
        let user = STANDARD.encode(format!("{}:{}", gitea().owner(), gitea().token()));
        std::fs::write(&login, format!(r#"{{"auths":{{"{host}":{{"auth":"{user}"}}}}}}"#)).unwrap();
        Self { containers, name: format!("{host}/{}", gitea().owner()), login }
    }

    fn publish(&self, version: &str, folders: &[&Path]) -> Ended {
        let mut publish = self.containers.command(image::scripts().join("publish").to_str().unwrap());
        publish.arg(version).args(folders).env("TLS", "false");
        publish.env("REGISTRY", &self.name);
        Ended::of(&self.logged_in(publish).output().unwrap())
    }

    fn logged_in(&self, mut command: Command) -> Command {
        command.env("REGISTRY_AUTH_FILE", &self.login);
        command
    }

    /// What the registry has under a tag, as it is there.
    fn manifest(&self, plugin: &str, version: &str) -> Option<String> {
        let mut inspect = self.containers.command("skopeo");
        inspect.args(["inspect", "--raw", "--tls-verify=false"]);
        inspect.arg(format!("docker://{}/{plugin}:{version}", self.name));
        output(self.logged_in(inspect), "").ok()
    }
}

#[test]
fn a_version_is_published_once_for_both_architectures_and_never_moves() {
    let Some(containers) = containers() else { return };
    let registry = Registry::new(containers);
    let (amd64, arm64) = (made(containers, "amd64", "one"), made(containers, "arm64", "one"));
    let published = registry.publish("7.0.1", &[&amd64, &arm64]);
    assert_eq!(published.code, 0, "{}", published.log);
    let all = plugin::all().unwrap();
    let manifests = || all.iter().map(|plugin| registry.manifest(plugin, "7.0.1")).collect::<Vec<_>>();
    let before = manifests();
    for (plugin, manifest) in all.iter().zip(&before) {
        let line = published.log.lines().find(|line| line.starts_with(&format!("{plugin} "))).unwrap();
        let digests: Vec<_> = line.split(' ').skip(1).collect();
        let manifest = manifest.as_deref().unwrap();
        assert_eq!(digests[0], format!("sha256:{}", lab::fixtures::sha256(manifest.as_bytes())), "{line}");
        for (architecture, digest) in ["amd64", "arm64"].iter().zip(&digests[1..]) {
            assert!(manifest.contains(architecture) && manifest.contains(digest), "{line}: {manifest}");
        }
    }

    // As after a run that was cut between two of them: what is there, exactly so, counts as done.
    let again = registry.publish("7.0.1", &[&amd64, &arm64]);
    assert_eq!(again.code, 0, "{}", again.log);
    let lines = |ended: &Ended| -> Vec<String> {
        ended.log.lines().filter(|line| line.starts_with("plugin-")).map(str::to_owned).collect()
    };
    assert_eq!(lines(&again), lines(&published));
    assert_eq!(manifests(), before);

    let mut copy = containers.command("skopeo");
    copy.args(["copy", "--all", "--quiet", "--src-tls-verify=false", "--dest-tls-verify=false"]);
    copy.args(
        ["7.0.1", "7.0.3"].map(|version| format!("docker://{}/plugin-package:{version}", registry.name)),
    );
    output(registry.logged_in(copy), "").unwrap();
    let rest = registry.publish("7.0.3", &[&amd64, &arm64]);
    assert_eq!((rest.code, lines(&rest)), (0, lines(&published)), "{}", rest.log);
    assert!(all.iter().all(|plugin| registry.manifest(plugin, "7.0.3").is_some()));

    let fewer = registry.publish("7.0.1", &[&amd64]);
    assert!(fewer.code == 1 && fewer.log.contains("published already"), "{}", fewer.log);
    let other = made(containers, "amd64", "two");
    let refused = registry.publish("7.0.1", &[&other, &arm64]);
    assert_eq!(refused.code, 1, "{}", refused.log);
    assert!(refused.log.contains("published already"), "{}", refused.log);
    assert_eq!(manifests(), before, "what is published stays");
    figures::note("images", "published tags that a second release did not move", all.len() as u64).unwrap();
}

#[test]
fn what_cannot_be_published_whole_is_not_begun() {
    let Some(containers) = containers() else { return };
    let registry = Registry::new(containers);
    let folder = made(containers, "amd64", "one");
    std::fs::remove_file(folder.join("plugin-rpo.tar")).unwrap();
    let ended = registry.publish("7.0.2", &[&folder]);
    assert!(ended.code == 1 && ended.log.contains("plugin-rpo.tar is missing"), "{}", ended.log);
    let ended = registry.publish("v7.0.2", &[&folder]);
    assert!(ended.code == 1 && ended.log.contains("X.Y.Z"), "{}", ended.log);
    assert!(plugin::all().unwrap().iter().all(|plugin| registry.manifest(plugin, "7.0.2").is_none()));

    // A registry that cannot be asked may have the tag.
    let folder = made(containers, "amd64", "one");
    let nowhere = format!("127.0.0.1:{}/esteira", ports::free().unwrap());
    let nowhere = Registry { name: nowhere, ..registry.clone() };
    let ended = nowhere.publish("7.0.2", &[&folder]);
    assert!(ended.code == 1 && ended.log.contains("cannot ask"), "{}", ended.log);
    let stranger = Registry { login: folder.join("nobody.json"), ..registry };
    std::fs::write(&stranger.login, "{}").unwrap();
    let ended = stranger.publish("7.0.2", &[&folder]);
    assert!(ended.code != 0 && ended.log.contains("error: "), "{}", ended.log);
    assert!(!ended.log.lines().any(|line| line.starts_with("plugin-")), "{}", ended.log);
}
