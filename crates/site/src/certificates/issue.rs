//! Making certificates, within a budget.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Secret;
use serde_json::{Value, json};
use skupper_api::{Certificate, CertificateSpec};
use skupper_pki::issue::{CaRequest, IssueError, Issuer, LeafRequest, issue_ca};
use skupper_pki::judge::{Element, Fault};
use skupper_pki::plan::{self, FormerCa};
use skupper_pki::{Credential, Finding, KeyAlgorithm};

use super::{assess, former};
use crate::ObjectKind;
use crate::credentials::{fault, few, join};
use crate::names::{CERTIFICATE, CONTROLLED, FINGERPRINT, FORMER_ISSUERS, HOSTS};
use crate::pass::owner;
use crate::settings::CertificateSettings;

/// How much making keys may cost in one reconcile, in ECDSA keys; see [`crate::ISSUES_PER_RECONCILE`].
#[derive(Debug)]
pub(super) struct Budget(usize);

impl Budget {
    pub(super) fn new() -> Self {
        Budget(crate::ISSUES_PER_RECONCILE)
    }

    /// Takes what a key of this kind costs; `false` if that is not left.
    pub(super) fn take(&mut self, algorithm: KeyAlgorithm) -> bool {
        let cost = match algorithm {
            KeyAlgorithm::EcdsaP256 | KeyAlgorithm::EcdsaP384 | KeyAlgorithm::Ed25519 => 1,
            KeyAlgorithm::Rsa2048 | KeyAlgorithm::Rsa3072 | KeyAlgorithm::Rsa4096 => {
                crate::ISSUES_PER_RECONCILE / 4
            }
        };
        let left = self.0.checked_sub(cost);
        self.0 = left.unwrap_or(0);
        left.is_some()
    }
}

/// The CA of a Certificate, loaded, or why it cannot issue.
pub(super) fn load_issuer(
    namespace: &str,
    name: &str,
    secret: Option<&Secret>,
    now: Timestamp,
) -> Result<Issuer, String> {
    let Some(secret) = secret else {
        return Err(format!("CA \"{namespace}/{name}\" not found"));
    };
    Issuer::load(&crate::credentials::of_secret(secret), now).map_err(|error| {
        let why = match &error {
            // The words of upstream for what upstream notices too.
            IssueError::Issuer { findings } => {
                let sentence = |finding: &Finding| match (&finding.fault, finding.place.element) {
                    (Fault::Missing { .. }, element @ (Element::TlsCrt | Element::TlsKey)) => {
                        format!(
                            "failed to read PEM encoded data from \"{element}\"; {}",
                            finding.remedy()
                        )
                    }
                    _ => fault(finding),
                };
                let mut sentences: Vec<String> = findings.iter().map(sentence).collect();
                few(&mut sentences);
                join(&sentences)
            }
            error => error.to_string(),
        };
        format!("error reading CA Certificate from Secret \"{name}\": {why}")
    })
}

/// A new CA, or the same with new dates.
pub(super) fn make_ca(
    spec: &CertificateSpec,
    settings: &CertificateSettings,
    renewed: Option<&Credential>,
    now: Timestamp,
) -> Result<Credential, String> {
    let lifetime = signed(settings.ca_lifetime);
    let text = |error: IssueError| error.to_string();
    let Some(old) = renewed else {
        let request = CaRequest {
            subject: spec.subject.clone(),
            lifetime,
            algorithm: settings.algorithm,
        };
        return issue_ca(&request, now)
            .map(|issued| issued.credential())
            .map_err(text);
    };
    let end = old.leaf().map_or(now, |leaf| leaf.not_after.min(now));
    // One that has ended is renewed all the same: its key is what counts.
    let issued = Issuer::load(old, end)
        .and_then(|issuer| issuer.renew(lifetime, now))
        .map_err(text)?;
    let mut former: Vec<FormerCa> = assess::earlier_of_same_key(old, &issued.certificate);
    former.extend(old.leaf().map(|certificate| FormerCa {
        certificate,
        needed_until: None,
    }));
    Ok(issued.credential_trusting(&plan::bundle(
        std::slice::from_ref(&issued.certificate),
        &former,
        now,
    )))
}

/// A new end-entity certificate.
pub(super) fn make_leaf(
    spec: &CertificateSpec,
    settings: &CertificateSettings,
    issuer: &Issuer,
    former: &[FormerCa],
    now: Timestamp,
) -> Result<Credential, String> {
    // Upstream gives both usages to all; a Certificate that asks for neither gets both here too.
    let neither = !spec.server && !spec.client;
    let request = LeafRequest {
        subject: spec.subject.clone(),
        hosts: spec.hosts.clone(),
        server: spec.server || neither,
        client: spec.client || neither,
        lifetime: signed(assess::lifetime(spec, settings)),
        algorithm: settings.algorithm,
    };
    let issued = issuer
        .issue(&request, now)
        .map_err(|error| error.to_string())?;
    Ok(issued.credential_trusting(&plan::bundle(issuer.trusted(), former, now)))
}

fn signed(duration: std::time::Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

/// The Secret of a Certificate that holds this.
pub(super) fn secret(
    certificate: &Certificate,
    spec: &CertificateSpec,
    credential: &Credential,
    former: &[FormerCa],
    now: Timestamp,
) -> Value {
    let data: BTreeMap<&str, k8s_openapi::ByteString> = credential
        .data()
        .map(|(key, bytes)| (key, k8s_openapi::ByteString(bytes.to_vec())))
        .collect();
    let mut body = marks(certificate, spec, credential);
    body["metadata"]["annotations"][FORMER_ISSUERS] =
        former::annotation(former, now).map_or(Value::Null, Value::String);
    body["data"] = json!(data);
    body["type"] = "kubernetes.io/tls".into();
    body
}

/// The metadata by which a Secret of ours is known.
pub(super) fn marks(
    certificate: &Certificate,
    spec: &CertificateSpec,
    credential: &Credential,
) -> Value {
    json!({
        "metadata": {
            "name": certificate.metadata.name,
            "annotations": {
                CERTIFICATE: "true",
                CONTROLLED: "true",
                HOSTS: spec.hosts.join(","),
                FINGERPRINT: credential.fingerprint(),
            },
            "ownerReferences": owner(ObjectKind::Certificate, &certificate.metadata).into_iter().collect::<Vec<_>>(),
        },
    })
}
