//! Neighbours: HELLO, which connections talk in both directions, and which of several to the same router is used (§5.4).
//!
//! Two routers may be joined by several connections. Both ends must use the same one, or the original, which goes by the last
//! HELLO that lists it, would change its mind with each. So a router lists a neighbour on one connection only: the end with
//! the smaller id on the one it prefers, the other end on the one on which it is listed.

use std::collections::BTreeSet;
use std::time::Duration;

use super::config::{Event, Link, Output};
use super::{Destination, Engine};
use crate::id::{LinkId, RouterId};
use crate::message::{ControlMessage, Hello};
use crate::table::RouterIndex;

/// A control connection, and what was heard on it.
#[derive(Debug)]
pub(super) struct Wire {
    link: Link,
    since: Duration,
    heard: Option<Heard>,
    /// Whom the last HELLO sent on it listed.
    listed: BTreeSet<RouterId>,
    hello_wanted: bool,
    /// Since when it has been listed on without being confirmed.
    trial: Option<Duration>,
    duplicate_reported: bool,
}

#[derive(Debug)]
struct Heard {
    id: RouterId,
    /// Last HELLO.
    hello: Duration,
    /// Last sign of life.
    alive: Duration,
    /// Last sign of life while its HELLOs list this router.
    confirmed: Option<Duration>,
    /// It was taken without being listed on, because the connection before it broke; not twice.
    trusted: bool,
}

/// So many times its age may a neighbour live on other traffic alone, without a HELLO.
const SILENCE: u32 = 5;
/// A connection that is tried is to be confirmed within half its age, before the one in use is given up at the other end; if
/// it is not, it is tried again after so many times its age.
const PATIENCE: u32 = 2;

impl Wire {
    fn new(link: Link, now: Duration) -> Self {
        let link = Link {
            cost: link.cost.max(1),
            ..link
        };
        Self {
            link,
            since: now,
            heard: None,
            listed: BTreeSet::new(),
            hello_wanted: true,
            trial: None,
            duplicate_reported: false,
        }
    }

    /// The router at the other end: heard, or said to be there when the connection came up a moment ago.
    fn peer(&self, now: Duration, max_age: Duration) -> Option<&RouterId> {
        match &self.heard {
            Some(heard) => Some(&heard.id),
            None => self
                .link
                .peer
                .as_ref()
                .filter(|_| now < self.since + max_age),
        }
    }

    fn is_heard_from(&self, id: &RouterId) -> bool {
        self.heard.as_ref().is_some_and(|heard| heard.id == *id)
    }

    fn is_confirmed(&self) -> bool {
        self.heard
            .as_ref()
            .is_some_and(|heard| heard.confirmed.is_some())
    }
}

impl Engine {
    /// A control connection is ready: both control links are attached and there is credit to send. Also when its cost or
    /// ordinal has changed.
    pub fn link_up(&mut self, link: Link, now: Duration) {
        self.advance(now);
        let touched = match self.wires.get_mut(&link.id) {
            Some(wire) => {
                wire.link = Link {
                    cost: link.cost.max(1),
                    peer: link.peer.or_else(|| wire.link.peer.take()),
                    ..link
                };
                wire.heard.as_ref().map(|heard| heard.id.clone())
            }
            None => {
                let peer = link.peer.clone();
                self.wires.insert(link.id, Wire::new(link, now));
                peer
            }
        };
        self.restless.extend(touched);
    }

    /// A control connection is gone, or its control links are.
    pub fn link_down(&mut self, link: LinkId, now: Duration) {
        self.advance(now);
        if let Some(heard) = self.wires.remove(&link).and_then(|wire| wire.heard) {
            self.restless.insert(heard.id);
        }
    }

    /// Something was received on the connection, whatever it was: as good a sign of life as a HELLO, so that a neighbour is
    /// not lost while its HELLOs wait behind other traffic.
    pub fn link_alive(&mut self, link: LinkId, now: Duration) {
        self.advance(now);
        let limit = self.config.hello_max_age * SILENCE;
        if let Some(heard) = self
            .wires
            .get_mut(&link)
            .and_then(|wire| wire.heard.as_mut())
            && heard.confirmed.is_some()
            && now < heard.hello + limit
        {
            heard.alive = now;
            heard.confirmed = Some(now);
        }
    }

