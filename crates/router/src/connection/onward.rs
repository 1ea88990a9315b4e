//! Where a delivery that came goes on: to one destination, or as copies to all consumers of a multicast address.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use skupper_amqp::DeliveryState;
use tokio::time::Instant;

use crate::transit::inbox::Bell;
use crate::transit::pipe::{Producer, Update};

/// Who takes nothing for so long of a multicast message, and so holds its sender and with it all others back, loses its copy.
/// (Upstream's router waits for ever.)
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The other ends of a delivery that came.
pub(crate) enum Onward {
    /// One destination.
    One(Producer),
    /// Copies to all.
    Copies(Copies),
}

/// The copies of a multicast message.
pub(crate) struct Copies {
    /// Those that nobody has settled yet.
    open: Vec<Copy>,
    /// The strongest last state that came of any.
    strongest: Option<DeliveryState>,
    /// That state was handed on: all had one.
    told: bool,
}

/// One copy of a multicast message.
struct Copy {
    producer: Producer,
    /// Its consumer has told a last state.
    decided: bool,
    /// Since when the others wait for its consumer, and how many octets that had taken then.
    waited_for: Option<(Instant, u64)>,
}

impl Copy {
    /// Whether others have waited in vain for [`PATIENCE`]; waiting begins where `most` octets are kept for its consumer.
    fn is_given_up(&mut self, most: usize, now: Instant) -> bool {
        let taken = self.producer.released();
        self.waited_for = match self.waited_for {
            _ if !self.producer.must_wait(most) => None,
            Some((since, before)) if before == taken => Some((since, before)),
            _ => Some((now, taken)),
        };
        let since = self.waited_for.map(|(since, _)| since);
        since.is_some_and(|since| now.duration_since(since) >= PATIENCE)
    }
}

impl Onward {
    /// Copies, of which there is one at least.
    pub(crate) fn copies(producers: Vec<Producer>) -> Self {
        let copies = producers.into_iter().map(|producer| Copy {
            producer,
            decided: false,
            waited_for: None,
        });
        Onward::Copies(Copies {
            open: copies.collect(),
            strongest: None,
            told: false,
        })
    }

    fn each(&self) -> impl Iterator<Item = &Producer> {
        let (one, copies) = match self {
            Onward::One(producer) => (Some(producer), &[][..]),
            Onward::Copies(copies) => (None, copies.open.as_slice()),
        };
        one.into_iter()
            .chain(copies.iter().map(|copy| &copy.producer))
    }

    /// As [`Producer::bind`].
    pub(crate) fn bind(&self, bell: &Arc<dyn Bell>, token: u32) {
        self.each()
            .for_each(|producer| producer.bind(bell.clone(), token));
    }

    /// As [`Producer::push`]: how many octets wait for the slowest.
    pub(crate) fn push(&self, chunk: Bytes) -> usize {
        let waiting = self.each().map(|producer| producer.push(chunk.clone()));
        waiting.max().unwrap_or_default()
    }

    /// As [`Producer::push_last`].
    pub(crate) fn push_last(&self, chunk: &Bytes, settled: bool) {
        self.each()
            .for_each(|producer| producer.push_last(chunk.clone(), settled));
    }

    /// As [`Producer::must_wait`]: for the slowest.
    pub(crate) fn must_wait(&self, most: usize) -> bool {
        // Whoever is waited for says when it goes on; then the others are asked.
        self.each().any(|producer| producer.must_wait(most))
    }

    /// Gives up the copies whose consumers have been waited for in vain; how many. It is looked at again after [`PATIENCE`].
    pub(crate) fn give_up(&mut self, most: usize, now: Instant) -> usize {
        let Onward::Copies(copies) = self else {
            return 0;
        };
        let before = copies.open.len();
        copies.open.retain_mut(|copy| !copy.is_given_up(most, now));
        let given_up = before - copies.open.len();
        if given_up > 0 {
            copies.note(DeliveryState::failed());
        }
        given_up
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

    /// As [`Producer::take_update`]. Copies have news once all of them have a last state, which is what the strongest of them
    /// says, and once all are settled (router protocol reference §6.2).
    pub(crate) fn take_update(&mut self) -> Update {
        match self {
            Onward::One(producer) => producer.take_update(),
            Onward::Copies(copies) => copies.take_update(),
        }
    }
}

impl Copies {
    /// What became of a copy.
    fn note(&mut self, state: DeliveryState) {
        if strength(&state) > self.strongest.as_ref().map_or(0, strength) {
            self.strongest = Some(state);
        }
    }

