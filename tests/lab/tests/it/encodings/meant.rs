//! The same YAML through real plugins in both engines: typed settings are what they are when a plugin is given their texts alone.

use std::collections::BTreeMap;
use std::path::Path;

use lab::fixtures::sha256;
use lab::plugin;
use lab::wait::block_on;
use lab::wire::Wire;
use lab::{Engine, containers, figures, folder, gitea};

use super::run;

/// The plan of a dry run, from its report: an engine may lose the last lines of a log.
fn planned(reports: &Path) -> String {
    let report = std::fs::read(reports.join("report.json")).unwrap();
    let report: serde_json::Value = serde_json::from_slice(&report).unwrap();
    report["report"]["summary"].as_str().unwrap().to_owned()
}

const FILES: [(&str, &str); 3] = [
    ("component-versions.mk", "RPO_VERSION = 1\nWEB_VERSION = 3\n"),
    ("chart/values.yaml", "image:\n  tag: old\nnote: n\nenabled: \"no\"\n"),
    ("VERSION", "1.9"),
];

#[test]
fn maps_versions_words_and_texts_make_the_same_plan_in_both_engines() {
    let Some(containers) = containers() else { return };
    let image = containers.image("plugin-image-bump").unwrap();
    let name = gitea().repository_name("meant");
    block_on(async || gitea().create_repository(&name, &FILES, "develop").await).unwrap();
    let (url, token, repository) = (gitea().url(), gitea().token(), format!("{}/{name}", gitea().owner()));
    let texts = [
        ("git_server", url),
        ("git_token", token),
        ("repository", &*repository),
        ("components", "{\"rpo\": \"12.1.2410\", \"web\": \"1.10\"}"),
        ("values", "{\"image.tag\": \"v{version}\", \"note\": \"ação: <b>\", \"enabled\": \"yes\"}"),
        ("values_file", "chart/values.yaml"),
        ("version_file", "VERSION"),
        ("version", "2.10"),
        ("title", "Versão {version}, a # b ✓"),
        ("dry_run", "true"),
        ("report_dir", "by-hand"),
    ];
    let workspace = folder::temporary("meant").unwrap();
    plugin::run("plugin-image-bump", &workspace, &texts).unwrap();
    let expected = planned(&workspace.join("by-hand"));
    for part in ["12.1.2410", "1.10", "v2.10", "ação: <b>", "Versão 2.10, a # b ✓"] {
        assert!(expected.contains(part), "{part}: {expected}");
    }
    let yaml = format!(
        "git_server: {url}\ngit_token: '{token}'\nrepository: {repository}\ncomponents:\n  rpo: 12.1.2410\n  web: \"1.10\"\n\
         values: {{image.tag: \"v{{version}}\", note: 'ação: <b>', enabled: \"yes\"}}\nvalues_file: chart/values.yaml\n\
         version-file: VERSION\nversion: \"2.10\"\ntitle: \"Versão {{version}}, a # b ✓\"\ndry_run: yes\nreport_dir: reports\n"
    );
    for engine in Engine::ALL {
        let ended = run(containers, engine, &workspace, &[("bump", &image, &yaml)]);
        assert_eq!(ended.code, 0, "{engine:?}: {}", ended.log);
        assert_eq!(planned(&workspace.join("reports")), expected, "{engine:?}: {}", ended.log);
    }
    figures::note(
        "encodings",
        "settings that are the same in both engines and by hand: plans of image-bump",
        2,
    )
    .unwrap();
}

/// The digests of all archives below.
fn archives(folder: &Path) -> BTreeMap<String, String> {
    let files =
        walkdir::WalkDir::new(folder).into_iter().flatten().filter(|entry| entry.file_type().is_file());
    let archives = files.filter(|file| file.path().extension().is_some_and(|extension| extension == "gz"));
    archives
        .map(|file| {
            let name = file.path().strip_prefix(folder).unwrap().display().to_string();
            (name, sha256(&std::fs::read(file.path()).unwrap()))
        })
        .collect()
}

