//! A connector: a workload of this site, offered to the network.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kind::kind;
use crate::status::{condition, status_fields};
use crate::{Condition, Settings, StatusType, wire};

kind! {
    /// A connector offers a workload of this site to the network. Listeners, at any site, with the same routing key lead
    /// to it.
    ///
    /// The workload is either the pods that a selector picks, or a host. Exactly one of the two is given.
    Connector {
        spec: ConnectorSpec,
        status: ConnectorStatus,
        plural: "connectors",
        singular: "connector",
        short: ["cnr"],
        required: |_| &[condition::CONFIGURED, condition::MATCHED],
        ready_condition: true,
        columns: [
            Text "Routing Key" ".spec.routingKey" "What ties listeners to connectors",
            Integer "Port" ".spec.port" "The port of the workload",
            Text "Host" ".spec.host" "The host of the workload",
            Text "Selector" ".spec.selector" "The labels of the pods of the workload",
            Text "Status" ".status.status" "The state in one word",
            Boolean "Has Matching Listener" ".status.hasMatchingListener" "Whether a listener in the network has the same routing key",
            Text "Message" ".status.message" "The state in a sentence",
        ],
    }
}

/// What a connector is to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["routingKey", "port"], "oneOf" = [{ "required": ["selector"] }, { "required": ["host"] }]))]
pub struct ConnectorSpec {
    /// The routing key: traffic comes from listeners with the same one.
    pub routing_key: String,
    /// The host name or address of the workload. Either this or selector.
    #[schemars(with = "String")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Picks the pods of the workload by their labels, in this namespace, as in app=backend. Either this or host.
    #[schemars(with = "String")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// The port of the workload.
    pub port: i64,
    /// For TLS between the router and the workload: the CA that the workload's certificate is checked against
    /// (ca.crt) and, if the workload asks for one, a client certificate (tls.crt) with its key (tls.key).
    ///
    /// On Kubernetes this is a Secret in the same namespace; on Linux, a directory of that name under
    /// input/certs/ of the site.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tls_credentials: String,
    /// Presents the client certificate of tlsCredentials to the workload.
    #[serde(skip_serializing_if = "wire::is_false")]
    pub use_client_cert: bool,
    /// Checks that the workload's certificate is valid for the host that is connected to.
    #[serde(skip_serializing_if = "wire::is_false")]
    pub verify_hostname: bool,
    /// The transport: tcp, also where empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[serde(rename = "type")]
    pub type_: String,
    /// Also makes each pod reachable by its own name, for listeners that do the same.
    #[serde(skip_serializing_if = "wire::is_false")]
    pub expose_pods_by_name: bool,
    /// Also uses running pods that are not ready.
    #[serde(skip_serializing_if = "wire::is_false")]
    pub include_not_ready_pods: bool,
    /// Further settings: names and values, both text. They are seldom needed.
    #[serde(skip_serializing_if = "Settings::is_empty")]
    pub settings: Settings,
}

/// What has become of a connector.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ConnectorStatus {
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
    /// - Configured: the router has been told of the workload.
    /// - Matched: a listener in the network has the same routing key.
    /// - Ready: both.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The pods that the selector picks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub selected_pods: Vec<PodDetails>,
    /// Whether a listener in the network has the same routing key.
    #[serde(skip_serializing_if = "wire::is_false")]
    pub has_matching_listener: bool,
}

status_fields!(ConnectorStatus);

/// A pod of a workload.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PodDetails {
    /// Its name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Its address.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub ip: String,
}

/// What a connector leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target<'a> {
    /// A fixed host.
    Host(&'a str),
    /// The pods with these labels.
    Selector(&'a str),
    /// Nothing: neither is given, or it is empty.
    Missing,
}

impl ConnectorSpec {
    /// What the connector leads to. The API server sees to it that only one of the two keys is there; it lets an
    /// empty one through.
    pub fn target(&self) -> Target<'_> {
        match (
            self.host.as_deref().unwrap_or_default(),
            self.selector.as_deref().unwrap_or_default(),
        ) {
            ("", "") => Target::Missing,
            ("", selector) => Target::Selector(selector),
            (host, _) => Target::Host(host),
        }
    }
}
