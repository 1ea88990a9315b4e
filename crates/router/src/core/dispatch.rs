//! The forwarding decision: made once for each delivery, from the published state, on whichever thread it came in on.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use arc_swap::{ArcSwap, ArcSwapOption};
use bytes::Bytes;
use skupper_amqp::performative::names;
use skupper_amqp::{Condition, DeliveryState, Symbol};
use skupper_management::entity::Role;
use skupper_routing::address::{Class, Naming};
use skupper_routing::choose::{self, Choice, Entry, Load as Busy};
use skupper_routing::edge;
use skupper_routing::{AddressKey, LinkId, Origin, RouterId, Table, Treatment, control};

use super::Treatments;
use super::addresses::AddressUses;
use super::forwarding::{Destination, Forwarding, Locals, Neighbour};
use super::replies::{PREFIX, Replies};
use super::waiting::Waiting;
use crate::connection::handle::{Command, ConnectionHandle, Outlet};
use crate::transit::load::{Load, Outstanding};
use crate::transit::message::{Message, Way};
use crate::transit::pipe::{Consumer, Producer, pipe};
use crate::worker;

/// Deliveries to a neighbour that may be unsettled before others are preferred: its data link's capacity.
const NEIGHBOUR_CAPACITY: u64 = 250;

/// Why a delivery did not find a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undeliverable {
    /// Nobody consumes the address, or there is no way to who does.
    NoRoute,
    /// The address is configured as unavailable.
    Unavailable,
    /// The client's octets come with its stream, and the next on the way takes none before the server's end has answered.
    TooEarly,
}

/// Condition of a stream that may be sent again without the client's octets.
pub(crate) const TOO_EARLY: Symbol = Symbol::from_static("skupper:too-early");

impl Undeliverable {
    /// What the sender is told.
    pub(crate) fn state(self) -> DeliveryState {
        match self {
            Undeliverable::NoRoute => DeliveryState::Released,
            Undeliverable::Unavailable => DeliveryState::rejected(Condition::new(
                names::NOT_FOUND,
                "Deliveries cannot be sent to an unavailable address",
            )),
            Undeliverable::TooEarly => DeliveryState::rejected(Condition::new(
                TOO_EARLY,
                "A router on the way takes no octets of a client before the server's end has answered",
            )),
        }
    }
}

/// The way that a delivery went, where others may be open to it should it come back; or why it did not go.
pub type Gone = Result<Option<Way>, (Undeliverable, Consumer)>;

/// What decides: shared by all connections and flows of a router.
pub struct Dispatch {
    /// This router.
    pub me: RouterId,
    /// Reads addresses; replaced when management gives the network another name.
    naming: ArcSwap<Naming>,
    /// The published state.
    pub forwarding: ArcSwap<Forwarding>,
    /// How addresses are treated that have no destination here yet: in force as soon as the configuration has it.
    pub treatments: ArcSwap<Treatments>,
    /// Addresses made up here.
    pub replies: Arc<Replies>,
    /// What is counted by address.
    pub uses: AddressUses,
    /// This router is an edge router: it takes no part in the routing protocol, and what it does not know is the interior's.
    pub edge: bool,
    /// Streams that wait for a way to their router.
    pub waiting: Waiting,
    /// The mesh that this edge router is in.
    pub mesh: ArcSwapOption<Box<str>>,
}

impl Dispatch {
    /// Of a router that knows nobody.
    pub(crate) fn new(me: RouterId, network: &str, edge: bool, default: Treatment) -> Self {
        let forwarding = Forwarding {
            table: Arc::new(Table::empty(me.clone())),
            locals: Locals::default(),
            neighbours: Arc::default(),
            uplink: None,
        };
        Dispatch {
            naming: ArcSwap::from_pointee(Naming::new(me.as_str(), network)),
            me,
            forwarding: ArcSwap::from_pointee(forwarding),
            treatments: ArcSwap::from_pointee(Treatments::new(default)),
            replies: Arc::default(),
            uses: AddressUses::default(),
            edge,
            waiting: Waiting::default(),
            mesh: ArcSwapOption::default(),
        }
    }

