//! One call makes an environment like production's, and real helm upgrades it as it does there.

use lab::fixtures::{Customer, Environment, Tools, environment, helm, package_chart};

async fn create(environment: Environment) -> (Tools, Customer) {
    let tools = Tools::shared().unwrap();
    let client = lab::cluster().client().await.unwrap();
    let customer = environment.create(&tools, &client).await.unwrap();
    (tools, customer)
}

async fn upgrade(
    tools: &Tools,
    customer: &Customer,
    version: &str,
    flags: &[&str],
) -> Result<String, lab::Error> {
    let chart = package_chart(tools, version).await.unwrap();
    let name = customer.name();
    let arguments = ["upgrade", name, chart.to_str().unwrap(), "--namespace", name];
    helm(tools, &[arguments.as_slice(), flags].concat()).await
}

#[tokio::test]
async fn has_everything_that_the_procedures_know_of() {
    let name = lab::cluster().namespace("acme-development");
    let (_, customer) = create(environment(&name, "12.1.2210")).await;
    assert_eq!(customer.label("BaseVersion").await.unwrap().as_deref(), Some("12.1.2210"));
    assert_eq!(customer.config("UPDATER_STATUS").await.unwrap().as_deref(), Some("OK"));
    let replicas: Vec<_> = customer.replicas().await.unwrap().into_iter().collect();
    let expected = [
        ("protheus-appserver-homologacao-all", 0),
        ("protheus-carol-homologacao-all", 0),
        ("protheus-config-homologacao-all", 0),
        ("protheus-dbaccess", 1),
        ("protheus-license", 1),
        ("protheus-lockserver", 1),
        ("protheus-rest-homologacao-all", 0),
        ("protheus-sleeper", 1),
        ("protheus-webservice-homologacao-all", 0),
    ];
    assert_eq!(replicas, expected.map(|(name, number)| (name.to_owned(), number)));
    let listed = lab::cluster().kubectl(&["-n", &name, "get", "svc,cronjob", "-o", "name"]).unwrap();
    assert!(listed.contains("service/protheus-rest-homologacao-all-svc"), "{listed}");
    assert!(listed.contains("cronjob.batch/protheus-updater"), "{listed}");
    assert!(listed.contains("cronjob.batch/protheus-daily-backup"), "{listed}");
}

#[tokio::test]
async fn is_as_the_test_asks() {
    let name = lab::cluster().namespace("globex");
    let wanted = environment(&name, "12.1.2210").in_use().status("FAILED").without_label("External_id");
    let (tools, customer) = create(wanted.without_cron_job("protheus-updater").without_release()).await;
    assert_eq!(customer.replicas().await.unwrap()["protheus-appserver-producao-all"], 1);
    assert_eq!(customer.config("UPDATER_STATUS").await.unwrap().as_deref(), Some("FAILED"));
    assert_eq!(customer.label("External_id").await.unwrap(), None);
    assert_eq!(helm(&tools, &["list", "-q", "--namespace", &name]).await.unwrap(), "");
}

#[tokio::test]
async fn an_upgrade_keeps_what_the_updater_wrote() {
    let name = lab::cluster().namespace("initech");
    let (tools, customer) = create(environment(&name, "12.1.2210").status("UPDATING")).await;
    // Not forced: that the ConfigMap was written by others is no conflict.
    upgrade(&tools, &customer, "12.1.2310", &[]).await.unwrap();
    assert_eq!(customer.config("UPDATER_STATUS").await.unwrap().as_deref(), Some("UPDATING"));
    let listed = helm(&tools, &["list", "--namespace", &name]).await.unwrap();
    assert!(listed.contains("smarterp-12.1.2310"), "{listed}");
}

#[tokio::test]
async fn what_others_changed_is_a_conflict_unless_forced() {
    let name = lab::cluster().namespace("umbrella");
    let (tools, customer) = create(environment(&name, "12.1.2210").changed_by_others()).await;
    let error = upgrade(&tools, &customer, "12.1.2310", &[]).await.unwrap_err().to_string();
    assert!(error.contains("conflict occurred while applying object"), "{error}");
    lab::cluster().kubectl(&["-n", &name, "delete", "deployment", "--all"]).unwrap();
    // The Services are still there with an annotation of others.
    upgrade(&tools, &customer, "12.1.2310", &[]).await.unwrap_err();
    upgrade(&tools, &customer, "12.1.2310", &["--server-side=true", "--force-conflicts"]).await.unwrap();
    assert_eq!(customer.replicas().await.unwrap()["protheus-license"], 1);
}
