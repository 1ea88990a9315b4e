//! A credential as a Kubernetes Secret or a directory holds it: three PEM texts.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::certificate::{self, Certificate, CertificateError, Fingerprint};
use crate::key::{KeyError, PrivateKey};

/// Key of the certificate chain in a Secret.
pub const TLS_CRT: &str = "tls.crt";
/// Key of the private key in a Secret.
pub const TLS_KEY: &str = "tls.key";
/// Key of the trusted CAs in a Secret.
pub const CA_CRT: &str = "ca.crt";

/// The raw bytes of `tls.crt`, `tls.key` and `ca.crt`; an absent one is empty. Anything may stand in it: what is wrong is
/// for [`judge`](crate::judge::judge) to say.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Credential {
    /// The own certificate first, then its intermediates.
    pub tls_crt: Vec<u8>,
    /// The private key of the first certificate.
    pub tls_key: Vec<u8>,
    /// The CAs whose certificates are accepted from peers.
    pub ca_crt: Vec<u8>,
}

impl Credential {
    /// Takes the three elements by their keys in a Secret's `data` (already base64-decoded).
    pub fn from_data<'a>(get: impl Fn(&str) -> Option<&'a [u8]>) -> Self {
        let element = |key| get(key).unwrap_or_default().to_vec();
        Self {
            tls_crt: element(TLS_CRT),
            tls_key: element(TLS_KEY),
            ca_crt: element(CA_CRT),
        }
    }

    /// The three elements with their keys in a Secret, absent ones left out.
    pub fn data(&self) -> impl Iterator<Item = (&'static str, &[u8])> {
        [
            (CA_CRT, self.ca_crt.as_slice()),
            (TLS_CRT, self.tls_crt.as_slice()),
            (TLS_KEY, self.tls_key.as_slice()),
        ]
        .into_iter()
        .filter(|(_, bytes)| !bytes.is_empty())
    }

    /// The certificates of `tls.crt`, own one first. Fails on the first block that cannot be read.
    pub fn chain(&self) -> Result<Vec<Certificate>, CertificateError> {
        certificate::read_pem(&self.tls_crt)
    }

    /// The first certificate of `tls.crt`, if it can be read.
    pub fn leaf(&self) -> Option<Certificate> {
        self.chain().ok()?.into_iter().next()
    }

    /// The certificates of `ca.crt`. Fails on the first block that cannot be read.
    pub fn trusted(&self) -> Result<Vec<Certificate>, CertificateError> {
        certificate::read_pem(&self.ca_crt)
    }

    /// The private key.
    pub fn key(&self) -> Result<PrivateKey, KeyError> {
        PrivateKey::from_pem(&self.tls_key)
    }

    /// SHA-256 over all three elements with their lengths: changes whenever a single byte does. By it content that was
    /// issued is told from content that a user put in its place.
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        for (key, bytes) in self.data() {
            hash.update(format!(":{key}:{}:", bytes.len()));
            hash.update(bytes);
        }
        crate::text::hex(&hash.finalize())
    }

    /// SHA-256 of the first certificate's DER, if it can be read.
    pub fn leaf_fingerprint(&self) -> Option<Fingerprint> {
        self.leaf().map(|leaf| leaf.fingerprint())
    }
}

impl fmt::Debug for Credential {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("tls_crt", &String::from_utf8_lossy(&self.tls_crt))
            .field("tls_key", &format!("[{} bytes]", self.tls_key.len()))
            .field("ca_crt", &String::from_utf8_lossy(&self.ca_crt))
            .finish()
    }
}
