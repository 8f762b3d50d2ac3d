//! What the demo says to the person in front of it.

use std::io::Write as _;
use std::time::Duration;

use super::world::{LABEL, NEW, OLD, kubectl};
use super::{Link, Ran, World};
use crate::Error;

fn say(line: &str) {
    // Nobody is left to tell when standard output is closed.
    let _ = writeln!(std::io::stdout(), "{line}");
}

pub(super) fn title() {
    say("Esteira: a release from patches to running customers\n");
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
    say(&format!("\nCustomer environments (from {OLD}; wanted: {NEW})"));
    say(&indented(&kubectl(world, &environments(world))?));

    say("\nWhere to look");
    say(&format!("  reports        {}/*/report.json", world.reports().display()));
    say(&format!("  bucket         {}", world.bucket().display()));
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
    say(&format!(
        "\nTook {:.0} s. The servers go on running for you to look at. Run it again: nothing changes. `make demo-clean` ends and removes all of it.",
        elapsed.as_secs_f64()
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

fn indented(text: &str) -> String {
    text.trim_end().lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}
