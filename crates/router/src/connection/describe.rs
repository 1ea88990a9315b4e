//! What is known of a peer and of links, for forwarding, management and telemetry.

use std::time::Duration;

use skupper_amqp::message::RouterAnnotations;
use skupper_amqp::{Map, Open, Value};

use super::handle::ConnectionHandle;
use super::pace::annotated;

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
    /// Its flows say nothing of their window, and more than the protocol's own may be on its way to them.
    pub roomy: bool,
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
        let router = text("product").as_deref() == Some(PRODUCT);
        Peer {
            router,
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
            roomy: router && text("version").is_some_and(|version| is_roomy(&version)),
            properties: open.properties.clone(),
            user: None,
            mechanism: None,
            tls: None,
            address,
            opened: jiff::Timestamp::now(),
        }
    }

    /// Who the peer is, as proton tells it (`pn_transport_get_user`): without a name `anonymous`, but on a connection of ours with SASL, where
    /// who this router is for its peer is the peer's affair, and where TLS without SASL could have told.
    pub(crate) fn known_as(&self, incoming: bool) -> Option<&str> {
        let nobody = match incoming {
            true => self.mechanism.is_some() || self.tls.is_none(),
            false => self.mechanism.is_none(),
        };
        let user = self.user.as_deref();
        user.or(nobody.then_some("anonymous"))
    }

    /// What is said of the connection when it has been opened.
    pub(crate) fn opening(&self, handle: &ConnectionHandle) -> String {
        let direction = if handle.incoming { "in" } else { "out" };
        let tls = self.tls.as_ref();
        format!(
            "[C{}] Connection Opened: dir={direction} host={} encrypted={} auth={} user={} container_id={}",
            handle.number,
            self.address,
            tls.map_or("no", |(version, _)| version),
            self.mechanism.as_deref().unwrap_or("no"),
            self.known_as(handle.incoming).unwrap_or("(null)"),
            self.container,
        )
    }

    /// Whether a message with these annotations, which this peer has sent, came into the network there.
    pub(crate) fn began(&self, annotations: &RouterAnnotations) -> bool {
        matches!(&annotations.trace[..], [only] if annotated(only) == Some(&self.container))
    }
}

/// Upstream's releases that were looked at and keep what waits for a server that has stopped, however much it is: of each minor
/// version the first and the last. They are made with releases of proton without a limit on what waits in a connection. Those
/// made with a later one close the connection when 4 MiB wait in it (`PN_DEFAULT_MAX_BUFFERED_DELIVERY_BYTES`).
const ROOMY: [((u32, u32), [u32; 2]); 6] = [
    ((3, 0), [1, 1]),
    ((3, 1), [0, 0]),
    ((3, 2), [0, 0]),
    ((3, 3), [0, 1]),
    ((3, 4), [0, 2]),
    ((3, 5), [0, 1]),
];

/// Whether a router of this version is such a release.
fn is_roomy(version: &str) -> bool {
    let parts: Vec<Option<u32>> = version.split('.').map(|part| part.parse().ok()).collect();
    let [Some(major), Some(minor), Some(patch)] = parts[..] else {
        return false;
    };
    ROOMY
        .iter()
        .any(|(of, [first, last])| *of == (major, minor) && (*first..=*last).contains(&patch))
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
    /// Its priority: a data link's own, the highest of a control link, the default of all others.
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

    /// Deliveries of a client, or of a flow, that were settled from the start: what routers say to each other is none of them.
    pub(crate) fn presettled_of_user(&self) -> u64 {
        if self.kind == "endpoint" {
            self.presettled
        } else {
            0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_does_not_say_who_he_is_is_nobody_where_he_could_have() {
        let (sasl, tls) = (Some("X".to_owned()), Some((String::new(), String::new())));
        for (incoming, mechanism, tls, known_as) in [
            (true, &None, &None, Some("anonymous")),
            (true, &sasl, &None, Some("anonymous")),
            (true, &sasl, &tls, Some("anonymous")),
            (true, &None, &tls, None),
            (false, &None, &None, Some("anonymous")),
            (false, &sasl, &None, None),
            (false, &sasl, &tls, None),
        ] {
            let mut peer = Peer::read(&Open::new("peer"), 1, incoming, String::new());
            peer.mechanism.clone_from(mechanism);
            peer.tls.clone_from(tls);
            assert_eq!(peer.known_as(incoming), known_as, "{mechanism:?} {tls:?}");
            peer.user = Some("somebody".to_owned());
            assert_eq!(peer.known_as(incoming), Some("somebody"));
        }
    }

    #[test]
    fn which_routers_take_more_than_they_say() {
        for version in ["3.0.1", "3.1.0", "3.3.1", "3.4.2", "3.5.0", "3.5.1"] {
            assert!(is_roomy(version), "{version}");
        }
        let others = [
            "",
            "3",
            "3.5",
            "2.7.6",
            "3.0.0",
            "3.1.1",
            "3.5.2",
            "3.6.0",
            "4.0.0",
            "3.5.1-rc1",
            "3.0.0-137-ge2ec51a4",
            "3.5.1.1",
            "3..1",
            "v3.5.1",
            "0.0.0",
            "99999999999.0.0",
        ];
        for version in others {
            assert!(!is_roomy(version), "{version}");
        }
    }
}
