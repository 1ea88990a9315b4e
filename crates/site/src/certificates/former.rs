//! Earlier CAs that `ca.crt` still holds, so that what they signed works to its own end.
//!
//! When a CA is replaced by one with another key, credentials that it signed are still in the hands of other sites. Of each
//! replaced CA it is noted on the Secret until when the last credential known to come from it lives; the certificate itself
//! stands in `ca.crt`, so a user who deletes the Secret (it is issued again, after the grace) drops them at once.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use serde::{Deserialize, Serialize};
use skupper_pki::plan::FormerCa;
use skupper_pki::{Certificate, Credential};

use crate::Objects;
use crate::credentials::of_secret;
use crate::names::FORMER_ISSUERS;

/// What the annotation says of one CA.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Entry {
    /// SHA-256 of the certificate.
    fingerprint: String,
    /// When the last credential known from it ends.
    until: Timestamp,
}

/// The most CAs that are kept.
const MOST: usize = 8;

/// When the last client credential from a CA ends, computed once for each CA in one reconcile.
#[derive(Debug, Default)]
pub(super) struct LastEnds(BTreeMap<String, Option<Timestamp>>);

impl LastEnds {
    fn of(&mut self, ca: &Certificate, secrets: &Objects<Secret>) -> Option<Timestamp> {
        *self
            .0
            .entry(ca.fingerprint().to_string())
            .or_insert_with(|| {
                secrets
                    .values()
                    .filter_map(|secret| client_credential_of(ca, secret))
                    .max()
            })
    }
}

/// The end of a Secret's certificate, if it is a client's and the CA signed it.
fn client_credential_of(ca: &Certificate, secret: &Secret) -> Option<Timestamp> {
    let leaf = of_secret(secret).leaf()?;
    let client = leaf
        .extended_usage
        .as_ref()
        .is_none_or(|usages| usages.contains(&skupper_pki::certificate::ExtendedUsage::ClientAuth));
    (client && !leaf.is_ca() && leaf.is_issued_by(ca)).then_some(leaf.not_after)
}

/// The earlier CAs that a Secret's `ca.crt` holds beside the current ones, with how long each is needed.
pub(super) fn of(
    secret: &Secret,
    credential: &Credential,
    current: &[Certificate],
    ends: &mut LastEnds,
    secrets: &Objects<Secret>,
) -> Vec<FormerCa> {
    let earlier: Vec<Certificate> = credential
        .trusted()
        .unwrap_or_default()
        .into_iter()
        .filter(|ca| !current.contains(ca))
        .take(MOST)
        .collect();
    if earlier.is_empty() {
        return Vec::new();
    }
    let noted = noted(secret);
    earlier
        .into_iter()
        // One that was renewed with its key needs no place of its own: the new certificate verifies the same.
        .filter(|ca| {
            !current
                .iter()
                .any(|new| new.subject == ca.subject && new.public_key == ca.public_key)
        })
        .filter_map(|certificate| {
            let fingerprint = certificate.fingerprint().to_string();
            let until = noted
                .get(&fingerprint)
                .copied()
                .or_else(|| ends.of(&certificate, secrets))?;
            Some(FormerCa {
                certificate,
                needed_until: Some(until),
            })
        })
        .collect()
}

fn noted(secret: &Secret) -> BTreeMap<String, Timestamp> {
    let text = secret
        .metadata
        .annotations
        .as_ref()
        .and_then(|annotations| annotations.get(FORMER_ISSUERS));
    let entries: Vec<Entry> = text
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    entries
        .into_iter()
        .map(|entry| (entry.fingerprint, entry.until))
        .collect()
}

/// The annotation for these; `None` if there are none.
pub(super) fn annotation(former: &[FormerCa], now: Timestamp) -> Option<String> {
    let entries: Vec<Entry> = former
        .iter()
        .filter_map(|ca| {
            Some(Entry {
                fingerprint: ca.certificate.fingerprint().to_string(),
                until: ca.needed_until?,
            })
        })
        .filter(|entry| entry.until >= now)
        .collect();
    if entries.is_empty() {
        None
    } else {
        serde_json::to_string(&entries).ok()
    }
}
