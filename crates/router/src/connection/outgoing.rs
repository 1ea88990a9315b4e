//! Deliveries that leave by a connection.

use std::sync::Arc;

use bytes::BytesMut;
use skupper_amqp::connection::{LinkId, Outgoing, Payload, Sent};
use skupper_amqp::message::RouterAnnotations;
use skupper_amqp::{DeliveryState, DeliveryTag};
use skupper_management::entity::Role;

use super::links::{End, Kind, Outbound, age};
use super::message_log;
use super::pace::{Outcome, annotated};
use super::task::{MOST_OUTPUT, Task};
use crate::transit::inbox::Bell;
use crate::transit::pipe::{Consumer, End as StreamEnd};

/// Streaming links without a stream that are kept in any case.
pub(super) const MOST_POOLED: usize = 64;

/// Control messages that wait for a neighbour.
const MOST_CONTROL: usize = 4096;

/// What became of one look at a link.
enum Step {
    /// The next delivery can have its turn.
    Next,
    /// Nothing more to do now.
    Rest,
}

impl Task {
    /// Queues a delivery on a link. `to`: the address that it has for the peer, where that is not the one it has here and the
    /// link does not say it.
    pub(super) fn enqueue(&mut self, id: LinkId, consumer: Consumer, to: Option<&str>) {
        let bell = self.handle.clone() as Arc<dyn Bell>;
        let message = consumer.message();
        let settles = match self.link(id).map(|link| &link.end) {
            Some(End::Sender(sender)) => sender.settles,
            _ => return,
        };
        let presettled = message.presettled || settles;
        let mut payload = Payload::new();
        let mut extra = 0;
        if !self.settings.strip_out {
            let mut section = BytesMut::with_capacity(128);
            let annotations = match to {
                Some(to) => &RouterAnnotations {
                    to_override: Some(to.to_owned()),
                    ..message.annotations.clone()
                },
                None => &message.annotations,
            };
            if self.context.dispatch.edge {
                self.edge_section(annotations, &mut section);
            } else if self.settings.role == Role::InterNetwork {
                annotations.write_untraced(annotations.ingress_mesh.as_deref(), &mut section);
            } else {
                annotations.write_forwarded(&self.own, &mut section);
            }
            extra = section.len();
            payload.push(section.freeze());
        }
        if message.presettled {
            self.shed(id);
        }
        let tag = DeliveryTag::from(self.context.numbers.delivery());
        match self.link(id).map(|link| &link.end) {
            Some(End::Sender(_)) => self.handle.note_delivery(self.moment),
            Some(End::Receiver(_)) | None => return,
        }
        let token = self.outbound.insert(Outbound {
            consumer,
            link: id,
            tag,
            payload,
            extra,
            delivery: None,
            presettled,
            sent: false,
            settled: presettled,
        });
        if let Some(outbound) = self.outbound.get_mut(token) {
            outbound.consumer.bind(bell, token * 2);
        }
        if let Some(link) = self.link(id)
            && let End::Sender(sender) = &mut link.end
        {
            sender.queue.push_back(token);
        }
        self.mark_ready(id);
    }

    /// Whoever does not keep up loses what nobody waits for: of a backlog as long as a link's credit, all deliveries that are
    /// presettled, but for the first, which may be half sent (router protocol reference §6.3).
    fn shed(&mut self, id: LinkId) {
        let capacity = self.settings.capacity as usize;
        let Some(link) = self.link(id) else { return };
        let End::Sender(sender) = &mut link.end else {
            return;
        };
        // Control messages are so many only where a neighbour takes none at all, and is lost then. It asks for what it has missed.
        let capacity = match link.kind {
            Kind::Control => capacity.max(MOST_CONTROL),
            _ => capacity,
        };
        if sender.queue.len() < capacity {
            return;
        }
        let mut queue = std::mem::take(&mut sender.queue);
        let first = queue.front().copied();
        let mut dropped = 0;
        queue.retain(|token| {
            let presettled = self
                .outbound
                .get_mut(*token)
                .is_some_and(|outbound| outbound.consumer.message().presettled);
            let keep = Some(*token) == first || !presettled;
            if !keep && let Some(outbound) = self.outbound.remove(*token) {
                outbound.consumer.settle(DeliveryState::Released);
                dropped += 1;
            }
            keep
        });
        if let Some(link) = self.link(id)
            && let End::Sender(sender) = &mut link.end
        {
            sender.queue = queue;
            link.counts.dropped += dropped;
            link.counts.presettled += dropped;
        }
    }

    /// Has a link looked at before the next write.
    pub(super) fn mark_ready(&mut self, id: LinkId) {
        let Some(link) = self.link(id) else { return };
        let kind = link.kind;
        let End::Sender(sender) = &mut link.end else {
            return;
        };
        if !std::mem::replace(&mut sender.ready, true) {
            self.ready.push(kind, id);
        }
    }

