//! The sections that a site writes. An empty text, a zero and a `false` are left out, as upstream leaves them out.

use super::{Distribution, Mode, Role};
use crate::field::{Textual, Tristate, record};

record! {
    /// The router itself.
    Router => Router {
        /// Its name in the network; `${HOSTNAME}` is replaced when the file is loaded.
        id: String = "id",
        /// Interior or edge; left out means standalone.
        mode: Option<Mode> = "mode",
        /// Seconds without a HELLO after which a neighbour is gone.
        hello_max_age_seconds: Option<Textual> = "helloMaxAgeSeconds",
        /// Data connections per link: a number, or empty for `auto`.
        data_connection_count: String = "dataConnectionCount",
        /// Who it belongs to: JSON with the site's `id`, the controller's `version` and the `platform`.
        metadata: String = "metadata",
    }
}

record! {
    /// A TLS credential in files.
    SslProfile => SslProfile {
        /// Its name, to which listeners and connectors refer.
        name: String = "name",
        /// The certificate chain to present; empty for none.
        cert_file: String = "certFile",
        /// Its private key.
        private_key_file: String = "privateKeyFile",
        /// The trust anchors.
        ca_cert_file: String = "caCertFile",
        /// The revision of the files' content; raising it makes connections move to the new credential.
        ordinal: u64 = "ordinal",
        /// The oldest revision of which connections may stay.
        oldest_valid_ordinal: u64 = "oldestValidOrdinal",
    }
}

record! {
    /// An HTTP CONNECT proxy.
    ProxyProfile => ProxyProfile {
        /// Its name, to which connectors refer.
        name: String = "name",
        /// Its host.
        host: String = "host",
        /// Its port.
        port: String = "port",
        /// The user to authenticate as; empty for none.
        username: String = "username",
        /// The password: `file:<path>`, `env:<variable>` or `pass:<text>`.
        password: String = "password",
    }
}

record! {
    /// A connection that the router makes and keeps.
    Connector => Connector {
        /// Its name: the Link's.
        name: String = "name",
        /// What it is for.
        role: Option<Role> = "role",
        /// The peer's host.
        host: String = "host",
        /// The peer's port.
        port: String = "port",
        /// The link's cost, from 1; zero for the default, which is 1.
        cost: u32 = "cost",
        /// Whether the peer's certificate must name `host`; unset for the default, which is yes.
        verify_hostname: Tristate = "verifyHostname",
        /// The credential; empty for plain text.
        ssl_profile: String = "sslProfile",
        /// The proxy; empty for none.
        proxy_profile: String = "proxyProfile",
        /// Credit given on each link; zero for the default.
        link_capacity: u32 = "linkCapacity",
        /// Largest frame in octets; zero for the default.
        max_frame_size: u32 = "maxFrameSize",
        /// Session window in frames; zero for the default.
        max_session_frames: u32 = "maxSessionFrames",
    }
}

record! {
    /// A port on which AMQP peers are accepted, or HTTP is served.
    Listener => Listener {
        /// Its name.
        name: String = "name",
        /// What its connections are for; unset for the default, which is `normal`.
        role: Option<Role> = "role",
        /// The address to bind; empty for all.
        host: String = "host",
        /// The port.
        port: u16 = "port",
        /// Serve HTTP instead of AMQP.
        http: bool = "http",
        /// The link's cost, from 1; zero for the default, which is 1.
        cost: u32 = "cost",
        /// The credential; empty for plain text.
        ssl_profile: String = "sslProfile",
        /// The SASL mechanisms offered, separated by blanks.
        sasl_mechanisms: String = "saslMechanisms",
        /// Whether the peer must authenticate.
        authenticate_peer: bool = "authenticatePeer",
        /// Credit given on each link; zero for the default.
        link_capacity: u32 = "linkCapacity",
        /// Files to serve over HTTP; `disabled` for none.
        http_root_dir: String = "httpRootDir",
        /// Serve AMQP over WebSocket; unset for the default, which is yes.
        websockets: Tristate = "websockets",
        /// Serve `/healthz`; unset for the default, which is yes.
        healthz: Tristate = "healthz",
        /// Serve `/metrics`; unset for the default, which is yes.
        metrics: Tristate = "metrics",
        /// Largest frame in octets; zero for the default.
        max_frame_size: u32 = "maxFrameSize",
        /// Session window in frames; zero for the default.
        max_session_frames: u32 = "maxSessionFrames",
    }
}

record! {
    /// The distribution of all addresses with a prefix.
    ConfigAddress => AddressConfig {
        /// The prefix.
        prefix: String = "prefix",
        /// The distribution.
        distribution: Option<Distribution> = "distribution",
    }
}

record! {
    /// A server of a service.
    TcpConnector => TcpConnector {
        /// Its name: `connector/<connector>@<host>`.
        name: String = "name",
        /// The server's host.
        host: String = "host",
        /// The server's port.
        port: String = "port",
        /// The service's address: the routing key.
        address: String = "address",
        /// The site it belongs to.
        site_id: String = "siteId",
        /// The credential towards the server; empty for plain text.
        ssl_profile: String = "sslProfile",
        /// Whether the server's certificate must name `host`; unset for the default, which is yes.
        verify_hostname: Tristate = "verifyHostname",
        /// The telemetry record of the server's process: on Kubernetes the pod's uid.
        process_id: String = "processId",
    }
}

record! {
    /// A port on which clients of a service are accepted.
    TcpListener => TcpListener {
        /// Its name: `listener/<listener>` or `multiAddress/<multi-key listener>`.
        name: String = "name",
        /// The address to bind; empty for all.
        host: String = "host",
        /// The port.
        port: String = "port",
        /// The service's address: the routing key; empty with a strategy.
        address: String = "address",
        /// The site it belongs to.
        site_id: String = "siteId",
        /// The credential towards clients; empty for plain text.
        ssl_profile: String = "sslProfile",
        /// The protocol to look for; empty for `auto`.
        observer: String = "observer",
        /// `priority` or `weighted` if it has several addresses; empty for one.
        multi_address_strategy: String = "multiAddressStrategy",
        /// Whether clients must present a certificate.
        authenticate_peer: bool = "authenticatePeer",
    }
}

record! {
    /// One of several addresses behind a TCP listener.
    ListenerAddress => ListenerAddress {
        /// Its name: `<multi-key listener>/<routing key>`.
        name: String = "name",
        /// The routing key.
        address: String = "address",
        /// Priority or weight.
        value: i64 = "value",
        /// The TCP listener's name.
        listener: String = "listener",
    }
}

record! {
    /// The log level of a module.
    Log => LogConfig {
        /// The module.
        module: String = "module",
        /// Levels: `info+`.
        enable: String = "enable",
    }
}

record! {
    /// The site, on Linux hosts.
    Site => Site {
        /// Its name.
        name: String = "name",
        /// Where it is.
        location: String = "location",
        /// Who runs the machine.
        provider: String = "provider",
        /// `linux`, `podman` or `docker`.
        platform: String = "platform",
        /// Its namespace.
        namespace: String = "namespace",
        /// The version of what made it.
        version: String = "version",
    }
}
