//! Where a delivery that came goes on: to one destination, or as copies to all consumers of a multicast address.

use std::sync::Arc;

use bytes::Bytes;
use skupper_amqp::DeliveryState;

use crate::transit::inbox::Bell;
use crate::transit::message::Message;
use crate::transit::pipe::{Producer, Update};

/// The other ends of a delivery that came.
pub(crate) enum Onward {
    /// One destination.
    One(Producer),
    /// Copies of a whole message that nobody has settled yet; what the strongest of those that are settled says.
    Copies(Vec<Copy>, Option<DeliveryState>),
}

/// One copy of a multicast message.
pub(crate) struct Copy {
    producer: Producer,
    state: Option<DeliveryState>,
}

impl Onward {
    /// Copies, of which there is one at least.
    pub(crate) fn copies(producers: Vec<Producer>) -> Self {
        let copies = producers.into_iter().map(|producer| Copy {
            producer,
            state: None,
        });
        Onward::Copies(copies.collect(), None)
    }

    fn each(&self) -> impl Iterator<Item = &Producer> {
        let (one, copies) = match self {
            Onward::One(producer) => (Some(producer), &[][..]),
            Onward::Copies(copies, _) => (None, copies.as_slice()),
        };
        one.into_iter()
            .chain(copies.iter().map(|copy| &copy.producer))
    }

    /// As [`Producer::bind`].
    pub(crate) fn bind(&self, bell: &Arc<dyn Bell>, token: u32) {
        self.each()
            .for_each(|producer| producer.bind(bell.clone(), token));
    }

    /// As [`Producer::message`], where there is one destination.
    pub(crate) fn message(&self) -> Option<&Message> {
        self.each().next().map(Producer::message)
    }

    /// As [`Producer::push`]; copies are whole from the start.
    pub(crate) fn push(&self, chunk: Bytes) -> usize {
        match self {
            Onward::One(producer) => producer.push(chunk),
            Onward::Copies(..) => 0,
        }
    }

    /// As [`Producer::must_wait`].
    pub(crate) fn must_wait(&self, most: usize) -> bool {
        match self {
            Onward::One(producer) => producer.must_wait(most),
            Onward::Copies(..) => false,
        }
    }

    /// As [`Producer::complete`].
    pub(crate) fn complete(&self, settled: bool) {
        self.each().for_each(|producer| producer.complete(settled));
    }

    /// As [`Producer::abort`].
    pub(crate) fn abort(&self) {
        self.each().for_each(Producer::abort);
    }

    /// As [`Producer::settle`].
    pub(crate) fn settle(&self) {
        self.each().for_each(Producer::settle);
    }

    /// As [`Producer::take_update`]. Copies have news once all of them are settled: what the strongest state says (router
    /// protocol reference §6.2).
    pub(crate) fn take_update(&mut self) -> Update {
        let (copies, strongest) = match self {
            Onward::One(producer) => return producer.take_update(),
            Onward::Copies(copies, strongest) => (copies, strongest),
        };
        copies.retain_mut(|copy| {
            let update = copy.producer.take_update();
            copy.state = update.state.or(copy.state.take());
            if update.settled && strength(copy.state.as_ref()) > strength(strongest.as_ref()) {
                *strongest = copy.state.take();
            }
            !update.settled
        });
        if !copies.is_empty() {
            return Update::default();
        }
        Update {
            state: strongest.clone(),
            settled: true,
        }
    }
}

fn strength(state: Option<&DeliveryState>) -> u8 {
    match state {
        Some(DeliveryState::Rejected(_)) => 4,
        Some(DeliveryState::Accepted) => 3,
        Some(DeliveryState::Modified { .. }) => 2,
        Some(DeliveryState::Released) => 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transit::pipe::pipe;

    #[test]
    fn the_strongest_state_of_all_copies_counts() {
        let (producers, consumers): (Vec<_>, Vec<_>) =
            (0..3).map(|_| pipe(Message::default())).unzip();
        for producer in &producers {
            producer.complete(false);
        }
        let mut onward = Onward::copies(producers);
        let states = [
            DeliveryState::Released,
            DeliveryState::Accepted,
            DeliveryState::failed(),
        ];
        for (consumer, state) in consumers.into_iter().zip(states) {
            assert!(!onward.take_update().settled);
            consumer.settle(state);
        }
        let update = onward.take_update();
        assert!(update.settled);
        assert_eq!(update.state, Some(DeliveryState::Accepted));
    }
}
