//! Podman as Docker: containers with storage, settings and a socket that are this process's own.
//! It may not know what runs in a container.
//! Called by tests as `lab::containers()`, which is `None`, and counted, where podman cannot run.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::panic::Location;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use crate::error::{Attempt as _, Error};
use crate::process::{Process, command, output, spawn};
use crate::wait::{block_on, until};
use crate::{folder, say, shim, skipped};

/// runc and cgroupfs, because they work where no systemd runs; limits below those that a container may not raise again. Events go to
/// a file that follows, because who follows the log of a running container learns of its end by them: without, both engines hang.
const SETTINGS: &str = "[containers]\ndefault_ulimits = [\"nofile=20000:20000\", \"nproc=4000:4000\"]\n\n\
     [engine]\nruntime = \"runc\"\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\nevents_logfile_path = ";

/// A running podman service.
pub struct Containers {
    folder: PathBuf,
    socket: PathBuf,
    _service: Process,
}

/// The podman service of this process, started on first use. Where podman cannot run this says so, and notes the caller as skipped.
#[track_caller]
pub fn containers() -> Option<&'static Containers> {
    static CONTAINERS: OnceLock<Result<Containers, Error>> = OnceLock::new();
    let started = CONTAINERS.get_or_init(|| {
        let started = Containers::start(&folder::temporary("containers")?);
        started.inspect_err(|error| {
            say(&format!("podman cannot run here, tests that need it are SKIPPED: {error}"))
        })
    });
    let skip = |error: &Error| skipped::note(Location::caller(), &error.to_string());
    started.as_ref().inspect_err(|error| skip(error)).ok()
}

impl Containers {
    /// With storage of its own, which ends with this process.
    fn start(folder: &Path) -> Result<Self, Error> {
        let attempt = || "cannot prepare podman's folder".to_owned();
        let storage = format!(
            "[storage]\ndriver = \"overlay\"\ngraphroot = \"{0}/images\"\nrunroot = \"{0}/run\"\n",
            folder.display()
        );
        fs::write(folder.join("storage.conf"), storage).attempting(attempt)?;
        write_docker(&folder.join("bin")).attempting(attempt)?;
        remove_containers_after_owner(folder)?;
        let containers = Self::serve(folder)?;
        containers.prove()?;
        Ok(containers)
    }

    /// With the user's own images; only settings and socket are in `folder`. Containers are the caller's to remove.
    pub(crate) fn of_the_user(folder: &Path) -> Result<Self, Error> {
        folder::create(folder)?;
        Self::serve(folder)
    }

    fn serve(folder: &Path) -> Result<Self, Error> {
        let attempt = || "cannot prepare podman's folder".to_owned();
        let socket = folder.join("podman.sock");
        // Of an earlier process, it would be taken for the one that is awaited.
        if socket.exists() {
            fs::remove_file(&socket).attempting(attempt)?;
        }
        let settings = format!("{SETTINGS}\"{}\"\n", folder.join("events.log").display());
        fs::write(folder.join("containers.conf"), settings).attempting(attempt)?;
        let mut podman = in_folder("podman", folder);
        podman.args(["system", "service", "--time=0"]).arg(format!("unix://{}", socket.display()));
        let service = [Process::start(&podman, &folder.join("podman.log"))?];
        let listens = async || match socket.exists() {
            true => Ok(()),
            false => Err(Error::new("there is no socket yet")),
        };
        block_on(async || until("podman", Duration::from_secs(20), &service, listens).await)?;
        let [service] = service;
        Ok(Self { folder: folder.to_owned(), socket, _service: service })
    }

    /// Builds and runs a container once: the lab's own program, which needs nothing around it.
    fn prove(&self) -> Result<(), Error> {
        let context = self.folder.join("proof");
        let attempt = || "cannot make an image".to_owned();
        fs::create_dir_all(&context).attempting(attempt)?;
        fs::copy(shim::lab_program()?, context.join("lab")).attempting(attempt)?;
        fs::write(context.join("Dockerfile"), "FROM scratch\nCOPY lab /lab\nENTRYPOINT [\"/lab\"]\n")
            .attempting(attempt)?;
        let mut build = self.command("buildah");
        build.args(["bud", "--quiet", "--isolation", "chroot", "--tag", "lab"]).arg(&context);
        output(build, "")?;
        let mut run = self.command("podman");
        run.args(["run", "--rm", "--network", "host", "lab", "nothing"]);
        output(run, "").map(drop)
    }

    /// `podman` or `buildah` with this storage.
    pub fn command(&self, program: &str) -> Command {
        in_folder(program, &self.folder)
    }

    /// The containers, running or not, that work in `folder` or below it.
    pub fn in_folder(&self, folder: &Path) -> Result<Vec<String>, Error> {
        let mut list = self.command("podman");
        list.args(["ps", "--all", "--quiet", "--no-trunc"]);
        let all = output(list, "")?;
        let works_there = |id: &&str| {
            let mut inspect = self.command("podman");
            inspect.args([
                "inspect",
                "--type",
                "container",
                "--format",
                "{{range .Mounts}}{{.Source}}\n{{end}}",
                id,
            ]);
            // One that somebody removes meanwhile works nowhere.
            output(inspect, "")
                .is_ok_and(|mounts| mounts.lines().any(|one| Path::new(one).starts_with(folder)))
        };
        Ok(all.lines().filter(works_there).map(str::to_owned).collect())
    }

    /// Address of the Docker-compatible socket.
    pub fn socket(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// A folder for `PATH` whose `docker` is this podman.
    pub fn docker(&self) -> PathBuf {
        self.folder.join("bin")
    }
}

fn in_folder(program: &str, folder: &Path) -> Command {
    let mut command = command(program);
    command.env("CONTAINERS_CONF", folder.join("containers.conf"));
    let storage = folder.join("storage.conf");
    if storage.exists() {
        command.env("CONTAINERS_STORAGE_CONF", storage);
    }
    command
}

/// A `docker` that finds its settings beside itself, for scripts that clear their environment.
fn write_docker(bin: &Path) -> std::io::Result<()> {
    let script = "#!/bin/sh\nhere=${0%/*}/..\nCONTAINERS_CONF=$here/containers.conf CONTAINERS_STORAGE_CONF=$here/storage.conf exec podman \"$@\"\n";
    fs::create_dir_all(bin)?;
    fs::write(bin.join("docker"), script)?;
    fs::set_permissions(bin.join("docker"), fs::Permissions::from_mode(0o755))
}

/// Containers do not end with whoever started them, and what is mounted cannot be removed: both are cleared away by a process that
/// waits for the end of this one.
fn remove_containers_after_owner(folder: &Path) -> Result<(), Error> {
    static WAITING: OnceLock<std::process::Child> = OnceLock::new();
    let mut remover = command(shim::lab_program()?);
    remover.arg("remove-containers").arg(folder);
    remover.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let remover = spawn(remover).attempting(|| "cannot start what removes the containers".to_owned())?;
    // Its standard input is open as long as this process lives.
    let _ = WAITING.set(remover);
    Ok(())
}

/// Ends and removes all containers of `folder` when the process at the other end of standard input has ended.
pub fn remove_after_owner(folder: &Path) -> Result<(), Error> {
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).attempting(|| "cannot wait".to_owned())?;
    let mut remove = in_folder("podman", folder);
    remove.args(["rm", "--all", "--force", "--time", "0"]);
    output(remove, "").map(drop)
}
