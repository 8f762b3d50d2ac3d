//! Every plugin treats bad settings and absent counterparts alike: one clear message, the right exit code, nothing touched, no panic.

use std::path::{Path, PathBuf};

use lab::plugin::{self, Ended};
use lab::standin::appserver;
use lab::{folder, ports};

/// What a plugin needs at least, with counterparts that are not there, and a setting of it that is not a text.
pub(crate) struct Case {
    pub(crate) plugin: &'static str,
    pub(crate) required: &'static [&'static str],
    pub(crate) minimal: Vec<(&'static str, String)>,
    wrong_type: (&'static str, &'static str),
}

pub(crate) fn cases(workspace: &Path, nowhere: u16) -> Vec<Case> {
    let bucket =
        || vec![("bucket", "s3://nothing".to_owned()), ("endpoint", format!("http://127.0.0.1:{nowhere}"))];
    let text = |name, value: &str| (name, value.to_owned());
    let kubeconfig = format!(
        "{{\"clusters\":[{{\"name\":\"c\",\"cluster\":{{\"server\":\"http://127.0.0.1:{nowhere}\"}}}}],\"users\":[{{\"name\":\"u\",\"user\":{{}}}}],\"contexts\":[{{\"name\":\"x\",\"context\":{{\"cluster\":\"c\",\"user\":\"u\"}}}}],\"current-context\":\"x\"}}"
    );
    std::fs::create_dir_all(workspace.join("components")).unwrap();
    std::fs::create_dir_all(workspace.join("chart")).unwrap();
    std::fs::write(workspace.join("chart/Chart.yaml"), "apiVersion: v2\nname: web\nversion: 0.0.0\n")
        .unwrap();
    std::fs::write(workspace.join("chart/VERSION"), "1.0.0\n").unwrap();
    let server = workspace.join("appserver");
    appserver::install(&server).unwrap();
    let rpo = [
        text("release", "12.1.2410"),
        text("rpo_source", "base"),
        ("appserver", server.display().to_string()),
    ];
    vec![
        Case {
            plugin: "plugin-rpo",
            required: &["PLUGIN_BUCKET", "PLUGIN_RELEASE", "PLUGIN_RPO_SOURCE", "PLUGIN_APPSERVER"],
            minimal: [bucket(), rpo.to_vec()].concat(),
            wrong_type: ("gera_mi", "perhaps"),
        },
        Case {
            plugin: "plugin-package",
            required: &["PLUGIN_BUCKET", "PLUGIN_SOURCE"],
            minimal: [bucket(), vec![text("source_prefix", "components")]].concat(),
            wrong_type: ("compression", "strong"),
        },
        Case {
            plugin: "plugin-image-bump",
            required: &["PLUGIN_GIT_SERVER", "PLUGIN_GIT_TOKEN", "PLUGIN_REPOSITORY"],
            minimal: vec![
                ("git_server", format!("http://127.0.0.1:{nowhere}")),
                text("git_token", "secret-token"),
                text("repository", "erp/images"),
                text("components", "{\"rpo\":\"1\"}"),
            ],
            wrong_type: ("components", "rpo=1"),
        },
        Case {
            plugin: "plugin-chart-publish",
            required: &["PLUGIN_BUCKET"],
            minimal: [
                bucket(),
                vec![text("chart", "chart"), ("helm", lab::tool("helm").unwrap().display().to_string())],
            ]
            .concat(),
            wrong_type: ("conflict_timeout", "soon"),
        },
        Case {
            plugin: "plugin-rollout",
            required: &["PLUGIN_PROFILE", "PLUGIN_VERSION", "PLUGIN_NAMESPACES"],
            minimal: vec![
                text("profile", "smarterp-release"),
                text("version", "12.1.2410"),
                text("namespaces", "acme"),
                ("kubeconfig", kubeconfig),
            ],
            wrong_type: ("concurrency", "many"),
        },
    ]
}

fn run(case: &Case, workspace: &Path, settings: &[(&str, String)]) -> Ended {
    let ended = plugin::run(case.plugin, workspace, settings).unwrap();
    assert!(!ended.log.contains("panicked"), "{}", ended.log);
    ended
}

fn files(folder: &Path) -> Vec<PathBuf> {
    walkdir::WalkDir::new(folder)
        .sort_by_file_name()
        .into_iter()
        .map(|entry| entry.unwrap().into_path())
        .collect()
}