    pub(super) fn on_hello(&mut self, link: LinkId, hello: Hello) {
        let now = self.now;
        let Some(wire) = self.wires.get_mut(&link) else {
            return;
        };
        if hello.id == self.config.id {
            if hello.instance != self.config.instance
                && !std::mem::replace(&mut wire.duplicate_reported, true)
            {
                self.out
                    .push_back(Output::Event(Event::DuplicateId { link }));
            }
            return;
        }
        let listed = hello.seen.contains(&self.config.id);
        let former = wire.heard.take();
        let (confirmed, trusted) = match &former {
            Some(former) if former.id == hello.id => (former.confirmed, former.trusted),
            _ => (None, false),
        };
        wire.heard = Some(Heard {
            id: hello.id.clone(),
            hello: now,
            alive: now,
            confirmed: if listed { Some(now) } else { confirmed },
            trusted: trusted && !listed,
        });
        if listed || former.is_none() {
            wire.trial = None;
        }
        if let Some(former) = former.filter(|former| former.id != hello.id) {
            self.restless.insert(former.id);
        }
        if !listed {
            self.withdraw(link, &hello.id);
        }
        self.restless.insert(hello.id.clone());
        if let Some(node) = self.learn(&hello.id) {
            self.on_instance_from_neighbour(node, hello.instance);
        }
    }

    /// A neighbour that lists this router elsewhere, and no more here, has moved.
    fn withdraw(&mut self, link: LinkId, id: &RouterId) {
        let elsewhere = self
            .wires
            .iter()
            .any(|(other, wire)| *other != link && wire.is_heard_from(id) && wire.is_confirmed());
        if elsewhere
            && let Some(heard) = self
                .wires
                .get_mut(&link)
                .and_then(|wire| wire.heard.as_mut())
        {
            heard.confirmed = None;
        }
    }

    /// Forgets what is too old; the routers concerned become restless.
    pub(super) fn expire_hellos(&mut self) {
        let limit = self.config.hello_max_age;
        for wire in self.wires.values_mut() {
            let Some(heard) = &mut wire.heard else {
                continue;
            };
            if self.now >= heard.alive + limit {
                self.restless
                    .extend(wire.heard.take().map(|heard| heard.id));
            } else if heard.confirmed.is_some_and(|at| self.now >= at + limit) {
                heard.confirmed = None;
                self.restless.insert(heard.id.clone());
            }
        }
    }

    /// When the next of them is too old.
    pub(super) fn next_expiry(&self) -> Option<Duration> {
        let heard = self.wires.values().filter_map(|wire| wire.heard.as_ref());
        heard
            .map(|heard| {
                heard.confirmed.unwrap_or(heard.alive).min(heard.alive) + self.config.hello_max_age
            })
            .min()
    }

    /// Decides anew for each restless router whether it is a neighbour, by which connection, and where it is listed.
    pub(super) fn calm(&mut self) {
        for id in std::mem::take(&mut self.restless) {
            if let Some(node) = self.nodes.index(id.as_str()) {
                self.settle_neighbour(node, &id);
            }
            self.settle_listing(&id);
        }
    }

    fn settle_neighbour(&mut self, index: RouterIndex, id: &RouterId) {
        let current = self.nodes.get(index).and_then(|node| node.neighbour);
        let mut chosen = self.best(id, current, |_, wire| {
            wire.is_heard_from(id) && wire.is_confirmed()
        });
        if chosen.is_none() && current.is_some() {
            // The connection in use broke. Another on which the neighbour is heard will be listed on within a round;
            // going over to it now keeps the neighbour.
            chosen = self.best(id, current, |_, wire| {
                wire.heard
                    .as_ref()
                    .is_some_and(|h| h.id == *id && !h.trusted)
            });
            let wire = chosen.and_then(|link| self.wires.get_mut(&link));
            if let Some(heard) = wire.and_then(|wire| wire.heard.as_mut()) {
                heard.confirmed = Some(self.now);
                heard.trusted = true;
            }
        }
        let Some(node) = self.nodes.get_mut(index) else {
            return;
        };
        node.neighbour = chosen;
        let Some(link) = chosen else {
            if current.is_some() {
                self.own.remove_peer(id);
                self.routes_changed = true;
                self.out
                    .push_back(Output::Event(Event::NeighbourDown { id: id.clone() }));
            }
            return;
        };
        let cost = self.wires.get(&link).map_or(1, |wire| wire.link.cost);
        self.own.set_peer(id, cost);
        if current.is_none() {
            self.routes_changed = true;
            node.link_state.want(self.now, self.config.request_retry);
            node.owed_mobile |= self.local.seq > 0;
            self.out.push_back(Output::Event(Event::NeighbourUp {
                id: id.clone(),
                link,
                cost,
            }));
        } else if current != chosen {
            self.routes_changed = true;
            self.out.push_back(Output::Event(Event::NeighbourMoved {
                id: id.clone(),
                link,
                cost,
            }));
        }
    }

