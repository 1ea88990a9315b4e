//! Why a policy did not allow something: what was expected, what came, and what would help.

use skupper_management::entity::LinkNames;

use super::seats::Full;

/// What was not allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Denial {
    /// The host name that was asked for means no virtual host.
    #[error(
        "No policy defined for vhost: '{asked}' is no vhost's hostname or alias, and there is no vhost '{default}' for others: create one of them, or have the client ask for a host that has one"
    )]
    NoVhost {
        /// The host name.
        asked: String,
        /// The policy's `defaultVhost`.
        default: String,
    },
    /// A connector's virtual host is not there, or has no group for connectors.
    #[error(
        "Failed to find policyVhost settings for the connector, policyVhost: '{0}': create the vhost with a group '$connector', or take policyVhost off the connector"
    )]
    NoConnector(String),
    /// The user is in no group.
    #[error(
        "User is not in a user group and unknown users are denied: add '{user}' to the users of a group of vhost '{vhost}', or set allowUnknownUser of it"
    )]
    UnknownUser {
        /// The user.
        user: String,
        /// The virtual host.
        vhost: String,
    },
    /// The group's users may not come from there.
    #[error(
        "User is not allowed to connect from this network host: group '{group}' of vhost '{vhost}' is let in from {expected}, and the connection is from {host}: add it to remoteHosts"
    )]
    RemoteHost {
        /// The group.
        group: String,
        /// The virtual host.
        vhost: String,
        /// From where they may come.
        expected: String,
        /// From where the connection came.
        host: String,
    },
    /// It is one connection too many.
    #[error("{}", seats(full, vhost))]
    Seats {
        /// Which limit.
        full: Full,
        /// The virtual host.
        vhost: String,
    },
    /// It is one session too many.
    #[error(
        "due to session limit: {most} are begun, which is maxSessions of group '{group}': raise it, or end one"
    )]
    Sessions {
        /// The limit.
        most: u64,
        /// The group.
        group: String,
    },
    /// It is one link too many.
    #[error(
        "based on {limit} limit: {most} are attached, which is {limit} of group '{group}': raise it, or detach one"
    )]
    Links {
        /// `maxSenders` or `maxReceivers`.
        limit: &'static str,
        /// The limit.
        most: u64,
        /// The group.
        group: String,
    },
    /// The address may not be named.
    #[error(
        "based on {what}: {attribute} of group '{group}' {} {expected}, and '{asked}' is none of them: add it, or use one of these",
        verb(expected)
    )]
    Address {
        /// What the address was of.
        what: &'static str,
        /// The attribute of the group that lists what is allowed.
        attribute: &'static str,
        /// The group.
        group: String,
        /// What is allowed.
        expected: LinkNames,
        /// What came.
        asked: String,
    },
    /// Something that is allowed by a flag of the group.
    #[error("{what} is not allowed: {flag} of group '{group}' is false")]
    Flag {
        /// What it is.
        what: &'static str,
        /// The group's attribute.
        flag: &'static str,
        /// The group.
        group: String,
    },
}

impl Denial {
    /// What the peer is told of a link.
    pub(crate) fn link_condition(&self) -> &'static str {
        match self {
            Denial::Links { .. } | Denial::Sessions { .. } => "amqp:resource-limit-exceeded",
            _ => "amqp:unauthorized-access",
        }
    }
}

fn verb(names: &LinkNames) -> &'static str {
    match names {
        LinkNames::Texts(_) => "is",
        LinkNames::Patterns(_) => "is the pattern",
    }
}

fn seats(full: &Full, vhost: &str) -> String {
    let (which, most, attribute) = match full {
        Full::All(most) => ("application connection limit", most, "maxConnections"),
        Full::User(most) => ("application per user limit", most, "maxConnectionsPerUser"),
        Full::Host(most) => ("application per host limit", most, "maxConnectionsPerHost"),
    };
    format!(
        "Connection denied by {which}: {most} connections are open, which is {attribute} of vhost '{vhost}' or of the user's group: raise it, or end some"
    )
}
