//! Faults of the accepting site: its server certificate.

use std::fmt::Write as _;

use anyhow::{Result, ensure};
use rcgen::ExtendedKeyUsagePurpose::ClientAuth;
use skupper_tests::material::{Credential, Leaf};
use skupper_tests::stage::Stage;
use time::Duration;

use super::ground::{CA_NAME, Ground};

/// A fault, and what must be read of it.
struct Fault {
    name: &'static str,
    plant: fn(&Ground) -> Result<Credential>,
    /// Pieces of what the Certificate says behind its sentence; empty where it must say the sentence alone.
    certificate: &'static [&'static str],
    /// Pieces of what the RouterAccess says, in any condition.
    router_access: &'static [&'static str],
    /// Pieces of what a new Link says; empty where it comes up, since the old certificate stays in use or a note is all.
    link: &'static [&'static str],
}

/// What the Certificate says of every user's Secret.
const SENTENCE: &str = "Secret exists but is not controlled by skupper";

const FAULTS: &[Fault] = &[
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

pub(super) fn scenario(stage: &Stage) -> Result<()> {
    let ground = Ground::new(stage, "fault-server")?;
    let mut wrong = String::new();
    for fault in FAULTS {
        if let Err(error) = plant(stage, &ground, fault) {
            writeln!(wrong, "{}: {error:#}", fault.name)?;
        }
        ground.east.kubectl(&[
            "delete",
            "link",
            fault.name,
            "--wait=false",
            "--ignore-not-found",
        ])?;
    }
    ensure!(
        wrong.is_empty(),
        "of {} faults these are not told as they should be:\n{wrong}",
        FAULTS.len()
    );
    // Mended, everything is well again, and says so.
    ground
        .west
        .replace_secret(&ground.good_server()?.secret("skupper-site-server"))?;
    ground.west.await_ready("routeraccess", "skupper-router")?;
    ground.east.link("mended", &ground.endpoints, "good")?;
    ground.east.await_ready("link", "mended")?;
    Ok(())
}

fn plant(stage: &Stage, ground: &Ground, fault: &Fault) -> Result<()> {
    if fault.link.is_empty() {
        // What cannot be loaded leaves the earlier one in use: that has to be a good one first.
        let good = ground.good_server()?.secret("skupper-site-server");
        ground.west.replace_secret(&good)?;
        stage.await_presented(&ground.west, &ground.host, &good)?;
    }
    ground
        .west
        .replace_secret(&(fault.plant)(ground)?.secret("skupper-site-server"))?;
    let west = &ground.west;
    let said = if fault.certificate.is_empty() {
        // It may say for a moment what it said of the Secret before.
        west.await_only_message("certificate", "skupper-site-server", "Ready", SENTENCE)?
    } else {
        let pieces: Vec<_> = std::iter::once(SENTENCE)
            .chain(fault.certificate.iter().copied())
            .collect();
        west.await_message("certificate", "skupper-site-server", "Ready", &pieces)?
    };
    println!("{}: Certificate: {said}", fault.name);
    if !fault.router_access.is_empty() {
        let said =
            ground
                .west
                .await_any_message("routeraccess", "skupper-router", fault.router_access)?;
        println!("{}: RouterAccess: {said}", fault.name);
    }
    ground.east.link(fault.name, &ground.endpoints, "good")?;
    if fault.link.is_empty() {
        ground.east.await_ready("link", fault.name)?;
    } else {
        let said = ground
            .east
            .await_message("link", fault.name, "Operational", fault.link)?;
        println!("{}: Link: {said}", fault.name);
    }
    Ok(())
}
