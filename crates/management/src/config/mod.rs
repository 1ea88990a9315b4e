//! What a site wants of its router: the content of `skrouterd.json` in the ConfigMap `skupper-router`.
//!
//! The attributes are those that upstream's controller writes, in its order and with its omissions, so that either
//! controller reads what the other wrote (reference, kubernetes.md §3.7). Sections of one type are written in the order
//! of their names, where upstream's order changes from write to write.

mod read;
mod sections;
mod write;

pub use sections::{
    AddressConfig, Connector, Listener, ListenerAddress, LogConfig, ProxyProfile, Router, Site,
    SslProfile, TcpConnector, TcpListener,
};

use std::collections::BTreeMap;

pub use crate::field::{Textual, Tristate};

use crate::field::words;

/// Listeners that exist for the router's own sake, by name: never removed or compared.
pub const PROTECTED_LISTENERS: [&str; 3] = ["@9090", "amqp", "amqps"];

/// A router's configuration as a site wants it. Sections are kept by name, so that equality ignores their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouterConfig {
    /// The router itself.
    pub router: Router,
    /// Credentials by name.
    pub ssl_profiles: BTreeMap<String, SslProfile>,
    /// Proxies by name.
    pub proxy_profiles: BTreeMap<String, ProxyProfile>,
    /// Links by name.
    pub connectors: BTreeMap<String, Connector>,
    /// AMQP and HTTP ports by name.
    pub listeners: BTreeMap<String, Listener>,
    /// Distributions by prefix.
    pub addresses: BTreeMap<String, AddressConfig>,
    /// Servers of services by name.
    pub tcp_connectors: BTreeMap<String, TcpConnector>,
    /// Ports of services by name.
    pub tcp_listeners: BTreeMap<String, TcpListener>,
    /// Addresses of multi-key listeners by name.
    pub listener_addresses: BTreeMap<String, ListenerAddress>,
    /// Log levels by module.
    pub logs: BTreeMap<String, LogConfig>,
    /// The site; not written on Kubernetes.
    pub site: Option<Site>,
}

words! {
    /// What a router is among others.
    Mode {
        /// Alone.
        #[default]
        Standalone = "standalone",
        /// A full member of the network.
        Interior = "interior",
        /// Attached to one interior router.
        Edge = "edge",
    }
}

words! {
    /// What a connection is for.
    Role {
        /// Messaging clients.
        #[default]
        Normal = "normal",
        /// Another interior router.
        InterRouter = "inter-router",
        /// A broker or the like.
        RouteContainer = "route-container",
        /// An edge router.
        Edge = "edge",
        /// Another edge router.
        InterEdge = "inter-edge",
        /// A router of another network.
        InterNetwork = "inter-network",
    }
}

impl Role {
    /// Whether the peer is a router of the same network.
    pub fn is_between_routers(self) -> bool {
        matches!(self, Role::InterRouter | Role::Edge | Role::InterEdge)
    }

    /// Whether the peer is a router, of this network or another: the routers' section of messages is never stripped then.
    pub fn keeps_section(self) -> bool {
        self.is_between_routers() || self == Role::InterNetwork
    }

    /// Whether the links that the configuration asks for (`autoLink`) are attached on connections of this role.
    pub fn has_auto_links(self) -> bool {
        matches!(self, Role::RouteContainer | Role::InterNetwork)
    }
}

words! {
    /// How messages to an address find their destinations.
    Distribution {
        /// To all.
        Multicast = "multicast",
        /// To the nearest.
        Closest = "closest",
        /// To one, by load.
        #[default]
        Balanced = "balanced",
        /// To none.
        Unavailable = "unavailable",
    }
}

words! {
    /// How a TCP listener with several addresses chooses among them.
    MultiAddressStrategy {
        /// It has one address.
        #[default]
        None = "none",
        /// The reachable address of the highest value.
        Priority = "priority",
        /// At random in proportion to the values.
        Weighted = "weighted",
    }
}

words! {
    /// Which application protocol a TCP listener looks for.
    Observer {
        /// None.
        None = "none",
        /// Whichever is seen.
        #[default]
        Auto = "auto",
        /// HTTP/1.
        Http1 = "http1",
        /// HTTP/2.
        Http2 = "http2",
    }
}

impl RouterConfig {
    /// Removes the credentials and proxies that nothing refers to. Returns whether there were any.
    pub fn remove_unreferenced_profiles(&mut self) -> bool {
        let Self {
            ssl_profiles,
            proxy_profiles,
            connectors,
            listeners,
            tcp_connectors,
            tcp_listeners,
            ..
        } = self;
        let before = ssl_profiles.len() + proxy_profiles.len();
        ssl_profiles.retain(|name, _| {
            listeners
                .values()
                .any(|listener| listener.ssl_profile == *name)
                || connectors
                    .values()
                    .any(|connector| connector.ssl_profile == *name)
                || tcp_listeners
                    .values()
                    .any(|listener| listener.ssl_profile == *name)
                || tcp_connectors
                    .values()
                    .any(|connector| connector.ssl_profile == *name)
        });
        proxy_profiles.retain(|name, _| {
            connectors
                .values()
                .any(|connector| connector.proxy_profile == *name)
        });
        before != ssl_profiles.len() + proxy_profiles.len()
    }
}

#[cfg(test)]
mod tests;
