//! What an edge router does in place of the routing protocol (router protocol reference §2.5–§2.8): one of its connections to
//! the interior is in use, with a link for each address that is consumed or produced here; and every other edge router of its
//! mesh has a link for each address that is consumed here.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::SystemTime;

use rand::RngExt;
use rand::distr::{Alphanumeric, SampleString};
use skupper_amqp::{Map, Message as AmqpMessage, Value};
use skupper_routing::address::Class;
use skupper_routing::mesh::{self, Bid, Consequence, Negotiation};
use skupper_routing::{AddressKey, mesh::ID_LEN};

use super::dispatch::Dispatch;
use super::forwarding::{Destination, Locals};
use crate::connection::edge::whole;
use crate::connection::handle::{Command, ConnectionHandle, EdgeLink, LinkSink, Outlet};
use crate::context::Numbers;
use crate::transit::load::Outstanding;

/// Deliveries to a link that may be unsettled before others are preferred.
const CAPACITY: u64 = 250;
/// How much later than the router's start its ordinal may be, in microseconds.
const SPREAD: i64 = 1_000_000;

/// A change of this router's destinations.
pub(super) enum Change {
    Bind(AddressKey, Destination),
    Unbind(AddressKey, u64),
}

/// The edge router's side of its connections to other routers.
pub(super) struct Edge {
    dispatch: Arc<Dispatch>,
    numbers: Arc<Numbers>,
    /// Open connections to the interior, oldest first.
    open: Vec<Arc<ConnectionHandle>>,
    active: Option<Active>,
    peers: Vec<Peer>,
    negotiation: Negotiation,
    changes: Vec<Change>,
}

/// The connection to the interior that is in use.
struct Active {
    connection: Arc<ConnectionHandle>,
    uplink: Arc<Destination>,
    /// The links that do not belong to an address: the interior is told of the mesh by the first.
    links: [u64; 4],
    consumers: HashMap<AddressKey, u64>,
    producers: HashMap<AddressKey, Produced>,
    /// Addresses whose link the interior has refused.
    refused: HashSet<AddressKey>,
}

struct Produced {
    link: u64,
    outstanding: Outstanding,
    bound: bool,
}

/// A connection to another edge router.
struct Peer {
    connection: Arc<ConnectionHandle>,
    bids: u64,
    /// Only the first connection to each edge router is used for deliveries.
    primary: Option<Primary>,
}

struct Primary {
    direct: u64,
    consumers: HashMap<AddressKey, u64>,
}

impl Edge {
    pub(super) fn new(dispatch: Arc<Dispatch>, numbers: Arc<Numbers>) -> Self {
        let edge = Edge {
            dispatch,
            numbers,
            open: Vec::new(),
            active: None,
            peers: Vec::new(),
            negotiation: Negotiation::new(draw()),
            changes: Vec::new(),
        };
        edge.publish_mesh();
        edge
    }

    /// Where goes what this router has no destination for.
    pub(super) fn uplink(&self) -> Option<Arc<Destination>> {
        self.active.as_ref().map(|active| active.uplink.clone())
    }

    /// What changed of this router's destinations.
    pub(super) fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// A connection to the interior was opened. One with a newer credential takes over at once.
    pub(super) fn opened(&mut self, connection: Arc<ConnectionHandle>) {
        self.open.push(connection);
        self.choose();
    }

    /// A connection is gone.
    pub(super) fn closed(&mut self, number: u64) {
        self.open.retain(|connection| connection.number != number);
        if self.is_active(number)
            && let Some(active) = self.active.take()
        {
            self.unbind_all(&active);
        }
        self.choose();
        self.peer_closed(number);
    }

    fn is_active(&self, number: u64) -> bool {
        let active = self.active.as_ref();
        active.is_some_and(|active| active.connection.number == number)
    }

    fn choose(&mut self) {
        // The oldest of those with the newest credential.
        let best = self
            .open
            .iter()
            .rev()
            .max_by_key(|connection| connection.ordinal);
        let Some(best) = best.cloned() else { return };
        let current = self.active.as_ref().map(|active| &active.connection);
        if current.is_some_and(|current| current.ordinal >= best.ordinal) {
            return;
        }
        if let Some(active) = self.active.take() {
            self.unbind_all(&active);
            active.retire();
        }
        self.active = Some(self.activate(best));
        self.announce_mesh();
    }

    fn activate(&self, connection: Arc<ConnectionHandle>) -> Active {
        let purposes = [
            EdgeLink::Mesh,
            EdgeLink::Uplink,
            EdgeLink::Downlink,
            EdgeLink::Tracking,
        ];
        let links = purposes.map(|purpose| attach(&self.numbers, &connection, purpose));
        tracing::info!(
            target: "ROUTER_CORE",
            "[C{}] Edge connection to {} is in use", connection.number, container(&connection)
        );
        let uplink = destination(&connection, links[1], Outstanding::default());
        Active {
            connection,
            uplink: Arc::new(uplink),
            links,
            consumers: HashMap::new(),
            producers: HashMap::new(),
            refused: HashSet::new(),
        }
    }

