//! Where a router can be reached.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An address at which a router accepts connections of one role.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase", default)]
pub struct Endpoint {
    /// The role of the connections: inter-router, or edge.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Host name or IP address. The server certificate must be valid for it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub host: String,
    /// Port number, as text.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub port: String,
    /// The router behind the address. A site with high availability has two, each a group of its own.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub group: String,
}

impl Endpoint {
    /// The role of connections between interior routers.
    pub const INTER_ROUTER: &'static str = "inter-router";
    /// The role of connections from edge routers.
    pub const EDGE: &'static str = "edge";
}

/// `host:port`, an IPv6 address in brackets.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') && !self.host.starts_with('[') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}
