//! How a router is reached from outside its pod.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kind::kind;
use crate::status::{condition, status_fields};
use crate::{Condition, Endpoint, Settings, StatusType, wire};

kind! {
    /// A router access makes the router of this site accept connections from others: roles and ports, credentials, and the
    /// way in from outside the cluster. The linkAccess of a Site makes one named skupper-router.
    RouterAccess {
        spec: RouterAccessSpec,
        status: RouterAccessStatus,
        plural: "routeraccesses",
        singular: "routeraccess",
        short: [],
        required: |_| &[condition::CONFIGURED, condition::RESOLVED],
        ready_condition: true,
        columns: [
            Text "Status" ".status.status" "The state in one word",
            Text "Message" ".status.message" "The state in a sentence",
        ],
    }
}

/// What a router access is to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["roles", "tlsCredentials"]))]
pub struct RouterAccessSpec {
    /// The way in: one of those that the controller enables, for example loadbalancer, route, nodeport, ingress,
    /// ingress-nginx or local (from inside the cluster only). If empty, the controller's default.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub access_type: String,
    /// The kinds of connection that are accepted: inter-router, from interior routers, and edge, from edge routers.
    pub roles: Vec<RouterAccessRole>,
    /// The credential of the router: server certificate (tls.crt), its key (tls.key) and the CA that the certificates
    /// of connecting routers are checked against (ca.crt).
    ///
    /// On Kubernetes this is a Secret in the same namespace; on Linux, a directory of that name under
    /// input/certs/ of the site.
    pub tls_credentials: String,
    /// Issues the credential, unless a Secret of the user is there already.
    #[serde(skip_serializing_if = "wire::is_false")]
    pub generate_tls_credentials: bool,
    /// The Secret with the CA that signs the credential. If empty, the default issuer of the site.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub issuer: String,
    /// The address in the pod or host to listen at. If empty, all.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub bind_host: String,
    /// Host names and IP addresses that the credential is to be valid for, beside those of the way in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subject_alternative_names: Vec<String>,
    /// Further settings: names and values, both text. They are seldom needed.
    ///
    /// - ingressClassName: the class of the Ingress.
    /// - domain: the domain of the host of a Route.
    #[serde(skip_serializing_if = "Settings::is_empty")]
    pub settings: Settings,
}

/// What has become of a router access.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RouterAccessStatus {
    /// The state in one word: Ready, Pending (waiting for something that is expected to come) or Error
    /// (somebody has to act; see message).
    #[schemars(with = "String")]
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "wire::or_default"
    )]
    pub status: Option<StatusType>,
    /// The state in a sentence: OK, or what is missing, where, and what to do.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The aspects of the state.
    ///
    /// - Configured: the router has been told to listen, and the way in has been made.
    /// - Resolved: the addresses are known.
    /// - Ready: both.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Where the router is reached. The host is the name or address that the server certificate must be valid for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<Endpoint>,
}

status_fields!(RouterAccessStatus);

/// A kind of connection that a router accepts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["name"]))]
pub struct RouterAccessRole {
    /// inter-router or edge.
    pub name: String,
    /// The port that the router listens at: unless given, 55671, and 45671 for edge. Each role needs its own.
    #[serde(skip_serializing_if = "wire::is_zero")]
    pub port: i64,
}

impl RouterAccessRole {
    /// The port, or the usual one of the role where none is given.
    pub fn port_or_usual(&self) -> i64 {
        match (self.port, self.name.as_str()) {
            (0, Endpoint::EDGE) => 45671,
            (0, _) => 55671,
            (port, _) => port,
        }
    }
}
