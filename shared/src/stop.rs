//! The wish of whoever started us that we end: SIGTERM (Jenkins, Kubernetes) or Ctrl-C. Drone sends SIGKILL
//! instead, which nobody can hear; that is why every write is also safe to cut (docs/ARCHITECTURE.md).

use std::future::Future;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::failure::{Exit, Failure, Fault};

/// A handle that tells when the run should end. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<bool>);

/// The run was told to end before it was finished.
#[derive(Debug, thiserror::Error)]
#[error("told to stop before the work was finished; a rerun takes it up")]
pub struct Stopped;

impl Fault for Stopped {
    fn exit(&self) -> Exit {
        Exit::Temporary
    }

    fn hints(&self) -> Vec<String> {
        vec!["run it again: what was being written at that moment is there or is not, and a rerun goes on from either".to_owned()]
    }
}

impl Stop {
    /// Listens for SIGTERM and SIGINT from now on.
    ///
    /// # Errors
    /// When the operating system refuses the handlers.
    pub fn on_signals() -> std::io::Result<Self> {
        let (sender, receiver) = watch::channel(false);
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            // Fails only when nobody listens any more.
            let _ = sender.send(true);
            std::future::pending::<()>().await;
        });
        Ok(Self(receiver))
    }

    /// A pair for code that is stopped by something else than a signal.
    #[must_use]
    pub fn manual() -> (watch::Sender<bool>, Self) {
        let (sender, receiver) = watch::channel(false);
        (sender, Self(receiver))
    }

    /// Whether the end was asked for.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until the end is asked for.
    pub async fn requested(&self) {
        let mut receiver = self.0.clone();
        if receiver.wait_for(|stop| *stop).await.is_err() {
            // The sender is gone: nobody can ask any more.
            std::future::pending::<()>().await;
        }
    }

    /// Runs `work`, or drops it where it stands when the end is asked for. For work whose every write is safe to cut.
    ///
    /// # Errors
    /// The work's own, or [`Stopped`].
    pub async fn or<T>(&self, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        self.interrupting(work).await
    }

    /// The same for one piece of a plugin's work, whose error then says what had been done before it.
    ///
    /// # Errors
    /// The work's own, or [`Stopped`].
    pub async fn interrupting<T, E: From<Stopped>>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        tokio::select! {
            biased;
            result = work => result,
            () = self.requested() => Err(Stopped.into()),
        }
    }
}
