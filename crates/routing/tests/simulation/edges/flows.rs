//! Streams through the world: each goes the way, or as copies the ways, that routers decide when its first word comes, and
//! stays there. Its consumers take their time, and no router keeps more of it than a window: whoever is full holds the one
//! before. Whatever breaks on the way is reported to both ends.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use skupper_routing::{AddressKey, Treatment};

use super::super::ms;
use super::node::number;
use super::ways::{Annotations, Hop, Next, treatment};
use super::world::{Message, World};

/// Chunks of a stream that one router may have sent the next and does not know to have gone on from there.
const WINDOW: u32 = 4;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fate {
    Whole,
    Broken,
}

/// What goes from router to router of one copy of a flow.
#[derive(Clone, Debug)]
pub(crate) struct Word {
    copy: u64,
    says: Says,
}

#[derive(Clone, Debug)]
enum Says {
    /// Of which flow it is.
    Begin(u64, Annotations),
    Chunk(u32),
    End,
    Abort,
    /// Back to who sent it: a chunk has gone on.
    Room,
    /// Back to the origin.
    Outcome(Fate),
}

/// A copy as a router passes it on.
#[derive(Debug)]
struct Leg {
    flow: u64,
    node: usize,
    from: Option<Hop>,
    outs: Vec<Out>,
    /// Chunks that came, and those of them that its sender knows to have gone on.
    came: u32,
    released: u32,
}

/// One of the ways that it goes on.
#[derive(Debug)]
struct Out {
    copy: u64,
    to: Next,
    waiting: VecDeque<Says>,
    gone: u32,
    /// How many chunks the next one takes now.
    room: u32,
    /// Its consumer is about to take something.
    reading: bool,
    fate: Option<Fate>,
}

/// What a consumer has of a copy.
#[derive(Debug)]
struct Taken {
    node: usize,
    chunks: Vec<u32>,
    ended: Option<Fate>,
}

#[derive(Debug)]
struct Flow {
    origin: usize,
    key: AddressKey,
    length: u32,
    sent: u32,
    /// Of the origin's own leg.
    copy: u64,
    /// The origin waits for room.
    held: bool,
    /// What the origin was told.
    told: Option<Fate>,
    taken: BTreeMap<u64, Taken>,
}

impl Flow {
    /// Whether it came to an end that is told truly at all of its ends.
    fn is_fine(&self) -> bool {
        let mut wholes = 0;
        for taken in self.taken.values() {
            let in_order = (0..).zip(&taken.chunks).all(|(n, chunk)| n == *chunk);
            let complete = taken.chunks.len() == self.length as usize;
            let fine = match taken.ended {
                Some(Fate::Whole) => in_order && complete,
                Some(Fate::Broken) => in_order,
                None => false,
            };
            if !fine {
                return false;
            }
            wholes += usize::from(taken.ended == Some(Fate::Whole));
        }
        match self.told {
            // What one consumer had taken as a whole may not have been told any more.
            Some(Fate::Broken) => true,
            Some(Fate::Whole) => wholes > 0,
            None => false,
        }
    }
}

#[derive(Default)]
pub(crate) struct Flows {
    flows: BTreeMap<u64, Flow>,
    /// By the copy that comes.
    legs: BTreeMap<u64, Leg>,
    /// By a copy that goes on, the one that it is of.
    parents: BTreeMap<u64, u64>,
}

impl Flows {
    pub(super) fn origin(&self, flow: u64) -> usize {
        self.flows[&flow].origin
    }

    /// Whether every flow came to an end that is told truly at all of its ends.
    pub(crate) fn check(&self) -> Result<(), String> {
        match self.flows.iter().find(|(_, flow)| !flow.is_fine()) {
            Some((number, flow)) => Err(format!("flow {number} is not as it was told: {flow:?}")),
            None => Ok(()),
        }
    }

    /// Of a flow, what its origin was told.
    pub(crate) fn told(&self, flow: u64) -> Option<Fate> {
        self.flows[&flow].told
    }

    /// How many flows to the address are under way from a router to there.
    pub(super) fn outstanding(&self, node: usize, key: &AddressKey, to: Next) -> u64 {
        let legs = self.legs.values().filter(|leg| leg.node == node);
        let legs = legs.filter(|leg| self.flows[&leg.flow].key == *key);
        let outs = legs.flat_map(|leg| &leg.outs);
        outs.filter(|out| out.to == to && out.fate.is_none())
            .count() as u64
    }

