//! Podman as Docker: containers with storage, settings and a socket that are this process's own.
//! It may not know what runs in a container.
//! Called by tests as `lab::containers()`, which is `None`, and counted, where podman cannot be.

use std::collections::HashSet;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use crate::error::{Attempt as _, Error};
use crate::process::{Process, command, output, spawn};
use crate::skipped::{self, Absent};
use crate::wait::{block_on, until};
use crate::{folder, shim};

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

/// What has to be installed; `Dockerfiles/install-podman` tries to.
const PROGRAMS: [&str; 3] = ["podman", "buildah", "runc"];

/// The podman service of this process, started on first use. Where podman is not installed or the kernel refuses containers, the caller is
/// noted as skipped.
///
/// # Panics
///
/// When it fails in another way.
#[track_caller]
pub fn containers() -> Option<&'static Containers> {
    static CONTAINERS: OnceLock<Result<Containers, Absent>> = OnceLock::new();
    skipped::or_skip(CONTAINERS.get_or_init(|| Containers::start(&folder::temporary("containers")?)))
}

/// Whether it was the kernel that did not let podman, buildah or runc do what a container needs, by the texts of errno(3) and the names of
/// what they were doing.
fn is_refusal(error: &Error) -> bool {
    let text = error.to_string().to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let doing = ["namespace", "mount", "cgroup", "clone", "unshare", "fork/exec", "overlay", "setgroups"];
    let refused = [
        "operation not permitted",
        "permission denied",
        "read-only file system",
        "function not implemented",
        "no such device",
        "not supported",
    ];
    has(&doing) && has(&refused)
}

fn absent(error: Error) -> Absent {
    if is_refusal(&error) { Absent::Impossible(error) } else { Absent::Broken(error) }
}

impl Containers {
    /// With storage of its own, which ends with this process.
    fn start(folder: &Path) -> Result<Self, Absent> {
        PROGRAMS.iter().try_for_each(|program| skipped::must_be_installed(program))?;
        let attempt = || "cannot prepare podman's folder".to_owned();
        let storage = format!(
            "[storage]\ndriver = \"overlay\"\ngraphroot = \"{0}/images\"\nrunroot = \"{0}/run\"\n",
            folder.display()
        );
        fs::write(folder.join("storage.conf"), storage).attempting(attempt)?;
        write_docker(&folder.join("bin")).attempting(attempt)?;
        remove_containers_after_owner(folder)?;
        write_settings(folder)?;
        // What the service would fail by too, without saying so to anybody.
        let mut info = in_folder("podman", folder);
        info.arg("info");
        output(info, "").map_err(absent)?;
        let containers = Self::serve(folder)?;
        containers.prove()?;
        Ok(containers)
    }

    /// With the user's own images; only settings and socket are in `folder`. Containers are the caller's to remove.
    pub(crate) fn of_the_user(folder: &Path) -> Result<Self, Error> {
        let is_missing = |program: &&str| skipped::must_be_installed(program).is_err();
        if let Some(program) = PROGRAMS.into_iter().find(is_missing) {
            let how = "`Dockerfiles/install-podman`, as root, installs it on Debian and Ubuntu";
            return Err(Error::new(format!("`{program}` is not installed; {how}")));
        }
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
        write_settings(folder)?;
        repeat_ends(folder.join("events.log"));
        let mut podman = in_folder("podman", folder);
        podman.args(["system", "service", "--time=0"]).arg(format!("unix://{}", socket.display()));
        let service = [Process::start(&podman, &folder.join("podman.log"))?];
        let listens = async || match socket.exists() {
            true => Ok(()),
            false => Err(Error::new("there is no socket yet")),
        };
        block_on(async || until("podman", Duration::from_secs(60), &service, listens).await)?;
        let [service] = service;
        Ok(Self { folder: folder.to_owned(), socket, _service: service })
    }

    /// Builds and runs a container once: the lab's own program, which needs nothing around it.
    fn prove(&self) -> Result<(), Absent> {
        let context = self.folder.join("proof");
        let attempt = || "cannot make an image".to_owned();
        fs::create_dir_all(&context).attempting(attempt)?;
        fs::copy(shim::lab_program()?, context.join("lab")).attempting(attempt)?;
        fs::write(context.join("Dockerfile"), "FROM scratch\nCOPY lab /lab\nENTRYPOINT [\"/lab\"]\n")
            .attempting(attempt)?;
        let mut build = self.command("buildah");
        build.args(["bud", "--quiet", "--isolation", "chroot", "--tag", "lab"]).arg(&context);
        output(build, "").map_err(absent)?;
        let mut run = self.command("podman");
        run.args(["run", "--rm", "--network", "host", "lab", "nothing"]);
        output(run, "").map(drop).map_err(absent)
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

fn write_settings(folder: &Path) -> Result<(), Error> {
    let settings = format!("{SETTINGS}\"{}\"\n", folder.join("events.log").display());
    fs::write(folder.join("containers.conf"), settings)
        .attempting(|| "cannot write podman's settings".to_owned())
}

/// Notes the end of each container a second time. Podman 4.3 first looks whether a container runs and then begins to listen for its end; one
/// that comes between the two is missed, and whoever follows the log, as both engines do, waits for ever.
fn repeat_ends(events: PathBuf) {
    thread::spawn(move || {
        let mut repeated = HashSet::new();
        loop {
            thread::sleep(Duration::from_secs(2));
            let text = fs::read_to_string(&events).unwrap_or_default();
            let ended = text.split_inclusive('\n').filter(|line| line.contains("\"Status\":\"died\""));
            let whole = ended.filter(|line| line.ends_with('\n'));
            let again: String = whole.filter(|line| repeated.insert((*line).to_owned())).collect();
            if again.is_empty() {
                continue;
            }
            let file = fs::OpenOptions::new().append(true).open(&events);
            // Removed with its folder: nobody follows a log any more.
            let _ = file.and_then(|mut file| file.write_all(again.as_bytes()));
        }
    });
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_kernel_refuses_makes_containers_impossible() {
        for refusal in [
            "cannot clone: Operation not permitted\nError: cannot re-exec process",
            "runc create failed: unable to apply cgroup configuration: mkdir /sys/fs/cgroup/lab: read-only file system",
            "error mounting \"proc\" to rootfs at \"/proc\": mount proc:/proc, flags: 0xe: operation not permitted",
            "'overlay' is not supported over overlayfs, a mount_program is required",
        ] {
            assert!(matches!(absent(Error::new(refusal)), Absent::Impossible(_)), "{refusal}");
        }
        for failure in [
            "podman is not ready after 60s: there is no socket yet",
            "creating overlay mount: no space left on device",
            "exec container process `/lab`: Exec format error",
            "open /lab: permission denied",
        ] {
            assert!(matches!(absent(Error::new(failure)), Absent::Broken(_)), "{failure}");
        }
    }
}
