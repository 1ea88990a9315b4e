//! AMQP listeners and connectors.

use super::{PasswordSource, Role};
use crate::Attributes;
use crate::field::{record, words};

/// Credit given on each link where nothing else is configured.
const LINK_CAPACITY: u32 = 250;
const MAX_FRAME_SIZE: u32 = 16_384;
const MAX_SESSIONS: u32 = 32_768;
/// Octets in flight on a session: of a messaging client, and of a router.
const CLIENT_WINDOW: u32 = 8 << 20;
const ROUTER_WINDOW: u32 = 128 << 20;

words! {
    /// Which IP addresses of a name are used.
    AddressFamily {
        /// Version 4.
        #[default]
        Ipv4 = "IPv4",
        /// Version 6.
        Ipv6 = "IPv6",
    }
}

words! {
    /// On which way router annotations are taken off messages.
    StripAnnotations {
        /// From the peer.
        In = "in",
        /// To the peer.
        Out = "out",
        /// Both ways.
        #[default]
        Both = "both",
        /// Neither.
        No = "no",
    }
}

record! {
    /// A port on which AMQP peers are accepted, or HTTP is served.
    Listener => Listener {
        /// Its name.
        name: String = "name",
        /// The address to bind; empty for all.
        host: String = "host",
        /// The port: a number or a service's name.
        port: String = "port",
        /// Which IP addresses of `host` to bind; none for all.
        family: Option<AddressFamily> = "socketAddressFamily",
        /// What its connections are for.
        role: Role = "role",
        /// The link's cost.
        cost: u32 = "cost",
        /// The credential; empty for plain text.
        ssl_profile: String = "sslProfile",
        /// The SASL mechanisms offered, separated by blanks.
        sasl_mechanisms: String = "saslMechanisms",
        /// Whether the peer must authenticate.
        authenticate_peer: bool = "authenticatePeer",
        /// Whether the connection must be encrypted.
        require_encryption: bool = "requireEncryption",
        /// Whether the connection must use TLS.
        require_ssl: bool = "requireSsl",
        /// See [`Listener::frame_size`].
        max_frame_size: u32 = "maxFrameSize",
        /// See [`Listener::sessions`].
        max_sessions: u32 = "maxSessions",
        /// See [`Listener::session_frames`].
        max_session_frames: u32 = "maxSessionFrames",
        /// Seconds without a frame after which the peer is gone.
        idle_timeout_seconds: u32 = "idleTimeoutSeconds",
        /// Seconds for the peer to open; zero for no limit.
        initial_handshake_timeout_seconds: u32 = "initialHandshakeTimeoutSeconds",
        /// Where router annotations are taken off.
        strip_annotations: StripAnnotations = "stripAnnotations",
        /// Parts of messages that are logged; see [`MessageComponents`](super::MessageComponents).
        message_logging: String = "messageLoggingComponents",
        /// See [`Listener::credit`].
        link_capacity: u32 = "linkCapacity",
        /// Where else clients may connect, separated by commas.
        failover_urls: String = "failoverUrls",
        /// The virtual host whose policy holds; empty for the one that the peer asks for.
        policy_vhost: String = "policyVhost",
        /// Serve `/healthz`.
        healthz: bool = "healthz",
        /// Serve `/metrics`.
        metrics: bool = "metrics",
        /// Serve AMQP over WebSocket.
        websockets: bool = "websockets",
        /// Serve HTTP instead of AMQP.
        http: bool = "http",
        /// Files to serve over HTTP, which it implies.
        http_root_dir: String = "httpRootDir",
        /// Properties added to the AMQP open.
        open_properties: Attributes = "openProperties",
    }
}