    fn out(&mut self, copy: u64) -> Option<(u64, &mut Out)> {
        let parent = *self.parents.get(&copy)?;
        let outs = &mut self.legs.get_mut(&parent)?.outs;
        Some((parent, outs.iter_mut().find(|out| out.copy == copy)?))
    }

    fn remove(&mut self, copy: u64) -> Option<Leg> {
        let leg = self.legs.remove(&copy)?;
        for out in &leg.outs {
            self.parents.remove(&out.copy);
        }
        Some(leg)
    }

    fn taken(&mut self, flow: u64, copy: u64) -> Option<&mut Taken> {
        self.flows.get_mut(&flow)?.taken.get_mut(&copy)
    }
}

impl World {
    /// Begins a flow of some chunks, one every now and then; its number.
    pub(crate) fn begin(&mut self, origin: usize, key: &AddressKey, length: u32) -> u64 {
        let flow = self.flows.flows.len() as u64;
        let copy = number(&self.numbers);
        self.tell(origin, format_args!("begins flow {flow} to {key}"));
        self.flows.flows.insert(
            flow,
            Flow {
                origin,
                key: key.clone(),
                length,
                sent: 0,
                copy,
                held: false,
                told: None,
                taken: BTreeMap::new(),
            },
        );
        self.enter(origin, None, copy, flow, &Annotations::default());
        let wait = self.net.dice.below(60) as u64;
        self.step_at(self.now() + ms(wait), flow);
        flow
    }

    /// The origin goes on, if there is room.
    pub(super) fn go_on(&mut self, number: u64) {
        let Some(flow) = self.flows.flows.get_mut(&number) else {
            return;
        };
        let copy = flow.copy;
        let Some(leg) = self.flows.legs.get(&copy) else {
            return;
        };
        let says = if flow.sent == flow.length {
            Says::End
        } else if leg.came - leg.released == WINDOW {
            flow.held = true;
            return;
        } else {
            flow.sent += 1;
            let says = Says::Chunk(flow.sent - 1);
            let wait = self.net.dice.below(200) as u64;
            self.step_at(self.now() + ms(wait), number);
            says
        };
        self.take(copy, says);
    }

    pub(super) fn on_word(&mut self, node: usize, from: Hop, Word { copy, says }: Word) {
        match says {
            Says::Begin(flow, annotations) => {
                self.enter(node, Some(from), copy, flow, &annotations);
            }
            Says::Outcome(fate) => self.outcome(copy, fate),
            Says::Room => {
                if let Some((leg, out)) = self.flows.out(copy) {
                    out.room += 1;
                    assert!(out.room <= WINDOW, "more room than there is");
                    self.flush(leg);
                }
            }
            says => self.take(copy, says),
        }
    }

    /// The first word of a copy comes to a router.
    fn enter(
        &mut self,
        node: usize,
        from: Option<Hop>,
        copy: u64,
        flow: u64,
        annotations: &Annotations,
    ) {
        let key = self.flows.flows[&flow].key.clone();
        let turn = self.net.dice.below(12);
        let to = self.decide(node, &key, from, annotations, turn);
        if to.is_empty() {
            self.tell(node, format_args!("has no way for flow {flow}"));
            return self.back(node, from, copy, flow, Says::Outcome(Fate::Broken));
        }
        let legs = &self.flows.legs;
        let been_here = legs
            .values()
            .any(|leg| (leg.flow, leg.node) == (flow, node));
        assert!(
            !been_here || treatment(&key) == Treatment::Multicast,
            "flow {flow} goes round by {}",
            self.nodes[node].id
        );
        let outs: Vec<Out> = to
            .into_iter()
            .map(|to| Out {
                copy: number(&self.numbers),
                to,
                waiting: VecDeque::new(),
                gone: 0,
                room: WINDOW,
                reading: false,
                fate: None,
            })
            .collect();
        for out in &outs {
            self.flows.parents.insert(out.copy, copy);
            match out.to {
                Next::Consumer => {
                    let taken = Taken {
                        node,
                        chunks: Vec::new(),
                        ended: None,
                    };
                    let of = self.flows.flows.get_mut(&flow).unwrap();
                    of.taken.insert(out.copy, taken);
                }
                Next::Hop(hop) => {
                    let annotations = self.annotate(node, hop, annotations);
                    self.put(node, hop, out.copy, Says::Begin(flow, annotations));
                }
            }
        }
        let leg = Leg {
            flow,
            node,
            from,
            outs,
            came: 0,
            released: 0,
        };
        self.flows.legs.insert(copy, leg);
    }

