//! Files of the Go modules that components are built from.
//! It may not change them: a module that lacks a file is copied, and the copy completed.
//! Called by `tool` before and after a build.

use std::fs;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::{go, module_folder};
use crate::component::Component;
use crate::error::{Attempt as _, Error};
use crate::process;

/// Copies what the programs read when they run, so that a cached component needs nothing else.
pub(super) fn copy_resources(component: &Component, to: &Path) -> Result<(), Error> {
    let (module, wanted) = component.resources;
    if wanted.is_empty() {
        return Ok(());
    }
    copy(&source(component, module)?, wanted, to)
}

/// Completes a module that cannot be compiled as it was published. The returned file takes the place of the
/// component's `go.mod`, and names the completed copy, which lies in `folder`.
pub(super) fn completed(component: &Component, folder: &Path) -> Result<Option<PathBuf>, Error> {
    let (module, missing) = component.missing;
    if missing.is_empty() {
        return Ok(None);
    }
    let attempt = || format!("cannot complete {module}");
    let mut download = go(component);
    // Checked against `go.sum` here, because nobody checks a copy.
    download.args(["mod", "download", module]);
    process::output(download, "")?;
    let copied = folder.join("source");
    copy(&source(component, module)?, &[""], &copied)?;
    for (path, text) in missing {
        let path = copied.join(path);
        fs::create_dir_all(path.parent().unwrap_or(&copied)).attempting(attempt)?;
        fs::write(path, text).attempting(attempt)?;
    }
    let pinned = module_folder(component);
    let modules = folder.join("completed.mod");
    fs::copy(pinned.join("go.mod"), &modules).attempting(attempt)?;
    fs::copy(pinned.join("go.sum"), modules.with_extension("sum")).attempting(attempt)?;
    let mut edit = go(component);
    edit.args(["mod", "edit", &format!("-replace={module}={}", copied.display())]).arg(&modules);
    process::output(edit, "")?;
    Ok(Some(modules))
}

/// The text of every Go file that lies beside the component's `go.mod`, always in the same order.
pub(super) fn own_sources(component: &Component) -> Result<Vec<Vec<u8>>, Error> {
    let folder = module_folder(component);
    let attempt = || format!("cannot read `{}`", folder.display());
    let mut texts = Vec::new();
    for entry in WalkDir::new(&folder).sort_by_file_name() {
        let entry = entry.attempting(attempt)?;
        if entry.path().extension().is_some_and(|extension| extension == "go") {
            texts.push(fs::read(entry.path()).attempting(attempt)?);
        }
    }
    Ok(texts)
}

/// Where the tool chain keeps a module.
fn source(component: &Component, module: &str) -> Result<PathBuf, Error> {
    let mut list = go(component);
    list.args(["list", "-mod=readonly", "-m", "-f", "{{.Dir}}", module]);
    Ok(PathBuf::from(process::output(list, "")?.trim_end()))
}

fn copy(from: &Path, wanted: &[&str], to: &Path) -> Result<(), Error> {
    for root in wanted {
        for entry in WalkDir::new(from.join(root)) {
            let entry = entry.attempting(|| format!("cannot read `{}`", from.display()))?;
            if entry.file_type().is_file() {
                let attempt = || format!("cannot copy `{}`", entry.path().display());
                let target = to.join(entry.path().strip_prefix(from).attempting(attempt)?);
                fs::create_dir_all(target.parent().unwrap_or(to)).attempting(attempt)?;
                fs::copy(entry.path(), target).attempting(attempt)?;
            }
        }
    }
    Ok(())
}