record! {
    /// A connection that the router makes and keeps.
    Connector => Connector {
        /// Its name.
        name: String = "name",
        /// The peer's host.
        host: String = "host",
        /// The peer's port: a number or a service's name.
        port: String = "port",
        /// Which IP addresses of `host` to try; none for all.
        family: Option<AddressFamily> = "socketAddressFamily",
        /// What it is for.
        role: Role = "role",
        /// The link's cost.
        cost: u32 = "cost",
        /// The credential; empty for plain text.
        ssl_profile: String = "sslProfile",
        /// The proxy; empty for none.
        proxy_profile: String = "proxyProfile",
        /// The SASL mechanisms to accept, separated by blanks.
        sasl_mechanisms: String = "saslMechanisms",
        /// See [`Connector::frame_size`].
        max_frame_size: u32 = "maxFrameSize",
        /// See [`Connector::sessions`].
        max_sessions: u32 = "maxSessions",
        /// See [`Connector::session_frames`].
        max_session_frames: u32 = "maxSessionFrames",
        /// Seconds without a frame after which the peer is gone.
        idle_timeout_seconds: u32 = "idleTimeoutSeconds",
        /// Where router annotations are taken off.
        strip_annotations: StripAnnotations = "stripAnnotations",
        /// Parts of messages that are logged; see [`MessageComponents`](super::MessageComponents).
        message_logging: String = "messageLoggingComponents",
        /// The virtual host whose policy holds for the peer; empty for none.
        policy_vhost: String = "policyVhost",
        /// See [`Connector::credit`].
        link_capacity: u32 = "linkCapacity",
        /// Whether the peer's certificate must name `host`.
        verify_hostname: bool = "verifyHostname",
        /// The user to authenticate as; empty for none.
        sasl_username: String = "saslUsername",
        /// See [`Connector::user_password`].
        sasl_password: String = "saslPassword",
        /// Properties added to the AMQP open.
        open_properties: Attributes = "openProperties",
    }
}

macro_rules! limits {
    ($name:ident) => {
        impl $name {
            /// The largest frame to receive, in octets.
            pub fn frame_size(&self) -> u32 {
                if self.max_frame_size == 0 {
                    MAX_FRAME_SIZE
                } else {
                    self.max_frame_size
                }
            }

            /// The greatest number of sessions.
            pub fn sessions(&self) -> u32 {
                if self.max_sessions == 0 {
                    MAX_SESSIONS
                } else {
                    self.max_sessions
                }
            }

            /// The incoming window of a session, in frames: as configured, or what keeps eight MiB of a messaging
            /// client or 128 MiB of a router in flight, and never fewer than two.
            pub fn session_frames(&self) -> u32 {
                let window = if self.role == Role::Normal {
                    CLIENT_WINDOW
                } else {
                    ROUTER_WINDOW
                };
                match self.max_session_frames {
                    0 => (window / self.frame_size()).max(2),
                    frames => frames,
                }
            }

            /// Credit given on each link.
            pub fn credit(&self) -> u32 {
                if self.link_capacity == 0 {
                    LINK_CAPACITY
                } else {
                    self.link_capacity
                }
            }

            /// The SASL mechanisms by name.
            pub fn mechanisms(&self) -> impl Iterator<Item = &str> {
                self.sasl_mechanisms.split_whitespace()
            }

            /// Host and port as upstream writes them in its log.
            pub fn host_port(&self) -> String {
                format!("{}:{}", self.host, self.port)
            }
        }
    };
}

limits!(Listener);
limits!(Connector);

impl Listener {
    /// Whether the port speaks HTTP and not plain AMQP.
    pub fn serves_http(&self) -> bool {
        self.http || !self.http_root_dir.is_empty()
    }

    /// Whether clients must present a certificate in TLS.
    pub fn demands_certificate(&self) -> bool {
        self.mechanisms().any(|mechanism| mechanism == "EXTERNAL")
    }

    /// Whether nobody may speak AMQP here without TLS.
    pub fn needs_tls(&self) -> bool {
        self.require_ssl || self.require_encryption
    }
}

impl Connector {
    /// Where the SASL user's password is, if there is one.
    pub fn user_password(&self) -> Option<PasswordSource> {
        (!self.sasl_password.is_empty()).then(|| PasswordSource::parse_sasl(&self.sasl_password))
    }
}
