//! What every plugin that speaks HTTP does on networks as they are: proxies, own authorities, servers that break off, are busy, or are something else.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lab::plugin::{self, Ended};
use lab::standin::appserver;
use lab::wire::{Answer, Heard, Wire};
use lab::{figures, folder};

/// A plugin, and its settings for a server at some address.
struct Case {
    plugin: &'static str,
    settings: Vec<(&'static str, String)>,
    /// Whether it asks an API, and not a bucket.
    asks_an_api: bool,
}

/// The plugins' workspace, and a cluster that has nothing in it: what plugin-rollout asks before the uptime service.
struct Site {
    workspace: PathBuf,
    cluster: Wire,
}

impl Site {
    fn new() -> Self {
        let workspace = folder::temporary("http").unwrap();
        for (file, text) in [
            ("components/rpo/VERSION", "1\n"),
            ("components/rpo/a.txt", "a\n"),
            ("chart/Chart.yaml", "apiVersion: v2\nname: web\nversion: 0.0.0\n"),
            ("chart/VERSION", "1.0.0\n"),
        ] {
            let file = workspace.join(file);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }
        appserver::install(&workspace.join("appserver")).unwrap();
        let nothing = r#"{"apiVersion":"v1","kind":"List","metadata":{},"items":[]}"#;
        Self { workspace, cluster: Wire::start(move |_| Answer::json("200 OK", nothing)).unwrap() }
    }

