//! Deliveries that come by a connection (router protocol reference §6.1, §6.2).

use std::borrow::Cow;
use std::sync::Arc;

use skupper_amqp::connection::{Incoming, LinkId, SessionId};
use skupper_amqp::message::{AnnotationsError, Layout, RouterAnnotations, Section, flags};
use skupper_amqp::performative::names;
use skupper_amqp::{Condition, DeliveryState};
use skupper_management::entity::Role;
use skupper_routing::{AddressKey, Treatment};

use super::fields::{priority_of, to_of, user_of};
use super::links::{Address, Collecting, Current, End, Inbound, Kind, Octets, Replenish};
use super::message_log;
use super::onward::Onward;
use super::resend::Resend;
use super::task::Task;
use crate::core::CoreCommand;
use crate::core::dispatch::Undeliverable;
use crate::transit::block;
use crate::transit::inbox::Bell;
use crate::transit::message::{Message, Tried};
use crate::transit::pipe::{HIGH_WATER, Update, pipe};

/// An incomplete message of which more than this has come is passed on as it comes.
const MOST_COLLECTED: usize = 256 * 1024;
/// Octets of incomplete messages that are kept for one peer.
const MOST_COLLECTED_IN_ALL: usize = 32 * 1024 * 1024;
/// The sections that a decision needs have to be in so many octets.
const MOST_HEAD: usize = 64 * 1024;
/// Consumers inside the router take whole messages: one to an address that they share with others may be so long. A message to or
/// from the router itself may be so long, too.
const MOST_WHOLE: usize = 4 * 1024 * 1024;
/// Octets that wait for the slowest consumer of a multicast message: long, so that one who takes nothing for a while does not
/// hold the others up. The copies share them.
const MOST_MULTICAST: usize = 4 * 1024 * 1024;
/// Octets that wait for the consumer of a delivery that must not be held back: far more than a TCP flow's window. A
/// sender that has more under way does not keep to it.
const MOST_UNHELD: usize = 8 * 1024 * 1024;

/// What is to be done with a delivery whose front has come.
enum Verdict {
    /// More of it is needed.
    Wait,
    /// It goes no further.
    Refuse(DeliveryState),
    /// It goes on: to one destination of the address or to all.
    Forward {
        message: Message,
        key: AddressKey,
        used: usize,
        multicast: bool,
    },
}

impl Task {
    /// A transfer came.
    pub(super) fn on_transfer(&mut self, incoming: Incoming) {
        let Some(link) = self.link(incoming.link) else {
            return self.amqp.release(incoming.session, 1);
        };
        let End::Receiver(receiver) = &mut link.end else {
            return self.amqp.release(incoming.session, 1);
        };
        match std::mem::take(&mut receiver.current) {
            Current::Forwarding(token) => {
                if incoming.more {
                    receiver.current = Current::Forwarding(token);
                }
                self.forward_more(token, incoming);
            }
            Current::Discarding => {
                if incoming.more {
                    receiver.current = Current::Discarding;
                }
                self.amqp.release(incoming.session, 1);
            }
            Current::Idle => {
                link.counts.deliveries += 1;
                let user = matches!(link.kind, Kind::Endpoint | Kind::Stream);
                let counter = if incoming.settled {
                    &mut link.counts.presettled
                } else {
                    &mut link.counts.unsettled
                };
                *counter += 1;
                receiver.drained = receiver.drained.saturating_sub(1);
                if user {
                    self.handle.note_delivery();
                }
                let collecting = Collecting {
                    delivery: incoming.delivery,
                    format: incoming.message_format,
                    settled: incoming.settled,
                    octets: Octets::default(),
                };
                self.collect(collecting, incoming);
            }
            Current::Collecting(collecting) => {
                self.collected -= collecting.octets.as_slice().len();
                self.collect(collecting, incoming);
            }
        }
    }

