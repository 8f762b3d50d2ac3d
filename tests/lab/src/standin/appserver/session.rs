//! One run from its arguments to its exit code, which says nothing: 0 either way.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::command_line::{Action, Request, parse};
use super::ini::Ini;
use super::repository::{Repository, applied};
use crate::process::environment;

/// File size minus payload length, in every public patch that was looked at.
const OVERHEAD: std::ops::RangeInclusive<u64> = 20_525..=20_592;

/// Runs the AppServer whose folder is `folder` (`None`: the current one).
pub(super) fn run(folder: Option<&Path>, arguments: &[String], out: &mut impl Write) -> u8 {
    if let Err(library) = libraries(folder) {
        let text =
            format!("error while loading shared libraries: {library}: cannot open shared object file\n");
        let _closed_pipe = io::stderr().write_all(text.as_bytes());
        // The dynamic loader's own exit code: at this point the server does not run yet.
        return 127;
    }
    let mut say = |line: &str| {
        // Nobody reads any more: the work goes on, as the vendor's server does.
        let _closed_pipe = writeln!(out, "{line}");
    };
    say(&format!("Application Server (lab stand-in) {}", super::VERSION));
    let request = match parse(arguments) {
        Ok(request) => request,
        Err(problem) => {
            say(&format!("[CMDLINE] Invalid parameters: {problem}"));
            return 0;
        }
    };
    let (log, result) = match request.action {
        Action::Version => return 0,
        Action::ApplyPatch | Action::ValidatePatch => ("patch_errors.log", patch(&request)),
        Action::DefragRpo => {
            ("defragrpo_errors.log", open(&request).map(|_| "RPO successfully defragged.".to_owned()))
        }
    };
    report(&request, log, result.as_ref().err(), &mut say);
    match result {
        Ok(done) => say(&format!("[CMDLINE] {done}")),
        Err(problem) => {
            say("[CMDLINE] Error List ..........:");
            say(&format!("[CMDLINE] {problem}"));
        }
    }
    0
}

/// The server's own libraries lie beside it and are found only from there: its folder must be the current one, and
/// `LD_LIBRARY_PATH` must lead into it.
fn libraries(folder: Option<&Path>) -> Result<(), &'static str> {
    const LIBRARY: &str = "libappserver.so";
    let path = environment("LD_LIBRARY_PATH").ok_or(LIBRARY)?;
    let here = std::env::current_dir().and_then(|here| here.canonicalize()).map_err(|_| LIBRARY)?;
    let folder = here.join(folder.unwrap_or(Path::new("."))).canonicalize().map_err(|_| LIBRARY)?;
    let found = std::env::split_paths(&path)
        .any(|entry| here.join(entry).canonicalize().is_ok_and(|entry| entry == folder));
    if found && here == folder { Ok(()) } else { Err(LIBRARY) }
}

/// Applies or validates the patch of `request`; the marker line, or why not.
fn patch(request: &Request) -> Result<String, String> {
    let name = request.files.as_deref().unwrap_or_default();
    if name.chars().any(char::is_uppercase) {
        return Err("The patch contains at least one upper case character, which is not allowed for unix base systems"
            .to_owned());
    }
    let path = Path::new(name);
    if !path
        .extension()
        .is_some_and(|extension| ["ptm", "upd", "pak"].iter().any(|known| extension == *known))
    {
        return Err(format!("Invalid patch file '{name}'"));
    }
    let (mut repository, rpo) = open(request)?;
    let digest = check(path, &rpo)?;
    if request.action == Action::ValidatePatch {
        return Ok("Patch successfully validated.".to_owned());
    }
    fault(&rpo)?;
    let file_name = path.file_name().unwrap_or_default().to_string_lossy();
    repository.append(&file_name, &digest, request.apply_old).map_err(|error| error.to_string())?;
    Ok("Patch successfully applied.".to_owned())
}

/// The RPO of the request's environment, opened alone.
fn open(request: &Request) -> Result<(Repository, PathBuf), String> {
    let rpo = read_ini(&request.ini)?.rpo(&request.env)?;
    Ok((Repository::open(&rpo)?, rpo))
}

fn read_ini(path: &Path) -> Result<Ini, String> {
    // Real ini files are CP1252: what is not ASCII in them does not matter here.
    let bytes = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(Ini::new(String::from_utf8_lossy(&bytes).into_owned()))
}

/// Refuses a patch that is cut off or made for another RPO; gives its digest.
fn check(patch: &Path, rpo: &Path) -> Result<Vec<u8>, String> {
    let shown = patch.display();
    let unreadable = |error: io::Error| format!("File {shown}: {error}");
    let mut file = File::open(patch).map_err(unreadable)?;
    let size = file.metadata().map_err(unreadable)?.len();
    let mut header = [0; 64];
    file.read_exact(&mut header).map_err(|_| format!("File {shown} is not a patch"))?;
    let [a, b, c, d, after @ ..] = header;
    let payload = u64::from(u32::from_le_bytes([a, b, c, d]));
    if !size.checked_sub(payload).is_some_and(|overhead| OVERHEAD.contains(&overhead)) {
        return Err(format!("File {shown} is corrupted"));
    }
    let target =
        String::from_utf8_lossy(after.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned();
    let rpo_name = rpo.file_stem().unwrap_or_default().to_string_lossy();
    if !target.eq_ignore_ascii_case(&rpo_name) {
        let (target, rpo) = (target.to_uppercase(), rpo_name.to_uppercase());
        return Err(format!("Path version incorrect, file {target} can't be applied in RPO {rpo}.RPO"));
    }
    let mut hash = Sha256::new();
    hash.update(header);
    let mut block = vec![0; 1 << 20];
    loop {
        match file.read(&mut block).map_err(unreadable)? {
            0 => return Ok(hash.finalize().to_vec()),
            length => hash.update(block.get(..length).unwrap_or_default()),
        }
    }
}

/// Does what the folder's own ini asks for at this patch: see the module's header.
fn fault(rpo: &Path) -> Result<(), String> {
    let Ok(ini) = read_ini(Path::new("appserver.ini")) else { return Ok(()) };
    let Some((kind, at)) = ini.get("ESTEIRA", "Fault").and_then(|fault| fault.split_once(':')) else {
        return Ok(());
    };
    let number = applied(rpo).map_err(|error| error.to_string())?.len() + 1;
    if at.parse() != Ok(number) {
        return Ok(());
    }
    match kind {
        "hang" => loop {
            std::thread::sleep(Duration::from_secs(60));
        },
        _ => Err("Internal error while applying the patch".to_owned()),
    }
}

/// Writes the report file. It is appended to, and made even if there is nothing to say: only one that is not empty
/// means failure, and one of an earlier run must have been deleted by the caller.
fn report(request: &Request, log: &str, problem: Option<&String>, say: &mut impl FnMut(&str)) {
    let Some(folder) = &request.reports else { return };
    let path = folder.join(log);
    let line = problem.map(|problem| format!("{problem}\n")).unwrap_or_default();
    let written = std::fs::create_dir_all(folder)
        .and_then(|()| OpenOptions::new().create(true).append(true).open(&path))
        .and_then(|mut file| file.write_all(line.as_bytes()));
    match written {
        Ok(()) => say(&format!("[CMDLINE] See more details in the output files: {}", path.display())),
        Err(error) => say(&format!("[CMDLINE] {}: {error}", path.display())),
    }
}
