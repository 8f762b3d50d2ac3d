//! Publishing a large object together with a manifest, so that readers never take half of it for the whole: the manifest is first
//! written as a claim, the object follows, and last the manifest says what was published. A reader goes by manifests only.

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use futures::future::{Either, select};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::time::{sleep, timeout};

use super::{Bucket, Error, Key, Put, Version};
use crate::failure::Exit;
use crate::run::{Fate, Run};
use crate::stop::{Stop, Stopped};

/// How often a claim is renewed. Others take it for one of a dead run at an age of many of these.
const PULSE: Duration = Duration::from_secs(30);

/// How long giving a claim up may take.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// What stands in a manifest object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Manifest<C> {
    /// Somebody is uploading the object.
    Uploading {
        /// Who, as [`Run`] is written.
        run: String,
        /// Since when.
        since: Timestamp,
    },
    /// Somebody is uploading the object in place of another: until that is done, a judgement goes by what was there before.
    Replacing {
        /// Who, as [`Run`] is written.
        run: String,
        /// Since when.
        since: Timestamp,
        /// What was published before.
        replaces: Box<C>,
    },
    /// The object is there, whole.
    Published(C),
}

/// What asking for the right to publish came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim<C> {
    /// It is ours; this is the claim's version, to be handed to [`Bucket::settle`].
    Taken(Version),
    /// It is published already.
    Published(C, Version),
    /// Another run is at it.
    Held {
        /// Who.
        run: String,
        /// Since when.
        since: Timestamp,
    },
}

impl Bucket {
    /// Does the work that a claim was taken for: publishes what it gives, or gives the claim up when it fails or is told to stop. Meanwhile the claim
    /// is kept young, so that others can tell it from one of a dead run.
    ///
    /// # Errors
    /// The work's own, or when the manifest cannot be written, or another run took the claim over meanwhile.
    pub async fn finish<C: DeserializeOwned + Serialize, E: From<Error> + From<Stopped>>(
        &self,
        key: &Key,
        run: &Run,
        mut claim: Version,
        stop: &Stop,
        work: impl Future<Output = Result<C, E>>,
    ) -> Result<C, E> {
        let done = stop.interrupting(async {
            let content = self.keep_young(key, run, &mut claim, work).await?;
            self.settle(key, &content, &claim).await?;
            Ok(content)
        });
        let done = done.await;
        if done.is_err() {
            // Whoever told it to stop does not wait long.
            let given_up = timeout(LAST_WORDS, self.give_up::<C>(key, run)).await;
            let reason = match given_up {
                Ok(Ok(())) => return done,
                Ok(Err(error)) => crate::failure::chain(&error),
                Err(_) => "the bucket did not answer in time".to_owned(),
            };
            tracing::warn!("the claim `{key}` stays until it is old: {reason}");
        }
        done
    }

