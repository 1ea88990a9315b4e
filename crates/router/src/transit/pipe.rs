//! A delivery on its way through the router: body octets go forward, dispositions come back.
//!
//! A pipe has two ends, each owned by a task (a connection or a TCP flow), on the same thread or not. What moves
//! across it is a queue of reference-counted slices and a few flags under a mutex that is held for some
//! instructions. An end is told that the other has moved through its [`Bell`], once until it looks again.
//!
//! Loss is symmetrical and needs no protocol: a [`Producer`] that is dropped before it completed aborts the
//! delivery; a [`Consumer`] dropped before it settled answers RELEASED if the delivery was not completely taken (if nothing of it
//! was, where a client's octets come early: RELEASED says that it may be sent again), else MODIFIED (router protocol reference §6.3).

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use skupper_amqp::performative::DeliveryState;

use super::inbox::Bell;
use super::load::Load;
use super::message::Message;

/// Unconsumed octets in a pipe beyond which a producer that can stop should stop.
pub const HIGH_WATER: usize = 256 * 1024;
/// Unconsumed octets at which a producer that stopped is told to go on.
pub const LOW_WATER: usize = 128 * 1024;

/// How a delivery ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Its last octet was given.
    Complete,
    /// Its source was lost: what was given is not the whole.
    Aborted,
}

/// What came back from the consumer since the producer last looked.
#[derive(Debug, Default)]
pub struct Update {
    /// The newest state, if it changed.
    pub state: Option<DeliveryState>,
    /// The consumer has settled (reported each time once true).
    pub settled: bool,
    /// The consumer has told a state that is not RELEASED, so it may have used what it was given (reported each time once true).
    pub used: bool,
}

/// What the consumer finds when it looks.
#[derive(Debug, Clone, Copy, Default)]
pub struct Arrival {
    /// How the delivery ended, if it did.
    pub end: Option<End>,
    /// The producer has settled: no disposition is wanted any more.
    pub settled: bool,
}

struct Shared {
    message: Message,
    state: Mutex<State>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Every critical section leaves the state valid at every step.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct State {
    chunks: VecDeque<Bytes>,
    /// Octets given and not yet released by the consumer.
    queued: usize,
    /// Octets that it has released in all.
    released: u64,
    end: Option<End>,
    producer_settled: bool,
    consumer: Doorbell,
    /// News for the producer.
    outcome: Option<DeliveryState>,
    terminal: bool,
    used: bool,
    /// The consumer wants no more of the body: what is still given vanishes.
    discard: bool,
    consumer_settled: bool,
    wants_space: bool,
    producer: Doorbell,
    /// The load that this delivery puts on its destination, until it is settled.
    load: Option<Load>,
}

#[derive(Default)]
struct Doorbell {
    bell: Option<(Arc<dyn Bell>, u32)>,
    /// Rung and not yet answered.
    rung: bool,
}

impl Doorbell {
    fn ring(&mut self) {
        if let Some((bell, token)) = &self.bell
            && !self.rung
        {
            self.rung = true;
            bell.ring(*token);
        }
    }

    fn bind(&mut self, bell: Arc<dyn Bell>, token: u32) {
        self.bell = Some((bell, token));
        self.rung = false;
    }
}

impl State {
    fn discard(&mut self) {
        self.discard = true;
        self.chunks = VecDeque::new();
        self.queued = 0;
    }

    /// Whether the consumer has taken any octets.
    fn is_taken(&self) -> bool {
        let waiting: usize = self.chunks.iter().map(Bytes::len).sum();
        self.released > 0 || self.queued > waiting
    }

    fn finish(&mut self, end: End, settled: bool) {
        if self.end.is_none() {
            self.end = Some(end);
            self.producer_settled |= settled;
            self.consumer.ring();
        }
    }

