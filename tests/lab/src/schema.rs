//! Checks XML files against the schema that Jenkins holds them to, with a validator from PyPI that is installed once into the lab's cache.
//! It may not know what the files say.
//! Called by the tests of reports.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::error::{Attempt as _, Error};
use crate::process::{command, output};
use crate::say;
use crate::tool::cache;

/// Changes with the versions in `schema/validator.txt`.
const NAME: &str = "xmlschema-4.3.2";
const SCRIPT: &str = "import sys, xmlschema\nschema = xmlschema.XMLSchema(sys.argv[1])\nfor file in sys.argv[2:]:\n    schema.validate(file)\n";

/// Fails with the validator's words when one of the files is no JUnit report to Jenkins.
pub fn check_junit(files: &[PathBuf]) -> Result<(), Error> {
    let mut python = command("python3");
    python.arg("-c").arg(SCRIPT).arg(folder().join("junit-10.xsd")).args(files);
    python.env("PYTHONPATH", installed()?).env("PYTHONDONTWRITEBYTECODE", "1");
    output(python, "").map(drop)
}

fn installed() -> Result<PathBuf, Error> {
    let place = cache()?.join(NAME);
    if place.is_dir() {
        return Ok(place);
    }
    let attempt = || format!("cannot prepare `{}`", place.display());
    fs::create_dir_all(cache()?).attempting(attempt)?;
    // Whoever comes second waits here, in this process or another, and finds the work done.
    let lock = File::create(place.with_added_extension("lock")).attempting(attempt)?;
    lock.lock().attempting(attempt)?;
    if !place.is_dir() {
        say(&format!("installing {NAME} from PyPI into {}", place.display()));
        // Renamed when complete: an installation that was cut off is never taken for a whole one.
        let partial = place.with_added_extension("partial");
        let mut pip = command("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]);
        pip.args(["--only-binary", ":all:", "--require-hashes", "--upgrade", "--target"]).arg(&partial);
        pip.arg("--requirement").arg(folder().join("validator.txt"));
        output(pip, "")?;
        fs::rename(&partial, &place).attempting(attempt)?;
    }
    Ok(place)
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("schema")
}
