//! Which system calls change something in a folder.
//! It may not stop anything. Called by the tracer for a thread that stands before a call.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use nix::libc;
use nix::sys::ptrace;
use nix::unistd::Pid;

/// By which argument a call names what it changes.
enum Names {
    /// The path at this argument.
    Path(usize),
    /// The path at this argument, when it is opened to be made or emptied.
    Opened { path: usize, flags: usize },
    /// The descriptor at the first argument.
    Descriptor,
}

/// What the thread is about to change in the folder: call and file. `None` when nothing.
pub(super) fn change(thread: Pid, folder: &Path) -> Option<String> {
    let (number, arguments) = registers(thread)?;
    let (call, names) = named(number)?;
    let path = match names {
        Names::Path(at) => text(thread, *arguments.get(at)?)?,
        Names::Opened { path, flags } => {
            let writes = u64::try_from(libc::O_CREAT | libc::O_TRUNC).ok()?;
            (arguments.get(flags)? & writes != 0).then_some(())?;
            text(thread, *arguments.get(path)?)?
        }
        Names::Descriptor => std::fs::read_link(format!("/proc/{thread}/fd/{}", arguments.first()?)).ok()?,
    };
    let inside = path.strip_prefix(folder).ok()?;
    Some(format!("{call} {}", inside.display()))
}

fn named(number: i64) -> Option<(&'static str, Names)> {
    #[cfg(target_arch = "x86_64")]
    match number {
        libc::SYS_open => return Some(("open", Names::Opened { path: 0, flags: 1 })),
        libc::SYS_mkdir => return Some(("mkdir", Names::Path(0))),
        libc::SYS_rename => return Some(("rename", Names::Path(1))),
        libc::SYS_link => return Some(("link", Names::Path(1))),
        libc::SYS_unlink => return Some(("unlink", Names::Path(0))),
        libc::SYS_rmdir => return Some(("rmdir", Names::Path(0))),
        _ => {}
    }
    Some(match number {
        libc::SYS_openat => ("open", Names::Opened { path: 1, flags: 2 }),
        libc::SYS_mkdirat => ("mkdir", Names::Path(1)),
        libc::SYS_renameat | libc::SYS_renameat2 => ("rename", Names::Path(3)),
        libc::SYS_linkat => ("link", Names::Path(3)),
        libc::SYS_unlinkat => ("unlink", Names::Path(1)),
        libc::SYS_write | libc::SYS_writev | libc::SYS_pwrite64 => ("write", Names::Descriptor),
        libc::SYS_ftruncate => ("ftruncate", Names::Descriptor),
        libc::SYS_fsync | libc::SYS_fdatasync => ("fsync", Names::Descriptor),
        libc::SYS_flock => ("flock", Names::Descriptor),
        _ => return None,
    })
}

/// The number of the call and its arguments.
#[cfg(target_arch = "x86_64")]
fn registers(thread: Pid) -> Option<(i64, [u64; 4])> {
    let all = ptrace::getregs(thread).ok()?;
    Some((i64::try_from(all.orig_rax).ok()?, [all.rdi, all.rsi, all.rdx, all.r10]))
}

/// The number of the call and its arguments.
#[cfg(target_arch = "aarch64")]
fn registers(thread: Pid) -> Option<(i64, [u64; 4])> {
    let all = ptrace::getregs(thread).ok()?.regs;
    Some((i64::try_from(all[8]).ok()?, [all[0], all[1], all[2], all[3]]))
}

/// A text in the thread's memory.
fn text(thread: Pid, at: u64) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStringExt as _;
    let memory = File::open(format!("/proc/{thread}/mem")).ok()?;
    let mut all = Vec::new();
    // A path may end right before memory that is not there, so it is read in steps that divide a page.
    while all.len() < 4096 {
        let mut some = [0; 16];
        let from = at + all.len() as u64;
        let length = 16 - usize::try_from(from % 16).ok()?;
        let read = memory.read_at(some.get_mut(..length)?, from).ok().filter(|read| *read > 0)?;
        let some = some.get(..read)?;
        if let Some(end) = some.iter().position(|byte| *byte == 0) {
            all.extend_from_slice(some.get(..end)?);
            return Some(PathBuf::from(std::ffi::OsString::from_vec(all)));
        }
        all.extend_from_slice(some);
    }
    None
}
