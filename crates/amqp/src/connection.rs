//! A connection with its sessions and links: a state machine that is given input and time, and gives events and output.
//!
//! The owner's loop:
//!
//! 1. octets from the socket: [`Connection::handle_input`] (at the end of the stream [`Connection::handle_eof`]);
//! 2. [`Connection::next_timeout`] passed: [`Connection::handle_timeout`];
//! 3. [`Connection::poll_event`] until `None`, answering events with the other methods;
//! 4. write [`Connection::output`] (a [`Buf`](bytes::Buf) for vectored writes).
//!
//! **Cost.** A transfer costs no allocation in steady state: its payload is a slice of the input (one reference), its frame
//! header on the way out is written into a buffer that is reused. Flows and dispositions are gathered until the output is
//! looked at, so that many of them become one frame.
//!
//! **Bounds.** Input is not kept: a frame is refused by its size before it has come. What a peer can make us hold is bounded by
//! [`Config`]: its sessions, links, the credit it was given (unsettled deliveries) and events of one `handle_input`.
//! Output is bounded by the owner, who stops to send while [`Connection::buffered_output`] is high.

mod config;
mod event;
mod output;
mod slots;

pub use config::{Config, Mechanism, Release, Sasl};
pub use event::{CloseReason, Event, Incoming, Initiator, LinkId, SessionId};
pub use output::{Output, Payload};

use std::time::Duration;

use bytes::BytesMut;
use thiserror::Error;

use crate::{
    performative::{Attach, Condition, DeliveryState, DeliveryTag, Role, Terminus},
    value::Symbol,
};

/// A delivery to be sent, or to be continued.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outgoing {
    /// Tag of the delivery; looked at when it begins, and repeated in each of its transfers.
    pub tag: DeliveryTag,
    /// We settle it by this transfer. A delivery may begin unsettled and become settled by its last transfer.
    pub settled: bool,
    /// More octets of the delivery will follow in later calls.
    pub more: bool,
    /// The owner's own number for the delivery, which its [`Event::Disposition`] brings back.
    pub token: u64,
}

/// What became of [`Connection::transfer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Sent {
    /// All octets are in the output; the number is the delivery's on its session.
    All(u32),
    /// The session's window is used up: the rest stays in the payload until [`Event::Writable`]. The number is there once the delivery
    /// has begun.
    Window(Option<u32>),
    /// The delivery could not begin for lack of credit: until [`Event::Flow`].
    Credit,
}