    fn settle_by_consumer(&mut self) {
        self.consumer_settled = true;
        self.load = None;
    }
}

/// Makes a pipe for `message`.
pub fn pipe(message: Message) -> (Producer, Consumer) {
    let producer_settled = message.presettled;
    let shared = Arc::new(Shared {
        message,
        state: Mutex::new(State {
            chunks: VecDeque::new(),
            queued: 0,
            released: 0,
            end: None,
            producer_settled,
            consumer: Doorbell::default(),
            outcome: None,
            terminal: false,
            used: false,
            discard: false,
            consumer_settled: false,
            wants_space: false,
            producer: Doorbell::default(),
            load: None,
        }),
    });
    (
        Producer {
            shared: shared.clone(),
        },
        Consumer {
            shared,
            armed: true,
        },
    )
}

/// The end at which body octets go in.
pub struct Producer {
    shared: Arc<Shared>,
}

impl Producer {
    /// The message's head.
    pub fn message(&self) -> &Message {
        &self.shared.message
    }

    /// Says who is to be rung when the consumer moves. What it did before has to be looked for.
    pub fn bind(&self, bell: Arc<dyn Bell>, token: u32) {
        self.shared.lock().producer.bind(bell, token);
    }

    /// Gives the next octets of the body; returns how many are waiting. Once nobody wants them they vanish.
    pub fn push(&self, chunk: Bytes) -> usize {
        let mut state = self.shared.lock();
        if state.end.is_some() || state.discard || chunk.is_empty() {
            return state.queued;
        }
        state.queued += chunk.len();
        state.chunks.push_back(chunk);
        state.consumer.ring();
        state.queued
    }

    /// Gives the last octets of the body, so that the consumer finds them and its end together; as [`Producer::complete`].
    pub fn push_last(&self, chunk: Bytes, settled: bool) {
        let mut state = self.shared.lock();
        if state.end.is_some() {
            return;
        }
        if !state.discard && !chunk.is_empty() {
            state.queued += chunk.len();
            state.chunks.push_back(chunk);
        }
        state.finish(End::Complete, settled);
    }

    /// Whether the producer should stop until it is rung: `most` octets or more wait.
    pub fn must_wait(&self, most: usize) -> bool {
        let mut state = self.shared.lock();
        state.wants_space = state.queued >= most && !state.discard;
        state.wants_space
    }

    /// Octets that the consumer has released in all.
    pub fn released(&self) -> u64 {
        self.shared.lock().released
    }

    /// Ends the body; `settled` if the producer wants no (further) disposition.
    pub fn complete(&self, settled: bool) {
        self.finish(End::Complete, settled);
    }

    /// Gives the delivery up: its source was lost.
    pub fn abort(&self) {
        self.finish(End::Aborted, true);
    }

    fn finish(&self, end: End, settled: bool) {
        self.shared.lock().finish(end, settled);
    }

    /// The producer settles: no disposition is wanted any more.
    pub fn settle(&self) {
        let mut state = self.shared.lock();
        if !state.producer_settled {
            state.producer_settled = true;
            state.consumer.ring();
        }
    }

    /// Takes what came back; answers the bell.
    pub fn take_update(&self) -> Update {
        let mut state = self.shared.lock();
        state.producer.rung = false;
        Update {
            state: state.outcome.take(),
            settled: state.consumer_settled,
            used: state.used,
        }
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.abort();
    }
}

/// The end at which body octets come out.
pub struct Consumer {
    shared: Arc<Shared>,
    /// Whether dropping it still has to answer the producer.
    armed: bool,
}

impl Consumer {
    /// The message's head.
    pub fn message(&self) -> &Message {
        &self.shared.message
    }

    /// Charges the delivery to a destination until the consumer settles it; one that is presettled until it has left.
    pub fn charge(&self, load: Load) {
        let mut state = self.shared.lock();
        if !state.consumer_settled {
            state.load = Some(load);
        }
    }

    /// Says who is to be rung when the producer moves. What it did before has to be looked for.
    pub fn bind(&self, bell: Arc<dyn Bell>, token: u32) {
        self.shared.lock().consumer.bind(bell, token);
    }

