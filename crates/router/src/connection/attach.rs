//! Opening a connection and attaching its links (router protocol reference §1.3–§1.6, §2).

use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use skupper_amqp::connection::{Initiator, LinkId, SessionId};
use skupper_amqp::message::flags;
use skupper_amqp::performative::SenderSettle;
use skupper_amqp::{Attach, Open, Role as LinkRole, Symbol, Terminus};
use skupper_management::entity::Role;
use skupper_routing::Treatment;
use skupper_routing::address::Class;

use super::describe::Peer;
use super::edge::DOWNLINK;
use super::handle::{Command, LinkSink, Purpose};
use super::links::{Address, Current, End, Kind, Link, ReceiverEnd, Replenish, SenderEnd};
use super::outgoing::MOST_POOLED;
use super::task::{Control, Task};
use crate::core::CoreCommand;
use crate::core::forwarding::Sink;
use crate::event::Event;
use crate::random;
use crate::tcp::Watch;
use crate::transit::message::HIGHEST_PRIORITY;

const ROUTER: &str = "qd.router";
const ROUTER_DATA: &str = "qd.router-data";
const INTERIOR_AT_EDGE_PORT: &str = "this port is for edge routers and the peer is an interior router: let it connect to this router's inter-router port, or run it in mode edge";
/// What a router is told that takes this one, which is of another network, for one of its own.
const ROUTER_AT_NETWORK_PORT: &str = "this port is for routers of other networks (role inter-network) and the peer takes this router for one of its own: let it connect to a port of the role inter-router or edge, or give its connector the role inter-network";
/// What another network is told that asks for what is addressed to it, where such addresses are this network's.
const NO_OTHER_NETWORK: &str = "the address is of this router's own network, or that has no name and takes all for its own: give each of the two networks a networkId of its own";
/// What is told who would get what is on its way to another router.
const ANOTHER_ROUTERS: &str = "the address is of another router, which alone gets what is sent to it: let that router's own clients have it, or use an address without _topo";
/// Data links of each direction on a control connection: one for each priority.
const PRIORITIES: u8 = HIGHEST_PRIORITY + 1;
/// Free streaming links that are looked at for one that is at rest.
const MOST_LOOKED_AT: usize = 8;
/// Length of the random part of a link's name.
const NAME: usize = 15;
const NAME_CHARACTERS: &[u8; 64] =
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+_";

impl Task {
    /// The peer has opened the connection.
    pub(super) fn on_opened(&mut self, open: &Open, now: Duration) {
        let between_routers = self.settings.is_router() || self.is_edge();
        if between_routers && open.container_id == self.context.dispatch.me.as_str() {
            return self.not_allowed(
                "the peer has this router's own id: a router cannot be linked to itself, and two routers of a network cannot have one id",
                now,
            );
        }
        if !self.is_admitted(open, now) {
            return;
        }
        // Where this side waited for the peer, its open goes before anything that is begun or attached.
        self.amqp.answer_open(self.terms());
        let incoming = self.handle.incoming;
        let address = self.settings.address.clone();
        let mut peer = Peer::read(open, self.settings.cost, incoming, address);
        peer.data |= self.settings.data;
        if let Some((correlator, ordinal)) = &self.settings.group {
            peer.correlator = Some(correlator.to_string());
            peer.group_ordinal = *ordinal;
        }
        peer.user = self.settings.user.clone();
        peer.mechanism = self.amqp.mechanism().map(ToString::to_string);
        let agreed = self.transport().agreed();
        peer.tls = agreed.map(|agreed| (agreed.version.clone(), agreed.suite.clone()));
        // The record was there to explain a failure.
        drop(self.transport().take_record());
        tracing::info!(target: "SERVER", "{}", peer.opening(&self.handle));
        let data = peer.data;
        self.handle.introduce(peer);
        if between_routers {
            self.context
                .core
                .tell(CoreCommand::Opened(self.handle.clone()));
            if self.settings.is_router() && !incoming && !data {
                // It is in use when the control link is up.
                return self.attach_router_links();
            }
        }
        self.establish();
    }

    /// The connection is in use from now on.
    fn establish(&mut self) {
        self.established = true;
        self.handle.set_established();
        self.context
            .events
            .tell(Event::ConnectionOpened(self.handle.clone()));
        self.attach_auto_links();
    }

