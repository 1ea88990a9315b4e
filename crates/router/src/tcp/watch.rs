//! Whether addresses can be reached, as the core sees it, for those who act on it.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use skupper_routing::AddressKey;

use crate::connection::handle::ConnectionHandle;
use crate::core::forwarding::Forwarding;

/// Watches one address.
pub(crate) struct Watch {
    /// The address.
    pub(crate) key: AddressKey,
    /// The connection of the edge router that asks, if one does: it is not asking for its own consumers.
    edge: Option<Arc<ConnectionHandle>>,
    reachable: AtomicBool,
    changed: Box<dyn Fn(bool) + Send + Sync>,
}

impl Watch {
    /// A watch that tells `changed` of each change. It does nothing until the core has it.
    pub(crate) fn new(
        key: AddressKey,
        changed: impl Fn(bool) + Send + Sync + 'static,
    ) -> Arc<Self> {
        Self::of_edge(key, None, changed)
    }

    /// The same on behalf of the edge router at the other end of a connection.
    pub(crate) fn of_edge(
        key: AddressKey,
        edge: Option<Arc<ConnectionHandle>>,
        changed: impl Fn(bool) + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Watch {
            key,
            edge,
            reachable: AtomicBool::new(false),
            changed: Box::new(changed),
        })
    }

    /// Whether the address has a destination.
    pub(crate) fn is_reachable(&self) -> bool {
        self.reachable.load(Ordering::Acquire)
    }

    /// Sees whether the address has a destination.
    pub(crate) fn look(&self, forwarding: &Forwarding) {
        let reachable = forwarding.is_reachable_from(&self.key, self.edge.as_deref());
        if self.reachable.swap(reachable, Ordering::AcqRel) != reachable {
            (self.changed)(reachable);
        }
    }
}

/// All watches of a router; the core looks through them after each change.
#[derive(Default)]
pub(crate) struct WatchSet {
    watches: Mutex<Vec<Weak<Watch>>>,
}

impl WatchSet {
    /// Adds a watch; it is removed when its owner drops it.
    pub(crate) fn add(&self, watch: &Arc<Watch>) {
        self.lock().push(Arc::downgrade(watch));
    }

    /// Lets every watch see a new state of the router.
    pub(crate) fn update(&self, forwarding: &Forwarding) {
        self.lock().retain(|watch| match watch.upgrade() {
            Some(watch) => {
                watch.look(forwarding);
                true
            }
            None => false,
        });
    }

    /// The addresses that are watched.
    pub(crate) fn keys(&self) -> HashSet<AddressKey> {
        let watches = self.lock();
        let watches = watches.iter().filter_map(Weak::upgrade);
        watches.map(|watch| watch.key.clone()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Weak<Watch>>> {
        self.watches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
