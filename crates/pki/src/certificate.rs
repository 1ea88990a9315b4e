//! A certificate as plain facts (RFC 5280), read once.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use jiff::Timestamp;
use rustls_pki_types::{CertificateDer, SubjectPublicKeyInfoDer};
use sha2::{Digest, Sha256};
use thiserror::Error;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::FromDer;

use crate::der::Signed;
use crate::text;

mod name;
mod public_key;
mod usage;
mod user_id;

pub use name::Name;
pub use public_key::{PublicKey, PublicKeyKind};
pub use usage::{ExtendedUsage, KeyUsages};
pub use user_id::{UidFormatError, check_format, user_id};

/// Most names that are kept of one certificate.
const MAX_NAMES: usize = 1024;

/// A certificate that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("not an X.509 certificate that can be read: {reason}")]
pub struct CertificateError {
    /// What the parser said.
    pub reason: String,
}

/// Identifier of a key: the subject or authority key identifier of RFC 5280 §4.2.1.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(Vec<u8>);

impl KeyId {
    /// From the octets of the extension, at most 64 of which are kept.
    pub fn new(octets: &[u8]) -> Self {
        Self(octets.iter().copied().take(64).collect())
    }

    /// The octets.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text::hex(&self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// SHA-256 over the DER of a certificate: its identity.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint of a DER-encoded certificate.
    pub fn of(der: &[u8]) -> Self {
        Self(Sha256::digest(der).into())
    }

    /// The octets.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text::hex(&self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

/// Basic constraints (RFC 5280 §4.2.1.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BasicConstraints {
    /// Whether the subject is a CA.
    pub ca: bool,
    /// How many intermediate certificates may follow below.
    pub path_len: Option<u32>,
}

/// A certificate, parsed. Equal when the DER is equal.
#[derive(Clone)]
pub struct Certificate {
    der: CertificateDer<'static>,
    fingerprint: Fingerprint,
    /// X.509 version as people count: 1 or 3.
    pub version: u32,
    /// Serial number in hexadecimal.
    pub serial: String,
    /// Who the certificate is for.
    pub subject: Name,
    /// Who signed it.
    pub issuer: Name,
    /// First moment of validity.
    pub not_before: Timestamp,
    /// Last moment of validity.
    pub not_after: Timestamp,
    /// DNS subject alternative names as written.
    pub dns_names: Vec<String>,
    /// IP address subject alternative names.
    pub ip_addresses: Vec<IpAddr>,
    /// Other subject alternative names, described.
    pub other_names: Vec<String>,
    /// Key usage, when the extension is there.
    pub key_usage: Option<KeyUsages>,
    /// Extended key usage, when the extension is there.
    pub extended_usage: Option<Vec<ExtendedUsage>>,
    /// Basic constraints, when the extension is there.
    pub basic_constraints: Option<BasicConstraints>,
    /// Subject key identifier, when the extension is there.
    pub subject_key_id: Option<KeyId>,
    /// Authority key identifier, when the extension is there.
    pub authority_key_id: Option<KeyId>,
    /// The public key.
    pub public_key: PublicKey,
    /// Name of the algorithm of the signature.
    pub signature_algorithm: String,
}

