//! Building and signing certificates with rcgen, keeping names byte for byte.

use std::net::IpAddr;

use aws_lc_rs::rand;
use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyIdMethod, KeyPair, KeyUsagePurpose, SanType, SerialNumber, SigningKey,
};
use time::OffsetDateTime;
use x509_parser::asn1_rs::{Any, FromDer};

use super::{Dates, IssueError, Issuer, LeafRequest, common_name};
use crate::certificate::{Certificate, PublicKeyKind};
use crate::der::Signed;
use crate::key::PrivateKey;
use crate::text;

/// A new self-signed CA.
pub(super) fn ca(
    common_name: &str,
    key: &PrivateKey,
    dates: Dates,
) -> Result<Certificate, IssueError> {
    let mut params = ca_params(dates)?;
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    let made = params.self_signed(&key.for_issuing().map_err(library)?);
    read(made.map_err(library)?.der())
}

/// A CA's certificate once more, with new dates and serial number.
pub(super) fn renewed_ca(
    old: &Certificate,
    key: &PrivateKey,
    dates: Dates,
) -> Result<Certificate, IssueError> {
    let mut params = ca_params(dates)?;
    params.key_identifier_method = KeyIdMethod::PreSpecified(old.key_id().as_bytes().to_vec());
    if let Some(path_len) = old
        .basic_constraints
        .and_then(|constraints| constraints.path_len)
    {
        let path_len = u8::try_from(path_len).unwrap_or(u8::MAX);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(path_len));
    }
    let signer = key.for_issuing().map_err(library)?;
    let made = params.self_signed(&signer).map_err(library)?;
    let subject = old.subject.as_der();
    with_names(made.der(), subject, Some(subject), &signer)
}

/// An end-entity certificate.
pub(super) fn leaf(
    issuer: &Issuer,
    request: &LeafRequest,
    key: &PrivateKey,
    dates: Dates,
) -> Result<Certificate, IssueError> {
    let mut params = base_params(dates)?;
    params.is_ca = IsCa::ExplicitNoCa;
    params
        .distinguished_name
        .push(DnType::CommonName, common_name(&request.subject));
    params.subject_alt_names = alternative_names(&request.hosts)?;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    if matches!(key.public().kind(), PublicKeyKind::Rsa { .. }) {
        // RSA key exchange of TLS 1.2.
        params.key_usages.push(KeyUsagePurpose::KeyEncipherment);
    }
    if request.server {
        params.insert_extended_key_usage(ExtendedKeyUsagePurpose::ServerAuth);
    }
    if request.client {
        params.insert_extended_key_usage(ExtendedKeyUsagePurpose::ClientAuth);
    }
    // An issuer without subject key identifier leaves nothing to point at.
    let issuer_id = issuer.certificate().subject_key_id.as_ref();
    params.use_authority_key_identifier_extension = issuer_id.is_some();

    let mut issuer_params = CertificateParams::default();
    if let Some(id) = issuer_id {
        issuer_params.key_identifier_method = KeyIdMethod::PreSpecified(id.as_bytes().to_vec());
    }
    let signer = issuer.key.for_issuing().map_err(library)?;
    let made = params
        .signed_by(
            &key.for_issuing().map_err(library)?,
            &rcgen::Issuer::from_params(&issuer_params, &signer),
        )
        .map_err(library)?;
    with_names(
        made.der(),
        issuer.certificate().subject.as_der(),
        None,
        &signer,
    )
}

fn ca_params(dates: Dates) -> Result<CertificateParams, IssueError> {
    let mut params = base_params(dates)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::CrlSign,
    ];
    Ok(params)
}

fn base_params(dates: Dates) -> Result<CertificateParams, IssueError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.not_before = date(dates.not_before)?;
    params.not_after = date(dates.not_after)?;
    params.serial_number = Some(serial()?);
    Ok(params)
}

/// 127 random bits: positive, and no two alike (RFC 5280 §4.1.2.2).
fn serial() -> Result<SerialNumber, IssueError> {
    let mut octets = [0u8; 16];
    rand::fill(&mut octets).map_err(|_| IssueError::Library("no random numbers".to_owned()))?;
    octets[0] &= 0x7f;
    octets[0] |= 0x40;
    Ok(SerialNumber::from_slice(&octets))
}

fn date(at: Timestamp) -> Result<OffsetDateTime, IssueError> {
    OffsetDateTime::from_unix_timestamp(at.as_second()).map_err(library)
}

fn alternative_names(hosts: &[String]) -> Result<Vec<SanType>, IssueError> {
    let mut names = Vec::new();
    for host in hosts
        .iter()
        .map(|host| host.trim())
        .filter(|host| !host.is_empty())
    {
        let bad = |_| IssueError::Host {
            host: text::escape(host),
        };
        let mut wanted = vec![SanType::DnsName(host.try_into().map_err(bad)?)];
        if let Ok(address) = host.parse::<IpAddr>() {
            wanted.push(SanType::IpAddress(address));
        }
        for name in wanted {
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    Ok(names)
}

/// Replaces issuer and subject by the given DER, and signs again. rcgen holds a name as a map from attribute type to value:
/// a CA named `DC=example, DC=com` would lose one of the two, and chains are built by comparing bytes.
fn with_names(
    der: &[u8],
    issuer: &[u8],
    subject: Option<&[u8]>,
    signer: &KeyPair,
) -> Result<Certificate, IssueError> {
    let unexpected =
        || IssueError::Library("the certificate made has an unexpected form".to_owned());
    let signed = Signed::split(der).ok_or_else(unexpected)?;
    let mut fields = self::fields(signed.body).ok_or_else(unexpected)?;
    // version, serialNumber, signature, issuer, validity, subject, … (RFC 5280 §4.1)
    *fields.get_mut(3).ok_or_else(unexpected)? = issuer;
    if let Some(subject) = subject {
        *fields.get_mut(5).ok_or_else(unexpected)? = subject;
    }
    let body = sequence(&fields);
    let signature = signer.sign(&body).map_err(library)?;
    // What follows the body in the original: the algorithm stays, the signature is replaced.
    let outer = self::fields(der).ok_or_else(unexpected)?;
    let algorithm = *outer.get(1).ok_or_else(unexpected)?;
    let signature = yasna::construct_der(|writer| {
        writer.write_bitvec_bytes(&signature, signature.len() * 8);
    });
    read(&sequence(&[&body, algorithm, &signature]))
}

/// The elements of a DER sequence, each with its header.
fn fields(sequence: &[u8]) -> Option<Vec<&[u8]>> {
    let (_, outer) = Any::from_der(sequence).ok()?;
    let mut rest = outer.data;
    let mut fields = Vec::new();
    while !rest.is_empty() {
        let (after, _) = Any::from_der(rest).ok()?;
        fields.push(&rest[..rest.len().checked_sub(after.len())?]);
        rest = after;
    }
    Some(fields)
}

fn sequence(fields: &[&[u8]]) -> Vec<u8> {
    yasna::construct_der(|writer| {
        writer.write_sequence(|writer| {
            for field in fields {
                writer.next().write_der(field);
            }
        });
    })
}

fn read(der: &[u8]) -> Result<Certificate, IssueError> {
    Certificate::from_der(der).map_err(library)
}

fn library(error: impl std::fmt::Display) -> IssueError {
    IssueError::Library(error.to_string())
}
