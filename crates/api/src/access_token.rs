//! A token: the wish to link to a site that has granted it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kind::kind;
use crate::status::{condition, status_fields};
use crate::{Condition, Settings, StatusType, wire};

kind! {
    /// An access token is exchanged, once, for a Link to the site whose AccessGrant it came from. It is short-lived.
    /// skupper token issue makes one there, skupper token redeem applies it here.
    AccessToken {
        spec: AccessTokenSpec,
        status: AccessTokenStatus,
        plural: "accesstokens",
        singular: "accesstoken",
        short: ["token", "to"],
        required: |_| &[condition::REDEEMED],
        ready_condition: false,
        columns: [
            Text "URL" ".spec.url" "Where the token is redeemed",
            Boolean "Redeemed" ".status.redeemed" "Whether the token has been redeemed",
            Text "Status" ".status.status" "The state in one word",
            Text "Message" ".status.message" "The state in a sentence",
        ],
    }
}

/// What an access token holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["url", "code", "ca"]))]
pub struct AccessTokenSpec {
    /// Where the token is redeemed.
    pub url: String,
    /// The secret of the token.
    pub code: String,
    /// The CA of the server that redeems it, in PEM.
    pub ca: String,
    /// The cost of the link that is made.
    #[serde(skip_serializing_if = "wire::is_zero")]
    pub link_cost: i64,
    /// Further settings: names and values, both text. They are seldom needed.
    #[serde(skip_serializing_if = "Settings::is_empty")]
    pub settings: Settings,
}

/// What has become of an access token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AccessTokenStatus {
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
    /// - Redeemed: the token has been exchanged for a Link.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Whether the token has been exchanged for a Link. It cannot be used again.
    #[serde(skip_serializing_if = "wire::is_false")]
    pub redeemed: bool,
}

status_fields!(AccessTokenStatus);
