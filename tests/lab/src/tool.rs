//! The real programs of the lab, built once from pinned and hash-checked Go modules into a cache.
//! It may not run them, and what it builds may not lie in the source tree.
//! Called by every module that runs a tool, and by `lab build`.

mod module;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use sha2::{Digest as _, Sha256};

use crate::component::{COMPONENTS, Component, of_program};
use crate::error::{Attempt as _, Error};
use crate::process::{Process, command, environment};
use crate::say;

/// The path of a program by its name (`helm`, `kubectl`, `etcd`, …), built first when it is missing.
pub fn tool(program: &str) -> Result<PathBuf, Error> {
    let component = of_program(program).ok_or_else(|| Error::new(format!("the lab has no `{program}`")))?;
    Ok(built(component)?.join(program))
}

/// The folder with the files that a program reads when it runs.
pub(crate) fn resources(program: &str) -> Result<PathBuf, Error> {
    let component = of_program(program).ok_or_else(|| Error::new(format!("the lab has no `{program}`")))?;
    Ok(built(component)?.join("resources"))
}

/// Builds whatever is missing.
pub fn build_all() -> Result<(), Error> {
    for component in &COMPONENTS {
        built(component)?;
    }
    Ok(())
}

/// The folder of a component in the cache, made when it is not there.
fn built(component: &Component) -> Result<PathBuf, Error> {
    let folder = cache()?.join(key(component)?);
    if folder.is_dir() {
        return Ok(folder);
    }
    let attempt = || format!("cannot prepare {}", component.name);
    fs::create_dir_all(cache()?).attempting(attempt)?;
    // Whoever comes second waits here, in this process or another, and finds the work done.
    let lock = File::create(folder.with_extension("lock")).attempting(attempt)?;
    lock.lock().attempting(attempt)?;
    if !folder.is_dir() {
        let begun = Instant::now();
        announce(component);
        // Renamed when complete: a build that was cut off is never taken for a built component.
        let partial = folder.with_extension("partial");
        build(component, &partial)?;
        fs::rename(&partial, &folder).attempting(attempt)?;
        say(&format!("built {} in {:.0?}", component.name, begun.elapsed()));
    }
    Ok(folder)
}

fn announce(component: &Component) {
    let programs: Vec<_> = component.programs.iter().map(|(name, _)| *name).collect();
    say(&format!(
        "building {} from source; the first time this takes about {} on two cores, because the module and all \
         it depends on are compiled here",
        programs.join(", "),
        component.takes
    ));
}

fn build(component: &Component, folder: &Path) -> Result<(), Error> {
    let attempt = || format!("cannot prepare `{}`", folder.display());
    if folder.exists() {
        fs::remove_dir_all(folder).attempting(attempt)?;
    }
    fs::create_dir_all(folder).attempting(attempt)?;
    let log = folder.join("build.log");
    let completed = module::completed(component, folder)?;
    let go = Process::start(&go_build(component, folder, completed.as_deref()), &log)?;
    if !go.wait()?.success() {
        return Err(Error::new(format!("cannot build {}; {}", component.name, go.last_words())));
    }
    if completed.is_some() {
        fs::remove_dir_all(folder.join("source")).attempting(attempt)?;
    }
    module::copy_resources(component, &folder.join("resources"))
}

fn go_build(component: &Component, folder: &Path, completed: Option<&Path>) -> Command {
    // `go` names a program after its package unless told otherwise, which it can be for one alone.
    let output = match component.programs {
        [(name, _)] => folder.join(name),
        _ => folder.join(""),
    };
    let mut go = go(component);
    go.arg("build").args(flags(component)).arg("-o").arg(output);
    if let Some(modules) = completed {
        go.arg("-modfile").arg(modules);
    }
    go.args(component.programs.iter().map(|(_, package)| package));
    go
}

/// The flags that decide what comes out; part of the cache's key.
fn flags(component: &Component) -> Vec<String> {
    let mut flags = vec!["-mod=readonly".into(), "-trimpath".into(), "-buildvcs=false".into()];
    flags.push(format!("-ldflags={}", component.linker));
    if !component.tags.is_empty() {
        flags.push(format!("-tags={}", component.tags));
    }
    flags
}

fn go(component: &Component) -> Command {
    let mut go = command("go");
    go.current_dir(module_folder(component));
    go.env("CGO_ENABLED", if component.has_c { "1" } else { "0" });
    // A workspace file in some parent folder would put other versions in place of the pinned ones.
    go.env("GOWORK", "off");
    go
}

/// `<name>-<12 hexadecimal digits>`, another one for every other set of sources, which are modules and programs of our own, or flags.
fn key(component: &Component) -> Result<String, Error> {
    let sums = module_folder(component).join("go.sum");
    let sums = fs::read(&sums).attempting(|| format!("cannot read `{}`", sums.display()))?;
    let mut hash = Sha256::new();
    hash.update(sums);
    hash.update(flags(component).join("\n"));
    for source in module::own_sources(component)? {
        hash.update(source);
    }
    for (path, text) in component.missing.1 {
        hash.update(format!("\n{path}\n{text}"));
    }
    let digits: String = hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("{}-{digits}", component.name))
}

fn module_folder(component: &Component) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("go").join(component.name)
}

pub(crate) fn cache() -> Result<PathBuf, Error> {
    if let Some(folder) = environment("ESTEIRA_LAB_CACHE") {
        return Ok(folder.into());
    }
    if let Some(folder) = environment("XDG_CACHE_HOME") {
        return Ok(Path::new(&folder).join("esteira-lab"));
    }
    let home = environment("HOME").ok_or_else(|| Error::new("set HOME or ESTEIRA_LAB_CACHE"))?;
    Ok(Path::new(&home).join(".cache/esteira-lab"))
}
