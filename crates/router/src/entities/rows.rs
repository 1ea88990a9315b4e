//! Live entities as rows of attributes: what columns a connection, a flow and a link have.

use std::net::SocketAddr;
use std::time::Duration;

use skupper_amqp::Value as AmqpValue;
use skupper_management::entity::Role;
use skupper_management::{Attributes, Value};

use crate::clock::Moment;
use crate::connection::describe::{LinkRow, Peer};
use crate::connection::handle::{ConnectionHandle, Purpose};
use crate::tcp::Flow;

pub(super) fn row(pairs: impl IntoIterator<Item = (&'static str, Value)>) -> Attributes {
    pairs
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// The host of the row that a TCP connector's own place in the network has.
pub(super) const EGRESS: &str = "egress-dispatch";

/// What the flows of a listener or connector have in common.
pub(super) struct FlowEnd {
    pub(super) incoming: bool,
    pub(super) encrypted: bool,
    /// Where a connector connects to.
    pub(super) server: String,
    /// Where a listener listens.
    pub(super) local: Option<SocketAddr>,
}

/// A connection of a TCP client or server, as a row.
pub(super) struct TcpRow<'a> {
    pub(super) number: u64,
    pub(super) host: &'a str,
    pub(super) local: Option<SocketAddr>,
    pub(super) incoming: bool,
    pub(super) encrypted: bool,
    pub(super) uptime: u64,
    /// Since when no delivery has come or gone, in seconds; none if none ever has.
    pub(super) idle: Option<u64>,
}

impl TcpRow<'_> {
    pub(super) fn row(&self) -> Attributes {
        row([
            ("name", format!("connection/{}", self.host).into()),
            ("identity", self.number.to_string().into()),
            ("host", self.host.into()),
            (
                "localSocket",
                self.local
                    .map_or(Value::Null, |local| local.to_string().into()),
            ),
            ("role", "normal".into()),
            ("protocol", "tcp".into()),
            ("dir", if self.incoming { "in" } else { "out" }.into()),
            ("container", "TcpAdaptor".into()),
            ("isAuthenticated", false.into()),
            ("isEncrypted", self.encrypted.into()),
            ("opened", true.into()),
            ("active", true.into()),
            ("adminStatus", "enabled".into()),
            ("operStatus", "up".into()),
            ("uptimeSeconds", self.uptime.into()),
            ("lastDlvSeconds", self.idle.map_or(Value::Null, Value::from)),
            ("ssl", self.encrypted.into()),
            ("enableProtocolTrace", false.into()),
            (
                "properties",
                Value::Object(row([("qd.adaptor", "tcp".into())])),
            ),
        ])
    }
}

/// A flow, as a `tcpConnection`: what clients have sent is *in*, at either end.
pub(super) fn flow_row(number: u64, flow: &Flow, end: &FlowEnd, now: Moment) -> Attributes {
    let peer = flow.peer.map(|peer| peer.to_string());
    let carried = flow.carried();
    let [read, written] = flow.octets.idle(now);
    let seconds = |idle: Option<Duration>| idle.map_or(Value::Null, |idle| idle.as_secs().into());
    let (direction, came, went, last_in, last_out) = match end.incoming {
        true => ("in", carried.outward, carried.inward, read, written),
        false => ("out", carried.inward, carried.outward, written, read),
    };
    row([
        ("name", format!("tcpConnection/{number}").into()),
        ("identity", number.to_string().into()),
        ("address", (*flow.address).into()),
        ("host", peer.as_deref().unwrap_or(&end.server).into()),
        ("direction", direction.into()),
        ("bytesIn", came.into()),
        ("bytesOut", went.into()),
        ("uptimeSeconds", flow.began.elapsed().as_secs().into()),
        ("lastInSeconds", seconds(last_in)),
        ("lastOutSeconds", seconds(last_out)),
    ])
}

