//! Connections, links and addresses.

use super::super::Table;
use super::Options;
use super::cells::{duration, flag, number, text, texts};
use crate::{Attributes, Value};

pub(super) const LINK_COLUMNS: &[&str] = &[
    "linkType",
    "linkDir",
    "connectionId",
    "identity",
    "owningAddr",
    "capacity",
    "undeliveredCount",
    "unsettledCount",
    "deliveryCount",
    "presettledCount",
    "droppedPresettledCount",
    "acceptedCount",
    "rejectedCount",
    "releasedCount",
    "modifiedCount",
    "deliveriesDelayed1Sec",
    "deliveriesDelayed10Sec",
    "deliveriesStuck",
    "creditAvailable",
    "zeroCreditSeconds",
    "operStatus",
    "linkName",
    "priority",
    "settleRate",
];

pub(super) const ADDRESS_COLUMNS: &[&str] = &[
    "distribution",
    "inProcess",
    "subscriberCount",
    "remoteCount",
    "deliveriesIngress",
    "deliveriesEgress",
    "deliveriesTransit",
    "deliveriesToContainer",
    "deliveriesFromContainer",
    "name",
    "priority",
    "watch",
];

pub(super) const AUTO_LINK_COLUMNS: &[&str] = &[
    "address",
    "direction",
    "externalAddress",
    "linkRef",
    "operStatus",
    "lastError",
];

pub(super) fn connections(connections: &[Attributes]) -> Table {
    let heads = [
        "id",
        "host",
        "container",
        "role",
        "proto",
        "dir",
        "security",
        "authentication",
        "meshId",
        "last dlv",
        "uptime",
    ];
    let mut table = Table::new("Connections", &heads);
    for connection in connections {
        let mut row = texts(
            connection,
            &["identity", "host", "container", "role", "protocol", "dir"],
        );
        let last = connection.get("lastDlvSeconds").and_then(Value::as_i64);
        row.extend([
            security(connection),
            authentication(connection),
            text(connection, "meshId"),
            last.map_or("-".to_owned(), duration),
            duration(number(connection, "uptimeSeconds")),
        ]);
        table.rows.push(row);
    }
    table
}

pub(super) fn edges(connections: &[Attributes], options: Options) -> String {
    if connections.is_empty() {
        return "No Edge Router Connections\n".to_owned();
    }
    let heads = [
        "id",
        "host",
        "container",
        "dir",
        "security",
        "authentication",
        "active",
    ];
    let mut table = Table::new("Connections", &heads);
    for connection in connections
        .iter()
        .filter(|connection| text(connection, "role") == "edge")
    {
        let mut row = texts(connection, &["identity", "host", "container", "dir"]);
        let active = if flag(connection, "active") {
            "yes"
        } else {
            "no"
        };
        row.extend([
            security(connection),
            authentication(connection),
            active.to_owned(),
        ]);
        table.rows.push(row);
    }
    if table.rows.is_empty() {
        String::new()
    } else {
        table.render(options.format)
    }
}

/// Who the peer is.
fn authentication(connection: &Attributes) -> String {
    if !flag(connection, "isAuthenticated") {
        return "no-auth".to_owned();
    }
    let mechanism = match text(connection, "sasl").as_str() {
        "ANONYMOUS" => return "anonymous-user".to_owned(),
        "EXTERNAL" => "x.509".to_owned(),
        "GSSAPI" => "Kerberos".to_owned(),
        other => other.to_owned(),
    };
    match text(connection, "user").as_str() {
        "" => mechanism,
        user => format!("{user}({mechanism})"),
    }
}

/// How the connection is kept secret.
fn security(connection: &Attributes) -> String {
    if !flag(connection, "isEncrypted") {
        return "no-security".to_owned();
    }
    if text(connection, "sasl") == "GSSAPI" {
        return "Kerberos".to_owned();
    }
    format!(
        "{}({})",
        text(connection, "sslProto"),
        text(connection, "sslCipher")
    )
}