    fn forward_more(&mut self, token: u32, incoming: Incoming) {
        let Incoming {
            link,
            session,
            payload,
            settled,
            more,
            aborted,
            ..
        } = incoming;
        let Some(inbound) = self.inbound.get_mut(token) else {
            return self.amqp.release(session, 1);
        };
        let mut hold = false;
        if !payload.is_empty() {
            let most = inbound.most;
            let payload = self.kept.more(&mut inbound.resend, payload);
            if more || aborted {
                let waiting = inbound.onward.push(payload);
                hold = waiting >= most && inbound.onward.must_wait(most);
            } else {
                inbound
                    .onward
                    .push_last(&payload, settled || inbound.settled);
            }
        }
        if hold {
            inbound.held += 1;
        } else {
            self.amqp.release(session, 1);
        }
        if aborted {
            inbound.onward.abort();
            return self.finish_inbound(token, None);
        }
        if !more {
            self.complete_inbound(token, link, settled);
        }
    }

    /// The last octet of a delivery that is passed on has come.
    fn complete_inbound(&mut self, token: u32, link: LinkId, settled: bool) {
        let Some(inbound) = self.inbound.get_mut(token) else {
            return;
        };
        inbound.complete = true;
        inbound.settled |= settled;
        inbound.onward.complete(inbound.settled);
        if inbound.owed {
            let delivery = inbound.delivery;
            let state = inbound.state.clone();
            // A link that is gone has settled all its deliveries.
            let _ = self.amqp.dispose(link, delivery, state.clone(), true);
            return self.finish_inbound(token, state.as_ref());
        }
        if inbound.settled {
            self.finish_inbound(token, None);
        }
    }

    /// Keeps octets until the delivery can be passed on.
    fn collect(&mut self, mut collecting: Collecting, incoming: Incoming) {
        let Incoming {
            link: id,
            session,
            payload,
            more,
            aborted,
            settled,
            ..
        } = incoming;
        self.amqp.release(session, 1);
        collecting.octets.push(payload);
        collecting.settled |= settled;
        if aborted {
            return self.settle_unforwarded(id, None, true);
        }
        let Some(link) = self.link(id) else { return };
        let kind = link.kind;
        if matches!(
            kind,
            Kind::Control | Kind::Tracking | Kind::Mesh | Kind::Bids
        ) {
            if more {
                if collecting.octets.as_slice().len() > MOST_WHOLE {
                    self.refuse(
                        id,
                        "amqp:link:message-size-exceeded",
                        "a control message is too long",
                    );
                    return;
                }
                return self.keep_collecting(id, collecting);
            }
            if kind == Kind::Control {
                return self.control_message(id, collecting);
            }
            let payload = collecting.octets.into_bytes();
            let state = self.on_edge_message(kind, &payload);
            return self.dispose_unforwarded(id, collecting.delivery, collecting.settled, state);
        }
        let asks = match &link.end {
            End::Receiver(receiver) => receiver.asks,
            End::Sender(_) => 0,
        };
        let address = link.address.clone();
        let verdict = self.examine(&collecting, address.as_ref(), asks, more);
        if matches!(verdict, Verdict::Forward { .. })
            && message_log::is_on(self.settings.components)
        {
            let head = collecting.octets.as_slice();
            let head = head.get(..message_log::MOST_HEAD).unwrap_or(head);
            let link = self.links.get(id.index()).and_then(Option::as_deref);
            message_log::tell(self.handle.number, link, head, self.settings.components);
        }
        match verdict {
            Verdict::Wait => self.keep_collecting(id, collecting),
            Verdict::Refuse(state) => self.refuse_delivery(id, collecting, state, more),
            Verdict::Forward {
                message,
                key,
                used,
                multicast: true,
            } => {
                let Collecting {
                    delivery,
                    settled,
                    octets,
                    ..
                } = collecting;
                let body = block::keep(octets.into_bytes().slice(used..));
                let copies = self.context.dispatch.multicast(&key, &message, &[body]);
                if copies.is_empty() {
                    self.count_dropped(id, settled);
                    return self.go_no_further(
                        id,
                        delivery,
                        settled,
                        DeliveryState::Released,
                        more,
                    );
                }
                let onward = Onward::copies(copies);
                self.follow(id, session, delivery, onward, None, settled, more);
            }
            Verdict::Forward {
                message,
                key,
                used,
                multicast: false,
            } => {
                self.begin_forwarding(id, session, collecting, message, &key, used, more);
            }
        }
    }

