//! AMQP listeners and connectors.

use super::attribute::{Attribute, Type, integer, list, path, text, word};
use super::flag;

const ROLES: &[&str] = &[
    "normal",
    "inter-router",
    "route-container",
    "edge",
    "inter-edge",
    "inter-network",
];
const FAMILIES: &[&str] = &["IPv4", "IPv6"];
const STRIPPED: &[&str] = &["in", "out", "both", "no"];

const fn open_properties() -> Attribute {
    Attribute::new("openProperties", Type::Properties).create()
}

pub(super) const fn refusals() -> Attribute {
    list("refusals").about(
        "Ours: the last refusals of a peer by this side or of this side by a peer, newest first.",
    )
}

pub(super) const fn refusal_count() -> Attribute {
    integer("refusalCount").about("Ours: how many refusals there were since the entity was made.")
}

pub(super) const LISTENER: &[Attribute] = &[
    text("host").default_text("").create(),
    text("port").default_text("amqp").create(),
    word("socketAddressFamily", FAMILIES).create(),
    word("role", ROLES).default_text("normal").create(),
    integer("cost").default_number(1).create(),
    text("sslProfile").create(),
    text("saslMechanisms").create(),
    flag("authenticatePeer", false),
    flag("requireEncryption", false),
    flag("requireSsl", false),
    integer("maxFrameSize").default_number(16384).create(),
    integer("maxSessions").default_number(32768).create(),
    integer("maxSessionFrames").create(),
    integer("idleTimeoutSeconds").default_number(16).create(),
    integer("initialHandshakeTimeoutSeconds")
        .default_number(0)
        .create(),
    word("stripAnnotations", STRIPPED)
        .default_text("both")
        .create(),
    integer("linkCapacity").create(),
    text("failoverUrls").create(),
    flag("healthz", true),
    flag("metrics", true),
    flag("websockets", true),
    flag("http", false),
    path("httpRootDir").create(),
    text("messageLoggingComponents")
        .default_text("none")
        .create(),
    text("policyVhost").create(),
    open_properties(),
    refusals(),
    refusal_count(),
];

pub(super) const CONNECTOR: &[Attribute] = &[
    text("host").default_text("127.0.0.1").create(),
    text("port").default_text("amqp").create(),
    word("socketAddressFamily", FAMILIES).create(),
    word("role", ROLES).default_text("normal").create(),
    integer("cost").default_number(1).create(),
    text("sslProfile").create(),
    text("proxyProfile").create(),
    text("saslMechanisms").create(),
    flag("allowRedirect", true),
    integer("maxFrameSize").default_number(16384).create(),
    integer("maxSessions").default_number(32768).create(),
    integer("maxSessionFrames").create(),
    integer("idleTimeoutSeconds").default_number(16).create(),
    word("stripAnnotations", STRIPPED)
        .default_text("both")
        .create(),
    integer("linkCapacity").create(),
    flag("verifyHostname", true),
    text("saslUsername").create(),
    text("saslPassword").create().hidden(),
    text("messageLoggingComponents")
        .default_text("none")
        .create(),
    text("failoverUrls"),
    text("connectionStatus"),
    text("connectionMsg"),
    text("policyVhost").create(),
    open_properties(),
    refusals(),
    refusal_count(),
];
