//! Streams through the world: each goes the way that routers decide when its first word comes, and stays on it. Its consumer
//! takes its time; whatever breaks on the way is reported to both ends.

use std::collections::BTreeMap;
use std::sync::Arc;

use skupper_routing::address::Class;
use skupper_routing::choose::{self, Choice, Entry};
use skupper_routing::edge::{Beyond, Side, echoes};
use skupper_routing::{AddressKey, LinkId};

use super::super::ms;
use super::world::{Message, World};

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fate {
    Whole,
    Broken,
}

/// What goes from router to router of a flow.
#[derive(Clone, Debug)]
pub(crate) struct Word {
    flow: u64,
    says: Says,
}

#[derive(Clone, Debug)]
enum Says {
    Begin(Annotations),
    Chunk(u32),
    End,
    Abort,
    /// Back to the origin.
    Outcome(Fate),
}

/// What the routers' section of the first word tells.
#[derive(Clone, Debug, Default)]
pub(crate) struct Annotations {
    pub(super) ingress: Option<String>,
    pub(super) mesh: Option<Arc<str>>,
}

/// From one router to the next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Hop {
    /// By a connection to or from an edge router.
    Edge(u64),
    /// By this router's connection to another interior one.
    Inner(LinkId),
}

/// Where a router sends a flow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Next {
    Consumer,
    Hop(Hop),
}

#[derive(Debug)]
struct Leg {
    from: Option<Hop>,
    to: Next,
}

#[derive(Debug)]
struct Flow {
    origin: usize,
    key: AddressKey,
    length: u32,
    sent: u32,
    /// What the origin was told.
    told: Option<Fate>,
    consumer: Option<usize>,
    taken: Vec<u32>,
    /// How it ended for the consumer.
    ended: Option<Fate>,
}

#[derive(Default)]
pub(crate) struct Flows {
    flows: BTreeMap<u64, Flow>,
    legs: BTreeMap<(u64, usize), Leg>,
}

impl Flows {
    pub(super) fn origin(&self, flow: u64) -> usize {
        self.flows[&flow].origin
    }

    /// Whether every flow came to an end that is told truly at both of its ends; how many were whole.
    pub(crate) fn check(&self) -> Result<usize, String> {
        let mut whole = 0;
        for (number, flow) in &self.flows {
            let in_order = (0..).zip(&flow.taken).all(|(n, taken)| n == *taken);
            let complete = in_order && flow.taken.len() == flow.length as usize;
            let fine = match (flow.told, flow.ended) {
                (Some(Fate::Whole), Some(Fate::Whole)) => complete,
                // What its consumer had taken as a whole may not have been told any more.
                (Some(Fate::Broken), Some(Fate::Whole)) => complete,
                (Some(Fate::Broken), Some(Fate::Broken)) => in_order,
                (Some(Fate::Broken), None) => flow.consumer.is_none(),
                _ => false,
            };
            if !fine {
                return Err(format!("flow {number} is not as it was told: {flow:?}"));
            }
            whole += usize::from(flow.told == Some(Fate::Whole));
        }
        Ok(whole)
    }

    /// Of a flow, what its origin was told.
    pub(crate) fn told(&self, flow: u64) -> Option<Fate> {
        self.flows[&flow].told
    }
}

