//! Credentials as users bring them, and the faults that they bring with them.
//!
//! Made with rcgen and not with `skupper-pki`, so that the product is not judged by its own hand.

use anyhow::{Context as _, Result};
use base64::Engine as _;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, SanType,
};
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

/// A certificate authority with its key.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// What a leaf says of itself.
#[derive(Clone, Debug)]
pub struct Leaf {
    /// Common name.
    pub cn: String,
    /// Names: DNS names, and IP addresses as IP SANs.
    pub names: Vec<String>,
    /// Extended key usages.
    pub usages: Vec<ExtendedKeyUsagePurpose>,
    /// From now; negative is the past.
    pub not_before: Duration,
    /// From now; negative is the past.
    pub not_after: Duration,
}

impl Leaf {
    /// A server certificate for `names`, valid for 90 days.
    pub fn server(names: &[&str]) -> Self {
        Leaf {
            cn: names.first().unwrap_or(&"server").to_string(),
            names: names.iter().map(|n| (*n).to_owned()).collect(),
            usages: vec![ExtendedKeyUsagePurpose::ServerAuth],
            not_before: -Duration::hours(1),
            not_after: Duration::days(90),
        }
    }

    /// A client certificate, valid for 90 days.
    pub fn client(cn: &str) -> Self {
        Leaf {
            cn: cn.to_owned(),
            names: Vec::new(),
            usages: vec![ExtendedKeyUsagePurpose::ClientAuth],
            not_before: -Duration::hours(1),
            not_after: Duration::days(90),
        }
    }

    /// The same with other dates, from now.
    pub fn dated(self, not_before: Duration, not_after: Duration) -> Self {
        Leaf {
            not_before,
            not_after,
            ..self
        }
    }

    /// The same with other usages.
    pub fn used(self, usages: &[ExtendedKeyUsagePurpose]) -> Self {
        Leaf {
            usages: usages.to_vec(),
            ..self
        }
    }
}

/// What a Secret of a TLS credential holds. An empty element is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credential {
    /// `tls.crt`.
    pub crt: String,
    /// `tls.key`.
    pub key: String,
    /// `ca.crt`.
    pub ca: String,
}

impl Authority {
    /// A self-signed CA, valid for ten years.
    pub fn new(cn: &str) -> Result<Self> {
        Self::dated(cn, -Duration::hours(1), Duration::days(3650))
    }

    /// A self-signed CA with the given dates, from now.
    pub fn dated(cn: &str, not_before: Duration, not_after: Duration) -> Result<Self> {
        let params = authority(cn, not_before, not_after);
        let issuer =
            CertifiedIssuer::self_signed(params, KeyPair::generate()?).context("self-signed CA")?;
        Ok(Authority { issuer })
    }

    /// A CA whose certificate is signed by this one.
    pub fn intermediate(&self, cn: &str) -> Result<Self> {
        let params = authority(cn, -Duration::hours(1), Duration::days(1825));
        let issuer = CertifiedIssuer::signed_by(params, KeyPair::generate()?, &self.issuer)
            .context("intermediate CA")?;
        Ok(Authority { issuer })
    }

    /// Its certificate.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// Its certificate as a credential, with the key: what a user puts into `skupper-site-ca`.
    pub fn credential(&self) -> Credential {
        Credential {
            crt: self.pem(),
            key: self.issuer.key().serialize_pem(),
            ca: self.pem(),
        }
    }

    /// Issues a leaf; `ca.crt` is this CA's certificate.
    pub fn issue(&self, leaf: &Leaf) -> Result<Credential> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, leaf.cn.as_str());
        for name in &leaf.names {
            params.subject_alt_names.push(match name.parse() {
                Ok(ip) => SanType::IpAddress(ip),
                Err(_) => SanType::DnsName(name.as_str().try_into()?),
            });
        }
        params.extended_key_usages = leaf.usages.clone();
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        let now = OffsetDateTime::now_utc();
        params.not_before = now + leaf.not_before;
        params.not_after = now + leaf.not_after;
        let certificate = params.signed_by(&key, &self.issuer).context("leaf")?;
        Ok(Credential {
            crt: certificate.pem(),
            key: key.serialize_pem(),
            ca: self.pem(),
        })
    }
}

fn authority(cn: &str, not_before: Duration, not_after: Duration) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, cn);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = true;
    let now = OffsetDateTime::now_utc();
    params.not_before = now + not_before;
    params.not_after = now + not_after;
    params
}

impl Credential {
    /// The Secret `name` without a type, as in the user's procedure: it becomes `Opaque`.
    pub fn secret(&self, name: &str) -> Value {
        let mut data = serde_json::Map::new();
        for (element, text) in [
            ("ca.crt", &self.ca),
            ("tls.crt", &self.crt),
            ("tls.key", &self.key),
        ] {
            if !text.is_empty() {
                data.insert(
                    element.to_owned(),
                    base64::engine::general_purpose::STANDARD
                        .encode(text)
                        .into(),
                );
            }
        }
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": data})
    }

    /// The same with another `ca.crt`.
    pub fn trusting(self, ca: impl Into<String>) -> Self {
        Credential {
            ca: ca.into(),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_leaves_empty_elements_out() {
        let credential = Credential {
            crt: "c".into(),
            key: "k".into(),
            ca: String::new(),
        };
        let data = &credential.secret("s")["data"];
        assert_eq!(data["tls.crt"], "Yw==");
        assert!(data.get("ca.crt").is_none());
    }
}
