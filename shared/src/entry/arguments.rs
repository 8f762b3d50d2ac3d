//! What a plugin answers to arguments. Settings never come from arguments, so a run has none.

use std::io::Write as _;
use std::process::ExitCode;

use super::Plugin;
use crate::failure::Exit;
use crate::settings::{groups_help, groups_markdown};

/// `--help`, `--settings` (the table of a README) and `--version`; `None` is a run.
pub(super) fn answer(plugin: &Plugin) -> Option<ExitCode> {
    let mut out = std::io::stdout().lock();
    let argument = std::env::args().nth(1)?;
    // A closed stdout is no reason to fail.
    let (_, code) = match argument.as_str() {
        "--help" | "-h" => (
            write!(
                out,
                "{} {}\n{}\n\nSettings (environment variables):\n{}\nExit codes: 0 done or nothing to do, 1 failed or refused, 2 settings unusable (nothing was touched), 3 some targets failed, 75 temporary (a rerun may help)\n",
                plugin.name,
                env!("CARGO_PKG_VERSION"),
                plugin.about,
                groups_help(plugin.settings)
            ),
            ExitCode::SUCCESS,
        ),
        "--settings" => (write!(out, "{}", groups_markdown(plugin.settings)), ExitCode::SUCCESS),
        "--version" | "-V" => {
            (writeln!(out, "{} {}", plugin.name, env!("CARGO_PKG_VERSION")), ExitCode::SUCCESS)
        }
        other => (
            writeln!(
                out,
                "error: unknown argument `{other}`; settings are environment variables, see --help"
            ),
            ExitCode::from(Exit::Settings as u8),
        ),
    };
    Some(code)
}