impl World {
    /// What a router decides on the first word of a flow, or of a delivery.
    pub(super) fn decide(
        &self,
        node: usize,
        key: &AddressKey,
        from: Option<Hop>,
        annotations: &Annotations,
        turn: usize,
    ) -> Option<Next> {
        let n = &self.nodes[node];
        let came = match from {
            Some(Hop::Edge(number)) => n.ends.get(&number).map(|end| end.handle.beyond),
            _ => None,
        };
        let mesh = annotations.mesh.as_deref();
        let dests = n.dests(key);
        let open: Vec<usize> = (0..dests.len())
            .filter(|at| !echoes(&dests[*at], came, mesh))
            .collect();
        let table = self.table(node);
        let origin = choose::anycast_origin(table.origin(annotations.ingress.as_deref()));
        let remotes = table.remotes(key).map(|remotes| &**remotes);
        let usable = |link| self.net.across(node, link).is_some();
        let entry = Entry { origin, mesh };
        let choice = choose::closest(&table, &open, remotes, entry, turn, usable);
        match choice {
            Some(Choice::Local(at)) => Some(match &dests[at].beyond {
                Some(beyond) => Next::Hop(Hop::Edge(beyond.beyond.connection)),
                None => Next::Consumer,
            }),
            Some(Choice::Remote { link, .. }) => Some(Next::Hop(Hop::Inner(link))),
            None if key.class() == Class::Local => None,
            None => {
                let from_interior = came.is_some_and(|came| came.side == Side::Interior);
                let uplink = n.uplink.filter(|_| !from_interior);
                uplink.map(|(connection, _)| Next::Hop(Hop::Edge(connection)))
            }
        }
    }

    /// What a router writes into the section as it sends a delivery on.
    pub(super) fn annotate(&self, node: usize, to: Hop, annotations: &Annotations) -> Annotations {
        let n = &self.nodes[node];
        if !self.is_edge(node) {
            let ingress = annotations.ingress.clone();
            return Annotations {
                ingress: Some(ingress.unwrap_or_else(|| n.id.annotation())),
                mesh: annotations.mesh.clone(),
            };
        }
        let Hop::Edge(number) = to else {
            panic!("an edge router has no neighbours")
        };
        let side = n.ends.get(&number).map(|end| end.handle.beyond);
        let interior = matches!(
            side,
            Some(Beyond {
                side: Side::Interior,
                ..
            })
        );
        Annotations {
            ingress: None,
            mesh: match interior {
                true => n.mesh.clone(),
                false => annotations.mesh.clone(),
            },
        }
    }

    /// Begins a flow of some chunks, one every now and then; its number.
    pub(crate) fn begin(&mut self, origin: usize, key: &AddressKey, length: u32) -> u64 {
        let number = self.flows.flows.len() as u64;
        self.tell(origin, format_args!("begins flow {number} to {key}"));
        let flow = Flow {
            origin,
            key: key.clone(),
            length,
            sent: 0,
            told: None,
            consumer: None,
            taken: Vec::new(),
            ended: None,
        };
        self.flows.flows.insert(number, flow);
        let first = Says::Begin(Annotations::default());
        self.say(origin, None, number, first);
        let wait = self.net.dice.below(60) as u64;
        self.step_at(self.now() + ms(wait), number);
        number
    }

    pub(super) fn go_on(&mut self, number: u64) {
        let flow = self.flows.flows.get_mut(&number).unwrap();
        let origin = flow.origin;
        if flow.told.is_some() {
            return;
        }
        let says = if flow.sent < flow.length {
            flow.sent += 1;
            let says = Says::Chunk(flow.sent - 1);
            let wait = self.net.dice.below(200) as u64;
            self.step_at(self.now() + ms(wait), number);
            says
        } else {
            Says::End
        };
        self.say(origin, None, number, says);
    }

    pub(super) fn on_word(&mut self, node: usize, from: Hop, word: Word) {
        match word.says {
            Says::Outcome(fate) => self.outcome(node, word.flow, fate),
            says => self.say(node, Some(from), word.flow, says),
        }
    }

