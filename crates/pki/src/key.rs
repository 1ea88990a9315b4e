//! Private keys: made, or loaded from every form that users bring.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::sign::SigningKey;
use rustls_pki_types::PrivateKeyDer;
use thiserror::Error;

use crate::certificate::PublicKey;
use crate::der::{self, KeyShape};
use crate::pem::{self, PemError};

/// Which key to make for a new certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum KeyAlgorithm {
    /// ECDSA on NIST P-256: small, fast, and known to every peer.
    #[default]
    EcdsaP256,
    /// ECDSA on NIST P-384.
    EcdsaP384,
    /// RSA with 2048 bits, as upstream issues.
    Rsa2048,
    /// RSA with 3072 bits.
    Rsa3072,
    /// RSA with 4096 bits.
    Rsa4096,
    /// Ed25519 (RFC 8410).
    Ed25519,
}

impl KeyAlgorithm {
    /// Every algorithm, the default first.
    pub const ALL: [Self; 6] = [
        Self::EcdsaP256,
        Self::EcdsaP384,
        Self::Rsa2048,
        Self::Rsa3072,
        Self::Rsa4096,
        Self::Ed25519,
    ];

    /// The name used in settings and flags (`tls-key-algorithm`).
    pub fn name(self) -> &'static str {
        match self {
            Self::EcdsaP256 => "ecdsa-p256",
            Self::EcdsaP384 => "ecdsa-p384",
            Self::Rsa2048 => "rsa-2048",
            Self::Rsa3072 => "rsa-3072",
            Self::Rsa4096 => "rsa-4096",
            Self::Ed25519 => "ed25519",
        }
    }
}

impl fmt::Display for KeyAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A key algorithm that is not offered.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "unknown key algorithm {found:?}: expected one of ecdsa-p256, ecdsa-p384, rsa-2048, rsa-3072, rsa-4096, ed25519"
)]
pub struct UnknownKeyAlgorithm {
    /// What was asked for.
    pub found: String,
}

impl FromStr for KeyAlgorithm {
    type Err = UnknownKeyAlgorithm;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain: String = text
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .map(|c| c.to_ascii_lowercase())
            .collect();
        match plain.as_str() {
            "ecdsap256" | "ecdsa" | "ec" | "p256" => Ok(Self::EcdsaP256),
            "ecdsap384" | "p384" => Ok(Self::EcdsaP384),
            "rsa2048" | "rsa" => Ok(Self::Rsa2048),
            "rsa3072" => Ok(Self::Rsa3072),
            "rsa4096" => Ok(Self::Rsa4096),
            "ed25519" => Ok(Self::Ed25519),
            _ => Err(UnknownKeyAlgorithm {
                found: crate::text::escape(text),
            }),
        }
    }
}

/// A private key that could not be loaded.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The text is not PEM.
    #[error("{0}")]
    Pem(#[from] PemError),
    /// The key is protected by a passphrase, which nobody could type in a pod.
    #[error("line {line}: the key is encrypted (block {label}), expected a key without passphrase")]
    Encrypted {
        /// Line of the block.
        line: usize,
        /// Label of the block.
        label: String,
    },
    /// The key is protected by another passphrase than the one given, or in a way that is not read.
    #[error(
        "line {line}: the key (block {label}) is not decrypted by the password given: {reason}: correct the password, or store the key as 'openssl pkcs8 -topk8' writes it"
    )]
    Password {
        /// Line of the block.
        line: usize,
        /// Label of the block.
        label: String,
        /// What the library said.
        reason: String,
    },
    /// There are blocks, none of which is a private key.
    #[error(
        "no private key: found {found}, expected PRIVATE KEY, RSA PRIVATE KEY or EC PRIVATE KEY"
    )]
    NoKey {
        /// Labels of the blocks found.
        found: String,
    },
    /// The block is labelled as a key and its content is none that can be read.
    #[error("line {line}: the content of the block {label} is not a private key that can be read")]
    Unreadable {
        /// Line of the block.
        line: usize,
        /// Label of the block.
        label: String,
    },
    /// The key is too short to be used.
    #[error("line {line}: RSA key of {bits} bits, expected at least 2048 and at most 8192")]
    Size {
        /// Line of the block.
        line: usize,
        /// Bits of the modulus.
        bits: usize,
    },
    /// A kind of key that TLS peers do not accept.
    #[error(
        "line {line}: key of kind {kind}, expected RSA, ECDSA (P-256, P-384, P-521) or Ed25519"
    )]
    Kind {
        /// Line of the block.
        line: usize,
        /// Object identifier of the kind.
        kind: String,
    },
    /// The system could not make a key.
    #[error("a key of kind {algorithm} could not be made: {reason}")]
    Generate {
        /// What was wanted.
        algorithm: KeyAlgorithm,
        /// What the library said.
        reason: String,
    },
}