    /// How addresses are read now.
    pub fn naming(&self) -> Arc<Naming> {
        self.naming.load_full()
    }

    /// The key of an address.
    pub fn key(&self, address: &str) -> AddressKey {
        self.naming.load().key(address)
    }

    /// The router's network is called otherwise from now on. What has been read before stays as it was read.
    pub(crate) fn enter_network(&self, network: &str) {
        let naming = self.naming.load().within(network);
        self.naming.store(Arc::new(naming));
    }

    /// The full address of a name made up on this router.
    pub fn reply_address(&self, name: &str) -> String {
        self.naming.load().address(name, self.edge)
    }

    /// Sends one delivery to one destination of `key` (whatever its treatment), streaming or whole, by none of the ways that it
    /// has tried; a stream to a router may have to wait until there is a way. Returns the way, where there may be others. On
    /// failure the consumer comes back.
    pub fn send(&self, key: &AddressKey, consumer: Consumer) -> Gone {
        match self.send_at_once(key, consumer) {
            Err((Undeliverable::NoRoute, consumer)) => {
                let added = self.waiting.add(key, consumer);
                let added = added.map(|()| None);
                added.map_err(|consumer| (Undeliverable::NoRoute, consumer))
            }
            sent => sent,
        }
    }

    /// The same by what is known now: nothing waits.
    pub(crate) fn send_at_once(&self, key: &AddressKey, consumer: Consumer) -> Gone {
        match key.class() {
            Class::Local if key.text().starts_with(PREFIX) => match self.replies.get(key.text()) {
                Some(sink) => {
                    let comes_in = u64::from(consumer.message().comes_in());
                    sink.deliver(consumer);
                    // Names made up here have no counters of their own: they come and go with each flow and each client.
                    let totals = &self.uses.totals;
                    totals.ingress.fetch_add(comes_in, Ordering::Relaxed);
                    totals.egress.fetch_add(1, Ordering::Relaxed);
                    if let Some(apart) = sink.apart() {
                        let shares = self.uses.totals.apart.of(apart);
                        shares.egress.fetch_add(1, Ordering::Relaxed);
                    }
                    Ok(None)
                }
                None => Err((Undeliverable::NoRoute, consumer)),
            },
            _ if control::is_control_only(key) => Err((Undeliverable::NoRoute, consumer)),
            Class::Router if !self.edge => self.to_router(key, consumer),
            class => match self.anycast(key, consumer) {
                Err((Undeliverable::NoRoute, consumer)) if class != Class::Local => {
                    self.to_interior(consumer)
                }
                sent => sent,
            },
        }
    }

    /// An edge router sends what it has no destination for to the interior, unless it came from there.
    fn to_interior(&self, consumer: Consumer) -> Gone {
        let forwarding = self.forwarding.load();
        let message = consumer.message();
        match &forwarding.uplink {
            Some(uplink) if !is_from_interior(message) && is_open(uplink, message) => {
                let totals = &self.uses.totals;
                let comes_in = u64::from(message.comes_in());
                let way = deliver(uplink, consumer)?;
                totals.ingress.fetch_add(comes_in, Ordering::Relaxed);
                totals.egress.fetch_add(1, Ordering::Relaxed);
                Ok(Some(way))
            }
            _ => Err((Undeliverable::NoRoute, consumer)),
        }
    }

    /// How deliveries to an address are spread.
    pub fn treatment(&self, key: &AddressKey) -> Treatment {
        self.treated(&self.forwarding.load(), key).0
    }

    /// How the deliveries of an address are spread, and with which priority.
    pub fn treated(&self, forwarding: &Forwarding, key: &AddressKey) -> (Treatment, Option<u8>) {
        if let Some(local) = forwarding.locals.get(key) {
            return (local.treatment, local.priority);
        }
        let remotes = forwarding.table.remotes(key);
        let hint = remotes.and_then(|remotes| remotes.treatment);
        self.treatments.load().of(key, hint)
    }

