//! Links between an edge router and the interior, and between two edge routers (router protocol reference §2.5–§2.8): this
//! side's own, and the answers to the peer's.

use bytes::Bytes;
use skupper_amqp::connection::{LinkId, SessionId};
use skupper_amqp::message::{Body, Header, Message as AmqpMessage, RouterAnnotations};
use skupper_amqp::performative::names;
use skupper_amqp::{Attach, Condition, DeliveryState, Role as LinkRole, Symbol, Terminus, Value};
use skupper_management::entity::Role;
use skupper_routing::AddressKey;
use skupper_routing::address::Class;
use skupper_routing::edge::{self, Tracking, mesh};

use super::describe::Peer;
use super::handle::{LinkSink, Purpose};
use super::links::{Address, End, Kind, Link, Replenish, SenderEnd};
use super::task::Task;
use crate::core::CoreCommand;
use crate::core::addresses::Apart;
use crate::core::forwarding::Destination;
use crate::transit::load::Outstanding;
use crate::transit::message::Message;
use crate::transit::pipe::{Consumer, pipe};

pub(super) const DOWNLINK: &str = "qd.router-edge-downlink";
const INTER_EDGE: &str = "qd.router-inter-edge";
const TRACKING: &str = "_$qd.edge_addr_tracking";
const MESH: &str = "_$qd.mesh_discovery";
const BIDS: &str = "_$qd.mesh_id_negotiation";
/// Credit for messages about the mesh.
const MESH_CREDIT: u32 = 3;
/// Credit for messages about addresses.
const TRACKING_CREDIT: u32 = 32;

/// The sessions and links of a connection to or from an edge router.
#[derive(Default)]
pub(super) struct EdgeSide {
    endpoint: Option<SessionId>,
    core: Option<SessionId>,
    /// The edge router is told by it which addresses have destinations.
    tracking: Option<LinkId>,
    told: Tracking,
}

/// Changes of addresses, beyond two for each address, that wait for an edge router.
const MOST_TRACKED: usize = 1000;

/// The beginning of what a peer says, which it is told again: its frames may be no longer than 512 octets.
fn brief(text: &str) -> &str {
    let end = text.floor_char_boundary(64);
    text.get(..end).unwrap_or_default()
}

impl Task {
    /// Whether the peer is an edge router, or this router is one and the peer another.
    pub(super) fn is_edge(&self) -> bool {
        matches!(self.settings.role, Role::Edge | Role::InterEdge)
    }

    /// Refuses an ordinary link to who would get what is for an edge router.
    pub(super) fn refuse_edges(&mut self, link: LinkId, address: &str) {
        let text = format!(
            "what is sent to _edge/{} goes by the downlink of that edge router alone: receive from an address that does not begin with _edge/",
            brief(address)
        );
        self.refuse(link, "qd:no-route-to-dest", &text);
    }

    /// Refuses a downlink to an edge router with another id.
    fn refuse_downlink(&mut self, link: LinkId, edge: &str) {
        let peer = self.handle.peer.get();
        let container = peer.map_or("", |peer| &peer.container);
        let text = format!(
            "the downlink is of the edge router {}, but the peer's container-id is {}: an edge router has its own id in both",
            brief(edge),
            brief(container)
        );
        self.refuse(link, "qd:no-route-to-dest", &text);
    }

