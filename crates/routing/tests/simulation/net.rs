//! A network of engines under virtual time. Everything is decided by a seed; a run with the same seed is the same run.
//!
//! Cables stand for control connections: in order, with a delay, possibly lossy (as no TCP connection is, but a router that
//! has no way yet drops what it should pass on). Messages travel as octets and are passed on by [`control::forward`].

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use skupper_routing::address::Naming;
use skupper_routing::{
    AddressKey, Config, ControlMessage, Engine, Event, Link, LinkId, Output, RouterId, Table,
    Treatment, control,
};

/// Small, and the same everywhere.
#[derive(Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % n
    }

    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

pub(crate) struct Router {
    pub(crate) id: RouterId,
    pub(crate) engine: Option<Engine>,
    /// What it tells of, and the edge mesh that all of an address's destinations are in, if they are in one.
    pub(crate) addresses: BTreeMap<AddressKey, Option<Arc<str>>>,
    pub(crate) events: Vec<(Duration, Event)>,
    /// Which run of it this is; a clock that was set back makes a later run's the smaller one.
    pub(crate) instance: i64,
    naming: Naming,
    /// Its engine's next timeout.
    due: Option<Duration>,
    /// It does nothing before: its process is stopped, or its machine, whose clock then steps.
    stopped_until: Duration,
}

pub(crate) struct Cable {
    pub(crate) ends: [usize; 2],
    pub(crate) cost: u32,
    pub(crate) delay: Duration,
    pub(crate) up: bool,
    /// Swallows everything without a sign.
    pub(crate) frozen: bool,
    links: [LinkId; 2],
    last: [Duration; 2],
}

#[derive(Clone)]
struct Parcel {
    cable: usize,
    /// The connection it was put on: a later one does not get it.
    sent_on: LinkId,
    side: usize,
    to: String,
    ingress: String,
    trace: Vec<String>,
    payload: Bytes,
}

pub(crate) struct Net {
    pub(crate) now: Duration,
    pub(crate) routers: Vec<Router>,
    pub(crate) cables: Vec<Cable>,
    pub(crate) loss: usize,
    /// Tells on standard output what is sent, received, lost and changed.
    pub(crate) told: bool,
    /// Control messages put on cables so far, by opcode.
    pub(crate) sent: BTreeMap<&'static str, usize>,
    pub(crate) dice: Dice,
    /// Cable and side of each connection there is.
    ends: HashMap<LinkId, (usize, usize)>,
    queue: BinaryHeap<Reverse<(Duration, u64)>>,
    parcels: BTreeMap<u64, Parcel>,
    next: u64,
}

impl Net {
    pub(crate) fn new(seed: u64, routers: usize) -> Self {
        let mut net = Self {
            now: Duration::from_secs(1),
            routers: Vec::new(),
            cables: Vec::new(),
            loss: 0,
            told: false,
            sent: BTreeMap::new(),
            dice: Dice::new(seed),
            ends: HashMap::new(),
            queue: BinaryHeap::new(),
            parcels: BTreeMap::new(),
            next: 0,
        };
        for i in 0..routers {
            let id = RouterId::new(format!("r{:02}", (i * 37) % 100)).unwrap();
            let naming = Naming::new(id.as_str(), "");
            let mut router = Router {
                id,
                engine: None,
                addresses: BTreeMap::new(),
                events: Vec::new(),
                instance: 0,
                naming,
                due: None,
                stopped_until: Duration::ZERO,
            };
            let own = AddressKey::mobile(&format!("own.{}", router.id));
            router.addresses.insert(own, None);
            net.routers.push(router);
            net.start(i);
        }
        net
    }

    /// A line of the history, where it is told.
    pub(crate) fn tell(&self, router: usize, what: std::fmt::Arguments<'_>) {
        if self.told {
            let (now, id) = (self.now.as_secs_f64(), &self.routers[router].id);
            println!("{now:9.4} {id} {what}");
        }
    }