pub(super) fn links(links: &[Attributes], verbose: bool) -> Table {
    let mut heads = vec![
        "type", "dir", "conn id", "id", "class", "addr", "cap", "pri", "undel", "unsett", "deliv",
        "presett", "psdrop", "acc", "rej", "rel", "mod", "delay", "rate", "stuck", "cred", "blkd",
    ];
    if verbose {
        heads.extend(["admin", "oper", "name"]);
    }
    let mut table = Table::new("Router Links", &heads);
    for link in links {
        let mut row = texts(link, &["linkType", "linkDir", "connectionId", "identity"]);
        let owning = text(link, "owningAddr");
        row.extend([class(&owning).to_owned(), without_class(&owning).to_owned()]);
        row.extend(texts(
            link,
            &[
                "capacity",
                "priority",
                "undeliveredCount",
                "unsettledCount",
                "deliveryCount",
                "presettledCount",
                "droppedPresettledCount",
                "acceptedCount",
                "rejectedCount",
                "releasedCount",
                "modifiedCount",
            ],
        ));
        let delayed =
            number(link, "deliveriesDelayed1Sec") + number(link, "deliveriesDelayed10Sec");
        row.push(delayed.to_string());
        row.extend(texts(
            link,
            &["settleRate", "deliveriesStuck", "creditAvailable"],
        ));
        row.push(match number(link, "zeroCreditSeconds") {
            seconds @ 1.. => format!(
                "{:02}:{:02}:{:02}",
                seconds / 3600 % 24,
                seconds / 60 % 60,
                seconds % 60
            ),
            _ => "-".to_owned(),
        });
        if verbose {
            // Links are never disabled, which is why routers no longer tell.
            row.push("enabled".to_owned());
            row.extend(texts(link, &["operStatus", "linkName"]));
        }
        table.rows.push(row);
    }
    table
}

pub(super) fn addresses(addresses: &[Attributes], verbose: bool) -> Table {
    let mut heads = vec!["class", "addr", "distrib", "pri"];
    if verbose {
        heads.push("in-proc");
    }
    heads.extend(["local", "remote", "in", "out", "thru"]);
    if verbose {
        heads.extend(["to-proc", "from-proc", "watch"]);
    }
    let mut table = Table::new("Router Addresses", &heads);
    for address in addresses {
        let name = text(address, "name");
        let priority = match address.get("priority").and_then(Value::as_i64) {
            Some(priority) if priority >= 0 => priority.to_string(),
            _ => "-".to_owned(),
        };
        let mut row = vec![
            class(&name).to_owned(),
            without_class(&name).to_owned(),
            text(address, "distribution"),
            priority,
        ];
        if verbose {
            row.push(text(address, "inProcess"));
        }
        row.extend(texts(
            address,
            &[
                "subscriberCount",
                "remoteCount",
                "deliveriesIngress",
                "deliveriesEgress",
                "deliveriesTransit",
            ],
        ));
        if verbose {
            row.extend(texts(
                address,
                &["deliveriesToContainer", "deliveriesFromContainer"],
            ));
            row.push(if flag(address, "watch") { "Y" } else { "" }.to_owned());
        }
        table.rows.push(row);
    }
    table.sort_by("addr");
    table
}

pub(super) fn auto_links(links: &[Attributes], options: Options) -> String {
    if links.is_empty() {
        return "AutoLinks\nNo AutoLinks found\n".to_owned();
    }
    let mut table = Table::new(
        "AutoLinks",
        &["addr", "dir", "extAddr", "link", "status", "lastErr"],
    );
    table
        .rows
        .extend(links.iter().map(|link| texts(link, AUTO_LINK_COLUMNS)));
    table.sort_by("addr");
    table.render(options.format)
}

/// What the first letter of an address's key says.
fn class(key: &str) -> &'static str {
    match key.chars().next() {
        None => "",
        Some('M') => "mobile",
        Some('N') => "network",
        Some('R') => "router",
        Some('A') => "area",
        Some('L') => "local",
        Some('T') => "topo",
        Some('H') => "edge",
        Some(_) => "unknown",
    }
}

fn without_class(key: &str) -> &str {
    let mut letters = key.chars();
    letters.next();
    letters.as_str()
}
