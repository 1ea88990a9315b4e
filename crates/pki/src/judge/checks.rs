//! Checks of one certificate by itself: version, dates, usages, strength, names.

use jiff::Timestamp;

use super::{Element, Fault, Finding, Place, Role, Severity};
use crate::certificate::{Certificate, ExtendedUsage, KeyUsages};
use crate::text;
use crate::verify::covers;

/// What is wrong with the first certificate of a chain for a role, names and issuer aside.
pub(crate) fn leaf_checks(
    leaf: &Certificate,
    role: Role,
    now: Timestamp,
    element: Element,
) -> Vec<Finding> {
    let place = || Place::certificate(element, 1, leaf);
    let unfit = |fault| Finding::new(Severity::Unfit, place(), fault);
    let mut findings: Vec<Finding> = dates(leaf, now).map(unfit).into_iter().collect();
    match role {
        Role::Ca => findings.extend(ca_faults(leaf).into_iter().map(unfit)),
        Role::Server | Role::Client if leaf.is_ca() => {
            findings.push(unfit(Fault::CaAsLeaf { expected: role }));
        }
        _ => {}
    }
    findings.extend(usage_fault(leaf, role).map(unfit));
    findings.extend(strength(leaf).into_iter().map(unfit));
    if leaf.version < 3 {
        findings.push(Finding::new(Severity::Note, place(), Fault::Version1));
    }
    findings
}

/// Whether the dates hold.
pub(crate) fn dates(certificate: &Certificate, now: Timestamp) -> Option<Fault> {
    let Certificate {
        not_before,
        not_after,
        ..
    } = *certificate;
    if now < not_before {
        Some(Fault::NotYetValid { not_before, now })
    } else if now > not_after {
        Some(Fault::Expired { not_after, now })
    } else {
        None
    }
}

/// Whether a certificate may sign others.
pub(crate) fn ca_faults(certificate: &Certificate) -> Vec<Fault> {
    let mut faults = Vec::new();
    if !certificate.is_ca() {
        let presented = match certificate.basic_constraints {
            Some(_) => "basic constraints CA:FALSE",
            None => "no basic constraints",
        };
        faults.push(Fault::LeafAsCa { presented });
    } else if !certificate.may_sign_certificates() {
        faults.push(Fault::UsageMissing {
            expected: "keyCertSign",
            presented: key_usages(certificate),
        });
    }
    faults
}

/// Whether extended key usage and key usage allow a role. For a CA on the path of a role only the extended key usage
/// counts, which then limits what is below it.
pub(crate) fn usage_fault(certificate: &Certificate, role: Role) -> Option<Fault> {
    extended_usage_fault(certificate, role).or_else(|| key_usage_fault(certificate, role))
}

pub(crate) fn extended_usage_fault(certificate: &Certificate, role: Role) -> Option<Fault> {
    let needed = match role {
        Role::Server => ExtendedUsage::ServerAuth,
        Role::Client => ExtendedUsage::ClientAuth,
        Role::Ca | Role::TrustBundle => return None,
    };
    let listed = certificate.extended_usage.as_ref()?;
    if listed.contains(&needed) {
        return None;
    }
    Some(Fault::UsageMissing {
        expected: role.usage()?,
        presented: listed.iter().map(ToString::to_string).collect(),
    })
}

fn key_usage_fault(certificate: &Certificate, role: Role) -> Option<Fault> {
    let fits: fn(KeyUsages) -> bool = match role {
        Role::Server => KeyUsages::serves_server,
        Role::Client => KeyUsages::serves_client,
        Role::Ca | Role::TrustBundle => return None,
    };
    if certificate.key_usage.is_none_or(fits) {
        return None;
    }
    Some(Fault::UsageMissing {
        expected: "digitalSignature",
        presented: key_usages(certificate),
    })
}

fn key_usages(certificate: &Certificate) -> Vec<String> {
    let usage = certificate.key_usage.map(KeyUsages::names);
    usage
        .unwrap_or_default()
        .into_iter()
        .map(str::to_owned)
        .collect()
}

/// Whether key and signature are such as peers accept.
pub(crate) fn strength(certificate: &Certificate) -> Vec<Fault> {
    let mut faults = Vec::new();
    if !certificate.public_key.is_strong() {
        faults.push(Fault::WeakKey {
            presented: certificate.public_key.clone(),
        });
    }
    if !certificate.signature_is_supported() {
        faults.push(Fault::WeakSignature {
            presented: certificate.signature_algorithm.clone(),
        });
    }
    faults
}

/// Which of the names a server certificate does not cover.
pub(crate) fn name_findings(
    leaf: &Certificate,
    names: &[String],
    element: Element,
) -> Vec<Finding> {
    let place = Place::certificate(element, 1, leaf);
    let finding = |fault| Finding::new(Severity::Unfit, place.clone(), fault);
    if leaf.dns_names.is_empty() && leaf.ip_addresses.is_empty() {
        return vec![finding(Fault::NoNames {
            expected: names.iter().map(|name| text::escape(name)).collect(),
            common_name: leaf.subject.common_name().map(text::escape),
        })];
    }
    names
        .iter()
        .filter(|name| !covers(leaf, name))
        .map(|name| {
            finding(Fault::NameNotCovered {
                expected: text::escape(name),
                presented: leaf.names(),
            })
        })
        .collect()
}
