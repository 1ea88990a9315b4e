//! Issuing certificates: CAs, and what they sign.

use jiff::{SignedDuration, Timestamp};
use thiserror::Error;

use crate::certificate::{self, Certificate};
use crate::credential::Credential;
use crate::judge::{Expectation, Finding, Role, Severity, judge};
use crate::key::{KeyAlgorithm, KeyError, PrivateKey};

mod sign;
mod subject;

pub use subject::common_name;

/// Certificates begin a little before they are made, so that a peer whose clock is behind accepts them.
const BACKDATE: SignedDuration = SignedDuration::from_mins(5);

/// A certificate that cannot be issued.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum IssueError {
    /// The CA cannot issue.
    #[error("the CA cannot issue: {}", .findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Issuer {
        /// Why not; never empty.
        findings: Vec<Finding>,
    },
    /// A CA that is not self-signed can be renewed by its own issuer only.
    #[error(
        "the CA {subject} was issued by {issuer}: expected a self-signed CA, which renews itself"
    )]
    NotSelfSigned {
        /// The CA.
        subject: String,
        /// Who issued it.
        issuer: String,
    },
    /// A host that cannot stand in a certificate.
    #[error(
        "the host {host:?} cannot stand in a certificate: expected ASCII characters, an internationalised name as punycode"
    )]
    Host {
        /// The host, escaped.
        host: String,
    },
    /// Neither server nor client.
    #[error("a certificate for no usage: expected server, client or both")]
    NoUsage,
    /// A lifetime that is not positive, or ends after the year 9999.
    #[error("the lifetime of {seconds} seconds ends at no date that a certificate can hold")]
    Lifetime {
        /// The lifetime asked for.
        seconds: i64,
    },
    /// The key could not be made.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The library failed.
    #[error("the certificate could not be made: {0}")]
    Library(String),
}

/// A CA to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaRequest {
    /// Text for the common name; see [`common_name`] on long ones.
    pub subject: String,
    /// From now.
    pub lifetime: SignedDuration,
    /// Kind of key.
    pub algorithm: KeyAlgorithm,
}

/// An end-entity certificate to be issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeafRequest {
    /// Text for the common name; see [`common_name`] on long ones.
    pub subject: String,
    /// Subject alternative names. An address becomes an IP name *and* a DNS name of the same text, because upstream's router
    /// reads DNS names only. Blanks around, empty ones and repetitions are dropped.
    pub hosts: Vec<String>,
    /// To be presented by the side that accepts connections.
    pub server: bool,
    /// To be presented by the side that connects.
    pub client: bool,
    /// From now; cut to the end of the issuer, beyond which nobody would accept it.
    pub lifetime: SignedDuration,
    /// Kind of key.
    pub algorithm: KeyAlgorithm,
}

/// A certificate just issued, with its key.
#[derive(Clone, Debug)]
pub struct Issued {
    /// The certificate.
    pub certificate: Certificate,
    /// Its key.
    pub key: PrivateKey,
    /// Intermediates to send along, if the issuer is no root.
    pub parents: Vec<Certificate>,
    /// What `ca.crt` has to hold so that the issuer is trusted.
    pub trusted: Vec<Certificate>,
}

impl Issued {
    /// The three elements of a Secret.
    pub fn credential(&self) -> Credential {
        self.credential_trusting(&self.trusted)
    }

    /// The three elements of a Secret, with another `ca.crt`: for instance the one composed by
    /// [`plan::bundle`](crate::plan::bundle).
    pub fn credential_trusting(&self, trusted: &[Certificate]) -> Credential {
        let chain = std::iter::once(&self.certificate).chain(&self.parents);
        Credential {
            tls_crt: certificate::write_pem(chain).into_bytes(),
            tls_key: self.key.to_pem().into_bytes(),
            ca_crt: certificate::write_pem(trusted).into_bytes(),
        }
    }
}

/// Makes a self-signed CA.
pub fn issue_ca(request: &CaRequest, now: Timestamp) -> Result<Issued, IssueError> {
    let key = PrivateKey::generate(request.algorithm)?;
    let dates = Dates::new(request.lifetime, now, None)?;
    let certificate = sign::ca(&subject::common_name(&request.subject), &key, dates)?;
    Ok(Issued {
        key,
        parents: Vec::new(),
        trusted: vec![certificate.clone()],
        certificate,
    })
}

/// A CA that is ready to issue.
#[derive(Clone, Debug)]
pub struct Issuer {
    chain: Vec<Certificate>,
    key: PrivateKey,
    trusted: Vec<Certificate>,
}

