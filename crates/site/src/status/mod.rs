//! What is known of the network, and what is said of resources that are not served.

mod network;
mod unserved;

pub(crate) use network::Network;
pub(crate) use unserved::report as report_unserved;

/// What resources are told in a namespace without a Site that is served.
pub(crate) const NO_ACTIVE_SITE: &str = "No active site in namespace";
