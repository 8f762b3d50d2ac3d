//! Settings of every plugin, the file `.config` and the outputs of earlier steps: whatever is in them, a problem is told and no secret.

use std::collections::BTreeMap;
use std::fmt::Debug;

use shared::settings::{Env, Problems, parse};

/// Is the value, or the beginning of the value, of every secret.
const SECRET: &str = "c4n4ry-of-the-fuzz-targets";

/// Reads `NAME=value` records, which are separated by a line `--`; `.config` is a record's name too.
fn env(input: &[u8], secrets: &[&str]) -> Env {
    let text = String::from_utf8_lossy(input);
    let mut variables = BTreeMap::new();
    let mut config = None;
    for record in text.split("\n--\n") {
        match record.split_once('=') {
            Some((".config", text)) => config = Some(text.to_owned()),
            Some((name, value)) => drop(variables.insert(format!("PLUGIN_{name}"), value.to_owned())),
            None => {}
        }
    }
    let rest: String = text.chars().rev().take(8).collect();
    for name in secrets {
        // A secret that something else follows is often one that cannot be used.
        variables.insert(
            format!("PLUGIN_{name}"),
            format!("{SECRET}{}", if text.len().is_multiple_of(2) { "" } else { &rest }),
        );
    }
    let variables: Vec<_> = variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let env =
        Env::of(&variables).with_output("rpo", "version", "12.1-ab").with_output("rpo", "rpo", "a/b.rpo");
    match config {
        Some(text) => env.with_config_file(&text),
        None => env,
    }
}

/// Whether they can be used; either way nothing that can be shown has the secret in it.
fn holds<T: Debug>(read: Result<T, Problems>) -> bool {
    let shown = match &read {
        Ok(settings) => format!("{settings:?}"),
        Err(problems) => {
            assert!(!problems.0.is_empty());
            format!("{problems}\n{problems:?}")
        }
    };
    assert!(!shown.contains(SECRET), "{shown}");
    read.is_ok()
}

const STORE: [&str; 3] = ["ACCESS_KEY", "SECRET_KEY", "SESSION_TOKEN"];

#[test]
fn rpo() {
    let seeds: [&[u8]; 2] = [
        b"BUCKET=s3://b\n--\nREGION=sa-east-1\n--\nAPPSERVER=/a\n--\nAPPLY_TIMEOUT=1h30m\n--\nCLAIM_TIMEOUT=1e+06\n--\nEXPCONT=yes\n--\nMODULE_LATEST_ALLOW=[\"fin\",\"fat\"]\n--\nRELEASE=12.1.2310\n--\nRPO_SOURCE=base\n--\nUNSUFFIXED=both",
        b"BUCKET=file:///b\n--\nAPPSERVER=a\n--\n.config=# ours\nRELEASE=\"12.1.2310\"\r\nRPOSOURCE='base_12.1.xx'\nEXPCONT=true\nMODULE_LATEST_ALLOW=fin,fat\nGERAMI=true\nRPOSOURCE_MI=mi\n",
    ];
    super::run("settings of plugin-rpo", &seeds, |input| {
        holds(plugin_rpo::settings::Settings::from_env(&env(input, &STORE)))
    });
}

#[test]
fn package() {
    let seeds: [&[u8]; 2] = [
        b"BUCKET=s3://b\n--\nSOURCE=dist\n--\nCOMPONENTS=a,b\nc\n--\nCOMPRESSION=6\n--\nOVERWRITE=off\n--\nCLAIM_TIMEOUT=90s",
        b"BUCKET=file:///b\n--\nRPO=@rpo.rpo\n--\nRPO_VERSION=@rpo.version\n--\nMIRROR=mirror/{release}\n--\nRELEASE=12.1",
    ];
    super::run("settings of plugin-package", &seeds, |input| {
        holds(plugin_package::settings::Settings::from_env(&env(input, &STORE)))
    });
}

#[test]
fn image_bump() {
    let seeds: [&[u8]; 2] = [
        b"GIT_SERVER=https://git.example.com/x\n--\nREPOSITORY=team/images\n--\nCOMPONENTS={\"web\":\"1.2.3\",\"api\":\"2\"}\n--\nVERSION=1.2.3\n--\nTITLE=to {version}",
        b"GIT_SERVER=http://10.0.0.1:3000\n--\nREPOSITORY=a/b\n--\nVALUES={\"image.tag\":\"@rpo.version\",\"c[0].image\":\"x:1\"}\n--\nVALUES_FILE=chart/values.yaml\n--\nBRANCH=bump",
    ];
    super::run("settings of plugin-image-bump", &seeds, |input| {
        holds(plugin_image_bump::settings::Settings::from_env(&env(
            input,
            &["GIT_TOKEN", "ACCESS_KEY", "SECRET_KEY"],
        )))
    });
}

