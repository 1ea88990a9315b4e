//! Deliveries that go to another destination when the next hop releases them (router protocol reference §6.3).
//!
//! What has come of such a delivery is kept until a destination says anything else than RELEASED: then it may have used what it
//! was given. Of one delivery, and of all of a peer's deliveries together, a bounded amount is kept; what is longer, or comes when that is used up, is passed on like any other, and its sender is told of a
//! release. (Upstream's router stops reading such a delivery instead, and never goes on if its consumer waits for the whole.)

use std::sync::Arc;

use bytes::Bytes;
use skupper_amqp::DeliveryState;
use skupper_routing::AddressKey;

use super::onward::Onward;
use super::task::Task;
use crate::transit::block;
use crate::transit::inbox::Bell;
use crate::transit::message::Way;
use crate::transit::pipe::{Update, pipe};

/// Octets that are kept of one delivery: more than one that is not a stream can have (it becomes one).
const MOST_OF_ONE: usize = 512 * 1024;
/// Octets that are kept of all deliveries of a peer.
const MOST_IN_ALL: usize = 16 * 1024 * 1024;
/// What a delivery that is kept takes beside its octets.
const DELIVERY: usize = 512;
/// What each piece of it takes beside its octets.
const PIECE: usize = 128;

/// What it takes to send a delivery once more.
#[derive(Debug, Default)]
pub(crate) struct Resend {
    /// Where it went.
    went: Option<(AddressKey, Way)>,
    /// Everything that has come of it, behind the routers' section.
    body: Vec<Bytes>,
    /// What it counts in [`Kept`].
    counted: usize,
}

impl Resend {
    /// Notes where the delivery went.
    pub(crate) fn went(&mut self, key: &AddressKey, way: Way) {
        self.went = Some((key.clone(), way));
    }
}

/// Octets kept of all deliveries of a peer.
#[derive(Debug, Default)]
pub(crate) struct Kept(usize);

impl Kept {
    /// Takes what comes of a delivery and returns it for the destination. Where it is too much to be kept, nothing of the
    /// delivery is any more.
    pub(crate) fn more(&mut self, resend: &mut Option<Box<Resend>>, octets: Bytes) -> Bytes {
        let Some(kept) = resend else {
            return block::keep(octets);
        };
        let mut counted = octets.len() + PIECE;
        if kept.counted == 0 {
            counted += DELIVERY;
        }
        if kept.counted + counted > MOST_OF_ONE || self.0 + counted > MOST_IN_ALL {
            self.forget(resend.take());
            return block::keep(octets);
        }
        // A copy: a slice would keep the block alive that it was read into, many times its length.
        let octets = Bytes::copy_from_slice(&octets);
        kept.body.push(octets.clone());
        kept.counted += counted;
        self.0 += counted;
        octets
    }

    /// A delivery is not sent once more in any case.
    pub(crate) fn forget(&mut self, resend: Option<Box<Resend>>) {
        if let Some(resend) = resend {
            self.0 -= resend.counted;
        }
    }
}

impl Task {
    /// Sends a delivery elsewhere if that is what the destination's news means; then there is no news.
    pub(super) fn resend(&mut self, token: u32, update: &Update) -> bool {
        let Some(inbound) = self.inbound.get_mut(token) else {
            return false;
        };
        let Some(mut resend) = inbound.resend.take() else {
            return false;
        };
        let released = update.state == Some(DeliveryState::Released);
        let (Some((key, way)), Onward::One(producer)) = (resend.went.take(), &inbound.onward)
        else {
            self.kept.forget(Some(resend));
            return false;
        };
        if update.used || inbound.settled || (update.settled && !released) {
            self.kept.forget(Some(resend));
            return false;
        }
        if !released {
            resend.went = Some((key, way));
            inbound.resend = Some(resend);
            return false;
        }
        let mut message = producer.message().clone();
        message.tried.add(way);
        // Whoever has begun to take it is told of its end first.
        producer.settle();
        producer.abort();
        let (producer, consumer) = pipe(message);
        for octets in &resend.body {
            producer.push(octets.clone());
        }
        if inbound.complete {
            producer.complete(false);
        }
        producer.bind(self.handle.clone() as Arc<dyn Bell>, token * 2 + 1);
        inbound.onward = Onward::One(producer);
        match self.context.dispatch.send(&key, consumer) {
            Ok(Some(way)) => {
                resend.went = Some((key, way));
                inbound.resend = Some(resend);
            }
            Ok(None) => self.kept.forget(Some(resend)),
            Err((_, consumer)) => {
                // Nobody is left: its sender is told.
                self.kept.forget(Some(resend));
                consumer.settle(DeliveryState::Released);
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(octets: usize) -> Bytes {
        vec![7; octets].into()
    }

    #[test]
    fn of_one_delivery_the_beginning_is_kept_until_it_is_too_long() {
        let mut kept = Kept::default();
        let mut resend = Some(Box::default());
        kept.more(&mut resend, of(1000));
        kept.more(&mut resend, of(MOST_OF_ONE - 1000 - DELIVERY - 2 * PIECE));
        assert_eq!(kept.0, MOST_OF_ONE);
        assert_eq!(resend.as_ref().unwrap().body.len(), 2);
        assert_eq!(kept.more(&mut resend, of(1)).len(), 1);
        assert!(resend.is_none());
        assert_eq!(kept.0, 0);
    }

    #[test]
    fn a_peer_cannot_have_more_kept_than_there_is_room_for() {
        let mut kept = Kept::default();
        let mut all = Vec::new();
        loop {
            let mut resend = Some(Box::default());
            kept.more(&mut resend, of(1));
            if resend.is_none() {
                break;
            }
            all.push(resend);
        }
        assert_eq!(all.len(), MOST_IN_ALL / (DELIVERY + PIECE + 1));
        kept.forget(all.pop().unwrap());
        let mut resend = Some(Box::default());
        kept.more(&mut resend, of(1));
        assert!(resend.is_some());
        all.into_iter().for_each(|resend| kept.forget(resend));
        kept.forget(resend);
        assert_eq!(kept.0, 0);
    }

    #[test]
    fn what_is_not_to_be_sent_again_is_not_kept() {
        let mut kept = Kept::default();
        assert_eq!(kept.more(&mut None, of(10)).len(), 10);
        assert_eq!(kept.0, 0);
    }
}
