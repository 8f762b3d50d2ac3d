use crate::settings::disagreements;

use super::*;

fn read(variables: &[(&str, &str)]) -> Result<CiSettings, String> {
    let env = Env::of(variables);
    let mut read = Reader::new(&env, &[CI, ACTION]);
    let settings = CiSettings::read(&mut read, &env);
    read.finish(|| Some(settings)).map_err(|problems| problems.to_string())
}

#[test]
fn every_field_is_described_and_known_to_the_siblings() {
    assert_eq!(disagreements::<Raw>(&[CI, ACTION].concat()), [""; 0]);
}

#[test]
fn the_server_that_runs_the_step_is_taken() {
    let guessed = |variables: &[(&str, &str)]| {
        let variables =
            [variables, &[("PLUGIN_TRIGGER", "a/b"), ("PLUGIN_CI_TOKEN", "t"), ("PLUGIN_CI_USER", "u")]]
                .concat();
        read(&variables).map(|settings| settings.access.map(|access| (access.kind, access.url.to_string())))
    };
    let drone = [("DRONE", "true"), ("DRONE_SYSTEM_PROTO", "https"), ("DRONE_SYSTEM_HOST", "drone.example")];
    assert_eq!(guessed(&drone), Ok(Some((Kind::Drone, "https://drone.example/".into()))));
    // Woodpecker sets some of Drone's names too.
    let woodpecker = [("CI", "woodpecker"), ("DRONE", "true"), ("CI_SYSTEM_URL", "https://wood.example")];
    assert_eq!(guessed(&woodpecker), Ok(Some((Kind::Woodpecker, "https://wood.example/".into()))));
    let jenkins = [("JENKINS_URL", "https://ci.example/jenkins")];
    assert_eq!(guessed(&jenkins), Ok(Some((Kind::Jenkins, "https://ci.example/jenkins/".into()))));
    assert!(guessed(&[]).unwrap_err().contains("PLUGIN_CI_SERVER: required, because `trigger` is set"));
}

#[test]
fn the_token_goes_to_no_address_that_another_kind_of_server_gave() {
    let kinds = [
        ("drone", "woodpecker", ("DRONE", "true"), ("CI_SYSTEM_URL", "https://other.example")),
        ("drone", "jenkins", ("DRONE", "true"), ("JENKINS_URL", "https://other.example")),
        ("woodpecker", "jenkins", ("CI", "woodpecker"), ("JENKINS_URL", "https://other.example")),
        (
            "jenkins",
            "woodpecker",
            ("JENKINS_URL", "https://ci.example"),
            ("CI_SYSTEM_URL", "https://other.example"),
        ),
    ];
    for (own, named, marker, address) in kinds {
        let token = ("PLUGIN_CI_TOKEN", "very-secret");
        let base = [marker, address, ("PLUGIN_CI_SERVER", named), token, ("PLUGIN_CI_USER", "u")];
        let problems = read(&[&base[..], &[("PLUGIN_TRIGGER", "a/b")]].concat()).unwrap_err();
        assert!(problems.contains("PLUGIN_CI_URL: required"), "{named} on {own}: {problems}");
        if named == "woodpecker" {
            let schedule = [("PLUGIN_ACTION", "schedule"), ("PLUGIN_SCHEDULE", "0 10 * * 4")];
            let problems = read(&[&base[..], &schedule].concat()).unwrap_err();
            assert!(problems.contains("PLUGIN_CI_URL: required"), "{named} on {own}: {problems}");
        }
    }
}

#[test]
fn a_trailing_slash_makes_no_difference() {
    let url = |url: &str| {
        let base = [
            ("PLUGIN_CI_SERVER", "drone"),
            ("PLUGIN_CI_TOKEN", "t"),
            ("PLUGIN_TRIGGER", "a/b"),
            ("PLUGIN_CI_URL", url),
        ];
        read(&base).unwrap().access.unwrap().url
    };
    assert_eq!(url("https://drone.example/ci"), url("https://drone.example/ci/"));
}

#[test]
fn nothing_is_asked_for_unless_something_is_started() {
    assert!(read(&[]).unwrap().access.is_none());
    let problems = read(&[("PLUGIN_TRIGGER", "folder/job"), ("PLUGIN_CI_SERVER", "jenkins")]).unwrap_err();
    for name in ["PLUGIN_CI_URL", "PLUGIN_CI_TOKEN", "PLUGIN_CI_USER"] {
        assert!(problems.contains(name), "{problems}");
    }
}

#[test]
fn parameters_hold_no_secret_and_no_name_that_drone_keeps() {
    let base = [
        ("PLUGIN_CI_SERVER", "drone"),
        ("PLUGIN_CI_URL", "https://drone.example"),
        ("PLUGIN_CI_TOKEN", "very-secret"),
        ("PLUGIN_TRIGGER", "a/b"),
    ];
    let with = |value| read(&[&base[..], &[("PLUGIN_TRIGGER_PARAMETERS", value)]].concat());
    let problems = with("{\"X\": \"a very-secret thing\"}").unwrap_err();
    assert!(problems.contains("holds a secret") && !problems.contains("very-secret"), "{problems}");
    assert!(with("{\"branch\": \"main\"}").unwrap_err().contains("`branch`"));
    assert_eq!(with("{\"X\": 1}").unwrap().parameters["X"], "1");
}

#[test]
fn a_schedule_needs_its_expression_and_a_place() {
    let problems = read(&[("PLUGIN_ACTION", "schedule"), ("PLUGIN_CI_SERVER", "drone")]).unwrap_err();
    for name in ["PLUGIN_SCHEDULE:", "PLUGIN_SCHEDULE_REPOSITORY", "PLUGIN_CI_TOKEN", "PLUGIN_CI_URL"] {
        assert!(problems.contains(name), "{name}: {problems}");
    }
    let jenkins =
        [("PLUGIN_ACTION", "schedule"), ("PLUGIN_CI_SERVER", "jenkins"), ("PLUGIN_SCHEDULE", "H 10 * * 4")];
    assert!(read(&jenkins).unwrap().is_schedule);
    assert!(
        read(&[("PLUGIN_ACTION", "plan")]).unwrap_err().contains("expected `run` or `schedule`; got `plan`")
    );
    let team =
        [("PLUGIN_ACTION", "schedule"), ("PLUGIN_CI_SERVER", "drone"), ("PLUGIN_SCHEDULE", "* 0 10 * * 4")];
    assert!(read(&team).unwrap_err().contains("`0 0 10 * * 4` may be meant"));
}
