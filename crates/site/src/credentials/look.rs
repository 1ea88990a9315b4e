//! One Secret, looked at for one use.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Secret;
use skupper_pki::judge::{Anchor, Element, Fault, Severity};
use skupper_pki::{Certificate, Credential, Expectation, Finding, Role, TrustBundle, judge};

use super::sentence::fault;
use crate::names::CA_CRT;
use crate::pass::Pass;

/// What a Secret is used for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Use {
    /// By a router that accepts links.
    LinkServer {
        /// The names that remote sites are told to connect to.
        names: Vec<String>,
        /// The Secret with the CA that signs this site's client credentials.
        client_issuer: String,
    },
    /// By a router that links to another site.
    LinkClient,
    /// By a Listener, towards clients in this cluster.
    ServiceServer,
    /// By a Connector that presents a certificate.
    ServiceClient,
    /// By a Connector that does not: only its `ca.crt`.
    Trust,
}

impl Use {
    fn role(&self) -> Role {
        match self {
            Use::LinkServer { .. } | Use::ServiceServer => Role::Server,
            Use::LinkClient | Use::ServiceClient => Role::Client,
            Use::Trust => Role::TrustBundle,
        }
    }
}

/// How a Secret looks.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Look {
    /// There is no such Secret.
    absent: bool,
    /// It is of a type that holds no credential for TLS.
    wrong_type: Option<String>,
    /// Why the router cannot load it.
    unloadable: Vec<String>,
    /// Why peers refuse it, or are refused because of it.
    pub(crate) unfit: Vec<String>,
    /// What may go wrong with some peers.
    pub(crate) notes: Vec<String>,
    /// When the first of its certificates ends.
    pub(crate) not_after: Option<Timestamp>,
}

impl Look {
    /// Whether there is no such Secret.
    pub(crate) fn is_missing(&self) -> bool {
        self.absent
    }

    /// Whether the router can load it.
    pub(crate) fn is_loadable(&self) -> bool {
        !self.absent && self.wrong_type.is_none() && self.unloadable.is_empty()
    }

    /// Why the router cannot load it.
    pub(crate) fn problem(&self, secret: &str) -> Option<String> {
        if self.absent {
            return Some(format!("TLS credentials secret \"{secret}\" not found"));
        }
        if let Some(type_) = &self.wrong_type {
            return Some(format!(
                "TLS credentials secret \"{secret}\" has unsupported type {type_}: expected kubernetes.io/tls or Opaque"
            ));
        }
        (!self.unloadable.is_empty()).then(|| {
            format!(
                "TLS credentials secret \"{secret}\" cannot be used: {}",
                super::join(&self.unloadable)
            )
        })
    }
}

/// A judgement that holds until the Secret (or the issuer's) changes, or the time comes.
#[derive(Clone, Debug)]
pub(crate) struct Remembered {
    revisions: [String; 2],
    from: Timestamp,
    until: Timestamp,
    look: Look,
}

/// What tells one revision of a Secret from another.
pub(crate) fn revision(secret: &Secret) -> String {
    match (&secret.metadata.uid, &secret.metadata.resource_version) {
        (Some(uid), Some(version)) => format!("{uid}/{version}"),
        _ => of_secret(secret).fingerprint(),
    }
}

/// The three elements of a Secret.
pub(crate) fn of_secret(secret: &Secret) -> Credential {
    Credential::from_data(|key| {
        secret
            .data
            .as_ref()?
            .get(key)
            .map(|value| value.0.as_slice())
    })
}

/// Looks at a Secret, or remembers how it looked.
pub(crate) fn look(pass: &mut Pass<'_>, name: &str, used: &Use) -> Look {
    let Some(secret) = pass.secret(name) else {
        return Look {
            absent: true,
            ..Look::default()
        };
    };
    let issuer = match used {
        Use::LinkServer { client_issuer, .. } => pass.secret(client_issuer),
        _ => None,
    };
    let revisions = [revision(secret), issuer.map(revision).unwrap_or_default()];
    let key = (name.to_owned(), used.clone());
    if let Some(known) = pass.memo.looks.get(&key)
        && known.revisions == revisions
        && (known.from..known.until).contains(&pass.now)
    {
        return known.look.clone();
    }
    let (look, until) = judge_secret(secret, issuer, used, pass.now);
    let remembered = Remembered {
        revisions,
        from: pass.now,
        until,
        look: look.clone(),
    };
    pass.memo.looks.insert(key, remembered);
    look
}