#[test]
fn chart_publish() {
    let seeds: [&[u8]; 1] = [
        b"BUCKET=s3://b\n--\nENDPOINT=https://s3.example.com\n--\nCHART=charts/web\n--\nVERSION=1.4.0+7\n--\nPREFIX=stable\n--\nCHART_URL=https://charts.example.com\n--\nCONFLICT_TIMEOUT=5m",
    ];
    super::run("settings of plugin-chart-publish", &seeds, |input| {
        holds(plugin_chart_publish::settings::Settings::from_env(&env(input, &STORE)))
    });
}

#[test]
fn rollout() {
    let seeds: [&[u8]; 1] = [
        b"PROFILE=smarterp-release\n--\nACTION=update\n--\nVERSION=1.4.0\n--\nCHART=web\n--\nNAMESPACES=acme-{a,b}\n--\nCONCURRENCY=4\n--\nMAX_FAILURES=1e+01\n--\nKUBECONFIG=/k\n--\nBUCKET=s3://b\n--\nBACKUP_TIMEOUT=2h\n--\nSELECTOR=a=b\n--\nMONITORS=none",
    ];
    let secrets = ["ACCESS_KEY", "SECRET_KEY", "SESSION_TOKEN", "UPTIMEROBOT_KEY"];
    super::run("settings of plugin-rollout", &seeds, |input| {
        holds(plugin_rollout::settings::Settings::from_env(&env(input, &secrets)))
    });
}

#[test]
fn profiles() {
    let folder = lab::folder::temporary("fuzz").unwrap();
    let seeds: [&[u8]; 2] = [
        include_bytes!("../../../../plugins/rollout/profiles/smarterp-producao.yaml"),
        include_bytes!("../../../../plugins/rollout/profiles/smarterp-release.yaml"),
    ];
    super::run("profiles of plugin-rollout", &seeds, |input| {
        std::fs::write(folder.join("profile.yaml"), input).unwrap();
        let Ok((profile, _)) = plugin_rollout::profile::Profile::load("profile.yaml", &folder) else {
            return false;
        };
        let _ = (profile.runs_helm(), profile.needs_bucket(), profile.environment_of("acme-prod"));
        true
    });
}

#[test]
fn values() {
    let seeds: [&[u8]; 8] = [
        b"a,b,,c\nd",
        b"[\"a,b\", 1, true]",
        b"{\"a\": \"1\", \"b\": 2.5}",
        b"1h30m",
        b"1e+06",
        b"https://s3.example.com:9000/x",
        b"stable/charts/web",
        b"12.1.2310",
    ];
    super::run("values of settings", &seeds, |input| {
        let text = String::from_utf8_lossy(input);
        if let Ok(list) = parse::list(&text) {
            assert!(list.iter().all(|item| !item.is_empty()));
            let json =
                format!("[{}]", list.iter().map(|item| format!("{item:?}")).collect::<Vec<_>>().join(","));
            if text.is_ascii() && !text.contains(|c: char| c.is_ascii_control()) {
                assert_eq!(parse::list(&json), Ok(list), "the JSON form of a list is another list");
            }
        }
        if let Ok(path) = parse::inner_path(&text) {
            assert!(
                !path.starts_with('/') && !path.split('/').any(|part| matches!(part, "" | "." | "..")),
                "{path}"
            );
        }
        if let Ok(version) = parse::version(&text) {
            assert_eq!(parse::version(&version), Ok(version.clone()));
        }
        [
            parse::boolean(&text).is_ok(),
            parse::count(&text).is_ok(),
            parse::duration(&text).is_ok(),
            parse::url(&text).is_ok(),
            parse::list(&text).is_ok(),
            parse::map(&text).is_ok(),
            parse::version(&text).is_ok(),
        ]
        .contains(&true)
    });
}

#[test]
fn workspace() {
    let folder = lab::folder::temporary("fuzz").unwrap();
    std::fs::create_dir_all(folder.join(".esteira")).unwrap();
    let seeds: [&[u8]; 2] = [
        b"{\"version\": \"1.4.0\", \"list\": [1, null, {\"a\": true}], \"size\": 1e3}\n--\nCHART=x\n",
        b"{\"version\": \"1.4.0\"}\n--\n\xef\xbb\xbf# a\r\nKEY = 'v\xe7' # b\r\n",
    ];
    super::run("`.esteira` and `.config` of a workspace", &seeds, |input| {
        let at = input.windows(4).position(|part| part == b"\n--\n").unwrap_or(input.len());
        std::fs::write(folder.join(".esteira/package.json"), &input[..at]).unwrap();
        std::fs::write(folder.join(".config"), input.get(at + 4..).unwrap_or_default()).unwrap();
        let variables = [("PLUGIN_BUCKET", "file:///b"), ("PLUGIN_VERSION", "@package.version")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let env = Env::in_workspace(variables, folder.clone());
        let _ = plugin_rpo::settings::Settings::from_env(&env);
        holds(plugin_chart_publish::settings::Settings::from_env(&env))
    });
}