    /// A connector attaches all links between two routers; the listener answers.
    fn attach_router_links(&mut self) {
        let attached = self.attach_pair(ROUTER, Kind::Control).is_some()
            && (0..PRIORITIES).all(|priority| {
                self.attach_pair(ROUTER_DATA, Kind::Data(priority))
                    .is_some()
            });
        if !attached {
            tracing::error!(
                target: "ROUTER_CORE",
                "[C{}] the peer takes too few sessions or links for a link between routers", self.handle.number
            );
        }
    }

    fn attach_pair(&mut self, capability: &'static str, kind: Kind) -> Option<()> {
        let session = self.amqp.begin().ok()?;
        let receiver = self.attach_own(session, LinkRole::Receiver, Some(capability), kind)?;
        let sender = self.attach_own(session, LinkRole::Sender, Some(capability), kind)?;
        match kind {
            Kind::Control => {
                self.control.receiver = Some(receiver);
                self.control.sender = Some(sender);
            }
            _ => self.data.push(sender),
        }
        Some(())
    }

    /// Attaches an anonymous link of this router's.
    fn attach_own(
        &mut self,
        session: SessionId,
        role: LinkRole,
        capability: Option<&'static str>,
        kind: Kind,
    ) -> Option<LinkId> {
        let terminus = Terminus {
            expiry_policy: Some(Symbol::from_static("link-detach")),
            capabilities: capability.map(Symbol::from_static).into_iter().collect(),
            ..Terminus::default()
        };
        let number = self.context.numbers.link();
        let credit = self.settings.capacity;
        self.attach_with(
            number,
            session,
            role,
            [terminus.clone(), terminus],
            kind,
            credit,
        )
    }

    /// Attaches a link of this router's with a source and a target.
    pub(super) fn attach_with(
        &mut self,
        number: u64,
        session: SessionId,
        role: LinkRole,
        [source, target]: [Terminus; 2],
        kind: Kind,
        credit: u32,
    ) -> Option<LinkId> {
        let name = link_name();
        let attach = Attach::new(name.clone(), role, source, target);
        let id = self.amqp.attach(session, attach).ok()?;
        let end = match role {
            LinkRole::Sender => End::Sender(SenderEnd::default()),
            LinkRole::Receiver => {
                // Sent with the peer's answer.
                self.grant(id, credit);
                End::Receiver(receiver(Replenish::AtOnce))
            }
        };
        self.put_link(Link::new(id, number, name, kind, end, None));
        Some(id)
    }

    /// The streaming link that has been free for longest of those where the peer is done with what went over them before:
    /// upstream's router does not see a stream that comes while it still has octets of the last one on that link to deliver. That
    /// all credit is back says so.
    fn pooled(&mut self) -> Option<LinkId> {
        let first = self.pool.iter().take(MOST_LOOKED_AT);
        let at_rest = first.copied().position(|id| {
            let credit = self.amqp.credit(id);
            let link = self.links.get(id.index()).and_then(Option::as_deref);
            link.filter(|link| link.id == id)
                .is_some_and(|link| match &link.end {
                    End::Sender(sender) => {
                        link.counts.unsettled == 0 && credit >= sender.most_credit
                    }
                    End::Receiver(_) => false,
                })
        });
        match at_rest {
            Some(at) => self.pool.remove(at),
            // A peer that keeps credit back, or is slow: the oldest on which nothing is left to be settled has to do.
            None if self.pool.len() >= MOST_POOLED => {
                let first = self.pool.iter().take(MOST_POOLED);
                let settled = first.copied().position(|id| {
                    let link = self.links.get(id.index()).and_then(Option::as_deref);
                    link.is_some_and(|link| link.counts.unsettled == 0)
                });
                self.pool.remove(settled.unwrap_or(0))
            }
            None => None,
        }
    }

