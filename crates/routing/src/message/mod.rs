//! The six messages of the control protocol (§5): HELLO, RA, LSR, LSU between the routers' engines, MAR and MAU for the
//! mobile addresses.

mod compose;
mod decode;
mod encode;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::address::{AddressKey, Treatment};
use crate::id::RouterId;

pub use decode::DecodeError;

/// A control message, whichever of the six.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControlMessage {
    /// "I am here, and these I hear": one hop.
    Hello(Hello),
    /// The sequence numbers a router stands at: flooded.
    RouterAdvertisement(RouterAdvertisement),
    /// "Send me your link state": to one router.
    LinkStateRequest(LinkStateRequest),
    /// A router's link state: to one router.
    LinkStateUpdate(LinkStateUpdate),
    /// "Send me your addresses": to one router.
    MobileRequest(MobileRequest),
    /// A router's addresses, or what changed in them.
    MobileUpdate(MobileUpdate),
}

impl ControlMessage {
    /// The name that travels in the application-properties.
    pub fn opcode(&self) -> &'static str {
        match self {
            Self::Hello(_) => "HELLO",
            Self::RouterAdvertisement(_) => "RA",
            Self::LinkStateRequest(_) => "LSR",
            Self::LinkStateUpdate(_) => "LSU",
            Self::MobileRequest(_) => "MAR",
            Self::MobileUpdate(_) => "MAU",
        }
    }

    /// The router that says it.
    pub fn sender(&self) -> &RouterId {
        match self {
            Self::Hello(m) => &m.id,
            Self::RouterAdvertisement(m) => &m.id,
            Self::LinkStateRequest(m) => &m.id,
            Self::LinkStateUpdate(m) => &m.id,
            Self::MobileRequest(m) => &m.id,
            Self::MobileUpdate(m) => &m.id,
        }
    }
}

/// HELLO: who speaks, since when, and whom it hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The sender.
    pub id: RouterId,
    /// Changes when the sender restarts.
    pub instance: i64,
    /// Routers the sender has heard within its `helloMaxAge`.
    pub seen: Vec<RouterId>,
}

/// RA: the sequence numbers of a router's link state and of its addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouterAdvertisement {
    /// The sender.
    pub id: RouterId,
    /// Changes when the sender restarts.
    pub instance: i64,
    /// Sequence of its link state.
    pub ls_seq: u64,
    /// Sequence of its mobile addresses.
    pub mobile_seq: u64,
}

/// LSR: a request for the receiver's link state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkStateRequest {
    /// The sender.
    pub id: RouterId,
}

/// LSU: a router's own link state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkStateUpdate {
    /// The sender.
    pub id: RouterId,
    /// Changes when the sender restarts; `None` where the message does not say.
    pub instance: Option<i64>,
    /// Its link state.
    pub ls: LinkState,
}

/// Whom a router reaches in one hop, and at what cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkState {
    /// Rises by one for each change.
    pub ls_seq: u64,
    /// Neighbour → cost, at least 1.
    pub peers: Arc<BTreeMap<RouterId, u32>>,
}

/// MAR: "I stand at this sequence of yours; bring me up to date".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MobileRequest {
    /// The sender.
    pub id: RouterId,
    /// Sequence of the receiver's addresses that the sender has.
    pub have_seq: u64,
}

/// MAU: the addresses a router has destinations for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MobileUpdate {
    /// The sender.
    pub id: RouterId,
    /// The state that this update leads to.
    pub mobile_seq: u64,
    /// All of them or a difference.
    pub change: MobileChange,
}

/// The two forms of a [`MobileUpdate`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MobileChange {
    /// These are all there are (absolute).
    Exist(Vec<Descriptor>),
    /// What came and went since the previous sequence (differential).
    Difference {
        /// New, or changed in their attributes.
        add: Vec<Descriptor>,
        /// Gone.
        del: Vec<AddressKey>,
    },
}

/// An address as an update describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// Class letter and address.
    pub key: AddressKey,
    /// How the sender treats it: a hint. `None` where the message does not say or names no treatment known.
    pub treatment: Option<Treatment>,
    /// Local producers; written, read by nobody.
    pub producers: u32,
    /// The edge mesh that holds all local destinations: 15 characters.
    pub sole_mesh: Option<Arc<str>>,
}