#[test]
fn bad_settings_exit_2_name_everything_at_once_and_touch_nothing() {
    let workspace = folder::temporary("settings").unwrap();
    let cases = cases(&workspace, ports::free().unwrap());
    let mut plugins: Vec<_> = cases.iter().map(|case| case.plugin).collect();
    plugins.sort_unstable();
    assert_eq!(plugins, plugin::all().unwrap(), "a case per plugin");
    let before = files(&workspace);
    for case in &cases {
        let none = run(case, &workspace, &[]);
        assert_eq!(none.code, 2, "{}: {}", case.plugin, none.log);
        for name in case.required {
            assert!(none.log.contains(name), "{}: {name} is not named:\n{}", case.plugin, none.log);
        }
        let (wrong, value) = case.wrong_type;
        let mut settings = case.minimal.clone();
        settings.retain(|(name, _)| *name != wrong);
        settings.extend([
            (wrong, value.to_owned()),
            ("dry_rum", "true".to_owned()),
            ("log_level", "loud".to_owned()),
        ]);
        let bad = run(case, &workspace, &settings);
        assert_eq!(bad.code, 2, "{}: {}", case.plugin, bad.log);
        for text in [
            format!("PLUGIN_{}", wrong.to_uppercase()),
            format!("`{value}`"),
            "did you mean `PLUGIN_DRY_RUN`".into(),
            "PLUGIN_LOG_LEVEL".into(),
        ] {
            assert!(bad.log.contains(&text), "{}: {text} is not said:\n{}", case.plugin, bad.log);
        }
        assert!(
            bad.log.contains("3 settings cannot be used; nothing was touched"),
            "{}: {}",
            case.plugin,
            bad.log
        );
    }
    assert_eq!(files(&workspace), before, "nothing was written");
}

#[test]
fn an_absent_counterpart_is_one_clear_message() {
    let workspace = folder::temporary("settings").unwrap();
    for case in cases(&workspace, ports::free().unwrap()) {
        let ended = run(&case, &workspace, &case.minimal);
        assert!([1, 75].contains(&ended.code), "{}: exit code {}\n{}", case.plugin, ended.code, ended.log);
        assert_eq!(
            ended.log.lines().filter(|line| line.starts_with("error: ")).count(),
            1,
            "{}: {}",
            case.plugin,
            ended.log
        );
        assert!(ended.log.contains("127.0.0.1"), "{}: it does not say where:\n{}", case.plugin, ended.log);
        assert!(!ended.log.contains("secret-token"), "{}: {}", case.plugin, ended.log);
    }
}

#[test]
fn a_server_that_is_not_there_names_the_setting_with_its_address() {
    let workspace = folder::temporary("settings").unwrap();
    let nowhere = format!("http://127.0.0.1:{}", ports::free().unwrap());
    let cases = cases(&workspace, 1);
    let bump = cases.iter().find(|case| case.plugin == "plugin-image-bump").unwrap();
    for server in [&nowhere, "http://git.invalid"] {
        let mut settings = bump.minimal.clone();
        settings.retain(|(name, _)| *name != "git_server");
        settings.push(("git_server", server.to_owned()));
        let ended = run(bump, &workspace, &settings);
        assert_eq!(ended.code, 75, "{}", ended.log);
        for said in ["error: cannot read the repository `erp/images`\n", "hint: is `git_server` right"] {
            assert!(ended.log.contains(said), "{said} is not in:\n{}", ended.log);
        }
        assert!(!ended.log.contains("where this run stopped"), "nothing had begun:\n{}", ended.log);
    }
    std::fs::create_dir_all(workspace.join("components/web")).unwrap();
    std::fs::write(workspace.join("components/web/VERSION"), "1.0\n").unwrap();
    let bucket = folder::temporary("bucket").unwrap();
    let ended = plugin::run(
        "plugin-package",
        &workspace,
        &[
            ("bucket", format!("file://{}", bucket.display())),
            ("source", "components".to_owned()),
            ("trigger", "erp/images".to_owned()),
            ("ci_server", "drone".to_owned()),
            ("ci_url", nowhere),
            ("ci_token", "a-token-of-nobody".to_owned()),
        ],
    )
    .unwrap();
    assert_eq!(ended.code, 75, "{}", ended.log);
    assert!(ended.log.contains("hint: is `ci_url` right"), "{}", ended.log);
}

