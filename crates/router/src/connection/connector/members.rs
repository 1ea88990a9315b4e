//! The connections of a connector's sets: made for each revision of its credential, and kept while that is the newest.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rand::RngExt;

use tokio::sync::watch;

use super::AmqpConnector;
use super::attempt::Outcome;
use crate::connection::handle::ConnectionHandle;
use crate::context::Context;
use crate::random;
use crate::tls::{Attempt, Revision};

/// The first wait after a failure.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// The longest wait between attempts.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// The longest wait while nobody answers at all, which disturbs nobody: a peer that comes back is reached within a second.
const LONGEST_WAIT_UNHEARD: Duration = Duration::from_millis(500);

/// One connection of a connector's set.
#[derive(Clone)]
pub(super) struct Member {
    /// 0 is the control connection.
    pub(super) index: usize,
    pub(super) worker: usize,
    pub(super) revision: Option<Revision>,
    /// Number of its set among those of the connector: an ordinal may come back.
    pub(super) set: u64,
}

impl AmqpConnector {
    /// Makes a set of connections for each revision of the credential.
    pub(super) async fn run(self: Arc<Self>, worker: usize, context: Arc<Context>) {
        if self.settings.ssl_profile.is_empty() {
            return self.start_set(worker, None, &context);
        }
        let mut newest = None;
        // A profile that is deleted and made again is another one.
        while let Some(mut revisions) = self.revisions(&context).await {
            loop {
                let revision = *revisions.borrow_and_update();
                if newest.replace(revision.ordinal) != Some(revision.ordinal) {
                    self.start_set(worker, Some(revision), &context);
                }
                let outdated = |handle: &ConnectionHandle| {
                    let profile = &self.settings.ssl_profile;
                    context.profiles.is_past(profile, handle.ordinal)
                };
                let why = "the credential that the connection was made with is no longer valid";
                self.close_connections(&context, outdated, why);
                tokio::select! {
                    biased;
                    changed = revisions.changed() => if changed.is_err() { break },
                    () = self.stop.stopped() => return,
                }
            }
        }
    }

    /// What the profile tells, as soon as there is one.
    async fn revisions(self: &Arc<Self>, context: &Context) -> Option<watch::Receiver<Revision>> {
        loop {
            let error = match context.profiles.get(&self.settings.ssl_profile) {
                Ok(profile) => return Some(profile.revisions()),
                Err(error) => error,
            };
            let place = self.settings.host_port();
            let attempt = Attempt {
                peer: place.clone(),
                endpoint: place,
                ..Attempt::default()
            };
            let member = Member {
                index: 0,
                worker: 0,
                revision: None,
                set: 0,
            };
            self.refused(&member, attempt.no_credential(&error), context);
            tokio::select! {
                biased;
                () = tokio::time::sleep(LONGEST_WAIT) => {}
                () = self.stop.stopped() => return None,
            }
        }
    }

    fn start_set(
        self: &Arc<Self>,
        first: usize,
        revision: Option<Revision>,
        context: &Arc<Context>,
    ) {
        let set = self.sets.fetch_add(1, Ordering::AcqRel) + 1;
        for index in 0..=self.data_connections {
            // Data connections lie on the workers in turn, so that each worker has one of its own.
            let worker = (first + index.saturating_sub(1)) % context.workers.len();
            let member = Member {
                index,
                worker,
                revision,
                set,
            };
            context
                .workers
                .spawn(worker, self.clone().keep(member, context.clone()));
        }
    }

    /// Whether another set has taken the place of a member's.
    pub(super) fn is_outdated(&self, member: &Member, context: &Context) -> bool {
        let Some(revision) = member.revision else {
            return false;
        };
        if self.sets.load(Ordering::Acquire) != member.set {
            return true;
        }
        let newest = context.profiles.newest(&self.settings.ssl_profile);
        newest.is_some_and(|newest| newest != revision.ordinal)
    }

    /// Keeps one connection of a set open.
    async fn keep(self: Arc<Self>, member: Member, context: Arc<Context>) {
        let mut wait = Duration::ZERO;
        loop {
            if member.index > 0 && !self.control_open(&member, &context).await {
                return;
            }
            tokio::select! {
                biased;
                () = tokio::time::sleep(jitter(wait)) => {}
                () = self.stop.stopped() => return,
            }
            if self.stop.is_stopped() || self.is_outdated(&member, &context) {
                return;
            }
            let outcome = self.attempt(&member, &context).await;
            if member.index == 0 {
                // Data connections go where the control connection is.
                if outcome != Outcome::Opened {
                    self.places().failed();
                }
                self.control.ended(member.set);
            }
            // Only an open connection shows that all is well: one that is refused after TLS must not be tried as fast
            // as one that was lost.
            wait = match outcome {
                Outcome::Opened => FIRST_WAIT,
                Outcome::Refused => (wait * 2).clamp(FIRST_WAIT, LONGEST_WAIT),
                Outcome::Unheard => (wait * 2).clamp(FIRST_WAIT, LONGEST_WAIT_UNHEARD),
            };
        }
    }

    /// Waits until the control connection of the set is open; false if there will be none.
    async fn control_open(&self, member: &Member, context: &Context) -> bool {
        loop {
            let mut changed = pin!(self.control.changed());
            // Registered before it is looked, so that what happens in between is not missed.
            changed.as_mut().enable();
            if self.stop.is_stopped() || self.is_outdated(member, context) {
                return false;
            }
            if self.control.is_open(member.set) {
                return true;
            }
            tokio::select! {
                biased;
                () = changed => {}
                () = self.stop.stopped() => return false,
            }
        }
    }
}

/// A quarter less or more, so that routers that lost the same peer do not come back as one.
fn jitter(wait: Duration) -> Duration {
    wait.mul_f64(random::rng().random_range(0.75..1.25))
}