    /// Does the work and renews the claim beside it; neither waits for the other, but a renewal that was begun is ended, because only its answer
    /// says which version the claim has.
    async fn keep_young<C: DeserializeOwned + Serialize, E: From<Error>>(
        &self,
        key: &Key,
        run: &Run,
        claim: &mut Version,
        work: impl Future<Output = Result<C, E>>,
    ) -> Result<C, E> {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                () = sleep(PULSE) => {}
            }
            let renewal = pin!(self.renew::<C>(key, run));
            let (done, renewed) = match select(work.as_mut(), renewal).await {
                Either::Left((done, renewal)) => (Some(done), renewal.await),
                Either::Right((renewed, _)) => (None, renewed),
            };
            match renewed {
                Ok(Some(version)) => *claim = version,
                // Why the work failed says more.
                Ok(None) if matches!(done, Some(Err(_))) => {}
                Ok(None) => return Err(self.overtaken(key).into()),
                Err(error) => {
                    tracing::warn!("the claim `{key}` grows old: {}", crate::failure::chain(&error))
                }
            }
            if let Some(done) = done {
                return done;
            }
        }
    }

    /// Reads a manifest; `None` when there is none.
    ///
    /// # Errors
    /// When the bucket cannot be read or the object is no manifest.
    pub async fn manifest<C: DeserializeOwned>(
        &self,
        key: &Key,
    ) -> Result<Option<(Manifest<C>, Version)>, Error> {
        let Some(object) = self.fetch(key).await? else { return Ok(None) };
        let manifest = serde_json::from_slice(&object.bytes)
            .map_err(|error| self.refused(format!("read the manifest `{key}`"), error.to_string()))?;
        Ok(Some((manifest, object.version)))
    }

    /// Claims the right to publish. A claim of a dead run, of an earlier try of this one, or one older than `patience`, is taken over.
    ///
    /// # Errors
    /// When the bucket cannot be read or written.
    pub async fn claim<C: DeserializeOwned + Serialize>(
        &self,
        key: &Key,
        run: &Run,
        patience: Duration,
    ) -> Result<Claim<C>, Error> {
        loop {
            let now = Timestamp::now();
            let taken = match self.manifest::<C>(key).await? {
                None => self.write_manifest(key, claim_of::<C>(run, now)?, None).await?,
                Some((Manifest::Published(content), version)) => {
                    return Ok(Claim::Published(content, version));
                }
                Some((Manifest::Uploading { run: holder, since }, version)) => {
                    if is_held(run, &holder, since, patience) {
                        return Ok(Claim::Held { run: holder, since });
                    }
                    tell_of_taking_over("upload", &holder, since);
                    self.write_manifest(key, claim_of::<C>(run, now)?, Some(&version)).await?
                }
                Some((Manifest::Replacing { run: holder, since, replaces }, version)) => {
                    if is_held(run, &holder, since, patience) {
                        return Ok(Claim::Held { run: holder, since });
                    }
                    tell_of_taking_over("replacement", &holder, since);
                    self.write_manifest(key, replacement_of(run, now, replaces)?, Some(&version)).await?
                }
            };
            if let Put::Written(version) = taken {
                return Ok(Claim::Taken(version));
            }
        }
    }

    /// Writes a manifest in place of the one that was read, or where there was none. A write whose answer was lost is repeated by the client, and the
    /// repetition refused: what is there then is ours, because a claim has its run and time in it.
    async fn write_manifest(&self, key: &Key, manifest: Bytes, read: Option<&Version>) -> Result<Put, Error> {
        let put = match read {
            None => self.put_new(key, manifest.clone()).await?,
            Some(version) => self.put_if_unchanged(key, manifest.clone(), version).await?,
        };
        if let Put::Written(_) = put {
            return Ok(put);
        }
        let there = self.fetch(key).await?.filter(|object| object.bytes == manifest);
        Ok(there.map_or(Put::Refused, |object| Put::Written(object.version)))
    }

    /// Turns something published into a claim, to publish it anew; `None` when somebody was faster.
    ///
    /// # Errors
    /// When the bucket cannot be written.
    pub async fn reclaim<C: Serialize>(
        &self,
        key: &Key,
        run: &Run,
        version: &Version,
    ) -> Result<Option<Version>, Error> {
        let claim = claim_of::<C>(run, Timestamp::now())?;
        Ok(self.write_manifest(key, claim, Some(version)).await?.written())
    }

    /// The same with a record of what was published, for whoever judges after a run that was cut.
    ///
    /// # Errors
    /// When the bucket cannot be written.
    pub async fn replace<C: Serialize>(
        &self,
        key: &Key,
        run: &Run,
        replaced: C,
        version: &Version,
    ) -> Result<Option<Version>, Error> {
        let claim = replacement_of(run, Timestamp::now(), Box::new(replaced))?;
        Ok(self.write_manifest(key, claim, Some(version)).await?.written())
    }

    /// Makes a claim of ours young again; gives its new version, or `None` when it is ours no more.
    ///
    /// # Errors
    /// When the bucket cannot be read or written.
    pub async fn renew<C: DeserializeOwned + Serialize>(
        &self,
        key: &Key,
        run: &Run,
    ) -> Result<Option<Version>, Error> {
        self.rewrite::<C>(key, run, Timestamp::now()).await
    }

    /// Gives up a claim after a failure, so that the next run need not wait for it to grow stale.
    ///
    /// # Errors
    /// When the bucket cannot be read or written.
    pub async fn give_up<C: DeserializeOwned + Serialize>(&self, key: &Key, run: &Run) -> Result<(), Error> {
        // Ended, or taken over: nothing is left to give up.
        self.rewrite::<C>(key, run, Timestamp::UNIX_EPOCH).await.map(drop)
    }

    /// Writes another time into a claim of ours. It is looked at first: the answer to an earlier renewal may have been lost.
    async fn rewrite<C: DeserializeOwned + Serialize>(
        &self,
        key: &Key,
        run: &Run,
        since: Timestamp,
    ) -> Result<Option<Version>, Error> {
        let this = run.to_string();
        let (text, version) = match self.manifest::<C>(key).await? {
            Some((Manifest::Uploading { run: holder, .. }, version)) if holder == this => {
                (claim_of::<C>(run, since)?, version)
            }
            Some((Manifest::Replacing { run: holder, replaces, .. }, version)) if holder == this => {
                (replacement_of(run, since, replaces)?, version)
            }
            _ => return Ok(None),
        };
        Ok(self.write_manifest(key, text, Some(&version)).await?.written())
    }

    /// Ends a claim: from now on the object counts as published.
    ///
    /// # Errors
    /// When the bucket cannot be written, or another run took the claim over meanwhile.
    pub async fn settle<C: Serialize>(&self, key: &Key, content: C, claim: &Version) -> Result<(), Error> {
        let manifest = json(&Manifest::Published(content))?;
        let written = self.write_manifest(key, manifest, Some(claim)).await?.written();
        written.map(drop).ok_or_else(|| self.overtaken(key))
    }

    fn overtaken(&self, key: &Key) -> Error {
        let reason = "another run took it over meanwhile".to_owned();
        Error { exit: Exit::Temporary, ..self.refused(format!("finish `{key}`"), reason) }
    }
}

