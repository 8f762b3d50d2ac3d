//! Real work in the images: as root, as somebody without a name, where nothing but `/tmp` can be written, without `HOME`.

use std::path::Path;
use std::process::Command;

use lab::fixtures::Site;
use lab::plugin::{self, Ended};
use lab::process::output;
use lab::wire::{Answer, Wire};
use lab::{Containers, containers, figures, folder, image, s3};

use crate::rollout;

/// A number that no passwd has, since the images have none.
const NOBODY: &str = "4711:4712";

const WAYS: [(&str, &[&str]); 4] = [
    ("root", &[]),
    ("nobody", &["--user", NOBODY]),
    ("read-only", &["--user", NOBODY, "--read-only", "--tmpfs", "/tmp"]),
    ("homeless", &["--unsetenv", "HOME"]),
];

/// A plugin's run as a container: its settings and its workspace, in the machine's network. `options` are podman's.
pub(super) fn in_container(
    containers: &Containers,
    plugin: &str,
    run: &Command,
    options: &[&str],
) -> Command {
    let mut podman = containers.command("podman");
    podman.args(["run", "--rm", "--network", "host"]).args(options);
    if let Some(workspace) = run.get_current_dir() {
        podman.arg("--volume").arg(format!("{}:/drone/src", workspace.display()));
        podman.args(["--workdir", "/drone/src"]);
    }
    for (name, value) in run.get_envs() {
        if let Some(value) = value {
            podman.arg("--env").arg(format!("{}={}", name.display(), value.display()));
        }
    }
    podman.arg(containers.image(plugin).unwrap());
    podman
}

fn ended(mut command: Command) -> Ended {
    Ended::of(&command.output().unwrap())
}

/// Lets everybody read and write, as a workspace is that any user shall work in. What is linked from elsewhere is not touched.
fn open_to_all(folder: &Path) {
    let mut find = lab::process::command("find");
    find.arg(folder)
        .args(["(", "-type", "d", "-o", "-links", "1", ")", "-exec", "chmod", "a+rwX", "{}", "+"]);
    output(find, "").unwrap();
}

type Make = fn() -> Result<Site, lab::Error>;

#[test]
fn each_plugin_works_as_root_as_nobody_with_a_read_only_root_and_without_a_home() {
    let Some(containers) = containers() else { return };
    let sites: [Make; 4] = [Site::rpo, Site::package, Site::chart, Site::bump];
    let mut runs = 0;
    for make in sites {
        for (way, options) in WAYS {
            let site = make().unwrap();
            open_to_all(&site.workspace);
            // The image has a helm of its own.
            let run = site.command(site.server(), &[("helm", "")]).unwrap();
            let appserver = variable(&run, "PLUGIN_APPSERVER");
            let mount = format!("{appserver}:{appserver}");
            let mut options = options.to_vec();
            if !appserver.is_empty() {
                open_to_all(Path::new(&appserver));
                options.extend(["--volume", &mount]);
            }
            let done = ended(in_container(containers, site.plugin, &run, &options));
            assert_eq!(done.code, 0, "{} as {way}: {}", site.plugin, done.log);
            let written = plugin::outputs(&site.workspace, site.plugin.trim_start_matches("plugin-"));
            assert!(written.is_ok(), "{} as {way}: {}", site.plugin, done.log);
            let idle = site.elsewhere().unwrap().run(&[]).unwrap();
            assert!(idle.log.contains("nothing to do"), "{} as {way}: {}", site.plugin, idle.log);
            runs += 1;
        }
    }
    figures::note("images", "plugins that did their work in a container, as four kinds of users", runs)
        .unwrap();
}

fn variable(run: &Command, name: &str) -> String {
    let found = run.get_envs().find(|(variable, _)| *variable == name);
    found.and_then(|(_, value)| value).map(|value| value.display().to_string()).unwrap_or_default()
}

/// Both names are in `/etc/hosts` alone, which is podman's; the program that reads it was linked without shared libraries.
#[test]
fn names_are_resolved_where_there_are_no_libraries() {
    let Some(containers) = containers() else { return };
    let (_, port) = s3().endpoint().rsplit_once(':').unwrap();
    for name in ["localhost", "store.example.com"] {
        let site = Site::package().unwrap();
        let run = site.command(&format!("http://{name}:{port}"), &[]).unwrap();
        let options = ["--add-host", "store.example.com:127.0.0.1"];
        let done = ended(in_container(containers, site.plugin, &run, &options));
        assert_eq!(done.code, 0, "{name}: {}", done.log);
    }
}

