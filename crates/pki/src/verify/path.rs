//! Paths from a certificate to a trusted CA: webpki decides, and where it refuses, a walk of our own says why.

use jiff::Timestamp;
use rustls_pki_types::{CertificateDer, UnixTime};
use std::time::Duration;

use super::bundle::{TrustBundle, anchor_faults};
use crate::certificate::{Certificate, SignatureProblem};
use crate::judge::{Anchor, Element, Fault, Finding, Place, Role, Severity};
use crate::judge::{ca_faults, dates, extended_usage_fault, leaf_checks, strength};

/// Longest path that is walked when explaining.
const MAX_DEPTH: usize = 8;

/// A certificate with the intermediates that come with it.
#[derive(Clone, Copy, Debug)]
pub struct Chain<'a> {
    /// The end-entity certificate.
    pub leaf: &'a Certificate,
    /// What was sent along.
    pub intermediates: &'a [Certificate],
    /// Where findings say that it stands.
    pub element: Element,
}

impl TrustBundle {
    /// Everything about `chain` that makes a holder of this bundle refuse it for `role` at `now`, from its issuer upwards:
    /// empty when the path is accepted. Dates, usages and names of the first certificate itself are judged elsewhere.
    pub(crate) fn explain(&self, chain: &Chain<'_>, role: Role, now: Timestamp) -> Vec<Finding> {
        explain(self, chain, role, now)
    }

    /// Whether certificates that `issuer` signs for `role` would be accepted at `now`; `parents` are sent along with them.
    /// Empty when they would, otherwise why not. This is what decides whether a site's `ca.crt` trusts the CA from which
    /// its link credentials come.
    pub fn judge_issuer(
        &self,
        issuer: &Certificate,
        parents: &[Certificate],
        role: Role,
        now: Timestamp,
    ) -> Vec<Finding> {
        let chain = Chain {
            leaf: issuer,
            intermediates: parents,
            element: Element::TlsCrt,
        };
        explain_issuer(self, &chain, role, now)
    }
}

/// Whether a holder of `bundle` accepts `chain` for `role` at `now`; the error is what webpki says.
fn accept(
    bundle: &TrustBundle,
    chain: &Chain<'_>,
    role: Role,
    now: Timestamp,
) -> Result<(), webpki::Error> {
    if chain.leaf.version == 1 {
        return accept_version_1(bundle, chain.leaf, role, now);
    }
    let usage = match role {
        Role::Server => webpki::KeyUsage::server_auth(),
        _ => webpki::KeyUsage::client_auth(),
    };
    let anchors = bundle.usable(role, now);
    let intermediates: Vec<CertificateDer<'_>> = chain
        .intermediates
        .iter()
        .map(|certificate| CertificateDer::from(certificate.der().as_ref()))
        .collect();
    // webpki looks neither at the key usage of intermediates nor at the path length that an anchor allows.
    let allowed = |path: &webpki::VerifiedPath<'_>| {
        let between: Option<Vec<Certificate>> = path
            .intermediate_certificates()
            .map(|ca| Certificate::from_der(&ca.der()).ok())
            .collect();
        let between = between.ok_or(webpki::Error::BadDer)?;
        if !between.iter().all(Certificate::may_sign_certificates) {
            return Err(webpki::Error::UnknownIssuer);
        }
        // Self-issued certificates do not count (RFC 5280 §4.2.1.9).
        let count = between.iter().filter(|ca| ca.subject != ca.issuer).count();
        match bundle.path_len(path.anchor(), role, now) {
            Some(limit) if count > limit as usize => Err(webpki::Error::PathLenConstraintViolated),
            _ => Ok(()),
        }
    };
    webpki::EndEntityCert::try_from(chain.leaf.der())?
        .verify_for_usage(
            webpki::ALL_VERIFICATION_ALGS,
            &anchors,
            &intermediates,
            unix_time(now),
            usage,
            None,
            Some(&allowed),
        )
        .map(|_| ())
}

/// webpki reads version 3 only. A version 1 certificate has no extension that could limit or allow anything, so what is
/// left to check is that a trusted CA signed it: directly, since nothing in it could lead to an intermediate.
fn accept_version_1(
    bundle: &TrustBundle,
    leaf: &Certificate,
    role: Role,
    now: Timestamp,
) -> Result<(), webpki::Error> {
    let by_trusted = |anchor: &Certificate| {
        anchor_faults(anchor, role, now).is_empty()
            && anchor.public_key.is_strong()
            && leaf.is_issued_by(anchor)
    };
    match bundle.certificates().any(by_trusted) {
        true => Ok(()),
        false => Err(webpki::Error::UnknownIssuer),
    }
}