    /// A chunk of a copy, or its end, comes to a router.
    fn take(&mut self, copy: u64, says: Says) {
        if matches!(says, Says::Abort) {
            return self.give_up(copy);
        }
        let Some(leg) = self.flows.legs.get_mut(&copy) else {
            return;
        };
        leg.came += u32::from(matches!(says, Says::Chunk(_)));
        assert!(leg.came - leg.released <= WINDOW, "a window holds nobody");
        let open = leg.outs.iter_mut().filter(|out| out.fate.is_none());
        open.for_each(|out| out.waiting.push_back(says.clone()));
        self.flush(copy);
    }

    /// What came of a copy goes no further, and who has it is told.
    fn give_up(&mut self, copy: u64) {
        let Some(leg) = self.flows.remove(copy) else {
            return;
        };
        for out in leg.outs.iter().filter(|out| out.fate.is_none()) {
            match out.to {
                Next::Hop(hop) => self.put(leg.node, hop, out.copy, Says::Abort),
                Next::Consumer => {
                    let taken = self.flows.taken(leg.flow, out.copy).unwrap();
                    taken.ended = Some(Fate::Broken);
                }
            }
        }
    }

    /// Passes on what there is room for, and says what has gone on.
    fn flush(&mut self, copy: u64) {
        let Some(leg) = self.flows.legs.get_mut(&copy) else {
            return;
        };
        let (node, from, flow) = (leg.node, leg.from, leg.flow);
        let (mut put, mut readers) = (Vec::new(), Vec::new());
        for out in leg.outs.iter_mut().filter(|out| out.fate.is_none()) {
            match out.to {
                Next::Hop(hop) => {
                    while let Some(says) = out.waiting.front() {
                        if matches!(says, Says::Chunk(_)) {
                            if out.room == 0 {
                                break;
                            }
                            out.room -= 1;
                            out.gone += 1;
                        }
                        put.extend(out.waiting.pop_front().map(|says| (hop, out.copy, says)));
                    }
                }
                Next::Consumer => {
                    if !out.waiting.is_empty() && !std::mem::replace(&mut out.reading, true) {
                        readers.push(out.copy);
                    }
                }
            }
        }
        let open = leg.outs.iter().filter(|out| out.fate.is_none());
        let gone = open.map(|out| out.gone).min().unwrap_or(leg.came);
        let room = gone - leg.released;
        leg.released = gone;
        for (hop, copy, says) in put {
            self.put(node, hop, copy, says);
        }
        for reader in readers {
            self.read_soon(reader, node);
        }
        for _ in 0..room {
            self.back(node, from, copy, flow, Says::Room);
        }
    }

    /// A reader is quick, or slow, or has fallen asleep.
    fn read_soon(&mut self, copy: u64, node: usize) {
        let most = match self.net.dice.below(25) {
            0 => 3000,
            1..=5 => 400,
            _ => 40,
        };
        let wait = self.net.dice.below(most) as u64;
        self.read_at(self.now() + ms(wait), copy, node);
    }

    /// A consumer takes the next chunk of a copy, or its end.
    pub(super) fn read(&mut self, copy: u64) {
        let Some((parent, out)) = self.flows.out(copy) else {
            return;
        };
        out.reading = false;
        let says = out.waiting.pop_front();
        out.gone += u32::from(matches!(says, Some(Says::Chunk(_))));
        let flow = self.flows.legs[&parent].flow;
        let taken = self.flows.taken(flow, copy).unwrap();
        match says {
            Some(Says::Chunk(chunk)) => {
                taken.chunks.push(chunk);
                self.flush(parent);
            }
            Some(_) => {
                taken.ended = Some(Fate::Whole);
                self.outcome(copy, Fate::Whole);
            }
            None => {}
        }
    }

    /// What came of a copy comes back to who sent it. Of several, all are waited for.
    fn outcome(&mut self, copy: u64, fate: Fate) {
        let Some((parent, out)) = self.flows.out(copy) else {
            return;
        };
        out.fate = Some(fate);
        out.waiting.clear();
        let outs = &self.flows.legs[&parent].outs;
        if outs.iter().any(|out| out.fate.is_none()) {
            return self.flush(parent);
        }
        let whole = outs.iter().any(|out| out.fate == Some(Fate::Whole));
        let fate = if whole { Fate::Whole } else { Fate::Broken };
        if let Some(leg) = self.flows.remove(parent) {
            self.back(leg.node, leg.from, parent, leg.flow, Says::Outcome(fate));
        }
    }