    /// A link's session has a window again.
    pub(super) fn unblock(&mut self, id: LinkId) {
        if let Some(link) = self.link(id)
            && let End::Sender(sender) = &mut link.end
        {
            sender.blocked = false;
        }
        self.mark_ready(id);
    }

    /// Sends what there is, as far as output, windows and credit allow.
    pub(super) fn send_ready(&mut self) {
        while !self.starved {
            let Some(id) = self.ready.pop() else {
                return;
            };
            match self.link(id).map(|link| &mut link.end) {
                Some(End::Sender(sender)) => sender.ready = false,
                _ => continue,
            }
            while let Step::Next = self.send_front(id) {
                if self.amqp.buffered_output() >= MOST_OUTPUT {
                    // The rest waits here, where what is more urgent overtakes it.
                    self.mark_ready(id);
                    break;
                }
            }
            self.starved = self.amqp.buffered_output() >= MOST_OUTPUT;
        }
    }

    /// Sends of the delivery that is first on a link.
    fn send_front(&mut self, id: LinkId) -> Step {
        let Some(link) = self.link(id) else {
            return Step::Rest;
        };
        let End::Sender(sender) = &mut link.end else {
            return Step::Rest;
        };
        let Some(&token) = sender.queue.front() else {
            self.give_up_credit(id);
            return Step::Rest;
        };
        let Some(outbound) = self.outbound.get_mut(token) else {
            self.pop_front(id);
            return Step::Next;
        };
        let Outbound {
            consumer, payload, ..
        } = outbound;
        let arrival = consumer.take(|chunk| payload.push(chunk));
        if arrival.end == Some(StreamEnd::Aborted) {
            if outbound.delivery.is_some() {
                // Without a link there is nothing to abort.
                let _ = self.amqp.abort(id);
            }
            if let Some(outbound) = self.outbound.remove(token) {
                self.over(&outbound, Some(&DeliveryState::Released));
                outbound.consumer.settle(DeliveryState::Released);
            }
            self.finish_front(id);
            return Step::Next;
        }
        let more = arrival.end.is_none();
        // The routers' section alone says nothing; it goes with what follows.
        if more && outbound.payload.len() == outbound.extra {
            self.give_up_credit(id);
            return Step::Rest;
        }
        let settled = outbound.presettled || (!more && arrival.settled);
        let first = outbound.delivery.is_none();
        let untold = first && message_log::is_on(self.settings.components);
        let head = untold.then(|| outbound.payload.head(message_log::MOST_HEAD));
        let outgoing = Outgoing {
            tag: outbound.tag,
            settled,
            more,
            token: token.into(),
        };
        let before = outbound.payload.len();
        let sent = self.amqp.transfer(id, &outgoing, &mut outbound.payload);
        let begun = matches!(sent, Ok(Sent::All(_) | Sent::Window(Some(_))));
        if let Some(head) = head.filter(|_| begun) {
            let link = self.links.get(id.index()).and_then(Option::as_deref);
            message_log::tell(self.handle.number, link, &head, self.settings.components);
        }
        let used = before - outbound.payload.len();
        self.went += used as u64;
        let own = used.min(outbound.extra);
        outbound.extra -= own;
        if used > own {
            outbound.consumer.release(used - own);
        }
        match sent {
            Ok(Sent::All(delivery)) => {
                outbound.delivery = Some(delivery);
                outbound.sent = !more;
                if first {
                    self.note_credit(id);
                }
                if more {
                    self.give_up_credit(id);
                    return Step::Rest;
                }
                self.count_sent(token);
                if settled {
                    // Nothing comes back for it.
                    if let Some(outbound) = self.outbound.remove(token) {
                        self.over(&outbound, Some(&DeliveryState::Accepted));
                        outbound.consumer.settle(DeliveryState::Accepted);
                    }
                }
                self.finish_front(id);
                Step::Next
            }
            Ok(Sent::Window(delivery)) => {
                outbound.delivery = outbound.delivery.or(delivery);
                if delivery.is_some() {
                    self.note_credit(id);
                }
                if let Some(link) = self.link(id)
                    && let End::Sender(sender) = &mut link.end
                    && !std::mem::replace(&mut sender.blocked, true)
                {
                    self.blocked.push(id);
                }
                Step::Rest
            }
            Ok(Sent::Credit) => Step::Rest,
            Err(_) => Step::Rest,
        }
    }

