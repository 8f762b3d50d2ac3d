//! The lock on a namespace: a Lease that one run holds, renews and gives back. Every write replaces exactly the object that was read: of two runs that see
//! an expired Lease one wins, and a run that lost its Lease cannot write on it any more (a plain patch would let both).
//! Facts: <https://kubernetes.io/docs/concepts/architecture/leases/>; whether a holder lives is judged as client-go does it, by our own clock.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease as LeaseObject, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{Api, ObjectMeta, PostParams};
use kube::{Client, ResourceExt as _};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::{Error, FIELD_MANAGER};
use crate::run::{Fate, Run};

/// How long a Lease stays a run's without a renewal.
const DURATION: Duration = Duration::from_secs(60);
const RENEWAL: Duration = Duration::from_secs(15);

/// A Lease by name in a namespace.
#[derive(Clone, Debug)]
pub struct Lease {
    api: Api<LeaseObject>,
    namespace: String,
    name: String,
}

/// What asking for a Lease came to.
#[derive(Debug)]
pub enum Holder {
    /// We hold it.
    Us(Box<LeaseGuard>),
    /// A living run does; this is what it calls itself.
    Other(String),
}

/// A Lease that is ours; renewed in the background until it is given back.
#[derive(Debug)]
pub struct LeaseGuard {
    held: Held,
    renewal: JoinHandle<()>,
}

/// The object as we last wrote it.
#[derive(Clone, Debug)]
struct Held {
    lease: Lease,
    identity: String,
    object: Arc<Mutex<LeaseObject>>,
}

impl Lease {
    /// Names a Lease; nothing is asked yet.
    #[must_use]
    pub fn new(client: &Client, namespace: &str, name: &str) -> Self {
        let api = Api::namespaced(client.clone(), namespace);
        Self { api, namespace: namespace.to_owned(), name: name.to_owned() }
    }

    /// Takes the Lease. One that a dead process of this machine holds is taken at once; one whose holder cannot be seen from here is watched until it
    /// is renewed (then its holder lives) or its time is over.
    ///
    /// # Errors
    /// When the API server cannot be asked.
    pub async fn take(&self, run: &Run) -> Result<Holder, Error> {
        let mut watched: Option<(MicroTime, Instant)> = None;
        loop {
            let found = self.get().await?;
            let spec = found.as_ref().and_then(|lease| lease.spec.clone()).unwrap_or_default();
            if let (Some(holder), Some(renewed)) = (holder(&spec), spec.renew_time.clone()) {
                match run.fate_of(holder) {
                    Fate::Alive => return Ok(Holder::Other(holder.to_owned())),
                    Fate::Unknown => {
                        let (seen, since) = watched.get_or_insert_with(|| (renewed.clone(), Instant::now()));
                        if *seen != renewed {
                            return Ok(Holder::Other(holder.to_owned()));
                        }
                        if since.elapsed() < lasts(&spec) {
                            sleep(Duration::from_secs(1)).await;
                            continue;
                        }
                    }
                    Fate::Dead => {}
                }
            }
            if let Some(object) = self.write_down(found, run, &spec).await? {
                let held = Held {
                    lease: self.clone(),
                    identity: run.to_string(),
                    object: Arc::new(Mutex::new(object)),
                };
                let renewal = tokio::spawn(held.clone().renew());
                return Ok(Holder::Us(Box::new(LeaseGuard { held, renewal })));
            }
        }
    }

    /// The annotations of the Lease; empty when there is no such Lease.
    ///
    /// # Errors
    /// When the API server cannot be asked.
    pub async fn annotations(&self) -> Result<BTreeMap<String, String>, Error> {
        Ok(self.get().await?.map(|lease| lease.annotations().clone()).unwrap_or_default())
    }

    async fn get(&self) -> Result<Option<LeaseObject>, Error> {
        self.api.get_opt(&self.name).await.map_err(|error| self.failed("read", error))
    }

