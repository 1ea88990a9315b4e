//! Deliveries that came and were passed on, until they are settled.

use std::sync::Arc;

use bytes::Bytes;
use skupper_amqp::DeliveryState;
use skupper_amqp::connection::{Incoming, LinkId, SessionId};
use skupper_amqp::message::flags;
use skupper_routing::AddressKey;
use tokio::time::Instant;

use super::super::links::{Current, End, Inbound, Replenish};
use super::super::onward::{Onward, PATIENCE};
use super::super::pace::{Age, Outcome};
use super::super::resend::Resend;
use super::super::task::Task;
use crate::core::addresses::Apart;
use crate::tcp::window;
use crate::transit::inbox::Bell;
use crate::transit::message::Message;
use crate::transit::pipe::{HIGH_WATER, Update, pipe};

/// Octets that wait for the slowest consumer of a multicast message: long, so that one who takes nothing for a while does not
/// hold the others up. The copies share them.
const MOST_MULTICAST: usize = 4 * 1024 * 1024;
/// Octets that wait for the consumer of a delivery that must not be held back: more than a TCP flow's window. A
/// sender that has more under way does not keep to it.
const MOST_UNHELD: usize = window::MOST as usize + 8 * 1024 * 1024;

/// A delivery of which enough has come to be passed on.
pub(super) struct Arrived {
    pub(super) link: LinkId,
    pub(super) session: SessionId,
    pub(super) delivery: u32,
    pub(super) age: Age,
    pub(super) settled: bool,
    /// There is more of it to come.
    pub(super) more: bool,
}

impl Task {
    /// Passes a delivery on to one destination: its octets behind the routers' section, as far as they have come.
    pub(super) fn begin_forwarding(
        &mut self,
        arrived: Arrived,
        body: Bytes,
        message: Message,
        key: &AddressKey,
    ) {
        let Arrived {
            link: id,
            settled,
            more,
            ..
        } = arrived;
        let mut resend = (message.is_resent() && !settled).then(Box::default);
        let body = self.kept.more(&mut resend, body);
        let (producer, consumer) = pipe(message);
        producer.push(body);
        if !more {
            producer.complete(settled);
        }
        if let Some(apart) = Apart::of(self.settings.role) {
            self.context.dispatch.uses.count_from(apart, key);
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
        self.follow(arrived, Onward::One(producer), resend);
    }

    /// Follows a delivery that was passed on until it is settled.
    pub(super) fn follow(&mut self, arrived: Arrived, onward: Onward, resend: Option<Box<Resend>>) {
        let Arrived {
            link: id,
            session,
            delivery,
            age,
            settled,
            more,
        } = arrived;
        let at_once = match self.link(id).map(|link| &link.end) {
            Some(End::Receiver(receiver)) => receiver.replenish == Replenish::AtOnce,
            _ => false,
        };
        if at_once || settled {
            self.replenish(id);
        }
        if settled && !more {
            let now = self.moment;
            if let Some(link) = self.link(id) {
                link.pace.over(Some(age), Outcome::Presettled, now);
            }
            return;
        }
        let most = most_waiting(&onward);
        let token = self.inbound.insert(Inbound {
            onward,
            link: id,
            session,
            delivery,
            age,
            complete: !more,
            settled,
            owed: false,
            state: None,
            held: 0,
            look: None,
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
    pub(in crate::connection) fn attend_inbound(&mut self, token: u32) {
        self.look_at_copies(token);
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

    /// Where the sender of a multicast message is held back: gives up the copies of those who take nothing, and looks again later.
    fn look_at_copies(&mut self, token: u32) {
        let Some(inbound) = self.inbound.get_mut(token) else {
            return;
        };
        if inbound.held == 0 || matches!(inbound.onward, Onward::One(_)) {
            return;
        }
        let now = Instant::now();
        if inbound.look.is_some_and(|at| now < at) {
            return;
        }
        let given_up = inbound.onward.give_up(inbound.most, now);
        inbound.look = Some(now + PATIENCE);
        let bell = self.handle.clone();
        tokio::spawn(async move {
            tokio::time::sleep(PATIENCE).await;
            bell.ring(token * 2 + 1);
        });
        if given_up > 0 {
            tracing::warn!(
                target: "ROUTER_CORE",
                "[C{}] {given_up} consumers of a multicast message have taken nothing of it for {PATIENCE:?}: they get no more of it, so that the others do",
                self.handle.number
            );
        }
    }

    /// The sender settled, or told its own state, which changes nothing here.
    pub(in crate::connection) fn on_sender_settled(
        &mut self,
        token: u32,
        delivery: (LinkId, u32),
        settled: bool,
    ) {
        if !settled {
            return;
        }
        let Some(inbound) = self.inbound.get_mut(token) else {
            return;
        };
        // One that is still collected has no token.
        if (inbound.link, inbound.delivery) != delivery {
            return;
        }
        inbound.onward.settle();
        if inbound.complete {
            return self.finish_inbound(token, None);
        }
        let id = inbound.link;
        if !std::mem::replace(&mut inbound.settled, true)
            && let Some(link) = self.link(id)
        {
            // It is not over.
            link.counts.settled(None);
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
        let (id, now) = (inbound.link, self.moment);
        let Some(link) = self.link(id) else { return };
        match inbound.settled {
            false => link.settled(state, Some(inbound.age), now),
            true => link.pace.over(Some(inbound.age), Outcome::Presettled, now),
        }
        if inbound.owes_credit {
            self.replenish(id);
        }
    }

    pub(super) fn forward_more(&mut self, token: u32, incoming: Incoming) {
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
            self.look_at_copies(token);
        } else {
            self.amqp.release(session, 1);
        }
        let Some(inbound) = self.inbound.get_mut(token) else {
            return;
        };
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
        let settled = settled || inbound.settled;
        inbound.onward.complete(settled);
        if inbound.owed {
            let delivery = inbound.delivery;
            let state = inbound.state.clone();
            // A link that is gone has settled all its deliveries.
            let _ = self.amqp.dispose(link, delivery, state.clone(), true);
            return self.finish_inbound(token, state.as_ref());
        }
        if settled {
            self.finish_inbound(token, None);
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
