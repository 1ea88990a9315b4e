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
mod ending;
mod event;
mod input;
mod layers;
mod output;
mod send;
mod slots;
mod state;
mod timers;
mod trace;

pub use config::{Config, Mechanism, Release, Sasl, Terms};
pub use event::{CloseReason, Event, Incoming, Initiator, LinkId, SessionId};
pub use output::{Output, Payload};

use std::{collections::VecDeque, time::Duration};

use bytes::BytesMut;
use thiserror::Error;

use self::{
    layers::Layer,
    slots::Slots,
    state::{Channels, Link, PendingDisposition, Session},
    timers::{CLOSE_TIMEOUT, Timers},
    trace::Trace,
};
use crate::{
    frame,
    performative::{
        Attach, Condition, DeliveryState, DeliveryTag, End, Performative, Role, Terminus,
    },
    value::Symbol,
};

/// Octets of a frame that are not payload, at most; for estimates.
const TRANSFER_ROOM: usize = 64;

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
    config: Config,
    layer: Layer,
    life: Life,
    peer: Peer,
    mechanism: Option<Symbol>,
    /// The header is sent and the open is not.
    open_owed: bool,
    output: Output,
    events: VecDeque<Event>,
    sessions: Slots<Session>,
    links: Slots<Link>,
    channels: Channels,
    pending: Option<PendingDisposition>,
    dirty_links: Vec<u32>,
    dirty_sessions: Vec<u32>,
    scratch: Vec<u32>,
    unsettled_told: usize,
    last_input: Duration,
    timers: Timers,
    trace: Trace,
}

/// Whether the connection is in use.
#[derive(Debug, PartialEq)]
enum Life {
    Active,
    /// Our close is sent.
    Closing(Option<Condition>),
    Closed,
}

/// What the peer's open said.
#[derive(Debug)]
struct Peer {
    opened: bool,
    /// Largest frame that we send.
    max_frame: usize,
    channel_max: u16,
}

impl Connection {
    /// A connection at its start. A connector has output at once.
    #[must_use]
    pub fn new(config: Config, now: Duration) -> Self {
        let handshake = config.handshake_timeout.map(|timeout| now + timeout);
        let mut connection = Self {
            peer: Peer {
                opened: false,
                max_frame: frame::MIN_MAX_FRAME_SIZE as usize,
                channel_max: config.open.channel_max,
            },
            config,
            layer: Layer::First,
            life: Life::Active,
            mechanism: None,
            open_owed: false,
            output: Output::default(),
            events: VecDeque::new(),
            sessions: Slots::new(),
            links: Slots::new(),
            channels: Channels::default(),
            pending: None,
            dirty_links: Vec::new(),
            dirty_sessions: Vec::new(),
            scratch: Vec::new(),
            unsettled_told: 0,
            last_input: now,
            timers: Timers {
                handshake,
                ..Timers::default()
            },
            trace: Trace::default(),
        };
        connection.start();
        connection
    }

    /// Takes what came from the peer. Whole frames are taken off the front; what is left is the beginning of a frame, to
    /// which the owner appends. Payloads are split off `input` without copying.
    pub fn handle_input(&mut self, input: &mut BytesMut, now: Duration) {
        self.take_input(input, now);
    }

    /// The peer will send no more.
    pub fn handle_eof(&mut self) {
        match std::mem::replace(&mut self.life, Life::Active) {
            Life::Active => self.finish(CloseReason::Lost),
            Life::Closing(error) => self.finish(CloseReason::Local(error)),
            Life::Closed => self.life = Life::Closed,
        }
    }

