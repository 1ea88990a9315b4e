//! A listener with several routing keys.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kind::kind;
use crate::status::{condition, status_fields};
use crate::{Condition, Observer, Settings, StatusType, wire};

kind! {
    /// A multi-key listener offers several services of the network under one host and port, and a strategy says which of
    /// their routing keys a connection goes to.
    MultiKeyListener {
        spec: MultiKeyListenerSpec, spec_required: true,
        status: MultiKeyListenerStatus,
        plural: "multikeylisteners",
        singular: "multikeylistener",
        short: [],
        required: |_| &[condition::CONFIGURED, condition::OPERATIONAL],
        ready_condition: false,
        columns: [
            Text "Status" ".status.status" "The state in one word",
            Text "Message" ".status.message" "The state in a sentence",
            Boolean "HasDestination" ".status.hasDestination" "Whether a connector in the network has one of the routing keys",
        ],
    }
}

/// What a multi-key listener is to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["host", "port", "strategy"]))]
pub struct MultiKeyListenerSpec {
    /// The name that clients use. On Kubernetes, a Service of that name is made; on Linux, the address to listen at.
    pub host: String,
    /// The port that clients use.
    pub port: i64,
    /// For TLS between clients and the router: the server certificate (tls.crt) and its key (tls.key), and the CA
    /// that certificates of clients are checked against (ca.crt).
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tls_credentials: String,
    /// Refuses clients that present no certificate.
    #[serde(skip_serializing_if = "wire::is_false")]
    pub require_client_cert: bool,
    /// Further settings: names and values, both text. They are seldom needed.
    #[serde(skip_serializing_if = "Settings::is_empty")]
    pub settings: Settings,
    /// Which of the routing keys a connection goes to.
    pub strategy: Strategy,
    /// How much of the traffic is looked at, to tell which application protocol it is and to report on it. auto, and
    /// unset, find the protocol out; http1 and http2 look for that one only; none looks at nothing and costs least.
    #[schemars(with = "Observer")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observer: Option<Observer>,
}

/// Which of several routing keys a connection goes to: exactly one strategy, for good.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = [
    { "message": "strategy is immutable",
      "rule": "(!has(oldSelf.priority) || has(self.priority)) && (!has(oldSelf.weighted) || has(self.weighted))" },
    { "message": "exactly one of the fields in [priority weighted] must be set",
      "rule": "[has(self.priority),has(self.weighted)].filter(x,x==true).size() == 1" },
]))]
pub struct Strategy {
    /// The first that can be reached.
    #[schemars(with = "PriorityStrategySpec")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<PriorityStrategySpec>,
    /// All that can be reached, by weight.
    #[schemars(with = "WeightedStrategySpec")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weighted: Option<WeightedStrategySpec>,
}

/// All connections go to the first routing key, in the order given, that can be reached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["routingKeys"]))]
pub struct PriorityStrategySpec {
    /// The routing keys, the preferred one first.
    #[schemars(length(min = 1, max = 256), extend("x-kubernetes-list-type" = "set"))]
    pub routing_keys: Vec<String>,
}

/// Connections are shared among the routing keys that can be reached, by weight. Equal weights, equal shares.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["routingKeys"]))]
pub struct WeightedStrategySpec {
    /// The routing keys and their weights.
    #[schemars(extend("minProperties" = 1, "maxProperties" = 256, "x-kubernetes-map-type" = "granular"))]
    pub routing_keys: BTreeMap<String, i64>,
}

/// What has become of a multi-key listener.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct MultiKeyListenerStatus {
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
    /// - Operational: one of the routing keys can be reached.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Whether a connector in the network has one of the routing keys.
    #[serde(skip_serializing_if = "wire::is_false")]
    pub has_destination: bool,
    /// The routing keys that can be reached now.
    #[schemars(with = "StrategyStatus")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strategy: Option<StrategyStatus>,
}

status_fields!(MultiKeyListenerStatus);

/// The routing keys that can be reached now, by the strategy in use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = [
    { "message": "exactly one of the fields in [priority weighted] must be set",
      "rule": "[has(self.priority),has(self.weighted)].filter(x,x==true).size() == 1" },
]))]
pub struct StrategyStatus {
    /// In order of preference.
    #[schemars(with = "PriorityStrategyStatus")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<PriorityStrategyStatus>,
    /// With their weights.
    #[schemars(with = "WeightedStrategyStatus")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weighted: Option<WeightedStrategyStatus>,
}

/// The routing keys that can be reached now, in order of preference.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["routingKeysReachable"]))]
pub struct PriorityStrategyStatus {
    /// The routing keys.
    pub routing_keys_reachable: Vec<String>,
}

/// The routing keys that can be reached now, with their weights.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["routingKeysReachable"]))]
pub struct WeightedStrategyStatus {
    /// The routing keys and their weights.
    #[schemars(extend("x-kubernetes-map-type" = "granular"))]
    pub routing_keys_reachable: BTreeMap<String, i64>,
}
