//! What the arguments ask for. Unknown ones are refused: silence would hide a plugin's spelling mistake.

use std::path::PathBuf;

/// What one run does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Version,
    ApplyPatch,
    ValidatePatch,
    DefragRpo,
}

/// One run's arguments.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) action: Action,
    pub(super) files: Option<String>,
    pub(super) env: String,
    pub(super) apply_old: bool,
    /// Where report files go; none without `-outreport`.
    pub(super) reports: Option<PathBuf>,
    pub(super) ini: PathBuf,
}

/// Reads the arguments. Names are not case-sensitive: TDN writes `-validatePatch` and `-validatepatch`.
pub(super) fn parse(arguments: &[String]) -> Result<Request, String> {
    let mut compile = false;
    let mut action = None;
    let mut request = Request {
        action: Action::Version,
        files: None,
        env: String::new(),
        apply_old: false,
        reports: None,
        ini: PathBuf::from("appserver.ini"),
    };
    for argument in arguments {
        let (name, value) = argument.split_once('=').unwrap_or((argument, ""));
        let chosen = match name.to_ascii_lowercase().as_str() {
            "-compile" => {
                compile = true;
                continue;
            }
            "-version" => Action::Version,
            "-applypatch" => Action::ApplyPatch,
            "-validatepatch" => Action::ValidatePatch,
            "-defragrpo" => Action::DefragRpo,
            other => {
                set(&mut request, other, value).ok_or_else(|| format!("Unknown parameter {argument}"))?;
                continue;
            }
        };
        if action.replace(chosen).is_some() {
            return Err("More than one action".to_owned());
        }
    }
    request.action = action.ok_or("No action")?;
    if request.action != Action::Version {
        if !compile {
            return Err("-compile is required".to_owned());
        }
        if request.env.is_empty() {
            return Err("-env is required".to_owned());
        }
    }
    Ok(request)
}

/// Takes one option; `None` if there is no such option.
fn set(request: &mut Request, name: &str, value: &str) -> Option<()> {
    match name {
        "-files" => request.files = Some(value.to_owned()),
        "-env" => value.clone_into(&mut request.env),
        "-ini" => request.ini = value.into(),
        "-applyoldprogram" => request.apply_old = true,
        "-outreport" => request.reports = Some(if value.is_empty() { ".".into() } else { value.into() }),
        _ => return None,
    }
    Some(())
}
