//! What is decided about edge routers (router protocol reference §2.5–§2.8), without connections and clock.
//!
//! [`Edge`] is an edge router's side: which of its connections to the interior is in use, which links it has there and with
//! the other edge routers of its mesh, and who names the mesh ([`mesh`]). [`Tracking`] is what an interior router tells an edge
//! router of the addresses that it sends to. What both ask of a destination behind such a connection is in [`Standing`].

mod beyond;
pub mod mesh;
mod router;
mod tracking;

use std::sync::Arc;

use crate::address::AddressKey;
use mesh::Bid;

pub use beyond::{
    Asker, Beyond, Side, Standing, announcement, echoes, is_for_interior, is_reachable, is_told,
};
pub use router::Edge;
pub use tracking::Tracking;

/// What an edge router attaches a link for (§2.5, §2.8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    /// What the edge router has no destination for goes to the interior by it.
    Uplink,
    /// What is for the edge router itself comes by it.
    Downlink,
    /// The interior tells by it which of the producers' addresses have destinations.
    Tracking,
    /// The interior is told by it which mesh the edge router is in.
    Mesh,
    /// What is for the edge router at the other end goes by it.
    Direct,
    /// The edge router at the other end is told by it who names the mesh.
    Bids,
    /// Deliveries for consumers of an address come by it.
    Consumer(AddressKey),
    /// Deliveries of producers to an address go by it.
    Producer(AddressKey),
}

/// What an edge router draws by lot, and what it numbers its links with.
pub trait Source {
    /// A number for a link, unique in the router.
    fn link(&mut self) -> u64;
    /// A pair for the naming of the mesh: see [`Bid`].
    fn bid(&mut self) -> Bid;
}

/// What an [`Edge`] wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Attach a link on a connection.
    Attach {
        /// The connection.
        connection: u64,
        /// The number that the link gets.
        link: u64,
        /// What it is for.
        purpose: Purpose,
    },
    /// Detach a link.
    Detach {
        /// The connection.
        connection: u64,
        /// The link.
        link: u64,
    },
    /// The link is a destination of this router for the address from now on.
    Bind {
        /// The address.
        key: AddressKey,
        /// The connection.
        connection: u64,
        /// The link.
        link: u64,
    },
    /// The link is none any more.
    Unbind {
        /// The address.
        key: AddressKey,
        /// The link.
        link: u64,
    },
    /// What this router has no destination for goes by that connection and link from now on; nowhere, if by none.
    Uplink(Option<(u64, u64)>),
    /// Tell the interior which mesh this router is in.
    TellMesh {
        /// The connection.
        connection: u64,
        /// The link, attached for [`Purpose::Mesh`].
        link: u64,
        /// The mesh.
        id: Arc<str>,
    },
    /// Send this router's bid to another edge router.
    SendBid {
        /// The connection.
        connection: u64,
        /// The link, attached for [`Purpose::Bids`].
        link: u64,
        /// The bid.
        bid: Bid,
    },
    /// The mesh that this router is in is called so from now on.
    Named(Arc<str>),
}
