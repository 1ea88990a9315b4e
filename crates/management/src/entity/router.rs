//! The router and what it refers to by name.

use super::{Distribution, Mode, PasswordSource};
use crate::field::{record, words};

record! {
    /// The router itself.
    Router => Router {
        /// Its name in the network, and its AMQP container id; empty if one is to be made up.
        id: String = "id",
        /// What it is among others.
        mode: Mode = "mode",
        /// Seconds between HELLOs.
        hello_interval_seconds: u32 = "helloIntervalSeconds",
        /// Seconds without a HELLO after which a neighbour is gone.
        hello_max_age_seconds: u32 = "helloMaxAgeSeconds",
        /// Seconds between router advertisements when nothing changes.
        ra_interval_seconds: u32 = "raIntervalSeconds",
        /// Seconds between router advertisements while the topology changes.
        ra_interval_flux_seconds: u32 = "raIntervalFluxSeconds",
        /// Seconds after which a silent remote router is forgotten.
        remote_ls_max_age_seconds: u32 = "remoteLsMaxAgeSeconds",
        /// Seconds for which an unreachable router keeps its place.
        unreachable_holdoff_seconds: u32 = "unreachableHoldoffSeconds",
        /// Threads that do the work.
        worker_threads: u32 = "workerThreads",
        /// Whether log lines carry UTC.
        timestamps_in_utc: bool = "timestampsInUTC",
        /// The `strftime` format of log lines' times; empty for the default.
        timestamp_format: String = "timestampFormat",
        /// The distribution of addresses that no section configures.
        default_distribution: Distribution = "defaultDistribution",
        /// Who the router belongs to.
        metadata: String = "metadata",
        /// `auto` or a number.
        data_connection_count: String = "dataConnectionCount",
        /// Whether live TCP connections end with their listener or connector.
        drop_tcp_connections: bool = "dropTcpConnections",
        /// Deprecated alias of the network's `tenantId`.
        van_id: String = "vanId",
    }
}

impl Router {
    /// Data connections for each link to an interior router. `None` if `dataConnectionCount` is neither `auto` nor a
    /// number, in which case `auto` holds.
    pub fn configured_data_connections(&self) -> Option<u32> {
        match self.data_connection_count.as_str() {
            "" | "auto" => Some(self.automatic_data_connections()),
            number => number.parse().ok(),
        }
    }

    /// Data connections for each link to an interior router.
    pub fn data_connections(&self) -> u32 {
        self.configured_data_connections()
            .unwrap_or_else(|| self.automatic_data_connections())
    }

    fn automatic_data_connections(&self) -> u32 {
        self.worker_threads.saturating_add(1) / 2
    }
}

record! {
    /// The network.
    Network => Network {
        /// Its id.
        network_id: String = "networkId",
        /// The tenant whose name precedes every service's address; empty for none.
        tenant_id: String = "tenantId",
    }
}

record! {
    /// The site, as its telemetry record tells it.
    Site => Site {
        /// Its name.
        name: String = "name",
        /// Where it is.
        location: String = "location",
        /// Who runs the machine.
        provider: String = "provider",
        /// The version of what made it.
        version: String = "version",
        /// `linux`, `podman`, `docker` or `kubernetes`.
        platform: String = "platform",
        /// Its namespace.
        namespace: String = "namespace",
    }
}

record! {
    /// A TLS credential in files.
    SslProfile => SslProfile {
        /// Its name, to which listeners and connectors refer.
        name: String = "name",
        /// Cipher list in OpenSSL's notation; empty for the defaults.
        ciphers: String = "ciphers",
        /// Protocol versions, separated by blanks; empty for the defaults.
        protocols: String = "protocols",
        /// The trust anchors.
        ca_cert_file: String = "caCertFile",
        /// The certificate chain to present.
        cert_file: String = "certFile",
        /// Its private key.
        private_key_file: String = "privateKeyFile",
        /// The key's password; see [`SslProfile::key_password`].
        password: String = "password",
        /// Which parts of a peer's certificate make its user name.
        uid_format: String = "uidFormat",
        /// Names for user names.
        uid_name_mapping_file: String = "uidNameMappingFile",
        /// The revision of the files' content.
        ordinal: u64 = "ordinal",
        /// The oldest revision of which connections may stay.
        oldest_valid_ordinal: u64 = "oldestValidOrdinal",
    }
}

impl SslProfile {
    /// Where the private key's password is, if it has one.
    pub fn key_password(&self) -> Option<PasswordSource> {
        (!self.password.is_empty()).then(|| PasswordSource::parse(&self.password))
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
        /// The password; see [`ProxyProfile::proxy_password`].
        password: String = "password",
    }
}

impl ProxyProfile {
    /// Where the user's password is, if there is one.
    pub fn proxy_password(&self) -> Option<PasswordSource> {
        (!self.password.is_empty()).then(|| PasswordSource::parse(&self.password))
    }
}

record! {
    /// How messages to addresses of a shape are distributed.
    ConfigAddress => ConfigAddress {
        /// Its name.
        name: String = "name",
        /// The first tokens of the addresses; empty with a pattern.
        prefix: String = "prefix",
        /// A pattern of tokens, `*` for one and `#` for any number; empty with a prefix.
        pattern: String = "pattern",
        /// The distribution.
        distribution: Distribution = "distribution",
        /// The priority of messages that bring none.
        priority: Option<u32> = "priority",
    }
}

words! {
    /// Which way messages go, seen from the router.
    Direction {
        /// Towards the router.
        #[default]
        In = "in",
        /// From the router.
        Out = "out",
    }
}

record! {
    /// A link that the router makes by itself.
    AutoLink => AutoLink {
        /// Its name.
        name: String = "name",
        /// The address in the network.
        address: String = "address",
        /// Which way messages go.
        direction: Direction = "direction",
        /// The peer's container id; empty with `connection`.
        container_id: String = "containerId",
        /// The name of a connector or listener; empty with `container_id`.
        connection: String = "connection",
        /// The address at the peer; empty if it is the same.
        external_address: String = "externalAddress",
    }
}
