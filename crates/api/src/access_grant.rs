//! Permission to redeem tokens.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kind::kind;
use crate::status::{condition, status_fields};
use crate::{Condition, Settings, StatusType, wire};

kind! {
    /// An access grant lets the holders of its tokens link to this site: a number of times, and for a while. A token holds
    /// the url, code and ca of the grant's status.
    AccessGrant {
        spec: AccessGrantSpec,
        status: AccessGrantStatus,
        plural: "accessgrants",
        singular: "accessgrant",
        short: ["grant", "gr"],
        required: |_| &[condition::PROCESSED, condition::RESOLVED],
        ready_condition: true,
        columns: [
            Integer "Redemptions Allowed" ".spec.redemptionsAllowed" "How often tokens of the grant may be redeemed",
            Integer "Redemptions Made" ".status.redemptions" "How often tokens of the grant have been redeemed",
            Text "Expiration" ".status.expirationTime" "When the grant ends",
            Text "Status" ".status.status" "The state in one word",
            Text "Message" ".status.message" "The state in a sentence",
        ],
    }
}

/// What an access grant is to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AccessGrantSpec {
    /// How often tokens of the grant may be redeemed: once, unless given.
    #[serde(skip_serializing_if = "wire::is_zero")]
    pub redemptions_allowed: i64,
    /// How long tokens of the grant may be redeemed, as in 15m or 1h30m.
    #[schemars(extend("format" = "duration"))]
    #[serde(skip_serializing_if = "String::is_empty")]
    pub expiration_window: String,
    /// The secret of the tokens. If empty, one is made up; it stands in the status.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub code: String,
    /// The Secret with the CA that signs the credentials of those who redeem a token. If empty, the default issuer of
    /// the site.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub issuer: String,
    /// Further settings: names and values, both text. They are seldom needed.
    #[serde(skip_serializing_if = "Settings::is_empty")]
    pub settings: Settings,
}

/// What has become of an access grant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AccessGrantStatus {
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
    /// - Processed: the grant has been accepted.
    /// - Resolved: the address for redeeming tokens is known.
    /// - Ready: both.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Where tokens are redeemed.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub url: String,
    /// The secret of the tokens.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub code: String,
    /// The CA of the server that redeems tokens, in PEM.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub ca: String,
    /// How often tokens of the grant have been redeemed.
    #[serde(skip_serializing_if = "wire::is_zero")]
    pub redemptions: i64,
    /// When the grant ends.
    #[schemars(with = "String", extend("format" = "date-time"))]
    #[serde(
        with = "wire::optional_seconds",
        skip_serializing_if = "Option::is_none"
    )]
    pub expiration_time: Option<Timestamp>,
}

status_fields!(AccessGrantStatus);