fn claim_of<C: Serialize>(run: &Run, since: Timestamp) -> Result<Bytes, Error> {
    json(&Manifest::<C>::Uploading { run: run.to_string(), since })
}

fn json(value: &impl Serialize) -> Result<Bytes, Error> {
    let mut text = serde_json::to_vec_pretty(value).map_err(|error| Error {
        attempted: "write a manifest".to_owned(),
        bucket: String::new(),
        source: Box::new(error),
        exit: Exit::Failed,
        hint: None,
    })?;
    text.push(b'\n');
    Ok(text.into())
}

fn replacement_of<C: Serialize>(run: &Run, since: Timestamp, replaces: Box<C>) -> Result<Bytes, Error> {
    json(&Manifest::Replacing { run: run.to_string(), since, replaces })
}

fn tell_of_taking_over(what: &str, holder: &str, since: Timestamp) {
    if since == Timestamp::UNIX_EPOCH {
        tracing::info!("taking up the {what} that `{holder}` gave up");
    } else {
        tracing::info!("taking over the unfinished {what} of `{holder}` since {since}");
    }
}

/// Whether a claim must be left to its holder. The same build or workspace is a rerun of ours, unless it is still at it.
fn is_held(run: &Run, holder: &str, since: Timestamp, patience: Duration) -> bool {
    let age = Duration::try_from(Timestamp::now().duration_since(since)).unwrap_or_default();
    let is_dead = match run.fate_of(holder) {
        Fate::Alive => false,
        Fate::Dead => true,
        Fate::Unknown => run.has_name_of(holder),
    };
    !is_dead && age < patience
}
