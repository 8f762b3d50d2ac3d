//! What a plugin answers to arguments. Settings never come from arguments, so a run has none.

use std::io::Write as _;
use std::process::ExitCode;

use super::{Plugin, describe};
use crate::failure::Exit;
use crate::settings::groups_help;

/// `--help`, `--settings` (in one of the forms that are generated into the repository) and `--version`; `None` is a run.
pub(super) fn answer(plugin: &Plugin) -> Option<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    let argument = arguments.next()?;
    let (text, code) = match argument.as_str() {
        "--help" | "-h" => (help(plugin), ExitCode::SUCCESS),
        "--settings" => settings(plugin, arguments.next().as_deref().unwrap_or("markdown")),
        "--version" | "-V" => (format!("{} {}\n", plugin.name, env!("CARGO_PKG_VERSION")), ExitCode::SUCCESS),
        other => (
            format!("error: unknown argument `{other}`; settings are environment variables, see --help\n"),
            ExitCode::from(Exit::Settings as u8),
        ),
    };
    // A closed stdout is no reason to fail.
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
    Some(code)
}

fn settings(plugin: &Plugin, form: &str) -> (String, ExitCode) {
    let text = match form {
        "markdown" => describe::markdown(plugin),
        "schema" => describe::schema(plugin),
        "woodpecker" => describe::woodpecker(plugin),
        "drone" => describe::drone(plugin),
        other => {
            return (
                format!(
                    "error: unknown form `{other}`; there are `markdown`, `schema`, `woodpecker` and `drone`\n"
                ),
                ExitCode::from(Exit::Settings as u8),
            );
        }
    };
    (text, ExitCode::SUCCESS)
}

fn help(plugin: &Plugin) -> String {
    let mut text = format!(
        "{} {}\n{}\n\nSettings (environment variables):\n{}\nExit codes:\n",
        plugin.name,
        env!("CARGO_PKG_VERSION"),
        plugin.about,
        groups_help(plugin.settings)
    );
    for (code, meaning) in plugin.exit_codes {
        text.push_str(&format!("  {code:>2}  {meaning}\n"));
    }
    text
}
