//! `appsrvlinux`, the vendor's AppServer, as far as its command line patches an RPO.
//!
//! Sources: TDN pages 528461210 and 894373489 ("compilation by command line": options, report files,
//! `LD_LIBRARY_PATH=.`); the official sample `appserver.ini` of totvs/protheus-ci-universo; public CI scripts for what
//! TDN leaves out: the marker `[CMDLINE] Patch successfully applied.`, the exit code 0 **either way**,
//! `COMPILEERROR-300 Failed to open repository` while another process has the RPO open, report files that mean failure
//! if they are not empty, an empty RPO made where none was; the text "Path version incorrect" (sic) from
//! totvs/tds-vscode issue 829; the upper-case rule from the vendor's TDS-CLI documentation.
//! Inferred, because no source has it: the wording of `-version` and of the markers for validate and defrag.
//!
//! Not played: `-compile` of sources, `-genpatch`, `-run`, and "only newer programs": no date is compared.
//! To be driven by tests, the folder's own `appserver.ini` may say `[ESTEIRA] Fault=fail:3` or `Fault=hang:3`: the third
//! patch onto an RPO fails, or never ends. It is read there even when `-ini=` names another file, so that a test can
//! disturb a plugin that writes an ini file of its own.

mod command_line;
mod ini;
mod repository;
mod session;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::error::{Attempt as _, Error};
use crate::shim::lab_program;

pub use repository::{Applied, applied};

/// Name of the executable; whoever is started by this name is the AppServer.
pub const NAME: &str = "appsrvlinux";

/// What `-version` prints.
pub const VERSION: &str = "24.3.0.5";

/// The minimal `appserver.ini` of a user's folder: one environment, whose RPO lies in `apo` beside it.
const INI: &str = "[P12]\n\
SourcePath=apo\n\
RpoVersion=120\n\
RpoLanguage=multi\n\
RpoDb=top\n\
RootPath=protheus_data\n\
StartPath=/system/\n\
\n\
[General]\n\
BuildKillUsers=1\n\
\n\
[Drivers]\n\
MultiProtocolPort=0\n";

/// Makes `dir` what a user's AppServer folder is: the executable and an `appserver.ini` with the environment
/// `P12`, whose RPO is `apo/tttm120.rpo`. An `appserver.ini` that is there stays.
pub fn install(dir: &Path) -> Result<(), Error> {
    let lab = lab_program()?;
    let attempt = || format!("cannot install the AppServer stand-in in `{}`", dir.display());
    std::fs::create_dir_all(dir).attempting(attempt)?;
    let executable = dir.join(NAME);
    match std::fs::remove_file(&executable) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error).attempting(attempt),
        _ => {}
    }
    // A debug build is large: a hard link costs nothing, and unlike a symbolic one it can be packed and copied.
    if std::fs::hard_link(&lab, &executable).is_err() {
        std::os::unix::fs::symlink(&lab, &executable).attempting(attempt)?;
    }
    let ini = dir.join("appserver.ini");
    if !ini.exists() {
        std::fs::write(ini, INI).attempting(attempt)?;
    }
    Ok(())
}

/// Runs the AppServer if this process was started as one: by the name `appsrvlinux`, or as
/// `lab appsrvlinux …`. Otherwise `None`, and the caller's own command line begins.
pub fn dispatch(arguments: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let mut arguments = arguments.into_iter();
    let program = PathBuf::from(arguments.next()?);
    let mut rest: Vec<OsString> = arguments.collect();
    let folder = if program.file_name().is_some_and(|name| name == NAME) {
        // Not /proc/self/exe: it would lead through a symbolic link into the lab's own build folder.
        program.parent().map(Path::to_owned)
    } else if rest.first().is_some_and(|name| name == NAME) {
        rest.remove(0);
        None
    } else {
        return None;
    };
    let rest: Vec<String> = rest.iter().map(|argument| argument.to_string_lossy().into_owned()).collect();
    let mut out = io::stdout().lock();
    let code = session::run(folder.as_deref(), &rest, &mut out);
    let _closed_pipe = out.flush();
    Some(ExitCode::from(code))
}
