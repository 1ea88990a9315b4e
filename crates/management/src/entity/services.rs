//! Services over TCP.

use super::{MultiAddressStrategy, Observer};
use crate::field::record;

record! {
    /// A port on which clients of a service are accepted.
    TcpListener => TcpListener {
        /// Its name.
        name: String = "name",
        /// The service's address; empty with a strategy.
        address: String = "address",
        /// The address to bind; empty for all.
        host: String = "host",
        /// The port: a number or a service's name.
        port: String = "port",
        /// The length of the listen queue; zero for the system's.
        backlog: i64 = "backlog",
        /// How one of several addresses is chosen.
        strategy: MultiAddressStrategy = "multiAddressStrategy",
        /// The site it belongs to.
        site_id: String = "siteId",
        /// The credential towards clients; empty for plain text.
        ssl_profile: String = "sslProfile",
        /// Whether clients must present a certificate.
        authenticate_peer: bool = "authenticatePeer",
        /// The application protocol to look for.
        observer: Observer = "observer",
    }
}

record! {
    /// A server of a service.
    TcpConnector => TcpConnector {
        /// Its name.
        name: String = "name",
        /// The service's address.
        address: String = "address",
        /// The server's host.
        host: String = "host",
        /// The server's port: a number or a service's name.
        port: String = "port",
        /// The site it belongs to.
        site_id: String = "siteId",
        /// The telemetry record of the server's process.
        process_id: String = "processId",
        /// The credential towards the server; empty for plain text.
        ssl_profile: String = "sslProfile",
        /// Whether the server's certificate must name `host`.
        verify_hostname: bool = "verifyHostname",
    }
}

record! {
    /// One of several addresses of a TCP listener.
    ListenerAddress => ListenerAddress {
        /// Its name.
        name: String = "name",
        /// The service's address.
        address: String = "address",
        /// Priority or weight.
        value: i64 = "value",
        /// The TCP listener's name.
        listener: String = "listener",
    }
}
