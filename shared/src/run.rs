//! Who a run is, as other runs see it in claims and Leases, and whether the run that wrote such a name can still be alive. A rerun must take up
//! at once what a dead run left, and must never push a living one aside.

use std::fmt;
use std::fs;

use crate::settings::Env;

/// A run: what it is called, and the process that it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    name: String,
    process: Process,
}

/// What can be said of another run from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Its process runs on this machine.
    Alive,
    /// Its process ran on this machine and does not any more.
    Dead,
    /// It runs, or ran, somewhere that cannot be seen from here.
    Unknown,
}

/// A process, so that no other can be taken for it: a process id is used again, the time of its start is not.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Process {
    /// This start of this machine, and the part of it whose process ids can be seen.
    place: String,
    id: String,
    begun: String,
}

impl Run {
    /// This process, called as [`Env::run_name`] says.
    #[must_use]
    pub fn this(env: &Env) -> Self {
        let id = std::process::id().to_string();
        let process = Process { place: place(), begun: begun(&id).unwrap_or_default(), id };
        Self { name: env.run_name(), process }
    }

    /// A run of another machine, for tests.
    #[cfg(test)]
    pub(crate) fn elsewhere(name: &str) -> Self {
        let place = format!("machine-of-{}", name.replace(' ', "-"));
        let process = Process { place, id: "1".to_owned(), begun: "1".to_owned() };
        Self { name: name.to_owned(), process }
    }

    /// Whether `other` is the text of a run with this name: the same build and step, or the same workspace.
    #[must_use]
    pub fn has_name_of(&self, other: &str) -> bool {
        Self::parse(other).is_some_and(|other| other.name == self.name)
    }

    /// What can be said of the run that `other` is the text of.
    #[must_use]
    pub fn fate_of(&self, other: &str) -> Fate {
        let Some(other) = Self::parse(other).map(|other| other.process) else { return Fate::Unknown };
        if other.place != self.process.place || other.place.is_empty() {
            return Fate::Unknown;
        }
        if begun(&other.id).is_some_and(|begun| begun == other.begun) { Fate::Alive } else { Fate::Dead }
    }

    fn parse(text: &str) -> Option<Self> {
        let (name, process) = text.strip_suffix(']')?.rsplit_once(" [")?;
        let [place, id, begun] = process.split(' ').collect::<Vec<_>>().try_into().ok()?;
        let process = Process { place: place.to_owned(), id: id.to_owned(), begun: begun.to_owned() };
        Some(Self { name: name.to_owned(), process })
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Process { place, id, begun } = &self.process;
        write!(f, "{} [{place} {id} {begun}]", self.name)
    }
}

fn place() -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let visible = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    let visible: String = visible.to_string_lossy().chars().filter(char::is_ascii_digit).collect();
    if boot.is_empty() || visible.is_empty() { String::new() } else { format!("{}/{visible}", boot.trim()) }
}

/// When a process began, in ticks since the machine did: the 22nd field of its `stat`, of which the second may hold spaces
/// (<https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html>). A zombie has ended.
fn begun(id: &str) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    (!matches!(state, "Z" | "X")).then_some(())?;
    fields.nth(18).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn this() -> Run {
        Run::this(&Env::of(&[("BUILD_TAG", "jenkins 7 [x]")]))
    }

    #[test]
    fn a_run_knows_its_own_text() {
        let text = this().to_string();
        assert!(text.starts_with("jenkins 7 [x] ["), "{text}");
        assert!(this().has_name_of(&text));
        assert_eq!(this().fate_of(&text), Fate::Alive);
    }

    #[test]
    fn a_process_that_ended_is_dead_even_if_its_number_is_used_again() {
        let mut dead = this();
        dead.process.begun = "1".to_owned();
        assert_eq!(this().fate_of(&dead.to_string()), Fate::Dead);
        dead.process.id = "999999999".to_owned();
        assert_eq!(this().fate_of(&dead.to_string()), Fate::Dead);
    }

    #[test]
    fn nothing_is_said_of_other_machines_and_foreign_texts() {
        let mut elsewhere = this();
        elsewhere.process.place = "another-boot/1".to_owned();
        assert_eq!(this().fate_of(&elsewhere.to_string()), Fate::Unknown);
        assert_eq!(this().fate_of("somebody"), Fate::Unknown);
        assert!(!this().has_name_of("somebody"));
    }
}