    fn to_router(&self, key: &AddressKey, consumer: Consumer) -> Gone {
        let forwarding = self.forwarding.load();
        let message = consumer.message();
        let origin = origin(&forwarding, message);
        let comes_in = message.comes_in();
        let table = &forwarding.table;
        let link = table.router(key.text()).and_then(|(router, route)| {
            let onward = || {
                let link = route.link?;
                let may = may_go_on(table, message, link) || self.may_turn_back(message);
                may.then_some(link)
            };
            table.eligible(router, origin).or_else(onward)
        });
        match link.and_then(|link| forwarding.neighbours.get(&link)) {
            Some(neighbour) => {
                forward(neighbour, consumer, None)?;
                let usage = self.uses.of(key);
                if comes_in {
                    self.uses.count_ingress(&usage);
                }
                self.uses.count_transit(&usage);
                Ok(None)
            }
            None => Err((Undeliverable::NoRoute, consumer)),
        }
    }

    /// Whether a delivery to a router may go back to where it has been, because the next router on its way is there. That one has sent
    /// it by a way that was the best a moment ago, and knows of the new one, whose end it is or is nearer to. There is no other
    /// way, and an answer is not offered again. It does not come by here twice, so it does not go round.
    fn may_turn_back(&self, message: &Message) -> bool {
        let trace = &message.annotations.trace;
        let here = self.me.annotation();
        !trace.is_empty() && !trace.iter().any(|entry| **entry == *here)
    }

