//! The router, what it belongs to, and what it refers to by name.

use super::attribute::{Attribute, boolean, integer, map, path, text, word};
use super::flag;

pub(super) const DISTRIBUTIONS: &[&str] = &["multicast", "closest", "balanced", "unavailable"];

pub(super) const ROUTER: &[Attribute] = &[
    text("id").create(),
    text("vanId")
        .create()
        .about("Deprecated: network.tenantId."),
    word("mode", &["standalone", "interior", "edge"])
        .default_text("standalone")
        .create(),
    text("area").default_text("0"),
    text("version"),
    text("hostName"),
    integer("helloIntervalSeconds").default_number(1).create(),
    integer("helloMaxAgeSeconds").default_number(3).create(),
    integer("raIntervalSeconds").default_number(30).create(),
    integer("raIntervalFluxSeconds").default_number(4).create(),
    integer("remoteLsMaxAgeSeconds").default_number(60).create(),
    integer("unreachableHoldoffSeconds")
        .default_number(1)
        .create(),
    integer("workerThreads").default_number(4).create(),
    path("debugDumpFile").create(),
    path("saslConfigDir").create(),
    text("saslConfigName").default_text("skrouterd").create(),
    boolean("timestampsInUTC").create(),
    text("timestampFormat").create(),
    word("defaultDistribution", DISTRIBUTIONS)
        .default_text("balanced")
        .create(),
    text("metadata").create(),
    text("dataConnectionCount").default_text("auto").create(),
    flag("dropTcpConnections", true),
];

pub(super) const NETWORK: &[Attribute] = &[
    text("networkId").create().update(),
    text("tenantId").create(),
];

pub(super) const SITE: &[Attribute] = &[
    text("location").create(),
    text("provider").create(),
    text("version").create(),
    text("platform").create(),
    text("namespace").create(),
];

pub(super) const SSL_PROFILE: &[Attribute] = &[
    text("ciphers").create().update(),
    text("protocols").create().update(),
    path("caCertFile").create().update(),
    path("certFile").create().update(),
    path("privateKeyFile").create().update(),
    text("password").create().update().hidden(),
    text("uidFormat").create(),
    text("uidNameMappingFile").create(),
    integer("ordinal").create().update(),
    integer("oldestValidOrdinal").create().update(),
    map("credential").about("Ours: the credential in use and how it was judged."),
];

pub(super) const PROXY_PROFILE: &[Attribute] = &[
    text("host").create().update(),
    text("port").create().update(),
    text("username").create().update(),
    text("password").create().update().hidden(),
];

pub(super) const CONFIG_ADDRESS: &[Attribute] = &[
    text("name").create(),
    text("identity"),
    text("type").required().create(),
    text("prefix").create(),
    word("distribution", DISTRIBUTIONS)
        .default_text("balanced")
        .create(),
    text("pattern").create(),
    integer("priority").create(),
];

pub(super) const AUTO_LINK: &[Attribute] = &[
    text("name").create(),
    text("identity"),
    text("type").required().create(),
    text("address").create(),
    word("direction", &["in", "out"]).required().create(),
    text("connection").create(),
    text("containerId").create(),
    text("externalAddress").create(),
    text("linkRef"),
    word(
        "operStatus",
        &[
            "inactive",
            "attaching",
            "failed",
            "active",
            "quiescing",
            "idle",
        ],
    ),
    text("lastError"),
];