    /// Gives all slices that wait to `give`; answers the bell. They count as waiting until
    /// [released](Self::release).
    pub fn take(&self, give: impl FnMut(Bytes)) -> Arrival {
        let mut state = self.shared.lock();
        state.consumer.rung = false;
        state.chunks.drain(..).for_each(give);
        Arrival {
            end: state.end,
            settled: state.producer_settled,
        }
    }

    /// Says that `octets` of those taken have gone on their way.
    pub fn release(&self, octets: usize) {
        let mut state = self.shared.lock();
        state.queued = state.queued.saturating_sub(octets);
        state.released += octets as u64;
        if state.wants_space && state.queued <= LOW_WATER {
            state.wants_space = false;
            state.producer.ring();
        }
    }

    /// Tells the producer the delivery's state; a terminal one stays, newer RECEIVED replaces older.
    pub fn update(&self, outcome: Option<DeliveryState>, settled: bool) {
        let mut state = self.shared.lock();
        if let Some(outcome) = outcome
            && !state.terminal
        {
            state.used |= !matches!(outcome, DeliveryState::Released);
            if outcome.is_terminal() {
                state.terminal = true;
                if !matches!(outcome, DeliveryState::Accepted) {
                    state.discard();
                }
            }
            state.outcome = Some(outcome);
        }
        if settled {
            state.settle_by_consumer();
        }
        state.producer.ring();
    }

    /// Answers with a last state, settled.
    pub fn settle(self, outcome: DeliveryState) {
        self.finish(Some(outcome));
    }

    /// Settles, with a last state if there is a newer one.
    pub fn finish(mut self, outcome: Option<DeliveryState>) {
        self.armed = false;
        self.update(outcome, true);
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        let whole = state.end.is_some() && state.chunks.is_empty();
        let used = whole || (self.message().is_early() && state.is_taken());
        state.discard();
        if self.armed && !state.consumer_settled {
            if !state.terminal {
                state.terminal = true;
                state.used |= used;
                state.outcome = Some(if used {
                    DeliveryState::failed()
                } else {
                    DeliveryState::Released
                });
            }
            state.settle_by_consumer();
        }
        state.producer.ring();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_presettled_is_a_load_until_it_has_left() {
        let destination = Arc::default();
        let message = Message {
            presettled: true,
            ..Message::default()
        };
        let (producer, consumer) = pipe(message);
        consumer.charge(Load::on(&destination));
        producer.complete(true);
        assert_eq!(destination.load(std::sync::atomic::Ordering::Relaxed), 1);
        consumer.settle(DeliveryState::Accepted);
        assert_eq!(destination.load(std::sync::atomic::Ordering::Relaxed), 0);
    }

    #[test]
    fn the_last_octets_and_the_end_are_found_together() {
        let (producer, consumer) = pipe(Message::default());
        assert_eq!(producer.push(Bytes::from_static(b"be")), 2);
        producer.push_last(Bytes::from_static(b"gin"), true);
        producer.push_last(Bytes::from_static(b"more"), false);
        let mut octets = Vec::new();
        let arrival = consumer.take(|chunk| octets.extend_from_slice(&chunk));
        assert_eq!(octets, b"begin");
        assert_eq!((arrival.end, arrival.settled), (Some(End::Complete), true));
    }

    #[test]
    fn what_came_early_and_was_taken_is_not_said_to_be_unused() {
        for (early, taken, unused) in [
            (true, false, true),
            (true, true, false),
            (false, true, true),
        ] {
            let message = match early {
                true => Message::early_tcp_stream(),
                false => Message::tcp_stream(),
            };
            let (producer, consumer) = pipe(message);
            producer.push(Bytes::from_static(b"head and request"));
            if taken {
                consumer.take(drop);
            }
            drop(consumer);
            let update = producer.take_update();
            assert_eq!(update.state == Some(DeliveryState::Released), unused);
            assert_eq!(update.used, !unused);
        }
    }
}
