//! How pods are reached from outside, over TLS.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kind::kind;
use crate::status::{condition, status_fields};
use crate::{Condition, Endpoint, Settings, StatusType, wire};

kind! {
    /// A secured access makes pods reachable from outside over TLS: a Service and what leads to it, and a certificate for
    /// its name. The controller makes one for each RouterAccess.
    SecuredAccess {
        spec: SecuredAccessSpec,
        status: SecuredAccessStatus,
        plural: "securedaccesses",
        singular: "securedaccess",
        short: [],
        required: |_| &[condition::CONFIGURED, condition::RESOLVED],
        ready_condition: true,
        columns: [
            Text "Status" ".status.status" "The state in one word",
            Text "Message" ".status.message" "The state in a sentence",
        ],
    }
}

/// What a secured access is to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["selector", "ports"]))]
pub struct SecuredAccessSpec {
    /// The way in, as in RouterAccess.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub access_type: String,
    /// The labels of the pods.
    pub selector: BTreeMap<String, String>,
    /// The ports of the Service.
    pub ports: Vec<SecuredAccessPort>,
    /// The Secret for the certificate. It is issued if issuer is given.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub certificate: String,
    /// The Secret with the CA that signs the certificate.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub issuer: String,
    /// Further settings: names and values, both text. They are seldom needed.
    #[serde(skip_serializing_if = "Settings::is_empty")]
    pub settings: Settings,
}

/// What has become of a secured access.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SecuredAccessStatus {
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
    /// - Configured: the Service and what leads to it exist.
    /// - Resolved: the addresses are known.
    /// - Ready: both.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Where the pods are reached: one for each port, by its name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<Endpoint>,
    /// The CA of the certificate, in PEM.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub ca: String,
}

status_fields!(SecuredAccessStatus);

/// A port of a secured access.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["name", "port"]))]
pub struct SecuredAccessPort {
    /// Its name, which is also the name of its endpoint.
    pub name: String,
    /// The port of the Service.
    pub port: i64,
    /// The port of the pods. If absent, the same.
    #[serde(skip_serializing_if = "wire::is_zero")]
    pub target_port: i64,
    /// The transport: TCP, also where empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub protocol: String,
}
