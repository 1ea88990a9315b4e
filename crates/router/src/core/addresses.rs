//! What is counted for each address while it is in use, whoever its destinations are.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use skupper_management::entity::Role;
use skupper_routing::{AddressKey, LinkId};

use crate::transit::load::Outstanding;

/// Peers whose deliveries are counted apart from those of clients, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Apart {
    /// Containers: the role `route-container`.
    Container,
    /// Routers of other networks: the role `inter-network`.
    Network,
}

impl Apart {
    /// How the deliveries of a connection are counted.
    pub fn of(role: Role) -> Option<Self> {
        match role {
            Role::RouteContainer => Some(Self::Container),
            Role::InterNetwork => Some(Self::Network),
            _ => None,
        }
    }
}

/// Deliveries from and to such peers.
#[derive(Default)]
pub struct Shares {
    container: Share,
    network: Share,
}

/// Deliveries from and to one kind of them.
#[derive(Default)]
pub struct Share {
    /// Those that came from them.
    pub ingress: AtomicU64,
    /// Those given to them.
    pub egress: AtomicU64,
}

impl Shares {
    /// The deliveries of one kind of peers.
    pub fn of(&self, apart: Apart) -> &Share {
        match apart {
            Apart::Container => &self.container,
            Apart::Network => &self.network,
        }
    }
}

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
    /// Of those that entered here and of those given to destinations of this router, such as are counted apart.
    pub apart: Shares,
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
    /// As [`AddressUse::transit`].
    pub transit: AtomicU64,
    /// As [`AddressUse::apart`].
    pub apart: Shares,
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

    /// Counts a delivery that enters the network here.
    pub(crate) fn count_ingress(&self, usage: &AddressUse) {
        usage.ingress.fetch_add(1, Ordering::Relaxed);
        self.totals.ingress.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a delivery, or a copy of one, that is given to a destination of this router.
    pub(crate) fn count_egress(&self, usage: &AddressUse) {
        usage.egress.fetch_add(1, Ordering::Relaxed);
        self.totals.egress.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a delivery, or a copy of one, that goes to another router.
    pub(crate) fn count_transit(&self, usage: &AddressUse) {
        usage.transit.fetch_add(1, Ordering::Relaxed);
        self.totals.transit.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a delivery to an address that came from a peer of a kind that is counted apart.
    pub(crate) fn count_from(&self, apart: Apart, key: &AddressKey) {
        for shares in [&self.of(key).apart, &self.totals.apart] {
            shares.of(apart).ingress.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a delivery that is given to such a peer.
    pub(crate) fn count_to(&self, apart: Apart, usage: &AddressUse) {
        for shares in [&usage.apart, &self.totals.apart] {
            shares.of(apart).egress.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::testing::{Taker, dispatch, serve};
    use crate::transit::message::Message;

    #[test]
    fn addresses_that_only_a_sender_has_named_are_not_kept() {
        let dispatch = dispatch();
        let multicast = |key: &AddressKey| dispatch.multicast(key, &Message::default(), &[]).len();
        for n in 0..100 {
            assert_eq!(multicast(&dispatch.key(&format!("mc/{n}"))), 0);
        }
        let key = dispatch.key("mc/known");
        serve(&dispatch, &key, Arc::<Taker>::default());
        assert_eq!(multicast(&key), 1);
        let shards = dispatch.uses.shards.iter();
        let kept: usize = shards.map(|shard| shard.lock().unwrap().len()).sum();
        assert_eq!(kept, 1);
        let totals = &dispatch.uses.totals;
        let totals = [&totals.ingress, &totals.egress].map(|count| count.load(Ordering::Relaxed));
        assert_eq!(totals, [101, 1]);
    }
}
