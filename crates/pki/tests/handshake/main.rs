//! Real handshakes in memory: each refusal is found on the side that made it, with what was presented and expected, and the
//! other side learns what TLS lets it learn.

#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod party;
mod protocol;

use party::{Outcome, Party, run};
use skupper_pki::issue::LeafRequest;
use skupper_pki::judge::Fault;
use skupper_pki::verify::HandshakeFailure;
use skupper_pki::{Credential, certificate};
use support::{Spec, client, days, issuer, key, key_pem, now, request, server, with_ca};

/// Checks that `client` refused the server for `fault`, and what the server learnt.
fn client_refused(outcome: &Outcome, alert: &str) -> Fault {
    let Err(HandshakeFailure::Refused { refusal, .. }) = &outcome.client else {
        panic!("{:?}", outcome.client)
    };
    let learnt = outcome.server.as_ref().unwrap_err().to_string();
    assert!(learnt.contains(alert), "{learnt}");
    assert!(!outcome.client_saw.presented.is_empty());
    refusal.findings[0].fault.clone()
}

fn server_refused(outcome: &Outcome, alert: &str) -> Fault {
    let Err(HandshakeFailure::Refused { refusal, .. }) = &outcome.server else {
        panic!("{:?}", outcome.server)
    };
    let learnt = outcome.client.as_ref().unwrap_err().to_string();
    assert!(learnt.contains(alert), "{learnt}");
    assert!(!outcome.server_saw.presented.is_empty());
    refusal.findings[0].fault.clone()
}

#[test]
fn an_address_is_matched_by_ip_name_or_dns_name() {
    let ca = issuer("CA");
    let root = skupper_pki::certificate::write_pem(ca.trusted());
    // Ours carry both; each form alone has to do as well.
    for host in ["10.0.0.1", "::1"] {
        let outcome = run(
            &Party::of(client(&ca)),
            &Party::of(server(&ca, &[host])),
            host,
        );
        assert_eq!(outcome.client, Ok(()));
    }
    for name in [
        rcgen::SanType::DnsName("10.0.0.1".try_into().unwrap()),
        rcgen::SanType::IpAddress("10.0.0.1".parse().unwrap()),
    ] {
        let spec = Spec::ca("root");
        let leaf = Spec {
            names: vec![name],
            ..Spec::leaf("leaf")
        }
        .signed(key(2), &spec, key(0));
        let presented = Credential {
            tls_crt: leaf.to_pem().into_bytes(),
            tls_key: key_pem(2).into_bytes(),
            ca_crt: root.clone().into_bytes(),
        };
        let trusts = spec.self_signed(key(0)).to_pem();
        let client = Party::of(with_ca(client(&ca), trusts));
        let outcome = run(&client, &Party::of(presented), "10.0.0.1");
        assert_eq!((outcome.client, outcome.server), (Ok(()), Ok(())));
    }
}

#[test]
fn names_are_verified_unless_told_not_to() {
    let ca = issuer("CA");
    let server = Party::of(server(&ca, &["router.example.com", "10.9.9.9"]));
    let outcome = run(&Party::of(client(&ca)), &server, "other.example.com");
    let fault = client_refused(&outcome, "bad_certificate");
    let Fault::NameNotCovered {
        expected,
        presented,
    } = fault
    else {
        panic!("{fault:?}")
    };
    assert_eq!(expected, "other.example.com");
    assert_eq!(presented, ["router.example.com", "10.9.9.9", "IP:10.9.9.9"]);
    assert_eq!(
        outcome.client.unwrap_err().to_string(),
        "the server was refused here: the certificate presented (CN=skupper-router) does not cover other.example.com: its subject alternative names are router.example.com, 10.9.9.9, IP:10.9.9.9"
    );

    let careless = Party {
        verify_name: false,
        ..Party::of(client(&ca))
    };
    assert_eq!(run(&careless, &server, "other.example.com").client, Ok(()));
}

#[test]
fn a_common_name_is_no_name() {
    let ca = Spec::ca("root");
    let leaf = Spec {
        names: Vec::new(),
        ..Spec::leaf("router.example.com")
    }
    .signed(key(2), &ca, key(0));
    let root = ca.self_signed(key(0)).to_pem();
    let credential = Credential {
        tls_crt: leaf.to_pem().into(),
        tls_key: key_pem(2).into(),
        ca_crt: root.into(),
    };
    let party = Party::of(credential);
    let outcome = run(&party, &party, "router.example.com");
    assert!(matches!(
        client_refused(&outcome, "bad_certificate"),
        Fault::NoNames { .. }
    ));
    let sentence = outcome.client.unwrap_err().to_string();
    assert!(sentence.contains("has no subject alternative name, expected router.example.com (its common name router.example.com is not looked at)"), "{sentence}");
}