    /// Lists the router on the connections on which it should read that it is heard.
    fn settle_listing(&mut self, id: &RouterId) {
        let (now, max_age) = (self.now, self.config.hello_max_age);
        let current = self
            .nodes
            .index(id.as_str())
            .and_then(|node| self.nodes.get(node)?.neighbour);
        let one = if self.config.id < *id {
            // The smaller id leads: it may also prefer a connection that is not confirmed, and sees whether it will be.
            let one = self.best(id, current, |_, wire| {
                let on_trial = |since: Duration| {
                    now < since + max_age / 2 || now >= since + max_age * PATIENCE
                };
                wire.is_confirmed() || wire.trial.is_none_or(on_trial)
            });
            if let Some(wire) = one
                .and_then(|link| self.wires.get_mut(&link))
                .filter(|wire| !wire.is_confirmed())
            {
                wire.trial = wire
                    .trial
                    .filter(|since| now < *since + max_age)
                    .or(Some(now));
            }
            one
        } else {
            current
        };
        for (link, wire) in &mut self.wires {
            let listed = wire.peer(now, max_age) == Some(id) && one.is_none_or(|one| one == *link);
            let changed = if listed {
                wire.listed.insert(id.clone())
            } else {
                wire.listed.remove(id)
            };
            wire.hello_wanted |= changed;
        }
    }

    /// The best connection to a router among those that `fits` admits: the cheapest, then of highest ordinal, then the present.
    fn best(
        &self,
        id: &RouterId,
        current: Option<LinkId>,
        fits: impl Fn(LinkId, &Wire) -> bool,
    ) -> Option<LinkId> {
        let (now, max_age) = (self.now, self.config.hello_max_age);
        let candidates = self
            .wires
            .iter()
            .filter(|(_, wire)| wire.peer(now, max_age) == Some(id));
        let fitting = candidates.filter(|(link, wire)| fits(**link, wire));
        let rank = |link: LinkId, wire: &Wire| {
            (
                wire.link.cost,
                std::cmp::Reverse(wire.link.ordinal),
                Some(link) != current,
                link,
            )
        };
        fitting
            .min_by_key(|(link, wire)| rank(**link, wire))
            .map(|(link, _)| *link)
    }

    /// The periodic HELLO on every connection.
    pub(super) fn want_hellos(&mut self) {
        if self.now < self.hello_at {
            return;
        }
        self.hello_at = self.now + self.config.hello_interval;
        let peers = self.wires.values().filter_map(|wire| {
            Some(
                wire.heard
                    .as_ref()
                    .map_or_else(|| wire.link.peer.as_ref(), |heard| Some(&heard.id))?
                    .clone(),
            )
        });
        self.restless.extend(peers);
        self.wires
            .values_mut()
            .for_each(|wire| wire.hello_wanted = true);
    }

    pub(super) fn send_hellos(&mut self) {
        for (link, wire) in &mut self.wires {
            if std::mem::take(&mut wire.hello_wanted) {
                let hello = Hello {
                    id: self.config.id.clone(),
                    instance: self.config.instance,
                    seen: wire.listed.iter().cloned().collect(),
                };
                self.out.push_back(Output::Send {
                    to: Destination::Neighbour,
                    message: ControlMessage::Hello(hello),
                    links: vec![*link],
                });
            }
        }
    }
}
