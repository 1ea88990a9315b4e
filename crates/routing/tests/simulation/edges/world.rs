//! Interior routers, edge routers and the connections between them, under virtual time. Routers decide by what the crate has;
//! here are only the wires, and what a router does with a decision.
//!
//! Connections are as TCP makes them: in order and without loss while they last; an end learns of the other's death by a reset,
//! or by silence after [`IDLE`].

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use skupper_routing::edge::mesh::Bid;
use skupper_routing::edge::{Edge, Purpose};
use skupper_routing::{AddressKey, LinkId, RouterId};

use super::super::ms;
use super::super::net::{Dice, Net};
use super::flows::{Flows, Word};
use super::node::{Draw, Node, number};

/// After so much silence an end takes its connection for dead.
pub(crate) const IDLE: Duration = ms(3000);

/// What a connector's configuration asks for.
#[derive(Debug)]
pub(crate) struct Cable {
    /// The router that connects, an edge router, and the other.
    pub(crate) ends: [usize; 2],
    pub(crate) delay: Duration,
    /// Revision of its credential.
    pub(crate) ordinal: Option<u64>,
    pub(crate) up: bool,
    pub(crate) frozen: bool,
    /// The connection that the connector has or is making.
    pub(super) conn: Option<u64>,
    /// Rises with each change of `frozen`.
    pub(super) stamp: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum State {
    Opening,
    Open,
    Closed,
}

#[derive(Debug)]
pub(super) struct Conn {
    pub(super) cable: usize,
    pub(super) states: [State; 2],
    /// Nothing passes any more.
    pub(super) broken: bool,
    pub(super) last: [Duration; 2],
}

/// What is said on a connection to or from an edge router.
#[derive(Clone, Debug)]
pub(crate) enum Message {
    Attach(u64, Purpose),
    Detach(u64),
    Track(AddressKey, bool),
    Mesh(Arc<str>),
    Bid(Bid),
    Flow(Word),
}

#[derive(Debug)]
pub(super) enum What {
    /// The connector tries.
    Try(usize),
    Opened(u64, usize),
    Closed(u64, usize),
    Parcel(u64, usize, Message),
    /// A cable has been frozen, or a router stopped, for long.
    Silent(usize, u64),
    /// A word of a flow between interior routers.
    Inner(LinkId, usize, Word),
    /// The origin of a flow goes on with it.
    Step(u64),
    /// A consumer takes more of a copy.
    Read(u64, usize),
}

pub(crate) struct World {
    pub(crate) net: Net,
    pub(crate) nodes: Vec<Node>,
    pub(crate) cables: Vec<Cable>,
    pub(crate) flows: Flows,
    pub(crate) interiors: usize,
    pub(super) numbers: Rc<Cell<u64>>,
    lots: Rc<RefCell<Dice>>,
    pub(super) conns: BTreeMap<u64, Conn>,
    queue: BinaryHeap<Reverse<(Duration, u64)>>,
    events: BTreeMap<u64, What>,
    /// What has arrived on cables that are frozen, with the number of the event.
    held: Vec<(u64, What)>,
    /// When the last word of each way between interior routers arrives.
    pub(super) last: BTreeMap<(LinkId, usize), Duration>,
}

impl World {
    pub(crate) fn new(net: Net, edges: usize, seed: u64) -> Self {
        let interiors = net.routers.len();
        let mut nodes: Vec<Node> = net
            .routers
            .iter()
            .map(|router| Node::new(router.id.clone()))
            .collect();
        nodes.extend((0..edges).map(|n| Node::new(RouterId::new(format!("e{n:02}")).unwrap())));
        let mut world = Self {
            net,
            nodes,
            cables: Vec::new(),
            flows: Flows::default(),
            interiors,
            numbers: Rc::default(),
            lots: Rc::new(RefCell::new(Dice::new(seed ^ 0x5eed))),
            conns: BTreeMap::new(),
            queue: BinaryHeap::new(),
            events: BTreeMap::new(),
            held: Vec::new(),
            last: BTreeMap::new(),
        };
        for node in 0..world.nodes.len() {
            world.boot(node);
        }
        world
    }

    pub(crate) fn now(&self) -> Duration {
        self.net.now
    }

    pub(crate) fn is_edge(&self, node: usize) -> bool {
        node >= self.interiors
    }

    pub(crate) fn is_alive(&self, node: usize) -> bool {
        match self.is_edge(node) {
            true => self.nodes[node].edge.is_some(),
            false => self.net.is_alive(node),
        }
    }

    pub(crate) fn tell(&self, node: usize, what: std::fmt::Arguments<'_>) {
        if self.net.told {
            let (now, id) = (self.now().as_secs_f64(), &self.nodes[node].id);
            println!("{now:9.4} {id} {what}");
        }
    }

    // What happens to routers and cables.

    pub(crate) fn start(&mut self, node: usize) {
        if !self.is_edge(node) {
            self.net.start(node);
        }
        self.boot(node);
        for cable in 0..self.cables.len() {
            if self.cables[cable].ends[0] == node {
                self.try_soon(cable);
            }
        }
    }