    /// Attaches a link of this edge router's.
    pub(super) fn attach_edge_link(&mut self, number: u64, purpose: edge::Purpose) {
        let me = self.context.dispatch.me.to_string();
        let at = |address: &str| Terminus::at(address);
        // Only keys that have one get a link.
        let of = |key: &AddressKey| at(&key.address().unwrap_or_default());
        let (role, mut source, mut target) = match &purpose {
            edge::Purpose::Uplink | edge::Purpose::Direct => {
                (LinkRole::Sender, Terminus::default(), Terminus::default())
            }
            edge::Purpose::Mesh => (LinkRole::Sender, Terminus::default(), at(MESH)),
            edge::Purpose::Bids => (LinkRole::Sender, Terminus::default(), at(BIDS)),
            edge::Purpose::Producer(key) => (LinkRole::Sender, Terminus::default(), of(key)),
            edge::Purpose::Downlink => (LinkRole::Receiver, at(&me), Terminus::default()),
            edge::Purpose::Tracking => (LinkRole::Receiver, at(TRACKING), Terminus::default()),
            edge::Purpose::Consumer(key) => (LinkRole::Receiver, of(key), Terminus::default()),
        };
        let capability = match &purpose {
            edge::Purpose::Downlink => Some(DOWNLINK),
            edge::Purpose::Direct => Some(INTER_EDGE),
            _ => None,
        };
        for terminus in [&mut source, &mut target] {
            terminus.expiry_policy = Some(Symbol::from_static("link-detach"));
            terminus.capabilities = capability.map(Symbol::from_static).into_iter().collect();
        }
        let (kind, credit) = match &purpose {
            edge::Purpose::Tracking => (Kind::Tracking, TRACKING_CREDIT),
            _ => (Kind::Endpoint, self.settings.capacity),
        };
        let core = matches!(
            purpose,
            edge::Purpose::Tracking | edge::Purpose::Mesh | edge::Purpose::Bids
        );
        let address = match purpose {
            // What is for another network says for which router of it.
            edge::Purpose::Consumer(key) if key.class() == Class::Network => None,
            edge::Purpose::Consumer(key) | edge::Purpose::Producer(key) => Some(Address {
                text: key.text().into(),
                key,
            }),
            _ => None,
        };
        let attached = self.edge_session(core).is_some_and(|session| {
            let id = self.attach_with(number, session, role, [source, target], kind, credit);
            if let Some(link) = id.and_then(|id| self.link(id)) {
                link.address = address;
            }
            id.is_some()
        });
        if !attached {
            tracing::error!(
                target: "ROUTER_CORE",
                "[C{}] the peer takes too few sessions or links for an edge router", self.handle.number
            );
        }
    }

    fn edge_session(&mut self, core: bool) -> Option<SessionId> {
        let known = match core {
            true => self.edge.core,
            false => self.edge.endpoint,
        };
        if known.is_some() {
            return known;
        }
        let session = self.amqp.begin().ok()?;
        match core {
            true => self.edge.core = Some(session),
            false => self.edge.endpoint = Some(session),
        }
        Some(session)
    }

    /// Detaches a link of this router's.
    pub(super) fn detach_number(&mut self, number: u64) {
        if let Some(id) = self.by_number.get(&number).copied() {
            // The answer removes it; one that is gone needs none.
            let _ = self.amqp.detach(id, None);
        }
    }

    /// A session of this side's has ended: the next link begins another.
    pub(super) fn forget_edge_session(&mut self, session: SessionId) {
        for known in [&mut self.edge.endpoint, &mut self.edge.core] {
            known.take_if(|known| *known == session);
        }
    }

    /// An attach that only edge routers make; false: it is an ordinary one.
    pub(super) fn on_edge_attached(
        &mut self,
        id: LinkId,
        attach: &Attach,
        terminus: &Terminus,
    ) -> bool {
        // What is dynamic asks for no address of its own, and the policy has judged it so.
        let address = terminus.address.as_deref().filter(|_| !terminus.dynamic);
        let sending = attach.role == LinkRole::Receiver;
        let interior = self.settings.role == Role::Edge && self.handle.incoming;
        let between = self.settings.role == Role::InterEdge;
        match (address, sending) {
            (Some(TRACKING), true) if interior => self.begin_tracking(id, attach),
            (Some(MESH), false) if interior => self.take_messages(id, attach, Kind::Mesh),
            (Some(BIDS), false) if between => self.take_messages(id, attach, Kind::Bids),
            (Some(TRACKING | MESH), _) if interior => {
                let text = "This address has messages for the other direction only";
                self.refuse(id, "amqp:not-implemented", text);
            }
            // Messages between routers: nobody else is to read or to send them.
            (Some(TRACKING | MESH | BIDS), _) => {
                let text = "Connection does not support this endpoint";
                self.refuse(id, "qd:connection-role", text);
            }
            (Some(edge), true) if interior && terminus.has(DOWNLINK) => {
                let peer = self.handle.peer.get();
                if peer.is_none_or(|peer| peer.container != edge) {
                    self.refuse_downlink(id, edge);
                    return true;
                }
                let key = AddressKey::new(Class::Edge, edge);
                let number = self.context.numbers.link();
                let outstanding = self.add_destination(number, &key);
                self.answer(id, attach, None);
                let end = SenderEnd {
                    destination: Some(outstanding),
                    ..SenderEnd::default()
                };
                let address = Address {
                    text: edge.into(),
                    key,
                };
                let (name, end) = (attach.name.clone(), End::Sender(end));
                let link = Link::new(id, number, name, Kind::Downlink, end, Some(address));
                self.put_link(link);
            }
            _ => return false,
        }
        true
    }

