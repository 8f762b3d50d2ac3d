//! Tests that could not run here, so that a green run does not hide them; with `ESTEIRA_LAB_ALL` in the environment they fail instead.
//! It may not decide what is skipped: whoever cannot provide a counterpart says whether it cannot be here or is broken.
//! Counted by `make test` at its end.

use std::fs;
use std::io::ErrorKind;
use std::panic::Location;
use std::path::{Path, PathBuf};

use crate::error::{Attempt as _, Error};
use crate::process::environment;
use crate::say;
use crate::shim::lab_program;

/// Why there is no counterpart.
#[derive(Clone, Debug)]
pub(crate) enum Absent {
    /// This machine cannot have it: tests that need it are skipped.
    Impossible(Error),
    /// It should be there: tests that need it fail.
    Broken(Error),
}

impl From<Error> for Absent {
    fn from(error: Error) -> Self {
        Self::Broken(error)
    }
}

/// The counterpart, or `None` where this machine cannot have it: then the caller is noted as skipped.
///
/// # Panics
///
/// When it is broken, when nothing may be skipped, and when the skip could not be noted: it would be hidden.
#[expect(clippy::panic, reason = "a test without its counterpart can only fail, and should say why")]
#[track_caller]
pub(crate) fn or_skip<T>(started: &'static Result<T, Absent>) -> Option<&'static T> {
    let place = Location::caller();
    let absent = match started {
        Ok(counterpart) => return Some(counterpart),
        Err(absent) => absent,
    };
    let may_skip = environment("ESTEIRA_LAB_ALL").is_none();
    match file().and_then(|file| skip(absent, place, may_skip, &file)) {
        Ok(line) => {
            say(&format!("SKIPPED {line}"));
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// Notes a line in `file`, and returns it.
fn skip(absent: &Absent, place: &Location<'_>, may_skip: bool, file: &Path) -> Result<String, Error> {
    use std::io::Write as _;
    let reason = match absent {
        Absent::Broken(error) => return Err(error.clone()),
        Absent::Impossible(error) if may_skip => error.to_string().replace('\n', " "),
        Absent::Impossible(error) => {
            return Err(Error::new(format!("ESTEIRA_LAB_ALL is set, so nothing is skipped: {error}")));
        }
    };
    let line = format!("{}:{}: {reason}", place.file(), place.line());
    let attempt = || format!("cannot write `{}`", file.display());
    let opened = fs::OpenOptions::new().create(true).append(true).open(file);
    opened.attempting(attempt)?.write_all(format!("{line}\n").as_bytes()).attempting(attempt)?;
    Ok(line)
}

/// An error when `program` is neither in `PATH` nor where only root's has it, which is where podman looks for its runtime too.
pub(crate) fn must_be_installed(program: &str) -> Result<(), Absent> {
    let path = environment("PATH").unwrap_or_default();
    let mut folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    match folders.any(|folder| folder.join(program).is_file()) {
        true => Ok(()),
        false => Err(Absent::Impossible(Error::new(format!("`{program}` is not installed")))),
    }
}

/// Forgets what earlier runs skipped.
pub fn clear() -> Result<(), Error> {
    clear_file(&file()?)
}

fn clear_file(file: &Path) -> Result<(), Error> {
    match fs::remove_file(file) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        result => result.attempting(|| "cannot forget the skipped tests".to_owned()),
    }
}

/// Says how many tests were skipped, and which.
pub fn show() -> Result<(), Error> {
    if let Some(text) = told(&file()?)? {
        say(&text);
    }
    Ok(())
}

fn told(file: &Path) -> Result<Option<String>, Error> {
    let text = match fs::read_to_string(file) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        text => text.attempting(|| "cannot read the skipped tests".to_owned())?,
    };
    let count = text.lines().count();
    Ok(Some(format!("\n{count} TESTS WERE SKIPPED, because what they need cannot run here:\n{text}")))
}

fn file() -> Result<PathBuf, Error> {
    Ok(lab_program()?.parent().map(|programs| programs.join("skipped")).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_here_is_skipped_and_counted_until_it_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("skipped");
        assert_eq!(told(&file).unwrap(), None);
        for reason in ["no podman", "no namespaces\nhere"] {
            let absent = Absent::Impossible(Error::new(reason));
            skip(&absent, Location::caller(), true, &file).unwrap();
        }
        let told_of = told(&file).unwrap().unwrap();
        assert!(told_of.starts_with("\n2 TESTS WERE SKIPPED"), "{told_of}");
        let ends = told_of.lines().skip(2).map(|line| line.split_once("skipped.rs:").unwrap().1);
        let reasons: Vec<_> = ends.map(|end| end.split_once(": ").unwrap().1).collect();
        assert_eq!(reasons, ["no podman", "no namespaces here"]);
        clear_file(&file).unwrap();
        clear_file(&file).unwrap();
        assert_eq!(told(&file).unwrap(), None);
    }

    #[test]
    fn what_is_broken_fails_and_so_does_every_skip_that_is_not_wanted_or_cannot_be_noted() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("skipped");
        let place = Location::caller();
        let refused = |absent: &Absent, may_skip, file: &Path| {
            skip(absent, place, may_skip, file).unwrap_err().to_string()
        };
        let impossible = Absent::Impossible(Error::new("no podman"));
        let broken = Absent::from(Error::new("no socket"));
        assert_eq!(refused(&broken, true, &file), "no socket");
        assert!(refused(&impossible, false, &file).ends_with("nothing is skipped: no podman"));
        assert!(refused(&impossible, true, folder.path()).starts_with("cannot write"));
        assert_eq!(told(&file).unwrap(), None);
    }

    #[test]
    fn only_a_program_that_is_not_there_makes_something_impossible() {
        must_be_installed("sh").unwrap();
        let absent = must_be_installed("no-such-program").unwrap_err();
        assert!(matches!(absent, Absent::Impossible(_)), "{absent:?}");
    }
}
