//! The chain: each plugin as a process that sees nothing but `PLUGIN_*`, and between them the people who merge.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::World;
use super::namespaces::LABEL;
use super::show::indented;
use super::world::NEW;
use crate::error::{Attempt as _, Error};
use crate::plugin::{self, Ended};
use crate::process;

/// One link of the chain.
pub struct Link {
    /// The plugin's program.
    pub plugin: &'static str,
    /// What it does, for people.
    pub purpose: String,
    /// Its settings.
    pub settings: Vec<(&'static str, String)>,
    /// Variables besides its settings, such as a proxy.
    pub variables: Vec<(&'static str, String)>,
    /// What its outputs are called, when that is not the plugin's name.
    pub output: &'static str,
    /// Repository whose pull request its owner merges afterwards.
    pub merged_in: Option<String>,
    /// Whether the chart's repository has to be checked out first, as the CI server does for its pipeline.
    pub checkout: bool,
}

/// A link that was run.
pub struct Ran {
    /// The plugin's program.
    pub plugin: &'static str,
    /// The plugin's own one-sentence summary.
    pub summary: String,
    /// `done` or `nothing_to_do`.
    pub ending: String,
    /// How long it took.
    pub elapsed: Duration,
    /// What it wrote.
    pub log: String,
    /// Page of the pull request that it opened or left open.
    pub pull_request: Option<String>,
}

/// All links, in order.
pub fn chain(world: &World) -> Vec<Link> {
    let link = |plugin, output, purpose: String, settings| Link {
        plugin,
        purpose,
        settings,
        variables: Vec::new(),
        output,
        merged_in: None,
        checkout: false,
    };
    let bucket = || ("bucket", format!("file://{}", world.bucket().display()));
    let text = |name, value: &str| (name, value.to_owned());
    let git = |repository: &str| {
        vec![
            text("git_server", &world.git_url),
            text("git_token", &world.git_token),
            ("repository", format!("{}/{repository}", world.git_owner)),
        ]
    };
    let rollout = |profile: &str, more: Vec<(&'static str, String)>| {
        let common = vec![
            bucket(),
            text("profile", profile),
            text("version", "@chart-publish.version"),
            text("chart", "charts/{chart}-{version}.tgz"),
            ("kubeconfig", world.kubeconfig.display().to_string()),
            ("helm", world.helm.display().to_string()),
            ("selector", format!("{LABEL}={}", world.name)),
            text("concurrency", "2"),
        ];
        [common, more].concat()
    };
    let helm = world.helm.display().to_string();
    let (images, charts) = (world.image_repository(), world.chart_repository());
    vec![
        link(
            "plugin-rpo",
            "rpo",
            format!("patches onto the base RPO of {NEW}"),
            vec![bucket(), ("appserver", world.appserver().display().to_string())],
        ),
        link(
            "plugin-package",
            "package",
            "components into the mirror".to_owned(),
            vec![
                bucket(),
                text("source_prefix", "engenharia/bundle/base/imagem/componentes/{kind}"),
                text("kind", "producao"),
                text("rpo", "@rpo.rpo"),
                text("rpo_version", "@rpo.version"),
            ],
        ),
        Link {
            merged_in: Some(images.clone()),
            ..link(
                "plugin-image-bump",
                "image-bump",
                format!("component versions into {images}"),
                [git(&images), vec![text("components", "@package.versions")]].concat(),
            )
        },
        Link {
            merged_in: Some(charts.clone()),
            ..link(
                "plugin-image-bump",
                "chart-bump",
                format!("image tag and VERSION into {charts}"),
                [
                    git(&charts),
                    vec![
                        text("output_as", "chart-bump"),
                        text("version", "@rpo.release"),
                        text("version_file", "VERSION"),
                        text("values_file", "chart/values.yaml"),
                        text("values", "{\"imageTag\": \"{version}\"}"),
                    ],
                ]
                .concat(),
            )
        },
        Link {
            checkout: true,
            ..link(
                "plugin-chart-publish",
                "chart-publish",
                "the chart and its index".to_owned(),
                vec![
                    bucket(),
                    text("chart", "chart/chart"),
                    text("version_file", "chart/VERSION"),
                    text("prefix", "charts"),
                    text("app_version", "@rpo.release"),
                    ("helm", helm),
                ],
            )
        },
        link(
            "plugin-rollout",
            "homologation",
            "homologation, by each environment's updater".to_owned(),
            rollout(
                "smarterp-release",
                vec![text("output_as", "homologation"), text("namespaces", "development")],
            ),
        ),
        link(
            "plugin-rollout",
            "production",
            "production, by helm".to_owned(),
            rollout(
                "smarterp-producao",
                vec![
                    text("output_as", "production"),
                    text("namespaces", "all"),
                    text("exclude", "development"),
                    text("uptimerobot_url", &world.uptime_url),
                    text("uptimerobot_key", &world.uptime_key),
                ],
            ),
        ),
    ]
}

/// Runs all links; `tell` hears of each before and after.
pub async fn run_chain(world: &World, tell: impl Fn(usize, &Link, Option<&Ran>)) -> Result<Vec<Ran>, Error> {
    let mut all = Vec::new();
    for (index, link) in chain(world).iter().enumerate() {
        tell(index, link, None);
        let ran = run_link(world, link).await?;
        tell(index, link, Some(&ran));
        all.push(ran);
    }
    Ok(all)
}

/// Runs one link, and what people do after it.
pub async fn run_link(world: &World, link: &Link) -> Result<Ran, Error> {
    if link.checkout {
        check_out(world, &world.workspace().join("chart"))?;
    }
    let (fresh, kept) = (world.reports().join(".now").join(link.output), world.reports().join(link.output));
    remove_folder(&fresh)?;
    let begun = Instant::now();
    let ended = run_plugin(world, link, &fresh).await?;
    let elapsed = begun.elapsed();
    let report = keep_report(&fresh, &kept);
    if ended.code != 0 {
        return Err(failure(link.plugin, &ended));
    }
    let report = report?;
    let outputs = plugin::outputs(&world.workspace(), link.output)?;
    if let Some(repository) = &link.merged_in {
        merge(world, repository).await?;
    }
    let of_report = |key: &str| report["report"][key].as_str().unwrap_or_default().to_owned();
    Ok(Ran {
        plugin: link.plugin,
        summary: of_report("summary"),
        ending: of_report("ending"),
        elapsed,
        log: ended.log,
        pull_request: outputs["url"].as_str().filter(|url| !url.is_empty()).map(str::to_owned),
    })
}

async fn run_plugin(world: &World, link: &Link, reports: &Path) -> Result<Ended, Error> {
    let reports = ("report_dir", reports.display().to_string());
    let settings: Vec<_> = link.settings.iter().cloned().chain([reports]).collect();
    let name = link.plugin;
    let mut command = plugin::command(name, &world.workspace(), &settings)?;
    command.envs(link.variables.iter().cloned());
    let output = tokio::task::spawn_blocking(move || command.output()).await;
    let attempt = || format!("cannot run {name}");
    Ok(Ended::of(&output.attempting(attempt)?.attempting(attempt)?))
}

fn failure(plugin: &str, ended: &Ended) -> Error {
    Error::new(format!("{plugin} failed with exit code {}. It said:\n{}", ended.code, indented(&ended.log)))
}

/// Puts the report of a run into the place of the step's last one, unless there was nothing to do: a second run of the demo must not hide
/// what the first one did.
fn keep_report(fresh: &Path, kept: &Path) -> Result<Value, Error> {
    let report = read_json(&fresh.join("report.json"))?;
    if report["report"]["ending"] == "nothing_to_do" && kept.exists() {
        remove_folder(fresh)?;
        return Ok(report);
    }
    remove_folder(kept)?;
    fs::rename(fresh, kept).attempting(|| format!("cannot keep the report in `{}`", kept.display()))?;
    Ok(report)
}

pub(super) fn remove_folder(folder: &Path) -> Result<(), Error> {
    match folder.exists() {
        true => fs::remove_dir_all(folder).attempting(|| format!("cannot remove `{}`", folder.display())),
        false => Ok(()),
    }
}

/// The owner reads the pull request and merges it.
pub(super) async fn merge(world: &World, repository: &str) -> Result<(), Error> {
    let git = world.git()?;
    for open in git.pull_requests(repository).await?.iter().filter(|one| one.state == "open") {
        git.merge(repository, open.number).await?;
    }
    Ok(())
}

/// The chart's repository as it is now, in a folder that is made anew.
pub(super) fn check_out(world: &World, folder: &Path) -> Result<(), Error> {
    remove_folder(folder)?;
    let url = format!("{}/{}/{}.git", world.git_url, world.git_owner, world.chart_repository());
    let mut git = process::command("git");
    git.args(["clone", "--quiet", "--depth", "1", "--branch", "develop", &url]).arg(folder);
    process::output(git, "").map(drop)
}

fn read_json(path: &Path) -> Result<Value, Error> {
    let attempt = || format!("cannot read `{}`", path.display());
    serde_json::from_slice(&fs::read(path).attempting(attempt)?).attempting(attempt)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept_after(endings: &[&str]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let (fresh, kept) = (folder.path().join("fresh"), folder.path().join("kept"));
        for (number, ending) in endings.iter().enumerate() {
            fs::create_dir(&fresh).unwrap();
            let report = serde_json::json!({ "report": { "ending": ending, "summary": number.to_string() } });
            fs::write(fresh.join("report.json"), report.to_string()).unwrap();
            assert_eq!(keep_report(&fresh, &kept).unwrap(), report);
            assert!(!fresh.exists());
        }
        read_json(&kept.join("report.json")).unwrap()["report"]["summary"].as_str().unwrap().to_owned()
    }

    #[test]
    fn the_report_of_the_last_run_that_did_something_is_kept() {
        assert_eq!(kept_after(&["nothing_to_do"]), "0");
        assert_eq!(kept_after(&["done", "nothing_to_do", "nothing_to_do"]), "0");
        assert_eq!(kept_after(&["done", "failed", "nothing_to_do"]), "1");
    }

    #[test]
    fn a_failed_step_is_told_once() {
        let ended = Ended { code: 1, log: "plugin-rpo 0.1.0\nerror: no base\n".to_owned() };
        assert_eq!(
            failure("plugin-rpo", &ended).to_string(),
            "plugin-rpo failed with exit code 1. It said:\n  plugin-rpo 0.1.0\n  error: no base"
        );
    }
}
