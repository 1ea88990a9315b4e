//! What handles and the task behind them tell each other.

use std::sync::atomic::{AtomicU64, Ordering};

use skupper_amqp::Message;
use skupper_management::protocol::Request;
use tokio::sync::{mpsc, oneshot};

use crate::ClientError;

/// Deliveries that wait for the subscriber, at most.
pub(crate) const WINDOW: u32 = 250;

/// What comes from a subscribed address.
#[derive(Clone, Debug, PartialEq)]
pub enum Incoming {
    /// The router has attached the subscription; also after each loss of the connection. Messages may have been missed between.
    Attached,
    /// A message.
    Message(Box<Message>),
}

/// What the handles ask of the task.
#[derive(Debug)]
pub(crate) enum Command {
    Ask {
        to: String,
        request: Box<Request>,
        reply: oneshot::Sender<Result<Message, ClientError>>,
    },
    Send {
        message: Box<Message>,
        done: oneshot::Sender<Result<(), ClientError>>,
    },
    Subscribe {
        id: u64,
        address: String,
        sender: mpsc::UnboundedSender<Incoming>,
    },
    Consumed(u64),
    Unsubscribe(u64),
}

/// A subscription as the task keeps it over all connections.
#[derive(Debug)]
pub(crate) struct Subscriber {
    pub(crate) address: String,
    pub(crate) sender: mpsc::UnboundedSender<Incoming>,
    /// Messages given and not taken: so much less may come.
    pub(crate) unconsumed: u32,
}

/// Numbers that are unique in the program.
pub(crate) fn next_id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
