//! What the hunt for secrets looks at: a demo whose secrets are marked, whose web traffic goes through a proxy that writes it down, and whose runs fail
//! in ways that tempt a program to tell what it knows.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use lab::cluster;
use lab::demo::{Link, World, chain, run_link};
use lab::hunt::Hunt;
use lab::plugin::{self, Ended};
use lab::wire::{Answer, Heard, Wire};
use tempfile::TempDir;

use crate::demo::{Demo, demo};

/// Secrets of our choice hold what encoders change.
pub(super) const GIT_TOKEN: &str = "gt-M4rk/\"1'&<+=> x";
/// One that a Git server takes for a token of its own, and looks for.
pub(super) const WRONG_TOKEN: &str = "5ec7e7a11ea4ed5ec7e7a11ea4ed5ec7e7a11ea4";
pub(super) const ACCESS_KEY: &str = "ak-M4rk/2+=";
pub(super) const SECRET_KEY: &str = "sk-M4rk/\"3'&<+= é";
pub(super) const SESSION_TOKEN: &str = "st-M4rk/\"4'&<+=>";
pub(super) const UPTIME_KEY: &str = "uk-M4rk/\"5'&<+= é";
pub(super) const PROXY_PASSWORD: &str = "pp-M4rk/\"6'&<+=";
pub(super) const ADDRESS_PASSWORD: &str = "ap-M4rk-7";
/// Webhooks have theirs in the address.
pub(super) const WEBHOOK_TOKEN: &str = "wt-M4rk-8";
pub(super) const CI_TOKEN: &str = "ct-M4rk/\"9'&<+=> x";

/// A demo whose web traffic goes through a proxy that writes it down.
pub(super) struct Site {
    pub(super) demo: Demo,
    pub(super) proxy: Wire,
    pub(super) echo: Wire,
    pub(super) temporary: TempDir,
    kubeconfig: String,
    pub(super) logs: Vec<(String, String)>,
}

impl Site {
    pub(super) async fn new() -> Self {
        let demo = demo().await;
        let kubeconfig = fs::read_to_string(&demo.world.kubeconfig).unwrap();
        // The AppServer takes no path with a capital letter in it.
        let name = format!("secrets-{}", std::process::id());
        let temporary = tempfile::Builder::new().prefix(&name).rand_bytes(0).tempdir().unwrap();
        let (proxy, echo) = (Wire::start(pass_on).unwrap(), Wire::start(echo).unwrap());
        Self { demo, proxy, echo, temporary, kubeconfig, logs: Vec::new() }
    }

    pub(super) fn world(&self) -> &World {
        &self.demo.world
    }

    fn variables(&self) -> Vec<(&'static str, String)> {
        let password: String = PROXY_PASSWORD.bytes().map(|byte| format!("%{byte:02X}")).collect();
        vec![
            ("HTTP_PROXY", format!("http://ci:{password}@{}", self.proxy.address())),
            ("TMPDIR", self.temporary.path().display().to_string()),
        ]
    }

    /// The most talkative way of a run, and every place where outputs go.
    fn talkative(&self, name: &str, format: &str) -> Vec<(&'static str, String)> {
        vec![
            ("log_level", "trace".to_owned()),
            ("log_format", format.to_owned()),
            ("notify_url", format!("{}/hook/{WEBHOOK_TOKEN}?sig={WEBHOOK_TOKEN}", self.echo.url())),
            ("output_file", self.world().workspace().join(format!("{name}.env")).display().to_string()),
        ]
    }

    /// A link of the chain as it is run here: with the kubeconfig itself as its setting, not its path.
    fn dressed(&self, mut link: Link, format: &str) -> Link {
        for (name, value) in &mut link.settings {
            if *name == "kubeconfig" {
                value.clone_from(&self.kubeconfig);
            }
        }
        link.settings.extend(self.talkative(link.output, format));
        link.variables = self.variables();
        link
    }

    pub(super) async fn run_the_chain(&mut self, formats: [&str; 2]) {
        for (index, link) in chain(self.world()).into_iter().enumerate() {
            let link = self.dressed(link, formats[index % 2]);
            if link.output == "production" && formats[0] == "json" {
                self.let_helm_fail(&link);
            }
            let ran = run_link(self.world(), &link).await.unwrap();
            self.logs.push((format!("the log of {}", link.output), ran.log));
        }
    }

    /// A helm that tells everything it was given, and fails.
    fn let_helm_fail(&mut self, link: &Link) {
        let helm = self.world().folder.join("helm-that-tells");
        let script = "#!/bin/sh\ncat \"$KUBECONFIG\" >&2\nbase64 \"$KUBECONFIG\"\nenv >&2\nexit 1\n";
        fs::write(&helm, script).unwrap();
        fs::set_permissions(&helm, fs::Permissions::from_mode(0o755)).unwrap();
        let mut settings = link.settings.clone();
        settings.retain(|(name, _)| *name != "helm");
        settings.push(("helm", helm.display().to_string()));
        self.fail("plugin-rollout", "helm", &settings, &[]);
    }