fn judge_secret(
    secret: &Secret,
    issuer: Option<&Secret>,
    used: &Use,
    now: Timestamp,
) -> (Look, Timestamp) {
    let mut look = Look {
        wrong_type: wrong_type(secret),
        ..Look::default()
    };
    if look.wrong_type.is_some() {
        return (look, Timestamp::MAX);
    }
    let credential = of_secret(secret);
    let names: &[String] = if let Use::LinkServer { names, .. } = used {
        names
    } else {
        &[]
    };
    for finding in judge(
        &credential,
        &Expectation::new(used.role(), now).names(names),
    ) {
        let sentence = fault(&finding);
        match finding.severity {
            Severity::Unloadable => look.unloadable.push(sentence),
            Severity::Unfit => look.unfit.push(sentence),
            Severity::Note if concerns(used, &finding) => look.notes.push(sentence),
            Severity::Note => {}
        }
    }
    for sentences in [&mut look.unloadable, &mut look.unfit, &mut look.notes] {
        super::few(sentences);
    }
    let mut certificates = credential.chain().unwrap_or_default();
    look.not_after = certificates
        .iter()
        .map(|certificate| certificate.not_after)
        .min();
    certificates.extend(credential.trusted().unwrap_or_default());
    if let (Use::LinkServer { client_issuer, .. }, Some(issuer)) = (used, issuer) {
        let issuing = of_secret(issuer).chain().unwrap_or_default();
        look.notes
            .extend(untrusted_issuer(&credential, client_issuer, &issuing, now));
        certificates.extend(issuing);
    }
    (look, edge_of(certificates.iter(), now))
}

/// Whether a note is worth telling for a use.
fn concerns(used: &Use, finding: &Finding) -> bool {
    match used {
        // That the server's own certificate does not chain to its `ca.crt` matters to nobody but the routers of a site with
        // high availability: the bundle is there to judge clients.
        Use::LinkServer { .. } => {
            finding.check() != "issuer" || finding.place.element == Element::CaCrt
        }
        Use::LinkClient => {
            !matches!(finding.fault, Fault::NoNames { .. }) && finding.check() != "issuer"
        }
        Use::ServiceServer | Use::ServiceClient | Use::Trust => false,
    }
}

/// That `ca.crt` of a server does not trust the CA that signs this site's client credentials.
pub(crate) fn untrusted_issuer(
    server: &Credential,
    name: &str,
    issuing: &[Certificate],
    now: Timestamp,
) -> Option<String> {
    let (issuer, parents) = issuing.split_first()?;
    let bundle = TrustBundle::new(server.trusted().ok()?);
    let findings = bundle.judge_issuer(issuer, parents, Role::Client, now);
    let why = findings
        .iter()
        .find(|finding| finding.severity > Severity::Note)?;
    let why = match why.check() {
        "issuer" => {
            let listed: Vec<String> = bundle.anchors().iter().map(Anchor::to_string).collect();
            format!(
                "{CA_CRT} lists {}, not {}",
                listed.join(", "),
                Anchor::of(issuer)
            )
        }
        _ => fault(why),
    };
    Some(format!(
        "the CA in Secret {name}, which signs client credentials of this site, is not trusted here: {why}. Add its certificate \
         to {CA_CRT}, or hand out client credentials from a CA that is there"
    ))
}

/// The type of a Secret that holds no credential.
fn wrong_type(secret: &Secret) -> Option<String> {
    match secret.type_.as_deref().unwrap_or_default() {
        "" | "Opaque" | "kubernetes.io/tls" => None,
        other => Some(other.to_owned()),
    }
}

/// The next time at which a certificate of a credential begins, or has ended.
pub(crate) fn next_edge(credential: &Credential, now: Timestamp) -> Timestamp {
    let chain = credential.chain().unwrap_or_default();
    edge_of(
        chain
            .iter()
            .chain(&credential.trusted().unwrap_or_default()),
        now,
    )
}

fn edge_of<'c>(certificates: impl Iterator<Item = &'c Certificate>, now: Timestamp) -> Timestamp {
    let after = |at: Timestamp| {
        at.checked_add(SignedDuration::from_secs(1))
            .unwrap_or(Timestamp::MAX)
    };
    let edges =
        certificates.flat_map(|certificate| [certificate.not_before, after(certificate.not_after)]);
    edges
        .filter(|edge| *edge > now)
        .min()
        .unwrap_or(Timestamp::MAX)
}
