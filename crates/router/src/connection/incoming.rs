//! Deliveries that come by a connection (router protocol reference §6.1, §6.2): what of each is collected, what is decided on it
//! ([`verdict`]), and how it is followed once it is passed on ([`follow`]).

mod follow;
mod verdict;

use skupper_amqp::DeliveryState;
use skupper_amqp::connection::{Incoming, LinkId};

use super::links::{Collecting, Current, End, Kind, Octets, age};
use super::message_log;
use super::onward::Onward;
use super::pace::Outcome;
use super::task::Task;
use crate::core::CoreCommand;
use crate::transit::block;
use follow::Arrived;
use verdict::Verdict;

/// Octets of incomplete messages that are kept for one peer.
const MOST_COLLECTED_IN_ALL: usize = 32 * 1024 * 1024;
/// Consumers inside the router take whole messages: one to an address that they share with others may be so long. A message to or
/// from the router itself may be so long, too.
const MOST_WHOLE: usize = 4 * 1024 * 1024;

impl Task {
    /// A transfer came.
    pub(super) fn on_transfer(&mut self, incoming: Incoming) {
        self.came += incoming.payload.len() as u64;
        let (credit, now) = (self.amqp.credit(incoming.link), self.moment);
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
                link.pace.credit(credit, now);
                let counter = if incoming.settled {
                    &mut link.counts.presettled
                } else {
                    &mut link.counts.unsettled
                };
                *counter += 1;
                self.handle.note_delivery(now);
                let collecting = Collecting {
                    delivery: incoming.delivery,
                    came: now,
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
        let settles = settled && !std::mem::replace(&mut collecting.settled, settled);
        let Some(link) = self.link(id) else { return };
        if settles {
            link.counts.settled(None);
        }
        let kind = link.kind;
        if aborted {
            return self.settle_unforwarded(id, None, collecting.settled);
        }
        if matches!(
            kind,
            Kind::Control | Kind::Tracking | Kind::Mesh | Kind::Bids
        ) {
            if more {
                // A control message may be as long as what is kept for one peer: it names all addresses of a router.
                if kind != Kind::Control && collecting.octets.as_slice().len() > MOST_WHOLE {
                    self.refuse(
                        id,
                        "amqp:link:message-size-exceeded",
                        "a message between edge routers is too long",
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
                let dispatch = &self.context.dispatch;
                let copies = dispatch.multicast(&key, &message, &[body]);
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
                let arrived = Arrived {
                    link: id,
                    session,
                    delivery,
                    age: age(&message),
                    settled,
                    more,
                };
                self.follow(arrived, Onward::copies(copies), None);
            }
            Verdict::Forward {
                message,
                key,
                used,
                multicast: false,
            } => {
                let arrived = Arrived {
                    link: id,
                    session,
                    delivery: collecting.delivery,
                    age: age(&message),
                    settled: collecting.settled,
                    more,
                };
                let octets = collecting.octets.into_bytes().slice(used..);
                self.begin_forwarding(arrived, octets, message, &key);
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
        let now = self.moment;
        if let Some(link) = self.link(id) {
            // What is refused at once has not been held here.
            match settled {
                false => link.settled(state, None, now),
                true if matches!(state, Some(DeliveryState::Accepted)) => {
                    link.pace.over(None, Outcome::Presettled, now);
                }
                true => {}
            }
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

    /// Gives the credit of one delivery back, unless the link's address cannot be reached.
    fn replenish(&mut self, id: LinkId) {
        let edge = self.is_edge();
        let Some(link) = self.link(id) else { return };
        let End::Receiver(receiver) = &mut link.end else {
            return;
        };
        if receiver.open || edge {
            self.grant(id, 1);
        } else {
            receiver.withheld += 1;
        }
    }

    /// The peer gave credit up, as it was asked to while the link's address could not be reached. It is granted again with the address,
    /// or at once where that has come back meanwhile.
    pub(super) fn on_given_up(&mut self, id: LinkId, credit: u32) {
        let Some(link) = self.link(id) else { return };
        let End::Receiver(receiver) = &mut link.end else {
            return;
        };
        match receiver.open {
            true => self.grant(id, credit),
            false => receiver.withheld += credit,
        }
    }

    /// Gives credit to the sender of a link. One that is gone needs none.
    pub(super) fn grant(&mut self, id: LinkId, credit: u32) {
        if self.amqp.grant(id, credit).is_ok() {
            self.note_credit(id);
        }
    }

    /// Looks at the credit that a link has now.
    pub(super) fn note_credit(&mut self, id: LinkId) {
        let (credit, now) = (self.amqp.credit(id), self.moment);
        if let Some(link) = self.link(id) {
            link.pace.credit(credit, now);
        }
    }
}
