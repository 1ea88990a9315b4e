//! Services over TCP.

use super::attribute::{Attribute, gauge, integer, text, word};
use super::flag;
use super::messaging::{refusal_count, refusals};

pub(super) const TCP_LISTENER: &[Attribute] = &[
    text("address").create(),
    text("host").default_text("").create(),
    integer("backlog").default_number(0).create(),
    text("port").create(),
    word("multiAddressStrategy", &["none", "priority", "weighted"])
        .default_text("none")
        .create(),
    text("siteId").create(),
    gauge("connectionsOpened"),
    gauge("connectionsClosed"),
    gauge("bytesIn"),
    gauge("bytesOut"),
    text("sslProfile").create(),
    flag("authenticatePeer", false),
    word("operStatus", &["up", "down"]),
    text("connectionMsg"),
    word("observer", &["none", "auto", "http1", "http2"])
        .default_text("auto")
        .create()
        .update(),
    refusals(),
    refusal_count(),
];

pub(super) const TCP_CONNECTOR: &[Attribute] = &[
    text("address").create(),
    text("host").default_text("127.0.0.1").create(),
    text("port").create(),
    text("siteId").create(),
    text("processId").create(),
    gauge("connectionsOpened"),
    gauge("connectionsClosed"),
    gauge("bytesIn"),
    gauge("bytesOut"),
    text("sslProfile").create(),
    flag("verifyHostname", true),
    refusals(),
    refusal_count(),
];

pub(super) const LISTENER_ADDRESS: &[Attribute] = &[
    text("address").required().create(),
    integer("value").required().create(),
    text("listener").required().create(),
    integer("connectionsOpened"),
];

pub(super) const TCP_CONNECTION: &[Attribute] = &[
    text("address"),
    text("host"),
    word("direction", &["in", "out"]),
    gauge("bytesIn"),
    gauge("bytesOut"),
    gauge("uptimeSeconds"),
    gauge("lastInSeconds"),
    gauge("lastOutSeconds"),
];
