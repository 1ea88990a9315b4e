//! What a certificate may be used for.

use std::fmt;

use x509_parser::extensions::ExtendedKeyUsage;

use crate::text;

/// Key usage bits (RFC 5280 §4.2.1.3).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyUsages(u16);

impl KeyUsages {
    const NAMES: [&'static str; 9] = [
        "digitalSignature",
        "nonRepudiation",
        "keyEncipherment",
        "dataEncipherment",
        "keyAgreement",
        "keyCertSign",
        "cRLSign",
        "encipherOnly",
        "decipherOnly",
    ];

    /// From the bits, the first of the standard being the lowest.
    pub(super) fn new(bits: u16) -> Self {
        Self(bits)
    }

    /// May sign certificates.
    pub fn key_cert_sign(self) -> bool {
        self.has(5)
    }

    /// May sign a handshake or agree on a key, as a TLS client must.
    pub fn serves_client(self) -> bool {
        self.has(0) || self.has(4)
    }

    /// May do what a TLS server must: sign, agree on a key or receive an encrypted one.
    pub fn serves_server(self) -> bool {
        self.has(0) || self.has(2) || self.has(4)
    }

    fn has(self, bit: u16) -> bool {
        self.0 >> bit & 1 == 1
    }

    /// The names of the standard.
    pub fn names(self) -> Vec<&'static str> {
        (0u16..)
            .zip(Self::NAMES)
            .filter(|(bit, _)| self.has(*bit))
            .map(|(_, name)| name)
            .collect()
    }
}

impl fmt::Display for KeyUsages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text::list(&self.names()))
    }
}

impl fmt::Debug for KeyUsages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyUsages({self})")
    }
}

/// One extended key usage (RFC 5280 §4.2.1.12).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExtendedUsage {
    /// serverAuth.
    ServerAuth,
    /// clientAuth.
    ClientAuth,
    /// anyExtendedKeyUsage, which TLS verifiers do not take for either of the two.
    Any,
    /// Another one, by name or object identifier.
    Other(String),
}

impl ExtendedUsage {
    pub(super) fn read(usage: &ExtendedKeyUsage<'_>) -> Vec<Self> {
        let named = [
            (usage.server_auth, Self::ServerAuth),
            (usage.client_auth, Self::ClientAuth),
            (usage.any, Self::Any),
            (usage.code_signing, Self::Other("codeSigning".to_owned())),
            (
                usage.email_protection,
                Self::Other("emailProtection".to_owned()),
            ),
            (usage.time_stamping, Self::Other("timeStamping".to_owned())),
            (usage.ocsp_signing, Self::Other("OCSPSigning".to_owned())),
        ];
        let known = named
            .into_iter()
            .filter(|(set, _)| *set)
            .map(|(_, usage)| usage);
        let other = usage.other.iter().take(32);
        known
            .chain(other.map(|oid| Self::Other(oid.to_id_string())))
            .collect()
    }
}

impl fmt::Display for ExtendedUsage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ServerAuth => "serverAuth",
            Self::ClientAuth => "clientAuth",
            Self::Any => "anyExtendedKeyUsage",
            Self::Other(name) => name,
        })
    }
}