    fn keep_collecting(&mut self, id: LinkId, collecting: Collecting) {
        let octets = collecting.octets.as_slice().len();
        if self.collected + octets > MOST_COLLECTED_IN_ALL {
            let text = "32 MiB of deliveries that are begun and not completed wait here, and no more is taken: complete some first";
            return self.refuse(id, "amqp:resource-limit-exceeded", text);
        }
        self.collected += octets;
        if let Some(link) = self.link(id)
            && let End::Receiver(receiver) = &mut link.end
        {
            receiver.current = Current::Collecting(collecting);
        }
    }

    fn control_message(&mut self, id: LinkId, collecting: Collecting) {
        let connection = self.handle.number;
        let Collecting {
            delivery,
            settled,
            octets,
            ..
        } = collecting;
        let payload = block::keep(octets.into_bytes());
        if self.handle.may_control(payload.len()) {
            self.context.core.tell(CoreCommand::Control {
                connection,
                payload,
            });
        } else {
            // The protocol repeats what matters; a peer that floods must not take the router's memory.
            tracing::warn!(
                target: "ROUTER_CORE",
                "[C{connection}] control message dropped: the peer sends more of them than can be handled"
            );
        }
        self.dispose_unforwarded(id, delivery, settled, DeliveryState::Accepted);
    }

    /// Says what became of a whole delivery that was not put into a pipe of its own.
    fn dispose_unforwarded(
        &mut self,
        id: LinkId,
        delivery: u32,
        settled: bool,
        state: DeliveryState,
    ) {
        if !settled {
            // A link that is gone has settled all its deliveries.
            let _ = self.amqp.dispose(id, delivery, Some(state.clone()), true);
        }
        self.settle_unforwarded(id, Some(&state), settled);
    }

    /// Counts a delivery that reached nobody, if its sender does not hear of it.
    fn count_dropped(&mut self, id: LinkId, settled: bool) {
        if let Some(link) = self.link(id)
            && settled
        {
            link.counts.dropped += 1;
        }
    }

    /// Counts an outcome and gives the credit back.
    fn settle_unforwarded(&mut self, id: LinkId, state: Option<&DeliveryState>, settled: bool) {
        if let Some(link) = self.link(id)
            && !settled
        {
            link.counts.settled(state);
        }
        self.replenish(id);
    }

    /// A delivery goes no further.
    fn refuse_delivery(
        &mut self,
        id: LinkId,
        collecting: Collecting,
        state: DeliveryState,
        more: bool,
    ) {
        let Collecting {
            delivery, settled, ..
        } = collecting;
        self.go_no_further(id, delivery, settled, state, more);
    }

    /// What has come of a delivery is all that is wanted.
    fn go_no_further(
        &mut self,
        id: LinkId,
        delivery: u32,
        settled: bool,
        state: DeliveryState,
        more: bool,
    ) {
        if more
            && let Some(link) = self.link(id)
            && let End::Receiver(receiver) = &mut link.end
        {
            receiver.current = Current::Discarding;
        }
        self.dispose_unforwarded(id, delivery, settled, state);
    }

    #[allow(clippy::too_many_arguments, reason = "the parts of one delivery")]
    fn begin_forwarding(
        &mut self,
        id: LinkId,
        session: SessionId,
        collecting: Collecting,
        message: Message,
        key: &AddressKey,
        used: usize,
        more: bool,
    ) {
        let Collecting {
            delivery,
            settled,
            octets,
            ..
        } = collecting;
        let body = octets.into_bytes().slice(used..);
        let mut resend = (message.is_resent() && !settled).then(Box::default);
        let body = self.kept.more(&mut resend, body);
        let (producer, consumer) = pipe(message);
        producer.push(body);
        if !more {
            producer.complete(settled);
        }
        if self.settings.role == Role::RouteContainer {
            self.context.dispatch.uses.count_from_container(key);
        }
        let way = match self.context.dispatch.send(key, consumer) {
            Ok(way) => way,
            Err((why, consumer)) => {
                self.count_dropped(id, settled);
                consumer.settle(why.state());
                None
            }
        };
        match (&mut resend, way) {
            (Some(resend), Some(way)) => resend.went(key, way),
            _ => self.kept.forget(resend.take()),
        }
        let onward = Onward::One(producer);
        self.follow(id, session, delivery, onward, resend, settled, more);
    }

