//! Whether the content of a Secret is ours or the user's.
//!
//! What we issue carries a fingerprint of itself as annotation. Content that has another fingerprint was put there by
//! somebody else (`kubectl apply` over a managed Secret leaves our annotations in place), and is theirs from then on. Secrets
//! made by upstream's controller have no fingerprint: they are ours if the content is what that controller would have issued.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use skupper_api::{Certificate, CertificateSpec};
use skupper_pki::Credential;

use super::assess::{has_hosts, has_subject};
use crate::names::{CONTROLLED, FINGERPRINT, HOSTS};

/// Who manages a Secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ownership {
    /// We do; its metadata is as it should be.
    Ours,
    /// We do, from now on: it was made by upstream's controller, or for a Certificate that was made anew since.
    Adopted,
    /// Its user does.
    Users,
    /// Its user does, but it still has our marks, by which it would be deleted with the Certificate.
    HandedOver,
}

/// Whose the content of a Secret is.
pub(super) fn of(
    secret: &Secret,
    credential: &Credential,
    certificate: &Certificate,
    spec: &CertificateSpec,
) -> Ownership {
    let owners = secret
        .metadata
        .owner_references
        .as_deref()
        .unwrap_or_default();
    let annotation = |key: &str| {
        secret
            .metadata
            .annotations
            .as_ref()
            .and_then(|annotations| annotations.get(key))
    };
    let marked = annotation(CONTROLLED).is_some()
        || annotation(FINGERPRINT).is_some()
        || owners.iter().any(is_certificate);
    if !marked {
        return Ownership::Users;
    }
    if owners.iter().any(|owner| !is_certificate(owner)) {
        // Somebody else's controller owns it: a cert-manager Certificate, say.
        return Ownership::HandedOver;
    }
    let ours = match annotation(FINGERPRINT) {
        Some(fingerprint) => *fingerprint == credential.fingerprint(),
        None => made_by_upstream(credential, spec, annotation(HOSTS).map(String::as_str)),
    };
    let uid = certificate.metadata.uid.as_deref().unwrap_or_default();
    let complete = annotation(FINGERPRINT).is_some()
        && annotation(CONTROLLED).is_some()
        && owners.len() == 1
        && owners[0].uid == uid;
    match (ours, complete) {
        (false, _) => Ownership::HandedOver,
        (true, true) => Ownership::Ours,
        (true, false) => Ownership::Adopted,
    }
}

/// An owner reference to a Certificate of ours (cert-manager has a kind of that name too).
pub(super) fn is_certificate(owner: &OwnerReference) -> bool {
    owner.kind == "Certificate" && owner.api_version.starts_with("skupper.io/")
}

/// Whether upstream's controller issued the content: subject and names are those it was asked for then, and the CA beside
/// the certificate signed it.
fn made_by_upstream(
    credential: &Credential,
    spec: &CertificateSpec,
    hosts_then: Option<&str>,
) -> bool {
    let Some(leaf) = credential.leaf() else {
        return false;
    };
    if !has_subject(&leaf, &spec.subject) {
        return false;
    }
    if spec.signing {
        return leaf.is_self_signed() && leaf.is_ca();
    }
    let then: BTreeSet<String> = match hosts_then {
        Some(hosts) => hosts.split(',').map(str::to_owned).collect(),
        None => spec.hosts.iter().cloned().collect(),
    };
    let signed = credential
        .trusted()
        .is_ok_and(|trusted| trusted.iter().any(|ca| leaf.is_issued_by(ca)));
    signed && !leaf.is_ca() && has_hosts(&leaf, then.iter().map(String::as_str))
}
