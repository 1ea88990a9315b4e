//! Whether a connector's control connection is open: its data connections wait for that.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

/// The control connection of a connector.
#[derive(Default)]
pub(super) struct Control {
    /// The set that it is of, while it is open.
    set: Mutex<Option<u64>>,
    changed: Notify,
}

impl Control {
    /// That of a set is in use.
    pub(super) fn opened(&self, set: u64) {
        *self.lock() = Some(set);
        self.changed.notify_waiters();
    }

    /// That of a set has ended; another set's may have been opened meanwhile.
    pub(super) fn ended(&self, set: u64) {
        let mut open = self.lock();
        if *open == Some(set) {
            *open = None;
        }
    }

    /// Whether that of a set is in use.
    pub(super) fn is_open(&self, set: u64) -> bool {
        *self.lock() == Some(set)
    }

    /// Comes about when one is opened. Who waits is told in the order in which it began to.
    pub(super) fn changed(&self) -> Notified<'_> {
        self.changed.notified()
    }

    fn lock(&self) -> MutexGuard<'_, Option<u64>> {
        self.set.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
