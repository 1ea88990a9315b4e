//! What is agreed on, what is presented, and what happens when one side does not take part.

use std::sync::Arc;

use jiff::Timestamp;
use rustls::client::Resumption;
use rustls::{ClientConnection, NamedGroup, ProtocolVersion, ServerConnection};
use skupper_pki::issue::LeafRequest;
use skupper_pki::tls::{Versions, provider, server_name};
use skupper_pki::verify::{HandshakeFailure, PeerRecord, Side, watch};
use skupper_pki::{Credential, KeyAlgorithm, certificate};

use super::party::{Party, exchange, run};
use super::support::{self, client, issuer, now, request, server, with_ca};

#[test]
fn good_credentials_meet_in_both_versions_with_a_post_quantum_key_exchange() {
    assert_eq!(provider().kx_groups[0].name(), NamedGroup::X25519MLKEM768);
    let ca = issuer("CA");
    for (versions, version, group) in [
        (
            Versions::Tls12AndTls13,
            ProtocolVersion::TLSv1_3,
            NamedGroup::X25519MLKEM768,
        ),
        (
            Versions::Tls13,
            ProtocolVersion::TLSv1_3,
            NamedGroup::X25519MLKEM768,
        ),
        (
            Versions::Tls12,
            ProtocolVersion::TLSv1_2,
            NamedGroup::X25519,
        ),
    ] {
        let server = Party {
            versions,
            ..Party::of(server(&ca, &["router.example.com"]))
        };
        let outcome = run(&Party::of(client(&ca)), &server, "router.example.com");
        assert_eq!((outcome.client, outcome.server), (Ok(()), Ok(())));
        assert_eq!(
            (outcome.version, outcome.group),
            (Some(version), Some(group))
        );
        let presented = outcome.server_saw.presented[0].subject.to_string();
        assert_eq!(presented, "CN=client");
        assert_eq!(outcome.client_saw.accepted_issuers[0].to_string(), "CN=CA");
    }
}

#[test]
fn every_kind_of_key_is_presented_and_accepted() {
    let ca = issuer("CA");
    for algorithm in KeyAlgorithm::ALL {
        for versions in [Versions::Tls13, Versions::Tls12] {
            let both = LeafRequest {
                server: true,
                client: true,
                algorithm,
                ..request("r", &["r"])
            };
            let credential = ca.issue(&both, now()).unwrap().credential();
            let party = Party {
                versions,
                ..Party::of(credential)
            };
            let outcome = run(&party, &party, "r");
            assert_eq!(
                (outcome.client, outcome.server),
                (Ok(()), Ok(())),
                "{algorithm} {versions:?}"
            );
        }
    }
}

#[test]
fn a_missing_client_certificate_is_said_on_both_sides() {
    let ca = issuer("CA");
    for versions in [Versions::Tls13, Versions::Tls12] {
        let nobody = Party {
            identity: None,
            versions,
            ..Party::of(client(&ca))
        };
        let outcome = run(&nobody, &Party::of(server(&ca, &["r"])), "r");
        assert_eq!(
            outcome.server,
            Err(HandshakeFailure::NoCertificate),
            "{versions:?}"
        );
        let sentence = outcome.client.unwrap_err().to_string();
        assert!(
            sentence.starts_with("the server refused us, who presented no certificate"),
            "{versions:?} {sentence}"
        );
    }
}

#[test]
fn what_is_not_tls_is_said() {
    let ca = issuer("CA");
    let party = Party::of(server(&ca, &["r"]));
    let mut connection = ServerConnection::new(party.server()).unwrap();
    connection
        .read_tls(&mut &b"AMQP\x00\x01\x00\x00"[..])
        .unwrap();
    let mut saw = PeerRecord::default();
    let error = saw.watch(|| connection.process_new_packets()).unwrap_err();
    let failure = HandshakeFailure::explain(&error, &saw, Side::Server, None);
    assert_eq!(failure.to_string(), "the client does not speak TLS");

    let client = Party::of(client(&ca)).client();
    let mut connection = ClientConnection::new(client, server_name("r").unwrap()).unwrap();
    connection
        .read_tls(&mut &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..])
        .unwrap();
    let error = saw.watch(|| connection.process_new_packets()).unwrap_err();
    let failure = HandshakeFailure::explain(&error, &saw, Side::Client, None);
    assert_eq!(failure.to_string(), "the server does not speak TLS");
}