    /// Follows a delivery that was passed on until it is settled.
    #[allow(clippy::too_many_arguments, reason = "the parts of one delivery")]
    fn follow(
        &mut self,
        id: LinkId,
        session: SessionId,
        delivery: u32,
        onward: Onward,
        resend: Option<Box<Resend>>,
        settled: bool,
        more: bool,
    ) {
        let at_once = match self.link(id).map(|link| &link.end) {
            Some(End::Receiver(receiver)) => receiver.replenish == Replenish::AtOnce,
            _ => false,
        };
        if at_once || settled {
            self.replenish(id);
        }
        if settled && !more {
            return;
        }
        let most = most_waiting(&onward);
        let token = self.inbound.insert(Inbound {
            onward,
            link: id,
            session,
            delivery,
            complete: !more,
            settled,
            owed: false,
            state: None,
            held: 0,
            most,
            owes_credit: !(at_once || settled),
            resend,
        });
        self.amqp.tag_delivery(id, delivery, token.into());
        let bell = self.handle.clone() as Arc<dyn Bell>;
        if let Some(inbound) = self.inbound.get_mut(token) {
            inbound.onward.bind(&bell, token * 2 + 1);
        }
        if more
            && let Some(link) = self.link(id)
            && let End::Receiver(receiver) = &mut link.end
        {
            receiver.current = Current::Forwarding(token);
        }
        // It may have been answered before the bell was there.
        self.attend_inbound(token);
    }

    /// The consumer of a delivery that came has moved.
    pub(super) fn attend_inbound(&mut self, token: u32) {
        let Some(inbound) = self.inbound.get_mut(token) else {
            return;
        };
        let mut update = inbound.onward.take_update();
        if self.resend(token, &update) {
            // What follows is told of the destination that it goes to now.
            update = Update::default();
        }
        let Some(inbound) = self.inbound.get_mut(token) else {
            return;
        };
        if inbound.held > 0 && !inbound.onward.must_wait(inbound.most) {
            self.amqp
                .release(inbound.session, std::mem::take(&mut inbound.held));
        }
        if inbound.settled {
            // The sender wants to know nothing any more.
            return;
        }
        let (id, delivery) = (inbound.link, inbound.delivery);
        let settle = update.settled && inbound.complete;
        inbound.owed = update.settled && !inbound.complete;
        let news = update.state.is_some();
        inbound.state = update.state.or(inbound.state.take());
        let state = inbound.state.clone();
        if news || settle {
            // A link that is gone has settled all its deliveries.
            let _ = self.amqp.dispose(id, delivery, state.clone(), settle);
        }
        if settle {
            self.finish_inbound(token, state.as_ref());
        }
    }

    /// The sender settled, or told its own state, which changes nothing here.
    pub(super) fn on_sender_settled(&mut self, token: u32, delivery: u32, settled: bool) {
        if !settled {
            return;
        }
        let Some(inbound) = self.inbound.get_mut(token) else {
            return;
        };
        if inbound.delivery != delivery {
            return;
        }
        inbound.settled = true;
        inbound.onward.settle();
        if inbound.complete {
            self.finish_inbound(token, None);
        }
    }

    /// A delivery that came is over.
    fn finish_inbound(&mut self, token: u32, state: Option<&DeliveryState>) {
        let Some(inbound) = self.inbound.remove(token) else {
            return;
        };
        if inbound.held > 0 {
            self.amqp.release(inbound.session, inbound.held);
        }
        self.kept.forget(inbound.resend);
        let id = inbound.link;
        let Some(link) = self.link(id) else { return };
        link.counts.settled(state);
        if inbound.owes_credit {
            self.replenish(id);
        }
    }

    /// Gives the credit of one delivery back, unless the link's address cannot be reached.
    fn replenish(&mut self, id: LinkId) {
        let edge = self.is_edge();
        let Some(link) = self.link(id) else { return };
        let End::Receiver(receiver) = &mut link.end else {
            return;
        };
        if receiver.open || edge {
            // A link that is gone needs no credit.
            let _ = self.amqp.grant(id, 1);
        } else {
            receiver.withheld += 1;
        }
    }

