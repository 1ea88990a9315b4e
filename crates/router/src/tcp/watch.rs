//! Whether addresses can be reached, as the core sees it, for those who act on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use skupper_routing::AddressKey;

/// Watches one address.
pub(crate) struct Watch {
    /// The address.
    pub(crate) key: AddressKey,
    reachable: AtomicBool,
    changed: Box<dyn Fn(bool) + Send + Sync>,
}

impl Watch {
    /// A watch that tells `changed` of each change. It does nothing until the core has it.
    pub(crate) fn new(
        key: AddressKey,
        changed: impl Fn(bool) + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Watch {
            key,
            reachable: AtomicBool::new(false),
            changed: Box::new(changed),
        })
    }

    /// Whether the address has a destination.
    pub(crate) fn is_reachable(&self) -> bool {
        self.reachable.load(Ordering::Acquire)
    }

    /// Says whether the address has a destination.
    pub(crate) fn set(&self, reachable: bool) {
        if self.reachable.swap(reachable, Ordering::AcqRel) != reachable {
            (self.changed)(reachable);
        }
    }
}

/// All watches of a router; the core looks through them after each change.
#[derive(Default)]
pub(crate) struct WatchSet {
    watches: Vec<std::sync::Weak<Watch>>,
}

impl WatchSet {
    /// Adds a watch; it is removed when its owner drops it.
    pub(crate) fn add(&mut self, watch: &Arc<Watch>) {
        self.watches.push(Arc::downgrade(watch));
    }

    /// Tells every watch what `is_reachable` says of its address.
    pub(crate) fn update(&mut self, is_reachable: impl Fn(&AddressKey) -> bool) {
        self.watches.retain(|watch| match watch.upgrade() {
            Some(watch) => {
                watch.set(is_reachable(&watch.key));
                true
            }
            None => false,
        });
    }
}
