//! The routing protocol between routers: neighbours, link state, paths, addresses. No I/O and no clock.
//!
//! [`Engine`] is the state machine: its driver tells it of control connections ([`Engine::link_up`], [`Engine::link_down`]),
//! of addresses that got or lost a local destination ([`Engine::address_up`], [`Engine::address_down`]), of received control
//! messages ([`Engine::handle_message`]) and of time ([`Engine::handle_timeout`]), and after each of these calls takes
//! everything that [`Engine::poll_output`] has to give. Time is a [`std::time::Duration`] since any fixed start.
//!
//! What the data plane forwards by is the published [`Table`]: immutable, shared as an `Arc`, a new one for each change. The
//! decisions themselves are pure functions over a table: [`choose`] for messages, [`control::forward`] for control messages
//! in transit.
//!
//! Messages are [`ControlMessage`]s, encoded octet for octet as the original does ([`ControlMessage::encode`]).

pub mod address;
pub mod choose;
pub mod control;
pub mod edge;
mod engine;
mod id;
mod message;
mod path;
mod set;
mod table;

pub use address::{AddressKey, Treatment};
pub use engine::{Config, Destination, Engine, Event, Link, Output};
pub use id::{LinkId, RouterId};
pub use message::{
    ControlMessage, DecodeError, Descriptor, Hello, LinkState, LinkStateRequest, LinkStateUpdate,
    MobileChange, MobileRequest, MobileUpdate, RouterAdvertisement,
};
pub use set::RouterSet;
pub use table::{Origin, Remotes, Route, RouterIndex, Table};
