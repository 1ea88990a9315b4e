//! Consumers and producers of messages inside the router: the management agent, telemetry.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::{Bytes, BytesMut};
use skupper_amqp::message::RouterAnnotations;
use skupper_amqp::performative::DeliveryState;
use skupper_routing::{AddressKey, Treatment};
use tokio::sync::mpsc;

use super::dispatch::{Dispatch, Undeliverable};
use super::forwarding::{Destination, Sink};
use crate::context::Context;
use crate::transit::load::Outstanding;
use crate::transit::message::Message;
use crate::transit::pipe::{Consumer, End, pipe};

/// Messages that may wait for a slow consumer; more are released.
const QUEUE: usize = 1024;

/// A whole message that came for a consumer inside the router. It was accepted on arrival.
#[derive(Debug)]
pub struct Received {
    /// The routers' section.
    pub annotations: RouterAnnotations,
    /// Everything behind it.
    pub payload: Bytes,
    /// The policy of its sender lets him close connections.
    pub administers: bool,
}

/// The messages to one address, until it is dropped.
pub struct Subscription {
    messages: mpsc::Receiver<Received>,
    context: Arc<Context>,
    key: AddressKey,
    id: u64,
}

impl Subscription {
    /// The next message.
    pub async fn next(&mut self) -> Option<Received> {
        self.messages.recv().await
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.context
            .core
            .remove_destination(self.key.clone(), self.id);
    }
}

struct ProcessSink {
    messages: mpsc::Sender<Received>,
}

impl Sink for ProcessSink {
    fn deliver(&self, delivery: Consumer) {
        let mut chunks = VecDeque::new();
        // Consumers inside the router take whole messages only.
        if delivery.take(|chunk| chunks.push_back(chunk)).end != Some(End::Complete) {
            return delivery.settle(DeliveryState::Released);
        }
        let payload = match chunks.len() {
            1 => chunks.pop_front().unwrap_or_default(),
            _ => {
                let mut whole = BytesMut::new();
                chunks
                    .iter()
                    .for_each(|chunk| whole.extend_from_slice(chunk));
                whole.freeze()
            }
        };
        let received = Received {
            annotations: delivery.message().annotations.clone(),
            payload,
            administers: delivery.message().administers,
        };
        delivery.settle(match self.messages.try_send(received) {
            Ok(()) => DeliveryState::Accepted,
            Err(_) => DeliveryState::Released,
        });
    }
}

impl Context {
    /// Subscribes to an address. Other routers are told of it if it is a mobile one.
    pub fn subscribe(self: &Arc<Self>, address: &str) -> Subscription {
        self.subscribe_key(self.dispatch.key(address))
    }

    /// Subscribes to a key.
    pub fn subscribe_key(self: &Arc<Self>, key: AddressKey) -> Subscription {
        let (sender, messages) = mpsc::channel(QUEUE);
        let id = self.numbers.link();
        let destination = Destination {
            id,
            sink: Arc::new(ProcessSink { messages: sender }),
            outstanding: Outstanding::default(),
            capacity: QUEUE as u64,
            beyond: None,
            apart: None,
        };
        self.core.add_destination(key.clone(), destination, true);
        Subscription {
            messages,
            context: self.clone(),
            key,
            id,
        }
    }
}

impl Dispatch {
    /// Sends a message made inside the router, settled: everything behind the routers' section. Copies go to everybody who
    /// consumes a multicast address, else it goes to one destination.
    pub fn send_message(&self, address: &str, payload: Bytes) -> Result<(), Undeliverable> {
        let key = self.key(address);
        let forwarding = self.forwarding.load();
        if forwarding.locals.get(&key).is_some() || forwarding.table.remotes(&key).is_some() {
            let count = &self.uses.of(&key).from_inner;
            count.fetch_add(1, Ordering::Relaxed);
        }
        let message = Message {
            presettled: true,
            counted: true,
            ..Message::default()
        };
        if self.treatment(&key) == Treatment::Multicast {
            return match self.multicast(&key, &message, &[payload]).is_empty() {
                true => Err(Undeliverable::NoRoute),
                false => Ok(()),
            };
        }
        let (producer, consumer) = pipe(message);
        producer.push(payload);
        producer.complete(true);
        let sent = self.send(&key, consumer);
        sent.map(drop).map_err(|(why, _)| why)
    }
}