/// Why a path is refused; empty when it is accepted.
fn explain(bundle: &TrustBundle, chain: &Chain<'_>, role: Role, now: Timestamp) -> Vec<Finding> {
    if role == Role::Ca {
        // webpki has no question to which a CA is the answer.
        return Walk {
            bundle,
            chain,
            role,
            now,
        }
        .from(chain.leaf);
    }
    let said = match accept(bundle, chain, role, now) {
        Ok(()) => return Vec::new(),
        Err(said) => said,
    };
    // webpki stops at the first problem of the certificate itself: that is said by its own checks, and the path is walked
    // all the same, so that nobody has to fix one thing after the other.
    let own = leaf_checks(chain.leaf, role, now, chain.element);
    let mut findings = Walk {
        bundle,
        chain,
        role,
        now,
    }
    .from(chain.leaf);
    let explained = findings
        .iter()
        .chain(&own)
        .any(|finding| finding.severity > Severity::Note);
    if !explained || is_constraint(&said) {
        let place = Place::certificate(chain.element, 1, chain.leaf);
        let reason = path_reason(&said);
        findings.push(Finding::new(Severity::Unfit, place, Fault::Path { reason }));
    }
    findings
}

/// Why what a CA signs would be refused; empty when it would be accepted.
fn explain_issuer(
    bundle: &TrustBundle,
    chain: &Chain<'_>,
    role: Role,
    now: Timestamp,
) -> Vec<Finding> {
    let issuer = chain.leaf;
    let same_ca = |anchor: &&Certificate| {
        anchor.subject == issuer.subject && anchor.public_key == issuer.public_key
    };
    // The bundle may hold another certificate of the same CA: cross-signed, or before it was renewed.
    if bundle
        .certificates()
        .filter(same_ca)
        .any(|anchor| anchor_faults(anchor, role, now).is_empty())
    {
        return Vec::new();
    }
    let mut faults = ca_faults(issuer);
    faults.extend(dates(issuer, now));
    faults.extend(extended_usage_fault(issuer, role));
    let place = Place::certificate(chain.element, 1, issuer);
    let mut findings: Vec<Finding> = faults
        .into_iter()
        .map(|fault| Finding::new(Severity::Unfit, place.clone(), fault))
        .collect();
    findings.extend(
        Walk {
            bundle,
            chain,
            role,
            now,
        }
        .from(issuer),
    );
    findings
}

/// A walk from a certificate upwards, issuer by issuer, that reports what it meets.
struct Walk<'a> {
    bundle: &'a TrustBundle,
    chain: &'a Chain<'a>,
    role: Role,
    now: Timestamp,
}

/// How well a CA fits as the issuer of a certificate whose issuer bears its name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fit {
    /// Its key made the signature.
    Signed,
    /// The signature could not be checked for its algorithm or the kind of key; nothing speaks against.
    Unchecked,
    /// Another key made the signature.
    OtherKey,
    /// The key identifier is right and the signature is not.
    Forged,
}

impl<'a> Walk<'a> {
    fn from(&self, start: &'a Certificate) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut current = (Place::certificate(self.chain.element, 1, start), start);
        for _ in 0..MAX_DEPTH {
            if let Some((place, anchor)) = self.best(self.trusted(), current.1) {
                let faults = anchor_faults(anchor, self.role, self.now);
                findings.extend(faulty(&place, faults));
                findings.extend(faulty(&place, weak_key(anchor)));
                return findings;
            }
            let Some((place, issuer)) = self.best(self.sent(), current.1) else {
                findings.push(self.dead_end(&current.0, current.1));
                return findings;
            };
            let mut faults = anchor_faults(issuer, self.role, self.now);
            faults.extend(strength(issuer));
            findings.extend(faulty(&place, faults));
            if issuer == current.1 {
                // A self-signed certificate that was sent along leads nowhere.
                findings.push(self.dead_end(&place, issuer));
                return findings;
            }
            current = (place, issuer);
        }
        let reason = format!("its chain is longer than {MAX_DEPTH} certificates");
        findings.push(Finding::new(
            Severity::Unfit,
            current.0,
            Fault::Path { reason },
        ));
        findings
    }

    fn trusted(&self) -> impl Iterator<Item = (Place, &'a Certificate)> {
        let placed = |(index, anchor)| {
            (
                Place::certificate(Element::CaCrt, index + 1, anchor),
                anchor,
            )
        };
        self.bundle.certificates().enumerate().map(placed)
    }