    pub(crate) fn start(&mut self, router: usize) {
        let now = self.now;
        self.tell(router, format_args!("starts"));
        let r = &mut self.routers[router];
        assert!(r.engine.is_none());
        r.instance += 1;
        let mut engine = Engine::new(Config::new(r.id.clone(), r.instance), now);
        for (key, mesh) in &r.addresses {
            engine.address_up(key.clone(), Treatment::Balanced, mesh.clone(), now);
        }
        r.engine = Some(engine);
        for cable in 0..self.cables.len() {
            if self.cables[cable].ends.contains(&router) && self.cables[cable].up {
                self.attach(cable);
            }
        }
        self.drain(router);
    }

    /// As kill -9: the connections break at once.
    pub(crate) fn kill(&mut self, router: usize) {
        self.tell(router, format_args!("is killed"));
        self.routers[router].engine = None;
        self.routers[router].due = None;
        for cable in 0..self.cables.len() {
            if self.cables[cable].ends.contains(&router) && self.cables[cable].up {
                self.detach(cable);
            }
        }
    }

    /// As SIGSTOP, until then: what comes waits, what is due is late.
    pub(crate) fn stop_for(&mut self, router: usize, time: Duration) {
        self.tell(router, format_args!("stops for {time:?}"));
        // One that is stopped already stays so: what waits for it must come in order.
        let until = &mut self.routers[router].stopped_until;
        *until = (*until).max(self.now + time);
    }

    /// When none is stopped any more.
    pub(crate) fn all_go_on(&self) -> Duration {
        let stops = self.routers.iter().map(|router| router.stopped_until);
        stops.fold(self.now, Duration::max)
    }

    pub(crate) fn connect(&mut self, a: usize, b: usize, cost: u32, delay: Duration) -> usize {
        let links = [LinkId(0); 2];
        let cable = Cable {
            ends: [a, b],
            cost,
            delay,
            up: true,
            frozen: false,
            links,
            last: [self.now; 2],
        };
        self.cables.push(cable);
        self.attach(self.cables.len() - 1);
        self.cables.len() - 1
    }

    pub(crate) fn cut(&mut self, cable: usize) {
        self.detach(cable);
        self.cables[cable].up = false;
    }

    pub(crate) fn mend(&mut self, cable: usize) {
        self.cables[cable].up = true;
        self.attach(cable);
    }

    pub(crate) fn set_cost(&mut self, cable: usize, cost: u32) {
        self.cables[cable].cost = cost;
        let Cable { ends, links, .. } = self.cables[cable];
        if links == [LinkId(0); 2] {
            return;
        }
        for side in 0..2 {
            let peer = Some(self.routers[ends[1 - side]].id.clone());
            let now = self.now;
            if let Some(engine) = &mut self.routers[ends[side]].engine {
                engine.link_up(
                    Link {
                        id: links[side],
                        cost,
                        ordinal: 0,
                        peer,
                    },
                    now,
                );
                self.drain(ends[side]);
            }
        }
    }

    pub(crate) fn address(&mut self, router: usize, address: &str, up: bool) {
        self.announce(router, &AddressKey::mobile(address), up.then_some(None));
    }

    /// Has a router tell of an address, with its sole mesh, or tell that it is gone.
    pub(crate) fn announce(
        &mut self,
        router: usize,
        key: &AddressKey,
        told: Option<Option<Arc<str>>>,
    ) {
        self.tell(router, format_args!("address {key} is {told:?}"));
        let now = self.now;
        let r = &mut self.routers[router];
        match &told {
            Some(mesh) => r.addresses.insert(key.clone(), mesh.clone()),
            None => r.addresses.remove(key),
        };
        if let Some(engine) = &mut r.engine {
            match told {
                Some(mesh) => engine.address_up(key.clone(), Treatment::Balanced, mesh, now),
                None => engine.address_down(key.clone(), now),
            }
            self.drain(router);
        }
    }

    fn attach(&mut self, cable: usize) {
        let ends = self.cables[cable].ends;
        if ends.iter().any(|end| self.routers[*end].engine.is_none()) {
            return;
        }
        self.cables[cable].last = [self.now; 2];
        for side in 0..2 {
            self.next += 1;
            self.cables[cable].links[side] = LinkId(self.next);
            self.ends.insert(LinkId(self.next), (cable, side));
        }
        for side in 0..2 {
            let Cable { cost, links, .. } = self.cables[cable];
            let peer =
                Some(self.routers[ends[1 - side]].id.clone()).filter(|_| self.dice.chance(50));
            let now = self.now;
            if let Some(engine) = &mut self.routers[ends[side]].engine {
                engine.link_up(
                    Link {
                        id: links[side],
                        cost,
                        ordinal: 0,
                        peer,
                    },
                    now,
                );
            }
            self.drain(ends[side]);
        }
    }

