//! How many AMQP connections may be accepted at once (management reference §9).

use std::sync::atomic::{AtomicU64, Ordering};

/// Connections where nothing else is configured.
const DEFAULT: u64 = 65535;

/// The limit, and what came of it.
#[derive(Debug)]
pub(crate) struct ConnectionLimit {
    most: AtomicU64,
    current: AtomicU64,
    admitted: AtomicU64,
    denied: AtomicU64,
    /// Denied since the last one was admitted.
    in_a_row: AtomicU64,
}

impl Default for ConnectionLimit {
    fn default() -> Self {
        ConnectionLimit {
            most: AtomicU64::new(DEFAULT),
            current: AtomicU64::default(),
            admitted: AtomicU64::default(),
            denied: AtomicU64::default(),
            in_a_row: AtomicU64::default(),
        }
    }
}

/// A connection that counts, until it is dropped.
#[derive(Debug)]
pub(crate) struct Admitted<'a>(&'a ConnectionLimit);

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        self.0.current.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection that is one too many.
#[derive(Debug)]
pub(crate) struct Denied {
    /// The limit.
    pub(crate) most: u64,
    /// Nobody was denied just before.
    pub(crate) first: bool,
}

impl ConnectionLimit {
    /// Sets the limit for connections that come from now on.
    pub(crate) fn set(&self, most: u64) {
        self.most.store(most, Ordering::Relaxed);
    }

    /// Counts a connection that was accepted, unless it is one too many.
    pub(crate) fn admit(&self) -> Result<Admitted<'_>, Denied> {
        let most = self.most.load(Ordering::Relaxed);
        if self.current.fetch_add(1, Ordering::Relaxed) < most {
            self.admitted.fetch_add(1, Ordering::Relaxed);
            self.in_a_row.store(0, Ordering::Relaxed);
            return Ok(Admitted(self));
        }
        self.current.fetch_sub(1, Ordering::Relaxed);
        self.denied.fetch_add(1, Ordering::Relaxed);
        let first = self.in_a_row.fetch_add(1, Ordering::Relaxed) == 0;
        Err(Denied { most, first })
    }

    /// How many were denied.
    pub(crate) fn denied(&self) -> u64 {
        self.denied.load(Ordering::Relaxed)
    }

    /// How many were admitted.
    pub(crate) fn admitted(&self) -> u64 {
        self.admitted.load(Ordering::Relaxed)
    }

    /// How many are there.
    pub(crate) fn current(&self) -> u64 {
        self.current.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_too_many_is_denied_until_another_ends() {
        let limit = ConnectionLimit::default();
        limit.set(2);
        let (one, _two) = (limit.admit().unwrap(), limit.admit().unwrap());
        assert!(limit.admit().unwrap_err().first);
        assert!(!limit.admit().unwrap_err().first);
        drop(one);
        let _one = limit.admit().unwrap();
        assert!(limit.admit().unwrap_err().first);
        assert_eq!(
            (limit.denied(), limit.admitted(), limit.current()),
            (3, 3, 2)
        );
    }
}