#[test]
fn a_version_1_client_certificate_authenticates_in_both_versions() {
    let openssl = support::Openssl::new();
    openssl.run("genrsa -out ca.key 2048");
    openssl.run("req -x509 -new -key ca.key -subj /CN=CA -days 3650 -out ca.crt");
    openssl.run("ecparam -name prime256v1 -genkey -noout -out tls.key");
    openssl.run("req -new -key tls.key -subj /CN=client -out tls.csr");
    openssl.run(
        "x509 -req -in tls.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 90 -out tls.crt",
    );
    let ca = issuer("CA");
    for versions in [Versions::Tls13, Versions::Tls12] {
        let at = Timestamp::now();
        let client = Party {
            at: now(),
            versions,
            ..Party::of(Credential {
                tls_crt: openssl.read("tls.crt"),
                tls_key: openssl.read("tls.key"),
                ca_crt: certificate::write_pem(ca.trusted()).into(),
            })
        };
        let server = Party {
            at,
            versions,
            ..Party::of(with_ca(server(&ca, &["r"]), openssl.read("ca.crt")))
        };
        let outcome = run(&client, &server, "r");
        assert_eq!(
            (outcome.client, outcome.server),
            (Ok(()), Ok(())),
            "{versions:?}"
        );
    }
}

#[test]
fn sessions_are_resumed_within_one_configuration_and_not_across_two() {
    let ca = issuer("CA");
    let (client, server) = (Party::of(client(&ca)), Party::of(server(&ca, &["r"])));
    let (mut client_side, server_side) = (client.client(), server.server());
    // Some other client, one that resumes although it presents a certificate.
    Arc::make_mut(&mut client_side).resumption = Resumption::in_memory_sessions(8);
    let again = || {
        exchange(
            &client,
            &server,
            Arc::clone(&client_side),
            Arc::clone(&server_side),
            "r",
        )
    };
    assert!(!again().resumed);
    assert!(again().resumed);
    let rotated = exchange(&client, &server, client_side, server.server(), "r");
    assert!(!rotated.resumed);
    assert_eq!(rotated.client, Ok(()));
}

#[test]
fn a_client_that_presents_a_certificate_presents_it_in_each_handshake() {
    let ca = issuer("CA");
    let (client, server) = (Party::of(client(&ca)), Party::of(server(&ca, &["r"])));
    let (client_side, server_side) = (client.client(), server.server());
    for _ in 0..2 {
        let (client_side, server_side) = (Arc::clone(&client_side), Arc::clone(&server_side));
        let outcome = exchange(&client, &server, client_side, server_side, "r");
        assert_eq!((outcome.client, outcome.resumed), (Ok(()), false));
    }
}

#[test]
fn a_future_is_watched_poll_by_poll() {
    let ca = issuer("CA");
    let foreign = issuer("foreign");
    let (client, server) = (
        Party::of(client(&ca)),
        Party::of(support::server(&foreign, &["r"])),
    );
    let mut connection = ClientConnection::new(client.client(), server_name("r").unwrap()).unwrap();
    let mut peer = ServerConnection::new(server.server()).unwrap();
    let mut wire = Vec::new();
    connection.write_tls(&mut wire).unwrap();
    peer.read_tls(&mut wire.as_slice()).unwrap();
    peer.process_new_packets().unwrap();
    let mut wire = Vec::new();
    while peer.wants_write() {
        peer.write_tls(&mut wire).unwrap();
    }
    let step = async move {
        let mut rest = wire.as_slice();
        while !rest.is_empty() {
            connection.read_tls(&mut rest).unwrap();
            connection.process_new_packets()?;
        }
        Ok::<(), rustls::Error>(())
    };
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let polled = std::pin::Pin::new(&mut watch(step)).poll(&mut context);
    let std::task::Poll::Ready((ended, record)) = polled else {
        panic!("pending")
    };
    assert!(ended.is_err());
    assert!(record.refusal.is_some());
    assert_eq!(record.presented.len(), 1);
}
