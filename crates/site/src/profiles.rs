//! Which Secret backs which TLS profile of the router, and in which revision: the seam to our adaptor.
//!
//! It stands in the router's ConfigMap under [`PROFILES_KEY`], beside the configuration, so that one write publishes both
//! and a user's Secret need not be annotated. The adaptor writes the files of a profile when the Secret's
//! [`checksum`] is the one that stands here, and then updates the profile in the router; a Secret whose checksum differs
//! has changed but has not been judged yet (or cannot be loaded, and then the files of the last good revision stay).

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::names::{CA_CRT, TLS_CRT, TLS_KEY};

/// Key of the ConfigMap `skupper-router` under which [`Profiles`] stand.
pub const PROFILES_KEY: &str = "tls-profiles.json";

/// The profiles in use, by name.
pub type Profiles = BTreeMap<String, Profile>;

/// One TLS profile of the router.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Profile {
    /// Name of the Secret behind it.
    pub secret: String,
    /// Revision of the credential; goes up by one whenever its content changes.
    pub ordinal: u64,
    /// The oldest revision whose connections may stay.
    pub oldest_valid_ordinal: u64,
    /// [`checksum`] of the Secret's content in this revision.
    pub checksum: String,
}

/// The profiles in a router's ConfigMap. One that was written by upstream's controller has none.
pub fn of(config_map: &ConfigMap) -> Profiles {
    let text = config_map
        .data
        .as_ref()
        .and_then(|data| data.get(PROFILES_KEY));
    text.and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default()
}

/// A checksum over what a router uses of a Secret: `ca.crt`, `tls.crt`, `tls.key`. Lower-case hex SHA-256.
///
/// A change of any of them is a rotation, that of `ca.crt` alone included; other keys and metadata do not matter.
pub fn checksum(secret: &Secret) -> String {
    let mut digest = Sha256::new();
    for key in [CA_CRT, TLS_CRT, TLS_KEY] {
        let value = secret
            .data
            .as_ref()
            .and_then(|data| data.get(key))
            .map_or(&[][..], |value| &value.0);
        digest.update(key.as_bytes());
        digest.update((value.len() as u64).to_be_bytes());
        digest.update(value);
    }
    hex(&digest.finalize())
}

/// A checksum over texts, for names that must differ where one of them does.
pub(crate) fn digest(parts: &[&str]) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    hex(&digest.finalize())
}

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}