    fn sent(&self) -> impl Iterator<Item = (Place, &'a Certificate)> {
        let element = self.chain.element;
        let placed = move |(index, ca)| (Place::certificate(element, index + 2, ca), ca);
        self.chain.intermediates.iter().enumerate().map(placed)
    }

    /// The candidate that signed `subject`, preferring one without faults.
    fn best(
        &self,
        candidates: impl Iterator<Item = (Place, &'a Certificate)>,
        subject: &Certificate,
    ) -> Option<(Place, &'a Certificate)> {
        candidates
            .filter(|(_, ca)| ca.subject == subject.issuer)
            .filter(|(_, ca)| matches!(fit(subject, ca), Fit::Signed | Fit::Unchecked))
            .min_by_key(|(_, ca)| anchor_faults(ca, self.role, self.now).len())
    }

    /// Nobody signed `last`: which of the reasons is it?
    fn dead_end(&self, place: &Place, last: &Certificate) -> Finding {
        let named = |ca: &&Certificate| ca.subject == last.issuer && *ca != last;
        let known: Vec<&Certificate> = self
            .bundle
            .certificates()
            .chain(self.chain.intermediates)
            .filter(named)
            .collect();
        let issuer = last.issuer.clone();
        let fault = if let Some(ca) = known.iter().find(|ca| fit(last, ca) == Fit::Forged) {
            let key_id = ca.key_id();
            Fault::BadSignature { issuer, key_id }
        } else if known.is_empty() {
            Fault::UnknownIssuer {
                issuer,
                key_id: last.authority_key_id.clone(),
                self_signed: last.is_self_signed(),
                expected: self.bundle.certificates().map(Anchor::of).collect(),
                bundle: self.bundle.name().to_owned(),
            }
        } else {
            let in_bundle = self.bundle.certificates().any(|ca| named(&ca));
            Fault::IssuerKeyDiffers {
                issuer,
                key_id: match last.is_self_signed() {
                    true => Some(last.key_id()),
                    false => last.authority_key_id.clone(),
                },
                expected: known.iter().map(|ca| ca.key_id()).collect(),
                bundle: match in_bundle {
                    true => self.bundle.name().to_owned(),
                    false => self.chain.element.to_string(),
                },
            }
        };
        Finding::new(Severity::Unfit, place.clone(), fault)
    }
}

fn fit(subject: &Certificate, ca: &Certificate) -> Fit {
    let same_id = subject
        .authority_key_id
        .as_ref()
        .map(|id| *id == ca.key_id());
    // A key too weak for the library fails every signature: judge it by its identifier.
    if !ca.public_key.is_strong() {
        return match same_id {
            Some(false) => Fit::OtherKey,
            _ => Fit::Unchecked,
        };
    }
    match subject.signed_by(&ca.public_key) {
        Ok(()) => Fit::Signed,
        Err(SignatureProblem::Unsupported) if !subject.signature_is_supported() => match same_id {
            Some(false) => Fit::OtherKey,
            _ => Fit::Unchecked,
        },
        Err(_) if same_id == Some(true) => Fit::Forged,
        Err(_) => Fit::OtherKey,
    }
}

fn faulty(place: &Place, faults: Vec<Fault>) -> impl Iterator<Item = Finding> {
    faults
        .into_iter()
        .map(|fault| Finding::new(Severity::Unfit, place.clone(), fault))
}

fn weak_key(ca: &Certificate) -> Vec<Fault> {
    let weak = |fault: &Fault| matches!(fault, Fault::WeakKey { .. });
    strength(ca).into_iter().filter(weak).collect()
}

/// Constraints that the walk does not look at.
fn is_constraint(error: &webpki::Error) -> bool {
    matches!(
        error,
        webpki::Error::PathLenConstraintViolated | webpki::Error::NameConstraintViolation
    )
}

/// What webpki refused for, where our own checks did not see it.
fn path_reason(error: &webpki::Error) -> String {
    match error {
        webpki::Error::PathLenConstraintViolated => {
            "a CA on its path allows fewer intermediate CAs below it (path length constraint)"
                .to_owned()
        }
        webpki::Error::NameConstraintViolation => {
            "a CA on its path may not issue for its names (name constraints)".to_owned()
        }
        webpki::Error::UnsupportedCriticalExtension => {
            "it has a critical extension that is not understood".to_owned()
        }
        other => format!("path validation says {other}"),
    }
}

/// Moments before 1970 count as 1970: rustls and webpki know no earlier time.
fn unix_time(now: Timestamp) -> UnixTime {
    let seconds = u64::try_from(now.as_second()).unwrap_or(0);
    UnixTime::since_unix_epoch(Duration::from_secs(seconds))
}
