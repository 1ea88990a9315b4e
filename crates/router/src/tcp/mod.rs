//! TCP listeners and connectors: services reached through the network (router protocol reference §7).
//!
//! One TCP connection is two streaming deliveries, one each way. The *client's* stream leaves the router that has the listener
//! for the service's address; the *server's* stream comes back to an address made up for this one flow.

mod choice;
mod connector;
mod early;
mod ending;
mod flow;
mod head;
mod listener;
mod meanwhile;
mod observation;
mod opening;
mod outward;
pub(crate) mod pump;
mod secure;
mod set;
mod socket;
mod watch;
pub(crate) mod window;

pub use connector::TcpConnector;
pub(crate) use ending::By;
#[cfg(test)]
pub(crate) use head::StreamHead;
pub(crate) use head::{MAX_HEAD, begins_stream};
pub use listener::{OperStatus, Target, TcpListener};
pub(crate) use observation::ObservedFlows;
pub(crate) use pump::consume;
pub(crate) use set::{Flow, FlowSet};
pub(crate) use watch::{Watch, WatchSet};