#[test]
fn lists_numbers_time_spans_and_words_make_the_same_archives_in_both_engines() {
    let Some(containers) = containers() else { return };
    let image = containers.image("plugin-package").unwrap();
    let workspace = folder::temporary("meant").unwrap();
    for (name, content) in [("web", "w ".repeat(5000)), ("api", "a ".repeat(9000)), ("other", "o".to_owned())]
    {
        let folder = workspace.join("components").join(name);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("VERSION"), "1.0\n").unwrap();
        std::fs::write(folder.join("file"), content).unwrap();
    }
    let packed = |name: &str, compression: &str| {
        let bucket = workspace.join(name);
        std::fs::create_dir_all(&bucket).unwrap();
        let address = format!("file://{}", bucket.display());
        let settings = [("bucket", &*address), ("source", "components"), ("components", "api,web")];
        let settings = [&settings[..], &[("compression", compression), ("mirror", "a/b")]].concat();
        let ended = plugin::run("plugin-package", &workspace, &settings).unwrap();
        assert_eq!(ended.code, 0, "{}", ended.log);
        archives(&bucket)
    };
    let expected = packed("by-hand", "9");
    assert_eq!(expected.len(), 2, "{expected:?}");
    assert_ne!(expected, packed("otherwise", "1"), "the compression is seen");
    for engine in Engine::ALL {
        let bucket = workspace.join(format!("{engine:?}"));
        std::fs::create_dir_all(&bucket).unwrap();
        // One more spelling, type or form of each kind than the other.
        let others = match engine {
            Engine::Drone => {
                "components: [web, api]\ncompression: 9.0\nclaim-timeout: 1000000.0\ngera_mi: off\ndry_run: no\n"
            }
            Engine::Woodpecker => {
                "components: |\n  web\n  api\ncompression: 9\nclaim_timeout: 1.5h\ngera_mi: n\ndry_run: ''\n"
            }
        };
        let yaml = format!(
            "bucket: file://{}/{engine:?}\nsource: components\nmirror: ' a/b/ '\nrelease: ~\nkind: []\n{others}",
            engine.workspace()
        );
        let ended = run(containers, engine, &workspace, &[("package", &image, &yaml)]);
        assert_eq!(ended.code, 0, "{engine:?}: {}", ended.log);
        assert_eq!(archives(&bucket), expected, "{engine:?}: {}", ended.log);
    }
    figures::note(
        "encodings",
        "settings that are the same in both engines and by hand: archives of package",
        2,
    )
    .unwrap();
}

#[test]
fn a_document_of_many_lines_arrives_whole_in_both_engines() {
    let Some(containers) = containers() else { return };
    let image = containers.image("plugin-image-bump").unwrap();
    let server = Wire::start_tls(crate::http::refuse).unwrap();
    let workspace = folder::temporary("meant").unwrap();
    let indented = server.authority().trim_end().replace('\n', "\n  ");
    let common = format!(
        "git_server: {}\ngit_token: a-token-of-nobody\nrepository: erp/images\nversion: \"1\"\nversion_file: VERSION\n",
        server.url()
    );
    for engine in Engine::ALL {
        let heard = || server.heard().len();
        let before = heard();
        let distrusted = run(containers, engine, &workspace, &[("bump", &image, &common)]);
        // Drone's runner does not wait for a step's last lines.
        let is_said = engine == Engine::Drone || distrusted.log.contains("set `ca_file`");
        assert!(is_said, "{engine:?}: {}", distrusted.log);
        assert_eq!(heard(), before, "{engine:?}: nothing was sent");
        let trusting = format!("{common}ca_file: |\n  {indented}\n");
        let ended = run(containers, engine, &workspace, &[("bump", &image, &trusting)]);
        assert!(heard() > before, "{engine:?}: {}", ended.log);
    }
    figures::note("encodings", "certificates of many lines that arrive whole", 2).unwrap();
}
