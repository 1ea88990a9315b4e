//! All connections that are open.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::handle::ConnectionHandle;

/// Connections by number, from before their handshake until their end.
#[derive(Default)]
pub struct Registry {
    connections: Mutex<BTreeMap<u64, Arc<ConnectionHandle>>>,
}

impl Registry {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<ConnectionHandle>>> {
        self.connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn enter(&self, connection: &Arc<ConnectionHandle>) {
        self.lock().insert(connection.number, connection.clone());
    }

    pub(crate) fn leave(&self, number: u64) {
        self.lock().remove(&number);
    }

    /// All of them, in the order in which they began.
    pub fn all(&self) -> Vec<Arc<ConnectionHandle>> {
        self.lock().values().cloned().collect()
    }

    /// One by its number.
    pub fn get(&self, number: u64) -> Option<Arc<ConnectionHandle>> {
        self.lock().get(&number).cloned()
    }
}
