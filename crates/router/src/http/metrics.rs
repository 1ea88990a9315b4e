//! `/metrics`: names and types as upstream's, each with a line of help, and counters of our own with labels.

use std::fmt::Write;

use skupper_management::{Attributes, Kind, Value};

use crate::agent::View;

/// A number of the router's metrics: name, type, attribute, help.
const OF_ROUTER: &[(&str, &str, &str, &str)] = &[
    (
        "qdr_connections_total",
        "gauge",
        "connectionCount",
        "Connections that are open: those of AMQP, of flows, and the place that each TCP connector has in the network",
    ),
    (
        "qdr_links_total",
        "gauge",
        "linkCount",
        "AMQP links that are attached",
    ),
    (
        "qdr_addresses_total",
        "gauge",
        "addrCount",
        "Addresses known to the router",
    ),
    (
        "qdr_routers_total",
        "gauge",
        "nodeCount",
        "Other routers of the network",
    ),
    (
        "qdr_presettled_deliveries_total",
        "counter",
        "presettledDeliveries",
        "Deliveries settled from the start",
    ),
    (
        "qdr_dropped_presettled_deliveries_total",
        "counter",
        "droppedPresettledDeliveries",
        "Presettled deliveries that were dropped",
    ),
    (
        "qdr_accepted_deliveries_total",
        "counter",
        "acceptedDeliveries",
        "Deliveries that were accepted",
    ),
    (
        "qdr_released_deliveries_total",
        "counter",
        "releasedDeliveries",
        "Deliveries that were released",
    ),
    (
        "qdr_rejected_deliveries_total",
        "counter",
        "rejectedDeliveries",
        "Deliveries that were rejected",
    ),
    (
        "qdr_modified_deliveries_total",
        "counter",
        "modifiedDeliveries",
        "Deliveries that were modified",
    ),
    (
        "qdr_deliveries_ingress_total",
        "counter",
        "deliveriesIngress",
        "Deliveries from clients",
    ),
    (
        "qdr_deliveries_egress_total",
        "counter",
        "deliveriesEgress",
        "Deliveries to clients",
    ),
    (
        "qdr_deliveries_transit_total",
        "counter",
        "deliveriesTransit",
        "Deliveries from router to router",
    ),
    (
        "qdr_deliveries_delayed_1sec_total",
        "counter",
        "deliveriesDelayed1Sec",
        "Deliveries that took one to ten seconds to settle",
    ),
    (
        "qdr_deliveries_delayed_10sec_total",
        "counter",
        "deliveriesDelayed10Sec",
        "Deliveries that took more than ten seconds to settle",
    ),
    (
        "qdr_deliveries_stuck_total",
        "gauge",
        "deliveriesStuck",
        "Deliveries unsettled for more than ten seconds",
    ),
    (
        "qdr_links_blocked_total",
        "gauge",
        "linksBlocked",
        "Links without credit for more than ten seconds",
    ),
];

/// The page.
pub(super) fn text(view: &View<'_>) -> String {
    let mut page = Page::default();
    let metrics = view
        .all(Kind::RouterMetrics)
        .into_iter()
        .next()
        .unwrap_or_default();
    for (name, kind, attribute, help) in OF_ROUTER {
        page.sample(name, kind, help, number(&metrics, attribute));
    }
    let changed = view
        .all(Kind::Node)
        .iter()
        .map(|node| number(node, "lastTopoChange"))
        .max()
        .unwrap_or(0);
    page.sample(
        "qdr_last_topology_change_timestamp",
        "gauge",
        "Seconds since the epoch of the last change of the network",
        changed,
    );
    for (name, attribute, help) in [
        (
            "qdr_router_vmsize_bytes",
            "memoryUsage",
            "Size of the process",
        ),
        (
            "qdr_router_rss_bytes",
            "residentMemoryUsage",
            "What of the process is in memory",
        ),
    ] {
        if metrics.contains_key(attribute) {
            page.sample(name, "gauge", help, number(&metrics, attribute));
        }
    }
    let services = metrics.get("connectionCounters").and_then(Value::as_object);
    for (protocol, count) in services.into_iter().flatten() {
        let name = format!("qdr_{protocol}_service_connections");
        page.sample(
            &name,
            "gauge",
            "Connections of users",
            count.as_u64().unwrap_or(0),
        );
    }
    ours(&mut page, view);
    page.0
}

/// Refusals, and what each service carries.
fn ours(page: &mut Page, view: &View<'_>) {
    page.head(
        "skupper_router_refusals_total",
        "counter",
        "Connections that a listener or connector did not come to",
    );
    for (kind, label) in [
        (Kind::Listener, "listener"),
        (Kind::Connector, "connector"),
        // They may be called as those of AMQP are.
        (Kind::TcpListener, "tcp_listener"),
        (Kind::TcpConnector, "tcp_connector"),
    ] {
        for entity in view.all(kind) {
            let labels = [(label, text_of(&entity, "name"))];
            page.labelled(
                "skupper_router_refusals_total",
                &labels,
                number(&entity, "refusalCount"),
            );
        }
    }
    for (kind, label) in [
        (Kind::TcpListener, "listener"),
        (Kind::TcpConnector, "connector"),
    ] {
        for (suffix, attribute, help) in [
            (
                "connections_opened_total",
                "connectionsOpened",
                "TCP connections that were opened",
            ),
            (
                "connections_closed_total",
                "connectionsClosed",
                "TCP connections that were closed",
            ),
            (
                "bytes_in_total",
                "bytesIn",
                "Octets that came by TCP connections",
            ),
            (
                "bytes_out_total",
                "bytesOut",
                "Octets that went by TCP connections",
            ),
        ] {
            let name = format!("skupper_router_tcp_{label}_{suffix}");
            page.head(&name, "counter", help);
            for entity in view.all(kind) {
                let labels = [
                    (label, text_of(&entity, "name")),
                    ("address", text_of(&entity, "address")),
                ];
                // A connector's own place in the network, which its entity counts as upstream's does, is no connection.
                let place = kind == Kind::TcpConnector && attribute == "connectionsOpened";
                let value = number(&entity, attribute).saturating_sub(place.into());
                page.labelled(&name, &labels, value);
            }
        }
    }
}

fn number(entity: &Attributes, name: &str) -> u64 {
    entity.get(name).and_then(Value::as_u64).unwrap_or(0)
}

fn text_of<'a>(entity: &'a Attributes, name: &str) -> &'a str {
    entity.get(name).and_then(Value::as_str).unwrap_or_default()
}

#[derive(Default)]
struct Page(String);

// Writing into a String cannot fail.
impl Page {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, kind: &str, help: &str, value: u64) {
        self.head(name, kind, help);
        let _ = writeln!(self.0, "{name} {value}");
    }

    fn labelled(&mut self, name: &str, labels: &[(&str, &str)], value: u64) {
        let labels: Vec<String> = labels
            .iter()
            .map(|(label, text)| format!("{label}=\"{}\"", escaped(text)))
            .collect();
        let _ = writeln!(self.0, "{name}{{{}}} {value}", labels.join(","));
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped() {
        let mut page = Page::default();
        page.head("a_total", "counter", "Help");
        page.labelled("a_total", &[("name", "q\"b\\\n"), ("x", "")], 3);
        assert_eq!(
            page.0,
            "# HELP a_total Help\n# TYPE a_total counter\na_total{name=\"q\\\"b\\\\\\n\",x=\"\"} 3\n"
        );
    }
}