    fn cases(&self, url: &str) -> Vec<Case> {
        let text = |name, value: &str| (name, value.to_owned());
        let bucket = [
            text("bucket", "s3://store"),
            text("endpoint", url),
            text("access_key", "an-access-key"),
            text("secret_key", "a-secret-key"),
        ];
        let case = |plugin, own: &[(&'static str, String)]| Case {
            plugin,
            settings: [&bucket[..], own].concat(),
            asks_an_api: false,
        };
        vec![
            case(
                "plugin-rpo",
                &[
                    text("release", "12.1.2410"),
                    text("rpo_source", "base"),
                    ("appserver", self.workspace.join("appserver").display().to_string()),
                ],
            ),
            case("plugin-package", &[text("source", "components")]),
            case(
                "plugin-chart-publish",
                &[text("chart", "chart"), ("helm", lab::tool("helm").unwrap().display().to_string())],
            ),
            Case {
                plugin: "plugin-image-bump",
                settings: image_bump(url, "token-of-nobody", "erp/images"),
                asks_an_api: true,
            },
            Case {
                plugin: "plugin-rollout",
                settings: vec![
                    text("profile", "smarterp-producao"),
                    ("bucket", format!("file://{}", self.workspace.join("components").display())),
                    text("chart", "chart.tgz"),
                    ("helm", lab::tool("helm").unwrap().display().to_string()),
                    text("version", "12.1.2410"),
                    text("namespaces", "acme"),
                    ("kubeconfig", kubeconfig(&self.cluster.url())),
                    text("uptimerobot_url", url),
                    text("uptimerobot_key", "a-key-of-nobody"),
                ],
                asks_an_api: true,
            },
        ]
    }

    fn run(&self, case: &Case, settings: &[(&str, &str)], variables: &[(&str, &str)]) -> Ended {
        run(case.plugin, &self.workspace, &case.settings, settings, variables)
    }
}

fn image_bump(url: &str, token: &str, repository: &str) -> Vec<(&'static str, String)> {
    vec![
        ("git_server", url.to_owned()),
        ("git_token", token.to_owned()),
        ("repository", repository.to_owned()),
        ("components", "{\"rpo\":\"12.1.2\"}".to_owned()),
    ]
}

fn kubeconfig(server: &str) -> String {
    format!(
        r#"{{"clusters":[{{"name":"c","cluster":{{"server":"{server}"}}}}],"users":[{{"name":"u","user":{{}}}}],"contexts":[{{"name":"x","context":{{"cluster":"c","user":"u"}}}}],"current-context":"x"}}"#
    )
}

fn run(
    plugin: &str,
    workspace: &Path,
    settings: &[(&'static str, String)],
    more: &[(&str, &str)],
    variables: &[(&str, &str)],
) -> Ended {
    let mut command = plugin::command(plugin, workspace, settings).unwrap();
    command.envs(more.iter().map(|(name, value)| (format!("PLUGIN_{}", name.to_uppercase()), value)));
    command.envs(variables.iter().copied());
    let ended = Ended::of(&command.output().unwrap());
    assert!(!ended.log.contains("internal error"), "{plugin}: {}", ended.log);
    ended
}

pub(crate) fn refuse(_: &Heard) -> Answer {
    Answer::json("403 Forbidden", r#"{"message": "no"}"#)
}

fn proxy_variables(proxy: &Wire) -> String {
    format!("http://ci:pr0xy%2Fp4ss@{}", proxy.address())
}

#[test]
fn every_plugin_goes_through_the_proxy_and_around_it_where_no_proxy_says_so() {
    let (site, proxy) = (Site::new(), Wire::start(refuse).unwrap());
    let address = proxy_variables(&proxy);
    let cases = site.cases("http://server.invalid");
    for (index, case) in cases.iter().enumerate() {
        // Lower case, and what Harness' runner sets, count as well.
        let (http, no) = [
            ("HTTP_PROXY", "NO_PROXY"),
            ("http_proxy", "no_proxy"),
            ("HARNESS_HTTP_PROXY", "HARNESS_NO_PROXY"),
        ][index % 3];
        let before = proxy.heard().len();
        let ended = site.run(case, &[], &[(http, &address), (no, "127.0.0.1")]);
        let heard = proxy.heard().split_off(before);
        assert!(!heard.is_empty(), "{}: {}", case.plugin, ended.log);
        for request in &heard {
            assert!(
                request.target.starts_with("http://server.invalid/"),
                "{}: {}",
                case.plugin,
                request.target
            );
            let basic = format!("Basic {}", STANDARD.encode("ci:pr0xy/p4ss"));
            assert_eq!(request.header("proxy-authorization"), Some(&*basic), "{}", case.plugin);
        }
        assert_eq!(ended.code, 1, "{}: {}", case.plugin, ended.log);
        assert!(!ended.log.contains("p4ss"), "{}: {}", case.plugin, ended.log);
    }
    let server = Wire::start(refuse).unwrap();
    for case in site.cases(&server.url()) {
        let (before, direct) = (proxy.heard().len(), server.heard().len());
        let ended = site.run(&case, &[], &[("HTTP_PROXY", &address), ("NO_PROXY", "x.example,127.0.0.0/8")]);
        assert_eq!(proxy.heard().len(), before, "{}: {}", case.plugin, ended.log);
        assert!(server.heard().len() > direct, "{}: {}", case.plugin, ended.log);
    }
    figures::note("http", "plugins through a proxy and around it", cases.len() as u64).unwrap();
}

#[test]
fn the_cluster_is_reached_over_the_proxy_too() {
    let (site, proxy) = (Site::new(), Wire::start(refuse).unwrap());
    let mut case = site.cases("http://server.invalid").remove(4);
    case.settings.retain(|(name, _)| *name != "kubeconfig");
    case.settings.push(("kubeconfig", kubeconfig("https://kube.invalid:6443")));
    let ended = site.run(&case, &[], &[("HTTPS_PROXY", &proxy_variables(&proxy))]);
    let heard = proxy.heard();
    assert!(
        heard.iter().any(|one| one.method == "CONNECT" && one.target == "kube.invalid:6443"),
        "{}",
        ended.log
    );
    assert!(!ended.log.contains("p4ss"), "{}", ended.log);
}

#[test]
fn a_server_of_an_own_authority_is_trusted_by_ca_file_alone() {
    let (site, server) = (Site::new(), Wire::start_tls(refuse).unwrap());
    let file = site.workspace.join("ca.pem");
    std::fs::write(&file, server.authority()).unwrap();
    let cases = site.cases(&server.url());
    for (index, case) in cases.iter().enumerate() {
        let before = server.heard().len();
        let distrusted = site.run(case, &[], &[]);
        assert_eq!(distrusted.code, 1, "{}: {}", case.plugin, distrusted.log);
        assert!(
            distrusted.log.contains("hint: ") && distrusted.log.contains("set `ca_file`"),
            "{}: {}",
            case.plugin,
            distrusted.log
        );
        assert_eq!(server.heard().len(), before, "{}: nothing was sent", case.plugin);
        let authority = [file.display().to_string(), "ca.pem".to_owned(), server.authority().to_owned()]
            [index % 3]
            .clone();
        let trusted = site.run(case, &[("ca_file", &authority)], &[]);
        assert!(server.heard().len() > before, "{}: {}", case.plugin, trusted.log);
        assert!(!trusted.log.contains("ca_file"), "{}: {}", case.plugin, trusted.log);
    }
    figures::note("http", "plugins at a server of an own authority", cases.len() as u64).unwrap();
}

#[test]
fn a_login_page_instead_of_an_answer_is_called_one() {
    let page = "<!DOCTYPE html>\n<html><head><title>Sign in - Acme</title></head><body></body></html>";
    let server = Wire::start(move |_| Answer::new("200 OK", "content-type: text/html\r\n", page)).unwrap();
    let site = Site::new();
    let cases = site.cases(&server.url());
    for case in &cases {
        let ended = site.run(case, &[], &[]);
        assert_eq!(ended.code, 1, "{}: {}", case.plugin, ended.log);
        assert_eq!(ended.log.lines().filter(|line| line.starts_with("error: ")).count(), 1, "{}", ended.log);
        for text in ["status 200", "text/html", "a page for people, \"Sign in - Acme\""] {
            // The first thing that is read of an object is its head, and that has no title.
            let text = if case.plugin == "plugin-rpo" { text.split(',').next().unwrap() } else { text };
            assert!(ended.log.contains(text), "{}: {text} is not in\n{}", case.plugin, ended.log);
        }
        let advice = match case.asks_an_api {
            true => &["is the address right"][..],
            false => &["not by a bucket", "hint: what answers is no bucket: is `endpoint` the", "`NO_PROXY`"],
        };
        for text in advice {
            assert!(ended.log.contains(text), "{}: {text} is not in\n{}", case.plugin, ended.log);
        }
    }
    figures::note("http", "plugins that tell a login page from an answer", cases.len() as u64).unwrap();
}

/// A bucket's component folders are listed before anything else is asked; a page is no empty listing.
#[test]
fn a_login_page_instead_of_a_listing_is_not_taken_for_an_empty_bucket() {
    let page = "<html><head><title>Console</title></head><body></body></html>";
    let headers = "content-type: text/html\r\netag: \"1\"\r\n";
    let server = Wire::start(move |_| Answer::new("200 OK", headers, page)).unwrap();
    let site = Site::new();
    let mut case = site.cases(&server.url()).remove(1);
    case.settings.retain(|(name, _)| *name != "source");
    let ended = site.run(&case, &[("source_prefix", "components")], &[]);
    assert_eq!(ended.code, 1, "{}", ended.log);
    assert!(ended.log.contains("with a page for people, \"Console\", not by a bucket"), "{}", ended.log);
}

#[test]
fn an_answer_that_is_far_too_long_is_refused() {
    let server = Wire::start(|_| Answer::json("200 OK", vec![b' '; 33 << 20])).unwrap();
    let site = Site::new();
    for case in site.cases(&server.url()) {
        let ended = site.run(&case, &[], &[]);
        assert_eq!(ended.code, 1, "{}: {}", case.plugin, ended.log);
        // Objects may be of any size: of one, it is the missing tag that is noticed.
        let text = match case.plugin {
            "plugin-rpo" | "plugin-chart-publish" => "an object without a tag, not by a bucket",
            _ => "longer than 32 MiB",
        };
        assert!(ended.log.contains(text), "{}: {}", case.plugin, ended.log);
    }
}

/// A repository on the real Git server, and a server before it that does `trouble` with the n-th request.
async fn troubled(
    trouble: impl Fn(usize, &Heard) -> Option<Answer> + Send + Sync + 'static,
) -> (Wire, Vec<(&'static str, String)>) {
    let git = lab::gitea();
    let name = git.repository_name("http");
    git.create_repository(&name, &[("component-versions.mk", "RPO_VERSION := 1\n")], "develop")
        .await
        .unwrap();
    let (count, to) = (AtomicUsize::new(0), git.url().trim_start_matches("http://").parse().unwrap());
    let wire = Wire::start(move |heard| {
        trouble(count.fetch_add(1, Ordering::SeqCst), heard).unwrap_or(Answer::Forward(to))
    })
    .unwrap();
    let settings = image_bump(&wire.url(), git.token(), &format!("{}/{name}", git.owner()));
    (wire, settings)
}

#[tokio::test(flavor = "multi_thread")]
async fn resets_silence_and_a_busy_server_are_overcome() {
    let half = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 5000\r\n\r\n{\"default_";
    // By the request that meets it.
    let troubles = [
        (0, Answer::Bytes(half.into())),
        (1, Answer::Bytes(Vec::new())),
        (2, Answer::new("503 Service Unavailable", "retry-after: 0\r\n", "")),
        (4, Answer::new("429 Too Many Requests", "retry-after: Sun, 06 Nov 1994 08:49:37 GMT\r\n", "")),
        (6, Answer::Silence(Duration::from_millis(300))),
        (8, Answer::new("502 Bad Gateway", "", "")),
    ];
    let count = troubles.len() as u64;
    let find =
        move |number, _: &Heard| troubles.iter().find(|(at, _)| *at == number).map(|(_, one)| one.clone());
    let (_wire, settings) = troubled(find).await;
    let workspace = folder::temporary("http").unwrap();
    let ended = run("plugin-image-bump", &workspace, &settings, &[], &[]);
    assert_eq!(ended.code, 0, "{}", ended.log);
    for text in ["no answer to GET", "answered with 503", "answered with 429", "answered with 502"] {
        assert!(ended.log.contains(text), "{text} is not in\n{}", ended.log);
    }
    figures::note("http", "kinds of trouble that a run overcomes", count).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_that_a_gateway_lost_is_not_sent_twice() {
    let is_commit = |heard: &Heard| heard.method == "POST" && heard.target.ends_with("/contents");
    for status in ["502 Bad Gateway", "503 Service Unavailable", "504 Gateway Timeout"] {
        let (wire, settings) =
            troubled(move |_, heard| is_commit(heard).then(|| Answer::new(status, "", "lost"))).await;
        let workspace = folder::temporary("http").unwrap();
        let ended = run("plugin-image-bump", &workspace, &settings, &[], &[]);
        assert_eq!(ended.code, 75, "{}", ended.log);
        assert_eq!(
            wire.heard().iter().filter(|heard| is_commit(heard)).count(),
            1,
            "{status}: {}",
            ended.log
        );
    }
}
