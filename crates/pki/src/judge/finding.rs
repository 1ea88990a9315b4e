//! What can be wrong with a credential: typed, with expected and presented values.

use std::fmt;

use jiff::Timestamp;

use super::Role;
use crate::certificate::{Certificate, KeyId, Name, PublicKey};
use crate::key::KeyError;
use crate::pem::PemProblem;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// It works; a reader should know.
    Note,
    /// It can be loaded, but peers refuse it, or it makes us refuse every peer.
    Unfit,
    /// It cannot be loaded at all.
    Unloadable,
}

/// Which of the texts a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Element {
    /// `tls.crt`.
    TlsCrt,
    /// `tls.key`.
    TlsKey,
    /// `ca.crt`.
    CaCrt,
    /// The chain that a peer presented in a handshake.
    Presented,
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TlsCrt => crate::credential::TLS_CRT,
            Self::TlsKey => crate::credential::TLS_KEY,
            Self::CaCrt => crate::credential::CA_CRT,
            Self::Presented => "the chain presented",
        })
    }
}

/// Where a finding was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The text.
    pub element: Element,
    /// The certificate in it, when the finding is about one.
    pub certificate: Option<PlacedCertificate>,
}

/// A certificate by its position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlacedCertificate {
    /// Position in the element, from 1.
    pub position: usize,
    /// Its subject.
    pub subject: Name,
    /// Identifier of its key.
    pub key_id: KeyId,
}

impl Place {
    /// An element as a whole.
    pub fn element(element: Element) -> Self {
        let certificate = None;
        Self {
            element,
            certificate,
        }
    }

    /// The certificate at `position` (from 1) of an element.
    pub fn certificate(element: Element, position: usize, certificate: &Certificate) -> Self {
        Self {
            element,
            certificate: Some(PlacedCertificate {
                position,
                subject: certificate.subject.clone(),
                key_id: certificate.key_id(),
            }),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(PlacedCertificate {
            position, subject, ..
        }) = &self.certificate
        else {
            return self.element.fmt(f);
        };
        match (self.element, position) {
            (Element::TlsCrt, 1) => write!(f, "the certificate in tls.crt ({subject})"),
            (Element::Presented, 1) => write!(f, "the certificate presented ({subject})"),
            (element, position) => write!(f, "certificate {position} of {element} ({subject})"),
        }
    }
}

/// A CA that is trusted, as far as it tells one from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// Its subject.
    pub subject: Name,
    /// Identifier of its key.
    pub key_id: KeyId,
    /// Its last moment.
    pub not_after: Timestamp,
}

impl Anchor {
    /// The anchor that a certificate is.
    pub fn of(certificate: &Certificate) -> Self {
        Self {
            subject: certificate.subject.clone(),
            key_id: certificate.key_id(),
            not_after: certificate.not_after,
        }
    }
}

