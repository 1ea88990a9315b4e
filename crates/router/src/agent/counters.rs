//! Counters of the whole router that the agent adds to what the data plane counts.

use std::sync::atomic::{AtomicU64, Ordering};

use skupper_management::{Attributes, Kind, Value};

use super::system;
use super::view::{View, attributes};
use crate::core::addresses::Apart;
use crate::policy::Policy;

/// Adds to an entity what it lacks.
pub(super) fn complete(kind: Kind, entity: &mut Attributes, view: &View<'_>) {
    let more = match kind {
        Kind::RouterMetrics => router_metrics(view),
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
    // As upstream counts: a TCP connector's own place in the network is one of its connections, and a flow in which an
    // application's protocol is seen is one of that.
    let tcp = view
        .all(Kind::Connection)
        .into_iter()
        .filter(|connection| connection.get("protocol").and_then(Value::as_str) == Some("tcp"));
    let observed = view.observed();
    let http1 = observed.http1.load(Ordering::Relaxed);
    let http2 = observed.http2.load(Ordering::Relaxed);
    let tcp = (tcp.count() as u64).saturating_sub(http1 + http2);
    let counters = attributes([
        ("tcp", tcp.into()),
        ("amqp", amqp_clients(view).into()),
        ("http1", http1.into()),
        ("http2", http2.into()),
    ]);
    let mut metrics = attributes([("connectionCounters", Value::Object(counters))]);
    if let Some((size, resident)) = system::usage() {
        metrics.extend(attributes([
            ("memoryUsage", size.into()),
            ("residentMemoryUsage", resident.into()),
        ]));
    }
    let totals = view.totals();
    let [containers, networks] =
        [Apart::Container, Apart::Network].map(|apart| totals.apart.of(apart));
    let count = |counter: &AtomicU64| Value::from(counter.load(Ordering::Relaxed));
    metrics.extend(attributes([
        ("deliveriesIngress", count(&totals.ingress)),
        ("deliveriesEgress", count(&totals.egress)),
        ("deliveriesTransit", count(&totals.transit)),
        (
            "deliveriesIngressRouteContainer",
            count(&containers.ingress),
        ),
        ("deliveriesEgressRouteContainer", count(&containers.egress)),
        ("deliveriesIngressInterNetwork", count(&networks.ingress)),
        ("deliveriesEgressInterNetwork", count(&networks.egress)),
        // Of fallbacks, which no router has any more.
        ("deliveriesRedirectedToFallback", 0.into()),
    ]));
    metrics
}

/// Clients of the router itself.
fn amqp_clients(view: &View<'_>) -> usize {
    let clients = view.all(Kind::Connection).into_iter().filter(|connection| {
        let is =
            |name: &str, value: &str| connection.get(name).and_then(Value::as_str) == Some(value);
        is("role", "normal") && is("protocol", "amqp")
    });
    clients.count()
}

fn policy(view: &View<'_>) -> Attributes {
    let Policy { limit, counts, .. } = view.policy();
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    attributes([
        (
            "connectionsProcessed",
            (limit.admitted() + limit.denied()).into(),
        ),
        (
            "connectionsDenied",
            (limit.denied() + count(&counts.connections)).into(),
        ),
        ("connectionsCurrent", limit.current().into()),
        ("linksDenied", count(&counts.links).into()),
        ("maxMessageSizeDenied", count(&counts.sizes).into()),
        ("totalDenials", (limit.denied() + counts.total()).into()),
    ])
}
