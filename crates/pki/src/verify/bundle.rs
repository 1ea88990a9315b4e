//! The CAs whose certificates are accepted.

use std::fmt;

use jiff::Timestamp;
use rustls_pki_types::TrustAnchor;

use crate::certificate::Certificate;
use crate::judge::{Anchor, Fault, Finding, Role};
use crate::judge::{ca_faults, dates, extended_usage_fault};

/// A `ca.crt` that cannot be loaded, with every finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundleError {
    /// What is wrong; never empty.
    pub findings: Vec<Finding>,
}

impl fmt::Display for BundleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sentences: Vec<String> = self.findings.iter().map(Finding::to_string).collect();
        f.write_str(&sentences.join("; "))
    }
}

impl std::error::Error for BundleError {}

/// Trusted CAs, as `ca.crt` holds them.
#[derive(Clone)]
pub struct TrustBundle {
    name: String,
    trusted: Vec<(Certificate, Option<TrustAnchor<'static>>)>,
}

impl TrustBundle {
    /// Trusts these certificates, each to its own dates, CA bit and usages.
    pub fn new(certificates: Vec<Certificate>) -> Self {
        let with_anchor = |certificate: Certificate| {
            let anchor = webpki::anchor_from_trusted_cert(certificate.der())
                .ok()
                .map(|anchor| anchor.to_owned());
            (certificate, anchor)
        };
        Self {
            name: crate::credential::CA_CRT.to_owned(),
            trusted: certificates.into_iter().map(with_anchor).collect(),
        }
    }

    /// Reads `ca.crt`. Every block has to be a certificate that can be read; dates and CA bits may be wrong, that is
    /// judged when a peer is verified.
    pub fn from_pem(ca_crt: &[u8]) -> Result<Self, BundleError> {
        use crate::judge::Severity;
        let mut findings = Vec::new();
        let certificates = crate::judge::read_bundle(ca_crt, &mut findings);
        findings.retain(|finding| finding.severity == Severity::Unloadable);
        if findings.is_empty() {
            Ok(Self::new(certificates))
        } else {
            Err(BundleError { findings })
        }
    }

    /// Says in sentences what this bundle is, instead of `ca.crt`: for instance `ca.crt of Secret skupper-site-server`.
    pub fn named(self, name: impl Into<String>) -> Self {
        let name = name.into();
        Self { name, ..self }
    }

    /// What sentences call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The certificates in it.
    pub fn certificates(&self) -> impl ExactSizeIterator<Item = &Certificate> {
        self.trusted.iter().map(|(certificate, _)| certificate)
    }

    /// What it trusts, in short.
    pub fn anchors(&self) -> Vec<Anchor> {
        self.certificates().map(Anchor::of).collect()
    }

    /// The anchors that count for a role at a time, in the form in which webpki takes them.
    pub(super) fn usable(&self, role: Role, now: Timestamp) -> Vec<TrustAnchor<'static>> {
        self.usable_certificates(role, now)
            .map(|(_, anchor)| anchor.clone())
            .collect()
    }

    /// How many intermediate CAs an anchor allows below it: the most of those certificates in which it is usable.
    pub(super) fn path_len(
        &self,
        anchor: &TrustAnchor<'_>,
        role: Role,
        now: Timestamp,
    ) -> Option<u32> {
        let limit = |certificate: &Certificate| {
            let constraints = certificate.basic_constraints?;
            constraints.path_len
        };
        let mut most = Some(0);
        for (certificate, known) in self.usable_certificates(role, now) {
            if known == anchor {
                most = most.zip(limit(certificate)).map(|(a, b)| a.max(b));
            }
        }
        most
    }

    fn usable_certificates(
        &self,
        role: Role,
        now: Timestamp,
    ) -> impl Iterator<Item = (&Certificate, &TrustAnchor<'static>)> {
        self.trusted
            .iter()
            .filter_map(move |(certificate, anchor)| {
                let usable = anchor_faults(certificate, role, now).is_empty();
                anchor
                    .as_ref()
                    .filter(|_| usable)
                    .map(|anchor| (certificate, anchor))
            })
    }
}

/// What disqualifies a trusted certificate as the end of a path for a role.
pub(super) fn anchor_faults(anchor: &Certificate, role: Role, now: Timestamp) -> Vec<Fault> {
    let mut faults = ca_faults(anchor);
    faults.extend(dates(anchor, now));
    faults.extend(extended_usage_fault(anchor, role));
    faults
}

impl fmt::Debug for TrustBundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let anchors: Vec<String> = self.anchors().iter().map(Anchor::to_string).collect();
        write!(
            f,
            "TrustBundle({}: {})",
            self.name,
            crate::text::list(&anchors)
        )
    }
}
