//! A workload of a namespace without a site, offered through a site of another namespace.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kind::kind;
use crate::status::{condition, status_fields};
use crate::{Condition, PodDetails, Settings, StatusType, wire};

kind! {
    /// An attached connector offers a workload of this namespace to the network through the site of another namespace, so
    /// that this one needs no site of its own.
    ///
    /// The site's namespace agrees to it with an AttachedConnectorBinding of the same name.
    AttachedConnector {
        spec: AttachedConnectorSpec,
        status: AttachedConnectorStatus,
        plural: "attachedconnectors",
        singular: "attachedconnector",
        short: ["acnr"],
        required: |_| &[condition::CONFIGURED],
        ready_condition: true,
        columns: [
            Integer "Port" ".spec.port" "The port of the workload",
            Text "Selector" ".spec.selector" "The labels of the pods of the workload",
            Text "Site Namespace" ".spec.siteNamespace" "The namespace of the site",
            Text "Status" ".status.status" "The state in one word",
        ],
    }
}

/// What an attached connector is to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["port", "selector", "siteNamespace"]))]
pub struct AttachedConnectorSpec {
    /// The namespace of the site that offers the workload.
    pub site_namespace: String,
    /// Picks the pods of the workload by their labels, in this namespace, as in app=backend.
    pub selector: String,
    /// The port of the workload.
    pub port: i64,
    /// For TLS between the router and the workload: a Secret in the namespace of the site, with the CA that the
    /// workload's certificate is checked against (ca.crt) and, if the workload asks for one, a client certificate
    /// (tls.crt) with its key (tls.key).
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tls_credentials: String,
    /// Presents the client certificate of tlsCredentials to the workload.
    #[serde(skip_serializing_if = "wire::is_false")]
    pub use_client_cert: bool,
    /// The transport: tcp, also where empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[serde(rename = "type")]
    pub type_: String,
    /// Also uses running pods that are not ready.
    #[serde(skip_serializing_if = "wire::is_false")]
    pub include_not_ready_pods: bool,
    /// Further settings: names and values, both text. They are seldom needed.
    #[serde(skip_serializing_if = "Settings::is_empty")]
    pub settings: Settings,
}

/// What has become of an attached connector.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AttachedConnectorStatus {
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
    /// - Configured: the binding agrees, and the router has been told of the workload.
    /// - Ready: the same.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The pods that the selector picks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub selected_pods: Vec<PodDetails>,
}

kind! {
    /// An attached connector binding lets this site offer a workload of another namespace, under a routing key.
    ///
    /// It has the name of the AttachedConnector there that it agrees to.
    AttachedConnectorBinding {
        spec: AttachedConnectorBindingSpec,
        status: AttachedConnectorBindingStatus,
        plural: "attachedconnectorbindings",
        singular: "attachedconnectorbinding",
        short: ["acnrb"],
        required: |_| &[condition::CONFIGURED, condition::MATCHED],
        ready_condition: true,
        columns: [
            Text "Routing Key" ".spec.routingKey" "What ties listeners to connectors",
            Text "Connector Namespace" ".spec.connectorNamespace" "The namespace of the AttachedConnector",
            Text "Status" ".status.status" "The state in one word",
            Boolean "Has Matching Listener" ".status.hasMatchingListener" "Whether a listener in the network has the same routing key",
        ],
    }
}

/// What an attached connector binding is to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["connectorNamespace", "routingKey"]))]
pub struct AttachedConnectorBindingSpec {
    /// The namespace of the AttachedConnector.
    pub connector_namespace: String,
    /// The routing key: traffic comes from listeners with the same one.
    pub routing_key: String,
    /// Also makes each pod reachable by its own name, for listeners that do the same.
    #[serde(skip_serializing_if = "wire::is_false")]
    pub expose_pods_by_name: bool,
    /// Further settings: names and values, both text. They are seldom needed.
    #[serde(skip_serializing_if = "Settings::is_empty")]
    pub settings: Settings,
}

/// What has become of an attached connector binding.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AttachedConnectorBindingStatus {
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
    /// - Configured: the AttachedConnector is there, and the router has been told of the workload.
    /// - Matched: a listener in the network has the same routing key.
    /// - Ready: both.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Whether a listener in the network has the same routing key.
    #[serde(skip_serializing_if = "wire::is_false")]
    pub has_matching_listener: bool,
}

status_fields!(AttachedConnectorStatus, AttachedConnectorBindingStatus);
