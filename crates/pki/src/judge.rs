//! The judgement of a credential: everything that is wrong with it for a role, at a time.

use std::fmt;

use jiff::Timestamp;

use crate::certificate::Certificate;
use crate::credential::Credential;
use crate::verify::{Chain, TrustBundle};

mod checks;
mod elements;
mod finding;
mod sentence;

pub use finding::{Anchor, Element, Fault, Finding, Place, PlacedCertificate, Severity};

pub(crate) use checks::{
    ca_faults, dates, extended_usage_fault, leaf_checks, name_findings, strength,
};
pub(crate) use elements::read_bundle;

/// What a credential is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Presented by the side that accepts connections.
    Server,
    /// Presented by the side that connects.
    Client,
    /// Issues other certificates.
    Ca,
    /// Only its `ca.crt` is used, to verify peers.
    TrustBundle,
}

impl Role {
    fn with_article(self) -> &'static str {
        match self {
            Self::Server => "a server",
            Self::Client => "a client",
            Self::Ca => "a CA",
            Self::TrustBundle => "a trusted CA",
        }
    }

    /// The extended key usage that the role needs.
    pub(crate) fn usage(self) -> Option<&'static str> {
        match self {
            Self::Server => Some("serverAuth"),
            Self::Client => Some("clientAuth"),
            Self::Ca | Self::TrustBundle => None,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Server => "server",
            Self::Client => "client",
            Self::Ca => "CA",
            Self::TrustBundle => "trust bundle",
        })
    }
}

/// What a credential is judged for.
#[derive(Clone, Copy, Debug)]
pub struct Expectation<'a> {
    role: Role,
    now: Timestamp,
    names: &'a [String],
    trusted_by: Option<&'a TrustBundle>,
}

impl<'a> Expectation<'a> {
    /// For a role at a time.
    pub fn new(role: Role, now: Timestamp) -> Self {
        Self {
            role,
            now,
            names: &[],
            trusted_by: None,
        }
    }

    /// Host names and addresses that a server certificate has to cover. One that it does not cover is a
    /// [`Severity::Note`]: peers may connect by another name.
    pub fn names(self, names: &'a [String]) -> Self {
        Self { names, ..self }
    }

    /// What the peer trusts, where that is known: an issuer that is not in it is then [`Severity::Unfit`]. Without it, the
    /// chain is compared with the credential's own `ca.crt`, and not being in it is only a note: that bundle is there to
    /// judge peers.
    pub fn trusted_by(self, bundle: &'a TrustBundle) -> Self {
        Self {
            trusted_by: Some(bundle),
            ..self
        }
    }
}

/// Judges a credential. Empty when everything is as it should be; the worst findings come first.
///
/// | Role | `tls.crt` | `tls.key` | `ca.crt` |
/// |---|---|---|---|
/// | [`Role::Server`], [`Role::Client`] | chain for the role | of the first certificate | CAs to judge peers by |
/// | [`Role::Ca`] | CA, then its parents | of the first certificate | optional, its root |
/// | [`Role::TrustBundle`] | not looked at | not looked at | CAs to judge peers by |
pub fn judge(credential: &Credential, expected: &Expectation<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let Expectation { role, now, .. } = *expected;

    let trusted = match role {
        Role::Ca if credential.ca_crt.is_empty() => Vec::new(),
        _ => elements::bundle(&credential.ca_crt, now, &mut findings),
    };
    if role != Role::TrustBundle {
        let chain = elements::chain(&credential.tls_crt, role, &mut findings);
        elements::key(&credential.tls_key, &chain, role, &mut findings);
        if let Some((leaf, intermediates)) = chain.split_first() {
            let presented = Chain {
                leaf,
                intermediates,
                element: Element::TlsCrt,
            };
            judge_chain(&presented, &trusted, expected, &mut findings);
        }
    }
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings
}

/// The worst severity among findings, `None` when there are none.
pub fn worst(findings: &[Finding]) -> Option<Severity> {
    findings.iter().map(|finding| finding.severity).max()
}

fn judge_chain(
    chain: &Chain<'_>,
    trusted: &[Certificate],
    expected: &Expectation<'_>,
    findings: &mut Vec<Finding>,
) {
    let Expectation {
        role,
        now,
        names,
        trusted_by,
    } = *expected;
    findings.extend(leaf_checks(chain.leaf, role, now, chain.element));
    if role == Role::Server {
        let names = name_findings(chain.leaf, names, chain.element);
        findings.extend(names.into_iter().map(|finding| finding.at(Severity::Note)));
    }
    match trusted_by {
        Some(bundle) => findings.extend(bundle.explain(chain, role, now)),
        None if trusted.is_empty() => {}
        None => {
            let own = TrustBundle::new(trusted.to_vec()).named("its own ca.crt");
            let notes = own.explain(chain, role, now).into_iter().filter(|finding| {
                // What is wrong in ca.crt itself has been said already.
                finding.place.element != Element::CaCrt
            });
            findings.extend(notes.map(|finding| match finding.place.certificate {
                // An intermediate that is wrong is wrong for every peer.
                Some(ref at) if at.position > 1 && finding.check() != "issuer" => finding,
                _ => finding.at(Severity::Note),
            }));
        }
    }
}
