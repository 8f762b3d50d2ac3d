//! Does what the plan says. Order of writes: (1) the chart, create-only, so that the index never lists what is not there and nothing published is
//! replaced; (2) the index, compare-and-swap, so that of parallel publications none is lost. A run that is cut between the two is finished by the next.

use std::time::Duration;

use bytes::Bytes;
use shared::bucket::{Bucket, Put};
use shared::digest::Digest;
use shared::jitter::jittered;
use shared::stop::Stop;
use tokio::time::Instant;

use crate::Error;
use crate::observe::{fetch_index, fetch_published};
use crate::plan::Plan;

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Digest of the chart in the bucket.
    pub digest: Digest,
    /// Whether this run uploaded the chart.
    pub chart: bool,
    /// Whether this run listed it in the index.
    pub index: bool,
}

/// What was done before it failed.
#[derive(Debug)]
pub struct Failed {
    /// Done before.
    pub done: Outcome,
    /// Why it failed.
    pub source: Error,
}

/// Publishes.
///
/// # Errors
/// With what had been written before.
pub async fn execute(plan: &Plan, bucket: &Bucket, stop: &Stop) -> Result<Outcome, Failed> {
    let mut done = Outcome { digest: plan.digest.clone(), chart: false, index: false };
    match stop.interrupting(publish(plan, bucket, &mut done)).await {
        Ok(()) => Ok(done),
        Err(source) => Err(Failed { done, source }),
    }
}

async fn publish(plan: &Plan, bucket: &Bucket, done: &mut Outcome) -> Result<(), Error> {
    if plan.chart {
        put_chart(plan, bucket, done).await?;
    }
    if plan.index {
        put_entry(plan, bucket, done).await?;
    }
    Ok(())
}

async fn put_chart(plan: &Plan, bucket: &Bucket, done: &mut Outcome) -> Result<(), Error> {
    if let Put::Written(_) = bucket.put_new(&plan.key, plan.package.bytes.clone()).await? {
        done.chart = true;
        tracing::info!(
            "uploaded `{}`, {} bytes, sha256 {}",
            plan.key,
            plan.package.bytes.len(),
            plan.package.digest
        );
        return Ok(());
    }
    let published = fetch_published(bucket, &plan.key, &plan.package).await?;
    done.digest = plan.accept(&published.ok_or_else(|| Error::Vanished(plan.key.to_string()))?)?;
    Ok(())
}

/// Lists the chart in the index. Each try begins with reading it anew, and one more reading ends it: a writer that does not compare before it swaps
/// may have taken the entry away again.
async fn put_entry(plan: &Plan, bucket: &Bucket, done: &mut Outcome) -> Result<(), Error> {
    let deadline = Instant::now() + plan.conflict_timeout;
    let failed = |source| Error::Index { key: plan.index_key.to_string(), source };
    let mut tries = 0;
    loop {
        let (index, version) = fetch_index(bucket, &plan.index_key).await?;
        if plan.is_listed(&index, &done.digest)? {
            return Ok(());
        }
        if tries > 0 && Instant::now() >= deadline {
            return Err(Error::Contended {
                key: plan.index_key.to_string(),
                tries,
                limit: plan.conflict_timeout,
            });
        }
        tries += 1;
        let text: Bytes =
            index.with(&plan.package.metadata.name, &plan.entry(&done.digest)).map_err(failed)?.into();
        let put = match &version {
            Some(version) => bucket.put_if_unchanged(&plan.index_key, text, version).await?,
            None => bucket.put_new(&plan.index_key, text).await?,
        };
        if let Put::Written(_) = put {
            done.index = true;
            tracing::info!("listed in `{}`", plan.index_key);
        } else {
            let pause = backoff(tries);
            tracing::debug!("`{}` was changed meanwhile, try {tries}; next in {pause:?}", plan.index_key);
            tokio::time::sleep(pause).await;
        }
    }
}

/// 0.1 s, 0.2 s, … 3.2 s, plus up to as much again so that parallel runs do not knock together.
fn backoff(tries: u32) -> Duration {
    jittered(Duration::from_millis(50) * 2_u32.saturating_pow(tries.min(6)))
}

#[cfg(test)]
mod tests;