impl fmt::Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (key id {})", self.subject, self.key_id)
    }
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// An element is absent or empty.
    Missing {
        /// What should stand there.
        expected: &'static str,
    },
    /// An element is not PEM.
    NotPem {
        /// Line of the problem.
        line: usize,
        /// The problem.
        problem: PemProblem,
    },
    /// A `CERTIFICATE` block that is no certificate.
    NotCertificate {
        /// Line of the block, or position in the chain presented.
        line: usize,
        /// What the parser said.
        reason: String,
    },
    /// There are blocks, none of which is a certificate.
    NoCertificate {
        /// Labels of the blocks found.
        presented: Vec<String>,
    },
    /// A block that has no business there and is ignored.
    UnexpectedBlock {
        /// Line of the block.
        line: usize,
        /// Its label.
        presented: String,
    },
    /// More certificates than are looked at.
    TooMany {
        /// How many there are.
        presented: usize,
        /// How many are allowed.
        expected: usize,
    },
    /// The private key cannot be loaded.
    Key(KeyError),
    /// The private key belongs to none of the certificates.
    KeyMismatch {
        /// The key that the first certificate is for.
        expected: PublicKey,
        /// The key found.
        presented: PublicKey,
    },
    /// The private key belongs to a certificate that is not the first.
    LeafNotFirst {
        /// Position of the certificate that it belongs to, from 1.
        position: usize,
        /// Subject of that certificate.
        subject: Name,
    },
    /// The dates lie in the future.
    NotYetValid {
        /// First moment of validity.
        not_before: Timestamp,
        /// The time of the judgement.
        now: Timestamp,
    },
    /// The dates lie in the past.
    Expired {
        /// Last moment of validity.
        not_after: Timestamp,
        /// The time of the judgement.
        now: Timestamp,
    },
    /// A server certificate without subject alternative names. The common name is not looked at (RFC 9525).
    NoNames {
        /// The names that have to be covered.
        expected: Vec<String>,
        /// The common name, for the reader.
        common_name: Option<String>,
    },
    /// A name that has to be covered is not among the subject alternative names.
    NameNotCovered {
        /// The name that has to be covered.
        expected: String,
        /// The names listed.
        presented: Vec<String>,
    },
    /// The issuer is not among the trusted CAs, nor reached by intermediates.
    UnknownIssuer {
        /// Name of the issuer.
        issuer: Name,
        /// Identifier of the issuer's key, when the certificate says.
        key_id: Option<KeyId>,
        /// Whether the certificate is its own issuer.
        self_signed: bool,
        /// The CAs that are trusted.
        expected: Vec<Anchor>,
        /// What the set of trusted CAs is called, such as `ca.crt`.
        bundle: String,
    },
    /// A CA of the issuer's name is there, with another key.
    IssuerKeyDiffers {
        /// The name that both have.
        issuer: Name,
        /// Identifier of the key that signed, when the certificate says.
        key_id: Option<KeyId>,
        /// Identifiers of the keys of that name that are known.
        expected: Vec<KeyId>,
        /// Where those were found, such as `ca.crt`.
        bundle: String,
    },
    /// Name and key identifier are right, the signature is not.
    BadSignature {
        /// Name of the issuer.
        issuer: Name,
        /// Identifier of the issuer's key.
        key_id: KeyId,
    },
    /// A usage is missing from key usage or extended key usage.
    UsageMissing {
        /// The usage that the role needs.
        expected: &'static str,
        /// The usages listed.
        presented: Vec<String>,
    },
    /// A CA certificate where an end-entity certificate belongs.
    CaAsLeaf {
        /// The role it should play.
        expected: Role,
    },
    /// A certificate that is no CA where one belongs.
    LeafAsCa {
        /// What its basic constraints say.
        presented: &'static str,
    },
    /// A key that peers refuse for its size or kind.
    WeakKey {
        /// The key.
        presented: PublicKey,
    },
    /// A signature algorithm that peers refuse.
    WeakSignature {
        /// Name of the algorithm.
        presented: String,
    },
    /// A version 1 certificate, which cannot carry names, usages or basic constraints.
    Version1,
    /// Trusted CAs none of which reaches a self-signed root. Peers built on OpenSSL, as upstream's router, do not accept
    /// an intermediate CA as the end of a chain.
    NoRoot {
        /// Issuer of the last CA in the bundle.
        issuer: Name,
    },
    /// The path breaks another rule of RFC 5280.
    Path {
        /// Which, in words.
        reason: String,
    },
}

/// One thing that is wrong, or worth knowing, about a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// Where.
    pub place: Place,
    /// What.
    pub fault: Fault,
}

impl Finding {
    pub(crate) fn new(severity: Severity, place: Place, fault: Fault) -> Self {
        Self {
            severity,
            place,
            fault,
        }
    }

    /// The same with another severity.
    pub(crate) fn at(self, severity: Severity) -> Self {
        Self { severity, ..self }
    }
}

impl std::error::Error for Finding {}
