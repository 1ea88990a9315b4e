//! Faults of the accepting site: its server certificate.

use anyhow::Result;
use rcgen::ExtendedKeyUsagePurpose::ClientAuth;
use time::Duration;

use crate::ground::{CA_NAME, Ground};
use crate::material::{Credential, Leaf};

/// A fault, and what must be read of it.
pub struct Fault {
    /// What is wrong.
    pub name: &'static str,
    plant: fn(&Ground) -> Result<Credential>,
    /// Pieces of what the Certificate says behind its sentence; empty where it must say the sentence alone.
    pub certificate: &'static [&'static str],
    /// Pieces of what the RouterAccess says, in any condition.
    pub router_access: &'static [&'static str],
    /// Pieces of what a new Link says; empty where it comes up, since the old certificate stays in use or a note is all.
    pub link: &'static [&'static str],
}

impl Fault {
    /// Plants it in the place of the server certificate.
    pub fn plant(&self, ground: &Ground) -> Result<()> {
        ground
            .west
            .replace_secret(&(self.plant)(ground)?.secret("skupper-site-server"))
    }
}

/// All of them.
pub const FAULTS: &[Fault] = &[
    Fault {
        name: "server-expired",
        plant: |g| {
            g.ca.issue(&Leaf::server(&[&g.host]).dated(-Duration::days(9), -Duration::days(2)))
        },
        certificate: &["expired"],
        router_access: &["expired"],
        link: &["the server was refused here", "expired"],
    },
    Fault {
        name: "server-not-yet-valid",
        plant: |g| {
            g.ca.issue(&Leaf::server(&[&g.host]).dated(Duration::days(2), Duration::days(9)))
        },
        certificate: &["not yet valid"],
        router_access: &["not yet valid"],
        link: &["the server was refused here", "not yet valid"],
    },
    Fault {
        name: "server-without-server-auth",
        plant: |g| g.ca.issue(&Leaf::server(&[&g.host]).used(&[ClientAuth])),
        certificate: &["serverAuth"],
        router_access: &["serverAuth"],
        link: &["the server was refused here", "serverAuth"],
    },
    Fault {
        name: "server-name-not-covered",
        plant: |g| g.ca.issue(&Leaf::server(&["other.example"])),
        certificate: &[],
        router_access: &["other.example"],
        link: &["the server was refused here", "other.example"],
    },
    Fault {
        name: "server-without-names",
        plant: |g| g.ca.issue(&Leaf::server(&[])),
        certificate: &[],
        router_access: &["subject alternative name"],
        link: &["the server was refused here", "subject alternative name"],
    },
    Fault {
        name: "server-trusts-foreign-ca",
        plant: |g| Ok(g.good_server()?.trusting(g.foreign.pem())),
        certificate: &["ca.crt", "Foreign CA", CA_NAME],
        router_access: &["Foreign CA", CA_NAME],
        link: &["the server refused our certificate", CA_NAME, "unknown_ca"],
    },
    Fault {
        name: "ca-as-server",
        plant: |g| Ok(g.ca.credential()),
        certificate: &["CA"],
        router_access: &["CA"],
        link: &["the server was refused here"],
    },
    Fault {
        name: "server-intermediate-missing",
        plant: |g| {
            Ok(g.ca
                .intermediate("Middle CA")?
                .issue(&Leaf::server(&[&g.host]))?
                .trusting(g.ca.pem()))
        },
        certificate: &[],
        router_access: &[],
        link: &["the server was refused here", "Middle CA"],
    },
    Fault {
        name: "server-of-foreign-ca",
        plant: |g| {
            Ok(g.foreign
                .issue(&Leaf::server(&[&g.host]))?
                .trusting(g.ca.pem()))
        },
        certificate: &[],
        router_access: &[],
        link: &["the server was refused here", "Foreign CA"],
    },
    Fault {
        name: "server-key-of-another",
        plant: |g| {
            Ok(Credential {
                key: g.good_server()?.key,
                ..g.good_server()?
            })
        },
        certificate: &["tls.key"],
        router_access: &["tls.key"],
        link: &[],
    },
    Fault {
        name: "server-garbled",
        plant: |g| {
            Ok(Credential {
                crt: "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n".into(),
                ..g.good_server()?
            })
        },
        certificate: &["tls.crt", "line"],
        router_access: &["tls.crt"],
        link: &[],
    },
    Fault {
        name: "server-ca-missing",
        plant: |g| Ok(g.good_server()?.trusting("")),
        certificate: &["ca.crt"],
        router_access: &["ca.crt"],
        link: &[],
    },
];
