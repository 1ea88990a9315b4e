//! Leader election by a Lease (`coordination.k8s.io/v1`): of several replicas, one at a time acts.
//!
//! The rules are client-go's, so that replicas of upstream take part in the same election: who finds the Lease free, or
//! unrenewed for its duration as measured by the own clock, writes itself into it with the resource version seen; who
//! cannot renew it within the deadline stops acting before the others may begin.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::{Api, PostParams};
use kube::{Client, Error};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tracing::{debug, info, warn};

/// How long things take in an election.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// How long after its last renewal a Lease still counts for others.
    pub duration: Duration,
    /// How long after its last renewal the leader still acts. Shorter than `duration`.
    pub deadline: Duration,
    /// How often the leader renews.
    pub renew: Duration,
    /// How often the others look, and the leader tries again where a renewal failed.
    pub retry: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Timing {
            duration: Duration::from_secs(15),
            deadline: Duration::from_secs(10),
            renew: Duration::from_secs(5),
            retry: Duration::from_secs(2),
        }
    }
}

/// One candidate in an election.
#[derive(Clone)]
pub struct Election {
    api: Api<Lease>,
    name: String,
    identity: String,
    timing: Timing,
}

impl std::fmt::Debug for Election {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Election")
            .field("name", &self.name)
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

/// Says whether this candidate may act; whoever listens hears of changes only.
fn changed(leading: &watch::Sender<bool>, now: bool) -> bool {
    leading.send_if_modified(|before| std::mem::replace(before, now) != now)
}

/// The Lease as last seen, and when it last changed by our clock (the holder's may be wrong).
struct Seen {
    lease: Lease,
    at: Instant,
}

impl Seen {
    fn holder(&self) -> Option<&str> {
        self.lease
            .spec
            .as_ref()
            .and_then(|spec| spec.holder_identity.as_deref())
    }
}

impl Election {
    /// A candidate called `identity` (unique among the replicas, usually the pod's name) for the Lease `name`.
    pub fn new(
        client: Client,
        namespace: &str,
        name: &str,
        identity: &str,
        timing: Timing,
    ) -> Self {
        Election {
            api: Api::namespaced(client, namespace),
            name: name.to_owned(),
            identity: identity.to_owned(),
            timing,
        }
    }

    /// Takes part for ever; `leading` says at any time whether this candidate may act. Stop by dropping the future, then
    /// call [`release`](Self::release).
    pub async fn run(&self, leading: &watch::Sender<bool>) {
        let mut seen: Option<Seen> = None;
        let mut renewed: Option<Instant> = None;
        let mut holder: Option<String> = None;
        loop {
            let began = Instant::now();
            let attempt = timeout(self.timing.deadline / 2, self.acquire_or_renew(&mut seen)).await;
            let pause = match attempt {
                Ok(Ok(true)) => {
                    if changed(leading, true) {
                        info!(lease = self.name, identity = self.identity, "leading");
                    }
                    renewed = Some(began);
                    self.timing.renew
                }
                Ok(Ok(false)) => {
                    if changed(leading, false) {
                        warn!(lease = self.name, "another replica leads now");
                    }
                    let now = seen.as_ref().and_then(Seen::holder);
                    if now != holder.as_deref() {
                        let leader = now.unwrap_or_default();
                        info!(lease = self.name, leader, "standing by");
                        holder = now.map(str::to_owned);
                    }
                    renewed = None;
                    self.timing.retry
                }
                Ok(Err(error)) => {
                    let fix = match &error {
                        Error::Api(status) if status.code == 403 => {
                            "; grant get, create and update on leases"
                        }
                        _ => "",
                    };
                    warn!(
                        lease = self.name,
                        "the lease could not be read or written: {}{fix}",
                        crate::client::text(&error)
                    );
                    self.timing.retry
                }
                Err(_) => {
                    warn!(
                        lease = self.name,
                        "the API server did not answer about the lease"
                    );
                    self.timing.retry
                }
            };
            if renewed.is_some_and(|renewed| renewed.elapsed() + pause > self.timing.deadline)
                && changed(leading, false)
            {
                warn!(
                    lease = self.name,
                    "the lease could not be renewed in time: not leading any more"
                );
                renewed = None;
            }
            sleep(pause).await;
        }
    }

