//! The vendor's AppServer as a command line: what it is told, and whether what it answers means success. Its exit code is 0 either way, so only
//! its own success line and its error report count. Facts: TDN pages 528461210 and 894373489; see docs/ARCHITECTURE.md.

use std::path::{Path, PathBuf};
use std::time::Duration;

use shared::process::{Command, Error as ProcessError, Output};
use shared::settings::Env;

use crate::Error;
use crate::settings::Settings;

/// The vendor's program in the folder `appserver`.
pub const PROGRAM: &str = "appsrvlinux";
const APPLIED: &str = "Patch successfully applied.";
const ERROR_REPORT: &str = "patch_errors.log";

/// The AppServer of the settings.
#[derive(Clone, Debug)]
pub struct AppServer {
    folder: PathBuf,
    environment: String,
    apply_old: bool,
    time_limit: Duration,
    idle_limit: Option<Duration>,
    env: Env,
}

impl AppServer {
    /// Names the AppServer; nothing is started yet.
    #[must_use]
    pub fn new(settings: &Settings, env: &Env) -> Self {
        Self {
            folder: settings.appserver.clone(),
            environment: settings.environment.clone(),
            apply_old: settings.apply_old,
            time_limit: settings.apply_timeout,
            idle_limit: settings.idle_timeout,
            env: env.clone(),
        }
    }

    /// Whether its program is where the settings say.
    ///
    /// # Errors
    /// When it is not.
    pub fn check(&self) -> Result<(), Error> {
        let program = self.folder.join(PROGRAM);
        if program.is_file() { Ok(()) } else { Err(Error::NoAppServer { folder: self.folder.clone() }) }
    }

    /// What it says of itself.
    ///
    /// # Errors
    /// When it cannot be run.
    pub async fn version(&self) -> Result<String, ProcessError> {
        let output = self.command().arg("-version").time_limit(Duration::from_secs(60)).run().await?;
        let line = output.stdout.lines().map(str::trim).find(|line| !line.is_empty());
        Ok(line.unwrap_or("unknown").to_owned())
    }

    /// The text of the ini file under which it patches the RPO in `repository`. `BuildKillUsers` keeps monitor jobs from holding the RPO, and
    /// `AllowApplyPatch` is the right to patch.
    #[must_use]
    pub fn ini(&self, repository: &Path) -> String {
        let environment = &self.environment;
        let repository = repository.display();
        format!(
            "[{environment}]\nSourcePath={repository}\nRootPath={repository}\nStartPath=/system/\nRpoDb=SQL\nRpoVersion=120\nRpoLanguage=multi\nRegionalLanguage=BRA\n\n\
             [General]\nBuildKillUsers=1\n\n[Drivers]\nActive=TCP\nMultiProtocolPort=0\n\n[TDS]\nAllowApplyPatch=*\nAllowEdit=*\n"
        )
    }

    /// Applies one patch to the RPO that the ini file names. `reports` is an empty folder for the AppServer's report files.
    ///
    /// # Errors
    /// Outer: it could not be run. Inner: it ran and did not apply the patch, in its own words.
    pub async fn apply(
        &self,
        ini: &Path,
        patch: &Path,
        reports: &Path,
    ) -> Result<Result<(), String>, ProcessError> {
        let mut command = self
            .command()
            .arg("-compile")
            .arg("-applypatch")
            .arg(format!("-files={}", patch.display()))
            .arg(format!("-env={}", self.environment))
            .arg(format!("-outreport={}", reports.display()))
            .arg(format!("-ini={}", ini.display()));
        if self.apply_old {
            command = command.arg("-applyoldprogram");
        }
        if let Some(limit) = self.idle_limit {
            command = command.idle_limit(limit);
        }
        let output = command.time_limit(self.time_limit).run().await?;
        // No report file is as good as an empty one.
        let errors = tokio::fs::read(reports.join(ERROR_REPORT)).await.unwrap_or_default();
        Ok(judge(&output, &String::from_utf8_lossy(&errors)))
    }

    fn command(&self) -> Command {
        Command::new(self.folder.join(PROGRAM), &self.env).folder(&self.folder).env("LD_LIBRARY_PATH", ".")
    }
}

/// Success is its success line, an empty error report and no sign of death; nothing less.
fn judge(output: &Output, errors: &str) -> Result<(), String> {
    let first_error = errors.lines().map(str::trim).find(|line| !line.is_empty());
    match first_error {
        Some(error) => Err(error.to_owned()),
        None if !output.status.success() => Err(format!("it ended with {}: {}", output.status, output.tail)),
        None if output.stdout.contains(APPLIED) => Ok(()),
        None => Err(format!("it did not say `{APPLIED}`, but: {}", output.tail)),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::ExitStatus;

    use super::*;

    fn output(code: i32, stdout: &str) -> Output {
        Output {
            command: String::new(),
            status: ExitStatus::from_raw(code << 8),
            stdout: stdout.to_owned(),
            stderr: String::new(),
            tail: stdout.to_owned(),
            elapsed: Duration::ZERO,
        }
    }

    #[test]
    fn a_folder_without_it_is_named_with_the_setting() {
        let settings = [
            ("PLUGIN_BUCKET", "file:///b"),
            ("PLUGIN_APPSERVER", "/opt/nowhere"),
            ("PLUGIN_RELEASE", "12.1.2410"),
            ("PLUGIN_RPO_SOURCE", "base"),
        ];
        let env = Env::of(&settings);
        let error = AppServer::new(&Settings::from_env(&env).unwrap(), &env).check().unwrap_err();
        assert_eq!(
            error.to_string(),
            "there is no AppServer `appsrvlinux` in `/opt/nowhere`: look at `appserver`"
        );
    }

    #[test]
    fn exit_code_0_proves_nothing() {
        assert!(judge(&output(0, "[CMDLINE] Patch successfully applied.\n"), "").is_ok());
        assert!(
            judge(&output(0, "COMPILEERROR-300 Failed to open repository\n"), "")
                .unwrap_err()
                .contains("COMPILEERROR-300")
        );
        assert_eq!(
            judge(&output(0, "[CMDLINE] Patch successfully applied.\n"), "\nsource APDA020 failed\n")
                .unwrap_err(),
            "source APDA020 failed"
        );
        assert!(judge(&output(134, "[CMDLINE] Patch successfully applied.\n"), "").is_err());
    }
}