/// The bundle of the image cannot be tried itself, because no server here has a certificate of Mozilla's authorities: another one in its place shows
/// that it is read.
#[test]
fn a_server_of_an_own_authority_is_trusted_by_ca_file_or_by_the_images_bundle() {
    let Some(containers) = containers() else { return };
    let server = Wire::start_tls(|_| Answer::new("403 Forbidden", "", "")).unwrap();
    let site = Site::package().unwrap();
    site.write("authority.pem", server.authority()).unwrap();
    let distrusted = site.command(&server.url(), &[]).unwrap();
    let distrusted = ended(in_container(containers, site.plugin, &distrusted, &[]));
    assert!(distrusted.log.contains("set `ca_file`"), "{}", distrusted.log);
    assert!(server.heard().is_empty());
    let trusted = site.command(&server.url(), &[("ca_file", "authority.pem")]).unwrap();
    let trusted = ended(in_container(containers, site.plugin, &trusted, &[]));
    assert!(trusted.log.contains("403"), "{}", trusted.log);
    let heard = server.heard().len();
    assert!(heard > 0);
    let bundle = site.workspace.join("authority.pem");
    let bundle = format!("{}:/etc/ssl/certs/ca-certificates.crt:ro", bundle.display());
    let trusted = site.command(&server.url(), &[]).unwrap();
    let trusted = ended(in_container(containers, site.plugin, &trusted, &["--volume", &bundle]));
    assert!(trusted.log.contains("403"), "{}", trusted.log);
    assert!(server.heard().len() > heard);
}

#[test]
fn helm_is_the_pinned_one() {
    let Some(containers) = containers() else { return };
    for plugin in plugin::all().unwrap() {
        for helm in super::tools(&plugin) {
            let major = if *helm == "helm3" { 3 } else { 4 };
            let modules = image::scripts().join(format!("../tests/lab/go/{helm}/go.mod"));
            let modules = std::fs::read_to_string(modules).unwrap();
            let module = format!("helm.sh/helm/v{major} ");
            let line = modules.lines().find_map(|line| line.trim().strip_prefix(&module)).unwrap();
            let pinned = line.split_whitespace().next().unwrap();
            let mut run = containers.command("podman");
            run.args(["run", "--rm", "--entrypoint", &format!("/bin/{helm}")]);
            run.args([&containers.image(&plugin).unwrap(), "version", "--short"]);
            let said = output(run, "").unwrap();
            assert!(said.starts_with(pinned), "{plugin}: {helm} says {said}, {pinned} is pinned");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn environments_are_updated_by_either_helm_of_the_image() {
    let Some(containers) = containers() else { return };
    for helm in ["helm", "helm3"] {
        let site = rollout::Site::new();
        site.publish(rollout::NEW).await;
        let customer = site.customer("acme", |one| one).await;
        let settings = site.settings("smarterp-producao", &[("helm", helm), ("backup", "true")]);
        let setting = |name: &str| settings.iter().find(|(known, _)| *known == name).unwrap().1.as_str();
        let kubeconfig = format!("{0}:{0}:ro", setting("kubeconfig"));
        let bucket = setting("bucket").trim_start_matches("file://");
        let bucket = format!("{bucket}:{bucket}");
        let run = plugin::command("plugin-rollout", &site.workspace, &settings).unwrap();
        let options = ["--volume", &kubeconfig, "--volume", &bucket];
        let done = ended(in_container(containers, "plugin-rollout", &run, &options));
        assert_eq!(done.code, 0, "{helm}: {}", done.log);
        assert_eq!(rollout::version(&customer).await, rollout::updated(), "{helm}: {}", done.log);
        assert_eq!(site.paused(), [""; 0], "{helm}");
    }
    figures::note("images", "environments updated by helm 4 and by helm 3 in a container", 2).unwrap();
}

/// A folder that a container of any user may use.
pub(super) fn shared_folder(name: &str) -> std::path::PathBuf {
    let made = folder::temporary(name).unwrap();
    open_to_all(&made);
    made
}