    /// What a process does at its start.
    pub(super) fn boot(&mut self, node: usize) {
        self.tell(node, format_args!("boots"));
        if self.is_edge(node) {
            self.nodes[node].edge = Some(Edge::new(Draw {
                numbers: self.numbers.clone(),
                dice: self.lots.clone(),
                started: self.now().as_micros() as i64 + self.nodes[node].clock,
                spread: 4,
            }));
        }
        for key in self.nodes[node].consumers.clone() {
            self.add(node, &key, None);
        }
        self.settle(node);
    }

    /// As kill -9.
    pub(crate) fn kill(&mut self, node: usize) {
        self.tell(node, format_args!("is killed"));
        self.lose_flows_of(node);
        let own: Vec<u64> = self.conns.keys().copied().collect();
        for number in own {
            let ends = self.cables[self.conns[&number].cable].ends;
            if let Some(end) = (0..2).find(|end| ends[*end] == node) {
                if let Some(conn) = self.conns.get_mut(&number) {
                    conn.states[end] = State::Closed;
                }
                let cable = self.conns[&number].cable;
                if end == 0 {
                    self.cables[cable].conn = None;
                }
                if self.cables[cable].frozen {
                    // Nobody hears the reset.
                    self.conns.get_mut(&number).unwrap().broken = true;
                    self.at(self.now() + IDLE, What::Closed(number, 1 - end));
                } else {
                    self.break_off(number);
                }
            }
        }
        if !self.is_edge(node) {
            self.net.kill(node);
            self.inner_lost();
            let own = AddressKey::mobile(&format!("own.{}", self.nodes[node].id));
            self.net.routers[node]
                .addresses
                .retain(|key, _| *key == own);
        }
        self.nodes[node].forget();
    }

    /// Of a router that does not run.
    pub(crate) fn set_clock_back(&mut self, node: usize, seconds: i64) {
        self.nodes[node].clock -= seconds * 1_000_000;
        if !self.is_edge(node) {
            // No two runs have the same.
            self.net.routers[node].instance -= 1_000 + seconds;
        }
    }

    pub(crate) fn stop_for(&mut self, node: usize, time: Duration) {
        let until = self.nodes[node].stopped_until.max(self.now() + time);
        self.nodes[node].stopped_until = until;
        if !self.is_edge(node) {
            self.net.stop_for(node, time);
        }
        if until < self.now() + IDLE {
            return;
        }
        for cable in 0..self.cables.len() {
            if self.cables[cable].ends.contains(&node) {
                let stamp = self.cables[cable].stamp;
                self.at(self.now() + IDLE, What::Silent(cable, stamp));
            }
        }
    }

    pub(crate) fn connect(
        &mut self,
        edge: usize,
        to: usize,
        delay: Duration,
        ordinal: Option<u64>,
    ) -> usize {
        assert!(self.is_edge(edge));
        self.cables.push(Cable {
            ends: [edge, to],
            delay,
            ordinal,
            up: true,
            frozen: false,
            conn: None,
            stamp: 0,
        });
        self.try_soon(self.cables.len() - 1);
        self.cables.len() - 1
    }

    pub(crate) fn cut(&mut self, cable: usize) {
        self.cables[cable].up = false;
        if let Some(number) = self.cables[cable].conn {
            self.break_off(number);
        }
    }

    pub(crate) fn mend(&mut self, cable: usize) {
        self.cables[cable].up = true;
    }

    pub(crate) fn freeze(&mut self, cable: usize, frozen: bool) {
        let c = &mut self.cables[cable];
        if std::mem::replace(&mut c.frozen, frozen) == frozen {
            return;
        }
        c.stamp += 1;
        let stamp = c.stamp;
        match frozen {
            true => self.at(self.now() + IDLE, What::Silent(cable, stamp)),
            false => self.thaw(),
        }
    }

    /// What was held on a frozen cable arrives; what is on one that still is, is held again.
    pub(super) fn thaw(&mut self) {
        let now = self.now();
        for (number, what) in std::mem::take(&mut self.held) {
            // By its number it stays before what was sent later.
            self.events.insert(number, what);
            self.queue.push(Reverse((now, number)));
        }
    }

    /// A cable between interior routers fails, or is there again.
    pub(crate) fn inner_cut(&mut self, cable: usize) {
        self.net.cut(cable);
        self.inner_lost();
    }

    pub(crate) fn inner_freeze(&mut self, cable: usize, frozen: bool) {
        self.net.cables[cable].frozen = frozen;
        self.thaw();
    }

    pub(crate) fn consume(&mut self, node: usize, key: &AddressKey, up: bool) {
        let consumers = &mut self.nodes[node].consumers;
        let changed = match up {
            true => consumers.insert(key.clone()),
            false => consumers.remove(key),
        };
        if !changed || !self.is_alive(node) {
            return;
        }
        self.tell(node, format_args!("consumes {key}: {up}"));
        match up {
            true => {
                self.add(node, key, None);
            }
            false => {
                let own = self.nodes[node].dests(key).iter();
                let own = own.filter(|d| d.beyond.is_none()).map(|d| d.id);
                for id in own.collect::<Vec<_>>() {
                    self.remove(node, key, id);
                }
            }
        }
        self.settle(node);
    }