#[test]
fn a_rollout_without_access_to_a_cluster_names_the_settings_that_give_it() {
    let workspace = folder::temporary("settings").unwrap();
    let cases = cases(&workspace, 1);
    let rollout = cases.iter().find(|case| case.plugin == "plugin-rollout").unwrap();
    for (kubeconfig, said) in [(None, "this is no pod"), (Some("absent/kubeconfig"), "absent/kubeconfig")] {
        let mut settings = rollout.minimal.clone();
        settings.retain(|(name, _)| *name != "kubeconfig");
        settings.extend(kubeconfig.map(|path| ("kubeconfig", path.to_owned())));
        let ended = run(rollout, &workspace, &settings);
        assert_eq!(ended.code, 2, "{}", ended.log);
        for said in [said, "hint: set `kubeconfig`", "or `server` and `token`"] {
            assert!(ended.log.contains(said), "{said} is not in:\n{}", ended.log);
        }
    }
}

#[test]
fn an_absent_output_says_which_step_must_run_or_what_hands_it_on() {
    let workspace = folder::temporary("settings").unwrap();
    let run = |release: &str| {
        let settings = [("bucket", "file:///tmp"), ("source", "components"), ("release", release)];
        plugin::run("plugin-package", &workspace, &[&settings[..], &[("log_level", "loud")]].concat())
            .unwrap()
    };
    let hint = "must run before this one in the same workspace; in another pipeline, both need the same `handoff` and `bucket`";
    let (absent, other) = (run("@rpo.version"), run("12.1.2410"));
    assert_eq!((absent.code, other.code), (2, 2), "{}", absent.log);
    assert!(absent.log.contains(hint), "{}", absent.log);
    assert!(!other.log.contains(hint), "{}", other.log);
}

#[test]
fn a_place_for_reports_outside_by_a_relative_path_is_refused_and_one_that_cannot_be_written_says_so() {
    let workspace = folder::temporary("settings").unwrap();
    std::fs::create_dir_all(workspace.join("components/web")).unwrap();
    std::fs::write(workspace.join("components/web/VERSION"), "1.0\n").unwrap();
    std::fs::write(workspace.join("file"), "").unwrap();
    let bucket = folder::temporary("bucket").unwrap().display().to_string();
    let run = |reports: &str| {
        let bucket = format!("file://{bucket}");
        let settings = [("bucket", &*bucket), ("source", "components"), ("report_dir", reports)];
        plugin::run("plugin-package", &workspace, &settings).unwrap()
    };
    let outside = run("../outside");
    assert_eq!(outside.code, 2, "{}", outside.log);
    let said = "PLUGIN_REPORT_DIR: expected a folder in the workspace, or an absolute path; got `../outside`";
    assert!(outside.log.contains(said), "{}", outside.log);
    assert!(!workspace.join("../outside").exists());

    let unwritable = run("file/reports");
    assert_eq!(unwritable.code, 1, "{}", unwritable.log);
    assert!(unwritable.log.contains("hint: set `report_dir` to a folder"), "{}", unwritable.log);

    let elsewhere = folder::temporary("reports").unwrap();
    let absolute = run(&elsewhere.display().to_string());
    assert_eq!(absolute.code, 0, "{}", absolute.log);
    assert!(absolute.log.contains("the mirror has the component already"), "{}", absolute.log);
    assert!(elsewhere.join("report.json").exists());
}

