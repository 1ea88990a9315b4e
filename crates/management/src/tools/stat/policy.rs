//! Policy and virtual hosts.

use super::super::Table;
use super::cells::{of_value, text, texts};
use super::{Answers, Options, first};
use crate::schema::entity_type;
use crate::{Attributes, Kind, Value};

pub(super) fn policy(answers: &Answers, options: Options) -> String {
    let nothing = Attributes::new();
    let policy = first(answers, Kind::Policy).unwrap_or(&nothing);
    let or_nil = |name: &str| {
        Some(text(policy, name))
            .filter(|text| !text.is_empty())
            .unwrap_or("(nil)".to_owned())
    };
    let configuration = Table::of_pairs(
        "Policy Configuration",
        vec![
            (
                "Maximum Concurrent Connections",
                text(policy, "maxConnections"),
            ),
            ("Maximum Message Size", text(policy, "maxMessageSize")),
            ("Enable Vhost Policy", text(policy, "enableVhostPolicy")),
            (
                "Enable Vhost Name Patterns",
                text(policy, "enableVhostNamePatterns"),
            ),
            ("Policy Directory", or_nil("policyDir")),
            ("Default Vhost", or_nil("defaultVhost")),
        ],
    );
    let status = Table::of_pairs(
        "\nPolicy Status",
        vec![
            (
                "Connections Processed",
                text(policy, "connectionsProcessed"),
            ),
            ("Connections Denied", text(policy, "connectionsDenied")),
            ("Connections Current", text(policy, "connectionsCurrent")),
            ("Links Denied", text(policy, "linksDenied")),
            (
                "Maximum Message Size Denied",
                text(policy, "maxMessageSizeDenied"),
            ),
            ("Total Denials", text(policy, "totalDenials")),
        ],
    );
    configuration.render(options.format) + &status.render(options.format)
}

pub(super) fn vhosts(vhosts: &[Attributes], options: Options) -> String {
    let Some(one) = vhosts.first() else {
        return "No Vhosts\n".to_owned();
    };
    let mut heads = vec!["hostname", "maxConnections"];
    if one.contains_key("maxMessageSize") {
        heads.push("maxMessageSize");
    }
    heads.extend([
        "maxConnectionsPerUser",
        "maxConnectionsPerHost",
        "allowUnknownUser",
    ]);
    let mut table = Table::new("Vhosts", &heads);
    for vhost in vhosts {
        let mut row = texts(vhost, &heads);
        row.push(groups(vhost).count().to_string());
        table.rows.push(row);
    }
    table.heads.push("groups");
    table.render(options.format)
}

fn groups(vhost: &Attributes) -> impl Iterator<Item = (&String, &Value)> {
    vhost
        .get("groups")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
}

/// What a group has, else what it has by default, else nothing.
fn setting(group: &Value, name: &str) -> String {
    let default = || {
        entity_type(Kind::VhostUserGroupSettings)
            .attribute(name)?
            .default_value()
    };
    let value = group.get(name).cloned().or_else(default);
    value.map_or("(nil)".to_owned(), |value| of_value(&value))
}

pub(super) fn vhost_groups(vhosts: &[Attributes], options: Options) -> String {
    if vhosts.is_empty() {
        return "No Vhosts\n".to_owned();
    }
    let settings = [
        "maxConnectionsPerUser",
        "maxConnectionsPerHost",
        "maxFrameSize",
        "maxSessionWindow",
        "maxSessions",
        "maxSenders",
        "maxReceivers",
        "allowDynamicSource",
        "allowAnonymousSender",
        "allowUserIdProxy",
        "allowAdminStatusUpdate",
    ];
    let heads: Vec<&'static str> = ["vhost", "group"].into_iter().chain(settings).collect();
    let mut table = Table::new("Vhost Groups", &heads);
    let mut details = String::new();
    for vhost in vhosts {
        let hostname = text(vhost, "hostname");
        for (name, group) in groups(vhost) {
            let own = [hostname.clone(), name.clone()].into_iter();
            table.rows.push(
                own.chain(
                    settings
                        .iter()
                        .map(|setting_name| setting(group, setting_name)),
                )
                .collect(),
            );
            let mut pairs = vec![("vhost", hostname.clone()), ("group", name.clone())];
            let texts = [
                "users",
                "remoteHosts",
                "sources",
                "targets",
                "sourcePattern",
                "targetPattern",
            ];
            pairs.extend(texts.map(|text| (text, setting(group, text))));
            let title = format!("\nVhost '{hostname}' UserGroup '{name}'");
            details.push_str(&Table::of_pairs(&title, pairs).render(options.format));
        }
    }
    table.render(options.format) + &details
}

pub(super) fn vhost_stats(stats: &[Attributes], options: Options) -> String {
    if stats.is_empty() {
        return "No Vhost Stats\n".to_owned();
    }
    let heads = [
        "hostname",
        "connectionsApproved",
        "connectionsDenied",
        "connectionsCurrent",
        "sessionDenied",
        "senderDenied",
        "receiverDenied",
        "maxMessageSizeDenied",
    ];
    let mut table = Table::new("Vhost Stats", &heads);
    let mut users = Table::new("\nVhost User Stats", &["vhost", "user", "remote hosts"]);
    for stat in stats {
        table.rows.push(texts(stat, &heads));
        let states = stat
            .get("perUserState")
            .and_then(Value::as_object)
            .into_iter()
            .flatten();
        users.rows.extend(
            states.map(|(user, hosts)| vec![text(stat, "hostname"), user.clone(), of_value(hosts)]),
        );
    }
    table.render(options.format) + &users.render(options.format)
}
