//! Processes of the lab: started so that they end with the process that started them, even by SIGKILL.
//! It may not know any tool.
//! Called by every module that runs one.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, mpsc};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};

use crate::error::{Attempt as _, Error};
use crate::shim;

/// A command for `program`; arguments and environment are the caller's.
#[expect(clippy::disallowed_methods, reason = "the lab runs tools of its own, without the plugins' wrapper")]
pub fn command(program: impl AsRef<OsStr>) -> Command {
    Command::new(program)
}

/// A variable of the lab's own environment; empty counts as unset.
#[expect(
    clippy::disallowed_methods,
    reason = "the lab is no plugin: it has no settings, only where to put things"
)]
pub fn environment(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// Runs a short command to its end, feeding it `input`, and returns its output.
pub fn output(mut command: Command, input: &str) -> Result<String, Error> {
    let shown = shown(&command);
    let run = || -> io::Result<_> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = spawn(command)?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input.as_bytes())?;
        }
        child.wait_with_output()
    };
    let result = run().attempting(|| format!("cannot run `{shown}`"))?;
    let text = String::from_utf8_lossy(&result.stdout).into_owned();
    if result.status.success() {
        return Ok(text);
    }
    let complaint = String::from_utf8_lossy(&result.stderr);
    Err(Error::new(format!("`{shown}` ended with {}: {}{}", result.status, text, complaint.trim())))
}

/// Asks a process to end, as Jenkins and Kubernetes do (SIGTERM).
pub fn terminate(id: u32) -> Result<(), Error> {
    send(Signal::TERM, id)
}

/// Ends a process without asking it, as Drone does (SIGKILL).
pub fn kill(id: u32) -> Result<(), Error> {
    send(Signal::KILL, id)
}

fn send(signal: Signal, id: u32) -> Result<(), Error> {
    let attempt = || format!("cannot end the process {id}");
    let process = i32::try_from(id).ok().and_then(Pid::from_raw);
    let process = process.ok_or_else(|| Error::new(attempt()))?;
    kill_process(process, signal).attempting(attempt)
}

/// A running tool; it is killed when this value is dropped and when this process ends.
#[derive(Debug)]
pub struct Process {
    name: String,
    log: PathBuf,
    id: u32,
    child: Mutex<Child>,
}

impl Process {
    /// Starts `tool` through the shim, in a process group of its own, with all its output in the file `log`.
    ///
    /// The environment is this process's with the variables set on `tool`; an `env_clear` on it has no effect,
    /// because a command does not tell.
    pub fn start(tool: &Command, log: &Path) -> Result<Self, Error> {
        let name =
            Path::new(tool.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned();
        let child = through_shim(tool, log)?;
        Ok(Self { name, log: log.to_owned(), id: child.id(), child: Mutex::new(child) })
    }

    /// The process id, which the shim and the tool it becomes share.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// An error with the last lines of the log when the tool has ended.
    pub fn must_run(&self) -> Result<(), Error> {
        match self.child().try_wait() {
            Ok(Some(status)) => {
                Err(Error::new(format!("`{}` ended with {status}\n{}", self.name, self.last_words())))
            }
            Ok(None) | Err(_) => Ok(()),
        }
    }

    /// Waits until the tool ends by itself.
    pub fn wait(&self) -> Result<ExitStatus, Error> {
        self.child().wait().attempting(|| format!("cannot wait for `{}`", self.name))
    }

    /// The end of the log, for an error message.
    pub fn last_words(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<_> = text.lines().collect();
        let tail = lines[lines.len().saturating_sub(15)..].join("\n  ");
        format!("the end of `{}`:\n  {tail}", self.log.display())
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only when the tool has already ended.
        let _ = self.child().kill();
        let _ = self.child().wait();
    }
}

fn through_shim(tool: &Command, log: &Path) -> Result<Child, Error> {
    let attempt = || format!("cannot start `{}`", shown(tool));
    let output = File::create(log).attempting(attempt)?;
    let errors = output.try_clone().attempting(attempt)?;
    let mut shim = shimmed(tool)?;
    shim.stdout(output).stderr(errors);
    spawn(shim).attempting(attempt)
}

/// The tool bound to this process's life, out of reach of Ctrl-C; for [`spawn`]. Its output is this process's.
pub(crate) fn shimmed(tool: &Command) -> Result<Command, Error> {
    let mut shim = command(shim::lab_program()?);
    shim.arg("shim").arg(std::process::id().to_string()).arg(tool.get_program()).args(tool.get_args());
    for (name, value) in tool.get_envs() {
        match value {
            Some(value) => shim.env(name, value),
            None => shim.env_remove(name),
        };
    }
    if let Some(folder) = tool.get_current_dir() {
        shim.current_dir(folder);
    }
    // A group of its own: Ctrl-C in a terminal reaches the owner alone, who decides in which order things end.
    shim.stdin(Stdio::null()).process_group(0);
    Ok(shim)
}

/// Starts a child from a thread that lives as long as this process.
///
/// The kernel sends the parent-death signal when the *thread* ends that started the child, and a test's
/// thread ends with its test.
pub fn spawn(command: Command) -> io::Result<Child> {
    type Job = (Command, mpsc::Sender<io::Result<Child>>);
    static STARTER: OnceLock<mpsc::Sender<Job>> = OnceLock::new();

    let starter = STARTER.get_or_init(|| {
        let (sender, jobs) = mpsc::channel::<Job>();
        thread::spawn(move || {
            for (mut command, reply) in jobs {
                // A caller that no longer waits has ended, and with it the need for the child.
                let _ = reply.send(command.spawn());
            }
        });
        sender
    });
    let gone = |_| io::Error::other("the thread that starts processes is gone");
    let (reply, child) = mpsc::channel();
    starter.send((command, reply)).map_err(|_| gone(mpsc::RecvError))?;
    child.recv().map_err(gone)?
}

/// The command as one would type it, without its environment, which may hold secrets.
fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}