    fn unbind_all(&mut self, active: &Active) {
        for (key, produced) in active
            .producers
            .iter()
            .filter(|(_, produced)| produced.bound)
        {
            self.changes
                .push(Change::Unbind(key.clone(), produced.link));
        }
    }

    /// Brings the links for addresses in line with who consumes and produces here.
    pub(super) fn reconcile(&mut self, locals: &Locals, watched: &HashSet<AddressKey>) {
        let mobile = |key: &AddressKey| key.class() == Class::Mobile;
        let consumed: HashSet<&AddressKey> = locals
            .iter()
            .filter(|(key, local)| mobile(key) && local.is_told(key))
            .map(|(key, _)| key)
            .collect();
        for peer in &mut self.peers {
            if let Some(primary) = &mut peer.primary {
                align(
                    &self.numbers,
                    &peer.connection,
                    &mut primary.consumers,
                    &consumed,
                );
            }
        }
        let Some(active) = &mut self.active else {
            return;
        };
        let Active {
            connection,
            consumers,
            producers,
            refused,
            ..
        } = active;
        let told: HashSet<&AddressKey> = consumed
            .into_iter()
            .filter(|key| !refused.contains(*key))
            .collect();
        align(&self.numbers, connection, consumers, &told);
        let inner = |key: &AddressKey| {
            let local = locals.get(key);
            local.is_some_and(|local| !local.in_process.is_empty())
        };
        let produces = |key: &AddressKey| mobile(key) && !inner(key) && !refused.contains(key);
        producers.retain(|key, produced| {
            let keep = watched.contains(key) && produces(key);
            if !keep {
                detach(connection, produced.link);
                if produced.bound {
                    let gone = Change::Unbind(key.clone(), produced.link);
                    self.changes.push(gone);
                }
            }
            keep
        });
        for key in watched.iter().filter(|key| produces(key)) {
            if !producers.contains_key(key) {
                let purpose = EdgeLink::Producer(key.clone());
                let produced = Produced {
                    link: attach(&self.numbers, connection, purpose),
                    outstanding: Outstanding::default(),
                    bound: false,
                };
                producers.insert(key.clone(), produced);
            }
        }
    }

    /// The interior has (or has not any more) a destination for an address that is produced here.
    pub(super) fn tracked(&mut self, number: u64, key: &AddressKey, reachable: bool) {
        let Some(active) = &mut self.active else {
            return;
        };
        if active.connection.number != number {
            return;
        }
        let Some(produced) = active.producers.get_mut(key) else {
            return;
        };
        if std::mem::replace(&mut produced.bound, reachable) == reachable {
            return;
        }
        let change = if reachable {
            let outstanding = produced.outstanding.clone();
            let destination = destination(&active.connection, produced.link, outstanding);
            Change::Bind(key.clone(), destination)
        } else {
            Change::Unbind(key.clone(), produced.link)
        };
        self.changes.push(change);
    }

    /// The peer has detached a link of this router's: it is not asked again while the connection lasts.
    pub(super) fn link_lost(&mut self, number: u64, link: u64) {
        let Some(active) = &mut self.active else {
            return;
        };
        if active.connection.number != number {
            return;
        }
        let consumed = active.consumers.iter().find(|(_, known)| **known == link);
        if let Some(key) = consumed.map(|(key, _)| key.clone()) {
            active.consumers.remove(&key);
            active.refused.insert(key);
        }
        let produced = active
            .producers
            .iter()
            .find(|(_, known)| known.link == link);
        if let Some(key) = produced.map(|(key, _)| key.clone())
            && let Some(produced) = active.producers.remove(&key)
        {
            active.refused.insert(key.clone());
            if produced.bound {
                self.changes.push(Change::Unbind(key, link));
            }
        }
    }

    /// A connection to another edge router was opened.
    pub(super) fn peer_opened(&mut self, connection: Arc<ConnectionHandle>) {
        let bids = attach(&self.numbers, &connection, EdgeLink::Bids);
        let mut peer = Peer {
            connection,
            bids,
            primary: None,
        };
        let known = |other: &Peer| {
            other.primary.is_some() && container(&other.connection) == container(&peer.connection)
        };
        if !self.peers.iter().any(known) {
            peer.primary = Some(self.use_peer(&peer.connection));
        }
        send(&peer.connection, bids, bid(self.negotiation.own()));
        self.peers.push(peer);
    }

    fn use_peer(&mut self, connection: &Arc<ConnectionHandle>) -> Primary {
        let direct = attach(&self.numbers, connection, EdgeLink::Direct);
        let key = AddressKey::new(Class::Edge, container(connection));
        let destination = destination(connection, direct, Outstanding::default());
        self.changes.push(Change::Bind(key, destination));
        Primary {
            direct,
            consumers: HashMap::new(),
        }
    }