    /// A free streaming link, or a new one.
    pub(super) fn stream_link(&mut self) -> Option<LinkId> {
        let id = match self.pooled() {
            Some(id) => id,
            None => {
                let known = self.stream_session;
                let session = match known.filter(|session| self.amqp.has_handle(*session)) {
                    Some(session) => session,
                    None => *self.stream_session.insert(self.amqp.begin().ok()?),
                };
                let control = self.handle.purpose() == Purpose::Router;
                let capability = control.then_some(ROUTER_DATA);
                self.attach_own(session, LinkRole::Sender, capability, Kind::Stream)?
            }
        };
        if let Some(link) = self.link(id)
            && let End::Sender(sender) = &mut link.end
        {
            sender.streaming = true;
            self.handle.stream_began();
        }
        Some(id)
    }

    /// The data link of a priority, else of the next lower one.
    pub(super) fn data_link(&self, priority: u8) -> Option<LinkId> {
        let last = self.data.len().checked_sub(1)?;
        self.data.get(usize::from(priority).min(last)).copied()
    }

    /// The peer told its credit.
    pub(super) fn on_flow(&mut self, id: LinkId, drain: bool) {
        let credit = self.amqp.credit(id);
        if let Some(link) = self.link(id)
            && let End::Sender(sender) = &mut link.end
        {
            sender.draining = drain;
            sender.most_credit = sender.most_credit.max(credit);
        }
        self.note_credit(id);
        self.mark_ready(id);
        self.look_at_control();
    }

    /// Notes that both control links are there and this router may send by its own.
    fn look_at_control(&mut self) {
        let Control {
            sender: Some(sender),
            receiver: Some(_),
            up: false,
        } = self.control
        else {
            return;
        };
        if self.amqp.credit(sender) > 0 {
            self.control.up = true;
            self.context
                .core
                .tell(CoreCommand::ControlUp(self.handle.number));
            if !self.established {
                self.establish();
            }
        }
    }

    /// The address of a producer can be reached now, or cannot any more.
    pub(super) fn on_reachable(&mut self, number: u64, reachable: bool) {
        let Some(id) = self.by_number.get(&number).copied() else {
            return;
        };
        let edge = self.is_edge();
        let Some(link) = self.link(id) else { return };
        let key = link.address.as_ref().map(|address| address.key.clone());
        let End::Receiver(receiver) = &mut link.end else {
            return;
        };
        if std::mem::replace(&mut receiver.open, reachable) == reachable {
            return;
        }
        if reachable {
            // What it was asked to give back and still has is not owed, and it may keep that now.
            let owed = std::mem::take(&mut receiver.withheld);
            self.grant(id, owed);
        } else if !edge {
            // The peer uses what it has or gives it back. An edge router keeps its credit: what it has on its way is released
            // here.
            let _ = self.amqp.drain(id);
        }
        if let Some(key) = key {
            self.track_change(number, &key, reachable);
        }
    }

    /// An attach came.
    pub(super) fn on_attached(&mut self, id: LinkId, by: Initiator, attach: Attach, now: Duration) {
        if by == Initiator::Local {
            return self.on_auto_link_answered(id, &attach);
        }
        let terminus = match attach.role {
            LinkRole::Sender => attach.target.as_ref(),
            LinkRole::Receiver => attach.source.as_ref(),
        };
        // None at all is an anonymous one, as at upstream's.
        let terminus = terminus.cloned().unwrap_or_default();
        if terminus.has(ROUTER) || terminus.has(ROUTER_DATA) {
            if self.is_edge() && self.handle.incoming {
                // Both would wait for ever: this side for edge links, the peer for a HELLO.
                return self.not_allowed(INTERIOR_AT_EDGE_PORT, now);
            }
            if self.settings.role == Role::InterNetwork {
                return self.not_allowed(ROUTER_AT_NETWORK_PORT, now);
            }
            return self.on_router_link(id, &attach, terminus.has(ROUTER));
        }
        let data = self.handle.peer.get().is_some_and(|peer| peer.data);
        if self.settings.is_router() && !data && !self.control.up {
            return self.refuse(
                id,
                "qd:connection-role",
                "Link attach forbidden on inter-router connection",
            );
        }
        if self.settings.role == Role::InterNetwork && terminus.has(DOWNLINK) {
            return self.not_allowed(ROUTER_AT_NETWORK_PORT, now);
        }
        if !self.may_attach(id, &attach) {
            return;
        }
        if self.on_edge_attached(id, &attach, &terminus) {
            return;
        }
        if terminus.coordinator {
            return self.refuse(id, "amqp:not-implemented", "Transactions are not supported");
        }
        match attach.role {
            LinkRole::Sender => self.accept_producer(id, attach, terminus, data),
            LinkRole::Receiver => self.accept_consumer(id, attach, terminus),
        }
    }