    /// Makes a link to the peer a destination of an address.
    pub(super) fn add_destination(&mut self, link: u64, key: &AddressKey) -> Outstanding {
        let peer = self.handle.peer.get();
        let sink = LinkSink {
            connection: self.handle.clone(),
            link,
            streams: peer.is_some_and(|peer| self.streams_to(peer)),
        };
        let outstanding = Outstanding::default();
        let destination = Destination {
            id: link,
            sink: std::sync::Arc::new(sink),
            outstanding: outstanding.clone(),
            capacity: self.settings.capacity.into(),
            beyond: self.handle.beyond().map(|_| self.handle.clone()),
            apart: Apart::of(self.settings.role),
        };
        self.context
            .core
            .add_destination(key.clone(), destination, false);
        outstanding
    }

    /// Whether streams leave by links of their own, on which one does not wait for another. A router at the other end of a
    /// connection for clients has to read there whom they are for, which it cannot without the routers' section.
    fn streams_to(&self, peer: &Peer) -> bool {
        peer.streaming_links && !(self.settings.strip_out && peer.router)
    }

    /// Enters a link that the peer has attached.
    fn enter(&mut self, id: LinkId, attach: &Attach, kind: Kind, end: End, address: Address) {
        let number = self.context.numbers.link();
        let name = attach.name.clone();
        self.put_link(Link::new(id, number, name, kind, end, Some(address)));
    }

    fn begin_tracking(&mut self, id: LinkId, attach: &Attach) {
        self.answer(id, attach, None);
        let end = End::Sender(SenderEnd::default());
        self.enter(id, attach, Kind::Tracking, end, own_address(TRACKING));
        self.edge.tracking = Some(id);
        for told in self.edge.told.begin() {
            self.track(told);
        }
    }

    fn take_messages(&mut self, id: LinkId, attach: &Attach, kind: Kind) {
        self.answer(id, attach, None);
        self.grant(id, MESH_CREDIT);
        let end = End::Receiver(super::attach::receiver(Replenish::AtOnce));
        let address = if kind == Kind::Mesh { MESH } else { BIDS };
        self.enter(id, attach, kind, end, own_address(address));
    }

    /// The address of a producer at the edge router at the other end can be reached now, or cannot any more.
    pub(super) fn track_change(&mut self, link: u64, key: &AddressKey, reachable: bool) {
        if self.handle.purpose() == Purpose::Edge
            && let Some(told) = self.edge.told.changed(link, key, reachable)
        {
            self.track(told);
        }
    }

    /// A link that the peer or this router had attached is gone.
    pub(super) fn on_edge_detached(&mut self, id: LinkId, link: u64) {
        if self.edge.tracking == Some(id) {
            self.edge.tracking = None;
            self.edge.told.end();
        }
        if let Some(told) = self.edge.told.gone(link) {
            self.track(told);
        }
        let connection = self.handle.number;
        self.context
            .core
            .tell(CoreCommand::EdgeLinkLost { connection, link });
    }

