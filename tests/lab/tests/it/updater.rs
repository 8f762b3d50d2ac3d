//! The updater does what a Job from CronJob `protheus-updater` asks for.

use std::time::Duration;

use lab::fixtures::{Customer, Environment, Tools, environment, package_chart};
use lab::standin::updater::updater;

/// An environment that wants `desired`; there is an updater.
async fn create(environment: Environment, desired: &str) -> Customer {
    updater();
    let tools = Tools::shared().unwrap();
    let client = lab::cluster().client().await.unwrap();
    let environment = environment.label("UpdaterDesiredVersion", desired);
    environment.create(&tools, &client).await.unwrap()
}

/// Creates the Job and waits for `condition`.
fn force_update(customer: &Customer, condition: &str) {
    let name = customer.name();
    let cluster = lab::cluster();
    cluster
        .kubectl(&["-n", name, "create", "job", "force-update", "--from=cronjob/protheus-updater"])
        .unwrap();
    let condition = format!("--for=condition={condition}");
    cluster.kubectl(&["-n", name, "wait", "job/force-update", &condition, "--timeout=60s"]).unwrap();
}

async fn state(customer: &Customer) -> (Option<String>, Option<String>) {
    (customer.label("BaseVersion").await.unwrap(), customer.config("UPDATER_STATUS").await.unwrap())
}

fn is(version: &str, status: &str) -> (Option<String>, Option<String>) {
    (Some(version.to_owned()), Some(status.to_owned()))
}

#[tokio::test]
async fn upgrades_to_the_desired_version_even_after_changes_by_others() {
    package_chart(&Tools::shared().unwrap(), "12.1.2310").await.unwrap();
    let name = lab::cluster().namespace("acme");
    let customer = create(environment(&name, "12.1.2210").changed_by_others(), "12.1.2310").await;
    force_update(&customer, "Complete");
    assert_eq!(state(&customer).await, is("12.1.2310", "OK"));
    let releases =
        lab::cluster().kubectl(&["-n", &name, "get", "secret", "-l", "owner=helm", "-o", "name"]).unwrap();
    // Once, not once more for every look at the Job.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(releases.lines().count(), 2, "{releases}");
}

#[tokio::test]
async fn says_that_it_failed() {
    let name = lab::cluster().namespace("globex");
    let customer = create(environment(&name, "12.1.2210"), "12.1.0").await;
    force_update(&customer, "Failed");
    assert_eq!(state(&customer).await, is("12.1.2210", "FAILED"));
}

#[tokio::test]
async fn leaves_an_environment_in_use_alone_unless_told_to_ignore_that() {
    package_chart(&Tools::shared().unwrap(), "12.1.2310").await.unwrap();
    for (ignore, expected) in [("false", "12.1.2210"), ("true", "12.1.2310")] {
        let name = lab::cluster().namespace("initech");
        let environment = environment(&name, "12.1.2210").in_use().label("UpdaterIgnoreUsing", ignore);
        let customer = create(environment, "12.1.2310").await;
        force_update(&customer, "Complete");
        assert_eq!(state(&customer).await, is(expected, "OK"));
    }
}
