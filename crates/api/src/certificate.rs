//! A certificate to be issued.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kind::kind;
use crate::status::{condition, status_fields};
use crate::{Condition, Settings, StatusType, wire};

kind! {
    /// A certificate that the controller issues, renews before it ends, and keeps in a Secret of the same name.
    ///
    /// If that Secret exists and is the user's own, it stays as it is, is used, and the message says so. What can then be
    /// wrong with it stands in the message too.
    Certificate {
        spec: CertificateSpec,
        status: CertificateStatus,
        plural: "certificates",
        singular: "certificate",
        short: [],
        required: |_| &[condition::READY],
        ready_condition: true,
        columns: [
            Text "CA" ".spec.ca" "The Secret with the CA that signs",
            Boolean "Server" ".spec.server" "Whether it is for a server",
            Boolean "Client" ".spec.client" "Whether it is for a client",
            Boolean "Signing" ".spec.signing" "Whether it is a CA",
            Text "Status" ".status.status" "The state in one word",
            Text "Expiration" ".status.expiration" "When it ends",
            Text "Message" ".status.message" "The state in a sentence",
        ],
    }
}

/// What a certificate is to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["ca", "subject"]))]
pub struct CertificateSpec {
    /// The Secret with the CA that signs, in this namespace: its certificate (tls.crt) and key (tls.key). Empty for a
    /// CA that signs itself.
    pub ca: String,
    /// The common name.
    pub subject: String,
    /// The host names and IP addresses that it is valid for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// Whether a client may present it.
    #[serde(skip_serializing_if = "wire::is_false")]
    pub client: bool,
    /// Whether a server may present it.
    #[serde(skip_serializing_if = "wire::is_false")]
    pub server: bool,
    /// Whether it is a CA, to sign others.
    #[serde(skip_serializing_if = "wire::is_false")]
    pub signing: bool,
    /// Further settings: names and values, both text. They are seldom needed.
    ///
    /// - tls-ca-lifetime, tls-server-lifetime, tls-client-lifetime: how long it lives.
    /// - tls-key-algorithm: the kind of its key.
    #[serde(skip_serializing_if = "Settings::is_empty")]
    pub settings: Settings,
}

/// What has become of a certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct CertificateStatus {
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
    /// - Ready: the Secret is there, and fit for its purpose.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// When the certificate in the Secret ends.
    #[schemars(with = "String", extend("format" = "date-time"))]
    #[serde(
        with = "wire::optional_seconds",
        skip_serializing_if = "Option::is_none"
    )]
    pub expiration: Option<Timestamp>,
}

status_fields!(CertificateStatus);
