//! A listener: where clients of this site reach a service of the network.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kind::kind;
use crate::status::{condition, status_fields};
use crate::{Condition, Settings, StatusType, wire};

kind! {
    /// A listener offers a service of the network to the clients of this site, under a host and port of its own. Which
    /// service is said by the routing key: it reaches the connectors, at any site, that have the same.
    ///
    /// For a service with several ports, make several listeners with the same host.
    Listener {
        spec: ListenerSpec,
        status: ListenerStatus,
        plural: "listeners",
        singular: "listener",
        short: ["lnr"],
        required: |_| &[condition::CONFIGURED, condition::MATCHED],
        ready_condition: true,
        columns: [
            Text "Routing Key" ".spec.routingKey" "What ties listeners to connectors",
            Integer "Port" ".spec.port" "The port that clients use",
            Text "Host" ".spec.host" "The name that clients use",
            Text "Status" ".status.status" "The state in one word",
            Boolean "Has Matching Connector" ".status.hasMatchingConnector" "Whether a connector in the network has the same routing key",
            Text "Message" ".status.message" "The state in a sentence",
        ],
    }
}

/// What a listener is to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["routingKey", "host", "port"]))]
pub struct ListenerSpec {
    /// The routing key: traffic goes to connectors with the same one.
    pub routing_key: String,
    /// The name that clients use. On Kubernetes, a Service of that name is made; on Linux, the address to listen at.
    pub host: String,
    /// The port that clients use.
    pub port: i64,
    /// For TLS between clients and the router: the server certificate (tls.crt) and its key (tls.key), and, to ask
    /// clients for a certificate too, the CA that it is checked against (ca.crt).
    ///
    /// On Kubernetes this is a Secret in the same namespace; on Linux, a directory of that name under
    /// input/certs/ of the site.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tls_credentials: String,
    /// The transport: tcp, also where empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[serde(rename = "type")]
    pub type_: String,
    /// How much of the traffic is looked at, to tell which application protocol it is and to report on it. auto, and
    /// unset, find the protocol out; http1 and http2 look for that one only; none looks at nothing and costs least.
    #[schemars(with = "Observer")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observer: Option<Observer>,
    /// Also makes one Service for each pod behind the connectors, named like the pod.
    #[serde(skip_serializing_if = "wire::is_false")]
    pub expose_pods_by_name: bool,
    /// Further settings: names and values, both text. They are seldom needed.
    #[serde(skip_serializing_if = "Settings::is_empty")]
    pub settings: Settings,
}

/// What has become of a listener.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ListenerStatus {
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
    /// - Configured: the router has been told of the listener, and its Service exists.
    /// - Matched: a connector in the network has the same routing key.
    /// - Ready: both.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Whether a connector in the network has the same routing key.
    #[serde(skip_serializing_if = "wire::is_false")]
    pub has_matching_connector: bool,
}

status_fields!(ListenerStatus);

/// How much of a listener's traffic is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
#[allow(
    missing_docs,
    reason = "the words stand for themselves; documented, they would become sub-schemas"
)]
pub enum Observer {
    Auto,
    None,
    Http1,
    Http2,
}

impl Observer {
    /// The word on the wire, which is also the router's.
    pub fn as_str(self) -> &'static str {
        match self {
            Observer::Auto => "auto",
            Observer::None => "none",
            Observer::Http1 => "http1",
            Observer::Http2 => "http2",
        }
    }
}
