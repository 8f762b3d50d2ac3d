//! Tests that could not run here, so that a green run does not hide them.
//! It may not decide what is skipped.
//! Noted by whoever cannot provide a counterpart; counted by `make test` at its end.

use std::fs;
use std::io::ErrorKind;
use std::panic::Location;
use std::path::PathBuf;

use crate::error::{Attempt as _, Error};
use crate::say;
use crate::shim::lab_program;

/// Forgets what earlier runs skipped.
pub fn clear() -> Result<(), Error> {
    match fs::remove_file(file()?) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        result => result.attempting(|| "cannot forget the skipped tests".to_owned()),
    }
}

/// Notes the test at `place`.
pub(crate) fn note(place: &Location<'_>, reason: &str) {
    use std::io::Write as _;
    let line = format!("{}:{}: {}\n", place.file(), place.line(), reason.replace('\n', " "));
    let noted = file().and_then(|path| {
        let attempt = || format!("cannot write `{}`", path.display());
        let file = fs::OpenOptions::new().create(true).append(true).open(&path);
        file.attempting(attempt)?.write_all(line.as_bytes()).attempting(attempt)
    });
    say(&format!("SKIPPED {}", line.trim_end()));
    if let Err(error) = noted {
        say(&format!("error: {error}"));
    }
}

/// Says how many tests were skipped, and which.
pub fn show() -> Result<(), Error> {
    let text = match fs::read_to_string(file()?) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        text => text.attempting(|| "cannot read the skipped tests".to_owned())?,
    };
    say(&format!(
        "\n{} TESTS WERE SKIPPED, because what they need cannot run here:\n{text}",
        text.lines().count()
    ));
    Ok(())
}

fn file() -> Result<PathBuf, Error> {
    Ok(lab_program()?.parent().map(|programs| programs.join("skipped")).unwrap_or_default())
}
