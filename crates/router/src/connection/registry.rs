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

    /// Enters a connection until the guard is dropped.
    pub(crate) fn enter<'a>(&'a self, connection: &Arc<ConnectionHandle>) -> Registered<'a> {
        self.lock().insert(connection.number, connection.clone());
        Registered {
            registry: self,
            number: connection.number,
        }
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

/// A connection that is in the registry.
pub(crate) struct Registered<'a> {
    registry: &'a Registry,
    number: u64,
}

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        self.registry.lock().remove(&self.number);
    }
}