/// An AMQP connection that both sides have opened. On an edge router one to the interior is active if it is the `uplink`.
pub(super) fn connection_row(
    connection: &ConnectionHandle,
    peer: &Peer,
    edge: bool,
    uplink: Option<u64>,
) -> Attributes {
    let address = peer.address.as_str();
    let tls = peer.tls.as_ref();
    let role = match connection.purpose() {
        Purpose::RouterData => "inter-router-data",
        Purpose::Router => "inter-router",
        Purpose::Client | Purpose::Edge | Purpose::InterEdge => connection.role.as_str(),
    };
    let properties: serde_json::Map<String, Value> = peer
        .properties
        .iter()
        .filter_map(|(key, value)| {
            let value = match value {
                AmqpValue::String(text) => Value::from(text.as_str()),
                AmqpValue::Symbol(text) => Value::from(text.as_str()),
                other => Value::from(other.as_i64()?),
            };
            Some((key.as_str()?.to_owned(), value))
        })
        .collect();
    let now = jiff::Timestamp::now().as_second();
    let to_interior = edge && connection.role == Role::Edge && !connection.incoming;
    let active = !to_interior || uplink == Some(connection.number);
    let text = |value: Option<&String>| value.map_or(Value::Null, |text| text.as_str().into());
    let mut shown = row([
        ("name", format!("connection/{address}").into()),
        ("identity", connection.number.to_string().into()),
        ("host", address.into()),
        ("role", role.into()),
        ("protocol", "amqp".into()),
        ("dir", if connection.incoming { "in" } else { "out" }.into()),
        ("container", peer.container.as_str().into()),
        ("sasl", text(peer.mechanism.as_ref())),
        ("isAuthenticated", peer.mechanism.is_some().into()),
        (
            "user",
            peer.known_as(connection.incoming)
                .map_or(Value::Null, Value::from),
        ),
        ("isEncrypted", tls.is_some().into()),
        ("sslProto", text(tls.map(|(version, _)| version))),
        ("sslCipher", text(tls.map(|(_, suite)| suite))),
        ("properties", Value::Object(properties)),
        ("sslSsf", tls.map_or(0, |(_, suite)| key_bits(suite)).into()),
        ("ssl", tls.is_some().into()),
        ("opened", true.into()),
        ("active", active.into()),
        ("adminStatus", "enabled".into()),
        ("operStatus", "up".into()),
        ("uptimeSeconds", (now - peer.opened.as_second()).into()),
        ("enableProtocolTrace", connection.is_traced().into()),
        (
            "lastDlvSeconds",
            connection
                .since_last_delivery()
                .map_or(Value::Null, |since| since.as_secs().into()),
        ),
    ]);
    if let Some(mesh) = connection.mesh.load().as_deref() {
        shown.insert("meshId".to_owned(), (**mesh).into());
    }
    if let Some(ordinal) = connection.ordinal {
        shown.insert("tlsOrdinal".to_owned(), ordinal.into());
    }
    if let Some(correlator) = &peer.correlator
        && connection.role == Role::InterRouter
    {
        shown.insert("groupCorrelationId".to_owned(), correlator.as_str().into());
        shown.insert("groupOrdinal".to_owned(), peer.group_ordinal.into());
    }
    shown
}

/// The length of the key of a cipher suite, which upstream calls its strength.
fn key_bits(suite: &str) -> u64 {
    match suite {
        _ if suite.contains("AES_128") || suite.contains("AES128") => 128,
        _ if suite.contains("AES_256")
            || suite.contains("AES256")
            || suite.contains("CHACHA20") =>
        {
            256
        }
        _ => 0,
    }
}

pub(super) fn link_row(link: &LinkRow) -> Attributes {
    let origins = link.origins.as_ref();
    row([
        ("identity", link.number.to_string().into()),
        ("name", link.name.as_str().into()),
        ("linkName", link.name.as_str().into()),
        ("linkType", link.kind.into()),
        ("linkDir", if link.incoming { "in" } else { "out" }.into()),
        (
            "owningAddr",
            link.address
                .as_ref()
                .map_or(Value::Null, |key| key.as_str().into()),
        ),
        ("capacity", link.capacity.into()),
        ("undeliveredCount", link.undelivered.into()),
        ("unsettledCount", link.unsettled.into()),
        ("deliveryCount", link.deliveries.into()),
        ("connectionId", link.connection.to_string().into()),
        ("operStatus", "up".into()),
        ("presettledCount", link.presettled.into()),
        ("droppedPresettledCount", link.dropped.into()),
        ("acceptedCount", link.accepted.into()),
        ("rejectedCount", link.rejected.into()),
        ("releasedCount", link.released.into()),
        ("modifiedCount", link.modified.into()),
        ("deliveriesDelayed1Sec", link.delayed.into()),
        ("deliveriesDelayed10Sec", link.long_delayed.into()),
        ("deliveriesStuck", link.stuck.into()),
        // A stream has a link of its own from its first octet on, and none is moved.
        ("openMovedStreams", 0.into()),
        (
            "ingressHistogram",
            origins.map_or(Value::Null, |counts| counts.clone().into()),
        ),
        ("priority", link.priority.into()),
        ("settleRate", link.settle_rate.into()),
        ("creditAvailable", link.credit.into()),
        ("zeroCreditSeconds", link.without_credit.as_secs().into()),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suites_strength_is_its_keys_length() {
        for (suite, bits) in [
            ("TLS_AES_256_GCM_SHA384", 256),
            ("TLS_CHACHA20_POLY1305_SHA256", 256),
            ("TLS_AES_128_GCM_SHA256", 128),
            ("ECDHE-RSA-AES128-GCM-SHA256", 128),
            ("ECDHE-RSA-AES256-GCM-SHA384", 256),
            ("", 0),
        ] {
            assert_eq!(key_bits(suite), bits, "{suite}");
        }
    }
}
