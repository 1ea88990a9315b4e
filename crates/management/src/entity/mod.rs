//! Typed views of entities that a router runs.
//!
//! A view is read from *validated* attributes ([`crate::schema::validate`]), so defaults are filled in. It is for the code
//! that acts on the entity; what QUERY answers are the validated attributes themselves, which say what was configured.

mod components;
mod failover;
mod log;
mod messaging;
mod password;
mod policy;
mod router;
mod services;

pub use components::MessageComponents;
pub use failover::{DEFAULT_PORT, FailoverItem};
pub use log::{Level, Log, LogLevels};
pub use messaging::{AddressFamily, Connector, Listener, StripAnnotations};
pub use password::PasswordSource;
pub use policy::{ANY_USER, DEFAULT_GROUP, LinkNames, Policy, RemoteHost, USER, Vhost, VhostGroup};
pub use router::{
    AutoLink, ConfigAddress, Direction, Network, ProxyProfile, Router, Site, SslProfile,
};
pub use services::{ListenerAddress, TcpConnector, TcpListener};

pub use crate::config::{Distribution, Mode, MultiAddressStrategy, Observer, Role};
pub use crate::field::Record;