impl Issuer {
    /// Loads a CA from its Secret: `tls.crt` holds the CA's certificate first, then its parents if it is an intermediate one;
    /// `ca.crt`, if it is there, the root. The error holds everything that keeps it from issuing at `now`.
    pub fn load(credential: &Credential, now: Timestamp) -> Result<Self, IssueError> {
        let findings: Vec<Finding> = judge(credential, &Expectation::new(Role::Ca, now))
            .into_iter()
            .filter(|finding| finding.severity > Severity::Note)
            .collect();
        if !findings.is_empty() {
            return Err(IssueError::Issuer { findings });
        }
        let library = |error: certificate::CertificateError| IssueError::Library(error.to_string());
        let chain = credential.chain().map_err(library)?;
        let root = match credential.ca_crt.is_empty() {
            true => Vec::new(),
            false => credential.trusted().map_err(library)?,
        };
        let key = credential.key()?;
        let trusted = trusted_for(&chain, root, now);
        Ok(Self {
            chain,
            key,
            trusted,
        })
    }

    /// The CA just made by [`issue_ca`].
    pub fn of(issued: &Issued) -> Self {
        let chain = std::iter::once(&issued.certificate).chain(&issued.parents);
        Self {
            chain: chain.cloned().collect(),
            key: issued.key.clone(),
            trusted: issued.trusted.clone(),
        }
    }

    /// The CA's own certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.chain[0]
    }

    /// The certificates above it, as far as they were given.
    pub fn parents(&self) -> &[Certificate] {
        &self.chain[1..]
    }

    /// What `ca.crt` has to hold so that this CA is trusted.
    pub fn trusted(&self) -> &[Certificate] {
        &self.trusted
    }

    /// Issues an end-entity certificate with a new key.
    pub fn issue(&self, request: &LeafRequest, now: Timestamp) -> Result<Issued, IssueError> {
        if !request.server && !request.client {
            return Err(IssueError::NoUsage);
        }
        let end = self.chain.iter().map(|ca| ca.not_after).min();
        let dates = Dates::new(request.lifetime, now, end)?;
        let key = PrivateKey::generate(request.algorithm)?;
        let certificate = sign::leaf(self, request, &key, dates)?;
        let is_root = |ca: &&Certificate| ca.subject == ca.issuer;
        Ok(Issued {
            certificate,
            key,
            parents: self
                .chain
                .iter()
                .take_while(|ca| !is_root(ca))
                .cloned()
                .collect(),
            trusted: self.trusted.clone(),
        })
    }

    /// Renews a self-signed CA: same subject, same key, same key identifier, new dates. Everything that was ever signed with
    /// the key verifies with the new certificate, and what is signed from now on verifies with the old one to its end.
    pub fn renew(&self, lifetime: SignedDuration, now: Timestamp) -> Result<Issued, IssueError> {
        let old = self.certificate();
        if old.subject != old.issuer {
            return Err(IssueError::NotSelfSigned {
                subject: old.subject.to_string(),
                issuer: old.issuer.to_string(),
            });
        }
        let dates = Dates::new(lifetime, now, None)?;
        let certificate = sign::renewed_ca(old, &self.key, dates)?;
        Ok(Issued {
            key: self.key.clone(),
            parents: Vec::new(),
            trusted: vec![certificate.clone()],
            certificate,
        })
    }
}

/// `ca.crt` of what a CA issues: the CA Secret's own `ca.crt` if it leads to the signer, else the signer's `tls.crt`.
fn trusted_for(chain: &[Certificate], root: Vec<Certificate>, now: Timestamp) -> Vec<Certificate> {
    let Some((signer, parents)) = chain.split_first() else {
        return root;
    };
    let bundle = crate::verify::TrustBundle::new(root.clone());
    match !root.is_empty()
        && bundle
            .judge_issuer(signer, parents, Role::Client, now)
            .is_empty()
    {
        true => root,
        false => chain.to_vec(),
    }
}

/// First and last moment of a certificate to be made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dates {
    not_before: Timestamp,
    not_after: Timestamp,
}

impl Dates {
    fn new(
        lifetime: SignedDuration,
        now: Timestamp,
        end: Option<Timestamp>,
    ) -> Result<Self, IssueError> {
        let bad = || IssueError::Lifetime {
            seconds: lifetime.as_secs(),
        };
        if lifetime < SignedDuration::from_secs(1) {
            return Err(bad());
        }
        // A short life, as in tests, must not be mostly past: renewal goes by parts of it.
        let backdate = BACKDATE.min(lifetime / 20);
        let asked = now.checked_add(lifetime).map_err(|_| bad())?;
        Ok(Self {
            not_before: now.checked_sub(backdate).map_err(|_| bad())?,
            not_after: end.map_or(asked, |end| end.min(asked)),
        })
    }
}