    /// Tells the edge router at the other end whether an address of its producers has a destination.
    fn track(&mut self, (key, reachable): (AddressKey, bool)) {
        let Some(id) = self.edge.tracking else { return };
        let waiting = match self.link(id).map(|link| &link.end) {
            Some(End::Sender(sender)) => sender.queue.len(),
            _ => 0,
        };
        // Each change is told once; an edge router that takes none of them is asked to begin anew.
        if waiting > MOST_TRACKED + 2 * self.edge.told.reachable() {
            self.edge.tracking = None;
            self.edge.told.end();
            let text =
                "the changes of addresses are not taken: attach this link again and grant credit";
            return self.refuse(id, "amqp:resource-limit-exceeded", text);
        }
        let body = Value::List(vec![Value::String(key.to_string()), Value::Bool(reachable)]);
        let message = AmqpMessage {
            header: Some(Header::default()),
            body: Body::Value(body),
            ..AmqpMessage::default()
        };
        self.enqueue(id, whole(message.to_bytes()), None);
    }

    /// A whole message about addresses or meshes came; what becomes of it.
    pub(super) fn on_edge_message(&mut self, kind: Kind, payload: &Bytes) -> DeliveryState {
        let malformed = || {
            DeliveryState::rejected(Condition::new(
                names::DECODE_ERROR,
                "a message between edge routers cannot be read",
            ))
        };
        let Ok(message) = AmqpMessage::decode(payload) else {
            return malformed();
        };
        let connection = self.handle.number;
        let property = |name: &str| message.application_properties.as_ref()?.get(name);
        let name = |name: &str| {
            let text = property(name)?.as_str()?;
            (text.len() == mesh::ID_LEN).then(|| text.to_owned())
        };
        match kind {
            Kind::Tracking => {
                let Some((key, reachable)) = tracked(&message) else {
                    return malformed();
                };
                self.context.core.tell(CoreCommand::Tracked {
                    connection,
                    key,
                    reachable,
                });
            }
            Kind::Mesh => {
                let Some(id) = name("meshid") else {
                    return malformed();
                };
                self.handle.mesh.store(Some(std::sync::Arc::new(id.into())));
                self.context.core.tell(CoreCommand::MeshTold(connection));
            }
            _ => {
                let ordinal = property("ordinal").and_then(Value::as_i64);
                let (Some(ordinal), Some(id)) = (ordinal, name("id")) else {
                    return malformed();
                };
                let id = id.into();
                let bid = mesh::Bid { ordinal, id };
                self.context.core.tell(CoreCommand::Bid { connection, bid });
            }
        }
        DeliveryState::Accepted
    }

    /// The routers' section of a message that leaves this edge router.
    pub(super) fn edge_section(
        &self,
        annotations: &RouterAnnotations,
        section: &mut bytes::BytesMut,
    ) {
        if self.settings.role == Role::Edge {
            let mesh = self.context.dispatch.mesh.load();
            let mesh = mesh.as_ref().map(|mesh| &***mesh);
            annotations.write_untraced(mesh, section);
        } else {
            annotations.write_untraced(annotations.ingress_mesh.as_deref(), section);
        }
    }
}

/// The address of a node inside the router, as management shows it.
fn own_address(text: &str) -> Address {
    Address {
        text: text.into(),
        key: AddressKey::mobile(text),
    }
}

/// A whole message, not settled; what becomes of it nobody waits for.
pub(crate) fn whole(payload: Bytes) -> Consumer {
    let (producer, consumer) = pipe(Message::default());
    producer.push(payload);
    producer.complete(false);
    consumer
}

/// Address and state of a tracking message.
fn tracked(message: &AmqpMessage) -> Option<(AddressKey, bool)> {
    let Body::Value(Value::List(list)) = &message.body else {
        return None;
    };
    match list.as_slice() {
        [Value::String(key), Value::Bool(reachable)] => Some((AddressKey::parse(key)?, *reachable)),
        _ => None,
    }
}