    /// A run that does not end well; what it says is kept.
    fn fail(
        &mut self,
        plugin: &str,
        name: &str,
        settings: &[(&'static str, String)],
        more: &[(&'static str, &str)],
    ) {
        for format in ["text", "json"] {
            let mut all = settings.to_vec();
            all.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
            all.extend(self.talkative(name, format));
            all.push((
                "report_dir",
                self.world().reports().join(format!("{name}-{format}")).display().to_string(),
            ));
            let mut command = plugin::command(plugin, &self.world().workspace(), &all).unwrap();
            command.envs(self.variables());
            let ended = Ended::of(&command.output().unwrap());
            assert_ne!(ended.code, 0, "{plugin}, {name}: {}", ended.log);
            self.logs.push((format!("the log of {plugin}, {name}, {format}"), ended.log));
        }
    }

    pub(super) fn run_what_fails(&mut self) {
        let echo = self.echo.url();
        let own = |link: usize| chain(self.world()).remove(link).settings;
        let (rpo, package, bump, publish, rollout) = (own(0), own(1), own(2), own(4), own(6));
        let store = [
            ("bucket", "s3://store"),
            ("endpoint", &*echo),
            ("access_key", ACCESS_KEY),
            ("secret_key", SECRET_KEY),
            ("session_token", SESSION_TOKEN),
        ];
        self.fail("plugin-rpo", "echoing-store", &rpo, &store);
        self.fail("plugin-package", "echoing-store-2", &package, &store);
        self.fail("plugin-chart-publish", "echoing-store-3", &publish, &store);
        self.fail(
            "plugin-image-bump",
            "echoing-git",
            &bump,
            &[("git_server", &echo), ("git_token", GIT_TOKEN)],
        );
        self.fail("plugin-image-bump", "wrong-token", &bump, &[("git_token", WRONG_TOKEN)]);
        let address = format!("https://ci:{ADDRESS_PASSWORD}@git.example.com/");
        self.fail(
            "plugin-image-bump",
            "settings",
            &bump,
            &[("git_server", &address), ("git_token", GIT_TOKEN), ("values", "a=b")],
        );
        let ci = [
            ("ci_server", "drone"),
            ("ci_url", &*echo),
            ("ci_token", CI_TOKEN),
            ("trigger", "erp/images@main"),
        ];
        self.fail("plugin-package", "echoing-ci", &package, &ci);
        let kubeconfig = self.kubeconfig.clone();
        let uptime =
            [("uptimerobot_url", &*echo), ("uptimerobot_key", UPTIME_KEY), ("kubeconfig", &kubeconfig)];
        self.fail("plugin-rollout", "echoing-uptime", &rollout, &uptime);
    }

    /// That nothing is found means little unless the secrets did come back: what was hidden is seen as such.
    pub(super) fn were_told_back(&self) {
        for name in ["echoing-git", "echoing-ci", "echoing-uptime", "helm"] {
            let logs = self.logs.iter().filter(|(place, _)| place.contains(&format!(", {name},")));
            let hidden = logs.filter(|(_, log)| log.contains("[hidden]")).count();
            assert_eq!(hidden, 2, "{name}: {:?}", self.logs);
        }
    }

    pub(super) fn hunt(&self) -> Hunt {
        Hunt::new(&[
            ("git_token", GIT_TOKEN),
            ("git_token of the chain", &self.world().git_token),
            ("wrong git_token", WRONG_TOKEN),
            ("access_key", ACCESS_KEY),
            ("secret_key", SECRET_KEY),
            ("session_token", SESSION_TOKEN),
            ("uptimerobot_key", UPTIME_KEY),
            ("uptimerobot_key of the chain", &self.world().uptime_key),
            ("token in the kubeconfig", cluster().token()),
            ("password of the proxy", PROXY_PASSWORD),
            ("password in an address", ADDRESS_PASSWORD),
            ("token in notify_url", WEBHOOK_TOKEN),
            ("ci_token", CI_TOKEN),
        ])
    }
}

/// As a proxy does; everything here is on this machine.
fn pass_on(heard: &Heard) -> Answer {
    let server =
        heard.target.trim_start_matches("http://").split('/').next().and_then(|server| server.parse().ok());
    server.map_or_else(|| Answer::new("502 Bad Gateway", "", "nobody there"), Answer::Forward)
}

/// What badly made servers do: tell the client everything it sent, in several forms.
fn echo(heard: &Heard) -> Answer {
    let body = String::from_utf8_lossy(&heard.body).into_owned();
    let told =
        serde_json::json!({ "message": format!("bad request: {} {}", heard.headers, body), "body": body });
    Answer::json("400 Bad Request", told.to_string())
}