/// The PEM text of a private key without its passphrase; a key that has none comes back as it was. Keys as
/// `openssl pkcs8 -topk8` writes them (RFC 8018, PBES2) are read.
///
/// # Errors
/// [`KeyError::Password`] where the password is not the key's, or the key is protected in an older way.
pub fn decrypt_pem(text: &[u8], password: &[u8]) -> Result<Vec<u8>, KeyError> {
    for block in pem::blocks(text) {
        let block = block?;
        let (label, line) = (block.label, block.line);
        let failed = |reason: String| KeyError::Password {
            line,
            label: label.clone(),
            reason,
        };
        if block.encrypted {
            return Err(failed("it is encrypted as in RFC 1421".to_owned()));
        }
        if label == "ENCRYPTED PRIVATE KEY" {
            let sealed = pkcs8::EncryptedPrivateKeyInfoRef::try_from(&*block.der);
            let opened = sealed
                .map_err(|error| failed(error.to_string()))?
                .decrypt(password)
                .map_err(|error| failed(error.to_string()))?;
            return Ok(pem::encode("PRIVATE KEY", opened.as_bytes()).into_bytes());
        }
    }
    Ok(text.to_vec())
}

/// A private key with its public half.
#[derive(Clone)]
pub struct PrivateKey {
    der: Arc<PrivateKeyDer<'static>>,
    signer: Arc<dyn SigningKey>,
    public: PublicKey,
}

impl PrivateKey {
    /// Makes a new key.
    pub fn generate(algorithm: KeyAlgorithm) -> Result<Self, KeyError> {
        use rcgen::RsaKeySize::{_2048, _3072, _4096};
        let rsa = |size| rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, size);
        let made = match algorithm {
            KeyAlgorithm::EcdsaP256 => rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256),
            KeyAlgorithm::EcdsaP384 => rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384),
            KeyAlgorithm::Rsa2048 => rsa(_2048),
            KeyAlgorithm::Rsa3072 => rsa(_3072),
            KeyAlgorithm::Rsa4096 => rsa(_4096),
            KeyAlgorithm::Ed25519 => rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519),
        };
        let failed = |reason: String| KeyError::Generate { algorithm, reason };
        let pkcs8 = made
            .map_err(|error| failed(error.to_string()))?
            .serialize_der();
        Self::load(PrivateKeyDer::Pkcs8(pkcs8.into()))
            .ok_or_else(|| failed("the new key cannot be loaded".to_owned()))
    }

    /// Loads the first private key of a PEM text: PKCS#8 (`PRIVATE KEY`), PKCS#1 (`RSA PRIVATE KEY`) or SEC1
    /// (`EC PRIVATE KEY`). Other blocks, such as the `EC PARAMETERS` that openssl writes before a key, are skipped.
    pub fn from_pem(text: &[u8]) -> Result<Self, KeyError> {
        let mut labels = Vec::new();
        for block in pem::blocks(text) {
            let block = block?;
            if block.label.ends_with("PRIVATE KEY") {
                return Self::from_block(block);
            }
            labels.push(block.label);
        }
        let found = crate::text::list(&labels);
        Err(KeyError::NoKey { found })
    }

    fn from_block(block: pem::Block) -> Result<Self, KeyError> {
        let pem::Block {
            label,
            line,
            der,
            encrypted,
        } = block;
        if encrypted || label == "ENCRYPTED PRIVATE KEY" {
            return Err(KeyError::Encrypted { line, label });
        }
        let (pkcs8, key) = match label.as_str() {
            "PRIVATE KEY" => (true, PrivateKeyDer::Pkcs8(der.into())),
            "RSA PRIVATE KEY" => (false, PrivateKeyDer::Pkcs1(der.into())),
            "EC PRIVATE KEY" => (false, PrivateKeyDer::Sec1(der.into())),
            _ => return Err(KeyError::Kind { line, kind: label }),
        };
        if let Some(loaded) = Self::load(key.clone_key()) {
            return Ok(loaded);
        }
        match der::key_shape(key.secret_der(), pkcs8) {
            Some(KeyShape::Rsa(bits)) if !(2048..=8192).contains(&bits) => {
                Err(KeyError::Size { line, bits })
            }
            Some(KeyShape::Other(kind)) => Err(KeyError::Kind { line, kind }),
            _ => Err(KeyError::Unreadable { line, label }),
        }
    }

    fn load(der: PrivateKeyDer<'static>) -> Option<Self> {
        let signer = any_supported_type(&der).ok()?;
        let public = PublicKey::from_spki(signer.public_key()?.as_ref())?;
        Some(Self {
            der: Arc::new(der),
            signer,
            public,
        })
    }

    /// The public half.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The key as rustls signs with it.
    pub fn signer(&self) -> Arc<dyn SigningKey> {
        Arc::clone(&self.signer)
    }

    /// PEM for a Secret's `tls.key`: PKCS#1 for RSA, because that is the only form which upstream's controller reads from
    /// a CA Secret; otherwise the form in which the key was loaded or made (PKCS#8).
    pub fn to_pem(&self) -> String {
        match &*self.der {
            PrivateKeyDer::Pkcs1(key) => pem::encode("RSA PRIVATE KEY", key.secret_pkcs1_der()),
            PrivateKeyDer::Sec1(key) => pem::encode("EC PRIVATE KEY", key.secret_sec1_der()),
            other => match der::pkcs1_of_pkcs8(other.secret_der()) {
                Some(pkcs1) => pem::encode("RSA PRIVATE KEY", pkcs1),
                None => pem::encode("PRIVATE KEY", other.secret_der()),
            },
        }
    }

    /// The key as rcgen signs certificates with it.
    pub(crate) fn for_issuing(&self) -> Result<rcgen::KeyPair, rcgen::Error> {
        rcgen::KeyPair::try_from(&*self.der)
    }
}

