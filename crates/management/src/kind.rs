//! Types of entities.

use std::fmt;

/// What every full type name of this router begins with.
pub const PREFIX: &str = "io.skupper.router.";

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $short:literal,)*) => {
        /// The type of an entity.
        ///
        /// The order of the variants is the order in which the types are listed to clients.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind {
            $($(#[$doc])* $name,)*
        }

        impl Kind {
            /// Every type, abstract ones included.
            pub const ALL: &'static [Kind] = &[$(Kind::$name,)*];

            /// The name without the prefix: `tcpListener`, `router.node`.
            pub const fn short(self) -> &'static str {
                match self {
                    $(Kind::$name => $short,)*
                }
            }
        }
    };
}

kinds! {
    /// Abstract: what all entities have.
    Entity = "entity",
    /// Abstract: the management node of the AMQP management draft; clients call it by its short name.
    ManagementNode = "org.amqp.management",
    /// The agent itself, one per router, called `self`.
    Management = "management",
    /// Abstract: entities that a configuration document may hold.
    ConfigurationEntity = "configurationEntity",
    /// Abstract: entities that exist because the router runs.
    OperationalEntity = "operationalEntity",
    /// Counters of the whole router.
    RouterMetrics = "routerMetrics",
    /// The router itself.
    Router = "router",
    /// The network that the router belongs to.
    Network = "network",
    /// The site that the router serves (written on Linux hosts only).
    Site = "site",
    /// A TLS credential: files, and the revision of their content.
    SslProfile = "sslProfile",
    /// An HTTP CONNECT proxy in front of a connector.
    ProxyProfile = "proxyProfile",
    /// A port on which AMQP (or HTTP) peers are accepted.
    Listener = "listener",
    /// An AMQP connection that this router makes and keeps.
    Connector = "connector",
    /// A port on which clients of a service are accepted.
    TcpListener = "tcpListener",
    /// A server of a service.
    TcpConnector = "tcpConnector",
    /// One of several addresses behind one TCP listener.
    ListenerAddress = "listenerAddress",
    /// The log level and destination of one module.
    Log = "log",
    /// How often each module logged at each level.
    LogStats = "logStats",
    /// How messages to addresses of a shape are distributed.
    ConfigAddress = "router.config.address",
    /// A link that the router makes by itself on a connection.
    AutoLink = "router.config.autoLink",
    /// A live AMQP link.
    Link = "router.link",
    /// An address known to the router.
    Address = "router.address",
    /// A router known to this router, itself included.
    Node = "router.node",
    /// A live connection.
    Connection = "connection",
    /// A live TCP connection of a service.
    TcpConnection = "tcpConnection",
    /// A pool of memory.
    Allocator = "allocator",
    /// Limits for connections.
    Policy = "policy",
    /// Limits for the users of one virtual host.
    Vhost = "vhost",
    /// Settings of one group of users within a virtual host.
    VhostUserGroupSettings = "vhostUserGroupSettings",
    /// Counters of one virtual host.
    VhostStats = "vhostStats",
    /// An entity for trying the protocol.
    Dummy = "dummy",
}

impl Kind {
    /// The full name: `io.skupper.router.tcpListener`.
    pub fn full(self) -> String {
        format!("{PREFIX}{}", self.short())
    }

    /// Finds a type by its full or its short name.
    pub fn named(name: &str) -> Option<Kind> {
        let short = name.strip_prefix(PREFIX).unwrap_or(name);
        Kind::ALL.iter().copied().find(|kind| kind.short() == short)
    }

    /// Finds the type of a section of a configuration document, where `address` and `autoLink` are short for the
    /// configured ones (reference §2.1).
    pub fn section(name: &str) -> Option<Kind> {
        match name {
            "address" => Some(Kind::ConfigAddress),
            "autoLink" => Some(Kind::AutoLink),
            _ => Kind::named(name),
        }
    }

    /// The name of this type's sections in a configuration document.
    pub fn section_name(self) -> &'static str {
        match self {
            Kind::ConfigAddress => "address",
            Kind::AutoLink => "autoLink",
            _ => self.short(),
        }
    }

    /// What this type extends, nearest first.
    pub const fn bases(self) -> &'static [Kind] {
        match self {
            Kind::Entity => &[],
            Kind::ConfigurationEntity | Kind::OperationalEntity | Kind::Dummy => &[Kind::Entity],
            Kind::ManagementNode => &[Kind::OperationalEntity, Kind::Entity],
            Kind::Management => &[Kind::ManagementNode, Kind::OperationalEntity, Kind::Entity],
            Kind::RouterMetrics
            | Kind::LogStats
            | Kind::Link
            | Kind::Address
            | Kind::Node
            | Kind::Connection
            | Kind::TcpConnection
            | Kind::Allocator
            | Kind::VhostStats => &[Kind::OperationalEntity, Kind::Entity],
            _ => &[Kind::ConfigurationEntity, Kind::Entity],
        }
    }

    /// Whether an entity of this type is also one of `other`.
    pub fn is_a(self, other: Kind) -> bool {
        self == other || self.bases().contains(&other)
    }

    /// Whether no entity has exactly this type.
    pub const fn is_abstract(self) -> bool {
        matches!(
            self,
            Kind::Entity
                | Kind::ManagementNode
                | Kind::ConfigurationEntity
                | Kind::OperationalEntity
        )
    }

    /// Whether a router has exactly one entity of this type.
    pub const fn is_singleton(self) -> bool {
        matches!(
            self,
            Kind::Router | Kind::Network | Kind::Policy | Kind::Management
        )
    }

    /// Whether every router answers a QUERY of this type page by page. Upstream's answers all rows of any other type at once,
    /// whatever `offset` and `count` say, so that who asks for pages until one is short would never end.
    pub const fn is_paged(self) -> bool {
        matches!(
            self,
            Kind::Connection
                | Kind::Link
                | Kind::Address
                | Kind::ConfigAddress
                | Kind::AutoLink
                | Kind::RouterMetrics
        )
    }

    /// The types of which entities exist, `self` included, that are a `self`.
    pub fn concrete(self) -> impl Iterator<Item = Kind> {
        Kind::ALL
            .iter()
            .copied()
            .filter(move |kind| !kind.is_abstract() && kind.is_a(self))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.short())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_their_kind() {
        for kind in Kind::ALL {
            assert_eq!(Kind::named(kind.short()), Some(*kind));
            assert_eq!(Kind::named(&kind.full()), Some(*kind));
            assert_eq!(Kind::section(kind.section_name()), Some(*kind));
        }
        assert_eq!(
            Kind::named("io.skupper.router.router.node"),
            Some(Kind::Node)
        );
        assert_eq!(Kind::named("node"), None);
        assert_eq!(
            Kind::named("org.amqp.management"),
            Some(Kind::ManagementNode)
        );
    }

    #[test]
    fn bases_are_closed_under_extension() {
        for kind in Kind::ALL {
            for base in kind.bases() {
                assert!(base.is_abstract());
                assert!(
                    base.bases().iter().all(|further| kind.is_a(*further)),
                    "{kind} is a {base}"
                );
            }
        }
    }
}
