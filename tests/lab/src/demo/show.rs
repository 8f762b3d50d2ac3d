//! What the demo says to the person in front of it.

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::namespaces::LABEL;
use super::world::{NEW, OLD, kubectl};
use super::{Link, Ran, World};
use crate::error::{Attempt as _, Error};
use crate::http;

/// What holds at every end of a demo whose servers were started.
pub(super) const SERVERS_GO_ON: &str =
    "The servers go on running; `make demo-clean` ends them and removes everything.";

pub(super) fn say(line: &str) {
    // Nobody is left to tell when standard output is closed.
    let _ = writeln!(std::io::stdout(), "{line}");
}

pub(super) fn title() {
    say("Esteira: a release from patches to running customers\n");
}

/// Where a demo in a cluster of the user's goes, before it goes there.
pub(super) fn own_cluster(kubeconfig: &Path, server: &str, name: &str) {
    say(&format!(
        "Your Kubernetes cluster at {server} (by `{}`): the demo makes six namespaces there,\n`{name}-...`, all with the label {LABEL}={name}, and changes nothing else.\n",
        kubeconfig.display()
    ));
}

pub(super) fn prepared(world: &World, elapsed: Duration) {
    let cluster = if world.is_own_cluster { "your Kubernetes cluster" } else { "a Kubernetes API server" };
    say(&format!(
        "The world is ready ({:.0} s): a bucket, a Git server with an image and a chart repository,\n{cluster} with {} customer environments, an uptime service.\n",
        elapsed.as_secs_f64(),
        world.places().len()
    ));
}

/// One line when a link begins, and one with its own words when it has ended.
pub(super) fn link(index: usize, link: &Link, ran: Option<&Ran>) {
    match ran {
        None => say(&format!("{}. {:<21} {}", index + 1, link.plugin, link.purpose)),
        Some(ran) => {
            say(&format!("   {:<21} {}", "", first_line(&ran.summary)));
            if let (Some(repository), Some(_)) = (&link.merged_in, &ran.pull_request) {
                say(&format!("   {:<21} (the owner of {repository} merges it)", ""));
            }
        }
    }
}

pub(super) async fn ending(world: &World, ran: &[Ran], elapsed: Duration) -> Result<(), Error> {
    say("\nWhat happened\n  step  plugin                 result         seconds");
    for (index, one) in ran.iter().enumerate() {
        let result = one.ending.replace('_', " ");
        say(&format!("  {:<5} {:<22} {result:<14} {:.1}", index + 1, one.plugin, one.elapsed.as_secs_f64()));
    }
    customers(world).await?;

    say("\nWhere to look");
    say(&format!(
        "  reports        {}/*/report.html (of each step's last run that changed something)",
        world.reports().display()
    ));
    say(&format!("  bucket         {}", world.bucket().display()));
    git_and_cluster(world).await?;
    say(&format!("\nTook {:.0} s. Run it again: nothing changes. {SERVERS_GO_ON}", elapsed.as_secs_f64()));
    Ok(())
}

/// The same after pipelines in an engine.
pub(super) async fn engine_ending(world: &World, elapsed: Duration) -> Result<(), Error> {
    customers(world).await?;
    say("\nWhere to look");
    say(&format!("  workspaces     {}", world.folder.join("workspaces").display()));
    if let Some(store) = &world.store {
        say(&format!("  buckets        {} ({} and {}):", store.endpoint, super::ARTIFACTS, super::CHARTS));
        let sources = world.bucket();
        let is_new = |name: &&String| !sources.join(name.split_once('/').unwrap_or_default().1).exists();
        for name in store.objects().await?.keys().filter(is_new) {
            say(&format!("                   {name}"));
        }
    }
    git_and_cluster(world).await?;
    say(&format!("\nTook {:.0} s. Run it again: nothing changes. {SERVERS_GO_ON}", elapsed.as_secs_f64()));
    Ok(())
}

async fn customers(world: &World) -> Result<(), Error> {
    say(&format!("\nCustomer environments (from {OLD}; wanted: {NEW})"));
    say(&indented(&kubectl(world, &environments(world))?));
    say(&format!("\nUptime service: {}", monitors(&all_monitors(world).await?)));
    Ok(())
}

async fn git_and_cluster(world: &World) -> Result<(), Error> {
    for repository in [world.image_repository(), world.chart_repository()] {
        for request in world.git()?.pull_requests(&repository).await? {
            say(&format!("  pull request   {}", request.html_url));
        }
    }
    let arguments = environments(world).join(" ");
    say(&format!(
        "  cluster        {} --kubeconfig {} {arguments}",
        world.kubectl.display(),
        world.kubeconfig.display()
    ));
    Ok(())
}

/// What kubectl is asked to show the environments.
fn environments(world: &World) -> Vec<String> {
    let selector = format!("{LABEL}={}", world.name);
    let arguments = [
        "get",
        "namespaces",
        "--selector",
        &selector,
        "--label-columns",
        "BaseVersion,UpdaterDesiredVersion",
    ];
    arguments.map(str::to_owned).to_vec()
}

async fn all_monitors(world: &World) -> Result<Value, Error> {
    let request = http::client()?.post(format!("{}/v2/getMonitors", world.uptime_url));
    let reply = http::success(request.form(&[("api_key", &world.uptime_key)])).await?;
    reply.json().await.attempting(|| "cannot read the monitors".to_owned())
}

/// How many monitors there are, and which of them are paused.
fn monitors(reply: &Value) -> String {
    let all = reply["monitors"].as_array().map(Vec::as_slice).unwrap_or_default();
    let paused: Vec<_> = all
        .iter()
        .filter(|monitor| monitor["status"] == 0)
        .map(|monitor| monitor["friendly_name"].as_str().unwrap_or_default())
        .collect();
    match paused.len() {
        0 => format!("{} monitors, none paused", all.len()),
        count => format!("{} monitors, {count} paused: {}", all.len(), paused.join(", ")),
    }
}

pub(super) fn indented(text: &str) -> String {
    text.trim_end().lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn monitors_are_counted_and_the_paused_ones_named() {
        let up = json!({ "friendly_name": "acme", "status": 2 });
        let paused = json!({ "friendly_name": "globex", "status": 0 });
        assert_eq!(monitors(&json!({ "monitors": [up] })), "1 monitors, none paused");
        assert_eq!(monitors(&json!({ "monitors": [up, paused] })), "2 monitors, 1 paused: globex");
    }
}
