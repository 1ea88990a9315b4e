//! What routers refused, and were refused: from the adaptor's report to sentences in conditions.
//!
//! Our router keeps its last refusals as attributes of its connectors and listeners ([`skupper_management::report`]); with
//! upstream's there is only a connector's `connectionMsg`. Our adaptor puts both into the ConfigMap
//! [`ROUTER_REPORT`](crate::names::ROUTER_REPORT) as a [`Report`], and the controller makes of it the message of a Link's
//! `Operational` condition and the condition [`REFUSALS`] of a RouterAccess.

mod naming;
mod report;
mod sentences;
mod steady;

pub use report::{Report, RouterReport};
pub use sentences::REFUSALS;

pub(crate) use sentences::{
    adaptor_problems, link_message, listen_problem, listener_state, profile_problem,
};
pub(crate) use steady::steady;
