//! Reading the three elements of a credential, with every problem and its line.

use jiff::Timestamp;

use super::checks::{ca_faults, dates, strength};
use super::{Element, Fault, Finding, Place, Role, Severity};
use crate::certificate::{Certificate, is_certificate_label};
use crate::key::{KeyError, PrivateKey};
use crate::{pem, text};

/// Most certificates in `tls.crt`: TLS stacks stop at about ten.
const MAX_CHAIN: usize = 16;
/// Most certificates in `ca.crt`.
const MAX_BUNDLE: usize = 256;

/// The certificates of `tls.crt`.
pub(super) fn chain(text: &[u8], role: Role, findings: &mut Vec<Finding>) -> Vec<Certificate> {
    let expected = match role {
        Role::Server => {
            "the server's certificate in PEM, followed by its intermediates if there are any"
        }
        Role::Client => {
            "the client's certificate in PEM, followed by its intermediates if there are any"
        }
        Role::Ca | Role::TrustBundle => "the CA's certificate in PEM",
    };
    certificates(text, Element::TlsCrt, expected, MAX_CHAIN, findings)
}

/// The certificates of `ca.crt`, each looked at as a trust anchor.
pub(super) fn bundle(text: &[u8], now: Timestamp, findings: &mut Vec<Finding>) -> Vec<Certificate> {
    let trusted = read_bundle(text, findings);
    findings.extend(anchors(&trusted, now));
    trusted
}

/// The certificates of `ca.crt` as they stand.
pub(crate) fn read_bundle(text: &[u8], findings: &mut Vec<Finding>) -> Vec<Certificate> {
    let expected =
        "the certificates, in PEM, of the CAs whose certificates are accepted from peers";
    certificates(text, Element::CaCrt, expected, MAX_BUNDLE, findings)
}

/// What is wrong with trust anchors. As long as one of them is usable, what is wrong with others is only a note.
fn anchors(trusted: &[Certificate], now: Timestamp) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut usable = 0;
    for (index, anchor) in trusted.iter().enumerate() {
        let mut faults = ca_faults(anchor);
        faults.extend(dates(anchor, now));
        if faults.is_empty() {
            usable += 1;
        }
        // Its signature does not matter: it is trusted because it stands here.
        faults.extend(
            strength(anchor)
                .into_iter()
                .filter(|fault| matches!(fault, Fault::WeakKey { .. })),
        );
        let place = Place::certificate(Element::CaCrt, index + 1, anchor);
        findings.extend(
            faults
                .into_iter()
                .map(|fault| Finding::new(Severity::Unfit, place.clone(), fault)),
        );
    }
    if usable > 0 {
        findings = findings
            .into_iter()
            .map(|finding| finding.at(Severity::Note))
            .collect();
    }
    findings.extend(no_root(trusted));
    findings
}

/// A bundle of intermediate CAs only: good for us, not for peers built on OpenSSL.
fn no_root(trusted: &[Certificate]) -> Option<Finding> {
    let last = trusted.last()?;
    if trusted.iter().any(|anchor| anchor.subject == anchor.issuer) {
        return None;
    }
    Some(Finding::new(
        Severity::Note,
        Place::certificate(Element::CaCrt, trusted.len(), last),
        Fault::NoRoot {
            issuer: last.issuer.clone(),
        },
    ))
}

/// The private key, compared with the certificates.
pub(super) fn key(text: &[u8], chain: &[Certificate], role: Role, findings: &mut Vec<Finding>) {
    let element = Place::element(Element::TlsKey);
    if is_blank(text) {
        let (severity, expected) = match role {
            // A CA that is only trusted may come without its key; it cannot issue then.
            Role::Ca => (
                Severity::Unfit,
                "the CA's private key in PEM: without it the CA can be trusted but cannot issue",
            ),
            _ => (
                Severity::Unloadable,
                "the private key, in PEM, of the certificate in tls.crt",
            ),
        };
        findings.push(Finding::new(severity, element, Fault::Missing { expected }));
        return;
    }
    let key = match PrivateKey::from_pem(text) {
        Ok(key) => key,
        Err(error) => {
            let fault = match error {
                KeyError::Pem(error) => Fault::NotPem {
                    line: error.line,
                    problem: error.problem,
                },
                other => Fault::Key(other),
            };
            findings.push(Finding::new(Severity::Unloadable, element, fault));
            return;
        }
    };
    let Some(leaf) = chain.first() else { return };
    if leaf.public_key == *key.public() {
        return;
    }
    let owner = chain
        .iter()
        .position(|certificate| certificate.public_key == *key.public());
    let fault = match owner {
        Some(index) => Fault::LeafNotFirst {
            position: index + 1,
            subject: chain[index].subject.clone(),
        },
        None => Fault::KeyMismatch {
            expected: leaf.public_key.clone(),
            presented: key.public().clone(),
        },
    };
    findings.push(Finding::new(
        Severity::Unloadable,
        Place::certificate(Element::TlsCrt, 1, leaf),
        fault,
    ));
}

/// The certificates of one element; every block that is none becomes a finding.
fn certificates(
    text: &[u8],
    element: Element,
    expected: &'static str,
    limit: usize,
    findings: &mut Vec<Finding>,
) -> Vec<Certificate> {
    let unloadable = |fault| Finding::new(Severity::Unloadable, Place::element(element), fault);
    if is_blank(text) {
        findings.push(unloadable(Fault::Missing { expected }));
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut other = Vec::new();
    let before = findings.len();
    for block in pem::blocks(text) {
        match block {
            Err(error) => findings.push(unloadable(Fault::NotPem {
                line: error.line,
                problem: error.problem,
            })),
            Ok(block) if !is_certificate_label(&block.label) => other.push(block),
            Ok(block) => match Certificate::from_der(&block.der) {
                Ok(certificate) => found.push(certificate),
                Err(error) => findings.push(unloadable(Fault::NotCertificate {
                    line: block.line,
                    reason: error.to_string(),
                })),
            },
        }
    }
    if found.len() > limit {
        findings.push(unloadable(Fault::TooMany {
            presented: found.len(),
            expected: limit,
        }));
        found.truncate(limit);
    }
    if found.is_empty() && findings.len() == before {
        let presented = other.into_iter().map(|block| block.label).collect();
        findings.push(unloadable(Fault::NoCertificate { presented }));
    } else {
        findings.extend(other.into_iter().take(MAX_CHAIN).map(|block| {
            let (line, presented) = (block.line, text::escape(&block.label));
            let fault = Fault::UnexpectedBlock { line, presented };
            Finding::new(Severity::Note, Place::element(element), fault)
        }));
    }
    found
}

fn is_blank(text: &[u8]) -> bool {
    text.iter().all(u8::is_ascii_whitespace)
}
