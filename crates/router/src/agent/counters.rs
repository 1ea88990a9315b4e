//! Counters of the whole router that the agent adds to what the data plane counts.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use skupper_management::{Attributes, Kind, Value};

use super::system;
use super::view::{View, attributes};

/// Adds to an entity what it lacks.
pub(super) fn complete(kind: Kind, entity: &mut Attributes, view: &View<'_>) {
    let more = match kind {
        Kind::RouterMetrics => {
            view.past_links().add_to(entity);
            router_metrics(view)
        }
        Kind::Policy => policy(view),
        Kind::Router => {
            entity.retain(|_, value| value.as_str() != Some(""));
            attributes([("hostName", system::host_name().into())])
        }
        _ => Attributes::new(),
    };
    for (name, value) in more {
        entity.entry(name).or_insert(value);
    }
}

fn router_metrics(view: &View<'_>) -> Attributes {
    let services = services(view);
    let count = |protocol: &str| Value::from(services.get(protocol).copied().unwrap_or(0));
    // As upstream counts: a TCP connector's own place in the network is one of its connections.
    let tcp = view
        .all(Kind::Connection)
        .into_iter()
        .filter(|connection| connection.get("protocol").and_then(Value::as_str) == Some("tcp"));
    let counters = attributes([
        ("tcp", tcp.count().into()),
        ("amqp", count("amqp")),
        ("http1", count("http1")),
        ("http2", count("http2")),
    ]);
    let mut metrics = attributes([("connectionCounters", Value::Object(counters))]);
    if let Some((size, resident)) = system::usage() {
        metrics.extend(attributes([
            ("memoryUsage", size.into()),
            ("residentMemoryUsage", resident.into()),
        ]));
    }
    // What upstream counts for kinds of peers that this router has not.
    for name in [
        "deliveriesDelayed1Sec",
        "deliveriesDelayed10Sec",
        "deliveriesStuck",
        "deliveriesIngress",
        "deliveriesEgress",
        "deliveriesTransit",
        "deliveriesIngressRouteContainer",
        "deliveriesEgressRouteContainer",
        "deliveriesIngressInterNetwork",
        "deliveriesEgressInterNetwork",
        "deliveriesRedirectedToFallback",
        "linksBlocked",
    ] {
        let totals = view.totals();
        let count = match name {
            "deliveriesIngress" => totals.ingress.load(Ordering::Relaxed),
            "deliveriesEgress" => totals.egress.load(Ordering::Relaxed),
            "deliveriesTransit" => totals.transit.load(Ordering::Relaxed),
            "deliveriesIngressRouteContainer" => totals.ingress_container.load(Ordering::Relaxed),
            "deliveriesEgressRouteContainer" => totals.egress_container.load(Ordering::Relaxed),
            _ => 0,
        };
        metrics.insert(name.to_owned(), count.into());
    }
    metrics
}

/// Connections of users now, by protocol.
pub(crate) fn services(view: &View<'_>) -> BTreeMap<&'static str, u64> {
    let number =
        |entity: &Attributes, name: &str| entity.get(name).and_then(Value::as_u64).unwrap_or(0);
    let mut services = BTreeMap::new();
    for listener in view.all(Kind::TcpListener) {
        let open = number(&listener, "connectionsOpened")
            .saturating_sub(number(&listener, "connectionsClosed"));
        let protocol = match listener.get("observer").and_then(Value::as_str) {
            Some("http1") => "http1",
            Some("http2") => "http2",
            _ => "tcp",
        };
        *services.entry(protocol).or_default() += open;
    }
    let clients = view.all(Kind::Connection).into_iter().filter(|connection| {
        let is =
            |name: &str, value: &str| connection.get(name).and_then(Value::as_str) == Some(value);
        is("role", "normal") && is("protocol", "amqp")
    });
    services.insert("amqp", clients.count() as u64);
    services
}

fn policy(view: &View<'_>) -> Attributes {
    let connections = view.all(Kind::Connection);
    let current = connections
        .iter()
        .filter(|connection| connection.get("protocol") == Some(&Value::from("amqp")))
        .count();
    attributes([
        ("connectionsProcessed", view.connections_begun().into()),
        ("connectionsDenied", view.connections_denied().into()),
        ("connectionsCurrent", current.into()),
        ("linksDenied", 0.into()),
        ("maxMessageSizeDenied", 0.into()),
        ("totalDenials", view.connections_denied().into()),
    ])
}
