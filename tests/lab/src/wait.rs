//! Waiting: for a counterpart to be ready, and for a future from code that is not async.
//! It may not know what it waits for.
//! Called by the modules that start a counterpart.

use std::panic;
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Attempt as _, Error};
use crate::process::Process;

const PAUSE: Duration = Duration::from_millis(50);

/// Asks `ready` again and again until it answers `Ok`, for at most `patience`.
///
/// A process of `watched` that ends meanwhile ends the waiting, with the last lines of its log;
/// after `patience` the error says what `ready` answered last.
pub async fn until<T>(
    what: &str,
    patience: Duration,
    watched: &[Process],
    mut ready: impl AsyncFnMut() -> Result<T, Error>,
) -> Result<T, Error> {
    let end = Instant::now() + patience;
    loop {
        let last = match ready().await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        for process in watched {
            process.must_run()?;
        }
        if Instant::now() >= end {
            let logs: Vec<_> = watched.iter().map(Process::last_words).collect();
            let logs = logs.join("\n");
            return Err(Error::new(format!("{what} is not ready after {patience:?}: {last}\n{logs}")));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Runs async code to its end from anywhere, also from inside an async test.
///
/// A runtime cannot be started on a thread that already runs one, hence the thread of its own.
pub fn block_on<T: Send>(make: impl AsyncFnOnce() -> Result<T, Error> + Send) -> Result<T, Error> {
    thread::scope(|scope| {
        let worker = scope.spawn(|| {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .attempting(|| "cannot make an async runtime".into())?
                .block_on(make())
        });
        worker.join().unwrap_or_else(|payload| panic::resume_unwind(payload))
    })
}
