//! What is accepted, and what is said about the rest.

use shared::settings::disagreements;

use super::*;

const MINIMAL: [(&str, &str); 3] = [
    ("PLUGIN_GIT_SERVER", "https://git.example.com"),
    ("PLUGIN_GIT_TOKEN", "t"),
    ("PLUGIN_REPOSITORY", "team/images"),
];

fn read(more: &[(&str, &str)]) -> Result<Settings, Vec<String>> {
    let read = Settings::from_env(&Env::of(&[&MINIMAL[..], more].concat()));
    read.map_err(|problems| {
        problems.0.iter().map(|problem| format!("{}: {}", problem.name, problem.text)).collect()
    })
}

fn problems(more: &[(&str, &str)]) -> Vec<String> {
    read(more).unwrap_err()
}

#[test]
fn every_field_is_described_and_known_to_the_siblings() {
    assert_eq!(disagreements::<Raw>(OWN), [""; 0]);
}

#[test]
fn without_settings_all_required_ones_are_named() {
    let problems = Settings::from_env(&Env::of(&[])).unwrap_err();
    let names: Vec<&str> = problems.0.iter().map(|problem| problem.name.as_str()).collect();
    assert_eq!(names, ["PLUGIN_GIT_SERVER", "PLUGIN_GIT_TOKEN", "PLUGIN_REPOSITORY", "PLUGIN_COMPONENTS"]);
}

#[test]
fn what_should_change_is_sorted_by_file() {
    let settings = read(&[
        ("PLUGIN_COMPONENTS", "{\"web-files\": \"1.2\", \"rpo\": \"12.1.2310-1a2b\"}"),
        (
            "PLUGIN_VALUES",
            "{\"image.tag\": \"{version}\", \"sidecar\": \"registry.example.com/a:{version}\"}",
        ),
        ("PLUGIN_VALUES_FILE", "chart/values.yaml"),
        ("PLUGIN_VERSION_FILE", "VERSION"),
        ("PLUGIN_VERSION", "1.10"),
    ])
    .unwrap();
    let text = |text: &str| text.to_owned();
    let variables = [(text("RPO_VERSION"), text("12.1.2310-1a2b")), (text("WEB_FILES_VERSION"), text("1.2"))];
    let values = [("image.tag", "1.10"), ("sidecar", "registry.example.com/a:1.10")];
    let files = [
        (text("VERSION"), Wanted::Whole(text("1.10"))),
        (
            text("chart/values.yaml"),
            Wanted::Values(values.map(|(path, value)| (path.parse().unwrap(), text(value))).into()),
        ),
        (text("component-versions.mk"), Wanted::Variables(variables.into())),
    ];
    assert_eq!(settings.files, files.into());
    assert_eq!((settings.base.as_str(), settings.branch.as_str()), ("develop", "esteira/bump"));
}

#[test]
fn the_packages_versions_are_taken_as_they_are() {
    let versions = serde_json::json!({"smart.reports": "3.0"});
    let env = Env::of(&[&MINIMAL[..], &[("PLUGIN_COMPONENTS", "@package.versions")]].concat());
    let settings = Settings::from_env(&env.with_output("package", "versions", versions)).unwrap();
    let variables = [("SMART_REPORTS_VERSION".to_owned(), "3.0".to_owned())];
    assert_eq!(settings.files["component-versions.mk"], Wanted::Variables(variables.into()));
}

#[test]
fn nothing_to_set_needs_no_file() {
    assert!(read(&[("PLUGIN_COMPONENTS", "{}"), ("PLUGIN_VALUES", "{}")]).unwrap().files.is_empty());
}

#[test]
fn a_version_that_is_needed_must_be_there() {
    for more in [("PLUGIN_VERSION_FILE", "VERSION"), ("PLUGIN_VALUES", "{\"a\": \"{version}\"}")] {
        assert_eq!(
            problems(&[more]),
            ["PLUGIN_VERSION: required, but not set (an empty value counts as not set)"]
        );
    }
    let title = [("PLUGIN_COMPONENTS", "{}"), ("PLUGIN_TITLE", "Now {version}")];
    assert_eq!(problems(&title).len(), 1);
}

#[test]
fn a_number_is_no_version() {
    for (values, said) in [
        ("{\"a\": 1.10}", "else `1.10` becomes 1.1"),
        ("a=b", "expected a map of texts"),
        ("[1]", "expected a map of texts"),
    ] {
        assert!(problems(&[("PLUGIN_COMPONENTS", values)])[0].contains(said), "{values}");
    }
}

#[test]
fn what_would_do_harm_is_refused() {
    let components = ("PLUGIN_COMPONENTS", "{\"a\": \"1\"}");
    for (more, expected) in [
        (("PLUGIN_BRANCH", "develop"), "is the same as `base`"),
        (("PLUGIN_BRANCH", "a..b"), "a branch name"),
        (("PLUGIN_REPOSITORY", "a/b/c"), "`owner/name`"),
        (("PLUGIN_COMPONENTS", "{\"a-b\": \"1\", \"a.b\": \"2\"}"), "two components"),
        (("PLUGIN_COMPONENTS", "{\"a\": \"1 # x\"}"), "a version such as"),
        (("PLUGIN_COMPONENTS", "{\"a b\": \"1\"}"), "a component name"),
        (("PLUGIN_COMPONENTS_VARIABLE", "VERSION"), "`{COMPONENT}`"),
        (("PLUGIN_COMPONENTS_FILE", "../x"), "a path"),
        (("PLUGIN_VALUES", "{\"a..b\": \"1\"}"), "a path such as"),
        (("PLUGIN_VALUES", "{\"a\": \"1\\n2\"}"), "on one line"),
        (("PLUGIN_TITLE", "a\nb"), "on one line"),
        (("PLUGIN_AUTHOR_NAME", "A"), "need each other"),
        (("PLUGIN_GIT_SERVER", "https://me:pw@git.example.com"), "without user name"),
    ] {
        let problems = problems(&[components, more]);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].contains(expected), "{problems:?}");
    }
    let same = [components, ("PLUGIN_VERSION_FILE", "component-versions.mk"), ("PLUGIN_VERSION", "1")];
    assert_eq!(problems(&same), ["PLUGIN_VERSION_FILE: is a file that another setting changes too"]);
}