    fn take_update(&mut self) -> Update {
        let mut decided = Vec::new();
        self.open.retain_mut(|copy| {
            let update = copy.producer.take_update();
            // What is said on the way to a last state concerns one consumer alone.
            if let Some(state) = update.state.filter(DeliveryState::is_terminal) {
                copy.decided = true;
                decided.push(state);
            }
            !update.settled
        });
        for state in decided {
            self.note(state);
        }
        let decided = self.open.iter().all(|copy| copy.decided);
        let state = self.strongest.clone().filter(|_| decided && !self.told);
        self.told |= state.is_some();
        Update {
            state,
            settled: self.open.is_empty(),
            used: false,
        }
    }
}

fn strength(state: &DeliveryState) -> u8 {
    match state {
        DeliveryState::Rejected(_) => 4,
        DeliveryState::Accepted => 3,
        DeliveryState::Modified { .. } => 2,
        DeliveryState::Released => 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transit::message::Message;
    use crate::transit::pipe::{End, pipe};

    #[test]
    fn what_comes_of_a_multicast_waits_for_the_slowest_that_is_left() {
        let (producers, mut consumers): (Vec<_>, Vec<_>) =
            (0..3).map(|_| pipe(Message::default())).unzip();
        let onward = Onward::copies(producers);
        assert_eq!(onward.push(Bytes::from_static(b"0123456789")), 10);
        for consumer in &consumers[..2] {
            assert!(onward.must_wait(10));
            consumer.take(drop);
            consumer.release(10);
        }
        assert!(onward.must_wait(10));
        drop(consumers.pop());
        assert!(!onward.must_wait(10));
    }

    #[test]
    fn who_takes_nothing_of_a_multicast_loses_its_copy_and_who_is_slow_does_not() {
        let (producers, mut consumers): (Vec<_>, Vec<_>) =
            (0..3).map(|_| pipe(Message::default())).unzip();
        let mut onward = Onward::copies(producers);
        let push = |onward: &Onward| onward.push(Bytes::from_static(b"0123456789"));
        push(&onward);
        let start = Instant::now();
        assert_eq!(onward.give_up(10, start), 0);
        // One takes everything, one an octet, one nothing.
        consumers[0].release(10);
        consumers[1].release(1);
        push(&onward);
        assert_eq!(onward.give_up(10, start + PATIENCE), 1);
        assert_eq!(consumers[2].take(drop).end, Some(End::Aborted));
        assert_eq!(consumers[1].take(drop).end, None);
        assert_eq!(onward.give_up(10, start + PATIENCE), 0);
        onward.complete(false);
        for consumer in consumers.drain(..2) {
            consumer.settle(DeliveryState::Accepted);
        }
        let update = onward.take_update();
        assert!(update.settled);
        assert_eq!(update.state, Some(DeliveryState::Accepted));
    }

    #[test]
    fn a_multicast_of_which_nobody_takes_anything_has_failed() {
        let (producer, consumer) = pipe(Message::default());
        let mut onward = Onward::copies(vec![producer]);
        onward.push(Bytes::from_static(b"0123456789"));
        let start = Instant::now();
        assert_eq!(onward.give_up(10, start), 0);
        assert_eq!(onward.give_up(10, start + PATIENCE), 1);
        let update = onward.take_update();
        assert!(update.settled);
        assert_eq!(update.state, Some(DeliveryState::failed()));
        drop(consumer);
    }

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

    #[test]
    fn a_state_that_is_not_settled_waits_for_that_of_all_copies_and_is_told_once() {
        let (producers, consumers): (Vec<_>, Vec<_>) =
            (0..2).map(|_| pipe(Message::default())).unzip();
        for producer in &producers {
            producer.complete(false);
        }
        let mut onward = Onward::copies(producers);
        consumers[0].update(Some(DeliveryState::Released), false);
        assert_eq!(onward.take_update().state, None);
        consumers[1].update(Some(DeliveryState::Accepted), false);
        let update = onward.take_update();
        assert_eq!(update.state, Some(DeliveryState::Accepted));
        assert!(!update.settled);
        onward.settle();
        for consumer in consumers {
            assert!(consumer.take(drop).settled);
            consumer.finish(None);
        }
        let update = onward.take_update();
        assert!(update.state.is_none() && update.settled);
    }
}