impl fmt::Debug for PrivateKey {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({})", self.public)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_algorithm_is_made_written_and_read_back() {
        for algorithm in KeyAlgorithm::ALL {
            let key = PrivateKey::generate(algorithm).unwrap();
            let text = key.to_pem();
            let rsa = algorithm.name().starts_with("rsa");
            assert_eq!(text.starts_with("-----BEGIN RSA PRIVATE KEY-----"), rsa);
            let back = PrivateKey::from_pem(text.as_bytes()).unwrap();
            assert_eq!(back.public(), key.public());
            assert_eq!(algorithm.name().parse(), Ok(algorithm));
        }
    }

    #[test]
    fn refusals_are_sentences() {
        let refuse = |text: &str| {
            PrivateKey::from_pem(text.as_bytes())
                .unwrap_err()
                .to_string()
        };
        let encrypted = pem::encode("ENCRYPTED PRIVATE KEY", &[1, 2, 3]);
        assert_eq!(
            refuse(&encrypted),
            "line 1: the key is encrypted (block ENCRYPTED PRIVATE KEY), expected a key without passphrase"
        );
        let certificate = pem::encode("CERTIFICATE", &[1, 2, 3]);
        assert!(refuse(&certificate).contains("found CERTIFICATE"));
        let garbage = pem::encode("RSA PRIVATE KEY", &[1, 2, 3]);
        assert!(refuse(&garbage).contains("not a private key that can be read"));
    }

    /// By `openssl pkcs8 -topk8 -passout pass:secret`.
    const ENCRYPTED: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----\n\
        MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAjYyDliZ5GS2QICCAAw\n\
        DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEDGWayWrlsUapz83ZIZI1l0EgZCA\n\
        lgqfxL454bknJXWkxTweP3KkGQ/jgp0mMlx8mDncc13tfTkT1Nw68FaVSWNUGmBl\n\
        rWHKWSfLv5LhAzrFOz+ADHDmvdBxUq/rzvl9xo48FSWyqnvqkAD4onUQUsk5lFd/\n\
        EAzLgtkyDNuVAPhwdd1temFfenXWZSgTad4VqSr/CDuRfVAcyaW/uL9bL+NRAm0=\n\
        -----END ENCRYPTED PRIVATE KEY-----\n";

    #[test]
    fn a_key_with_a_passphrase_is_opened() {
        let opened = decrypt_pem(ENCRYPTED.as_bytes(), b"secret").unwrap();
        PrivateKey::from_pem(&opened).unwrap();
        let refused = decrypt_pem(ENCRYPTED.as_bytes(), b"guess").unwrap_err();
        assert!(matches!(refused, KeyError::Password { line: 1, .. }));
        assert_eq!(decrypt_pem(&opened, b"secret").unwrap(), opened);
    }
}
