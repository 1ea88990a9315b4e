//! Streams to a router that this one has no way to yet.
//!
//! A router learns of a service and opens the port for it; the router at the service's end may learn of the one with the
//! client a moment later, by another message. The first answer would find no way back, and the client, whose connection was
//! taken, would be cut off. So streams to routers wait for a while before they are given up. Upstream's router gives them up
//! at once.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use skupper_amqp::message::flags;
use skupper_routing::AddressKey;
use skupper_routing::address::Class;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::dispatch::{Dispatch, Undeliverable};
use crate::transit::message::Message;
use crate::transit::pipe::Consumer;

/// How long a stream waits: what routers tell each other is there long before.
const PATIENCE: Duration = Duration::from_secs(1);
/// So many wait at most; further ones are given up at once.
const MOST: usize = 1024;

/// Streams that wait.
#[derive(Default)]
pub struct Waiting {
    streams: Mutex<Vec<Stream>>,
    come: Notify,
}

struct Stream {
    key: AddressKey,
    consumer: Consumer,
    until: Instant,
}

impl Waiting {
    fn streams(&self) -> MutexGuard<'_, Vec<Stream>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many wait.
    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.streams().len()
    }

    /// Whether a delivery may wait: a stream to a router, of this network or another, as answers are.
    fn takes(key: &AddressKey, message: &Message) -> bool {
        let to_router = matches!(key.class(), Class::Router | Class::Edge | Class::Network);
        // One that has come back has been where there is a way.
        let is_new = message.tried.is_empty();
        to_router && is_new && message.annotations.flags & flags::STREAMING != 0
    }

    /// Has a delivery wait that found no way; it comes back if it is not to.
    pub(super) fn add(&self, key: &AddressKey, consumer: Consumer) -> Result<(), Consumer> {
        let mut streams = self.streams();
        if streams.len() >= MOST || !Self::takes(key, consumer.message()) {
            return Err(consumer);
        }
        streams.push(Stream {
            key: key.clone(),
            consumer,
            until: Instant::now() + PATIENCE,
        });
        drop(streams);
        self.come.notify_one();
        Ok(())
    }

    /// Comes about when [`Dispatch::retry`] has something to do beside what follows from changed routes: a stream came, or the
    /// time of one is up.
    pub(crate) async fn due(&self) {
        let first = self.streams().iter().map(|stream| stream.until).min();
        let up = async {
            match first {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.come.notified() => {}
            () = up => {}
        }
    }
}

impl Dispatch {
    /// Tries the streams that wait once more; those whose time is up are given up.
    pub(crate) fn retry(&self, now: Instant) {
        let waiting = std::mem::take(&mut *self.waiting.streams());
        let mut still = Vec::new();
        for stream in waiting {
            let Stream {
                key,
                consumer,
                until,
            } = stream;
            match self.send_at_once(&key, consumer) {
                Ok(_) => {}
                Err((Undeliverable::NoRoute, consumer)) if now < until => still.push(Stream {
                    key,
                    consumer,
                    until,
                }),
                Err((why, consumer)) => consumer.settle(why.state()),
            }
        }
        self.waiting.streams().append(&mut still);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use skupper_amqp::DeliveryState;

    use super::*;
    use crate::core::testing::{Taker, dispatch, serve};
    use crate::transit::pipe::{Producer, pipe};

    /// Has a stream to the router wait; when its time is up.
    fn waits(dispatch: &Dispatch, key: &AddressKey) -> (Producer, Instant) {
        let (producer, consumer) = pipe(Message::tcp_stream());
        assert!(dispatch.send(key, consumer).is_ok(), "it may wait");
        let until = dispatch.waiting.streams().last().unwrap().until;
        (producer, until)
    }

    #[test]
    fn a_stream_is_given_up_when_its_time_is_up_and_not_before() {
        let dispatch = dispatch();
        for key in [Class::Router, Class::Edge].map(|class| AddressKey::new(class, "A")) {
            let (producer, until) = waits(&dispatch, &key);
            dispatch.retry(until - Duration::from_nanos(1));
            let update = producer.take_update();
            assert_eq!((update.state, update.settled), (None, false));
            dispatch.retry(until);
            let update = producer.take_update();
            assert_eq!(update.state, Some(DeliveryState::Released));
            assert!(update.settled && !update.used);
            assert!(dispatch.waiting.streams().is_empty());
        }
    }

    #[test]
    fn a_stream_goes_on_as_soon_as_there_is_a_way() {
        let dispatch = dispatch();
        let key = AddressKey::new(Class::Edge, "E");
        let (producer, until) = waits(&dispatch, &key);
        let taker = Arc::new(Taker::default());
        serve(&dispatch, &key, taker.clone());
        // The time is up as well: a way goes before that.
        dispatch.retry(until);
        let delivery = taker.take();
        assert!(delivery.is_some());
        let update = producer.take_update();
        assert_eq!((update.state, update.settled), (None, false));
        assert!(dispatch.waiting.streams().is_empty());
    }

    #[test]
    fn streams_to_routers_wait_and_nothing_else() {
        let takes = |key: &str, message: &Message| {
            Waiting::takes(&AddressKey::new(Class::Mobile, key), message)
        };
        let stream = Message::tcp_stream();
        assert!(!takes("service", &stream));
        for class in [Class::Router, Class::Edge, Class::Network] {
            let key = AddressKey::new(class, "A");
            assert!(Waiting::takes(&key, &stream));
            assert!(!Waiting::takes(&key, &Message::default()));
        }
    }

    #[test]
    fn no_more_wait_than_there_is_room_for() {
        let waiting = Waiting::default();
        let key = AddressKey::new(Class::Router, "A");
        let mut producers = Vec::new();
        for number in 0..=MOST {
            let (producer, consumer) = pipe(Message::tcp_stream());
            producers.push(producer);
            assert_eq!(waiting.add(&key, consumer).is_ok(), number < MOST);
        }
    }
}
