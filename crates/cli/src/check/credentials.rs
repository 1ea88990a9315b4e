//! The judgement of each Secret for each of its uses.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Secret;
use skupper_pki::issue::Issuer;
use skupper_pki::judge::{Element, Fault, Severity};
use skupper_pki::{Expectation, Finding, Role, TrustBundle, judge};

use super::report::{Advice, Item, ends, near_end};
use super::uses::{Objects, Relation, Use, issuer};
use crate::secret::{credential, type_problem};
use crate::site::{name_of, summary};

/// The Secrets of the namespace by name, as far as they are used.
pub(crate) type Secrets = BTreeMap<String, Secret>;

/// How a judgement is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) now: Timestamp,
    pub(crate) fail_within: Option<SignedDuration>,
}

/// Judges each use.
pub(crate) fn judge_all(
    uses: &[Use],
    objects: &Objects,
    secrets: &Secrets,
    terms: Terms,
) -> Vec<Item> {
    let bundles: Vec<TrustBundle> = uses
        .iter()
        .filter(|used| used.relation == Relation::JudgesLinks)
        .filter_map(|used| bundle(&used.secret, secrets))
        .collect();
    let one = |used: &Use| judge_use(used, objects, secrets, &bundles, terms);
    uses.iter().map(one).collect()
}

fn judge_use(
    used: &Use,
    objects: &Objects,
    secrets: &Secrets,
    bundles: &[TrustBundle],
    terms: Terms,
) -> Item {
    let mut item = Item {
        title: format!("Secret {} ({})", used.secret, used.purpose),
        ..Item::default()
    };
    let Some(secret) = secrets.get(&used.secret) else {
        let remedy = match complaint(&used.secret, objects) {
            Some(message) => format!("Certificate {} says: {message}", used.secret),
            None => "make it, with tls.crt, tls.key and ca.crt, or let the controller issue it"
                .to_owned(),
        };
        item.faults.push(Advice::new(
            format!("there is no Secret {}", used.secret),
            remedy,
        ));
        return item;
    };
    if let Some(problem) = type_problem(secret) {
        item.faults.push(Advice::new(
            format!("Secret {} {problem}", used.secret),
            "delete it and make it again with one of these types",
        ));
        return item;
    }
    let credential = credential(secret);
    let mut expectation = Expectation::new(used.role, terms.now).names(&used.names);
    // Two of this site's own servers may judge it: the first that would refuse speaks.
    if used.relation == Relation::HandedOut
        && let Some(bundle) = bundles.first()
    {
        let refuses = |bundle: &&TrustBundle| {
            let findings = judge(
                &credential,
                &Expectation::new(used.role, terms.now).trusted_by(bundle),
            );
            findings
                .iter()
                .any(|finding| finding.severity > Severity::Note)
        };
        expectation = expectation.trusted_by(bundles.iter().find(refuses).unwrap_or(bundle));
    }
    for finding in judge(&credential, &expectation) {
        add(&mut item, &finding, used.role);
    }
    if used.relation == Relation::JudgesLinks {
        trusts_issuers(&mut item, used, objects, secrets, terms.now);
    }
    let shown = match used.role {
        Role::TrustBundle => credential.trusted().unwrap_or_default().into_iter().next(),
        _ => credential.leaf(),
    };
    if let Some(certificate) = shown {
        item.title = format!(
            "{}: {}, {}",
            item.title,
            certificate.subject,
            ends(certificate.not_after, terms.now)
        );
        near_end(
            &mut item,
            certificate.not_after,
            terms.now,
            terms.fail_within,
        );
    }
    item
}

/// Why the Certificate of that name has not been issued, if there is one and it says.
fn complaint<'a>(name: &str, objects: &'a Objects) -> Option<&'a str> {
    let mut certificates = objects.certificates.iter();
    let certificate = certificates.find(|certificate| name_of(*certificate) == name)?;
    let (_, message) = summary(certificate);
    Some(message).filter(|message| !message.is_empty())
}

fn add(item: &mut Item, finding: &Finding, role: Role) {
    // A CA without its key is there to be trusted; that it cannot issue is worth a note.
    let only_trusted = role == Role::Ca
        && finding.place.element == Element::TlsKey
        && matches!(finding.fault, Fault::Missing { .. });
    let advice = Advice::new(finding.to_string(), finding.remedy());
    match finding.severity {
        Severity::Note => item.notes.push(advice),
        _ if only_trusted => item.notes.push(advice),
        _ => item.faults.push(advice),
    }
}

/// Whether the `ca.crt` by which this site judges others trusts the CA from which it hands out credentials.
fn trusts_issuers(
    item: &mut Item,
    used: &Use,
    objects: &Objects,
    secrets: &Secrets,
    now: Timestamp,
) {
    let Some(bundle) = bundle(&used.secret, secrets) else {
        return;
    };
    for site in &objects.sites {
        let name = issuer(site);
        let Some(secret) = secrets.get(name) else {
            continue;
        };
        let Ok(ca) = Issuer::load(&credential(secret), now) else {
            continue;
        };
        let findings = bundle.judge_issuer(ca.certificate(), ca.parents(), Role::Client, now);
        if let Some(first) = findings.first() {
            item.faults.push(Advice::new(
                format!(
                    "{} does not trust the CA in Secret {name} ({}, key id {}), which signs link credentials: {}",
                    bundle.name(),
                    ca.certificate().subject,
                    ca.certificate().key_id(),
                    match first.check() {
                        "issuer" => "sites that link with them are refused".to_owned(),
                        _ => first.to_string(),
                    },
                ),
                format!(
                    "add the certificate of Secret {name} to {}, or hand out credentials from a CA that is there",
                    bundle.name()
                ),
            ));
        }
    }
}

fn bundle(name: &str, secrets: &Secrets) -> Option<TrustBundle> {
    let bundle = TrustBundle::from_pem(&credential(secrets.get(name)?).ca_crt).ok()?;
    Some(bundle.named(format!("ca.crt of Secret {name}")))
}