    /// Frees the Lease if this candidate holds it, so that another one need not wait for its end. Does nothing where that
    /// fails: the Lease then ends by itself.
    pub async fn release(&self) {
        let release = async {
            let Some(mut lease) = self.api.get_opt(&self.name).await? else {
                return Ok(());
            };
            let spec = lease.spec.get_or_insert_default();
            if spec.holder_identity.as_deref() != Some(self.identity.as_str()) {
                return Ok(());
            }
            spec.holder_identity = Some(String::new());
            spec.lease_duration_seconds = Some(1);
            spec.renew_time = Some(MicroTime(Timestamp::now()));
            self.api
                .replace(&self.name, &PostParams::default(), &lease)
                .await
                .map(|_| ())
        };
        match timeout(self.timing.retry, release).await {
            Ok(Ok(())) => info!(lease = self.name, "lease released"),
            Ok(Err(error)) => debug!(
                lease = self.name,
                "lease not released: {}",
                crate::client::text(&error)
            ),
            Err(_) => debug!(
                lease = self.name,
                "lease not released: no answer from the API server"
            ),
        }
    }

    /// One attempt: whether this candidate holds the Lease now.
    async fn acquire_or_renew(&self, seen: &mut Option<Seen>) -> Result<bool, Error> {
        let Some(lease) = self.api.get_opt(&self.name).await? else {
            let lease = Lease {
                metadata: ObjectMeta {
                    name: Some(self.name.clone()),
                    ..Default::default()
                },
                spec: Some(self.ours(None)),
            };
            return match self.api.create(&PostParams::default(), &lease).await {
                Ok(lease) => {
                    *seen = Some(Seen {
                        lease,
                        at: Instant::now(),
                    });
                    Ok(true)
                }
                Err(Error::Api(status)) if status.code == 409 => Ok(false),
                Err(error) => Err(error),
            };
        };
        let at = match seen.take() {
            Some(before)
                if before.lease.metadata.resource_version == lease.metadata.resource_version =>
            {
                before.at
            }
            _ => Instant::now(),
        };
        let before = lease.spec.clone().unwrap_or_default();
        *seen = Some(Seen {
            lease: lease.clone(),
            at,
        });
        if self.held_by_another(&before, at) {
            return Ok(false);
        }
        let next = Lease {
            spec: Some(self.ours(Some(&before))),
            ..lease
        };
        match self
            .api
            .replace(&self.name, &PostParams::default(), &next)
            .await
        {
            Ok(lease) => {
                *seen = Some(Seen {
                    lease,
                    at: Instant::now(),
                });
                Ok(true)
            }
            // Somebody was quicker.
            Err(Error::Api(status)) if status.code == 409 => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn held_by_another(&self, spec: &LeaseSpec, at: Instant) -> bool {
        let holder = spec.holder_identity.as_deref().unwrap_or_default();
        let seconds = spec
            .lease_duration_seconds
            .and_then(|seconds| u64::try_from(seconds).ok());
        let duration = seconds.map_or(self.timing.duration, Duration::from_secs);
        !holder.is_empty() && holder != self.identity && at.elapsed() < duration
    }

    /// The Lease as this candidate writes it.
    fn ours(&self, before: Option<&LeaseSpec>) -> LeaseSpec {
        let now = MicroTime(Timestamp::now());
        let holder = before.and_then(|spec| spec.holder_identity.as_deref());
        let stays = holder == Some(self.identity.as_str());
        let transitions = before.and_then(|spec| spec.lease_transitions).unwrap_or(0);
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: Some(
                i32::try_from(self.timing.duration.as_secs()).unwrap_or(i32::MAX),
            ),
            acquire_time: before
                .and_then(|spec| spec.acquire_time.clone())
                .filter(|_| stays)
                .or(Some(now.clone())),
            renew_time: Some(now),
            lease_transitions: Some(if stays || before.is_none() {
                transitions
            } else {
                transitions.saturating_add(1)
            }),
            ..before.cloned().unwrap_or_default()
        }
    }
}
