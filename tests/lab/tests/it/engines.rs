//! The plugins as container steps in the engines of Drone and Woodpecker.

use lab::engine::{Engine, PUSH};
use lab::{containers, folder};

#[test]
fn settings_that_are_missing_fail_the_step_and_the_pipeline() {
    let Some(containers) = containers() else { return };
    let image = containers.image("plugin-rpo").unwrap();
    for engine in Engine::ALL {
        let workspace = folder::temporary("engine").unwrap();
        let step = format!(
            "image: {image}, network_mode: host, settings: {{release: 12.1.2410, report_dir: reports}}"
        );
        let pipeline = match engine {
            Engine::Drone => format!(
                "kind: pipeline\ntype: docker\nname: release\nsteps: [{{name: rpo, pull: never, {step}}}]\n"
            ),
            Engine::Woodpecker => format!("steps: {{rpo: {{{step}}}}}\n"),
        };
        std::fs::write(workspace.join(engine.file()), pipeline).unwrap();
        let ended = engine.run(containers, &workspace, "release", PUSH).unwrap();
        assert_eq!(ended.code, 1, "{engine:?}: {}", ended.log);
        // Not from the log: Drone's runner does not wait for its last lines.
        let report = std::fs::read_to_string(workspace.join("reports/report.md")).unwrap();
        assert!(report.contains("PLUGIN_BUCKET: required"), "{engine:?}: {report}");
        assert!(!report.contains("PLUGIN_RELEASE"), "{engine:?}: {report}");
    }
}