impl Certificate {
    /// Reads one DER-encoded certificate; nothing may follow it.
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        let bad = |reason: &str| CertificateError {
            reason: text::escape(reason),
        };
        let (rest, parsed) =
            X509Certificate::from_der(der).map_err(|error| bad(&error.to_string()))?;
        if !rest.is_empty() {
            return Err(bad(&format!("{} bytes follow it", rest.len())));
        }
        let public_key = PublicKey::from_spki(parsed.public_key().raw)
            .ok_or_else(|| bad("its public key cannot be read"))?;
        let mut certificate = Self {
            der: CertificateDer::from(der.to_vec()),
            fingerprint: Fingerprint::of(der),
            version: parsed.version().0.saturating_add(1),
            serial: text::hex(parsed.raw_serial()),
            subject: Name::read(parsed.subject()),
            issuer: Name::read(parsed.issuer()),
            not_before: moment(parsed.validity().not_before.timestamp()),
            not_after: moment(parsed.validity().not_after.timestamp()),
            dns_names: Vec::new(),
            ip_addresses: Vec::new(),
            other_names: Vec::new(),
            key_usage: None,
            extended_usage: None,
            basic_constraints: None,
            subject_key_id: None,
            authority_key_id: None,
            public_key,
            signature_algorithm: public_key::signature_name(&parsed.signature_algorithm.algorithm),
        };
        for extension in parsed.extensions() {
            certificate.read_extension(extension.parsed_extension());
        }
        Ok(certificate)
    }

    fn read_extension(&mut self, extension: &ParsedExtension<'_>) {
        match extension {
            ParsedExtension::SubjectAlternativeName(names) => {
                for name in names.general_names.iter().take(MAX_NAMES) {
                    self.read_name(name);
                }
            }
            ParsedExtension::KeyUsage(usage) => self.key_usage = Some(KeyUsages::new(usage.flags)),
            ParsedExtension::ExtendedKeyUsage(usage) => {
                self.extended_usage = Some(ExtendedUsage::read(usage));
            }
            ParsedExtension::BasicConstraints(constraints) => {
                self.basic_constraints = Some(BasicConstraints {
                    ca: constraints.ca,
                    path_len: constraints.path_len_constraint,
                });
            }
            ParsedExtension::SubjectKeyIdentifier(id) => {
                self.subject_key_id = Some(KeyId::new(id.0));
            }
            ParsedExtension::AuthorityKeyIdentifier(id) => {
                self.authority_key_id = id.key_identifier.as_ref().map(|id| KeyId::new(id.0));
            }
            _ => {}
        }
    }

    fn read_name(&mut self, name: &GeneralName<'_>) {
        match name {
            GeneralName::DNSName(name) => self.dns_names.push((*name).to_owned()),
            GeneralName::IPAddress(octets) => match ip_address(octets) {
                Some(address) => self.ip_addresses.push(address),
                None => self
                    .other_names
                    .push(format!("IP of {} octets", octets.len())),
            },
            GeneralName::RFC822Name(name) => self.other_names.push(format!("email:{name}")),
            GeneralName::URI(name) => self.other_names.push(format!("URI:{name}")),
            GeneralName::DirectoryName(_) => self.other_names.push("a directory name".to_owned()),
            _ => self.other_names.push("a name of another kind".to_owned()),
        }
    }

    /// The DER encoding.
    pub fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    /// The certificate as one PEM block.
    pub fn to_pem(&self) -> String {
        crate::pem::encode("CERTIFICATE", &self.der)
    }

    /// SHA-256 over the DER encoding.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Whether this may sign certificates: basic constraints say CA, or it is a self-signed version 1 root, which cannot
    /// say so (webpki and OpenSSL accept such a root too).
    pub fn is_ca(&self) -> bool {
        match self.basic_constraints {
            Some(constraints) => constraints.ca,
            None => self.version == 1 && self.is_self_signed(),
        }
    }

    /// Whether key usage, where present, allows to sign certificates.
    pub fn may_sign_certificates(&self) -> bool {
        self.key_usage.is_none_or(KeyUsages::key_cert_sign)
    }

    /// Whether subject and issuer are the same and the own key made the signature.
    pub fn is_self_signed(&self) -> bool {
        self.subject == self.issuer && self.signed_by(&self.public_key).is_ok()
    }

    /// The subject key identifier, or where there is none the SHA-1 of the public key, by which RFC 5280 §4.2.1.2 (1) and
    /// openssl would have named it.
    pub fn key_id(&self) -> KeyId {
        self.subject_key_id
            .clone()
            .unwrap_or_else(|| self.public_key.key_id())
    }

    /// Whether `at` lies within the dates, both ends included.
    pub fn is_valid_at(&self, at: Timestamp) -> bool {
        self.not_before <= at && at <= self.not_after
    }

    /// Whether `issuer` bears the name of this certificate's issuer and its key made the signature.
    pub fn is_issued_by(&self, issuer: &Self) -> bool {
        self.issuer == issuer.subject && self.signed_by(&issuer.public_key).is_ok()
    }

    /// Checks the signature with a public key.
    pub(crate) fn signed_by(&self, key: &PublicKey) -> Result<(), SignatureProblem> {
        let signed = Signed::split(&self.der).ok_or(SignatureProblem::Invalid)?;
        let spki = SubjectPublicKeyInfoDer::from(key.spki());
        let key = webpki::RawPublicKeyEntity::try_from(&spki)
            .map_err(|_| SignatureProblem::Unsupported)?;
        let mut outcome = Err(SignatureProblem::Unsupported);
        for algorithm in webpki::ALL_VERIFICATION_ALGS {
            if algorithm.signature_alg_id().as_ref() != signed.algorithm {
                continue;
            }
            match key.verify_signature(*algorithm, signed.body, signed.signature) {
                Ok(()) => return Ok(()),
                Err(webpki::Error::InvalidSignatureForPublicKey) => {
                    outcome = Err(SignatureProblem::Invalid);
                }
                Err(_) => {}
            }
        }
        outcome
    }

    /// Whether the algorithm of the signature is one that TLS peers accept today (no SHA-1, no MD5).
    pub fn signature_is_supported(&self) -> bool {
        Signed::split(&self.der).is_some_and(|signed| {
            webpki::ALL_VERIFICATION_ALGS
                .iter()
                .any(|algorithm| algorithm.signature_alg_id().as_ref() == signed.algorithm)
        })
    }

    /// Every subject alternative name as text, DNS names first.
    pub fn names(&self) -> Vec<String> {
        let dns = self.dns_names.iter().map(|name| text::escape(name));
        let ip = self
            .ip_addresses
            .iter()
            .map(|address| format!("IP:{address}"));
        let other = self.other_names.iter().map(|name| text::escape(name));
        dns.chain(ip).chain(other).collect()
    }
}

