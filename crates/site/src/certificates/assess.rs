//! Whether what we issued is still right, and what to do if it is not.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use skupper_api::{CertificateSpec, State};
use skupper_pki::issue::{Issuer, common_name};
use skupper_pki::judge::{Fault, Severity};
use skupper_pki::plan::{self, FormerCa};
use skupper_pki::{Certificate, Credential, Expectation, Role, judge};

use crate::credentials::fault;
use crate::settings::CertificateSettings;

/// What a Secret comes to as that of a Certificate, remembered until something changes or the time comes.
#[derive(Clone, Debug)]
pub(crate) struct Verdict {
    pub(super) inputs: Inputs,
    pub(super) from: Timestamp,
    pub(super) until: Timestamp,
    pub(super) state: State,
    pub(super) expiration: Option<Timestamp>,
    pub(super) managed: bool,
}

/// What a verdict depends on, time aside.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Inputs {
    pub(super) secret: String,
    pub(super) issuer: String,
    pub(super) spec: CertificateSpec,
    /// Whatever else matters.
    pub(super) others: String,
}

/// What has to be done about a Secret that we manage.
#[derive(Debug)]
pub(super) enum Need {
    /// Nothing until then.
    Nothing { until: Timestamp },
    /// `ca.crt` has to hold these.
    Bundle(Vec<Certificate>),
    /// A new certificate with a new key, because.
    Issue(String),
    /// A CA: a new certificate with the same key.
    Renew,
}

/// The roles that a certificate has to play. Upstream issues one without any for all.
pub(super) fn roles(spec: &CertificateSpec) -> Vec<Role> {
    match (spec.signing, spec.server, spec.client) {
        (true, ..) => vec![Role::Ca],
        (_, true, false) => vec![Role::Server],
        (_, false, true) => vec![Role::Client],
        _ => vec![Role::Server, Role::Client],
    }
}

/// How long a certificate is to live.
pub(super) fn lifetime(spec: &CertificateSpec, settings: &CertificateSettings) -> Duration {
    match (spec.signing, spec.server, spec.client) {
        (true, ..) => settings.ca_lifetime,
        (_, false, true) => settings.client_lifetime,
        _ => settings.server_lifetime,
    }
}

/// What a CA of ours needs.
pub(super) fn ca(
    credential: &Credential,
    spec: &CertificateSpec,
    settings: &CertificateSettings,
    now: Timestamp,
) -> Need {
    let Some(certificate) = credential.leaf() else {
        return Need::Issue("tls.crt holds no certificate".to_owned());
    };
    if !has_subject(&certificate, &spec.subject) {
        return Need::Issue(format!(
            "its subject is {}, expected CN={}",
            certificate.subject, spec.subject
        ));
    }
    let mut ended = false;
    for finding in judge(credential, &Expectation::new(Role::Ca, now)) {
        match (&finding.severity, &finding.fault) {
            (Severity::Note, _) => {}
            (_, Fault::Expired { .. }) => ended = true,
            _ => return Need::Issue(fault(&finding)),
        }
    }
    let renewal = ca_renewal(&certificate, settings.client_lifetime);
    if ended || now >= renewal {
        return Need::Renew;
    }
    let former = earlier_of_same_key(credential, &certificate);
    let wanted = plan::bundle(std::slice::from_ref(&certificate), &former, now);
    if credential.trusted().ok().as_deref() != Some(&wanted) {
        return Need::Bundle(wanted);
    }
    let until = plan::bundle_changes_at(&former, now).map_or(renewal, |at| at.min(renewal));
    Need::Nothing { until }
}

/// When a CA is renewed: so early that what it signs until then may live to its own end, if half of the CA's life allows
/// that; in any case at two thirds of its life, as everything.
pub(super) fn ca_renewal(certificate: &Certificate, longest_leaf: Duration) -> Timestamp {
    let (start, end) = (certificate.not_before, certificate.not_after);
    let usual = plan::renewal(certificate);
    let half = start
        .checked_add(end.duration_since(start) / 2)
        .unwrap_or(usual);
    let leaf = SignedDuration::try_from(longest_leaf).unwrap_or(SignedDuration::MAX);
    let for_leaves = end.checked_sub(leaf).unwrap_or(half).max(half);
    usual.min(for_leaves)
}

