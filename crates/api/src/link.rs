//! A link to another site.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kind::kind;
use crate::status::{condition, status_fields};
use crate::{Condition, Endpoint, Settings, StatusType, wire};

kind! {
    /// A link joins this site to another, over mutual TLS, and carries the traffic of applications. Linked sites are a
    /// network.
    ///
    /// A Link names the addresses of the other site's router and the credential to present there. It is applied in the
    /// site that connects; the site that is connected to must have link access. skupper link generate, run at the site to
    /// be reached, prints a Link together with its Secret.
    Link {
        spec: LinkSpec,
        status: LinkStatus,
        plural: "links",
        singular: "link",
        short: ["ln"],
        required: |_| &[condition::CONFIGURED, condition::OPERATIONAL],
        ready_condition: true,
        columns: [
            Text "Status" ".status.status" "The state in one word",
            Text "Remote Site" ".status.remoteSiteName" "The site at the other end",
            Text "Message" ".status.message" "The state in a sentence",
        ],
    }
}

/// What a link is to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["endpoints"]))]
pub struct LinkSpec {
    /// The addresses of the other site: one for each role, inter-router and edge. This router uses the one of its
    /// own role.
    pub endpoints: Vec<Endpoint>,
    /// The credential for the link: client certificate (tls.crt), its key (tls.key) and the CA that the other
    /// site's server certificate is checked against (ca.crt).
    ///
    /// On Kubernetes this is a Secret in the same namespace; on Linux, a directory of that name under
    /// input/certs/ of the site.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tls_credentials: String,
    /// The cost of sending traffic this way, 1 or more. Of several ways the cheapest is taken first.
    #[serde(skip_serializing_if = "wire::is_zero")]
    pub cost: i64,
    /// Further settings: names and values, both text. They are seldom needed.
    ///
    /// - proxy-configuration: Secret with the HTTP proxy to connect through.
    #[serde(skip_serializing_if = "Settings::is_empty")]
    pub settings: Settings,
}

/// What has become of a link.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct LinkStatus {
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
    /// - Configured: the router has been told of the link.
    /// - Operational: the link works now.
    /// - Ready: both.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The id of the site at the other end.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub remote_site_id: String,
    /// The name of the site at the other end.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub remote_site_name: String,
}

status_fields!(LinkStatus);

impl LinkSpec {
    /// The endpoint for connections of a role.
    pub fn endpoint(&self, role: &str) -> Option<&Endpoint> {
        self.endpoints.iter().find(|endpoint| endpoint.name == role)
    }
}