#[test]
fn a_foreign_ca_is_named_on_both_sides() {
    let (ours, theirs) = (issuer("our CA"), issuer("their CA"));
    // The client does not trust the server.
    let outcome = run(
        &Party::of(with_ca(
            client(&theirs),
            certificate::write_pem(ours.trusted()),
        )),
        &Party::of(with_ca(
            server(&theirs, &["r"]),
            certificate::write_pem(theirs.trusted()),
        )),
        "r",
    );
    let fault = client_refused(&outcome, "unknown_ca");
    let Fault::UnknownIssuer {
        issuer: name,
        expected,
        ..
    } = fault
    else {
        panic!("{fault:?}")
    };
    assert_eq!(name.to_string(), "CN=their CA");
    assert_eq!(expected[0].subject.to_string(), "CN=our CA");

    // The server does not trust the client, and tells whom it would: TLS 1.3 lets the client finish first.
    let outcome = run(
        &Party::of(with_ca(
            client(&theirs),
            certificate::write_pem(ours.trusted()),
        )),
        &Party::of(server(&ours, &["r"])),
        "r",
    );
    assert!(matches!(
        server_refused(&outcome, "unknown_ca"),
        Fault::UnknownIssuer { .. }
    ));
    let sentence = outcome.client.unwrap_err().to_string();
    assert!(
        sentence.starts_with(
            "the server refused our certificate (CN=client issued by CN=their CA, valid until "
        ),
        "{sentence}"
    );
    assert!(sentence.ends_with("it does not trust the CA that issued the certificate; it says that it accepts certificates issued by CN=our CA"), "{sentence}");
}

#[test]
fn the_same_name_with_another_key_is_told_by_key_ids() {
    let (old, new) = (issuer("site CA"), issuer("site CA"));
    let outcome = run(
        &Party::of(with_ca(client(&old), certificate::write_pem(new.trusted()))),
        &Party::of(server(&new, &["r"])),
        "r",
    );
    let fault = server_refused(&outcome, "unknown_ca");
    let Fault::IssuerKeyDiffers {
        key_id, expected, ..
    } = fault
    else {
        panic!("{fault:?}")
    };
    assert_eq!(key_id, Some(old.certificate().key_id()));
    assert_eq!(expected, [new.certificate().key_id()]);
}

#[test]
fn usages_are_held_to_their_roles() {
    let ca = issuer("CA");
    let outcome = run(
        &Party::of(client(&ca)),
        &Party::of(with_names_but_client(&ca)),
        "r",
    );
    let fault = client_refused(&outcome, "unsupported_certificate");
    assert!(
        matches!(
            fault,
            Fault::UsageMissing {
                expected: "serverAuth",
                ..
            }
        ),
        "{fault:?}"
    );
    let outcome = run(
        &Party::of(server(&ca, &["r"])),
        &Party::of(server(&ca, &["r"])),
        "r",
    );
    let fault = server_refused(&outcome, "unsupported_certificate");
    let Fault::UsageMissing {
        expected,
        presented,
    } = fault
    else {
        panic!("{fault:?}")
    };
    assert_eq!(
        (expected, presented),
        ("clientAuth", vec!["serverAuth".to_owned()])
    );
    assert!(outcome.client.unwrap_err().remedy().contains("clientAuth"));
}

fn with_names_but_client(ca: &skupper_pki::issue::Issuer) -> Credential {
    let request = LeafRequest {
        client: true,
        ..request("r", &["r"])
    };
    ca.issue(&request, now()).unwrap().credential()
}

#[test]
fn dates_are_held_on_both_ends_and_for_anchors_too() {
    let ca = issuer("CA");
    let later = |at| Party {
        at,
        ..Party::of(client(&ca))
    };
    let outcome = run(&later(days(400)), &Party::of(server(&ca, &["r"])), "r");
    assert!(matches!(
        client_refused(&outcome, "certificate_expired"),
        Fault::Expired { .. }
    ));
    let outcome = run(&later(days(-2)), &Party::of(server(&ca, &["r"])), "r");
    assert!(matches!(
        client_refused(&outcome, "certificate_expired"),
        Fault::NotYetValid { .. }
    ));

    // The anchor has ended, the leaf has not: webpki alone would accept.
    let root = Spec {
        until: days(-1),
        ..Spec::ca("root")
    };
    let leaf = Spec::leaf("leaf").signed(key(2), &root, key(0));
    let credential = Credential {
        tls_crt: leaf.to_pem().into(),
        tls_key: key_pem(2).into(),
        ca_crt: root.self_signed(key(0)).to_pem().into(),
    };
    let party = Party::of(credential);
    let outcome = run(&party, &party, "router.example.com");
    assert!(matches!(
        client_refused(&outcome, "certificate_expired"),
        Fault::Expired { .. }
    ));
    let sentence = outcome.client.unwrap_err().to_string();
    assert!(
        sentence.contains("certificate 1 of ca.crt (CN=root) has expired"),
        "{sentence}"
    );
}

#[test]
fn a_ca_is_no_leaf_and_a_leaf_is_no_ca() {
    let root = Spec {
        names: Spec::leaf("x").names,
        ..Spec::ca("root")
    };
    let certificate = root.self_signed(key(0));
    let as_leaf = Party::of(Credential {
        tls_crt: certificate.to_pem().into(),
        tls_key: key_pem(0).into(),
        ca_crt: certificate.to_pem().into(),
    });
    let outcome = run(&as_leaf, &as_leaf, "router.example.com");
    assert!(matches!(
        client_refused(&outcome, "unsupported_certificate"),
        Fault::CaAsLeaf { .. }
    ));

    let no_ca = Spec::leaf("not a CA");
    let leaf = Spec::leaf("leaf").signed(key(2), &no_ca, key(1));
    let party = Party::of(Credential {
        tls_crt: leaf.to_pem().into(),
        tls_key: key_pem(2).into(),
        ca_crt: no_ca.self_signed(key(1)).to_pem().into(),
    });
    let outcome = run(&party, &party, "router.example.com");
    assert!(matches!(
        client_refused(&outcome, "unknown_ca"),
        Fault::LeafAsCa { .. }
    ));
}
