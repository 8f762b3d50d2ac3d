//! The tiny program between the lab and a tool: it binds the tool's life to its owner's and becomes the tool.
//! It may not do anything else: what it allocates or opens here would be the tool's.
//! Started by `process`, as the hidden subcommand `lab shim <owner's pid> <program> <arguments…>`.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;

use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};

use crate::error::{Attempt as _, Error};
use crate::process::command;

/// Becomes the program, which the kernel kills when the owner ends. Returns only to say why that failed.
pub fn run(arguments: &[OsString]) -> Result<(), Error> {
    let [owner, program, arguments @ ..] = arguments else {
        return Err(Error::new("expected: shim <owner's pid> <program> <arguments…>"));
    };
    set_parent_process_death_signal(Some(Signal::KILL)).attempting(|| "cannot bind to the owner".into())?;
    // The signal is only sent from now on: an owner that ended before this line is noticed here.
    if getppid().map(Pid::as_raw_pid).map(|pid| pid.to_string()) != owner.to_str().map(str::to_owned) {
        return Err(Error::new("the owner ended before its tool began"));
    }
    let failure = command(program).args(arguments).exec();
    Err(failure).attempting(|| format!("cannot run `{}`", program.display()))
}

/// The lab's own program, which contains the shim: this process when it is the lab, else the one that cargo
/// built for the same target and profile as the test that is running.
pub(crate) fn lab_program() -> Result<PathBuf, Error> {
    let this = std::env::current_exe().attempting(|| "cannot find this program".into())?;
    if this.file_name().is_some_and(|name| name == "lab") {
        return Ok(this);
    }
    // Tests are `<target>/<profile>/deps/<name>-<hash>`, plugins and the lab `<target>/<profile>/<name>`.
    let candidates = this.ancestors().skip(1).take(2).map(|folder| folder.join("lab"));
    candidates.into_iter().find(|path| path.is_file()).ok_or_else(|| {
        Error::new(format!(
            "the lab's program is not beside `{}`; build it: cargo build -p lab",
            this.display()
        ))
    })
}
