//! All processes that descend from this one, as the kernel lists them in `/proc` (proc_pid_stat(5)): groups and sessions say nothing about who
//! started whom. It may only signal them. Called by `supervisor`, which inherits those whose parents have ended.

use std::fs;

use rustix::process::{Pid, Signal, getpid, kill_process};

/// Sends a signal to every descendant.
pub(super) fn send(signal: Signal) {
    for process in descendants(getpid(), &parents()) {
        // It may have ended in the meantime, or belong to another user.
        let _ = kill_process(process, signal);
    }
}

/// All processes and their parents.
fn parents() -> Vec<(Pid, Pid)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    ids.filter_map(|id| {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        Some((Pid::from_raw(id)?, parent(&stat)?))
    })
    .collect()
}

/// The fourth field; the second one is a name in brackets, which may hold blanks and brackets.
fn parent(stat: &str) -> Option<Pid> {
    let (_, rest) = stat.rsplit_once(')')?;
    Pid::from_raw(rest.split_whitespace().nth(1)?.parse().ok()?)
}

fn descendants(of: Pid, parents: &[(Pid, Pid)]) -> Vec<Pid> {
    let mut found = vec![of];
    let mut next = 0;
    while let Some(ancestor) = found.get(next).copied() {
        // Numbers may be given anew while the list is made: nobody is his own ancestor.
        let children = parents.iter().filter(|(_, parent)| *parent == ancestor).map(|(child, _)| *child);
        let children: Vec<Pid> = children.filter(|child| !found.contains(child)).collect();
        found.extend(children);
        next += 1;
    }
    found.split_off(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pid(id: i32) -> Pid {
        Pid::from_raw(id).unwrap()
    }

    #[test]
    fn a_name_may_look_like_the_fields_after_it() {
        assert_eq!(parent("12 (a) S 99 (b) R 7 12 12 0 -1"), Some(pid(7)));
        assert_eq!(parent("1 (init) S 0 1 1"), None);
        assert_eq!(parent("broken"), None);
    }

    #[test]
    fn finds_children_of_children_and_nobody_else() {
        let parents = [(2, 1), (5, 2), (4, 5), (3, 4), (6, 1), (7, 6)];
        let parents = parents.map(|(child, parent)| (pid(child), pid(parent)));
        assert_eq!(descendants(pid(2), &parents), [pid(5), pid(4), pid(3)]);
    }
}
