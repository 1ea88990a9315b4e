//! What an edge router does in place of the routing protocol: [`skupper_routing::edge::Edge`] decides, and this carries it out on
//! its connections.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::SystemTime;

use rand::RngExt;
use rand::distr::{Alphanumeric, SampleString};
use skupper_amqp::{Map, Message as AmqpMessage, Value};
use skupper_routing::AddressKey;
use skupper_routing::edge::mesh::{Bid, ID_LEN};
use skupper_routing::edge::{self, Output, Purpose, Source};

use super::dispatch::Dispatch;
use super::forwarding::{Destination, Locals};
use crate::connection::edge::whole;
use crate::connection::handle::{Command, ConnectionHandle, LinkSink, Outlet};
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
    decisions: edge::Edge<Draw>,
    connections: HashMap<u64, Held>,
    uplink: Option<Arc<Destination>>,
    changes: Vec<Change>,
}

struct Held {
    handle: Arc<ConnectionHandle>,
    /// Deliveries under way by the links of producers, which are destinations now and then.
    producers: HashMap<u64, Outstanding>,
}

impl Edge {
    pub(super) fn new(dispatch: Arc<Dispatch>, numbers: Arc<Numbers>) -> Self {
        let mut edge = Edge {
            dispatch,
            decisions: edge::Edge::new(Draw(numbers)),
            connections: HashMap::new(),
            uplink: None,
            changes: Vec::new(),
        };
        edge.carry_out();
        edge
    }

    /// Where goes what this router has no destination for.
    pub(super) fn uplink(&self) -> Option<Arc<Destination>> {
        self.uplink.clone()
    }

    /// What changed of this router's destinations.
    pub(super) fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// A connection to the interior was opened.
    pub(super) fn opened(&mut self, handle: Arc<ConnectionHandle>) {
        let (number, ordinal) = (handle.number, handle.ordinal);
        self.hold(handle);
        self.decisions.opened(number, ordinal);
        self.carry_out();
    }

    /// A connection to another edge router was opened.
    pub(super) fn peer_opened(&mut self, handle: Arc<ConnectionHandle>) {
        self.hold(handle.clone());
        self.decisions
            .peer_opened(handle.number, container(&handle));
        self.carry_out();
    }

    fn hold(&mut self, handle: Arc<ConnectionHandle>) {
        let held = Held {
            handle: handle.clone(),
            producers: HashMap::new(),
        };
        self.connections.insert(handle.number, held);
    }

    /// A connection is gone.
    pub(super) fn closed(&mut self, number: u64) {
        self.connections.remove(&number);
        self.decisions.closed(number);
        self.carry_out();
    }

    /// Brings the links for addresses in line with who consumes and produces here.
    pub(super) fn reconcile(&mut self, locals: &Locals, watched: &HashSet<AddressKey>) {
        let standing = locals
            .iter()
            .map(|(key, local)| (key, local.is_told(key), !local.in_process.is_empty()));
        self.decisions.reconcile(standing, watched);
        self.carry_out();
    }

    /// The interior has (or has not any more) a destination for an address that is produced here.
    pub(super) fn tracked(&mut self, number: u64, key: &AddressKey, reachable: bool) {
        self.decisions.tracked(number, key, reachable);
        self.carry_out();
    }

    /// The peer has detached a link of this router's.
    pub(super) fn link_lost(&mut self, number: u64, link: u64) {
        self.decisions.link_lost(number, link);
        self.carry_out();
    }

    /// Another edge router's bid for the name of the mesh came.
    pub(super) fn on_bid(&mut self, number: u64, bid: Bid) {
        self.decisions.on_bid(number, bid);
        self.carry_out();
    }

    fn carry_out(&mut self) {
        for output in self.decisions.take_outputs() {
            self.act(output);
        }
    }

    fn act(&mut self, output: Output) {
        match output {
            Output::Attach {
                connection,
                link,
                purpose,
            } => {
                if let Some(held) = self.connections.get_mut(&connection) {
                    if matches!(purpose, Purpose::Producer(_)) {
                        held.producers.insert(link, Outstanding::default());
                    }
                    // A connection that is ending is told to the core next.
                    drop(held.handle.send(Command::Attach { link, purpose }));
                }
            }
            Output::Detach { connection, link } => {
                if let Some(held) = self.connections.get_mut(&connection) {
                    held.producers.remove(&link);
                    // A connection that has ended has no links.
                    drop(held.handle.send(Command::Detach { link }));
                }
            }
            Output::Bind {
                key,
                connection,
                link,
            } => {
                if let Some(destination) = self.destination(connection, link) {
                    self.changes.push(Change::Bind(key, destination));
                }
            }
            Output::Unbind { key, link } => self.changes.push(Change::Unbind(key, link)),
            Output::Uplink(uplink) => {
                let uplink =
                    uplink.and_then(|(connection, link)| self.destination(connection, link));
                self.uplink = uplink.map(Arc::new);
                if let Some(in_use) = self.uplink.as_ref().and_then(|up| up.beyond.as_ref()) {
                    tracing::info!(
                        target: "ROUTER_CORE",
                        "[C{}] Edge connection to {} is in use", in_use.number, container(in_use)
                    );
                }
            }
            Output::TellMesh {
                connection,
                link,
                id,
            } => {
                let properties =
                    Map::new().with_symbol("meshid", Value::String(id.as_ref().to_owned()));
                self.send(connection, link, properties);
            }
            Output::SendBid {
                connection,
                link,
                bid,
            } => {
                let properties = Map::new()
                    .with_symbol("ordinal", Value::Long(bid.ordinal))
                    .with_symbol("id", Value::String(bid.id.as_ref().to_owned()));
                self.send(connection, link, properties);
            }
            Output::Named(id) => {
                let id = id.as_ref().to_owned().into_boxed_str();
                self.dispatch.mesh.store(Some(Arc::new(id)));
            }
        }
    }

    fn destination(&self, connection: u64, link: u64) -> Option<Destination> {
        let held = self.connections.get(&connection)?;
        let peer = held.handle.peer.get();
        Some(Destination {
            id: link,
            sink: Arc::new(LinkSink {
                connection: held.handle.clone(),
                link,
                streams: peer.is_some_and(|peer| peer.streaming_links),
            }),
            outstanding: held.producers.get(&link).cloned().unwrap_or_default(),
            capacity: CAPACITY,
            beyond: Some(held.handle.clone()),
            apart: None,
        })
    }

    fn send(&self, connection: u64, link: u64, properties: Map) {
        let Some(held) = self.connections.get(&connection) else {
            return;
        };
        let message = AmqpMessage {
            application_properties: Some(properties),
            ..AmqpMessage::default()
        };
        // What is lost with its connection is said again on the next.
        drop(held.handle.send(Command::Deliver(
            whole(message.to_bytes()),
            Outlet::Link(link),
        )));
    }
}

fn container(connection: &ConnectionHandle) -> &str {
    connection.peer.get().map_or("", |peer| &peer.container)
}

/// Numbers from the router, chance from the system.
struct Draw(Arc<Numbers>);

impl Source for Draw {
    fn link(&mut self) -> u64 {
        self.0.link()
    }

    /// Who started first names the mesh, as a rule.
    fn bid(&mut self) -> Bid {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let micros = since.map_or(0, |since| since.as_micros() as i64);
        let mut rng = crate::random::rng();
        Bid {
            ordinal: micros.saturating_add(rng.random_range(0..SPREAD)),
            id: Alphanumeric.sample_string(&mut rng, ID_LEN).into(),
        }
    }
}
