//! A workshop for certificates, good and bad, and the `openssl` program as an independent judge.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, SanType,
};
use skupper_pki::issue::{CaRequest, Issuer, LeafRequest, issue_ca};
use skupper_pki::{Certificate, Credential, KeyAlgorithm, PrivateKey, pem};

/// The moment at which tests judge.
pub fn now() -> Timestamp {
    "2026-11-25T12:00:00Z".parse().unwrap()
}

pub const DAY: i64 = 86_400;

/// So many days from [`now`].
pub fn days(days: i64) -> Timestamp {
    now() + SignedDuration::from_secs(days * DAY)
}

pub fn issuer(subject: &str) -> Issuer {
    let request = CaRequest {
        subject: subject.to_owned(),
        lifetime: SignedDuration::from_hours(24 * 3650),
        algorithm: KeyAlgorithm::EcdsaP256,
    };
    Issuer::of(&issue_ca(&request, now()).unwrap())
}

/// What [`issuer`] gives, as a Secret holds it.
pub fn ca_credential(subject: &str, algorithm: KeyAlgorithm) -> Credential {
    let request = CaRequest {
        subject: subject.to_owned(),
        lifetime: SignedDuration::from_hours(24 * 3650),
        algorithm,
    };
    issue_ca(&request, now()).unwrap().credential()
}

pub fn request(subject: &str, hosts: &[&str]) -> LeafRequest {
    LeafRequest {
        subject: subject.to_owned(),
        hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
        server: false,
        client: false,
        lifetime: SignedDuration::from_hours(24 * 365),
        algorithm: KeyAlgorithm::EcdsaP256,
    }
}

pub fn server(ca: &Issuer, hosts: &[&str]) -> Credential {
    let request = LeafRequest {
        server: true,
        ..request("skupper-router", hosts)
    };
    ca.issue(&request, now()).unwrap().credential()
}

pub fn client(ca: &Issuer) -> Credential {
    let request = LeafRequest {
        client: true,
        ..request("client", &[])
    };
    ca.issue(&request, now()).unwrap().credential()
}

pub fn with_ca(credential: Credential, ca_crt: impl Into<Vec<u8>>) -> Credential {
    Credential {
        ca_crt: ca_crt.into(),
        ..credential
    }
}

/// A certificate with any mistake one can think of.
#[derive(Clone, Debug)]
pub struct Spec {
    pub subject: &'static str,
    pub names: Vec<SanType>,
    pub from: Timestamp,
    pub until: Timestamp,
    pub ca: IsCa,
    pub key_usages: Vec<KeyUsagePurpose>,
    pub usages: Vec<ExtendedKeyUsagePurpose>,
    pub permitted_dns: Option<&'static str>,
    pub key_ids: bool,
}

impl Spec {
    pub fn leaf(subject: &'static str) -> Self {
        Self {
            subject,
            names: vec![SanType::DnsName("router.example.com".try_into().unwrap())],
            from: days(-30),
            until: days(300),
            ca: IsCa::ExplicitNoCa,
            key_usages: Vec::new(),
            usages: Vec::new(),
            permitted_dns: None,
            key_ids: true,
        }
    }

    pub fn ca(subject: &'static str) -> Self {
        Self {
            names: Vec::new(),
            ca: IsCa::Ca(BasicConstraints::Unconstrained),
            ..Self::leaf(subject)
        }
    }

    fn params(&self) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, self.subject);
        let date =
            |at: Timestamp| time::OffsetDateTime::from_unix_timestamp(at.as_second()).unwrap();
        params.not_before = date(self.from);
        params.not_after = date(self.until);
        params.subject_alt_names = self.names.clone();
        params.is_ca = self.ca;
        params.key_usages = self.key_usages.clone();
        params.extended_key_usages = self.usages.clone();
        params.use_authority_key_identifier_extension = self.key_ids;
        params.name_constraints = self.permitted_dns.map(|name| rcgen::NameConstraints {
            permitted_subtrees: vec![rcgen::GeneralSubtree::DnsName(name.to_owned())],
            excluded_subtrees: Vec::new(),
        });
        params
    }

    pub fn self_signed(&self, key: &KeyPair) -> Certificate {
        let made = self.params().self_signed(key).unwrap();
        Certificate::from_der(made.der()).unwrap()
    }

    /// Signed by `issuer_key` in the name of `issuer`.
    pub fn signed(&self, key: &KeyPair, issuer: &Spec, issuer_key: &KeyPair) -> Certificate {
        let issuer = issuer.params();
        let issuer = rcgen::Issuer::from_params(&issuer, issuer_key);
        let made = self.params().signed_by(key, &issuer).unwrap();
        Certificate::from_der(made.der()).unwrap()
    }
}

/// Keys made once: making them is what costs.
pub fn key(index: usize) -> &'static KeyPair {
    static KEYS: OnceLock<Vec<KeyPair>> = OnceLock::new();
    let make = || (0..6).map(|_| KeyPair::generate().unwrap()).collect();
    &KEYS.get_or_init(make)[index]
}

pub fn key_pem(index: usize) -> String {
    pem::encode("PRIVATE KEY", key(index).serialized_der())
}

pub fn pem_of(certificates: &[&Certificate]) -> String {
    certificates
        .iter()
        .map(|certificate| certificate.to_pem())
        .collect()
}

/// The `openssl` program in a directory of its own.
pub struct Openssl {
    dir: tempfile::TempDir,
}

impl Openssl {
    pub fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    /// Runs a line of arguments without quoting; words are separated by blanks. Answers whether it succeeded, and its output.
    pub fn try_run(&self, arguments: &str) -> (bool, String) {
        let output = Command::new("openssl")
            .args(arguments.split_whitespace())
            .current_dir(self.dir.path())
            .output()
            .expect("the openssl program is needed: apt-get install openssl");
        let text = [output.stdout, output.stderr].concat();
        (
            output.status.success(),
            String::from_utf8_lossy(&text).into_owned(),
        )
    }

    pub fn run(&self, arguments: &str) -> String {
        let (ok, output) = self.try_run(arguments);
        assert!(ok, "openssl {arguments}: {output}");
        output
    }
}

pub fn private_key(path: &Path) -> PrivateKey {
    PrivateKey::from_pem(&std::fs::read(path).unwrap()).unwrap()
}
