//! The whole chain and a row of failing runs with marked secrets, at the most talkative log level; then everything that came out is looked through for
//! every form of every marker: streams, reports, outputs, bucket, Git, cluster, process list, requests, temporary folders.

mod site;

use std::fs;

use lab::demo::World;
use lab::hunt::{Hunt, Seen, Watch};
use lab::{cluster, figures, folder, gitea, process};

use site::{ADDRESS_PASSWORD, GIT_TOKEN, SECRET_KEY, Site};

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_comes_out_of_the_whole_chain_or_of_runs_that_fail() {
    let mut site = Site::new().await;
    let watch = Watch::begin();
    site.run_the_chain(["json", "text"]).await;
    site.run_what_fails();
    site.run_the_chain(["text", "json"]).await;
    let seen = watch.end();

    site.were_told_back();
    let mut hunt = site.hunt();
    for (name, log) in &site.logs {
        assert!(!log.is_empty(), "{name}");
        hunt.search(name, log.as_bytes());
    }
    let world = site.world();
    for folder in [world.workspace(), world.reports(), world.bucket(), site.temporary.path().to_owned()] {
        hunt.search_folder(&folder).unwrap();
    }
    search_processes(&mut hunt, &seen);
    let requests = search_requests(&mut hunt, &site);
    search_cluster(&mut hunt, world);
    for repository in [world.image_repository(), world.chart_repository()] {
        for pull in gitea().pull_requests(&repository).await.unwrap() {
            hunt.search("a pull request", format!("{pull:?}").as_bytes());
            hunt.search("a diff", gitea().diff(&repository, pull.number).await.unwrap().as_bytes());
        }
    }
    assert_eq!(hunt.found, [""; 0]);
    assert_eq!(fs::read_dir(site.temporary.path()).unwrap().count(), 0, "temporary folders are left");
    for (what, count) in [
        ("forms of marked secrets searched", hunt.forms()),
        ("MiB searched", hunt.bytes >> 20),
        ("files searched", hunt.files),
        ("runs at log level trace", site.logs.len() as u64),
        ("command lines seen", seen.command_lines.len() as u64),
        ("environments of children seen", seen.environments.len() as u64),
        ("requests recorded", requests),
    ] {
        figures::note("secrets", what, count).unwrap();
    }
}

fn search_processes(hunt: &mut Hunt, seen: &Seen) {
    assert!(!seen.environments.is_empty(), "helm was not seen");
    for command_line in &seen.command_lines {
        hunt.search("a command line", command_line);
    }
    for environment in &seen.environments {
        let text = String::from_utf8_lossy(environment);
        for variable in text.split('\0') {
            assert!(!variable.starts_with("PLUGIN_"), "a child inherits {variable}");
            // Whoever goes out over a proxy needs its password.
            if !variable.starts_with("HTTP_PROXY=") {
                hunt.search("a child's environment", variable.as_bytes());
            }
        }
    }
}

/// Secrets belong into the headers made for them, and UptimeRobot's key into the body.
fn search_requests(hunt: &mut Hunt, site: &Site) -> u64 {
    let all = [site.proxy.heard(), site.echo.heard()].concat();
    let made_for_it = ["authorization", "proxy-authorization", "x-amz-security-token"];
    for heard in &all {
        // A webhook's token is its address.
        if !heard.target.contains("/hook/") {
            hunt.search("the address of a request", heard.target.as_bytes());
        }
        for line in heard.headers.lines() {
            let name = line.split(':').next().unwrap_or_default().to_lowercase();
            if !made_for_it.contains(&name.as_str()) {
                hunt.search(&format!("the header {name} of a request"), line.as_bytes());
            }
        }
        if !heard.target.contains("/v2/") {
            hunt.search("the body of a request", &heard.body);
        }
    }
    assert!(
        all.iter().any(|heard| heard.target.contains("/v2/"))
            && all.iter().any(|heard| heard.target.contains("/api/v1/"))
            && all.iter().any(|heard| heard.target.contains("/hook/"))
            && all.iter().any(|heard| heard.target.contains("/builds"))
    );
    all.len() as u64
}

fn search_cluster(hunt: &mut Hunt, world: &World) {
    for place in world.places() {
        let kinds = "configmaps,services,deployments.apps,cronjobs,jobs,secrets,leases,events";
        for arguments in [
            vec!["get", kinds, "-n", &place.namespace, "-o", "json"],
            vec!["get", "namespace", &place.namespace, "-o", "json"],
        ] {
            let objects = cluster().kubectl(&arguments).unwrap();
            hunt.search(&format!("the objects of {}", place.namespace), objects.as_bytes());
        }
        // What helm keeps of a release is compressed: helm itself reads it.
        let mut helm = process::command(&world.helm);
        helm.args(["get", "all", &place.namespace, "-n", &place.namespace])
            .env("KUBECONFIG", &world.kubeconfig);
        hunt.search("a release", process::output(helm, "").unwrap().as_bytes());
    }
}

#[test]
fn the_hunt_finds_every_form_that_is_planted() {
    let markers = [("one", GIT_TOKEN), ("two", SECRET_KEY), ("three", ADDRESS_PASSWORD)];
    let hunt = Hunt::new(&markers);
    let folder = folder::temporary("planted").unwrap();
    let planted: Vec<_> = hunt.planted().map(|(name, form)| (name.to_owned(), form.to_vec())).collect();
    assert!(planted.len() >= 40, "{}", planted.len());
    for (index, (name, form)) in planted.iter().enumerate() {
        let file = folder.join(index.to_string());
        fs::write(&file, [b"before ", form.as_slice(), b" after"].concat()).unwrap();
        let mut hunt = Hunt::new(&markers);
        hunt.search_folder(&folder).unwrap();
        assert!(hunt.found.iter().any(|found| found.starts_with(name.as_str())), "{name}: {:?}", hunt.found);
        fs::remove_file(&file).unwrap();
    }
    let mut hunt = Hunt::new(&markers);
    hunt.search("nothing", b"gt-M4rk and nothing more, nor sk-M4rk");
    assert_eq!(hunt.found, [""; 0]);
}

#[test]
fn the_watch_sees_a_secret_in_a_command_line() {
    let watch = Watch::begin();
    let mut sleep = process::command("sleep");
    let mut child = sleep.args(["0.3", "0.0000000000019"]).spawn().unwrap();
    child.wait().unwrap();
    let mut hunt = Hunt::new(&[("planted", "0.0000000000019")]);
    for line in &watch.end().command_lines {
        hunt.search("a command line", line);
    }
    assert!(!hunt.found.is_empty());
}