    /// Decides on a delivery by what of it has come.
    fn examine(
        &self,
        collecting: &Collecting,
        address: Option<&Address>,
        asks: u32,
        more: bool,
    ) -> Verdict {
        let octets = collecting.octets.as_slice();
        let wait_or = |state: DeliveryState| match more && octets.len() < MOST_HEAD {
            true => Verdict::Wait,
            false => Verdict::Refuse(state),
        };
        let (mut annotations, used) = match RouterAnnotations::parse(octets) {
            Ok(found) => found.unwrap_or_default(),
            Err(AnnotationsError::Incomplete) => return wait_or(malformed()),
            Err(error) => {
                let condition = Condition::new(names::INVALID_FIELD, error.to_string());
                return Verdict::Refuse(DeliveryState::rejected(condition));
            }
        };
        if self.settings.strip_in {
            annotations = RouterAnnotations::default();
        }
        annotations.flags |= asks;
        let addressed = address.is_some() || annotations.to_override.is_some();
        // What a message says of itself is looked at where somebody has to.
        let plain = addressed && !self.looks_at_user();
        let (layout, known) = match Layout::scan(octets) {
            Ok(layout) if plain => {
                let known = layout.passed(Section::Header);
                (layout, known)
            }
            Ok(layout) => {
                let known = layout.passed(Section::Properties);
                (layout, known)
            }
            // Whom it is for is known, and what it is like is its consumer's concern (§6.1).
            Err(_) if plain => (Layout::default(), true),
            Err(_) => return Verdict::Refuse(malformed()),
        };
        if !known && more {
            return wait_or(malformed());
        }
        let forwarding = self.context.dispatch.forwarding.load();
        let edge = self.context.dispatch.edge;
        if !edge && annotations.trace.len() > forwarding.table.radius() as usize + 1 {
            // It has passed more routers than there are: it goes round in circles.
            return Verdict::Refuse(DeliveryState::Released);
        }
        let naming = &self.context.dispatch.naming;
        let own_to = match (address, &annotations.to_override) {
            (Some(_), _) => None,
            (None, Some(to)) => Some(Cow::Borrowed(to.as_str())),
            (None, None) => to_of(octets, &layout).map(Cow::Owned),
        };
        let user = || user_of(octets, &layout);
        if let Some(state) = self.refuses_message(own_to.as_deref(), user) {
            return Verdict::Refuse(state);
        }
        let key = match address {
            Some(address) => Some(address.key.clone()),
            None => own_to.map(|to| naming.key(&to)),
        };
        if let Some(address) = address {
            annotations.to_override = Some(address.text.to_string());
        }
        let Some(key) = key else {
            let text = "Routing failure: no address present";
            let condition = Condition::new(names::PRECONDITION_FAILED, text);
            return Verdict::Refuse(DeliveryState::rejected(condition));
        };
        let (treatment, priority) = self.context.dispatch.treated(&forwarding, &key);
        let multicast = treatment == Treatment::Multicast && key.is_synchronised();
        if multicast && annotations.flags & flags::EARLY != 0 {
            return Verdict::Refuse(Undeliverable::TooEarly.state());
        }
        let streaming = more;
        if more {
            let flagged = annotations.flags & flags::STREAMING != 0;
            let locals = forwarding.locals.get(&key);
            let whole = multicast && locals.is_some_and(|local| !local.in_process.is_empty());
            if whole && octets.len() > MOST_WHOLE {
                let text = "the message is longer than 4 MiB, and a consumer inside the router takes whole messages";
                let condition = Condition::new(names::MESSAGE_SIZE_EXCEEDED, text);
                return Verdict::Refuse(DeliveryState::rejected(condition));
            }
            if whole || (!flagged && octets.len() <= MOST_COLLECTED) {
                return Verdict::Wait;
            }
        }
        let priority = priority.unwrap_or_else(|| priority_of(octets, &layout));
        let message = Message {
            annotations,
            presettled: collecting.settled,
            streaming,
            priority,
            format: collecting.format,
            came_by: self.is_edge().then(|| self.handle.clone()),
            tried: Tried::default(),
            administers: self.administers(),
        };
        Verdict::Forward {
            message,
            key,
            used,
            multicast,
        }
    }
}

fn most_waiting(onward: &Onward) -> usize {
    match onward {
        Onward::One(producer) => match producer.message().annotations.flags & flags::Q2_DISABLED {
            0 => HIGH_WATER,
            _ => MOST_UNHELD,
        },
        Onward::Copies(_) => MOST_MULTICAST,
    }
}

fn malformed() -> DeliveryState {
    DeliveryState::rejected(Condition::new(
        names::DECODE_ERROR,
        "invalid message format",
    ))
}
