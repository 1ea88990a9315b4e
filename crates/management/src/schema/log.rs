//! Logging.

use super::attribute::{Attribute, boolean, gauge, text, word};

/// Modules that log, each of which is a `log` entity.
pub const MODULES: &[&str] = &[
    "ROUTER",
    "ROUTER_CORE",
    "ROUTER_HELLO",
    "ROUTER_LS",
    "ROUTER_MA",
    "MESSAGE",
    "SERVER",
    "AGENT",
    "CONTAINER",
    "ERROR",
    "POLICY",
    "HTTP",
    "CONN_MGR",
    "PYTHON",
    "PROTOCOL",
    "TCP_ADAPTOR",
    "HTTP_ADAPTOR",
    "FLOW_LOG",
    "ADDRESS_WATCH",
    "HTTP1_OBSERVER",
    "HTTP2_OBSERVER",
    "HTTP2_DECODER",
    "DEFAULT",
];

/// Levels, from the most talkative.
pub const LEVELS: &[&str] = &["debug", "info", "warning", "error", "critical"];

pub(super) const LOG: &[Attribute] = &[
    word("module", MODULES).required(),
    text("enable").update(),
    boolean("includeTimestamp").update(),
    boolean("includeSource").update(),
    text("outputFile").update(),
];

pub(super) const LOG_STATS: &[Attribute] = &[
    gauge("debugCount"),
    gauge("infoCount"),
    gauge("noticeCount"),
    gauge("warningCount"),
    gauge("errorCount"),
    gauge("criticalCount"),
];
