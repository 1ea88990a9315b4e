//! What is known of each other router.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use crate::address::{AddressKey, Treatment};
use crate::id::{LinkId, RouterId};
use crate::message::RouterAdvertisement;
use crate::path::Way;
use crate::table::RouterIndex;

/// Another interior router.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) id: RouterId,
    pub(super) instance: Option<i64>,
    /// The instances before the present one, and when they were given up: what still arrives from them is late.
    pub(super) former: Vec<(i64, Duration)>,
    /// When its addresses are asked for once more: an answer of the run before may have come after the present one was heard
    /// of, and does not say whose it is.
    pub(super) doubt_at: Option<Duration>,
    /// The connection to it, where it is a neighbour.
    pub(super) neighbour: Option<LinkId>,
    /// The way to it as last computed.
    pub(super) way: Option<Way>,
    pub(super) unreachable_since: Option<Duration>,
    /// Whether its addresses are in the table.
    pub(super) shown: bool,
    pub(super) link_state: Held<Arc<BTreeMap<RouterId, u32>>>,
    pub(super) mobile: Held<BTreeMap<AddressKey, Announced>>,
    /// When an advertisement or link state of it arrived last.
    pub(super) refreshed: Duration,
    /// It asked for the link state of this router, or is to get it unasked.
    pub(super) owed_link_state: bool,
    /// It asked for the addresses of this router, or is to get them unasked.
    pub(super) owed_mobile: bool,
    /// The advertisement of it that was passed on last, and when.
    pub(super) passed_on: Option<(RouterAdvertisement, Duration)>,
    /// Ticks for which nothing has spoken for keeping it.
    pub(super) idle: u8,
}

/// What a router said of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Announced {
    pub(super) treatment: Option<Treatment>,
    pub(super) sole_mesh: Option<Arc<str>>,
}

/// A copy of a router's state, the sequence it is at, and the request for a newer one.
#[derive(Debug, Default)]
pub(super) struct Held<T> {
    pub(super) state: T,
    pub(super) seq: u64,
    /// The greatest sequence it has advertised.
    pub(super) advertised: u64,
    /// When the copy was taken.
    pub(super) at: Duration,
    pub(super) request: Option<Request>,
}

/// A request to be sent (again) when due and the router is in reach.
#[derive(Copy, Clone, Debug)]
pub(super) struct Request {
    since: Duration,
    pub(super) due: Duration,
    pub(super) wait: Duration,
}

impl<T: Default> Held<T> {
    /// Asks, unless it has been asked already.
    pub(super) fn want(&mut self, now: Duration, retry: Duration) {
        self.request.get_or_insert(Request {
            since: now,
            due: now,
            wait: retry,
        });
    }

    /// For how long an answer has been waited for; zero where none is.
    pub(super) fn asked_for(&self, now: Duration) -> Duration {
        self.request
            .map_or(Duration::ZERO, |request| now.saturating_sub(request.since))
    }

    /// A newer state.
    pub(super) fn accept(&mut self, state: T, seq: u64, now: Duration) {
        self.state = state;
        self.stand_at(seq, now);
    }

    /// The state was brought to this sequence.
    pub(super) fn stand_at(&mut self, seq: u64, now: Duration) {
        self.seq = seq;
        self.at = now;
        if seq >= self.advertised {
            self.request = None;
        }
    }

    /// Takes notice of an advertised sequence; true where the copy must be asked for.
    pub(super) fn advertise(&mut self, seq: u64, now: Duration) -> bool {
        self.advertised = self.advertised.max(seq);
        if self.seq > seq && now.saturating_sub(self.at) > DOUBT_AFTER {
            // A copy from the future, held for long: it was taken from a run before this one. Ask for all of it.
            self.seq = 0;
            self.advertised = seq;
        }
        if self.seq >= self.advertised {
            self.request = None;
        }
        self.seq < seq
    }

    /// The copy may be another run's: it stays until all of it has been asked for anew.
    pub(super) fn doubt(&mut self, now: Duration, retry: Duration) {
        self.seq = 0;
        self.advertised = 0;
        self.want(now, retry);
    }

    pub(super) fn forget(&mut self) {
        self.state = T::default();
        self.seq = 0;
        self.advertised = 0;
        self.request = None;
    }

    /// Whether the request is due; then it is put off.
    pub(super) fn take_due(&mut self, now: Duration, longest: Duration) -> bool {
        match &mut self.request {
            Some(request) if request.due <= now => {
                request.due = now + request.wait;
                request.wait = (request.wait * 2).min(longest);
                true
            }
            _ => false,
        }
    }
}

/// Advertisements overtake each other on different ways, but not by this much.
const DOUBT_AFTER: Duration = Duration::from_secs(5);

impl Node {
    fn new(id: RouterId, now: Duration) -> Self {
        Self {
            id,
            instance: None,
            former: Vec::new(),
            doubt_at: None,
            neighbour: None,
            way: None,
            unreachable_since: None,
            shown: false,
            link_state: Held::default(),
            mobile: Held::default(),
            refreshed: now,
            owed_link_state: false,
            owed_mobile: false,
            passed_on: None,
            idle: 0,
        }
    }

    /// When its addresses leave the table, if it stays out of reach.
    pub(super) fn hidden_at(&self, holdoff: Duration) -> Option<Duration> {
        self.unreachable_since
            .filter(|_| self.shown)
            .map(|since| since + holdoff)
    }
}

/// All routers but this one, by id and by number. Number 0 is this router's own.
#[derive(Debug)]
pub(super) struct Nodes {
    slots: Vec<Option<Node>>,
    by_id: HashMap<RouterId, RouterIndex>,
}

impl Nodes {
    pub(super) const ME: RouterIndex = RouterIndex(0);

    pub(super) fn new() -> Self {
        Self {
            slots: vec![None],
            by_id: HashMap::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Highest number in use, plus one.
    pub(super) fn size(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn index(&self, id: &str) -> Option<RouterIndex> {
        self.by_id.get(id).copied()
    }

    pub(super) fn by_id(&self) -> &HashMap<RouterId, RouterIndex> {
        &self.by_id
    }

    pub(super) fn get(&self, index: RouterIndex) -> Option<&Node> {
        self.slots.get(index.0 as usize)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, index: RouterIndex) -> Option<&mut Node> {
        self.slots.get_mut(index.0 as usize)?.as_mut()
    }

    pub(super) fn add(&mut self, id: RouterId, now: Duration) -> RouterIndex {
        let free = self
            .slots
            .iter()
            .skip(1)
            .position(Option::is_none)
            .map(|at| at + 1);
        let at = free.unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        let index = RouterIndex(at as u32);
        self.by_id.insert(id.clone(), index);
        self.slots[at] = Some(Node::new(id, now));
        index
    }

    pub(super) fn remove(&mut self, index: RouterIndex) -> Option<Node> {
        let node = self.slots.get_mut(index.0 as usize)?.take()?;
        self.by_id.remove(&node.id);
        Some(node)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (RouterIndex, &Node)> {
        let slots = self.slots.iter().enumerate();
        slots.filter_map(|(at, node)| Some((RouterIndex(at as u32), node.as_ref()?)))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (RouterIndex, &mut Node)> {
        let slots = self.slots.iter_mut().enumerate();
        slots.filter_map(|(at, node)| Some((RouterIndex(at as u32), node.as_mut()?)))
    }
}