    /// A link has nothing that can be sent now: what is left of its credit is given up, if the peer wants that.
    fn give_up_credit(&mut self, id: LinkId) {
        if let Some(link) = self.link(id)
            && let End::Sender(sender) = &mut link.end
            && std::mem::take(&mut sender.draining)
        {
            // A link that is gone has no credit.
            let _ = self.amqp.drained(id);
            self.note_credit(id);
        }
    }

    fn pop_front(&mut self, id: LinkId) {
        if let Some(link) = self.link(id)
            && let End::Sender(sender) = &mut link.end
        {
            sender.queue.pop_front();
        }
    }

    /// Counts a delivery that has been sent to its end.
    fn count_sent(&mut self, token: u32) {
        let Some(outbound) = self.outbound.get_mut(token) else {
            return;
        };
        let (id, presettled) = (outbound.link, outbound.presettled);
        let Some(link) = self.link(id) else { return };
        link.counts.sent(presettled);
    }

    /// Counts a delivery of which nothing more is to be said; `state` is what became of it where its sender waited for that.
    fn over(&mut self, outbound: &Outbound, state: Option<&DeliveryState>) {
        let now = self.moment;
        let Task { links, context, .. } = self;
        let link = links.get_mut(outbound.link.index());
        let link = link.and_then(Option::as_deref_mut);
        let Some(link) = link.filter(|link| link.id == outbound.link) else {
            return;
        };
        let message = outbound.consumer.message();
        if !outbound.sent && (outbound.delivery.is_some() || !outbound.presettled) {
            // It ends before its end, or before its beginning.
            link.counts.sent(outbound.presettled);
            link.counts.deliveries -= u64::from(outbound.delivery.is_none());
        }
        match outbound.presettled {
            true => link.pace.over(Some(age(message)), Outcome::Presettled, now),
            false => link.settled(state, Some(age(message)), now),
        }
        if let Some(origins) = &mut link.origins {
            let table = || context.dispatch.forwarding.load().table.clone();
            origins.count(&message.annotations.trace, |entry| {
                annotated(entry).is_some_and(|id| table().router(id).is_some())
            });
        }
    }

    /// The delivery that is first on a link has left it.
    fn finish_front(&mut self, id: LinkId) {
        self.pop_front(id);
        let Some(link) = self.link(id) else { return };
        let End::Sender(sender) = &mut link.end else {
            return;
        };
        if std::mem::take(&mut sender.streaming) {
            self.handle.stream_ended();
            self.pool.push_back(id);
            self.trim_pool();
        }
    }

    /// Detaches streaming links that a crowd of flows has left behind, oldest first. Those that are kept serve as many flows as
    /// there are now once more.
    fn trim_pool(&mut self) {
        while self.pool.len() > self.handle.streams().max(MOST_POOLED)
            && let Some(&id) = self.pool.front()
        {
            // What is still to be settled on a link would be lost with it.
            if self.link(id).is_some_and(|link| link.counts.unsettled > 0) {
                return;
            }
            self.pool.pop_front();
            // A link that is gone needs no detaching.
            let _ = self.amqp.detach(id, None);
        }
    }

    /// The producer of a delivery that leaves has moved.
    pub(super) fn attend_outbound(&mut self, token: u32) {
        let Some(outbound) = self.outbound.get_mut(token) else {
            return;
        };
        let link = outbound.link;
        if !outbound.sent {
            return self.mark_ready(link);
        }
        let arrival = outbound.consumer.take(drop);
        if arrival.settled && !std::mem::replace(&mut outbound.settled, true) {
            let delivery = outbound.delivery;
            if let Some(outbound) = self.outbound.remove(token) {
                self.over(&outbound, None);
                outbound.consumer.settle(DeliveryState::Accepted);
            }
            if let Some(delivery) = delivery {
                // A link that is gone has settled all its deliveries.
                let _ = self.amqp.dispose(link, delivery, None, true);
            }
        }
    }

    /// The peer told what became of a delivery.
    pub(super) fn on_outcome(
        &mut self,
        token: u32,
        (link, delivery): (LinkId, u32),
        state: Option<DeliveryState>,
        settled: bool,
    ) {
        let Some(outbound) = self.outbound.get_mut(token) else {
            return;
        };
        // Another delivery may have its place by now.
        if (outbound.link, outbound.delivery) != (link, Some(delivery)) {
            return;
        }
        if !settled {
            return outbound.consumer.update(state, false);
        }
        let Some(outbound) = self.outbound.remove(token) else {
            return;
        };
        self.over(&outbound, state.as_ref());
        let id = outbound.link;
        if !outbound.sent {
            // Nobody takes the rest: what has begun is ended, so that the link can be used again.
            let _ = self.amqp.abort(id);
            self.finish_front(id);
            self.mark_ready(id);
        }
        outbound.consumer.finish(state);
        self.trim_pool();
    }
}
