//! The verifiers that rustls calls in handshakes.

use jiff::Timestamp;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, PeerMisbehaved,
    SignatureScheme,
};
use rustls_pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};

use super::bundle::TrustBundle;
use super::path::Chain;
use super::record;
use crate::certificate::Certificate;
use crate::judge::{Element, Fault, Finding, Place, Role, Severity};

/// Verifies the server's certificate on the connecting side.
#[derive(Debug)]
pub struct ServerVerifier {
    trusted: TrustBundle,
    verify_name: bool,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerVerifier {
    /// Trusts a bundle. Without `verify_name` the chain is verified and the name is not (`verifyHostname: false`).
    pub fn new(trusted: TrustBundle, verify_name: bool) -> Self {
        Self {
            trusted,
            verify_name,
            algorithms: crate::tls::provider().signature_verification_algorithms,
        }
    }
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let name = server_name.to_str();
        let name = self.verify_name.then_some(name.as_ref());
        verify_chain(
            &self.trusted,
            end_entity,
            intermediates,
            Role::Server,
            name,
            now,
        )?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_signature(&self.algorithms, message, cert, dss, false)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_signature(&self.algorithms, message, cert, dss, true)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Verifies the client's certificate on the accepting side. A client without certificate is refused by rustls itself.
#[derive(Debug)]
pub struct ClientVerifier {
    trusted: TrustBundle,
    /// Told to the client, so that it can say which CAs would have been accepted.
    subjects: Vec<DistinguishedName>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ClientVerifier {
    /// Trusts a bundle.
    pub fn new(trusted: TrustBundle) -> Self {
        let subject = |ca: &Certificate| DistinguishedName::from(ca.subject.as_der().to_vec());
        Self {
            subjects: trusted.certificates().map(subject).collect(),
            trusted,
            algorithms: crate::tls::provider().signature_verification_algorithms,
        }
    }
}

impl ClientCertVerifier for ClientVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.subjects
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        verify_chain(
            &self.trusted,
            end_entity,
            intermediates,
            Role::Client,
            None,
            now,
        )?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_signature(&self.algorithms, message, cert, dss, false)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_signature(&self.algorithms, message, cert, dss, true)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

fn verify_chain(
    trusted: &TrustBundle,
    end_entity: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    role: Role,
    name: Option<&str>,
    now: UnixTime,
) -> Result<(), Error> {
    let outcome = match record::read_chain(end_entity, intermediates) {
        Err((position, reason)) => {
            let line = position;
            let fault = Fault::NotCertificate { line, reason };
            let place = Place::element(Element::Presented);
            let findings = vec![Finding::new(Severity::Unfit, place, fault)];
            Err(trusted.refusal(role, findings, name))
        }
        Ok(certificates) => {
            record::presented(&certificates);
            let Some((leaf, intermediates)) = certificates.split_first() else {
                return Err(Error::NoCertificatesPresented);
            };
            let element = Element::Presented;
            let chain = Chain {
                leaf,
                intermediates,
                element,
            };
            trusted.verify(&chain, role, name, timestamp(now))
        }
    };
    outcome.map_err(|refusal| {
        record::refused(&refusal);
        Error::InvalidCertificate(refusal.to_rustls())
    })
}

/// As rustls does for version 3 certificates, but by the public key alone, so that version 1 certificates work too.
fn verify_signature(
    algorithms: &WebPkiSupportedAlgorithms,
    message: &[u8],
    cert: &CertificateDer<'_>,
    dss: &DigitallySignedStruct,
    tls13: bool,
) -> Result<HandshakeSignatureValid, Error> {
    let bad = || Error::InvalidCertificate(CertificateError::BadSignature);
    let offered = algorithms
        .mapping
        .iter()
        .find(|(scheme, _)| *scheme == dss.scheme);
    let Some((_, candidates)) = offered else {
        return Err(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into());
    };
    // TLS 1.3 binds a scheme to one curve, TLS 1.2 does not (RFC 8446 §4.2.3).
    if tls13 && is_tls12_only(dss.scheme) {
        return Err(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into());
    }
    let candidates = if tls13 {
        candidates.get(..1).unwrap_or_default()
    } else {
        candidates
    };
    let certificate = Certificate::from_der(cert)
        .map_err(|_| Error::InvalidCertificate(CertificateError::BadEncoding))?;
    let spki = SubjectPublicKeyInfoDer::from(certificate.public_key.spki());
    let key = webpki::RawPublicKeyEntity::try_from(&spki).map_err(|_| bad())?;
    let verifies = |algorithm: &&dyn rustls_pki_types::SignatureVerificationAlgorithm| {
        key.verify_signature(*algorithm, message, dss.signature())
            .is_ok()
    };
    match candidates.iter().any(verifies) {
        true => Ok(HandshakeSignatureValid::assertion()),
        false => Err(bad()),
    }
}

/// PKCS#1 v1.5 and SHA-1 signatures, which TLS 1.3 forbids in handshakes.
fn is_tls12_only(scheme: SignatureScheme) -> bool {
    matches!(
        scheme,
        SignatureScheme::RSA_PKCS1_SHA1
            | SignatureScheme::ECDSA_SHA1_Legacy
            | SignatureScheme::RSA_PKCS1_SHA256
            | SignatureScheme::RSA_PKCS1_SHA384
            | SignatureScheme::RSA_PKCS1_SHA512
    )
}

fn timestamp(now: UnixTime) -> Timestamp {
    let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX)
}
