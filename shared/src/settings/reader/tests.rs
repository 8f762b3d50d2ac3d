mod encoders;

use serde::Deserialize;

use super::*;
use crate::settings::parse;

const SETTINGS: &[Setting] = &[
    Setting::new("release", "a release", "").config("RELEASE"),
    Setting::new("namespace", "a name", ""),
    Setting::new("kube_token", "a token", "").secret(),
    Setting::new("timeout", "a time span", ""),
];

#[derive(Default, Deserialize)]
struct Raw {
    release: Option<String>,
    namespace: Option<String>,
    kube_token: Option<String>,
    timeout: Option<String>,
}

fn problems(env: &Env) -> Vec<String> {
    let mut reader = Reader::new(env, &[SETTINGS]);
    let raw: Raw = reader.raw();
    let _ = reader.required("namespace", raw.namespace, parse::text);
    let _ = reader.optional("timeout", raw.timeout, parse::duration);
    let _ = reader.optional("kube_token", raw.kube_token, parse::boolean);
    let _ = reader.optional("release", raw.release, parse::version);
    match reader.finish(|| Some(())) {
        Ok(()) => Vec::new(),
        Err(problems) => {
            problems.0.iter().map(|problem| format!("{}: {}", problem.name, problem.text)).collect()
        }
    }
}

#[test]
fn reports_every_problem_at_once_and_hides_secrets() {
    let env =
        Env::of(&[("PLUGIN_NAMESPCE", "x"), ("PLUGIN_TIMEOUT", "soon"), ("PLUGIN_KUBE_TOKEN", "hunter2")]);
    assert_eq!(
        problems(&env),
        [
            "PLUGIN_NAMESPCE: no such setting; did you mean `PLUGIN_NAMESPACE`?",
            "PLUGIN_NAMESPACE: required, but not set (an empty value counts as not set)",
            "PLUGIN_TIMEOUT: expected a number and a unit such as `90s`, `5m` or `1h30m`; got `soon`",
            "PLUGIN_KUBE_TOKEN: expected `true` or `false`; got a value that is hidden here",
        ]
    );
}

#[test]
fn a_setting_wins_over_the_config_file() {
    let file = "RELEASE=12.1.2310\nFOO=bar\n";
    let read = |env: Env| {
        let mut reader = Reader::new(&env, &[SETTINGS]);
        reader.raw::<Raw>().release
    };
    assert_eq!(read(Env::of(&[]).with_config_file(file)).as_deref(), Some("12.1.2310"));
    assert_eq!(read(Env::of(&[("PLUGIN_RELEASE", "2")]).with_config_file(file)).as_deref(), Some("2"));
}

#[test]
fn of_the_build_parameters_only_the_release_counts() {
    const SETTINGS: &[Setting] = &[
        Setting::new("release", "", "").config("RELEASE"),
        Setting::new("timeout", "", "").config("TIMEOUT"),
    ];
    let env = Env::of(&[("PLUGIN_RELEASE", "1"), ("RELEASE", "2"), ("TIMEOUT", "9s")]);
    let raw: Raw = Reader::new(&env, &[SETTINGS]).raw();
    assert_eq!((raw.release.as_deref(), raw.timeout), (Some("2"), None));
}

#[test]
fn takes_outputs_of_earlier_steps_and_says_when_they_are_absent() {
    let env = Env::of(&[("PLUGIN_NAMESPACE", "@rpo.version"), ("PLUGIN_RELEASE", "@rpo.nothing")])
        .with_output("rpo", "version", "12.1");
    assert_eq!(
        problems(&env),
        [
            "PLUGIN_RELEASE: `@rpo.nothing` asks for `nothing` in `.esteira/rpo.json`, which has only `version`"
        ]
    );
    let env = Env::of(&[("PLUGIN_NAMESPACE", "@rpo.version")]);
    assert_eq!(
        problems(&env),
        [
            "PLUGIN_NAMESPACE: `@rpo.version` asks for `.esteira/rpo.json`, which no earlier step wrote in this workspace (there: nothing)"
        ]
    );
}

#[test]
fn a_reference_without_a_key_is_a_problem_and_a_password_is_none() {
    let of = |password| problems(&Env::of(&[("PLUGIN_NAMESPACE", "@rpo"), ("PLUGIN_KUBE_TOKEN", password)]));
    assert_eq!(
        of("@true"),
        [
            "PLUGIN_NAMESPACE: expected `@step.key`, an output of an earlier step; got `@rpo`",
            "PLUGIN_KUBE_TOKEN: expected `true` or `false`; got a value that is hidden here"
        ]
    );
    let hidden = "PLUGIN_KUBE_TOKEN: a value that is hidden here asks with `@step.key` for an output that no earlier step has";
    let told = of("@hunter2.foo");
    assert!(told.iter().any(|text| text == hidden) && !told.concat().contains("hunter2"), "{told:?}");
}

#[test]
fn files_that_are_there_but_cannot_be_read_are_told() {
    let workspace = tempfile::tempdir().unwrap();
    std::fs::create_dir(workspace.path().join(".config")).unwrap();
    std::fs::create_dir(workspace.path().join(".esteira")).unwrap();
    std::fs::write(workspace.path().join(".esteira/rpo.json"), "{\"version\": \"12").unwrap();
    let variables = [("PLUGIN_NAMESPACE".to_owned(), "@rpo.version".to_owned())].into();
    let problems = problems(&Env::in_workspace(variables, workspace.path().to_owned()));
    assert!(problems[0].starts_with(".config: is there, but cannot be read: "), "{problems:?}");
    let unreadable = "PLUGIN_NAMESPACE: `@rpo.version` asks for an output of `rpo`: `.esteira/rpo.json` is there, but cannot be read: ";
    assert!(problems[1].starts_with(unreadable), "{problems:?}");
    assert_eq!(problems.len(), 2, "{problems:?}");
}

