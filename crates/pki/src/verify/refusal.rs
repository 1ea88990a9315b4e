//! A peer refused, and what was presented against what was expected.

use std::fmt;

use jiff::Timestamp;
use rustls::{CertificateError, OtherError};
use rustls_pki_types::UnixTime;
use std::sync::Arc;
use std::time::Duration;

use super::bundle::TrustBundle;
use super::name::covers;
use super::path::Chain;
use crate::certificate::Certificate;
use crate::judge::{Anchor, Fault, Finding, Role, Severity};
use crate::judge::{leaf_checks, name_findings};

/// Why a peer's certificate was refused in a handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Which side the peer is.
    pub role: Role,
    /// What is wrong, the most telling first; never empty, and nothing in it is a mere note.
    pub findings: Vec<Finding>,
    /// The host name or address that had to be covered, if any.
    pub expected_name: Option<String>,
    /// The CAs that are trusted.
    pub trusted: Vec<Anchor>,
}

impl Refusal {
    /// What to do about the first finding.
    pub fn remedy(&self) -> String {
        self.findings
            .first()
            .map(Finding::remedy)
            .unwrap_or_default()
    }

    /// The first check that failed, in a word.
    pub fn check(&self) -> &'static str {
        self.findings.first().map_or("certificate", Finding::check)
    }

    /// The rustls error whose alert tells the peer most: `certificate_expired`, `unknown_ca`, `bad_certificate`
    /// (names), `unsupported_certificate` (usages), else `certificate_unknown`, which carries this refusal itself.
    pub(super) fn to_rustls(&self) -> CertificateError {
        let Some(first) = self.findings.first() else {
            return CertificateError::ApplicationVerificationFailure;
        };
        match &first.fault {
            Fault::Expired { not_after, now } => CertificateError::ExpiredContext {
                time: unix(*now),
                not_after: unix(*not_after),
            },
            Fault::NotYetValid { not_before, now } => CertificateError::NotValidYetContext {
                time: unix(*now),
                not_before: unix(*not_before),
            },
            Fault::UnknownIssuer { .. }
            | Fault::IssuerKeyDiffers { .. }
            | Fault::LeafAsCa { .. } => CertificateError::UnknownIssuer,
            Fault::BadSignature { .. } => CertificateError::BadSignature,
            Fault::NoNames { .. } | Fault::NameNotCovered { .. } => {
                CertificateError::NotValidForName
            }
            Fault::UsageMissing { .. } | Fault::CaAsLeaf { .. } => CertificateError::InvalidPurpose,
            Fault::NotCertificate { .. } => CertificateError::BadEncoding,
            _ => CertificateError::Other(OtherError(Arc::new(self.clone()))),
        }
    }
}

impl fmt::Display for Refusal {
    /// Every finding, separated by semicolons.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sentences: Vec<String> = self.findings.iter().map(Finding::to_string).collect();
        f.write_str(&sentences.join("; "))
    }
}

impl std::error::Error for Refusal {}

impl TrustBundle {
    /// Verifies a peer's chain for the role that the peer plays, at a time, and for a server the name it has to bear
    /// (`None`: any name will do, as with `verifyHostname: false`). This is the whole judgement of a handshake, apart from
    /// the proof that the peer holds the key.
    pub fn verify(
        &self,
        chain: &Chain<'_>,
        role: Role,
        name: Option<&str>,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let mut findings = self.explain(chain, role, now);
        findings.extend(leaf_checks(chain.leaf, role, now, chain.element));
        if let (Role::Server, Some(name)) = (role, name)
            && !covers(chain.leaf, name)
        {
            let names = [name.to_owned()];
            findings.extend(name_findings(chain.leaf, &names, chain.element));
        }
        findings.retain(|finding| finding.severity > Severity::Note);
        match findings.is_empty() {
            true => Ok(()),
            false => Err(self.refusal(role, findings, name)),
        }
    }

    pub(super) fn refusal(
        &self,
        role: Role,
        findings: Vec<Finding>,
        name: Option<&str>,
    ) -> Refusal {
        Refusal {
            role,
            findings,
            expected_name: name.map(crate::text::escape),
            trusted: self.anchors(),
        }
    }
}

/// Whether `certificate` would be accepted as what `role` presents, for one who has only this question.
impl TrustBundle {
    /// Whether a certificate without intermediates is accepted.
    pub fn accepts(&self, certificate: &Certificate, role: Role, now: Timestamp) -> bool {
        let chain = Chain {
            leaf: certificate,
            intermediates: &[],
            element: crate::judge::Element::Presented,
        };
        self.verify(&chain, role, None, now).is_ok()
    }
}

fn unix(at: Timestamp) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(
        u64::try_from(at.as_second()).unwrap_or(0),
    ))
}