#[test]
fn help_lists_every_setting() {
    let workspace = folder::temporary("settings").unwrap();
    for case in cases(&workspace, 1) {
        let mut command = plugin::command::<&str>(case.plugin, &workspace, &[]).unwrap();
        let help = lab::process::output(
            {
                command.arg("--help");
                command
            },
            "",
        )
        .unwrap();
        for name in case.required.iter().chain(&["PLUGIN_DRY_RUN"]) {
            assert!(help.contains(name), "{help}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_credentials_are_no_temporary_failure() {
    let s3 = lab::s3();
    let workspace = folder::temporary("settings").unwrap();
    let settings = [
        ("bucket", format!("s3://{}", s3.create_bucket().await.unwrap())),
        ("endpoint", s3.endpoint().to_owned()),
        ("access_key", s3.access_key().to_owned()),
        ("secret_key", "not-the-secret-key".to_owned()),
        ("source_prefix", "components".to_owned()),
    ];
    let ended = plugin::run("plugin-package", &workspace, &settings).unwrap();
    assert_eq!(ended.code, 1, "{}", ended.log);
    assert!(ended.log.contains("refused the credentials"), "{}", ended.log);
    assert!(!ended.log.contains("not-the-secret-key"), "{}", ended.log);
}

/// The forms in which values arrive (`PLUGIN_` name and value), and what a run of plugin-package says of them: a plan, or a problem.
const ARRIVING: &[(&str, &str, &str)] = &[
    ("DRY-RUN", "true", "web 1.0: upload"),
    ("DRY.RUN", "true", "web 1.0: upload"),
    ("DRYRUN", "true", "did you mean `PLUGIN_DRY_RUN`, in YAML `dry_run`?"),
    ("DRY_RUN", "T", "web 1.0: upload"),
    ("DRY_RUN", "on", "web 1.0: upload"),
    ("DRY_RUN", "1", "web 1.0: upload"),
    ("COMPONENTS", "web", "web 1.0: upload"),
    ("COMPONENTS", "web,", "web 1.0: upload"),
    ("COMPONENTS", "web\napi\n", "api 2.0: upload"),
    ("COMPONENTS", "web,api", "api 2.0: upload"),
    ("COMPONENTS", "[\"web\", \"api\"]", "api 2.0: upload"),
    ("COMPONENTS", "[\"api\",{\"foo\":null}]", "PLUGIN_COMPONENTS: expected a list of texts"),
    ("COMPONENTS", "", "api 2.0: upload"),
    ("COMPRESSION", "9", "web 1.0: upload"),
    ("COMPRESSION", "1e+06", "PLUGIN_COMPRESSION: expected a number from `0` to `9`"),
    ("CLAIM_TIMEOUT", "90", "web 1.0: upload"),
    ("CLAIM_TIMEOUT", "1e+06", "web 1.0: upload"),
    ("CLAIM_TIMEOUT", "1.5h", "web 1.0: upload"),
    ("MIRROR", "a/${DRONE_TAG}", "PLUGIN_MIRROR: still contains `${DRONE_TAG}`"),
    ("MIRROR", "{\"from_secret\":\"x\"}", "PLUGIN_MIRROR: still contains `from_secret`"),
    ("MIRROR", "about/from_secret", "upload `about/from_secret/"),
    ("ARTIFACT_FILE", "/tmp/artifact", "web 1.0: upload"),
    ("RPO_SOURCE", "base", "they belong to other plugins of Esteira: PLUGIN_RPO_SOURCE"),
];

#[test]
fn values_mean_the_same_in_every_form_in_which_they_arrive() {
    let workspace = folder::temporary("settings").unwrap();
    for (name, version) in [("web", "1.0\n"), ("api", "2.0\n")] {
        let folder = workspace.join("components").join(name);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("VERSION"), version).unwrap();
    }
    let bucket = folder::temporary("bucket").unwrap();
    for (name, value, said) in ARRIVING {
        let settings =
            [("bucket", format!("file://{}", bucket.display())), ("source", "components".to_owned())];
        let mut command = plugin::command("plugin-package", &workspace, &settings).unwrap();
        if !name.starts_with("DRY") || *name == "DRYRUN" {
            command.env("PLUGIN_DRY_RUN", "true");
        }
        let ended = Ended::of(&command.env(format!("PLUGIN_{name}"), value).output().unwrap());
        assert!(ended.log.contains(said), "PLUGIN_{name}={value}: {said} is not in:\n{}", ended.log);
        let is_refused =
            said.contains(": expected") || said.contains("still contains") || said.contains("did you mean");
        assert_eq!(ended.code, if is_refused { 2 } else { 0 }, "PLUGIN_{name}={value}: {}", ended.log);
    }
    assert_eq!(files(&bucket).len(), 1, "they were dry runs");
    lab::figures::note("settings", "forms of values that arrive from CI servers", ARRIVING.len() as u64)
        .unwrap();
}

#[test]
fn a_config_file_in_a_windows_code_page_is_read_and_its_problems_stand_with_the_others() {
    let workspace = folder::temporary("settings").unwrap();
    let bad = b"# expedi\xe7\xe3o\r\nRELEASE=1\r\nrelease=2\r\nGERAMI=talvez # \xe0s vezes\r\njust words\r\n";
    std::fs::write(workspace.join(".config"), bad).unwrap();
    let ended = plugin::run("plugin-package", &workspace, &[("dry_rum", "true")]).unwrap();
    assert_eq!(ended.code, 2, "{}", ended.log);
    let problems = [
        ".config: is not UTF-8, read as windows-1252",
        ".config line 3: `RELEASE` is set twice (in line 2 too); which one is meant?",
        ".config line 5: expected `KEY=VALUE` or a `#` comment",
        "PLUGIN_GERA_MI: expected `true` or `false`; got `talvez` (from `GERAMI` in `.config`, line 4)",
        "PLUGIN_DRY_RUM: no such setting; did you mean `PLUGIN_DRY_RUN`?",
        "PLUGIN_BUCKET: required",
    ];
    for said in problems {
        assert!(ended.log.contains(said), "{said} is not in:\n{}", ended.log);
    }
    let what = "kinds of problems of one run told together";
    lab::figures::note("settings", what, problems.len() as u64).unwrap();
}
