use bytes::Bytes;
use thiserror::Error;

use crate::performative::{Attach, Condition, DeliveryState, DeliveryTag, Open, Role};

/// A session of a connection. Small indices, used again after the session's [`Event::Ended`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId {
    pub(super) index: u32,
    pub(super) generation: u32,
}

impl SessionId {
    /// A small number that no other session of the connection has now.
    #[must_use]
    pub fn index(self) -> usize {
        self.index as usize
    }
}

/// A link of a connection. Small indices, used again after the link's [`Event::Detached`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkId {
    pub(super) index: u32,
    pub(super) generation: u32,
}

impl LinkId {
    /// A small number that no other link of the connection has now: a key for the owner's own table.
    #[must_use]
    pub fn index(self) -> usize {
        self.index as usize
    }
}

/// Which side began something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Initiator {
    /// We did; this is the peer's answer.
    Local,
    /// The peer did; we have to answer.
    Remote,
}

/// What happened on a connection.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The peer's open came: the connection can be used.
    Opened(Box<Open>),
    /// A session is usable. One that the peer began has been answered already.
    SessionBegun {
        /// The session.
        session: SessionId,
        /// Who began it.
        by: Initiator,
    },
    /// An attach came. By [`Initiator::Remote`]: answer with [`accept`](super::Connection::accept) or
    /// [`refuse`](super::Connection::refuse). By [`Initiator::Local`]: the peer's answer; where it refuses (the
    /// terminus at its end is null), [`Event::Detached`] follows.
    Attached {
        /// The link.
        link: LinkId,
        /// Its session.
        session: SessionId,
        /// Who attached first.
        by: Initiator,
        /// What the peer said. `role` is the *peer's*.
        attach: Box<Attach>,
    },
    /// The peer's flow came for a link.
    Flow {
        /// The link.
        link: LinkId,
        /// Deliveries that may be sent now (as sender), or that the peer may still send (as receiver).
        credit: u32,
        /// As sender: give up what cannot be used now, with [`drained`](super::Connection::drained).
        drain: bool,
    },
    /// As receiver: the peer gave credit up that it had not used, as [`drain`](super::Connection::drain) asks it to. Whoever wants
    /// deliveries again has to grant it anew, also where that was done already while the peer's answer was on its way.
    GivenUp {
        /// The link.
        link: LinkId,
        /// Deliveries that it will not send.
        credit: u32,
    },
    /// A session on which sending had stopped for its window can be sent on again.
    Writable {
        /// The session.
        session: SessionId,
    },
    /// A transfer came.
    Transfer(Incoming),
    /// The peer told of the state of one delivery that is not settled. Told for each delivery of a range by itself.
    Disposition {
        /// The delivery's link.
        link: LinkId,
        /// Number of the delivery on its session.
        delivery: u32,
        /// What was given with the delivery ([`Outgoing::token`](super::Outgoing::token), [`tag_delivery`](super::Connection::tag_delivery)).
        token: u64,
        /// What *we* are for the delivery.
        role: Role,
        /// The peer has settled it: it is forgotten here.
        settled: bool,
        /// Its state at the peer.
        state: Option<DeliveryState>,
    },
    /// The link is gone, by the peer's detach, whoever began; or with its session. Its id may be used again.
    Detached {
        /// The link.
        link: LinkId,
        /// Why, if the peer said so.
        error: Option<Box<Condition>>,
    },
    /// The session is gone, whoever began. Each of its links had its [`Event::Detached`] before.
    Ended {
        /// The session.
        session: SessionId,
        /// Why, if the peer said so.
        error: Option<Box<Condition>>,
    },
    /// The connection is over: write what [`output`](super::Connection::output) has left, then close the socket.
    /// Nothing follows; links and sessions get no events of their own.
    Closed(CloseReason),
}

/// A transfer that came.
#[derive(Clone, Debug, PartialEq)]
pub struct Incoming {
    /// The link.
    pub link: LinkId,
    /// The link's session, for [`release`](super::Connection::release).
    pub session: SessionId,
    /// Number of the delivery on its session.
    pub delivery: u32,
    /// What [`tag_delivery`](super::Connection::tag_delivery) gave it before.
    pub token: u64,
    /// It is the delivery's first transfer.
    pub first: bool,
    /// Tag of the delivery.
    pub tag: DeliveryTag,
    /// Message format, of the delivery's first transfer.
    pub message_format: u32,
    /// The sender has settled the delivery, by this transfer or one before.
    pub settled: bool,
    /// More transfers of the delivery follow.
    pub more: bool,
    /// The delivery ends incomplete. It is settled by that.
    pub aborted: bool,
    /// State at the sender.
    pub state: Option<DeliveryState>,
    /// Octets of the message: a slice of the input, not a copy.
    pub payload: Bytes,
}

/// How a connection came to its end.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum CloseReason {
    /// The peer closed it.
    #[error("closed by the peer{}", .0.as_ref().map(|c| format!(": {c}")).unwrap_or_default())]
    Remote(Option<Condition>),
    /// We closed it.
    #[error("closed by us{}", .0.as_ref().map(|c| format!(": {c}")).unwrap_or_default())]
    Local(Option<Condition>),
    /// The peer broke the protocol or a limit; it was told so, as far as it can be told.
    #[error("closed for what the peer did: {0}")]
    Violation(Condition),
    /// Authentication failed.
    #[error("SASL: {0}")]
    Sasl(String),
    /// The input ended without a close.
    #[error("amqp:connection:framing-error connection aborted")]
    Lost,
}
