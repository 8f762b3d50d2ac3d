//! What the test groups counted: how often a run was cut, how many faults it was given, what was searched for secrets.
//! It may not judge: a test fails by itself, and only a count of what held is noted.
//! Called by tests (`note`) and by the command line, which forgets what earlier runs noted (`clear`) and makes the table of docs/RELIABILITY.md of
//! the rest (`write`).

use std::fmt::Write as _;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::error::{Attempt as _, Error};
use crate::shim::lab_program;

/// Forgets everything noted, so that nothing stays of tests that are no more.
pub fn clear() -> Result<(), Error> {
    let folder = folder()?;
    match std::fs::remove_dir_all(&folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        result => result.attempting(|| format!("cannot remove the figures in `{}`", folder.display())),
    }
}

/// Notes that a group has seen something hold `count` times. Noting it again replaces the count, so `what` holds no count.
pub fn note(group: &str, what: &str, count: u64) -> Result<(), Error> {
    let folder = folder()?.join(group);
    let file = folder.join(what.replace('/', " per "));
    let attempt = || format!("cannot write `{}`", file.display());
    std::fs::create_dir_all(&folder).attempting(attempt)?;
    std::fs::write(&file, count.to_string()).attempting(attempt)
}

/// Writes the table of everything noted into the page, between its two marks.
pub fn write(page: &Path) -> Result<(), Error> {
    let attempt = || format!("cannot write the figures into `{}`", page.display());
    let text = std::fs::read_to_string(page).attempting(attempt)?;
    let (before, rest) = text.split_once(BEGIN).ok_or_else(|| Error::new(attempt()))?;
    let (_, after) = rest.split_once(END).ok_or_else(|| Error::new(attempt()))?;
    let text = format!("{before}{BEGIN}\n{}{END}{after}", table(&folder()?)?);
    std::fs::write(page, text).attempting(attempt)
}

const BEGIN: &str = "<!-- figures -->";
const END: &str = "<!-- end of figures -->";

fn table(folder: &Path) -> Result<String, Error> {
    let mut text = String::from("| test group | what held | how often |\n|---|---|---|\n");
    for group in names(folder)? {
        for what in names(&folder.join(&group))? {
            let file = folder.join(&group).join(&what);
            let count =
                std::fs::read_to_string(&file).attempting(|| format!("cannot read `{}`", file.display()))?;
            // Writing into a String cannot fail.
            let _ = writeln!(text, "| `{group}` | {what} | {count} |");
        }
    }
    Ok(text)
}

fn names(folder: &Path) -> Result<Vec<String>, Error> {
    let attempt = || format!("there are no figures in `{}`: run the tests first", folder.display());
    let entries = std::fs::read_dir(folder).attempting(attempt)?;
    let mut names: Vec<String> =
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    Ok(names)
}

/// Beside the programs, so that every checkout has figures of its own.
fn folder() -> Result<PathBuf, Error> {
    Ok(lab_program()?.parent().map(|programs| programs.join("figures")).unwrap_or_default())
}
