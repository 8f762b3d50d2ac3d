use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::json;

use super::*;
use crate::bucket::BUCKET;
use crate::settings::{COMMON, Reader, Setting};

fn env(workspace: &Path, variables: &[(&str, String)]) -> Env {
    let variables: BTreeMap<_, _> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    Env::in_workspace(variables, workspace.to_owned())
}

fn common(env: &Env) -> Common {
    Common::read(&mut Reader::new(env, &[COMMON]), env)
}

async fn taken(env: &Env) -> Env {
    let (taken, error) = take(env.clone(), &common(env), &[COMMON], "rollout").await;
    assert!(error.is_none(), "{error:?}");
    taken
}

fn outputs() -> Map<String, Value> {
    json!({ "version": "12.1", "digests": {"a": "1"}, "note": "it's \"$5\"\nor so" })
        .as_object()
        .unwrap()
        .clone()
}

#[tokio::test]
async fn outputs_go_to_the_workspace_the_dotenv_file_and_the_servers_own() {
    let workspace = tempfile::tempdir().unwrap();
    let drone = workspace.path().join("drone.env");
    fs::write(&drone, "EARLIER=1").unwrap();
    let env = env(
        workspace.path(),
        &[("PLUGIN_OUTPUT_FILE", "out/values.env".into()), (DRONE_OUTPUT, drone.display().to_string())],
    );
    for _ in 0..2 {
        give(&env, &common(&env), "rpo", &outputs()).await.unwrap();
    }
    let read = |path: &str| fs::read_to_string(workspace.path().join(path)).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&read(".esteira/rpo.json")).unwrap(), Value::Object(outputs()));
    assert_eq!(
        read("out/values.env"),
        "version=12.1\ndigests=\"{\\\"a\\\":\\\"1\\\"}\"\nnote=\"it's \\\"\\$5\\\"\\nor so\"\n"
    );
    let lines = "version=12.1\ndigests=__B64__eyJhIjoiMSJ9\nnote=__B64__aXQncyAiJDUiCm9yIHNv\n";
    assert_eq!(read("drone.env"), format!("EARLIER=1\n{lines}{lines}"), "others' lines stay");
}

#[tokio::test]
async fn another_workspace_takes_them_from_the_bucket() {
    let (bucket, first, second) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let place = [
        ("PLUGIN_BUCKET", format!("file://{}", bucket.path().display())),
        ("PLUGIN_HANDOFF", "handoff/acme".into()),
        ("PLUGIN_DRY_RUN", "@rpo.version".into()),
        ("PLUGIN_LOG_LEVEL", "@chart.level".into()),
    ];
    let giver = env(first.path(), &place);
    give(&giver, &common(&giver), "rpo", &outputs()).await.unwrap();
    let object = bucket.path().join("handoff/acme/rpo.json");
    let before = fs::read(&object).unwrap();
    give(&giver, &common(&giver), "rpo", &outputs()).await.unwrap();
    assert_eq!(fs::read(&object).unwrap(), before, "what is there is not written again");

    let taker = env(second.path(), &place);
    let taken = taken(&taker).await;
    assert_eq!(taken.outputs()["rpo"].as_ref().unwrap()["version"], "12.1");
    let reason = taken.outputs()["chart"].as_ref().unwrap_err();
    assert!(
        reason.contains("`.esteira/chart.json`") && reason.contains("`handoff/acme/chart.json`"),
        "{reason}"
    );

    fs::write(&object, "{").unwrap();
    let strange = self::taken(&taker).await.outputs()["rpo"].clone().unwrap_err();
    assert!(strange.contains("`handoff/acme/rpo.json` in the bucket is not what"), "{strange}");
    give(&giver, &common(&giver), "rpo", &outputs()).await.unwrap();
    assert!(fs::read_to_string(&object).unwrap().contains("written_by"));
}

#[tokio::test]
async fn what_the_workspace_has_is_not_taken_from_the_bucket() {
    let (bucket, workspace) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let variables = [
        ("PLUGIN_BUCKET", format!("file://{}", bucket.path().display())),
        ("PLUGIN_HANDOFF", "h".into()),
        ("PLUGIN_DRY_RUN", "@rpo.version".into()),
    ];
    fs::create_dir(bucket.path().join("h")).unwrap();
    fs::write(bucket.path().join("h/rpo.json"), "never read").unwrap();
    fs::create_dir(workspace.path().join(".esteira")).unwrap();
    fs::write(workspace.path().join(".esteira/rpo.json"), "{\"version\": \"true\"}").unwrap();
    let env = env(workspace.path(), &variables);
    let taken = taken(&env).await;
    assert_eq!(taken.outputs()["rpo"].as_ref().unwrap()["version"], "true");
}

#[tokio::test]
async fn an_error_of_the_bucket_ends_a_run_only_if_nothing_else_is_wrong_with_its_settings() {
    let workspace = tempfile::tempdir().unwrap();
    let file = workspace.path().join("no-folder");
    fs::write(&file, "").unwrap();
    let settings: &[&[Setting]] = &[COMMON, BUCKET];
    let variables = [
        ("PLUGIN_BUCKET", format!("file://{}", file.display())),
        ("PLUGIN_HANDOFF", "h".into()),
        ("PLUGIN_OUTPUT_AS", "@rpo.version".into()),
    ];
    for (wrong, is_told_alone) in [("PLUGIN_REPORT_DIR", true), ("PLUGIN_DRYRUN", false)] {
        let env = env(workspace.path(), &[&variables[..], &[(wrong, "@chart.version".into())]].concat());
        let (env, error) = take(env.clone(), &common(&env), settings, "rollout").await;
        let error = error.unwrap();
        let exit = error.exit();
        let failure = Failure::from(Reader::new(&env, settings).finish(|| Some(())).unwrap_err());
        assert_eq!(failure.exit, Exit::Settings);
        let failure = error.or_other_problems(failure);
        assert_eq!(failure.source.is::<Error>(), is_told_alone, "{failure}");
        assert_eq!(failure.exit, if is_told_alone { exit } else { Exit::Settings });
    }
}
