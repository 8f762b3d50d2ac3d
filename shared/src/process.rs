//! Starting other programs (helm, the AppServer): never through a shell, with an environment of their own, bounded in time and
//! output. Callers judge the result by more than the exit code where a program's exit code is known to lie.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::time::timeout;

use crate::failure::{Exit, Fault};
use crate::settings::Env;

/// More output than this of one stream is not kept: the beginning is, and the text says so.
const LONGEST_OUTPUT: usize = 16 << 20;

/// A program about to be run.
#[derive(Clone, Debug)]
pub struct Command {
    program: PathBuf,
    arguments: Vec<OsString>,
    variables: BTreeMap<String, String>,
    folder: Option<PathBuf>,
    time_limit: Duration,
}

/// What a program left.
#[derive(Clone, Debug)]
pub struct Output {
    /// The command line, for messages.
    pub command: String,
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
    /// How long it ran.
    pub elapsed: Duration,
}

/// Why a program gave no usable result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It could not be started.
    #[error("cannot start `{command}`")]
    Start {
        /// The command line.
        command: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It ran longer than allowed and was ended.
    #[error("`{command}` was ended after {}, the longest time it may run", humantime::format_duration(*limit))]
    TooLong {
        /// The command line.
        command: String,
        /// The limit.
        limit: Duration,
    },
    /// It ended with another exit code than 0.
    #[error("`{command}` ended with {status} after {:.1} s: {tail}", elapsed.as_secs_f64())]
    Failed {
        /// The command line.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// How long it ran.
        elapsed: Duration,
        /// The last lines it wrote.
        tail: String,
    },
}

impl Fault for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::Start { .. } | Self::Failed { .. } => Exit::Failed,
            Self::TooLong { .. } => Exit::Temporary,
        }
    }
}

impl Command {
    /// A program with the part of the environment that children may see.
    #[must_use]
    pub fn new(program: impl Into<PathBuf>, env: &Env) -> Self {
        Self {
            program: program.into(),
            arguments: Vec::new(),
            variables: env.inherited(),
            folder: None,
            time_limit: Duration::from_secs(3600),
        }
    }

    /// With one more argument. Never a secret: arguments are seen by everybody on the machine.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// With more arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// With a variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.variables.insert(name.to_owned(), value.into());
        self
    }

    /// In a folder.
    #[must_use]
    pub fn folder(mut self, folder: &Path) -> Self {
        self.folder = Some(folder.to_owned());
        self
    }

    /// Ended when it runs longer.
    #[must_use]
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// Runs it to its end, whatever the exit code.
    ///
    /// # Errors
    /// When it cannot be started or runs too long.
    pub async fn run(&self) -> Result<Output, Error> {
        let begun = Instant::now();
        let shown = self.to_string();
        tracing::debug!("running `{shown}`");
        let start_error = |source| Error::Start { command: shown.clone(), source };
        let mut child = self.prepared().spawn().map_err(start_error)?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let ending = timeout(self.time_limit, async {
            let (stdout, stderr) = tokio::join!(collect(stdout), collect(stderr));
            child.wait().await.map(|status| (status, stdout, stderr))
        });
        let Ok(ended) = ending.await else {
            // The child was put into a group of its own; dropping it ends only the child itself.
            let _ = child.kill().await;
            return Err(Error::TooLong { command: shown, limit: self.time_limit });
        };
        let (status, stdout, stderr) = ended.map_err(start_error)?;
        Ok(Output { command: shown, status, stdout, stderr, elapsed: begun.elapsed() })
    }

    /// Runs it and gives its standard output; any exit code but 0 is an error.
    ///
    /// # Errors
    /// As [`Command::run`], and when it fails.
    pub async fn stdout(&self) -> Result<String, Error> {
        self.run().await?.checked().map(|output| output.stdout)
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that starts processes")]
    fn prepared(&self) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(&self.program);
        command
            .args(&self.arguments)
            .env_clear()
            .envs(&self.variables)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        command
    }
}

/// The command line as a person would type it; never the environment, which may hold secrets.
impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.program.file_name().unwrap_or(self.program.as_os_str());
        write!(f, "{}", name.to_string_lossy())?;
        for argument in &self.arguments {
            let text = argument.to_string_lossy();
            if text.is_empty()
                || text.contains(|c: char| c.is_whitespace() || "'\"$&|;<>()*?[]{}".contains(c))
            {
                write!(f, " '{}'", text.replace('\'', "'\\''"))?;
            } else {
                write!(f, " {text}")?;
            }
        }
        Ok(())
    }
}

impl Output {
    /// The output of a program that ended with exit code 0.
    ///
    /// # Errors
    /// When it did not.
    pub fn checked(self) -> Result<Self, Error> {
        if self.status.success() {
            return Ok(self);
        }
        let tail = self.tail();
        Err(Error::Failed { command: self.command, status: self.status, elapsed: self.elapsed, tail })
    }

    /// The last lines it wrote: of standard error, or of standard output where that is empty.
    #[must_use]
    pub fn tail(&self) -> String {
        let text = if self.stderr.trim().is_empty() { &self.stdout } else { &self.stderr };
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        if lines.is_empty() {
            "it wrote nothing".to_owned()
        } else {
            lines[lines.len().saturating_sub(8)..].join("\n")
        }
    }
}

async fn collect(stream: Option<impl AsyncRead + Unpin>) -> String {
    let Some(stream) = stream else { return String::new() };
    let mut lines = BufReader::new(stream);
    let mut text = String::new();
    let mut line = Vec::new();
    while let Ok(length) = lines.read_until(b'\n', &mut line).await {
        if length == 0 {
            break;
        }
        let decoded = String::from_utf8_lossy(&line);
        tracing::debug!("| {}", decoded.trim_end());
        if text.len() + decoded.len() <= LONGEST_OUTPUT {
            text.push_str(&decoded);
        } else if !text.ends_with(CUT) {
            text.push_str(CUT);
        }
        line.clear();
    }
    text
}

const CUT: &str = "\n[more output was not kept]\n";

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        Command::new("/bin/sh", &Env::of(&[("PATH", "/usr/bin:/bin"), ("PLUGIN_TOKEN", "secret")]))
            .args(["-c", script])
    }

    #[tokio::test]
    async fn gives_both_streams_and_hides_the_settings_from_the_child() {
        let output = shell("echo out; echo err >&2; env | grep -c PLUGIN_").run().await.unwrap();
        assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("out\n0\n", "err\n"));
    }

    #[tokio::test]
    async fn a_failure_shows_the_command_and_its_last_words() {
        let error = shell("echo reason >&2; exit 3").stdout().await.unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("`sh -c 'echo reason >&2; exit 3'` ended with exit status: 3"), "{text}");
        assert!(text.ends_with("reason"), "{text}");
    }

    #[tokio::test]
    async fn a_program_that_hangs_is_ended() {
        let error = shell("sleep 60").time_limit(Duration::from_millis(100)).run().await.unwrap_err();
        assert!(matches!(error, Error::TooLong { .. }), "{error}");
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_named() {
        let error = Command::new("/nowhere/helm", &Env::of(&[])).run().await.unwrap_err();
        assert_eq!(error.to_string(), "cannot start `helm`");
    }
}
