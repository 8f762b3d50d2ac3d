//! The lock on a namespace: a Lease that one run holds, renews and gives back. Takeover only by replacing exactly the object that was
//! read, so that of two runs that see an expired Lease one wins (a plain patch would let both).
//! Facts: <https://kubernetes.io/docs/concepts/architecture/leases/>.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease as LeaseObject, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{Api, ObjectMeta, PostParams};
use kube::{Client, ResourceExt as _};
use serde_json::json;
use tokio::task::JoinHandle;

use super::{Error, FIELD_MANAGER, merge};

/// How long a Lease stays ours without a renewal.
const DURATION: Duration = Duration::from_secs(60);

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
    /// Somebody else does, since their last renewal.
    Other {
        /// Who.
        identity: String,
        /// When they last renewed it.
        renewed: Option<Timestamp>,
    },
}

/// A Lease that is ours; renewed in the background until it is given back.
#[derive(Debug)]
pub struct LeaseGuard {
    lease: Lease,
    renewal: JoinHandle<()>,
}

impl Lease {
    /// Names a Lease; nothing is asked yet.
    #[must_use]
    pub fn new(client: &Client, namespace: &str, name: &str) -> Self {
        let api = Api::namespaced(client.clone(), namespace);
        Self { api, namespace: namespace.to_owned(), name: name.to_owned() }
    }

    /// Takes the Lease if it is free, expired, or was this very identity's (a dead run of ours).
    ///
    /// # Errors
    /// When the API server cannot be asked.
    pub async fn take(&self, identity: &str) -> Result<Holder, Error> {
        let attempted = format!("take the Lease `{}` in `{}`", self.name, self.namespace);
        let failed = |error| Error::new(attempted.clone(), error);
        let parameters =
            PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        loop {
            let found = self.api.get_opt(&self.name).await.map_err(failed)?;
            let taken = match found {
                None => {
                    let metadata = ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() };
                    let lease = LeaseObject { metadata, spec: Some(spec(identity, 0)) };
                    self.api.create(&parameters, &lease).await
                }
                Some(mut lease) => {
                    let old = lease.spec.clone().unwrap_or_default();
                    if let Some(other) =
                        living_holder(&old, Timestamp::now()).filter(|holder| *holder != identity)
                    {
                        return Ok(Holder::Other {
                            identity: other.to_owned(),
                            renewed: old.renew_time.map(|time| time.0),
                        });
                    }
                    lease.spec = Some(spec(identity, old.lease_transitions.unwrap_or(0) + 1));
                    // The object carries the resourceVersion that was read: a faster run makes this a conflict.
                    self.api.replace(&self.name, &parameters, &lease).await
                }
            };
            match taken {
                Ok(_) => {
                    let renewal = tokio::spawn(self.clone().renew(identity.to_owned()));
                    return Ok(Holder::Us(Box::new(LeaseGuard { lease: self.clone(), renewal })));
                }
                Err(kube::Error::Api(status)) if status.code == 409 => {}
                Err(error) => return Err(failed(error)),
            }
        }
    }

    /// The annotations of the Lease, and whether somebody else than `identity` holds it; `None` when there is no such Lease.
    ///
    /// # Errors
    /// When the API server cannot be asked.
    pub async fn look(&self, identity: &str) -> Result<Option<(BTreeMap<String, String>, bool)>, Error> {
        let found = self.api.get_opt(&self.name).await;
        let found = found.map_err(|error| {
            Error::new(format!("read the Lease `{}` in `{}`", self.name, self.namespace), error)
        })?;
        Ok(found.map(|lease| {
            let holder = lease.spec.as_ref().and_then(|spec| living_holder(spec, Timestamp::now()));
            let is_held = holder.is_some_and(|holder| holder != identity);
            (lease.annotations().clone(), is_held)
        }))
    }

    async fn renew(self, identity: String) {
        loop {
            tokio::time::sleep(DURATION / 3).await;
            let patch =
                json!({ "spec": { "holderIdentity": identity, "renewTime": MicroTime(Timestamp::now()) } });
            if let Err(error) = merge(&self.api, &self.name, &patch, "renew the Lease").await {
                tracing::warn!("the Lease of `{}` could not be renewed: {error}", self.namespace);
            }
        }
    }
}

impl LeaseGuard {
    /// Writes an annotation on the Lease; `None` takes it away.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub async fn annotate(&self, name: &str, value: Option<&str>) -> Result<(), Error> {
        let patch = json!({ "metadata": { "annotations": { name: value } } });
        let what = format!("write on the Lease of `{}`", self.lease.namespace);
        merge(&self.lease.api, &self.lease.name, &patch, &what).await.map(|_| ())
    }

    /// Gives the Lease back: nobody holds it from now on.
    ///
    /// # Errors
    /// When the API server refuses it; the Lease then expires by itself.
    pub async fn give_back(self: Box<Self>) -> Result<(), Error> {
        self.renewal.abort();
        let patch = json!({ "spec": { "holderIdentity": null, "leaseDurationSeconds": 1 } });
        let what = format!("give back the Lease of `{}`", self.lease.namespace);
        merge(&self.lease.api, &self.lease.name, &patch, &what).await.map(|_| ())
    }
}

impl Drop for LeaseGuard {
    fn drop(&mut self) {
        self.renewal.abort();
    }
}

fn spec(identity: &str, transitions: i32) -> LeaseSpec {
    let now = MicroTime(Timestamp::now());
    LeaseSpec {
        holder_identity: Some(identity.to_owned()),
        lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
        acquire_time: Some(now.clone()),
        renew_time: Some(now),
        lease_transitions: Some(transitions),
        ..LeaseSpec::default()
    }
}

fn living_holder(spec: &LeaseSpec, now: Timestamp) -> Option<&str> {
    let holder = spec.holder_identity.as_deref().filter(|holder| !holder.is_empty())?;
    let renewed = spec.renew_time.as_ref()?.0;
    let age = now.duration_since(renewed).as_secs();
    (age < i64::from(spec.lease_duration_seconds?)).then_some(holder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_held_until_it_expires_or_is_given_back() {
        let mut lease = spec("run 1", 0);
        let now = Timestamp::now();
        assert_eq!(living_holder(&lease, now), Some("run 1"));
        assert_eq!(living_holder(&lease, now + Duration::from_secs(61)), None);
        lease.holder_identity = None;
        assert_eq!(living_holder(&lease, now), None);
    }
}
