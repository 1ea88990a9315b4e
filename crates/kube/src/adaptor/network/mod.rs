//! The leader's view of the network: what routers and other sites tell (vanflow) becomes the ConfigMap
//! `skupper-network-status`, and this site tells of itself and its pods.
//!
//! Deciding is [`Collector`](skupper_vanflow::Collector)'s and [`Teller`](teller::Teller)'s; [`talk`] moves messages between
//! them and the router, [`pods`] watches, [`status`] writes.

pub(super) mod pods;
pub(super) mod status;
pub(super) mod talk;
mod teller;
