//! The router and its network.

use super::super::Table;
use super::cells::{duration, flag, number, octets, of_value, text};
use super::{Answers, Options, first};
use crate::{Attributes, Kind, Value};

pub(super) fn general(answers: &Answers) -> Table {
    let nothing = Attributes::new();
    let router = first(answers, Kind::Router).unwrap_or(&nothing);
    let metrics = first(answers, Kind::RouterMetrics).unwrap_or(&nothing);
    let network = first(answers, Kind::Network).unwrap_or(&nothing);

    let mut pairs = vec![
        ("Version", text(metrics, "version")),
        ("Mode", text(router, "mode")),
        ("Router Id", text(metrics, "id")),
    ];
    for (head, name) in [("Network Id", "networkId"), ("Tenant Id", "tenantId")] {
        if network.get(name).is_some_and(|value| !value.is_null()) {
            pairs.push((head, text(network, name)));
        }
    }
    pairs.extend([
        ("Host Name", text(router, "hostName")),
        (
            "Hello Interval Seconds",
            text(router, "helloIntervalSeconds"),
        ),
        ("Hello Max Age Seconds", text(router, "helloMaxAgeSeconds")),
        ("RA Interval Seconds", text(router, "raIntervalSeconds")),
        (
            "RA Interval Flux Seconds",
            text(router, "raIntervalFluxSeconds"),
        ),
        (
            "Remote Ls Max Age Seconds",
            text(router, "remoteLsMaxAgeSeconds"),
        ),
        ("Debug Dump File", text(router, "debugDumpFile")),
        ("Sasl Config Dir", text(router, "saslConfigDir")),
        ("Sasl Config Name", text(router, "saslConfigName")),
        (
            "Timestamps In UTC",
            if flag(router, "timestampsInUTC") {
                "yes"
            } else {
                "no"
            }
            .to_owned(),
        ),
        ("Timestamp Format", text(router, "timestampFormat")),
        ("Default Distribution", text(router, "defaultDistribution")),
        ("Metadata", text(router, "metadata")),
        ("Data Connection Count", text(router, "dataConnectionCount")),
        ("Worker Threads", text(router, "workerThreads")),
        ("Uptime", duration(number(metrics, "uptimeSeconds"))),
    ]);
    for (head, name) in [("VmSize", "memoryUsage"), ("RSS", "residentMemoryUsage")] {
        if let Some(value) = metrics.get(name).and_then(Value::as_i64) {
            pairs.push((head, octets(value)));
        }
    }
    pairs.extend([
        ("Area", text(router, "area")),
        ("Auto Links", text(metrics, "autoLinkCount")),
        ("Links", text(metrics, "linkCount")),
        ("Nodes", text(metrics, "nodeCount")),
        ("Addresses", text(metrics, "addrCount")),
        ("Total Connections", text(metrics, "connectionCount")),
        ("Presettled Count", text(metrics, "presettledDeliveries")),
        (
            "Dropped Presettled Count",
            text(metrics, "droppedPresettledDeliveries"),
        ),
        ("Accepted Count", text(metrics, "acceptedDeliveries")),
        ("Rejected Count", text(metrics, "rejectedDeliveries")),
        ("Released Count", text(metrics, "releasedDeliveries")),
        ("Modified Count", text(metrics, "modifiedDeliveries")),
        (
            "Deliveries Delayed > 1sec",
            text(metrics, "deliveriesDelayed1Sec"),
        ),
        (
            "Deliveries Delayed > 10sec",
            text(metrics, "deliveriesDelayed10Sec"),
        ),
        ("Deliveries Stuck > 10sec", text(metrics, "deliveriesStuck")),
        ("Ingress Count", text(metrics, "deliveriesIngress")),
        ("Egress Count", text(metrics, "deliveriesEgress")),
        ("Transit Count", text(metrics, "deliveriesTransit")),
        (
            "Deliveries from Route Container",
            text(metrics, "deliveriesIngressRouteContainer"),
        ),
        (
            "Deliveries to Route Container",
            text(metrics, "deliveriesEgressRouteContainer"),
        ),
        (
            "Deliveries from Remote Network",
            text(metrics, "deliveriesIngressInterNetwork"),
        ),
        (
            "Deliveries to Remote Network",
            text(metrics, "deliveriesEgressInterNetwork"),
        ),
    ]);
    let mut table = Table::of_pairs("Router Statistics", pairs);
    let counters = metrics.get("connectionCounters").and_then(Value::as_object);
    for (protocol, count) in counters.into_iter().flatten() {
        table.rows.push(vec![
            format!("{} Service Connections", protocol.to_uppercase()),
            of_value(count),
        ]);
    }
    table
}

pub(super) fn nodes(nodes: &[Attributes], options: Options) -> String {
    if nodes.is_empty() {
        return "Router is Standalone - No Router List\n".to_owned();
    }
    let mut title = "Routers in the Network".to_owned();
    let last = nodes
        .iter()
        .map(|node| number(node, "lastTopoChange"))
        .max()
        .unwrap_or(0);
    if last > 1
        && let Ok(time) = jiff::Timestamp::from_second(last)
    {
        title.push_str(&format!(
            "\nLast Topology Change: {} GMT",
            time.strftime("%A %b %d %H:%M:%S %Y")
        ));
    }
    let mut heads = vec!["router-id", "next-hop", "link"];
    if options.verbose {
        heads.extend(["ver", "cost", "neighbors", "valid-origins"]);
    }
    let mut table = Table::new(title, &heads);
    for node in nodes {
        let mut row = vec![text(node, "id")];
        match node.get("nextHop").filter(|hop| !hop.is_null()) {
            Some(hop) => row.extend([of_value(hop), "-".to_owned()]),
            None => row.extend(["-".to_owned(), text(node, "routerLink")]),
        }
        if options.verbose {
            let cost = Some(number(node, "cost"))
                .filter(|cost| *cost != 0)
                .map(|cost| cost.to_string());
            row.extend([text(node, "protocolVersion"), cost.unwrap_or_default()]);
            row.extend([list(node, "linkState"), list(node, "validOrigins")]);
        }
        table.rows.push(row);
    }
    table.sort_by("router-id");
    table.render(options.format)
}

/// A list of texts as upstream's tool prints it: `['A', 'B']`.
fn list(entity: &Attributes, name: &str) -> String {
    let items = entity.get(name).and_then(Value::as_array);
    let items: Vec<String> = items
        .into_iter()
        .flatten()
        .map(|item| format!("'{}'", of_value(item)))
        .collect();
    format!("[{}]", items.join(", "))
}
