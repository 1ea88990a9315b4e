//! The direction of a flow that leaves its socket: what is read goes into a delivery.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use bytes::Bytes;
use skupper_amqp::performative::DeliveryState;
use skupper_observe::Side;
use tokio::time::Instant;

use super::early::Early;
use super::observation::Observed;
use super::pump::{FlowInbox, FlowOctets};
use super::socket::{Socket, next_chunk};
use super::window::Window;
use crate::transit::block::BLOCK;
use crate::transit::inbox::Bell;
use crate::transit::pipe::{HIGH_WATER, Producer};

/// Octets on their way out of a socket.
pub(crate) struct Outward {
    /// Who reads along, in both directions.
    pub(crate) observed: Observed,
    producer: Producer,
    sent: u64,
    window: Window,
    /// The window is off: the peer settled or ended.
    unlimited: bool,
    /// The producer said to wait.
    held: bool,
    /// The socket came to its end before the flow was open.
    ended: bool,
    /// When the first of what was read before the flow was open was read.
    asked: Option<Instant>,
    done: bool,
}

impl Outward {
    /// Of a server's socket, of which nothing has been read.
    pub(crate) fn of_server(producer: Producer) -> Self {
        Self::of_client(producer, Early::new(Observed::default()), true)
    }

    /// Of a client's; `said`: what was read early of it has gone into the delivery.
    pub(crate) fn of_client(producer: Producer, early: Early, said: bool) -> Self {
        if !said {
            for chunk in early.said {
                producer.push(chunk);
            }
        }
        Outward {
            observed: early.observed,
            producer,
            sent: early.octets as u64,
            window: Window::new(None),
            unlimited: false,
            held: false,
            ended: early.ended,
            asked: early.asked,
            done: false,
        }
    }

    /// The other end has answered and takes so many octets beyond what it has acknowledged, if it says so.
    pub(crate) fn open(&mut self, window: Option<u64>, inbox: &Arc<FlowInbox>, token: u32) {
        self.producer.bind(inbox.clone() as Arc<dyn Bell>, token);
        self.window = Window::new(window);
        self.window.sent(self.sent, Instant::now);
    }

    /// When the socket's peer spoke, if it did so before the other end had answered.
    pub(crate) fn asked(&self) -> Option<Instant> {
        self.asked
    }

    /// Octets read so far.
    pub(crate) fn sent(&self) -> u64 {
        self.sent
    }

    /// The socket has come to its end, and the delivery with it.
    pub(crate) fn is_done(&self) -> bool {
        self.done
    }

    /// Breaks the delivery off.
    pub(crate) fn abort(&self) {
        self.producer.abort();
    }

    /// Looks at what came back; whether it means that nobody takes the stream.
    pub(crate) fn hear(&mut self) -> bool {
        self.held = false;
        let update = self.producer.take_update();
        self.unlimited |= update.settled;
        match update.state {
            Some(DeliveryState::Received { section_offset, .. }) => {
                self.window.acknowledge(section_offset, Instant::now());
                false
            }
            Some(DeliveryState::Accepted) => {
                self.unlimited = true;
                false
            }
            other => other.is_some(),
        }
    }

    fn may_read(&mut self) -> bool {
        if self.done || self.held {
            return false;
        }
        if !self.unlimited && !self.window.is_open(self.sent) {
            return false;
        }
        self.held = self.producer.must_wait(HIGH_WATER);
        !self.held
    }

    /// Reads once; whether there was something. `inward_done`: the opposite direction is over.
    pub(crate) fn read(
        &mut self,
        socket: &mut Socket,
        octets: &FlowOctets,
        inward_done: bool,
        cx: &mut Context<'_>,
    ) -> io::Result<bool> {
        if !self.may_read() {
            return Ok(false);
        }
        let read = match self.ended {
            true => Poll::Ready(Ok(Bytes::new())),
            false => next_chunk(socket, BLOCK, cx),
        };
        match read {
            Poll::Pending => Ok(false),
            Poll::Ready(Err(error)) => Err(error),
            Poll::Ready(Ok(chunk)) if chunk.is_empty() => {
                // Nobody needs to acknowledge a direction whose opposite is over already.
                self.producer.complete(inward_done);
                self.done = true;
                Ok(true)
            }
            Poll::Ready(Ok(chunk)) => {
                self.push(chunk, octets);
                Ok(true)
            }
        }
    }

    fn push(&mut self, chunk: Bytes, octets: &FlowOctets) {
        self.sent += chunk.len() as u64;
        octets.outward.store(self.sent, Ordering::Relaxed);
        self.window.sent(self.sent, Instant::now);
        self.observed.feed(Side::Client, &chunk);
        self.producer.push(chunk);
    }
}
