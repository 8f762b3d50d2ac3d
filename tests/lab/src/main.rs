//! The lab's command line.
//! It may not do the work: each subcommand is one function of the library.
//! Called by `make`, by people, and (the hidden ones) by the lab itself.

use std::ffi::OsString;
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::process::ExitCode;

use lab::demo::BucketOf;
use lab::{Engine, Error};

fn main() -> ExitCode {
    // By another name this program is another one.
    if let Some(code) = lab::standin::appserver::dispatch(std::env::args_os()) {
        return code;
    }
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            lab::say(&format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[OsString]) -> Result<(), Error> {
    let (name, rest) = arguments
        .split_first()
        .map_or(("", &[][..]), |(name, rest)| (name.to_str().unwrap_or_default(), rest));
    match (name, rest) {
        ("build", []) => lab::build_all(),
        ("demo", [folder]) => lab::demo::demo(Path::new(folder), None),
        ("demo", [folder, kubeconfig]) => lab::demo::demo(Path::new(folder), Some(Path::new(kubeconfig))),
        ("drone", [folder]) => lab::demo::in_engine(Engine::Drone, Path::new(folder)),
        ("woodpecker", [folder]) => lab::demo::in_engine(Engine::Woodpecker, Path::new(folder)),
        ("bench", [page]) => lab::wait::block_on(async || lab::bench::write(Path::new(page)).await),
        ("bench-images", [folder, page]) => lab::bench::images::write(Path::new(folder), Path::new(page)),
        ("figures", [page]) => lab::figures::write(Path::new(page)),
        ("clean", folders) => folders.iter().try_for_each(|folder| lab::demo::clean(Path::new(folder))),
        // Hidden: what `make` and the lab start of themselves.
        ("figures-clear", []) => lab::figures::clear(),
        ("serve", [folder]) => lab::demo::serve(Path::new(folder), BucketOf::Folder, None),
        ("serve", [folder, kubeconfig]) => {
            lab::demo::serve(Path::new(folder), BucketOf::Folder, Some(Path::new(kubeconfig)))
        }
        ("serve-store", [folder]) => lab::demo::serve(Path::new(folder), BucketOf::Store, None),
        ("nothing", []) => Ok(()),
        ("arrival", [file]) => lab::arrival::write(Path::new(file)),
        ("remove-containers", [folder]) => lab::containers::remove_after_owner(Path::new(folder)),
        ("skipped", []) => lab::skipped::show(),
        ("skipped-clear", []) => lab::skipped::clear(),
        ("shim", tool) => lab::shim::run(tool),
        ("sweep", [folder]) => lab::folder::sweep_after_owner(Path::new(folder)),
        ("hold", []) => hold(),
        ("bucket", [work, more @ ..]) => lab::bucket::run(work, more),
        ("trace", [folder, cut, program, arguments @ ..]) => lab::trace::run(folder, cut, program, arguments),
        ("traced", [program, arguments @ ..]) => lab::trace::begin(program, arguments),
        _ => Err(Error::new(
            "expected: build (builds the real components into the cache), demo FOLDER [KUBECONFIG], drone FOLDER, woodpecker FOLDER, clean FOLDER…, bench PAGE, bench-images FOLDER PAGE, figures PAGE",
        )),
    }
}

/// Runs an S3 server until standard input ends, and says its process id: the tests of what happens to a
/// tool when its owner is killed need an owner that they can kill.
fn hold() -> Result<(), Error> {
    let failed = |error: io::Error| Error::new(format!("cannot hold: {error}"));
    writeln!(io::stdout(), "{}", lab::s3().process_id()).map_err(failed)?;
    io::stdin().read_to_end(&mut Vec::new()).map_err(failed)?;
    Ok(())
}