    /// Says something to where a copy comes from.
    fn back(&mut self, node: usize, from: Option<Hop>, copy: u64, number: u64, says: Says) {
        if let Some(hop) = from {
            return self.put(node, hop, copy, says);
        }
        let flow = self.flows.flows.get_mut(&number).unwrap();
        match says {
            Says::Outcome(fate) => {
                flow.told = flow.told.or(Some(fate));
                self.tell(node, format_args!("flow {number} is {fate:?}"));
            }
            _ => {
                if std::mem::take(&mut flow.held) {
                    self.step_at(self.now(), number);
                }
            }
        }
    }

    fn put(&mut self, node: usize, hop: Hop, copy: u64, says: Says) {
        let word = Word { copy, says };
        match hop {
            Hop::Edge(number) => self.send(node, number, Message::Flow(word)),
            Hop::Inner(link) => {
                let Some((cable, side)) = self.net.end(link) else {
                    return;
                };
                let cable = &self.net.cables[cable];
                let to = cable.ends[1 - side];
                let last = self.last.get(&(link, to)).copied().unwrap_or_default();
                let at = (self.now() + cable.delay).max(last);
                self.last.insert((link, to), at);
                self.inner_at(at, link, to, word);
            }
        }
    }

    /// A word came over a cable between interior routers; `link` is the sender's connection.
    pub(super) fn on_inner(&mut self, link: skupper_routing::LinkId, node: usize, word: Word) {
        let Some((cable, side)) = self.net.end(link) else {
            return;
        };
        if self.net.cables[cable].ends[1 - side] == node {
            let own = self.net.link_of(cable, node);
            self.on_word(node, Hop::Inner(own), word);
        }
    }

    /// Connections between interior routers are gone, with what was on them.
    pub(super) fn inner_lost(&mut self) {
        let mut lost = Vec::new();
        for leg in self.flows.legs.values() {
            let to = leg.outs.iter().filter_map(|out| match out.to {
                Next::Hop(hop) => Some(hop),
                Next::Consumer => None,
            });
            for hop in leg.from.into_iter().chain(to) {
                if let Hop::Inner(link) = hop
                    && self.net.end(link).is_none()
                {
                    lost.push((leg.node, hop));
                }
            }
        }
        for (node, hop) in lost {
            if self.is_alive(node) {
                self.hop_lost(node, &hop);
            }
        }
    }

    /// A router has lost a connection: flows on it are broken for all of their ends.
    pub(super) fn hop_lost(&mut self, node: usize, hop: &Hop) {
        let legs = self.flows.legs.iter();
        let legs = legs.filter(|(_, leg)| leg.node == node);
        let outs = legs.clone().flat_map(|(_, leg)| &leg.outs);
        let outs = outs.filter(|out| out.to == Next::Hop(*hop) && out.fate.is_none());
        let to: Vec<u64> = outs.map(|out| out.copy).collect();
        let from = legs.filter(|(_, leg)| leg.from == Some(*hop));
        let from: Vec<u64> = from.map(|(copy, _)| *copy).collect();
        for copy in to {
            self.outcome(copy, Fate::Broken);
        }
        for copy in from {
            self.give_up(copy);
        }
    }

    /// A router is dead: nobody there is told anything any more.
    pub(super) fn lose_flows_of(&mut self, node: usize) {
        let legs = self.flows.legs.iter();
        let dead = legs.filter(|(_, leg)| leg.node == node);
        let dead: Vec<u64> = dead.map(|(copy, _)| *copy).collect();
        for copy in dead {
            self.flows.remove(copy);
        }
        for flow in self.flows.flows.values_mut() {
            if flow.origin == node && flow.told.is_none() {
                flow.told = Some(Fate::Broken);
            }
            let taken = flow.taken.values_mut().filter(|taken| taken.node == node);
            for taken in taken.filter(|taken| taken.ended.is_none()) {
                taken.ended = Some(Fate::Broken);
            }
        }
    }

    /// Runs until every flow has come to its end.
    pub(crate) fn flows_end_within(&mut self, limit: Duration) -> Result<(), String> {
        let start = self.now();
        loop {
            match self.flows.check() {
                Ok(()) => return Ok(()),
                Err(wrong) if self.now() >= start + limit => {
                    return Err(format!("after {limit:?}: {wrong}"));
                }
                Err(_) => self.run_for(ms(500)),
            }
        }
    }
}
