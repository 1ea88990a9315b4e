//! What the router knows of a message that it passes on: its own section and how to send it. Everything behind the
//! routers' section passes as it came.

use std::sync::Arc;

use skupper_amqp::message::{RouterAnnotations, flags};

use crate::connection::handle::ConnectionHandle;

/// Priority of a message that does not say its own.
pub const DEFAULT_PRIORITY: u8 = 4;

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
    /// The connection from or to an edge router that it came by, if it did: it must not go back there.
    pub came_by: Option<Arc<ConnectionHandle>>,
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
        }
    }
}

impl Message {
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
