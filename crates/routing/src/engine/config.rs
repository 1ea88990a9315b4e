//! What an engine is told at its start, and what it says.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use crate::control;
use crate::id::{LinkId, RouterId};
use crate::message::ControlMessage;
use crate::table::Table;

/// Names, intervals and limits of an [`Engine`](super::Engine).
#[derive(Clone, Debug)]
pub struct Config {
    /// This router's id.
    pub id: RouterId,
    /// Differs from that of the router's previous run, so that others notice the restart, and fits into an `int`.
    pub instance: i64,
    /// `helloIntervalSeconds`.
    pub hello_interval: Duration,
    /// `helloMaxAgeSeconds`: a neighbour that is silent for so long is lost.
    pub hello_max_age: Duration,
    /// `raIntervalSeconds`.
    pub ra_interval: Duration,
    /// `raIntervalFluxSeconds`: the interval for twice its length after a change of topology.
    pub ra_interval_flux: Duration,
    /// `remoteLsMaxAgeSeconds`: a link state that is not refreshed for so long is taken as empty.
    pub remote_ls_max_age: Duration,
    /// `unreachableHoldoffSeconds`: for so long an unreachable router keeps its addresses, against flapping.
    pub unreachable_holdoff: Duration,
    /// Changes of addresses are collected for so long before they are announced.
    pub mobile_delay: Duration,
    /// Announcements of addresses follow each other no faster.
    pub mobile_interval: Duration,
    /// Paths are computed no oftener.
    pub compute_interval: Duration,
    /// A request is sent again after so long without answer, then at doubled distances up to half `ra_interval_flux`.
    pub request_retry: Duration,
    /// More routers than these are not learned.
    pub max_routers: usize,
    /// An update that leaves a router with more addresses is refused.
    pub max_addresses: usize,
}

impl Config {
    /// The intervals that the original has by default, and limits no real network meets.
    pub fn new(id: RouterId, instance: i64) -> Self {
        Self {
            id,
            instance,
            hello_interval: Duration::from_secs(1),
            hello_max_age: Duration::from_secs(3),
            ra_interval: Duration::from_secs(30),
            ra_interval_flux: Duration::from_secs(4),
            remote_ls_max_age: Duration::from_secs(60),
            unreachable_holdoff: Duration::from_secs(1),
            mobile_delay: Duration::from_millis(5),
            mobile_interval: Duration::from_millis(100),
            compute_interval: Duration::from_millis(20),
            request_retry: Duration::from_millis(500),
            max_routers: 1024,
            max_addresses: 100_000,
        }
    }
}

/// A control connection to a neighbour: both control links are attached.
#[derive(Clone, Debug)]
pub struct Link {
    /// Its number.
    pub id: LinkId,
    /// Its cost, the greater of what both ends have configured; at least 1.
    pub cost: u32,
    /// Of two connections to the same neighbour at the same cost the one of higher ordinal is taken: the generation of
    /// the connector's certificate, or any other preference.
    pub ordinal: u64,
    /// The neighbour's container-id. It is listed as heard from the first HELLO on, which saves a round.
    pub peer: Option<RouterId>,
}

/// What the engine wants done.
#[derive(Clone, Debug)]
pub enum Output {
    /// Send a message, settled, on the control links of these connections.
    Send {
        /// Whom it is for.
        to: Destination,
        /// The message; [`ControlMessage::encode`] with [`Destination::address`] gives its octets.
        message: ControlMessage,
        /// Never empty.
        links: Vec<LinkId>,
    },
    /// Forward by this table from now on.
    TableChanged(Arc<Table>),
    /// Something to log.
    Event(Event),
}

/// Whom a control message is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// The neighbours it is sent to, one hop.
    Neighbour,
    /// All routers' engines.
    AllRouters,
    /// One router's engine.
    Router(RouterId),
    /// All routers' mobile synchronisation.
    AllRoutersMobile,
    /// One router's mobile synchronisation.
    RouterMobile(RouterId),
}

impl Destination {
    /// The `to` of its messages.
    pub fn address(&self) -> Cow<'static, str> {
        match self {
            Self::Neighbour => control::HELLO.into(),
            Self::AllRouters => control::ALL_ROUTERS.into(),
            Self::Router(id) => control::router(id).into(),
            Self::AllRoutersMobile => control::ALL_ROUTERS_MOBILE.into(),
            Self::RouterMobile(id) => control::router_mobile(id).into(),
        }
    }
}

/// Something worth a line in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Talk in both directions with a neighbour.
    NeighbourUp {
        /// The neighbour.
        id: RouterId,
        /// The connection that is used.
        link: LinkId,
        /// Its cost.
        cost: u32,
    },
    /// Another connection to the same neighbour is used.
    NeighbourMoved {
        /// The neighbour.
        id: RouterId,
        /// The connection that is used now.
        link: LinkId,
        /// Its cost.
        cost: u32,
    },
    /// A neighbour's connections are lost or silent.
    NeighbourDown {
        /// The neighbour.
        id: RouterId,
    },
    /// A router came into reach.
    RouterReachable {
        /// The router.
        id: RouterId,
        /// First hop.
        next_hop: RouterId,
        /// Cost of the way.
        cost: u32,
    },
    /// A router went out of reach.
    RouterUnreachable {
        /// The router.
        id: RouterId,
    },
    /// A router was started anew: what was known of it is forgotten.
    RouterRestarted {
        /// The router.
        id: RouterId,
    },
    /// A neighbour bears this router's id: one of the two must be renamed. Reported once for each connection.
    DuplicateId {
        /// Where it was heard.
        link: LinkId,
    },
    /// A router was not learned because of [`Config::max_routers`]. Reported once.
    TooManyRouters {
        /// The router.
        id: RouterId,
    },
    /// An update was refused because of [`Config::max_addresses`].
    TooManyAddresses {
        /// The router.
        id: RouterId,
    },
}