    /// A control or data link of another router.
    fn on_router_link(&mut self, id: LinkId, attach: &Attach, control: bool) {
        if !self.settings.is_router() {
            return self.refuse(id, "qd:forbidden", "Connectivity to the node is forbidden");
        }
        let sending = attach.role == LinkRole::Receiver;
        let kind = match (control, sending) {
            (true, _) => Kind::Control,
            (false, true) => Kind::Data(self.data.len().min(usize::from(PRIORITIES)) as u8),
            (false, false) => {
                self.data_in = self.data_in.saturating_add(1);
                if self.data_in <= PRIORITIES {
                    Kind::Data(self.data_in - 1)
                } else {
                    Kind::Stream
                }
            }
        };
        let known = if sending {
            self.control.sender
        } else {
            self.control.receiver
        };
        if control && known.is_some() {
            return self.refuse(
                id,
                "amqp:not-allowed",
                "the connection has a control link already",
            );
        }
        self.answer(id, attach, None);
        let end = if sending {
            End::Sender(SenderEnd::default())
        } else {
            self.grant(id, self.settings.capacity);
            End::Receiver(receiver(Replenish::AtOnce))
        };
        let number = self.context.numbers.link();
        let name = attach.name.clone();
        self.put_link(Link::new(id, number, name, kind, end, None));
        match (control, sending) {
            (true, true) => self.control.sender = Some(id),
            (true, false) => self.control.receiver = Some(id),
            (false, true) => self.data.push(id),
            (false, false) => {}
        }
        // The peer's credit may have come before its own attach.
        self.look_at_control();
    }

    /// A producer attaches: deliveries will come.
    fn accept_producer(&mut self, id: LinkId, attach: Attach, target: Terminus, data: bool) {
        let text = match (target.dynamic, target.address.as_deref()) {
            (true, _) => Some(format!("_${}", random_name("temp."))),
            (false, Some("") | None) => None,
            (false, Some(text)) => Some(text.to_owned()),
        };
        let dynamic = target.dynamic.then(|| text.clone()).flatten();
        let address = text.map(|text| self.address(&text));
        if let Some(address) = &address
            && self.context.dispatch.treatment(&address.key) == Treatment::Unavailable
        {
            return self.refuse(id, "amqp:not-found", "Node not found");
        }
        self.answer(
            id,
            &attach,
            dynamic.map(|address| format!("amqp:/{address}")),
        );
        let number = self.context.numbers.link();
        let mut end = self.producer(number, address.as_ref());
        end.asks = asks(&target);
        if end.open {
            self.grant(id, self.settings.capacity);
        }
        let kind = if data { Kind::Stream } else { Kind::Endpoint };
        let (name, end) = (attach.name, End::Receiver(end));
        self.put_link(Link::new(id, number, name, kind, end, address));
    }

    /// This router's end of the link of a producer to an address: with that address's first destination it is given credit.
    pub(super) fn producer(&mut self, number: u64, address: Option<&Address>) -> ReceiverEnd {
        let mut end = receiver(if self.is_edge() {
            Replenish::AtOnce
        } else {
            Replenish::AtSettlement
        });
        if let Some(address) = address.filter(|address| !is_local(address)) {
            end.open = false;
            end.withheld = self.settings.capacity;
            let handle = self.handle.clone();
            let edge = (self.handle.purpose() == Purpose::Edge).then(|| self.handle.clone());
            let watch = Watch::of_edge(address.key.clone(), edge, move |reachable| {
                // A connection that has ended needs no telling.
                drop(handle.send(Command::Reachable {
                    link: number,
                    reachable,
                }));
            });
            self.context.core.watch(watch.clone());
            end.watch = Some(watch);
        }
        end
    }

