//! Jenkinsfiles, executed without Jenkins: by the Groovy that Jenkins has, with the definitions of its steps in `jenkins/`, which say what they were
//! written from. Nothing else is a stand-in: `sh` is the machine's, and so is what it runs.
//! Called by tests as `lab::jenkinsfile::groovy()`, which is `None`, and counted, where there is no Java or Maven.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::error::{Attempt as _, Error};
use crate::plugin::Ended;
use crate::process::{command, output, spawn};
use crate::skipped::{self, Absent};
use crate::tool::cache;
use crate::{folder, say};

/// The version in Jenkins' core (`groovy.version` of its `bom/pom.xml`), which also runs on the Java that is there.
const VERSION: &str = "2.4.21";
const SHA256: &str = "de65260cf2070442e99882f2f3d72e7531725c1e6a257446cc0cea525c607bd0";
const MAVEN: &str = "org.apache.maven.plugins:maven-dependency-plugin:2.8:copy";

/// The library of all of Groovy.
#[derive(Clone, Debug)]
pub struct Groovy(PathBuf);

/// A build about to run.
#[derive(Clone, Debug, Default)]
pub struct Job {
    /// The text of its Jenkinsfile.
    pub pipeline: String,
    /// Where it runs.
    pub workspace: PathBuf,
    /// The agent's environment; there is nothing else in it but `PATH`.
    pub environment: BTreeMap<String, String>,
    /// Parameters that somebody chose.
    pub parameters: BTreeMap<String, serde_json::Value>,
    /// Credentials by their ids.
    pub credentials: BTreeMap<String, String>,
}

/// A build that has begun.
#[derive(Debug)]
pub struct Build {
    archive: PathBuf,
    child: Child,
}

/// A build that has ended.
#[derive(Debug)]
pub struct Built {
    /// Its log as everybody sees it, and 0 if it was successful.
    pub ended: Ended,
    /// What `withCredentials` would not have hidden is told from this log.
    pub unmasked: String,
    /// Folder with what it archived: `junit` as in the workspace, `html` by the name of the report.
    pub archive: PathBuf,
}

/// Groovy, installed on first use. Without Java or Maven the caller is noted as skipped.
///
/// # Panics
///
/// When both are there and Groovy cannot be installed.
#[track_caller]
pub fn groovy() -> Option<&'static Groovy> {
    static GROOVY: OnceLock<Result<Groovy, Absent>> = OnceLock::new();
    skipped::or_skip(GROOVY.get_or_init(installed))
}

fn installed() -> Result<Groovy, Absent> {
    skipped::must_be_installed("java")?;
    let jar = cache()?.join(format!("groovy-all-{VERSION}.jar"));
    let attempt = || format!("cannot prepare `{}`", jar.display());
    fs::create_dir_all(cache()?).attempting(attempt)?;
    // Whoever comes second waits here, in this process or another, and finds the work done.
    let lock = File::create(jar.with_added_extension("lock")).attempting(attempt)?;
    lock.lock().attempting(attempt)?;
    if !jar.is_file() {
        skipped::must_be_installed("mvn")?;
        say(&format!("installing Groovy {VERSION} from Maven Central into {}", jar.display()));
        let downloads = folder::temporary("groovy")?;
        let mut maven = command("mvn");
        maven.args(["--batch-mode", "--quiet", MAVEN]).current_dir(&downloads);
        maven.arg(format!("-Dartifact=org.codehaus.groovy:groovy-all:{VERSION}"));
        maven.arg(format!("-DoutputDirectory={}", downloads.display()));
        output(maven, "")?;
        let bytes = fs::read(downloads.join(format!("groovy-all-{VERSION}.jar"))).attempting(attempt)?;
        must_be_groovy(&bytes)?;
        // Renamed when complete: one that was cut off is never taken for a whole one.
        let partial = jar.with_added_extension("partial");
        fs::write(&partial, bytes).attempting(attempt)?;
        fs::rename(partial, &jar).attempting(attempt)?;
    }
    Ok(Groovy(jar))
}

fn must_be_groovy(bytes: &[u8]) -> Result<(), Error> {
    let digest: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    match digest == SHA256 {
        true => Ok(()),
        false => Err(Error::new(format!("Groovy {VERSION} has the SHA-256 {digest}, expected {SHA256}"))),
    }
}

impl Groovy {
    /// Starts a build with the shared library in `library`.
    pub fn start(&self, job: &Job, library: &Path) -> Result<Build, Error> {
        let (folder, archive) = (folder::temporary("jenkinsfile")?, folder::temporary("archive")?);
        let file = folder.join("Jenkinsfile");
        let attempt = || "cannot start a build".to_owned();
        fs::write(&file, &job.pipeline).attempting(attempt)?;
        let mut java = self.java();
        java.arg("Run.groovy").arg(file).arg(library).arg(&job.workspace).arg(&archive);
        java.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = spawn(java).attempting(attempt)?;
        let given = json!({"environment": job.environment, "parameters": job.parameters, "credentials": job.credentials});
        child.stdin.as_mut().map(|input| writeln!(input, "{given}")).transpose().attempting(attempt)?;
        Ok(Build { archive, child })
    }

    /// Runs a build to its end.
    pub fn run(&self, job: &Job, library: &Path) -> Result<Built, Error> {
        self.start(job, library)?.wait()
    }

    fn java(&self) -> Command {
        let definitions = Path::new(env!("CARGO_MANIFEST_DIR")).join("jenkins");
        let mut java = command("java");
        java.arg("-Dfile.encoding=UTF-8").arg("-cp").arg(format!("{}:.", self.0.display()));
        java.arg("groovy.ui.GroovyMain").current_dir(definitions);
        java
    }
}

impl Build {
    /// Aborts it, as somebody does with Jenkins' red button.
    pub fn abort(&mut self) -> Result<(), Error> {
        let sent = self.child.stdin.as_mut().map(|input| writeln!(input, "abort"));
        sent.transpose().attempting(|| "cannot abort the build".to_owned()).map(drop)
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.archive.join("unmasked.log")).unwrap_or_default()
    }

    /// Waits for its end.
    pub fn wait(self) -> Result<Built, Error> {
        let unmasked = self.archive.join("unmasked.log");
        let attempt = || "cannot wait for the build".to_owned();
        let ended = Ended::of(&self.child.wait_with_output().attempting(attempt)?);
        let unmasked = fs::read_to_string(unmasked).attempting(attempt)?;
        Ok(Built { ended, unmasked, archive: self.archive })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_file_than_groovy_fails_the_tests_and_skips_none() {
        let absent = Absent::from(must_be_groovy(b"not Groovy").unwrap_err());
        let Absent::Broken(error) = absent else { panic!("{absent:?}") };
        assert!(error.to_string().ends_with(&format!("expected {SHA256}")), "{error}");
    }
}