    fn peer_closed(&mut self, number: u64) {
        let gone = self
            .peers
            .iter()
            .position(|peer| peer.connection.number == number);
        let Some(gone) = gone.map(|at| self.peers.remove(at)) else {
            return;
        };
        if let Some(primary) = gone.primary {
            let name = container(&gone.connection);
            let key = AddressKey::new(Class::Edge, name);
            self.changes.push(Change::Unbind(key, primary.direct));
            let next = self
                .peers
                .iter()
                .position(|peer| container(&peer.connection) == name);
            if let Some(next) = next {
                let connection = self.peers[next].connection.clone();
                self.peers[next].primary = Some(self.use_peer(&connection));
            }
        }
        let consequence = self.negotiation.lost(number);
        self.follow(consequence);
    }

    /// Another edge router's bid for the name of the mesh came.
    pub(super) fn on_bid(&mut self, number: u64, bid: Bid) {
        let consequence = self.negotiation.on_bid(number, bid, draw);
        self.follow(consequence);
    }

    fn follow(&mut self, consequence: Consequence) {
        if consequence.bid {
            for peer in &self.peers {
                send(&peer.connection, peer.bids, bid(self.negotiation.own()));
            }
        }
        if consequence.renamed {
            self.publish_mesh();
            self.announce_mesh();
        }
    }

    fn publish_mesh(&self) {
        let id = self.negotiation.id().to_string().into_boxed_str();
        self.dispatch.mesh.store(Some(Arc::new(id)));
    }

    fn announce_mesh(&self) {
        if let Some(active) = &self.active {
            let id = self.negotiation.id().to_string();
            let properties = Map::new().with_symbol("meshid", Value::String(id));
            send(&active.connection, active.links[0], properties);
        }
    }
}

impl Active {
    /// Another connection has taken over: nothing of this one is used any more but the streams that are under way.
    fn retire(&self) {
        let producers = self.producers.values().map(|produced| produced.link);
        let addressed = self.consumers.values().copied().chain(producers);
        for link in self.links.iter().copied().chain(addressed) {
            detach(&self.connection, link);
        }
    }
}

/// Attaches the links of consumers that are missing and detaches those that are not wanted.
fn align(
    numbers: &Numbers,
    connection: &ConnectionHandle,
    links: &mut HashMap<AddressKey, u64>,
    wanted: &HashSet<&AddressKey>,
) {
    links.retain(|key, link| {
        let keep = wanted.contains(key);
        if !keep {
            detach(connection, *link);
        }
        keep
    });
    for key in wanted {
        if !links.contains_key(*key) {
            let link = attach(numbers, connection, EdgeLink::Consumer((*key).clone()));
            links.insert((*key).clone(), link);
        }
    }
}

fn container(connection: &ConnectionHandle) -> &str {
    connection.peer.get().map_or("", |peer| &peer.container)
}

fn attach(numbers: &Numbers, connection: &ConnectionHandle, purpose: EdgeLink) -> u64 {
    let link = numbers.link();
    // A connection that is ending is told to the core next.
    drop(connection.send(Command::Attach { link, purpose }));
    link
}

fn detach(connection: &ConnectionHandle, link: u64) {
    // A connection that has ended has no links.
    drop(connection.send(Command::Detach { link }));
}

fn destination(
    connection: &Arc<ConnectionHandle>,
    link: u64,
    outstanding: Outstanding,
) -> Destination {
    let peer = connection.peer.get();
    Destination {
        id: link,
        sink: Arc::new(LinkSink {
            connection: connection.clone(),
            link,
            streams: peer.is_some_and(|peer| peer.streaming_links),
        }),
        outstanding,
        capacity: CAPACITY,
        beyond: Some(connection.clone()),
        container: false,
    }
}

fn bid(own: &Bid) -> Map {
    Map::new()
        .with_symbol("ordinal", Value::Long(own.ordinal))
        .with_symbol("id", Value::String(own.id.to_string()))
}

fn send(connection: &ConnectionHandle, link: u64, properties: Map) {
    let message = AmqpMessage {
        application_properties: Some(properties),
        ..AmqpMessage::default()
    };
    // What is lost with its connection is said again on the next.
    drop(connection.send(Command::Deliver(
        whole(message.to_bytes()),
        Outlet::Link(link),
    )));
}

/// Who started first names the mesh, as a rule.
fn draw() -> mesh::Bid {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let micros = since.map_or(0, |since| since.as_micros() as i64);
    let mut rng = rand::rng();
    Bid {
        ordinal: micros.saturating_add(rng.random_range(0..SPREAD)),
        id: Alphanumeric.sample_string(&mut rng, ID_LEN).into(),
    }
}