/// A call that makes no sense in the present state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum UseError {
    /// The link is not, or no longer, there.
    #[error("no such link: it was detached, or never attached")]
    NoLink,
    /// The session is not, or no longer, there.
    #[error("no such session: it has ended, or never begun")]
    NoSession,
    /// The link's role does not allow it.
    #[error("the link is not a {0}")]
    Role(&'static str),
    /// The connection is closed.
    #[error("the connection is closed")]
    Closed,
    /// The peer's limit is reached.
    #[error("the peer takes no more {0}")]
    Limit(&'static str),
}

/// An AMQP connection.
#[derive(Debug)]
pub struct Connection {
    output: Output,
}

#[allow(unused_variables, clippy::unimplemented)]
impl Connection {
    /// A connection at its start. A connector has output at once.
    #[must_use]
    pub fn new(config: Config, now: Duration) -> Self {
        unimplemented!()
    }

    /// Takes what came from the peer. Whole frames are taken off the front; what is left is the beginning of a frame, to
    /// which the owner appends. Payloads are split off `input` without copying.
    pub fn handle_input(&mut self, input: &mut BytesMut, now: Duration) {
        unimplemented!()
    }

    /// The peer will send no more.
    pub fn handle_eof(&mut self) {
        unimplemented!()
    }

    /// When [`Connection::handle_timeout`] wants to be called, if ever. It changes with input and output.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Duration> {
        unimplemented!()
    }

    /// Time has passed: idle peers are closed, idle output gets an empty frame.
    pub fn handle_timeout(&mut self, now: Duration) {
        unimplemented!()
    }

    /// The next thing that happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        unimplemented!()
    }

    /// What is to be written; flows and dispositions that were held back are in it.
    pub fn output(&mut self) -> &mut Output {
        unimplemented!()
    }

    /// Octets that wait in the output: stop to send above a mark (a router's: 1 MiB).
    #[must_use]
    pub fn buffered_output(&self) -> usize {
        self.output.len()
    }

    /// Whether [`Event::Closed`] was (or is about to be) given.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        unimplemented!()
    }

    /// The SASL mechanism that was used.
    #[must_use]
    pub fn mechanism(&self) -> Option<&Symbol> {
        unimplemented!()
    }

    /// Closes the connection. [`Event::Closed`] comes with the peer's close, or soon after without it.
    pub fn close(&mut self, error: Option<Condition>, now: Duration) {
        unimplemented!()
    }

    /// Begins a session; links can be attached to it at once.
    ///
    /// # Errors
    /// When the connection is closed or the peer takes no more channels.
    pub fn begin(&mut self) -> Result<SessionId, UseError> {
        unimplemented!()
    }

    /// Ends a session. [`Event::Ended`] comes with the peer's answer.
    ///
    /// # Errors
    /// When there is no such session.
    pub fn end(&mut self, session: SessionId, error: Option<Condition>) -> Result<(), UseError> {
        unimplemented!()
    }

    /// Attaches a link; `handle` is filled in. [`Event::Attached`] comes with the peer's answer.
    ///
    /// # Errors
    /// When there is no such session or the peer takes no more links.
    pub fn attach(&mut self, session: SessionId, attach: Attach) -> Result<LinkId, UseError> {
        unimplemented!()
    }

    /// Answers an attach of the peer: the termini as they are (usually those of the peer, a dynamic address filled in).
    ///
    /// # Errors
    /// When there is no such link.
    pub fn accept(
        &mut self,
        link: LinkId,
        source: Option<Terminus>,
        target: Option<Terminus>,
        max_message_size: u64,
    ) -> Result<(), UseError> {
        unimplemented!()
    }

    /// Refuses an attach of the peer: an answer without termini, then a detach with the error.
    ///
    /// # Errors
    /// When there is no such link.
    pub fn refuse(&mut self, link: LinkId, error: Condition) -> Result<(), UseError> {
        unimplemented!()
    }

    /// Detaches a link for good. What still comes for it is dropped; [`Event::Detached`] comes with the peer's answer.
    ///
    /// # Errors
    /// When there is no such link.
    pub fn detach(&mut self, link: LinkId, error: Option<Condition>) -> Result<(), UseError> {
        unimplemented!()
    }

    /// As receiver: lets the peer send `more` further deliveries. Sent with the next output (after the peer's attach).
    ///
    /// # Errors
    /// When there is no such link, or we are its sender.
    pub fn grant(&mut self, link: LinkId, more: u32) -> Result<(), UseError> {
        unimplemented!()
    }

    /// As receiver: asks the peer to use its credit now or to give it up, which [`Event::Flow`] with no credit tells.
    ///
    /// # Errors
    /// When there is no such link, or we are its sender.
    pub fn drain(&mut self, link: LinkId) -> Result<(), UseError> {
        unimplemented!()
    }

    /// As sender: gives up the credit that is left, which the peer asked for by draining.
    ///
    /// # Errors
    /// When there is no such link, or we are its receiver.
    pub fn drained(&mut self, link: LinkId) -> Result<(), UseError> {
        unimplemented!()
    }

    /// Sends octets of a delivery, in as many frames as the peer's frame size asks for. A link carries one delivery at a time: the
    /// first call begins it, one with `more` false ends it. Octets that could not be sent stay in `payload`; call again with the same
    /// `delivery` when there is a window.
    ///
    /// # Errors
    /// When there is no such link, or we are its receiver.
    pub fn transfer(
        &mut self,
        link: LinkId,
        delivery: &Outgoing,
        payload: &mut Payload,
    ) -> Result<Sent, UseError> {
        unimplemented!()
    }

    /// Ends the delivery in progress on a link as incomplete; without one nothing happens.
    ///
    /// # Errors
    /// When there is no such link, or we are its receiver.
    pub fn abort(&mut self, link: LinkId) -> Result<(), UseError> {
        unimplemented!()
    }

    /// Number of the delivery that is in progress on a link, in either direction.
    #[must_use]
    pub fn in_progress(&self, link: LinkId) -> Option<u32> {
        unimplemented!()
    }

    /// Tells the peer of the state of a delivery, and settles it. What is settled already is left alone. States of deliveries that
    /// follow each other go out as one frame.
    ///
    /// # Errors
    /// When there is no such link.
    pub fn dispose(
        &mut self,
        link: LinkId,
        delivery: u32,
        state: Option<DeliveryState>,
        settled: bool,
    ) -> Result<(), UseError> {
        unimplemented!()
    }

    /// Gives a delivery that came a number of the owner's, which its further events bring back.
    pub fn tag_delivery(&mut self, link: LinkId, delivery: u32, token: u64) {
        unimplemented!()
    }

    /// With [`Release::Manual`]: `transfers` of the session have been consumed, and as many may come again.
    pub fn release(&mut self, session: SessionId, transfers: u32) {
        unimplemented!()
    }

    /// Credit of a link: deliveries that we may send, or that the peer may.
    #[must_use]
    pub fn credit(&self, link: LinkId) -> u32 {
        unimplemented!()
    }

    /// Our role on a link.
    #[must_use]
    pub fn role(&self, link: LinkId) -> Option<Role> {
        unimplemented!()
    }

    /// A link's session.
    #[must_use]
    pub fn session_of(&self, link: LinkId) -> Option<SessionId> {
        unimplemented!()
    }

    /// Octets of payload that the session's window has room for.
    #[must_use]
    pub fn session_send_capacity(&self, session: SessionId) -> usize {
        unimplemented!()
    }
}