#[test]
fn an_address_is_shown_without_what_may_be_secret() {
    for (address, shown) in [
        ("https://bot:pw@host/?key=x", "https://[hidden]@host/?[hidden]"),
        ("https://bot:p/w?@host/a", "https://[hidden]@host/a"),
        ("ftp://host/a#token", "ftp://host/a#[hidden]"),
        ("file:///bucket", "file:///bucket"),
        ("bot@host", "bot@host"),
    ] {
        assert_eq!(without_credentials(address), shown);
    }
    let problems =
        problems(&Env::of(&[("PLUGIN_NAMESPACE", "n"), ("PLUGIN_TIMEOUT", "https://bot:pw@host/?key=x")]));
    assert!(problems[0].ends_with("got `https://[hidden]@host/?[hidden]`"), "{problems:?}");
}

#[test]
fn explains_a_secret_that_drone_did_not_replace() {
    let env = Env::of(&[("PLUGIN_NAMESPACE", "n"), ("PLUGIN_KUBE_TOKEN", "{\"a\":{\"from_secret\":\"x\"}}")]);
    assert!(problems(&env)[0].contains("still contains `from_secret`"));
}

#[test]
fn a_siblings_setting_is_no_problem() {
    assert_eq!(
        problems(&Env::of(&[("PLUGIN_NAMESPACE", "n"), ("PLUGIN_RPO_SOURCE", "x")])),
        Vec::<String>::new()
    );
}

#[test]
fn a_problem_with_a_line_of_the_config_file_says_so() {
    const SETTINGS: &[Setting] = &[
        Setting::duration("timeout", "").config("TIMEOUT"),
        Setting::new("release", "", "").config("RELEASE"),
        Setting::boolean("flag", "").config("FLAG"),
    ];
    #[derive(Default, Deserialize)]
    struct Raw {
        timeout: Option<String>,
        release: Option<String>,
        flag: Option<String>,
    }
    let file = "# release\nTIMEOUT=soon\nFLAG=maybe\nrelease=1\nnothing\nRELEASE=2\n";
    let env = Env::of(&[("PLUGIN_FLAG", "perhaps"), ("RELEASE", "a+b"), ("PLUGIN_TIMOUT", "1")])
        .with_config_file(file);
    let mut read = Reader::new(&env, &[SETTINGS]);
    let raw: Raw = read.raw();
    let _ = read.optional("timeout", raw.timeout, parse::duration);
    let _ = read.optional("release", raw.release, parse::version);
    let _ = read.optional("flag", raw.flag, parse::boolean);
    let problems = read.finish(|| Some(())).unwrap_err().to_string();
    for said in [
        "6 settings cannot be used",
        ".config line 5: expected `KEY=VALUE`",
        ".config line 6: `RELEASE` is set twice (in line 4 too)",
        "PLUGIN_TIMOUT: no such setting; did you mean",
        "got `soon` (from `TIMEOUT` in `.config`, line 2)",
        "(from the build parameter `RELEASE`)",
        "PLUGIN_FLAG: expected `true` or `false`; got `perhaps`\n",
    ] {
        assert!(format!("{problems}\n").contains(said), "{said} is not in: {problems}");
    }
}

#[test]
fn a_document_in_base64_is_hidden_in_every_form() {
    const SETTINGS: &[Setting] =
        &[Setting::of("kubeconfig", crate::settings::Takes::Document("a path or text"), "")
            .secret_document()];
    // {"token": "hunter2hunter2hunter2"}
    let env = Env::of(&[("PLUGIN_KUBECONFIG", "eyJ0b2tlbiI6ICJodW50ZXIyaHVudGVyMmh1bnRlcjIifQ==")]);
    let read = Reader::new(&env, &[SETTINGS]);
    let secrets: Vec<&str> = read.secrets().collect();
    assert_eq!(
        secrets,
        ["eyJ0b2tlbiI6ICJodW50ZXIyaHVudGVyMmh1bnRlcjIifQ==", "{\"token\": \"hunter2hunter2hunter2\"}"]
    );
    assert_eq!(read.shown("kubeconfig"), "a value that is hidden here");
}

#[test]
fn the_settings_of_all_plugins_are_described_and_typed() {
    use crate::settings::{COMMON, RawCommon, disagreements};
    // `ca_file` is read with what else the network needs.
    let own: Vec<Setting> = COMMON.iter().copied().filter(|setting| setting.name != "ca_file").collect();
    assert_eq!(disagreements::<RawCommon>(&own), [""; 0]);
}

#[test]
fn what_may_name_outputs_of_this_step_is_left_to_whoever_uses_it() {
    use crate::settings::Takes;
    const SETTINGS: &[Setting] = &[
        Setting::of("early", Takes::Map("texts"), ""),
        Setting::of("late", Takes::Map("texts"), "").own_outputs_too(),
    ];
    #[derive(Default, Deserialize)]
    struct Raw {
        early: Option<String>,
        late: Option<String>,
    }
    let value = "{\"a\":\"@rpo.version\"}";
    let env = Env::of(&[("PLUGIN_EARLY", value), ("PLUGIN_LATE", value)]).with_output("rpo", "version", "1");
    let raw: Raw = Reader::new(&env, &[SETTINGS]).raw();
    assert_eq!((raw.early.as_deref(), raw.late.as_deref()), (Some("{\"a\":\"1\"}"), Some(value)));
    let whole = Env::of(&[("PLUGIN_LATE", "@rpo.version")]).with_output("rpo", "version", "{}");
    let raw: Raw = Reader::new(&whole, &[SETTINGS]).raw();
    assert_eq!(raw.late.as_deref(), Some("{}"));
}