    pub(crate) fn listen(&mut self, node: usize, key: &AddressKey, up: bool) {
        match up {
            true => self.nodes[node].listeners.insert(key.clone()),
            false => self.nodes[node].listeners.remove(key),
        };
        if self.is_alive(node) {
            self.settle(node);
        }
    }

    // Time.

    pub(super) fn at(&mut self, at: Duration, what: What) {
        let number = number(&self.numbers);
        self.events.insert(number, what);
        self.queue.push(Reverse((at, number)));
    }

    pub(super) fn step_at(&mut self, at: Duration, flow: u64) {
        self.at(at, What::Step(flow));
    }

    pub(super) fn read_at(&mut self, at: Duration, copy: u64, node: usize) {
        self.at(at, What::Read(copy, node));
    }

    pub(super) fn inner_at(&mut self, at: Duration, link: LinkId, node: usize, word: Word) {
        self.at(at, What::Inner(link, node, word));
    }

    /// Whose process must run for it to happen.
    pub(super) fn whose(&self, what: &What) -> Option<usize> {
        let end = |number: &u64, end: &usize| {
            let conn = self.conns.get(number)?;
            Some(self.cables[conn.cable].ends[*end])
        };
        match what {
            What::Try(cable) => Some(self.cables[*cable].ends[0]),
            What::Opened(conn, side) | What::Closed(conn, side) | What::Parcel(conn, side, _) => {
                end(conn, side)
            }
            What::Inner(_, node, _) | What::Read(_, node) => Some(*node),
            What::Step(flow) => Some(self.flows.origin(*flow)),
            What::Silent(..) => None,
        }
    }

    /// Whether it has come over a cable that is frozen.
    pub(super) fn is_held(&self, what: &What) -> bool {
        match what {
            What::Parcel(number, ..) => self
                .conns
                .get(number)
                .is_some_and(|conn| !conn.broken && self.cables[conn.cable].frozen),
            What::Inner(link, ..) => self
                .net
                .end(*link)
                .is_some_and(|(cable, _)| self.net.cables[cable].frozen),
            _ => false,
        }
    }

    pub(super) fn happen(&mut self, what: What) {
        match what {
            What::Try(cable) => self.attempt(cable),
            What::Opened(number, end) => self.opened(number, end),
            What::Closed(number, end) => self.closed(number, end),
            What::Parcel(number, end, message) => self.parcel(number, end, message),
            What::Silent(cable, stamp) => self.silent(cable, stamp),
            What::Inner(link, node, word) => self.on_inner(link, node, word),
            What::Step(flow) => self.go_on(flow),
            What::Read(copy, _) => self.read(copy),
        }
    }

    pub(crate) fn run_for(&mut self, time: Duration) {
        let end = self.now() + time;
        loop {
            let own = self.queue.peek().map(|Reverse((at, _))| *at);
            let theirs = self.net.next();
            let Some(next) = own.into_iter().chain(theirs).min() else {
                break;
            };
            if next > end {
                break;
            }
            if theirs == Some(next) {
                self.net.step(end);
                self.look_at_tables();
                continue;
            }
            self.net.now = next;
            let Some(Reverse((_, number))) = self.queue.pop() else {
                break;
            };
            let Some(what) = self.events.remove(&number) else {
                continue;
            };
            let until = self
                .whose(&what)
                .map_or(Duration::ZERO, |node| self.nodes[node].stopped_until);
            if self.is_held(&what) {
                self.held.push((number, what));
            } else if until > next {
                // In the order in which it came.
                self.events.insert(number, what);
                self.queue.push(Reverse((until, number)));
            } else {
                self.happen(what);
                self.look_at_tables();
            }
        }
        self.net.now = end;
    }

    pub(super) fn look_at_tables(&mut self) {
        for node in 0..self.interiors {
            if self.net.is_alive(node) {
                let seen = self.nodes[node].seen.as_ref();
                if !seen.is_some_and(|seen| Arc::ptr_eq(seen, self.net.table(node))) {
                    self.look(node);
                }
            }
        }
    }

    /// The connections that both ends have open, as [edge router, other].
    pub(crate) fn live(&self) -> impl Iterator<Item = [usize; 2]> + '_ {
        self.conns.values().filter_map(|conn| {
            let open = !conn.broken && conn.states == [State::Open; 2];
            open.then(|| self.cables[conn.cable].ends)
        })
    }

    /// The router at the other end of one of its connections.
    pub(crate) fn beyond(&self, node: usize, number: u64) -> Option<usize> {
        let conn = self.conns.get(&number).filter(|conn| !conn.broken)?;
        let ends = self.cables[conn.cable].ends;
        ends.iter().copied().find(|end| *end != node)
    }
}
