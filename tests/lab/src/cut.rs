//! A cut: a plugin's run that ends, by SIGKILL, exactly at its n-th write – or is held there, so that something else can happen meanwhile.
//! An HTTP proxy before the real server counts the writes; nothing in the plugins knows of it, and it may not know what they write.
//! Called by the tests of crashes, concurrency and exit codes, for whatever plugin.

mod proxy;

use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use self::proxy::{Act, Gate};
use crate::error::{Attempt as _, Error};
use crate::listen::Listening;
use crate::plugin::Ended;
use crate::process;

/// Longer than any run of a test takes to come to a write.
const PATIENCE: Duration = Duration::from_secs(60);

/// On which side of a write the run is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The server never hears of the write.
    Before,
    /// The server has done it, and the plugin does not hear so.
    After,
}

/// Both sides of a write.
pub const MOMENTS: [Moment; 2] = [Moment::Before, Moment::After];

/// Does `work` for each of `cases`, three at once: a run waits more than it computes.
///
/// # Panics
/// When the work does.
pub fn side_by_side<T: Send>(cases: Vec<T>, work: impl Fn(T) + Sync) {
    let cases = Mutex::new(cases.into_iter());
    let next = || cases.lock().unwrap_or_else(PoisonError::into_inner).next();
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while let Some(case) = next() {
                    work(case);
                }
            });
        }
    });
}

/// What stands before a server for one run; it ends when dropped.
pub struct Cut {
    proxy: Listening,
    gate: Arc<Gate>,
}

/// A run through a [`Cut`] that has ended.
#[derive(Debug)]
pub struct CutRun {
    /// Exit code and log.
    pub ended: Ended,
    /// Writes that were tried, the one at which it was cut included.
    pub writes: usize,
    /// Whether the cut is what ended it.
    pub was_killed: bool,
}

/// A run that goes on while the test does something else.
pub struct Running {
    child: Option<Child>,
    gate: Arc<Gate>,
}

impl Cut {
    /// Lets everything pass to `server` (an address without a slash at its end) and counts the writes.
    pub fn in_front_of(server: &str) -> Result<Self, Error> {
        let gate = Arc::new(Gate::new(server));
        Ok(Self { proxy: proxy::start(Arc::clone(&gate))?, gate })
    }

    /// Where it answers, instead of the server.
    pub fn url(&self) -> &str {
        self.proxy.url()
    }

    /// Takes only requests to paths that end so for writes: some services are asked by POST too.
    #[must_use]
    pub fn counting(self, path: &'static str) -> Self {
        self.gate.count_only(path);
        self
    }

    /// Ends the run at its n-th write, counted from 1.
    #[must_use]
    pub fn at(self, write: usize, moment: Moment) -> Self {
        self.gate.arm(write, moment, Act::Kill);
        self
    }

    /// Keeps the run waiting at its n-th write until [`Running::release`].
    #[must_use]
    pub fn hold_at(self, write: usize, moment: Moment) -> Self {
        self.gate.arm(write, moment, Act::Hold);
        self
    }

    /// Waits until a run that is somebody else's child has come to the write at which it is held.
    pub fn until_held(&self) -> Result<(), Error> {
        let end = Instant::now() + PATIENCE;
        while !self.gate.was_reached() {
            if Instant::now() > end {
                return Err(Error::new("the run never came to the write at which it is held"));
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Runs a plugin whose settings name [`Cut::url`] to its end, whichever that is.
    pub fn run(&self, command: Command) -> Result<CutRun, Error> {
        self.start(command)?.end()
    }

    /// Starts such a plugin.
    pub fn start(&self, mut command: Command) -> Result<Running, Error> {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = process::spawn(command).attempting(|| "cannot start a plugin".into())?;
        self.gate.watch(child.id());
        Ok(Running { child: Some(child), gate: Arc::clone(&self.gate) })
    }
}

impl Running {
    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.as_ref().map(Child::id).unwrap_or_default()
    }

    /// Waits until the run has come to the write at which it is held.
    pub fn until_held(&mut self) -> Result<(), Error> {
        let end = Instant::now() + PATIENCE;
        while !self.gate.was_reached() {
            let child = self.child.as_mut();
            let has_ended = child.is_none_or(|child| !matches!(child.try_wait(), Ok(None)));
            if has_ended || Instant::now() > end {
                let log = self.take().map(|run| run.ended.log).unwrap_or_default();
                return Err(Error::new(format!(
                    "the run never came to the write at which it is held:\n{log}"
                )));
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Lets a held run go on.
    pub fn release(&self) {
        self.gate.release();
    }

    /// Waits for its end.
    pub fn end(mut self) -> Result<CutRun, Error> {
        self.take()
    }

    fn take(&mut self) -> Result<CutRun, Error> {
        let child = self.child.take().ok_or_else(|| Error::new("the run has ended already"))?;
        let output = child.wait_with_output().attempting(|| "cannot wait for a plugin".into())?;
        Ok(CutRun {
            ended: Ended::of(&output),
            writes: self.gate.writes(),
            was_killed: self.gate.has_killed(),
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A test that failed leaves nobody waiting for its release.
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