/// The certificates of a CA before its renewals, which stay in `ca.crt` to their ends.
pub(super) fn earlier_of_same_key(
    credential: &Credential,
    certificate: &Certificate,
) -> Vec<FormerCa> {
    let trusted = credential.trusted().unwrap_or_default();
    let earlier = trusted.into_iter().filter(|ca| {
        ca != certificate
            && ca.subject == certificate.subject
            && ca.public_key == certificate.public_key
    });
    earlier
        .map(|certificate| FormerCa {
            certificate,
            needed_until: None,
        })
        .collect()
}

/// What an end-entity certificate of ours needs. Without an issuer only what the certificate itself says is looked at.
pub(super) fn leaf(
    credential: &Credential,
    spec: &CertificateSpec,
    lifetime: Duration,
    issuer: Option<&Issuer>,
    former: &[FormerCa],
    now: Timestamp,
) -> Need {
    let Some(certificate) = credential.leaf() else {
        return Need::Issue("tls.crt holds no certificate".to_owned());
    };
    if !has_subject(&certificate, &spec.subject) {
        return Need::Issue(format!(
            "its subject is {}, expected CN={}",
            certificate.subject, spec.subject
        ));
    }
    if !has_hosts(&certificate, spec.hosts.iter().map(String::as_str)) {
        let (names, hosts) = (certificate.names().join(", "), spec.hosts.join(", "));
        return Need::Issue(format!("its names are {names}, expected {hosts}"));
    }
    if let Some(issuer) = issuer
        && !certificate.is_issued_by(issuer.certificate())
    {
        let by = issuer.certificate();
        return Need::Issue(format!(
            "it is not signed by {} (key id {})",
            by.subject,
            by.key_id()
        ));
    }
    for role in roles(spec) {
        let faults = judge(credential, &Expectation::new(role, now));
        let own = |finding: &&skupper_pki::Finding| {
            // Without an issuer there is nothing with which to mend the bundle.
            finding.severity > Severity::Note
                && (issuer.is_some() || finding.place.element != skupper_pki::judge::Element::CaCrt)
        };
        if let Some(finding) = faults.iter().find(own) {
            return Need::Issue(fault(finding));
        }
    }
    let mut until = renewal(&certificate, lifetime, issuer, now);
    if now >= until {
        return Need::Issue("two thirds of its life are over".to_owned());
    }
    let Some(issuer) = issuer else {
        return Need::Nothing {
            until: until.min(certificate.not_after),
        };
    };
    let wanted = plan::bundle(issuer.trusted(), former, now);
    if credential.trusted().ok().as_deref() != Some(&wanted) {
        return Need::Bundle(wanted);
    }
    if let Some(change) = plan::bundle_changes_at(former, now) {
        until = until.min(change);
    }
    Need::Nothing { until }
}

/// When a certificate is renewed. Not at all if a new one would not live longer: its issuer's end is the end of both.
fn renewal(
    certificate: &Certificate,
    lifetime: Duration,
    issuer: Option<&Issuer>,
    now: Timestamp,
) -> Timestamp {
    let renewal = plan::renewal(certificate);
    let Some(issuer) = issuer else { return renewal };
    let lifetime = SignedDuration::try_from(lifetime).unwrap_or(SignedDuration::MAX);
    let asked = now
        .max(renewal)
        .checked_add(lifetime)
        .unwrap_or(Timestamp::MAX);
    let end = issuer.certificate().not_after.min(asked);
    let gain = end.duration_since(certificate.not_after);
    if gain > lifetime / 20 {
        renewal
    } else {
        Timestamp::MAX
    }
}

/// Whether a certificate has a subject, given as text for the common name.
pub(super) fn has_subject(certificate: &Certificate, subject: &str) -> bool {
    let name = certificate.subject.common_name().unwrap_or_default();
    name == subject || name == common_name(subject)
}

/// Whether the names of a certificate are exactly these.
pub(super) fn has_hosts<'h>(
    certificate: &Certificate,
    hosts: impl Iterator<Item = &'h str>,
) -> bool {
    let canonical = |host: &str| match host.parse::<IpAddr>() {
        Ok(address) => address.to_string(),
        Err(_) => host.to_ascii_lowercase(),
    };
    let wanted: BTreeSet<String> = hosts
        .map(str::trim)
        .filter(|host| !host.is_empty())
        .map(canonical)
        .collect();
    let dns = certificate
        .dns_names
        .iter()
        .filter(|name| !name.is_empty())
        .map(|name| canonical(name));
    let presented: BTreeSet<String> = dns
        .chain(certificate.ip_addresses.iter().map(ToString::to_string))
        .collect();
    wanted == presented
}
