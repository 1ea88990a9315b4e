//! What the router knows of a message that it passes on: its own section and how to send it. Everything behind the
//! routers' section passes as it came.

use std::collections::HashSet;
use std::sync::Arc;

use skupper_amqp::message::{RouterAnnotations, flags};
use skupper_management::entity::Role;
use skupper_routing::LinkId;

use crate::clock::Moment;
use crate::connection::handle::ConnectionHandle;

/// Priority of a message that does not say its own.
pub const DEFAULT_PRIORITY: u8 = 4;
/// The highest priority; the lowest is 0.
pub const HIGHEST_PRIORITY: u8 = 9;

/// The head of a delivery in transit. The octets in its pipe begin behind the routers' section.
#[derive(Clone)]
pub struct Message {
    /// The routers' section as it came in (empty where there was none).
    pub annotations: RouterAnnotations,
    /// The sender wants no disposition.
    pub presettled: bool,
    /// It is passed on before it is complete.
    pub streaming: bool,
    /// 0–9.
    pub priority: u8,
    /// Format as the transfer said.
    pub format: u32,
    /// The connection from or to an edge router or a router of another network that it came by, if it did: it must not go back
    /// there.
    pub came_by: Option<Arc<ConnectionHandle>>,
    /// The ways by which it has come back, and does not go again.
    pub tried: Tried,
    /// The policy of its sender, if there is one here, lets him close connections.
    pub administers: bool,
    /// It began at the router that it came from, whose flows take any window without saying so.
    pub roomy: bool,
    /// When it came into the router.
    pub came: Moment,
    /// It is no delivery that comes in: this router has made it, or it was offered before in another way and counted then.
    pub counted: bool,
}

/// The way that a delivery to one destination of several goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Way {
    /// To a destination of this router, by its number.
    Destination(u64),
    /// Over a neighbour, by its control link.
    Neighbour(LinkId),
    /// From an edge router to the interior, whichever link it takes.
    Interior,
}

/// Ways that a delivery has gone in vain. Nearly all deliveries have none, which takes no memory.
#[derive(Debug, Clone, Default)]
pub struct Tried(Option<Arc<HashSet<Way>>>);

impl Tried {
    /// Adds a way.
    pub(crate) fn add(&mut self, way: Way) {
        Arc::make_mut(self.0.get_or_insert_default()).insert(way);
    }

    /// Whether the delivery has gone that way.
    pub(crate) fn has(&self, way: Way) -> bool {
        self.0.as_ref().is_some_and(|ways| ways.contains(&way))
    }

    /// Whether it has come back at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

impl Default for Message {
    fn default() -> Self {
        Message {
            annotations: RouterAnnotations::default(),
            presettled: false,
            streaming: false,
            priority: DEFAULT_PRIORITY,
            format: 0,
            came_by: None,
            tried: Tried::default(),
            administers: true,
            roomy: false,
            came: Moment::now(),
            counted: false,
        }
    }
}

impl Message {
    /// Whether it has been at no other router of this network.
    pub fn enters(&self) -> bool {
        let mut came_by = self.came_by.iter();
        self.annotations.trace.is_empty() && came_by.all(|one| one.role == Role::InterNetwork)
    }

    /// Whether it is to be counted as one that comes into the network here.
    pub(crate) fn comes_in(&self) -> bool {
        self.enters() && self.tried.is_empty() && !self.counted
    }

    /// Whether it goes to another destination when the next hop releases it (router protocol reference §6.3). A client's octets that
    /// came early do not: a server may have done what they say.
    pub fn is_resent(&self) -> bool {
        self.annotations.flags & flags::RESEND_RELEASED != 0 && !self.is_early()
    }

    /// Whether a client's octets come with its stream, before the server's end has answered.
    pub fn is_early(&self) -> bool {
        self.annotations.is_early()
    }

    /// The head of a client's stream with which its first octets go.
    pub fn early_tcp_stream() -> Self {
        let mut message = Self::tcp_stream();
        message.annotations.flags |= flags::EARLY;
        message
    }

    /// The head of one direction of a TCP flow.
    pub fn tcp_stream() -> Self {
        let annotations = RouterAnnotations {
            flags: flags::STREAMING | flags::Q2_DISABLED,
            ..RouterAnnotations::default()
        };
        Message {
            annotations,
            streaming: true,
            ..Message::default()
        }
    }
}
