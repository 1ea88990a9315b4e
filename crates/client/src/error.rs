use std::{io, time::Duration};

use skupper_amqp::{Condition, connection::CloseReason};
use skupper_management::protocol::ReplyError;
use thiserror::Error;

/// Why something asked of a router was not done.
#[derive(Debug, Error)]
pub enum ClientError {
    /// No TCP connection.
    #[error("cannot connect to {endpoint}: {source}")]
    Connect {
        /// Where to.
        endpoint: String,
        /// What the system says.
        source: io::Error,
    },
    /// The TLS handshake failed.
    #[error("TLS with {endpoint} failed: {source}")]
    Tls {
        /// Where to.
        endpoint: String,
        /// What the handshake says.
        source: io::Error,
    },
    /// The connection was refused, closed or cut.
    #[error("the connection to {endpoint} ended: {reason}")]
    Closed {
        /// Where to.
        endpoint: String,
        /// How it ended.
        reason: CloseReason,
    },
    /// The connection was lost before the answer came: it may have been done, or not.
    #[error("the connection to {endpoint} was lost before the answer came: {because}")]
    Lost {
        /// Where to.
        endpoint: String,
        /// Why.
        because: String,
    },
    /// The connection broke below AMQP.
    #[error("the connection to {endpoint} broke: {source}")]
    Broken {
        /// Where to.
        endpoint: String,
        /// What the system says.
        source: io::Error,
    },
    /// The router refused a link that everything goes over.
    #[error("{endpoint} refused a link to {address}: {condition}")]
    Refused {
        /// Where to.
        endpoint: String,
        /// What the link was for.
        address: String,
        /// Why.
        condition: Condition,
    },
    /// There was no answer in time.
    #[error("{what} was not done within {} s{}", .after.as_secs_f32(), .because.as_ref().map(|b| format!(": {b}")).unwrap_or_default())]
    Timeout {
        /// What was asked.
        what: String,
        /// How long was waited.
        after: Duration,
        /// Why there is no connection, if there is none.
        because: Option<String>,
    },
    /// The router has nobody at that address, or nobody took the message.
    #[error("nobody at {address} took the message: {state}")]
    Undeliverable {
        /// Where it was to go.
        address: String,
        /// What became of it.
        state: String,
    },
    /// The agent refused, or answered something else than was asked.
    #[error(transparent)]
    Reply(#[from] ReplyError),
    /// The client has been stopped.
    #[error("the client has been stopped")]
    Stopped,
}
