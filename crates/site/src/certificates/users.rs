//! What the user brought: whether it fits, and taking our marks off it.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use serde_json::{Value, json};
use skupper_api::{CertificateSpec, State};
use skupper_pki::judge::{Element, Fault, Severity};
use skupper_pki::{Credential, Expectation, Finding, Role, TrustBundle, judge};

use super::assess::roles;
use super::ownership::is_certificate;
use crate::credentials::{fault, join, next_edge, untrusted_issuer};
use crate::names::{CERTIFICATE, CONTROLLED, FINGERPRINT, FORMER_ISSUERS, HOSTS, NOT_CONTROLLED};

/// What else decides whether a user's Secret fits.
pub(super) struct Surroundings<'a> {
    /// A certificate has to be issued from it: a CA without key will not do.
    pub(super) has_to_issue: bool,
    /// Client credentials of this site that will be presented to it, by name.
    pub(super) clients: Vec<(&'a str, Credential)>,
    /// The CA of this site's client credentials, where the user brought that too, with the name of its Secret.
    pub(super) users_issuer: Option<(String, Credential)>,
}

impl Surroundings<'_> {
    /// When something of it next begins or has ended.
    pub(super) fn next_edge(&self, now: Timestamp) -> Timestamp {
        let clients = self.clients.iter().map(|(_, client)| client);
        let issuer = self.users_issuer.iter().map(|(_, issuer)| issuer);
        let edges = clients
            .chain(issuer)
            .map(|credential| next_edge(credential, now));
        edges.min().unwrap_or(Timestamp::MAX)
    }
}

/// The condition of a Certificate whose Secret is the user's: exactly one sentence where it fits, and why after it if not.
pub(super) fn state(
    secret: &Secret,
    credential: &Credential,
    spec: &CertificateSpec,
    around: &Surroundings<'_>,
    now: Timestamp,
) -> State {
    let faults = faults(secret, credential, spec, around, now);
    if faults.is_empty() {
        State::ready_with(NOT_CONTROLLED)
    } else {
        State::error(format!("{NOT_CONTROLLED}: {}", join(&faults)))
    }
}

fn faults(
    secret: &Secret,
    credential: &Credential,
    spec: &CertificateSpec,
    around: &Surroundings<'_>,
    now: Timestamp,
) -> Vec<String> {
    let type_ = secret.type_.as_deref().unwrap_or_default();
    if !["", "Opaque", "kubernetes.io/tls"].contains(&type_) {
        return vec![format!(
            "it has the unsupported type {type_}, expected kubernetes.io/tls or Opaque"
        )];
    }
    let mut faults: Vec<String> = Vec::new();
    for role in roles(spec) {
        for finding in judge(credential, &Expectation::new(role, now)) {
            let only_trusted = role == Role::Ca
                && !around.has_to_issue
                && finding.place.element == Element::TlsKey
                && matches!(finding.fault, Fault::Missing { .. });
            let sentence = fault(&finding);
            if finding.severity > Severity::Note && !only_trusted && !faults.contains(&sentence) {
                faults.push(sentence);
            }
        }
    }
    if faults.is_empty() {
        faults.extend(trusts_no_client(credential, around, now));
    }
    faults
}

/// That `ca.crt` trusts none of the clients that will come: those that the user's CA signs, or those that were issued. Where
/// the CA is ours and has signed none, clients come from elsewhere, and what they are is not known.
fn trusts_no_client(
    server: &Credential,
    around: &Surroundings<'_>,
    now: Timestamp,
) -> Option<String> {
    if let Some((name, issuer)) = &around.users_issuer {
        return untrusted_issuer(server, name, &issuer.chain().ok()?, now);
    }
    let bundle = TrustBundle::new(server.trusted().ok()?);
    let serious = |findings: Vec<Finding>| {
        findings
            .into_iter()
            .find(|finding| finding.severity > Severity::Note)
    };
    let mut why = None;
    for (name, client) in &around.clients {
        let finding = serious(judge(
            client,
            &Expectation::new(Role::Client, now).trusted_by(&bundle),
        ))?;
        why.get_or_insert((*name, finding));
    }
    let (name, finding) = why?;
    Some(format!(
        "ca.crt trusts no client credential of this site. Secret {name}: {}",
        fault(&finding)
    ))
}

/// The patch that takes our marks off a Secret, so that it outlives the Certificate: its content and all else stay.
pub(super) fn hand_over(secret: &Secret) -> Value {
    let owners: Vec<_> = secret
        .metadata
        .owner_references
        .iter()
        .flatten()
        .filter(|owner| !is_certificate(owner))
        .cloned()
        .collect();
    let mut annotations = serde_json::Map::new();
    let marks = [CERTIFICATE, CONTROLLED, FINGERPRINT, FORMER_ISSUERS, HOSTS];
    let present = secret
        .metadata
        .annotations
        .iter()
        .flatten()
        .filter(|(key, _)| marks.contains(&key.as_str()));
    for (key, _) in present {
        annotations.insert(key.clone(), Value::Null);
    }
    let mut patch = json!({"metadata": {"resourceVersion": secret.metadata.resource_version}});
    if !annotations.is_empty() {
        patch["metadata"]["annotations"] = Value::Object(annotations);
    }
    if secret.metadata.owner_references.is_some() {
        patch["metadata"]["ownerReferences"] = if owners.is_empty() {
            Value::Null
        } else {
            json!(owners)
        };
    }
    patch
}