    /// Makes the Lease ours; `None` when somebody was faster.
    async fn write_down(
        &self,
        found: Option<LeaseObject>,
        run: &Run,
        old: &LeaseSpec,
    ) -> Result<Option<LeaseObject>, Error> {
        let now = MicroTime(Timestamp::now());
        let spec = LeaseSpec {
            holder_identity: Some(run.to_string()),
            lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
            acquire_time: Some(now.clone()),
            renew_time: Some(now),
            lease_transitions: Some(old.lease_transitions.map_or(0, |count| count + 1)),
            ..LeaseSpec::default()
        };
        let written = match found {
            None => {
                let metadata = ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() };
                self.api.create(&parameters(), &LeaseObject { metadata, spec: Some(spec) }).await
            }
            Some(lease) => {
                self.api.replace(&self.name, &parameters(), &LeaseObject { spec: Some(spec), ..lease }).await
            }
        };
        match written {
            Ok(object) => Ok(Some(object)),
            Err(error) if is_conflict(&error) => Ok(None),
            Err(error) => Err(self.failed("take", error)),
        }
    }

    fn failed(&self, verb: &str, error: kube::Error) -> Error {
        Error::new(format!("{verb} the Lease `{}` in `{}`", self.name, self.namespace), error)
    }
}

impl Held {
    /// Changes the Lease, if it is still ours.
    async fn change(&self, change: impl Fn(&mut LeaseObject)) -> Result<(), Error> {
        let mut object = self.object.lock().await;
        loop {
            let mut wanted = object.clone();
            change(&mut wanted);
            match self.lease.api.replace(&self.lease.name, &parameters(), &wanted).await {
                Ok(written) => {
                    *object = written;
                    return Ok(());
                }
                Err(error) if is_conflict(&error) => {
                    let now = self.lease.get().await?;
                    let holder =
                        now.as_ref().and_then(|lease| holder(lease.spec.as_ref()?)).map(str::to_owned);
                    match now {
                        Some(now) if holder.as_deref() == Some(&self.identity) => *object = now,
                        _ => return Err(self.lost(holder)),
                    }
                }
                Err(kube::Error::Api(status)) if status.code == 404 => return Err(self.lost(None)),
                Err(error) => return Err(self.lease.failed("write on", error)),
            }
        }
    }

    fn lost(&self, holder: Option<String>) -> Error {
        let reason =
            holder.map_or_else(|| "nobody holds it".to_owned(), |holder| format!("`{holder}` holds it"));
        Error::lost(format!("go on in `{}`: the Lease is not ours any more", self.lease.namespace), reason)
    }

    async fn renew(self) {
        loop {
            sleep(RENEWAL).await;
            let renewed = self.change(|lease| {
                lease.spec.get_or_insert_default().renew_time = Some(MicroTime(Timestamp::now()));
            });
            if let Err(error) = renewed.await {
                tracing::warn!(
                    "the Lease of `{}` was not renewed: {}",
                    self.lease.namespace,
                    crate::failure::chain(&error)
                );
            }
        }
    }
}

impl LeaseGuard {
    /// Writes an annotation on the Lease; `None` takes it away. Fails when the Lease is not ours any more, so it also guards what follows.
    ///
    /// # Errors
    /// When the Lease was lost or the API server refuses it.
    pub async fn annotate(&self, name: &str, value: Option<&str>) -> Result<(), Error> {
        let changed = self.held.change(|lease| {
            let annotations = lease.annotations_mut();
            match value {
                Some(value) => annotations.insert(name.to_owned(), value.to_owned()),
                None => annotations.remove(name),
            };
        });
        changed.await
    }

    /// Gives the Lease back: nobody holds it from now on.
    ///
    /// # Errors
    /// When the API server refuses it; the Lease then expires by itself.
    pub async fn give_back(self: Box<Self>) -> Result<(), Error> {
        self.renewal.abort();
        self.held.change(|lease| lease.spec.get_or_insert_default().holder_identity = None).await
    }
}

impl Drop for LeaseGuard {
    fn drop(&mut self) {
        self.renewal.abort();
    }
}

fn parameters() -> PostParams {
    PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() }
}

fn is_conflict(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 409)
}

fn holder(spec: &LeaseSpec) -> Option<&str> {
    spec.holder_identity.as_deref().filter(|holder| !holder.is_empty())
}

fn lasts(spec: &LeaseSpec) -> Duration {
    let seconds = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
    seconds.map_or(DURATION, Duration::from_secs)
}
