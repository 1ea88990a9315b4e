//! The AMQP management protocol: requests and replies (reference §6), for the side that asks and the side that answers.

mod reply;
mod request;
mod status;
mod values;

pub use reply::{QueryResult, Reply, ReplyError};
pub use request::Request;
pub use status::Status;
pub use values::{from_amqp, to_amqp};

/// The address of a router's own agent.
pub const MANAGEMENT: &str = "$management";

/// The address of the agent of an interior router, from anywhere in the network.
pub fn address_of_router(id: &str) -> String {
    format!("_topo/0/{id}/{MANAGEMENT}")
}

/// The address of the agent of an edge router, from anywhere in the network.
pub fn address_of_edge_router(id: &str) -> String {
    format!("_edge/{id}/{MANAGEMENT}")
}

#[cfg(test)]
mod tests;
