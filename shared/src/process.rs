//! Starting other programs (helm, the AppServer): never through a shell, with an environment of their own, bounded in time and
//! output, and never outliving us. Callers judge the result by more than the exit code where a program's exit code is known to lie.

mod family;
mod leash;
mod output;
pub(crate) mod shim;
mod shown;
mod supervisor;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tokio::process::Child;
use tokio::time::timeout_at;

use self::leash::Leash;
pub use self::output::Output;
use self::output::Reading;
use crate::failure::{Exit, Fault};
use crate::redact::Redactor;
use crate::settings::Env;

/// A program about to be run.
#[derive(Clone, Debug)]
pub struct Command {
    program: PathBuf,
    arguments: Vec<OsString>,
    variables: BTreeMap<String, String>,
    folder: Option<PathBuf>,
    time_limit: Duration,
    idle_limit: Option<Duration>,
    is_quiet: bool,
    redactor: Redactor,
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
    #[error("`{command}` was ended after {}, the longest time it may run; its last words: {tail}", humantime::format_duration(*limit))]
    TooLong {
        /// The command line.
        command: String,
        /// The limit.
        limit: Duration,
        /// The last lines it wrote.
        tail: String,
    },
    /// It wrote nothing for longer than allowed and was ended.
    #[error("`{command}` was ended because it had written nothing for {}; its last words: {tail}", humantime::format_duration(*limit))]
    Silent {
        /// The command line.
        command: String,
        /// The limit.
        limit: Duration,
        /// The last lines it wrote.
        tail: String,
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
            Self::TooLong { .. } | Self::Silent { .. } => Exit::Temporary,
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
            idle_limit: None,
            is_quiet: false,
            redactor: env.redactor().clone(),
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

    /// Ended when it writes nothing for so long, on either stream. Only for programs that tell what they do: helm says nothing while its hooks run.
    #[must_use]
    pub fn idle_limit(mut self, limit: Duration) -> Self {
        self.idle_limit = Some(limit);
        self
    }

    /// Its output is in no log, whatever the level: it holds what nobody should read there, or far too much.
    #[must_use]
    pub fn quiet(mut self) -> Self {
        self.is_quiet = true;
        self
    }

    /// Runs it to its end, whatever the exit code. What it has started and left behind ends soon after it.
    ///
    /// # Errors
    /// When it cannot be started, runs too long or is silent for too long.
    pub async fn run(&self) -> Result<Output, Error> {
        let begun = Instant::now();
        let shown = self.to_string();
        tracing::debug!("running `{shown}`");
        let start_error = |source| Error::Start { command: shown.clone(), source };
        let mut child = self.prepared().spawn().map_err(start_error)?;
        let mut leash = Leash::of(&mut child);
        let stdout = Reading::begin(child.stdout.take(), self.is_quiet, &self.redactor);
        let stderr = Reading::begin(child.stderr.take(), self.is_quiet, &self.redactor);
        let ended = self.wait(&mut child, begun, [&stdout, &stderr]).await;
        match &ended {
            Ok(_) => leash.loosen(),
            Err(_) => {
                stdout.will_be_cut();
                stderr.will_be_cut();
                leash.end(&mut child).await;
            }
        }
        let (stdout, stderr) = tokio::join!(stdout.finish(), stderr.finish());
        let tail = |status| output::tail(status, &stdout, &stderr, &self.redactor);
        let status = match ended {
            Ok(status) => status.map_err(start_error)?,
            Err(limit) => {
                return Err(limit.error(shown, tail(ExitStatus::from_raw(Signal::KILL.as_raw()))));
            }
        };
        let (tail, elapsed) = (tail(status), begun.elapsed());
        let output = Output { command: shown.clone(), status, stdout, stderr, tail, elapsed };
        match shim::reason_not_started(&output) {
            Some(source) => Err(start_error(source)),
            None => Ok(output),
        }
    }

    /// Waits for its end, or until a limit is reached.
    async fn wait(
        &self,
        child: &mut Child,
        begun: Instant,
        streams: [&Reading; 2],
    ) -> Result<std::io::Result<ExitStatus>, Limit> {
        loop {
            let heard = streams.map(Reading::last_heard).into_iter().fold(begun, Instant::max);
            let total = (begun + self.time_limit, Limit::Total(self.time_limit));
            let idle = self.idle_limit.map(|limit| (heard + limit, Limit::Idle(limit)));
            let (end, limit) = idle.filter(|idle| idle.0 < total.0).unwrap_or(total);
            if Instant::now() >= end {
                return Err(limit);
            }
            if let Ok(status) = timeout_at(end.into(), child.wait()).await {
                return Ok(status);
            }
        }
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
        let mut command = match shim::around(&self.program) {
            Some((supervisor, before)) => {
                let mut command = tokio::process::Command::new(supervisor);
                command.args(before).stdin(Stdio::piped());
                command
            }
            None => {
                let mut command = tokio::process::Command::new(&self.program);
                command.stdin(Stdio::null()).kill_on_drop(true);
                command
            }
        };
        command
            .args(&self.arguments)
            .env_clear()
            .envs(&self.variables)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        command
    }
}

/// A limit that was reached.
#[derive(Clone, Copy, Debug)]
enum Limit {
    Total(Duration),
    Idle(Duration),
}

impl Limit {
    fn error(self, command: String, tail: String) -> Error {
        match self {
            Self::Total(limit) => Error::TooLong { command, limit, tail },
            Self::Idle(limit) => Error::Silent { command, limit, tail },
        }
    }
}

/// The command line as a person would type it; never the environment, which may hold secrets.
impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.program.display())?;
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
        assert!(
            text.starts_with("`/bin/sh -c 'echo reason >&2; exit 3'` ended with exit status: 3"),
            "{text}"
        );
        assert!(text.ends_with("reason"), "{text}");
    }

    #[tokio::test]
    async fn a_program_that_hangs_is_ended_with_all_it_started_and_its_last_words_are_told() {
        let begun = Instant::now();
        let script = "echo stuck at step 3; sleep 61 & echo $! >&2; wait";
        let error = shell(script).time_limit(Duration::from_millis(200)).run().await.unwrap_err();
        let Error::TooLong { tail, .. } = &error else { panic!("{error}") };
        assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
        let stat = std::fs::read_to_string(format!("/proc/{tail}/stat")).unwrap_or_default();
        assert!(stat.is_empty() || stat.contains(") Z "), "what it started still runs: {stat}");
    }

    #[tokio::test]
    async fn a_program_that_will_not_hear_is_killed() {
        let script = "trap '' TERM; while :; do sleep 0.1; done";
        let error = shell(script).time_limit(Duration::from_millis(100)).run().await.unwrap_err();
        assert!(matches!(error, Error::TooLong { .. }), "{error}");
    }

    #[tokio::test]
    async fn a_program_that_falls_silent_is_ended_and_one_that_speaks_is_not() {
        let limits =
            |script| shell(script).idle_limit(Duration::from_secs(2)).time_limit(Duration::from_secs(60));
        let error = limits("echo step 3; exec sleep 61").run().await.unwrap_err();
        assert!(matches!(&error, Error::Silent { tail, .. } if tail == "step 3"), "{error}");
        assert!(error.to_string().contains("nothing for 2s; its last words: step 3"), "{error}");
        let chatter = "for step in 1 2 3 4 5; do printf . >&2; sleep 0.6; done";
        assert_eq!(limits(chatter).run().await.unwrap().stderr, ".....");
    }

    #[tokio::test]
    async fn closing_its_streams_is_no_way_to_go_on_for_ever() {
        let error = shell("exec >&- 2>&-; sleep 61").time_limit(Duration::from_millis(200)).run().await;
        assert!(matches!(error, Err(Error::TooLong { .. })), "{error:?}");
    }

    #[tokio::test]
    async fn the_signal_that_ended_it_is_told() {
        let error = shell("kill -9 $$").stdout().await.unwrap_err();
        assert!(error.to_string().contains("ended with signal: 9"), "{error}");
    }

    #[tokio::test]
    async fn one_who_holds_the_pipe_is_not_waited_for() {
        let begun = Instant::now();
        let output = shell("sleep 20 & echo done").run().await.unwrap();
        assert_eq!(output.stdout, "done\n");
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_named_with_its_path() {
        let error = Command::new("/nowhere/helm", &Env::of(&[])).run().await.unwrap_err();
        assert_eq!(error.to_string(), "cannot start `/nowhere/helm`");
    }
}
