//! Public keys: kind, size, identity.

use std::fmt;

use aws_lc_rs::digest;
use x509_parser::asn1_rs::{Oid, oid};
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey as ParsedKey;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::KeyId;
use crate::der;

/// Kind and size of a public key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublicKeyKind {
    /// RSA with so many bits.
    Rsa {
        /// Length of the modulus in bits.
        bits: usize,
    },
    /// ECDSA on a named curve.
    Ecdsa {
        /// Name of the curve, such as `P-256`, or its object identifier.
        curve: String,
    },
    /// Ed25519.
    Ed25519,
    /// Another kind, by object identifier.
    Other(String),
}

impl fmt::Display for PublicKeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rsa { bits } => write!(f, "RSA {bits} bits"),
            Self::Ecdsa { curve } => write!(f, "ECDSA {curve}"),
            Self::Ed25519 => f.write_str("Ed25519"),
            Self::Other(oid) => write!(f, "key of kind {oid}"),
        }
    }
}

/// A public key. Equal when the key itself is equal, however its algorithm is written.
#[derive(Clone)]
pub struct PublicKey {
    spki: Vec<u8>,
    bits: Vec<u8>,
    kind: PublicKeyKind,
}

impl PublicKey {
    /// Reads a DER-encoded SubjectPublicKeyInfo.
    pub(crate) fn from_spki(der: &[u8]) -> Option<Self> {
        let (_, spki) = SubjectPublicKeyInfo::from_der(der).ok()?;
        Some(Self {
            spki: der.to_vec(),
            bits: spki.subject_public_key.data.to_vec(),
            kind: kind(&spki),
        })
    }

    /// Kind and size.
    pub fn kind(&self) -> &PublicKeyKind {
        &self.kind
    }

    /// DER encoding of SubjectPublicKeyInfo.
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// SHA-1 of the key bits: method 1 of RFC 5280 §4.2.1.2, by which two keys under one name are told apart.
    pub fn key_id(&self) -> KeyId {
        KeyId::new(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &self.bits).as_ref())
    }

    /// Whether peers accept a key of this kind and size.
    pub fn is_strong(&self) -> bool {
        match &self.kind {
            PublicKeyKind::Rsa { bits } => (2048..=8192).contains(bits),
            PublicKeyKind::Ecdsa { curve } => {
                matches!(curve.as_str(), "P-256" | "P-384" | "P-521")
            }
            PublicKeyKind::Ed25519 => true,
            PublicKeyKind::Other(_) => false,
        }
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.bits == other.bits && self.kind == other.kind
    }
}

impl Eq for PublicKey {}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({}, {})", self.kind, self.key_id())
    }
}

const RSA: Oid<'static> = oid!(1.2.840.113549.1.1.1);
const EC: Oid<'static> = oid!(1.2.840.10045.2.1);
const ED25519: Oid<'static> = oid!(1.3.101.112);

fn kind(spki: &SubjectPublicKeyInfo<'_>) -> PublicKeyKind {
    let algorithm = &spki.algorithm.algorithm;
    if *algorithm == EC {
        let parameters = spki.algorithm.parameters.as_ref();
        let curve = parameters.and_then(|any| any.as_oid().ok());
        return PublicKeyKind::Ecdsa {
            curve: curve.map_or_else(
                || "of explicit parameters".to_owned(),
                |oid| curve_name(&oid),
            ),
        };
    }
    if *algorithm == ED25519 {
        return PublicKeyKind::Ed25519;
    }
    match (*algorithm == RSA).then(|| spki.parsed()) {
        Some(Ok(ParsedKey::RSA(key))) => PublicKeyKind::Rsa {
            bits: der::bits(key.modulus),
        },
        _ => PublicKeyKind::Other(algorithm.to_id_string()),
    }
}

fn curve_name(oid: &Oid<'_>) -> String {
    let id = oid.to_id_string();
    match id.as_str() {
        "1.2.840.10045.3.1.7" => "P-256".to_owned(),
        "1.3.132.0.34" => "P-384".to_owned(),
        "1.3.132.0.35" => "P-521".to_owned(),
        "1.3.132.0.10" => "secp256k1".to_owned(),
        _ => id,
    }
}

/// Name of a signature algorithm, or its object identifier.
pub(super) fn signature_name(oid: &Oid<'_>) -> String {
    let id = oid.to_id_string();
    let name = match id.as_str() {
        "1.2.840.113549.1.1.4" => "MD5 with RSA",
        "1.2.840.113549.1.1.5" => "SHA-1 with RSA",
        "1.2.840.113549.1.1.10" => "RSA-PSS",
        "1.2.840.113549.1.1.11" => "SHA-256 with RSA",
        "1.2.840.113549.1.1.12" => "SHA-384 with RSA",
        "1.2.840.113549.1.1.13" => "SHA-512 with RSA",
        "1.2.840.10045.4.1" => "SHA-1 with ECDSA",
        "1.2.840.10045.4.3.2" => "SHA-256 with ECDSA",
        "1.2.840.10045.4.3.3" => "SHA-384 with ECDSA",
        "1.2.840.10045.4.3.4" => "SHA-512 with ECDSA",
        "1.3.101.112" => "Ed25519",
        "1.3.101.113" => "Ed448",
        other => other,
    };
    name.to_owned()
}
