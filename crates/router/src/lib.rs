//! The router: AMQP connections, forwarding, TCP flows, TLS, management agent, telemetry.
//!
//! # Threads
//!
//! *Workers* (one for each processor) own connections and flows: a connection or flow never leaves the worker it began on, and
//! a flow prefers the inter-router connection of its own worker, so that in the usual case a byte does not cross threads.
//! One further thread runs the [`core`] (the routing engine) and everything that is not traffic.
//!
//! # A delivery
//!
//! A delivery in transit is a [pipe](transit::pipe): octets forward, dispositions back. Whoever takes it in decides once
//! where it goes ([`core::dispatch`]) from the published state ([`core::forwarding`]) and hands the pipe's other end over.

pub mod agent;
mod auto_link;
pub mod clock;
pub mod command;
pub mod connection;
pub mod context;
pub mod core;
mod crowd;
mod descriptors;
mod dial;
pub mod entities;
pub mod event;
pub mod http;
mod keep_alive;
mod listen;
mod memory;
mod net;
mod password;
mod policy;
mod random;
pub mod record;
pub mod router;
#[cfg(test)]
mod simulation;
mod spell;
mod still;
mod stop;
mod stuck;
pub mod tcp;
mod telemetry;
pub mod tls;
pub mod transit;
pub mod worker;

pub use router::{Options, Router, StartError};
pub use stuck::StuckAfter;
