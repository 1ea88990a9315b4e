//! The Kubernetes shell round the model of a site: controller and adaptor.

pub mod adaptor;
pub mod client;
pub mod controller;
mod flags;
pub mod lease;
pub mod logging;
pub mod metrics;
pub mod probes;