    fn detach(&mut self, cable: usize) {
        let Cable { ends, links, .. } = self.cables[cable];
        for side in 0..2 {
            let now = self.now;
            if let Some(engine) = &mut self.routers[ends[side]].engine {
                engine.link_down(links[side], now);
            }
            self.drain(ends[side]);
        }
        self.ends.retain(|link, _| !links.contains(link));
        self.cables[cable].links = [LinkId(0); 2];
    }

    fn drain(&mut self, router: usize) {
        let now = self.now;
        if let Some(engine) = &mut self.routers[router].engine {
            engine.handle_timeout(now);
        }
        while let Some(output) = self.routers[router]
            .engine
            .as_mut()
            .and_then(Engine::poll_output)
        {
            match output {
                Output::Send { to, message, links } => {
                    assert!(!links.is_empty());
                    if !matches!(message, ControlMessage::Hello(_)) {
                        self.tell(router, format_args!("says on {links:?} {message:?}"));
                    }
                    let to = to.address().into_owned();
                    let me = self.routers[router].id.annotation();
                    let payload = message.encode(&to);
                    for link in links {
                        self.put(
                            router,
                            link,
                            &to,
                            &me,
                            vec![me.clone()],
                            payload.clone(),
                            message.opcode(),
                        );
                    }
                }
                Output::TableChanged(table) => {
                    let engine = self.routers[router].engine.as_ref().unwrap();
                    assert!(Arc::ptr_eq(engine.table(), &table));
                }
                Output::Event(event) => {
                    self.tell(router, format_args!("{event:?}"));
                    self.routers[router].events.push((now, event));
                }
            }
        }
        self.routers[router].due = self.routers[router]
            .engine
            .as_ref()
            .map(Engine::next_timeout);
        assert!(
            self.routers[router].due.is_none_or(|due| due > now),
            "an engine that is never content"
        );
    }

    #[allow(clippy::too_many_arguments)]
    fn put(
        &mut self,
        router: usize,
        link: LinkId,
        to: &str,
        ingress: &str,
        trace: Vec<String>,
        payload: Bytes,
        opcode: &'static str,
    ) {
        let Some((cable, side)) = self.ends.get(&link).copied() else {
            return;
        };
        assert_eq!(self.cables[cable].ends[side], router);
        *self.sent.entry(opcode).or_default() += 1;
        if self.cables[cable].frozen || (self.loss > 0 && self.dice.chance(self.loss)) {
            self.tell(router, format_args!("loses what is for {to}"));
            return;
        }
        let jitter = Duration::from_micros(self.dice.below(300) as u64);
        let c = &mut self.cables[cable];
        c.last[side] = c.last[side].max(self.now + c.delay + jitter);
        let at = c.last[side];
        self.next += 1;
        let parcel = Parcel {
            cable,
            sent_on: link,
            side,
            to: to.into(),
            ingress: ingress.into(),
            trace,
            payload,
        };
        self.parcels.insert(self.next, parcel);
        self.queue.push(Reverse((at, self.next)));
    }

    fn arrive(&mut self, number: u64) {
        let Some(parcel) = self.parcels.get(&number) else {
            return;
        };
        let receiver = self.cables[parcel.cable].ends[1 - parcel.side];
        let until = self.routers[receiver].stopped_until;
        if until > self.now {
            // In the order in which they were sent.
            self.queue.push(Reverse((until, number)));
        } else if let Some(parcel) = self.parcels.remove(&number) {
            self.deliver(parcel);
        }
    }

