//! AMQP connections: listeners that accept them, connectors that make and keep them, and the task that runs each.

mod attach;
mod automatic;
pub mod connector;
pub mod describe;
pub(crate) mod edge;
mod ending;
mod failover;
mod fields;
pub mod handle;
mod handshake;
mod incoming;
mod links;
pub mod listener;
mod looking;
mod message_log;
mod onward;
mod open;
mod outgoing;
mod pace;
mod policed;
pub mod proxy;
mod ready;
mod received;
mod records;
mod registry;
mod resend;
mod task;
mod transport;
mod web;

pub use registry::Registry;
