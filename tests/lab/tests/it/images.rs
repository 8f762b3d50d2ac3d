//! The plugins' images: what is in them, and that it works there as any user, without a home, a shell or a file that it may write.

mod publish;
mod runs;
mod stop;

use std::collections::BTreeSet;
use std::path::Path;

use lab::process::{command, output};
use lab::{Containers, containers, folder, image, plugin};
use serde_json::Value;

/// What a plugin's image has besides the plugin itself, the authorities and an empty `/tmp`.
fn tools(plugin: &str) -> &'static [&'static str] {
    match plugin {
        "plugin-chart-publish" => &["helm"],
        "plugin-rollout" => &["helm", "helm3"],
        _ => &[],
    }
}

/// Mode, owner, time and path of every file, and the folder into which all of them were unpacked.
fn files(containers: &Containers, image: &str) -> (BTreeSet<String>, std::path::PathBuf) {
    let here = folder::temporary("files").unwrap();
    let mut create = containers.command("podman");
    create.args(["create", image]);
    let container = output(create, "").unwrap();
    let mut export = containers.command("podman");
    export.arg("export").arg("--output").arg(here.join("image.tar")).arg(container.trim());
    output(export, "").unwrap();
    let mut list = command("tar");
    list.args(["--numeric-owner", "--utc", "--full-time", "-tvf"]).arg(here.join("image.tar"));
    let listed = output(list, "").unwrap();
    let mut unpack = command("tar");
    unpack.arg("-C").arg(&here).arg("-xf").arg(here.join("image.tar"));
    output(unpack, "").unwrap();
    // Mode, owner, size, day, time, path: the size is the build's business.
    let line = |line: &str| {
        let fields: Vec<_> = line.split_whitespace().collect();
        [fields[0], fields[1], fields[3], fields[4], fields[5]].join(" ")
    };
    (listed.lines().map(line).collect(), here)
}

fn expected(plugin: &str) -> BTreeSet<String> {
    let folders = ["bin", "etc", "etc/ssl", "etc/ssl/certs"];
    let folders = folders.iter().map(|path| format!("drwxr-xr-x {path}/"));
    let programs = tools(plugin).iter().copied().chain([plugin]);
    let programs = programs.map(|program| format!("-rwxr-xr-x bin/{program}"));
    let rest = ["-rw-r--r-- etc/ssl/certs/ca-certificates.crt", "drwxrwxrwt tmp/"].map(str::to_owned);
    let all = folders.chain(programs).chain(rest);
    all.map(|file| file.replacen(' ', " 0/0 1970-01-01 00:00:00 ", 1)).collect()
}

fn inspect(containers: &Containers, image: &str) -> Value {
    let mut inspect = containers.command("podman");
    inspect.args(["image", "inspect", image]);
    serde_json::from_str::<Value>(&output(inspect, "").unwrap()).unwrap()[0].take()
}

#[test]
fn an_image_holds_its_plugin_its_tools_the_authorities_and_nothing_else() {
    let Some(containers) = containers() else { return };
    for plugin in plugin::all().unwrap() {
        let image = containers.image(&plugin).unwrap();
        let (files, unpacked) = files(containers, &image);
        assert_eq!(files, expected(&plugin), "{plugin}");
        let bundle = std::fs::read(unpacked.join("etc/ssl/certs/ca-certificates.crt")).unwrap();
        let authorities = reqwest::Certificate::from_pem_bundle(&bundle).unwrap();
        assert!(authorities.len() > 100, "{plugin}: {} authorities", authorities.len());
    }
}

#[test]
fn an_image_says_what_it_is_and_starts_its_plugin_as_root() {
    let Some(containers) = containers() else { return };
    for plugin in plugin::all().unwrap() {
        let about = inspect(containers, &containers.image(&plugin).unwrap());
        let label = |name: &str| {
            about["Labels"][format!("org.opencontainers.image.{name}")]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        assert_eq!(label("title"), plugin);
        assert_eq!(label("version"), env!("CARGO_PKG_VERSION"));
        assert_eq!(label("licenses"), "Apache-2.0");
        assert_eq!(label("description"), purpose(&plugin), "{plugin}: its Cargo.toml says what it is for");
        let config = &about["Config"];
        assert_eq!(config["Entrypoint"], serde_json::json!([format!("/bin/{plugin}")]));
        for unset in ["Cmd", "User", "WorkingDir"] {
            let value = config[unset].as_str().unwrap_or_default();
            assert!(
                config[unset].is_null() || value.is_empty() || value == "/",
                "{plugin}: {unset} {config}"
            );
        }
    }
}

fn purpose(plugin: &str) -> String {
    let name = plugin.trim_start_matches("plugin-");
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins").join(name).join("Cargo.toml");
    let manifest = std::fs::read_to_string(manifest).unwrap();
    let line = manifest.lines().find_map(|line| line.strip_prefix("description = ")).unwrap();
    line.trim_matches('"').to_owned()
}

#[test]
fn there_is_a_dockerfile_for_every_plugin_and_they_differ_only_in_what_they_must() {
    let all = plugin::all().unwrap();
    let entries = std::fs::read_dir(image::scripts()).unwrap().flatten();
    let names = entries.map(|entry| entry.file_name().into_string().unwrap());
    let mut dockerfiles: Vec<_> = names.filter(|name| name.starts_with("plugin-")).collect();
    dockerfiles.sort();
    assert_eq!(dockerfiles, all);

    let text = |plugin: &String| std::fs::read_to_string(image::scripts().join(plugin)).unwrap();
    let without_its_own = |plugin: &String| {
        let text = text(plugin).replace(plugin, "PLUGIN").replace(&purpose(plugin), "PURPOSE");
        let (title, build) = match tools(plugin) {
            [] => ("", ""),
            ["helm"] => (", with helm 4", "RUN Dockerfiles/helm /programs\n"),
            _ => (", with helm 4 and 3", "RUN Dockerfiles/helm /programs\n"),
        };
        let title = format!("# PLUGIN as a container{title}. ");
        assert!(text.starts_with(&title) && text.contains(build), "{plugin}: helm:\n{text}");
        text.replacen(&title, "# PLUGIN as a container. ", 1).replacen(build, "", 1)
    };
    let (rust, go) =
        (format!("library/rust:{}-", rust_version()), format!("library/golang:{}-", go_version()));
    for plugin in &all {
        // What is built is the same in all, so that Docker builds it once.
        assert_eq!(without_its_own(plugin), without_its_own(&all[0]), "{plugin}");
        assert!(text(plugin).contains(&rust), "{plugin}: {rust}");
        assert!(text(plugin).contains(&go), "{plugin}: {go}");
    }
}

fn of_repository(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)).unwrap()
}

fn rust_version() -> String {
    let text = of_repository("rust-toolchain.toml");
    let line = text.lines().find_map(|line| line.strip_prefix("channel = ")).unwrap();
    line.trim_matches('"').to_owned()
}

/// What both helms ask for; its last number is the image's business, which has the newest.
fn go_version() -> String {
    let versions = ["helm", "helm3"].map(|module| {
        let text = of_repository(&format!("tests/lab/go/{module}/go.mod"));
        let version = text.lines().find_map(|line| line.strip_prefix("go ")).unwrap();
        version.split('.').take(2).collect::<Vec<_>>().join(".")
    });
    assert_eq!(versions[0], versions[1]);
    versions[0].clone()
}