    fn deliver(&mut self, parcel: Parcel) {
        let c = &self.cables[parcel.cable];
        if c.links[parcel.side] != parcel.sent_on || c.frozen {
            let receiver = c.ends[1 - parcel.side];
            self.tell(receiver, format_args!("misses what was for {}", parcel.to));
            return;
        }
        let (router, link) = (c.ends[1 - parcel.side], c.links[1 - parcel.side]);
        let r = &mut self.routers[router];
        let Some(engine) = &mut r.engine else { return };
        let table = Arc::clone(engine.table());
        let trace = || parcel.trace.iter().map(String::as_str);
        let mut forward = control::forward(
            &table,
            &r.naming,
            &parcel.to,
            Some(&parcel.ingress),
            trace(),
        );
        let message = ControlMessage::from_payload(&parcel.payload).unwrap();
        let opcode = message.opcode();
        if forward.here {
            if self.told && !matches!(message, ControlMessage::Hello(_)) {
                println!("{:9.4} {} hears {message:?}", self.now.as_secs_f64(), r.id);
            }
            if !engine.passes_on(&message, self.now) {
                forward.links.clear();
            }
            engine.handle_message(link, message, self.now);
        }
        let mut trace = parcel.trace.clone();
        trace.push(r.id.annotation());
        assert!(trace.len() < 100, "a message goes round");
        for onward in forward.links {
            self.put(
                router,
                onward,
                &parcel.to,
                &parcel.ingress,
                trace.clone(),
                parcel.payload.clone(),
                opcode,
            );
        }
        self.drain(router);
    }

    pub(crate) fn run_for(&mut self, time: Duration) {
        self.run_until(self.now + time);
    }

    pub(crate) fn run_until(&mut self, end: Duration) {
        while self.step(end) {}
        self.now = end;
    }

    fn timeout(&self) -> Option<(Duration, usize)> {
        let timeouts = self.routers.iter().enumerate();
        timeouts
            .filter_map(|(i, r)| Some((r.due?.max(r.stopped_until), i)))
            .min()
    }

    /// When something happens next.
    pub(crate) fn next(&self) -> Option<Duration> {
        let parcel = self.queue.peek().map(|Reverse((at, _))| *at);
        let timeout = self.timeout().map(|(at, _)| at);
        timeout.into_iter().chain(parcel).min()
    }

    /// Lets the next thing happen, if it does until `end`.
    pub(crate) fn step(&mut self, end: Duration) -> bool {
        let timeout = self.timeout();
        let parcel = self.queue.peek().map(|Reverse((at, _))| *at);
        let next = timeout.map(|(at, _)| at).into_iter().chain(parcel).min();
        let Some(next) = next.filter(|next| *next <= end) else {
            return false;
        };
        self.now = next;
        if parcel == Some(next) {
            if let Some(Reverse((_, number))) = self.queue.pop() {
                self.arrive(number);
            }
        } else if let Some((_, router)) = timeout {
            if let Some(engine) = &mut self.routers[router].engine {
                engine.handle_timeout(next);
            }
            self.drain(router);
        }
        true
    }

    /// Runs until the network has converged; how long it took, or what is still wrong after `limit`.
    pub(crate) fn converge_within(&mut self, limit: Duration) -> Result<Duration, String> {
        let start = self.now;
        loop {
            match super::truth::check(self) {
                Ok(()) => return Ok(self.now - start),
                Err(wrong) if self.now >= start + limit => {
                    return Err(format!("after {:?}: {wrong}", self.now - start));
                }
                Err(_) => self.run_for(Duration::from_millis(10)),
            }
        }
    }

    pub(crate) fn table(&self, router: usize) -> &Arc<Table> {
        self.routers[router].engine.as_ref().unwrap().table()
    }

    pub(crate) fn is_alive(&self, router: usize) -> bool {
        self.routers[router].engine.is_some()
    }

    /// Cable and side of a connection, while it lasts.
    pub(crate) fn end(&self, link: LinkId) -> Option<(usize, usize)> {
        self.ends.get(&link).copied()
    }

    /// The router at the other end of a connection.
    pub(crate) fn across(&self, router: usize, link: LinkId) -> Option<usize> {
        let (cable, side) = *self.ends.get(&link)?;
        let ends = self.cables[cable].ends;
        (ends[side] == router).then_some(ends[1 - side])
    }

    pub(crate) fn link_of(&self, cable: usize, router: usize) -> LinkId {
        let side = usize::from(self.cables[cable].ends[1] == router);
        self.cables[cable].links[side]
    }
}
