//! Pausing and resuming the namespace's monitors.

use super::Work;
use crate::Error;

impl Work<'_> {
    /// Pauses those that run; one that was paused before stays its owner's business.
    pub(super) async fn pause_monitors(&mut self) -> Result<(), Error> {
        let Some(monitors) = &self.worlds.monitors else { return Ok(()) };
        let listed = self.environment().monitors.clone().unwrap_or_default();
        if listed.is_empty() {
            return Ok(());
        }
        let running = monitors.these(&listed).await?.into_iter().filter(|monitor| !monitor.is_paused());
        self.record.monitors.extend(running.map(|monitor| (monitor.id, monitor.name)));
        // Written down before the first is paused: after a crash somebody must know.
        self.write_record().await?;
        for (id, name) in &self.record.monitors {
            monitors.pause(*id, name).await?;
        }
        Ok(())
    }

    /// The run that took the Lease took the record with it, and owes what is in it.
    pub(super) fn leave_monitors_to_the_new_holder(&self) {
        if let Some(monitors) = &self.worlds.monitors {
            self.record.monitors.keys().for_each(|id| monitors.disown(*id));
        }
    }

    /// Resumes what this run, or the dead one it took up, had paused.
    pub(super) async fn resume_monitors(&mut self) -> Result<(), Error> {
        let Some(monitors) = &self.worlds.monitors else { return Ok(()) };
        let mut failure = None;
        for (id, name) in self.record.monitors.clone() {
            match monitors.resume(id, &name).await {
                Ok(()) => {
                    self.record.monitors.remove(&id);
                }
                Err(error) => failure = Some(error),
            }
        }
        failure.map_or(Ok(()), |error| Err(error.into()))
    }
}
