//! What is known of a peer and of links, for forwarding, management and telemetry.

use std::time::Duration;

use skupper_amqp::{Map, Open, Value};

/// How routers call themselves towards peers; upstream's do, too.
pub(crate) const PRODUCT: &str = "skupper-router";
/// Capability: extra links for streams are welcome.
pub(crate) const STREAMING_LINKS: &str = "qd.streaming-links";
/// Capability: streams may be spread over data connections.
pub(crate) const TRUNKING: &str = "qd.connection_trunking";
/// Capability: a client's octets may come with its stream, before the server's end has answered. Upstream's router, which can
/// lose them, does not offer it.
pub(crate) const EARLY_OCTETS: &str = "skupper.early-octets";
/// Value of the property that makes a connection a data connection.
const DATA_ROLE: i64 = 4;

/// What a peer's open said.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Its container id: a router's id.
    pub container: String,
    /// It says that it is a router.
    pub router: bool,
    /// Effective cost: the greater of both sides'.
    pub cost: u32,
    /// The connection carries streams only.
    pub data: bool,
    /// Names the connections of one connector.
    pub correlator: Option<String>,
    /// Generation of the connector's credential.
    pub group_ordinal: u64,
    /// Telemetry record of the peer's listener.
    pub access_id: Option<String>,
    /// It welcomes streaming links.
    pub streaming_links: bool,
    /// It welcomes streams on data connections.
    pub trunking: bool,
    /// It takes a client's octets before the server's end has answered.
    pub early_octets: bool,
    /// All its properties.
    pub properties: Map,
    /// Who authenticated, if anybody did.
    pub user: Option<String>,
    /// The SASL mechanism.
    pub mechanism: Option<String>,
    /// TLS protocol and cipher suite.
    pub tls: Option<(String, String)>,
    /// The peer's address.
    pub address: String,
    /// When both sides had opened, on the epoch.
    pub opened: jiff::Timestamp,
}

impl Peer {
    /// Reads an open. Group properties count only where the peer connected.
    pub(crate) fn read(open: &Open, own_cost: u32, incoming: bool, address: String) -> Self {
        let property = |key: &str| open.properties.get(key);
        let text = |key: &str| property(key).and_then(Value::as_str).map(str::to_owned);
        let offers = |capability: &str| {
            open.offered_capabilities
                .iter()
                .any(|offered| offered.as_str() == capability)
        };
        let cost = property("qd.inter-router-cost").and_then(Value::as_i64);
        let cost = cost.and_then(|cost| u32::try_from(cost).ok()).unwrap_or(1);
        let role = property("qd.inter-router-role").and_then(Value::as_i64);
        Peer {
            router: text("product").as_deref() == Some(PRODUCT),
            container: open.container_id.clone(),
            cost: cost.max(own_cost).max(1),
            data: incoming && role == Some(DATA_ROLE),
            correlator: text("qd.group-correlator").filter(|_| incoming),
            group_ordinal: match incoming {
                true => property("qd.group-ordinal")
                    .and_then(Value::as_u64)
                    .unwrap_or(0),
                false => 0,
            },
            access_id: text("qd.access-id"),
            streaming_links: offers(STREAMING_LINKS),
            trunking: offers(TRUNKING),
            early_octets: offers(EARLY_OCTETS),
            properties: open.properties.clone(),
            user: None,
            mechanism: None,
            tls: None,
            address,
            opened: jiff::Timestamp::now(),
        }
    }
}

/// A link as management shows it.
#[derive(Debug, Clone, Default)]
pub struct LinkRow {
    /// Its number.
    pub number: u64,
    /// Its name on the wire.
    pub name: String,
    /// `endpoint`, `router-control` or `inter-router`.
    pub kind: &'static str,
    /// Whether deliveries come in by it.
    pub incoming: bool,
    /// Key of the address it is for.
    pub address: Option<String>,
    /// Its connection.
    pub connection: u64,
    /// Credit given at once.
    pub capacity: u32,
    /// Deliveries that wait to be sent.
    pub undelivered: u64,
    /// Deliveries that are not settled.
    pub unsettled: u64,
    /// Deliveries so far.
    pub deliveries: u64,
    /// Of them settled from the start.
    pub presettled: u64,
    /// Of these, such as reached nobody.
    pub dropped: u64,
    /// Of them accepted.
    pub accepted: u64,
    /// Of them rejected.
    pub rejected: u64,
    /// Of them released.
    pub released: u64,
    /// Of them modified.
    pub modified: u64,
    /// Priority of a data link.
    pub priority: u8,
    /// Credit now.
    pub credit: u32,
    /// Deliveries that took more than a second, and at most ten.
    pub delayed: u64,
    /// Deliveries that took more than ten seconds.
    pub long_delayed: u64,
    /// Deliveries that have not been settled for so long that it is told.
    pub stuck: u64,
    /// Settlements by the second.
    pub settle_rate: u64,
    /// For how long there has been no credit.
    pub without_credit: Duration,
    /// Of a link to a client: deliveries that are over by the router at which they came into the network, at the places of
    /// `router.node`.
    pub origins: Option<Vec<u64>>,
}

impl LinkRow {
    /// Presettled deliveries of a client that reached nobody.
    pub(crate) fn dropped_of_user(&self) -> u64 {
        if self.kind == "endpoint" {
            self.dropped
        } else {
            0
        }
    }
}
