//! plugin-package: what GNU tar finds in an archive, that every bucket gets the same bytes, and what a kill leaves.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use lab::plugin::{self, Ended};
use lab::{folder, process};
use serde_json::Value;

const ARCHIVE: &str = "mirror/web/1.0/web.tar.gz";

struct Site {
    bucket: PathBuf,
    workspace: PathBuf,
}

impl Site {
    fn new() -> Self {
        let site = Self {
            bucket: folder::temporary("bucket").unwrap(),
            workspace: folder::temporary("workspace").unwrap(),
        };
        site.file("VERSION", b"1.0\n");
        site
    }

    fn file(&self, path: &str, content: &[u8]) -> PathBuf {
        let file = self.workspace.join("components/web").join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, content).unwrap();
        file
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        let text = |name, value: &str| (name, value.to_owned());
        vec![
            ("bucket", format!("file://{}", self.bucket.display())),
            text("source", "components"),
            text("mirror", "mirror"),
        ]
    }

    fn run(&self) -> Ended {
        plugin::run("plugin-package", &self.workspace, &self.settings()).unwrap()
    }

    fn outputs(&self) -> Value {
        plugin::outputs(&self.workspace, "package").unwrap()
    }
}

fn gnu_tar(arguments: &[&str], folder: &Path) -> String {
    let output = process::command("tar")
        .args(arguments)
        .current_dir(folder)
        .env("LC_ALL", "C.UTF-8")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn gnu_tar_lists_and_unpacks_what_was_packed() {
    let site = Site::new();
    let long = format!("menu/{}ção [1]~#.txt", "x".repeat(200));
    site.file(&long, b"long");
    let script = site.file("bin/start.sh", b"#!/bin/sh\n");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o700)).unwrap();
    fs::create_dir(site.workspace.join("components/web/spool")).unwrap();
    let ended = site.run();
    assert_eq!(ended.code, 0, "{}", ended.log);

    let archive = site.bucket.join(ARCHIVE);
    let archive = archive.to_str().unwrap();
    let listed = gnu_tar(&["--quoting-style=literal", "-tzf", archive], &site.workspace);
    assert_eq!(
        listed.lines().collect::<Vec<_>>(),
        ["VERSION", "bin/", "bin/start.sh", "menu/", &long, "spool/"]
    );
    let owners = gnu_tar(&["--numeric-owner", "-tvzf", archive], &site.workspace);
    assert!(owners.lines().all(|line| line.contains(" 0/0 ") && line.contains(" 2006-07-24 ")), "{owners}");

    let target = folder::temporary("unpacked").unwrap();
    gnu_tar(&["-xzf", archive], &target);
    assert_eq!(fs::read(target.join(&long)).unwrap(), b"long");
    assert_eq!(fs::metadata(target.join("bin/start.sh")).unwrap().permissions().mode() & 0o777, 0o755);
    assert!(target.join("spool").is_dir());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_and_an_s3_server_get_the_same_bytes_once() {
    let site = Site::new();
    site.file("large", &noise(20 << 20));
    assert_eq!(site.run().code, 0);
    let in_folder = site.outputs();

    let s3 = lab::s3();
    let mut settings = site.settings();
    settings[0].1 = format!("s3://{}", s3.create_bucket().await.unwrap());
    let server =
        [("endpoint", s3.endpoint()), ("access_key", s3.access_key()), ("secret_key", s3.secret_key())];
    settings.extend(server.map(|(name, value)| (name, value.to_owned())));
    for expected in ["uploaded", "nothing to do"] {
        let ended = plugin::run("plugin-package", &site.workspace, &settings).unwrap();
        assert_eq!(ended.code, 0, "{}", ended.log);
        assert!(ended.log.contains(expected), "{}", ended.log);
        assert_eq!(site.outputs(), in_folder);
    }
}

#[test]
fn a_killed_run_leaves_no_archive_and_its_rerun_makes_the_same() {
    let site = Site::new();
    site.file("large", &noise(64 << 20));
    let claim = site.bucket.join(format!("{ARCHIVE}.manifest.json"));
    let mut child = plugin::start("plugin-package", &site.workspace, &site.settings()).unwrap();
    let end = Instant::now() + Duration::from_secs(60);
    while !claim.exists() {
        assert!(Instant::now() < end, "no claim was written");
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!site.bucket.join(ARCHIVE).exists(), "the archive appears whole or not at all");

    let rerun = site.run();
    assert_eq!(rerun.code, 0, "{}", rerun.log);
    let undisturbed =
        Site { bucket: folder::temporary("bucket").unwrap(), workspace: site.workspace.clone() };
    let taken_up = site.outputs();
    assert_eq!(undisturbed.run().code, 0);
    assert_eq!(undisturbed.outputs(), taken_up);
}

/// Bytes that cannot be compressed, the same every time.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 32).to_le_bytes()[0]
    };
    std::iter::repeat_with(&mut next).take(length).collect()
}