    /// A word goes on from a router, to the next or to its consumer.
    fn say(&mut self, node: usize, from: Option<Hop>, number: u64, says: Says) {
        if let Says::Begin(annotations) = says {
            let key = self.flows.flows[&number].key.clone();
            let turn = self.net.dice.below(12);
            let Some(to) = self.decide(node, &key, from, &annotations, turn) else {
                self.tell(node, format_args!("has no way for flow {number}"));
                return self.back(node, from, number, Fate::Broken);
            };
            assert!(
                !self.flows.legs.contains_key(&(number, node)),
                "flow {number} goes round by {}",
                self.nodes[node].id
            );
            self.flows.legs.insert((number, node), Leg { from, to });
            match to {
                Next::Consumer => {
                    self.flows.flows.get_mut(&number).unwrap().consumer = Some(node);
                }
                Next::Hop(hop) => {
                    let annotations = self.annotate(node, hop, &annotations);
                    self.put(node, hop, number, Says::Begin(annotations));
                }
            }
            return;
        }
        let Some(leg) = self.flows.legs.get(&(number, node)) else {
            return;
        };
        if leg.from != from {
            return;
        }
        let to = leg.to;
        let last = matches!(says, Says::Abort);
        match to {
            Next::Hop(hop) => self.put(node, hop, number, says),
            Next::Consumer => {
                let flow = self.flows.flows.get_mut(&number).unwrap();
                match says {
                    Says::Chunk(chunk) => flow.taken.push(chunk),
                    Says::End => {
                        let wait = self.net.dice.below(1500) as u64;
                        self.done_at(self.now() + ms(wait), number, node);
                    }
                    _ => flow.ended = Some(Fate::Broken),
                }
            }
        }
        if last {
            self.flows.legs.remove(&(number, node));
        }
    }

    /// The consumer has taken everything.
    pub(super) fn done(&mut self, number: u64, node: usize) {
        if self.flows.legs.contains_key(&(number, node)) {
            self.flows.flows.get_mut(&number).unwrap().ended = Some(Fate::Whole);
            self.outcome(node, number, Fate::Whole);
        }
    }

    /// An outcome passes a router.
    fn outcome(&mut self, node: usize, number: u64, fate: Fate) {
        if let Some(leg) = self.flows.legs.remove(&(number, node)) {
            self.back(node, leg.from, number, fate);
        }
    }

    fn back(&mut self, node: usize, from: Option<Hop>, number: u64, fate: Fate) {
        match from {
            Some(hop) => self.put(node, hop, number, Says::Outcome(fate)),
            None => {
                self.tell(node, format_args!("flow {number} is {fate:?}"));
                let flow = self.flows.flows.get_mut(&number).unwrap();
                flow.told = flow.told.or(Some(fate));
            }
        }
    }

    fn put(&mut self, node: usize, hop: Hop, flow: u64, says: Says) {
        let word = Word { flow, says };
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
    pub(super) fn on_inner(&mut self, link: LinkId, node: usize, word: Word) {
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
        for ((_, node), leg) in &self.flows.legs {
            let to = match leg.to {
                Next::Hop(hop) => Some(hop),
                Next::Consumer => None,
            };
            for hop in leg.from.into_iter().chain(to) {
                if let Hop::Inner(link) = hop
                    && self.net.end(link).is_none()
                {
                    lost.push((*node, hop));
                }
            }
        }
        for (node, hop) in lost {
            if self.is_alive(node) {
                self.hop_lost(node, &hop);
            }
        }
    }

    /// A router has lost a connection: flows on it are broken for both of their ends.
    pub(super) fn hop_lost(&mut self, node: usize, hop: &Hop) {
        let legs = self.flows.legs.iter();
        let legs = legs.filter(|((_, at), _)| *at == node);
        let to: Vec<u64> = legs
            .clone()
            .filter(|(_, leg)| leg.to == Next::Hop(*hop))
            .map(|((flow, _), _)| *flow)
            .collect();
        let from: Vec<u64> = legs
            .filter(|(_, leg)| leg.from == Some(*hop))
            .map(|((flow, _), _)| *flow)
            .collect();
        for flow in to {
            self.outcome(node, flow, Fate::Broken);
        }
        for flow in from {
            self.say(node, Some(*hop), flow, Says::Abort);
        }
    }

    /// A router is dead: nobody there is told anything any more.
    pub(super) fn lose_flows_of(&mut self, node: usize) {
        self.flows.legs.retain(|(_, at), _| *at != node);
        for flow in self.flows.flows.values_mut() {
            if flow.origin == node && flow.told.is_none() {
                flow.told = Some(Fate::Broken);
            }
            if flow.consumer == Some(node) && flow.ended.is_none() {
                flow.ended = Some(Fate::Broken);
            }
        }
    }
}
