//! The ways in which a router can be exposed.

use std::fmt;
use std::str::FromStr;

/// A way in which a router can be exposed. Upstream knows more (`ingress`, `ingress-nginx`, `contour-http-proxy`,
/// `gateway`); a RouterAccess that asks for one of those is told that it is not supported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AccessType {
    /// Within the cluster, by a Service.
    Local,
    /// By a Service of type LoadBalancer.
    LoadBalancer,
    /// By a port on every node.
    NodePort,
    /// By OpenShift Routes that pass TLS through.
    Route,
}

impl AccessType {
    /// All of them.
    pub const ALL: [AccessType; 4] = [
        AccessType::Local,
        AccessType::LoadBalancer,
        AccessType::NodePort,
        AccessType::Route,
    ];

    /// As in `spec.accessType` and in the controller's flags.
    pub fn as_str(self) -> &'static str {
        match self {
            AccessType::Local => "local",
            AccessType::LoadBalancer => "loadbalancer",
            AccessType::NodePort => "nodeport",
            AccessType::Route => "route",
        }
    }
}

impl fmt::Display for AccessType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is no access type of this controller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "access type \"{0}\" is not known here: expected one of local, loadbalancer, nodeport, route"
)]
pub struct UnknownAccessType(pub String);

impl FromStr for AccessType {
    type Err = UnknownAccessType;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        AccessType::ALL
            .into_iter()
            .find(|access_type| access_type.as_str() == text)
            .ok_or_else(|| UnknownAccessType(text.to_owned()))
    }
}
