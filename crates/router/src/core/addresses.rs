//! What is counted for each address while it is in use, whoever its destinations are.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use skupper_routing::{AddressKey, LinkId};

use crate::transit::load::Outstanding;

/// Counters of one address.
#[derive(Default)]
pub struct AddressUse {
    /// Goes round among equal destinations.
    turn: AtomicUsize,
    /// Deliveries that entered the network here.
    pub ingress: AtomicU64,
    /// Deliveries given to destinations of this router.
    pub egress: AtomicU64,
    /// Deliveries that went from one router to another.
    pub transit: AtomicU64,
    /// Deliveries that containers have sent, of those that entered here.
    pub ingress_container: AtomicU64,
    /// Deliveries given to containers, of those given to destinations of this router.
    pub egress_container: AtomicU64,
    /// Deliveries given to consumers inside the router.
    pub inner: AtomicU64,
    /// Deliveries of messages that were made inside the router.
    pub from_inner: AtomicU64,
    /// Unsettled deliveries by the control link of the neighbour they went to.
    outstanding: Mutex<Vec<(LinkId, Outstanding)>>,
}

impl AddressUse {
    /// The next turn.
    pub(crate) fn turn(&self) -> usize {
        self.turn.fetch_add(1, Ordering::Relaxed)
    }

    /// The count of deliveries under way to a neighbour.
    pub(crate) fn outstanding(&self, link: LinkId) -> Outstanding {
        let mut list = self
            .outstanding
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some((_, count)) = list.iter().find(|(known, _)| *known == link) {
            return count.clone();
        }
        // Links come and go; those that nothing is under way on are forgotten here.
        list.retain(|(_, count)| count.load(Ordering::Relaxed) > 0);
        let count = Outstanding::default();
        list.push((link, count.clone()));
        count
    }

    /// All deliveries under way to neighbours.
    pub fn transit_outstanding(&self) -> usize {
        let list = self
            .outstanding
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        list.iter()
            .map(|(_, count)| count.load(Ordering::Relaxed))
            .sum()
    }
}

/// Deliveries of all addresses, those that are forgotten included.
#[derive(Default)]
pub struct Totals {
    /// As [`AddressUse::ingress`].
    pub ingress: AtomicU64,
    /// As [`AddressUse::egress`].
    pub egress: AtomicU64,
    /// As [`AddressUse::transit`], and messages of the routing protocol.
    pub transit: AtomicU64,
    /// As [`AddressUse::ingress_container`].
    pub ingress_container: AtomicU64,
    /// As [`AddressUse::egress_container`].
    pub egress_container: AtomicU64,
}

const SHARDS: usize = 32;
/// A shard with more addresses than this forgets those that nobody holds.
const SWEEP_AT: usize = 1024;

/// The counters of every address that was used.
pub struct AddressUses {
    hasher: RandomState,
    shards: Vec<Mutex<HashMap<AddressKey, Arc<AddressUse>>>>,
    /// Counters of the router.
    pub totals: Totals,
}

impl Default for AddressUses {
    fn default() -> Self {
        AddressUses {
            hasher: RandomState::new(),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            totals: Totals::default(),
        }
    }
}

impl AddressUses {
    fn shard(&self, key: &AddressKey) -> MutexGuard<'_, HashMap<AddressKey, Arc<AddressUse>>> {
        let shard = &self.shards[self.hasher.hash_one(key) as usize % SHARDS];
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The counters of an address; they begin at zero.
    pub fn of(&self, key: &AddressKey) -> Arc<AddressUse> {
        let mut shard = self.shard(key);
        if let Some(known) = shard.get(key) {
            return known.clone();
        }
        if shard.len() >= SWEEP_AT {
            // A peer can name any number of addresses; what nothing is under way to need not be remembered.
            shard.retain(|_, known| known.transit_outstanding() > 0);
        }
        let new = Arc::<AddressUse>::default();
        shard.insert(key.clone(), new.clone());
        new
    }

    /// Counts a delivery that a container has sent to an address.
    pub(crate) fn count_from_container(&self, key: &AddressKey) {
        let usage = self.of(key);
        for count in [&usage.ingress_container, &self.totals.ingress_container] {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a delivery that is given to a container.
    pub(crate) fn count_to_container(&self, usage: &AddressUse) {
        for count in [&usage.egress_container, &self.totals.egress_container] {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}