    /// When [`Connection::handle_timeout`] wants to be called, if ever. It changes with input and output.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Duration> {
        self.timers_next()
    }

    /// Time has passed: idle peers are closed, idle output gets an empty frame.
    pub fn handle_timeout(&mut self, now: Duration) {
        self.timers_passed(now);
    }

    /// The next thing that happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Has frames told by [`Connection::poll_trace`] from now on, or not any more.
    pub fn set_trace(&mut self, on: bool) {
        self.trace.set(on);
    }

    /// The next frame that was read or written, as a line: channel, direction, performative, and octets of payload.
    pub fn poll_trace(&mut self) -> Option<String> {
        self.trace.take()
    }

    /// What is to be written; flows and dispositions that were held back are in it.
    pub fn output(&mut self) -> &mut Output {
        self.flush();
        &mut self.output
    }

    /// Octets that wait in the output: stop to send above a mark (a router's: 1 MiB).
    #[must_use]
    pub fn buffered_output(&self) -> usize {
        self.output.len()
    }

    /// Whether [`Event::Closed`] was (or is about to be) given.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.life == Life::Closed
    }

    /// The SASL mechanism that was used.
    #[must_use]
    pub fn mechanism(&self) -> Option<&Symbol> {
        self.mechanism.as_ref()
    }

    /// With [`Config::open_second`]: sends our open, where the peer's has come. Until then what is behind the peer's open is left in the
    /// input, which has to be given to [`Connection::handle_input`] again.
    pub fn answer_open(&mut self, terms: Terms) {
        if !self.open_owed || !self.peer.opened {
            return;
        }
        let open = &mut self.config.open;
        open.max_frame_size = terms.max_frame_size.map_or(open.max_frame_size, |size| {
            size.max(frame::MIN_MAX_FRAME_SIZE)
        });
        open.channel_max = terms.channel_max.unwrap_or(open.channel_max);
        self.config.session_window = terms.session_window.unwrap_or(self.config.session_window);
        self.send_owed_open();
    }

    /// Closes the connection. [`Event::Closed`] comes with the peer's close, or soon after without it.
    pub fn close(&mut self, error: Option<Condition>, now: Duration) {
        if self.life != Life::Active {
            return;
        }
        if matches!(self.layer, Layer::AmqpHeader | Layer::Frames) {
            self.flush();
            self.send_close(error.clone());
            self.life = Life::Closing(error);
            self.timers.close = Some(now + CLOSE_TIMEOUT);
        } else {
            self.finish(CloseReason::Local(error));
        }
    }

    /// Begins a session; links can be attached to it at once.
    ///
    /// # Errors
    /// When the connection is closed or the peer takes no more channels.
    pub fn begin(&mut self) -> Result<SessionId, UseError> {
        self.check_active()?;
        if self.sessions.len()
            > usize::from(self.config.open.channel_max.min(self.peer.channel_max))
        {
            return Err(UseError::Limit("sessions"));
        }
        let (index, generation) = self
            .sessions
            .insert(Session::new(self.config.session_window));
        self.send_begin(index, None);
        Ok(SessionId { index, generation })
    }

    /// Ends a session. [`Event::Ended`] comes with the peer's answer.
    ///
    /// # Errors
    /// When there is no such session.
    pub fn end(&mut self, session: SessionId, error: Option<Condition>) -> Result<(), UseError> {
        self.check_active()?;
        let index = self.session(session)?;
        self.flush();
        self.write(index, &Performative::End(End { error }));
        if let Some(session) = self.sessions.at_mut(index) {
            session.end_sent = true;
        }
        for link in self
            .links
            .indices(|link| link.session == index)
            .collect::<Vec<_>>()
        {
            if let Some(link) = self.links.at_mut(link) {
                link.detach_sent = true;
            }
        }
        Ok(())
    }

    /// Attaches a link; `handle` is filled in. [`Event::Attached`] comes with the peer's answer.
    ///
    /// # Errors
    /// When there is no such session or the peer takes no more links.
    pub fn attach(&mut self, session: SessionId, mut attach: Attach) -> Result<LinkId, UseError> {
        self.check_active()?;
        let session_index = self.session(session)?;
        let Some(session) = self.sessions.at_mut(session_index) else {
            return Err(UseError::NoSession);
        };
        if self.links.len() >= self.config.max_links {
            return Err(UseError::Limit("links"));
        }
        let handle = session.take_handle().ok_or(UseError::Limit("links"))?;
        attach.handle = handle;
        let mut link = Link::new(session_index, attach.role, handle, attach.name.clone());
        link.attach_sent = true;
        link.delivery_count = attach.initial_delivery_count.unwrap_or(0);
        let (index, generation) = self.links.insert(link);
        session.links += 1;
        session.pending.push_back(index);
        self.write(session_index, &Performative::Attach(Box::new(attach)));
        Ok(LinkId { index, generation })
    }

    /// Whether the peer takes one more link on a session (its handle-max).
    #[must_use]
    pub fn has_handle(&self, session: SessionId) -> bool {
        let session = self.session(session).ok();
        session.is_some_and(|index| self.sessions.at(index).is_some_and(Session::has_handle))
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
        self.check_active()?;
        let index = self.link(link)?;
        if self.links.at(index).is_some_and(|link| !link.attach_sent) {
            self.send_answer(index, source, target, max_message_size);
        }
        Ok(())
    }

    /// Refuses an attach of the peer: an answer without termini, then a detach with the error.
    ///
    /// # Errors
    /// When there is no such link.
    pub fn refuse(&mut self, link: LinkId, error: Condition) -> Result<(), UseError> {
        self.detach(link, Some(error))
    }

    /// Detaches a link for good. What still comes for it is dropped; [`Event::Detached`] comes with the peer's answer.
    ///
    /// # Errors
    /// When there is no such link.
    pub fn detach(&mut self, link: LinkId, error: Option<Condition>) -> Result<(), UseError> {
        self.check_active()?;
        let index = self.link(link)?;
        self.flush();
        self.send_detach(index, error);
        Ok(())
    }

    /// As receiver: lets the peer send `more` further deliveries, and takes back a request to [drain](Self::drain). Sent with the
    /// next output (after the peer's attach).
    ///
    /// # Errors
    /// When there is no such link, or we are its sender.
    pub fn grant(&mut self, link: LinkId, more: u32) -> Result<(), UseError> {
        let index = self.link_as(link, Role::Receiver)?;
        if let Some(link) = self.links.at_mut(index) {
            link.credit = link.credit.saturating_add(more);
            // Who grants wants deliveries, not the rest of the credit given up.
            link.drain = false;
        }
        self.mark_link(index);
        Ok(())
    }

    /// As receiver: asks the peer to use its credit now or to give it up, which [`Event::GivenUp`] tells.
    ///
    /// # Errors
    /// When there is no such link, or we are its sender.
    pub fn drain(&mut self, link: LinkId) -> Result<(), UseError> {
        let index = self.link_as(link, Role::Receiver)?;
        if let Some(link) = self.links.at_mut(index) {
            link.drain = true;
        }
        self.mark_link(index);
        Ok(())
    }

    /// As sender: gives up the credit that is left, which the peer asked for by draining.
    ///
    /// # Errors
    /// When there is no such link, or we are its receiver.
    pub fn drained(&mut self, link: LinkId) -> Result<(), UseError> {
        let index = self.link_as(link, Role::Sender)?;
        if let Some(link) = self.links.at_mut(index) {
            link.delivery_count = link.delivery_count.wrapping_add(link.credit);
            link.credit = 0;
        }
        self.mark_link(index);
        Ok(())
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
        let index = self.link_as(link, Role::Sender)?;
        Ok(self.send_transfer(index, delivery, payload))
    }

    /// Ends the delivery in progress on a link as incomplete; without one nothing happens.
    ///
    /// # Errors
    /// When there is no such link, or we are its receiver.
    pub fn abort(&mut self, link: LinkId) -> Result<(), UseError> {
        let index = self.link_as(link, Role::Sender)?;
        self.send_abort(index);
        Ok(())
    }

    /// Number of the delivery that is in progress on a link, in either direction.
    #[must_use]
    pub fn in_progress(&self, link: LinkId) -> Option<u32> {
        let link = self.links.at(self.link(link).ok()?)?;
        match link.role {
            Role::Sender => link.sending.map(|sending| sending.id),
            Role::Receiver => link.receiving.as_ref().map(|receiving| receiving.id),
        }
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
        self.check_active()?;
        let index = self.link(link)?;
        let Some(link) = self.links.at_mut(index) else {
            return Err(UseError::NoLink);
        };
        let (session_index, role) = (link.session, link.role);
        let Some(session) = self.sessions.at_mut(session_index) else {
            return Err(UseError::NoSession);
        };
        let known = session.unsettled(role);
        if !known.contains_key(&delivery) {
            return Ok(());
        }
        if settled {
            known.remove(&delivery);
            link.unsettled -= 1;
        }
        self.send_disposition(session_index, role, delivery, state, settled);
        Ok(())
    }

    /// Gives a delivery that came a number of the owner's, which its further events bring back.
    pub fn tag_delivery(&mut self, link: LinkId, delivery: u32, token: u64) {
        let Ok(index) = self.link_as(link, Role::Receiver) else {
            return;
        };
        let Some(link) = self.links.at_mut(index) else {
            return;
        };
        if let Some(receiving) = link
            .receiving
            .as_mut()
            .filter(|receiving| receiving.id == delivery)
        {
            receiving.token = token;
        }
        let unsettled = self
            .sessions
            .at_mut(link.session)
            .and_then(|session| session.received.get_mut(&delivery));
        if let Some(unsettled) = unsettled {
            unsettled.token = token;
        }
    }

    /// With [`Release::Manual`]: `transfers` of the session have been consumed, and as many may come again.
    pub fn release(&mut self, session: SessionId, transfers: u32) {
        let Ok(index) = self.session(session) else {
            return;
        };
        let Some(session) = self.sessions.at_mut(index) else {
            return;
        };
        session.unreleased = session.unreleased.saturating_sub(transfers);
        if session.is_low() {
            self.mark_session(index);
        }
    }

    /// Credit of a link: deliveries that we may send, or that the peer may.
    #[must_use]
    pub fn credit(&self, link: LinkId) -> u32 {
        self.links
            .at(link.index)
            .filter(|_| self.link(link).is_ok())
            .map_or(0, |link| link.credit)
    }

    /// Our role on a link.
    #[must_use]
    pub fn role(&self, link: LinkId) -> Option<Role> {
        Some(self.links.at(self.link(link).ok()?)?.role)
    }

    /// A link's session.
    #[must_use]
    pub fn session_of(&self, link: LinkId) -> Option<SessionId> {
        Some(self.session_id(self.links.at(self.link(link).ok()?)?.session))
    }

    /// Octets of payload that the session's window has room for.
    #[must_use]
    pub fn session_send_capacity(&self, session: SessionId) -> usize {
        let Some(session) = self
            .session(session)
            .ok()
            .and_then(|index| self.sessions.at(index))
        else {
            return 0;
        };
        (session.remote_window as usize).saturating_mul(self.peer.max_frame - TRANSFER_ROOM)
    }

    fn check_active(&self) -> Result<(), UseError> {
        if self.life == Life::Active {
            Ok(())
        } else {
            Err(UseError::Closed)
        }
    }

    fn session(&self, id: SessionId) -> Result<u32, UseError> {
        let usable = self.sessions.is(id.index, id.generation)
            && self
                .sessions
                .at(id.index)
                .is_some_and(|session| !session.end_sent);
        if usable {
            Ok(id.index)
        } else {
            Err(UseError::NoSession)
        }
    }

    /// Index of a link that we have not detached.
    fn link(&self, id: LinkId) -> Result<u32, UseError> {
        let usable = self.links.is(id.index, id.generation)
            && self
                .links
                .at(id.index)
                .is_some_and(|link| !link.detach_sent);
        if usable {
            Ok(id.index)
        } else {
            Err(UseError::NoLink)
        }
    }

    fn link_as(&self, id: LinkId, role: Role) -> Result<u32, UseError> {
        self.check_active()?;
        let index = self.link(id)?;
        match self.links.at(index) {
            Some(link) if link.role == role => Ok(index),
            _ => Err(UseError::Role(match role {
                Role::Sender => "sender of ours",
                Role::Receiver => "receiver of ours",
            })),
        }
    }
}
