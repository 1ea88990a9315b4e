//! A router as the connections to and from edge routers know it: what it consumes and produces, its destinations, and its ends
//! of those connections.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use skupper_routing::edge::mesh::Bid;
use skupper_routing::edge::{Beyond, Edge, Source, Standing, Tracking};
use skupper_routing::{AddressKey, RouterId, Table};

use super::super::net::Dice;

/// One end of a connection to or from an edge router.
#[derive(Debug)]
pub(crate) struct Handle {
    pub(crate) beyond: Beyond,
    /// The mesh that the edge router at the other end has told.
    pub(crate) mesh: RefCell<Option<Arc<str>>>,
}

/// A destination: a consumer of this router, or what is behind a connection.
#[derive(Clone, Debug)]
pub(crate) struct Dest {
    pub(crate) id: u64,
    pub(crate) beyond: Option<Rc<Handle>>,
}

impl Standing for Dest {
    fn beyond(&self) -> Option<Beyond> {
        self.beyond.as_ref().map(|handle| handle.beyond)
    }

    fn mesh(&self) -> Option<Arc<str>> {
        self.beyond.as_ref()?.mesh.borrow().clone()
    }
}

/// What the other end has attached a link for.
#[derive(Debug)]
pub(crate) enum Theirs {
    Destination(AddressKey, u64),
    Producer { key: AddressKey, reachable: bool },
    Tracking,
    Other,
}

/// What a router keeps of its end of a connection.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) handle: Rc<Handle>,
    pub(crate) theirs: BTreeMap<u64, Theirs>,
    pub(crate) tracking: Tracking,
}

/// Numbers and lots, decided by the seed.
#[derive(Debug)]
pub(crate) struct Draw {
    pub(crate) numbers: Rc<Cell<u64>>,
    pub(crate) dice: Rc<RefCell<Dice>>,
    /// About when it was started, in microseconds by its clock.
    pub(crate) started: i64,
    /// How many there are to draw from: of the first time, few enough that two may draw the same.
    pub(crate) spread: usize,
}

impl Source for Draw {
    fn link(&mut self) -> u64 {
        number(&self.numbers)
    }

    fn bid(&mut self) -> Bid {
        let spread = std::mem::replace(&mut self.spread, 1_000_000);
        let lot = self.dice.borrow_mut().below(spread);
        Bid {
            ordinal: self.started + lot as i64,
            id: format!("{:015}", number(&self.numbers)).into(),
        }
    }
}

pub(crate) fn number(numbers: &Cell<u64>) -> u64 {
    numbers.set(numbers.get() + 1);
    numbers.get()
}

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) id: RouterId,
    /// Of an edge router that runs: its decisions.
    pub(crate) edge: Option<Edge<Draw>>,
    /// What its configuration has it consume and listen for, whether it runs or not.
    pub(crate) consumers: BTreeSet<AddressKey>,
    pub(crate) listeners: HashSet<AddressKey>,
    pub(crate) locals: BTreeMap<AddressKey, Vec<Dest>>,
    /// The listeners that are open.
    pub(crate) reachable: BTreeSet<AddressKey>,
    /// The connection and link that an edge router sends by what it has no destination for.
    pub(crate) uplink: Option<(u64, u64)>,
    /// The mesh that an edge router is in.
    pub(crate) mesh: Option<Arc<str>>,
    pub(crate) ends: BTreeMap<u64, End>,
    /// An interior router's table when its watches were last looked through.
    pub(crate) seen: Option<Arc<Table>>,
    pub(crate) stopped_until: Duration,
    /// By how many microseconds its clock is wrong.
    pub(crate) clock: i64,
}

impl Node {
    pub(crate) fn new(id: RouterId) -> Self {
        Self {
            id,
            edge: None,
            consumers: BTreeSet::new(),
            listeners: HashSet::new(),
            locals: BTreeMap::new(),
            reachable: BTreeSet::new(),
            uplink: None,
            mesh: None,
            ends: BTreeMap::new(),
            seen: None,
            stopped_until: Duration::ZERO,
            clock: 0,
        }
    }

    /// What a process loses.
    pub(crate) fn forget(&mut self) {
        let (id, stopped_until, clock) = (self.id.clone(), self.stopped_until, self.clock);
        let consumers = std::mem::take(&mut self.consumers);
        let listeners = std::mem::take(&mut self.listeners);
        *self = Self {
            consumers,
            listeners,
            stopped_until,
            clock,
            ..Self::new(id)
        };
    }

    pub(crate) fn dests(&self, key: &AddressKey) -> &[Dest] {
        self.locals.get(key).map_or(&[], |dests| dests)
    }
}