    fn anycast(&self, key: &AddressKey, consumer: Consumer) -> Gone {
        let forwarding = self.forwarding.load();
        let local = forwarding.locals.get(key);
        let remotes = forwarding.table.remotes(key);
        if local.is_none() && remotes.is_none() {
            let unavailable = !self.edge
                && consumer.message().enters()
                && key.class() == Class::Mobile
                && self.treated(&forwarding, key).0 == Treatment::Unavailable;
            let why = if unavailable {
                Undeliverable::Unavailable
            } else {
                Undeliverable::NoRoute
            };
            return Err((why, consumer));
        }
        let usage = self.uses.of(key);
        let (treatment, _) = self.treated(&forwarding, key);
        if treatment == Treatment::Unavailable {
            // Another router is told that there is no way on; only who sends it is told what the address is.
            let why = match consumer.message().enters() {
                true => Undeliverable::Unavailable,
                false => Undeliverable::NoRoute,
            };
            return Err((why, consumer));
        }
        let turn = usage.turn();
        let message = consumer.message();
        let comes_in = message.comes_in();
        let count_ingress = || {
            if comes_in {
                self.uses.count_ingress(&usage);
            }
        };
        let inner = local.map_or(&[][..], |local| &local.in_process);
        let inner = inner.iter().filter(|inner| is_open(inner, message));
        let count = inner.clone().count();
        if let Some(destination) = inner.clone().nth(turn % count.max(1)) {
            let way = deliver(destination, consumer)?;
            count_ingress();
            usage.inner.fetch_add(1, Ordering::Relaxed);
            return Ok(Some(way));
        }
        let empty = Vec::new();
        let links = local.map_or(&empty, |local| &local.links);
        let entry = Entry {
            origin: origin(&forwarding, message),
            mesh: message.annotations.ingress_mesh.as_deref(),
        };
        let usable = |link: LinkId| {
            forwarding.neighbours.contains_key(&link) && !message.tried.has(Way::Neighbour(link))
        };
        let indices: Vec<usize> = (0..links.len())
            .filter(|index| !links[*index].echoes(message) && is_open(&links[*index], message))
            .collect();
        let busy = |outstanding: &Outstanding, capacity| Busy {
            outstanding: outstanding.load(Ordering::Relaxed) as u64,
            capacity,
        };
        let choose = |entry: Entry<'_>, usable: &dyn Fn(LinkId) -> bool| {
            let table = &forwarding.table;
            let remotes = remotes.map(|remotes| &**remotes);
            if treatment == Treatment::Closest {
                return choose::closest(table, &indices, remotes, entry, turn, usable);
            }
            choose::balanced(
                table,
                &indices,
                remotes,
                entry,
                turn,
                |index| Some(busy(&links[index].outstanding, links[index].capacity)),
                |link| usable(link).then(|| busy(&usage.outstanding(link), NEIGHBOUR_CAPACITY)),
            )
        };
        let choice = choose(entry, &usable).or_else(|| {
            let onward = Entry {
                origin: Origin::Here,
                ..entry
            };
            choose(onward, &|link| {
                usable(link) && may_go_on(&forwarding.table, message, link)
            })
        });
        match choice {
            Some(Choice::Local(index)) => {
                let way = deliver(&links[index], consumer)?;
                count_ingress();
                self.uses.count_egress(&usage);
                if let Some(apart) = links[index].apart {
                    self.uses.count_to(apart, &usage);
                }
                Ok(Some(way))
            }
            Some(Choice::Remote { link, .. }) => {
                let Some(neighbour) = forwarding.neighbours.get(&link) else {
                    return Err((Undeliverable::NoRoute, consumer));
                };
                let load = Load::on(&usage.outstanding(link));
                forward(neighbour, consumer, Some(load))?;
                count_ingress();
                self.uses.count_transit(&usage);
                Ok(Some(Way::Neighbour(link)))
            }
            None => Err((Undeliverable::NoRoute, consumer)),
        }
    }

    /// Sends a message to everybody who consumes the address; returns the other ends of the copies. Of one that is passed on
    /// before it is complete, `body` is the beginning.
    pub fn multicast(&self, key: &AddressKey, message: &Message, body: &[Bytes]) -> Vec<Producer> {
        let forwarding = self.forwarding.load();
        let local = forwarding.locals.get(key);
        let remotes = forwarding.table.remotes(key);
        let usage = match local.is_some() || remotes.is_some() {
            true => self.uses.of(key),
            // What only somebody who sends has named is not kept: he could name any number.
            false => Arc::default(),
        };
        if message.comes_in() {
            self.uses.count_ingress(&usage);
        }
        let mut copies = Vec::new();
        let copy = || {
            let (producer, consumer) = pipe(message.clone());
            for chunk in body {
                producer.push(chunk.clone());
            }
            if !message.streaming {
                producer.complete(message.presettled);
            }
            (producer, consumer)
        };
        let came = message.came_by.as_ref().and_then(|handle| handle.beyond());
        let mut told_interior = !edge::is_for_interior(came);
        if let Some(local) = local {
            let inner = local.in_process.iter().map(|inner| (inner, true));
            let links = local.links.iter().map(|link| (link, false));
            let destinations = inner.chain(links);
            for (destination, inner) in
                destinations.filter(|(destination, _)| !destination.echoes(message))
            {
                let beyond = destination.beyond.as_ref();
                told_interior |= beyond.is_some_and(|beyond| beyond.role == Role::Edge);
                let (producer, consumer) = copy();
                if deliver(destination, consumer).is_ok() {
                    copies.push(producer);
                    match inner {
                        true => _ = usage.inner.fetch_add(1, Ordering::Relaxed),
                        false => self.uses.count_egress(&usage),
                    }
                    if let Some(apart) = destination.apart {
                        self.uses.count_to(apart, &usage);
                    }
                }
            }
        }
        if let Some(uplink) = forwarding.uplink.as_ref().filter(|_| !told_interior) {
            let (producer, consumer) = copy();
            if deliver(uplink, consumer).is_ok() {
                copies.push(producer);
                self.uses.count_egress(&usage);
            }
        }
        if let Some(remotes) = remotes {
            let table = &forwarding.table;
            let entry = Entry {
                origin: table.origin(message.annotations.ingress.as_deref()),
                mesh: message.annotations.ingress_mesh.as_deref(),
            };
            let passed = table.traced(message.annotations.trace.iter().map(|entry| &**entry));
            for link in choose::multicast(table, remotes, entry, &passed) {
                let (producer, consumer) = copy();
                if let Some(neighbour) = forwarding.neighbours.get(&link)
                    && forward(neighbour, consumer, None).is_ok()
                {
                    copies.push(producer);
                    self.uses.count_transit(&usage);
                }
            }
        }
        copies
    }
}

