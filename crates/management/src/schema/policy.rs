//! Policy.

use super::attribute::{Attribute, gauge, integer, map, path, text};
use super::flag;

pub(super) const POLICY: &[Attribute] = &[
    integer("maxConnections").default_number(65535).create(),
    integer("maxMessageSize").default_number(0).create(),
    flag("enableVhostPolicy", false),
    flag("enableVhostNamePatterns", false),
    path("policyDir").default_text("").create(),
    text("defaultVhost").default_text("$default").create(),
    gauge("connectionsProcessed"),
    gauge("connectionsDenied"),
    gauge("connectionsCurrent"),
    gauge("linksDenied"),
    gauge("maxMessageSizeDenied"),
    gauge("totalDenials"),
];

pub(super) const VHOST: &[Attribute] = &[
    text("hostname").required().create(),
    text("aliases").create().update(),
    integer("maxConnections")
        .default_number(65535)
        .create()
        .update(),
    integer("maxMessageSize").create().update(),
    integer("maxConnectionsPerUser")
        .default_number(65535)
        .create()
        .update(),
    integer("maxConnectionsPerHost")
        .default_number(65535)
        .create()
        .update(),
    flag("allowUnknownUser", false).update(),
    map("groups").create().update(),
];

pub(super) const VHOST_USER_GROUP_SETTINGS: &[Attribute] = &[
    text("users").required(),
    text("remoteHosts").required(),
    integer("maxConnectionsPerUser"),
    integer("maxConnectionsPerHost"),
    integer("maxMessageSize"),
    integer("maxFrameSize").create(),
    integer("maxSessionWindow").create(),
    integer("maxSessions").create(),
    integer("maxSenders").default_number(2_147_483_647).create(),
    integer("maxReceivers")
        .default_number(2_147_483_647)
        .create(),
    flag("allowDynamicSource", false),
    flag("allowAnonymousSender", false),
    flag("allowUserIdProxy", false),
    flag("allowAdminStatusUpdate", true),
    text("sources").create(),
    text("targets").create(),
    text("sourcePattern").create(),
    text("targetPattern").create(),
];

pub(super) const VHOST_STATS: &[Attribute] = &[
    text("hostname"),
    gauge("connectionsApproved"),
    gauge("connectionsDenied"),
    gauge("connectionsCurrent"),
    map("perUserState"),
    map("perHostState"),
    gauge("sessionDenied"),
    gauge("senderDenied"),
    gauge("receiverDenied"),
    gauge("maxMessageSizeDenied"),
];