    /// A consumer attaches: it becomes a destination.
    fn accept_consumer(&mut self, id: LinkId, attach: Attach, source: Terminus) {
        let number = self.context.numbers.link();
        let mut end = SenderEnd {
            settles: attach.snd_settle_mode == SenderSettle::Settled,
            ..SenderEnd::default()
        };
        let mut assigned = None;
        let address = if source.dynamic {
            let sink = LinkSink {
                connection: self.handle.clone(),
                link: number,
                streams: false,
            };
            let reply = self
                .context
                .dispatch
                .replies
                .bind(Arc::new(sink) as Arc<dyn Sink>);
            let text = self.context.dispatch.reply_address(reply.name());
            end.reply = Some(reply);
            assigned = Some(text.clone());
            self.address(&text)
        } else {
            let Some(text) = source.address.as_deref().filter(|text| !text.is_empty()) else {
                return self.refuse(
                    id,
                    "qd:no-route-to-dest",
                    "No route to the destination node",
                );
            };
            let own = || self.context.dispatch.naming().is_in_own_network(text);
            if self.settings.role == Role::InterNetwork && own() {
                return self.refuse(id, "qd:no-route-to-dest", NO_OTHER_NETWORK);
            }
            let address = self.address(text);
            if address.key.class() == Class::Router {
                return self.refuse(id, "qd:no-route-to-dest", ANOTHER_ROUTERS);
            }
            // Edge routers have links of another kind for what is for them.
            if address.key.class() == Class::Edge {
                return self.refuse_edges(id, address.key.text());
            }
            if self.context.dispatch.treatment(&address.key) == Treatment::Unavailable {
                return self.refuse(id, "amqp:not-found", "Node not found");
            }
            end.destination = Some(self.add_destination(number, &address.key));
            address
        };
        self.answer(id, &attach, assigned);
        let (name, end, address) = (attach.name, End::Sender(end), Some(address));
        self.put_link(Link::new(id, number, name, Kind::Endpoint, end, address));
    }

    pub(super) fn address(&self, text: &str) -> Address {
        Address {
            text: text.into(),
            key: self.context.dispatch.key(text),
        }
    }

    /// Answers an attach with the peer's own termini, an address that was made up filled in.
    pub(super) fn answer(&mut self, id: LinkId, attach: &Attach, assigned: Option<String>) {
        let answer = |terminus: &Option<Terminus>, named: bool| {
            let mut terminus = terminus.clone().unwrap_or_default();
            if named && let Some(address) = &assigned {
                terminus.address = Some(address.clone());
            }
            terminus.expiry_policy = Some(Symbol::from_static("session-end"));
            Some(terminus)
        };
        let producing = attach.role == LinkRole::Sender;
        // Zero for any length.
        let most = match &self.policed {
            Some(policed) if producing && policed.grant.max_message_size != u64::MAX => {
                policed.grant.max_message_size
            }
            _ => 0,
        };
        let source = answer(&attach.source, !producing);
        let target = answer(&attach.target, producing);
        // A link that is gone needs no answer.
        let _ = self.amqp.accept(id, source, target, most);
    }
}

/// Whether an address is this router's own and always has a destination, or is answered when it has none.
fn is_local(address: &Address) -> bool {
    !address.key.is_synchronised()
}

/// What a producer's terminus asks for each of its deliveries (§2.9).
fn asks(target: &Terminus) -> u32 {
    let asked = [
        ("qd.streaming-deliveries", flags::STREAMING),
        ("qd.resend-released", flags::RESEND_RELEASED),
    ];
    let asked = asked
        .iter()
        .filter(|(capability, _)| target.has(capability));
    asked.fold(0, |asks, (_, flag)| asks | flag)
}

pub(super) fn receiver(replenish: Replenish) -> ReceiverEnd {
    ReceiverEnd {
        replenish,
        current: Current::Idle,
        watch: None,
        withheld: 0,
        open: true,
        asks: 0,
    }
}

fn link_name() -> String {
    random_name("qdlink.")
}

fn random_name(prefix: &str) -> String {
    let mut rng = random::rng();
    let mut name = String::with_capacity(prefix.len() + NAME);
    name.push_str(prefix);
    for _ in 0..NAME {
        let at = rng.random_range(0..NAME_CHARACTERS.len());
        name.push(char::from(NAME_CHARACTERS[at]));
    }
    name
}