/// Whether an edge router has a delivery from the interior.
fn is_from_interior(message: &Message) -> bool {
    let came_by = message.came_by.as_ref();
    came_by.is_some_and(|handle| handle.role == Role::Edge)
}

fn origin(forwarding: &Forwarding, message: &Message) -> Origin {
    choose::anycast_origin(
        forwarding
            .table
            .origin(message.annotations.ingress.as_deref()),
    )
}

/// Whether a delivery that came from another router may go on by a link although it would not come this way by the routers' trees
/// (§6.4). They have not all heard of a change then, or who was to have it here has gone: it came by a way that was the best a moment
/// ago. It goes to no router where it has been. What a destination has given back is not for others that way: whom it came from has its
/// own ways, and each would ask all others. Upstream's router gives all of it back, and a flow that begins just then is refused.
fn may_go_on(table: &Table, message: &Message, link: LinkId) -> bool {
    let trace = &message.annotations.trace;
    !trace.is_empty()
        && message.tried.is_empty()
        && !table
            .traced(trace.iter().map(|entry| &**entry))
            .contains(&link)
}

/// Whether a delivery has not been at a destination yet.
fn is_open(destination: &Destination, message: &Message) -> bool {
    !message.tried.has(destination.way())
}

/// Hands a delivery to a destination of this router; returns the way.
fn deliver(
    destination: &Destination,
    consumer: Consumer,
) -> Result<Way, (Undeliverable, Consumer)> {
    if consumer.message().is_early() && !destination.sink.takes_early() {
        return Err((Undeliverable::TooEarly, consumer));
    }
    consumer.charge(Load::on(&destination.outstanding));
    destination.sink.deliver(consumer);
    Ok(destination.way())
}

/// Hands a delivery to one of the connections to a neighbour, on which it is a load.
fn forward(
    neighbour: &Neighbour,
    consumer: Consumer,
    load: Option<Load>,
) -> Result<(), (Undeliverable, Consumer)> {
    let message = consumer.message();
    let (connection, outlet) = match message.streaming {
        true => (choose_connection(neighbour), Outlet::Stream),
        false => (&neighbour.control, Outlet::Priority(message.priority)),
    };
    if message.is_early() && !connection.takes_early() {
        return Err((Undeliverable::TooEarly, consumer));
    }
    if let Some(load) = load {
        consumer.charge(load);
    }
    hand_over(connection, Command::Deliver(consumer, outlet))
}

/// A data connection of the calling thread if there is one: then nothing crosses threads. Otherwise in turn.
fn choose_connection(neighbour: &Neighbour) -> &Arc<ConnectionHandle> {
    if neighbour.data.is_empty() {
        return &neighbour.control;
    }
    let here = worker::current();
    let local = neighbour
        .data
        .iter()
        .filter(|connection| Some(connection.worker) == here);
    // The least busy of those here, else of all.
    local
        .min_by_key(|connection| connection.streams())
        .or_else(|| {
            neighbour
                .data
                .iter()
                .min_by_key(|connection| connection.streams())
        })
        .unwrap_or(&neighbour.control)
}

fn hand_over(
    connection: &ConnectionHandle,
    command: Command,
) -> Result<(), (Undeliverable, Consumer)> {
    match connection.send(command) {
        Ok(()) => Ok(()),
        Err(Command::Deliver(consumer, _)) => Err((Undeliverable::NoRoute, consumer)),
        // Only a delivery was sent, so only a delivery can come back.
        Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests;