/// Why a signature could not be confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignatureProblem {
    /// Made by another key, or over other content.
    Invalid,
    /// Of an algorithm that is not supported, or not for this kind of key.
    Unsupported,
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

impl Eq for Certificate {}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({self})")
    }
}

impl fmt::Display for Certificate {
    /// One line: `CN=x issued by CN=y, valid 2026-…Z to 2031-…Z, names a, IP:b, ECDSA P-256, SHA-256 0a1b…`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} issued by {}, valid {} to {}, names {}, {}, SHA-256 {}",
            self.subject,
            self.issuer,
            text::moment(self.not_before),
            text::moment(self.not_after),
            text::list(&self.names()),
            self.public_key,
            self.fingerprint,
        )
    }
}

/// Reads the certificates of a PEM text, failing on the first problem. For a report of every problem use
/// [`judge`](crate::judge::judge).
pub fn read_pem(pem: &[u8]) -> Result<Vec<Certificate>, CertificateError> {
    let mut found = Vec::new();
    for block in crate::pem::blocks(pem) {
        let block = block.map_err(|error| CertificateError {
            reason: error.to_string(),
        })?;
        if is_certificate_label(&block.label) {
            found.push(Certificate::from_der(&block.der)?);
        }
    }
    Ok(found)
}

/// Concatenates certificates as PEM, as for `tls.crt` and `ca.crt`.
pub fn write_pem<'a>(certificates: impl IntoIterator<Item = &'a Certificate>) -> String {
    certificates.into_iter().map(Certificate::to_pem).collect()
}

/// The labels under which certificates are written: that of RFC 7468, and an older one that OpenSSL reads too.
pub(crate) fn is_certificate_label(label: &str) -> bool {
    matches!(label, "CERTIFICATE" | "X509 CERTIFICATE")
}

fn ip_address(octets: &[u8]) -> Option<IpAddr> {
    if let Ok(v4) = <[u8; 4]>::try_from(octets) {
        return Some(Ipv4Addr::from(v4).into());
    }
    <[u8; 16]>::try_from(octets)
        .ok()
        .map(|v6| Ipv6Addr::from(v6).into())
}

/// Dates beyond what a timestamp holds (99991231235959Z, RFC 5280 §4.1.2.5: no end) become its last moment.
fn moment(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap_or(if seconds < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    })
}
