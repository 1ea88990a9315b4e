//! The few places where raw DER is needed: the bytes that a signature covers, and names that must be kept byte for byte.

use rustls_pki_types::alg_id;
use x509_parser::asn1_rs::{Any, FromDer, Oid};

/// The three parts of a signed structure (RFC 5280 §4.1.1).
pub(crate) struct Signed<'a> {
    /// `tbsCertificate`, with its header: what the signature covers.
    pub(crate) body: &'a [u8],
    /// Content of the `signatureAlgorithm` sequence.
    pub(crate) algorithm: &'a [u8],
    /// The signature.
    pub(crate) signature: &'a [u8],
}

impl<'a> Signed<'a> {
    /// Splits a certificate. `None` when it is not DER of that shape.
    pub(crate) fn split(der: &'a [u8]) -> Option<Self> {
        let (_, outer) = Any::from_der(der).ok()?;
        let (rest, _) = Any::from_der(outer.data).ok()?;
        let body = &outer.data[..outer.data.len().checked_sub(rest.len())?];
        let (rest, algorithm) = Any::from_der(rest).ok()?;
        let (_, signature) = Any::from_der(rest).ok()?;
        Some(Self {
            body,
            algorithm: algorithm.data,
            // The first octet of a BIT STRING counts its unused bits: none in a signature.
            signature: signature.data.strip_prefix(&[0])?,
        })
    }
}

/// What a private key structure holds, as far as its kind can be told without loading it.
pub(crate) enum KeyShape {
    /// An RSA key with a modulus of so many bits.
    Rsa(usize),
    /// A key of another kind, named.
    Other(String),
}

/// Looks into PKCS#8 (RFC 5958) or PKCS#1 (RFC 8017) to say which key could not be loaded.
pub(crate) fn key_shape(der: &[u8], pkcs8: bool) -> Option<KeyShape> {
    if !pkcs8 {
        return rsa_modulus_bits(der).map(KeyShape::Rsa);
    }
    let (algorithm, key) = pkcs8_parts(der)?;
    let (_, oid) = Oid::from_der(algorithm).ok()?;
    if algorithm.starts_with(rsa_oid()) {
        rsa_modulus_bits(key).map(KeyShape::Rsa)
    } else {
        Some(KeyShape::Other(oid.to_id_string()))
    }
}

/// The PKCS#1 structure inside a PKCS#8 RSA key: the only form that upstream's controller reads from a CA Secret.
pub(crate) fn pkcs1_of_pkcs8(der: &[u8]) -> Option<&[u8]> {
    let (algorithm, key) = pkcs8_parts(der)?;
    algorithm.starts_with(rsa_oid()).then_some(key)
}

fn pkcs8_parts(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (_, outer) = Any::from_der(der).ok()?;
    let (rest, _version) = Any::from_der(outer.data).ok()?;
    let (rest, algorithm) = Any::from_der(rest).ok()?;
    let (_, key) = Any::from_der(rest).ok()?;
    Some((algorithm.data, key.data))
}

fn rsa_modulus_bits(pkcs1: &[u8]) -> Option<usize> {
    let (_, outer) = Any::from_der(pkcs1).ok()?;
    let (rest, _version) = Any::from_der(outer.data).ok()?;
    let (_, modulus) = Any::from_der(rest).ok()?;
    Some(bits(modulus.data))
}

/// Length of an unsigned big-endian integer in bits.
pub(crate) fn bits(integer: &[u8]) -> usize {
    let significant: &[u8] = match integer.iter().position(|byte| *byte != 0) {
        Some(first) => &integer[first..],
        None => return 0,
    };
    significant.len() * 8 - significant[0].leading_zeros() as usize
}

/// The DER of the object identifier rsaEncryption, as the algorithm identifier begins with it.
fn rsa_oid() -> &'static [u8] {
    let id: &'static [u8] = &alg_id::RSA_ENCRYPTION;
    // rsaEncryption carries a NULL parameter (two octets) after the identifier.
    &id[..id.len() - 2]
}
