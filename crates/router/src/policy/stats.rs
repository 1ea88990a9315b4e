//! What a virtual host has seen (management reference §9, `vhostStats`).

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use skupper_management::{Attributes, Value};

use super::seats::{Full, Limits, Seats};

/// Counters of a virtual host. Connections that it let in hold them, also when it is replaced or deleted.
#[derive(Debug)]
pub(crate) struct VhostStats {
    hostname: String,
    seats: Mutex<Seats>,
    /// Sessions that were not allowed.
    pub(crate) sessions_denied: AtomicU64,
    /// Links of senders that were not allowed.
    pub(crate) senders_denied: AtomicU64,
    /// Links of receivers that were not allowed.
    pub(crate) receivers_denied: AtomicU64,
    /// Messages that were too long.
    pub(crate) sizes_denied: AtomicU64,
}

/// A connection that counts, until it is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    stats: Arc<VhostStats>,
    user: String,
    host: String,
    name: String,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.stats.seats().leave(&self.user, &self.host, &self.name);
    }
}

impl VhostStats {
    pub(crate) fn new(hostname: &str) -> Arc<Self> {
        Arc::new(VhostStats {
            hostname: hostname.to_owned(),
            seats: Mutex::default(),
            sessions_denied: AtomicU64::new(0),
            senders_denied: AtomicU64::new(0),
            receivers_denied: AtomicU64::new(0),
            sizes_denied: AtomicU64::new(0),
        })
    }

    /// Whether it is a virtual host's of that name.
    pub(crate) fn is_of(&self, hostname: &str) -> bool {
        self.hostname == hostname
    }

    fn seats(&self) -> MutexGuard<'_, Seats> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a connection from a peer's address in, unless it is one too many.
    pub(crate) fn sit(
        self: &Arc<Self>,
        user: &str,
        host: String,
        name: &str,
        limits: Limits,
    ) -> Result<Seat, Full> {
        self.seats().take(user, &host, name, limits)?;
        Ok(Seat {
            stats: self.clone(),
            user: user.to_owned(),
            host,
            name: name.to_owned(),
        })
    }

    /// Counts a connection that was not let in for another reason.
    pub(crate) fn deny(&self) {
        self.seats().denied += 1;
    }

    /// Whether anybody is connected.
    pub(crate) fn is_used(&self) -> bool {
        self.seats().current > 0
    }

    /// The counters as management shows them.
    pub(crate) fn row(&self) -> Attributes {
        let seats = self.seats();
        let lists = |taken: &std::collections::BTreeMap<String, Vec<String>>| {
            let lists = taken.iter();
            Value::Object(
                lists
                    .map(|(key, names)| (key.clone(), names.as_slice().into()))
                    .collect(),
            )
        };
        let count = |counter: &AtomicU64| Value::from(counter.load(Ordering::Relaxed));
        let row = [
            ("hostname", self.hostname.as_str().into()),
            ("identity", format!("vhostStats/{}", self.hostname).into()),
            ("connectionsApproved", seats.approved.into()),
            ("connectionsDenied", seats.denied.into()),
            ("connectionsCurrent", seats.current.into()),
            ("perUserState", lists(&seats.users)),
            ("perHostState", lists(&seats.hosts)),
            ("sessionDenied", count(&self.sessions_denied)),
            ("senderDenied", count(&self.senders_denied)),
            ("receiverDenied", count(&self.receivers_denied)),
            ("maxMessageSizeDenied", count(&self.sizes_denied)),
        ];
        row.into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }
}
