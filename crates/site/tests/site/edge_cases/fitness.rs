//! What is wrong with what users bring, and where that is told.

use serde_json::json;
use skupper_pki::Credential;
use skupper_site::ObjectKind::{Certificate, Link, RouterAccess, Secret, Site};
use skupper_site::names::NOT_CONTROLLED;

use super::SERVER;
use super::handing_over::site_and_server;
use crate::acceptance::with_users_server;
use crate::links;
use crate::material::{Ca, days};
use crate::world::{ADDRESS, World, base64};

#[test]
fn server_certificate_expired_users() {
    let (mut world, ..) = with_users_server();
    world.advance(days(91));
    let condition = world.certificate(SERVER);
    assert_eq!(condition.reason, "Error");
    let tail = condition
        .message
        .strip_prefix(&format!("{NOT_CONTROLLED}: "))
        .unwrap();
    assert!(
        tail.contains("has expired: it was valid until 2027-02-23T00:00:00Z; "),
        "{tail}"
    );
    assert_eq!(
        world.object(Certificate, SERVER)["status"]["expiration"],
        "2027-02-23T00:00:00Z"
    );
    assert!(
        world
            .condition(RouterAccess, "skupper-router", "Configured")
            .contains("has expired")
    );
    assert_eq!(
        (world.told("Expiring").len(), world.told("Expired").len()),
        (3, 1)
    );
}

#[test]
fn hosts_change() {
    let (mut world, ..) = site_and_server();
    world.set_address(Some("10.71.80.99"));
    world.settle();
    assert!(
        world
            .credential(SERVER)
            .leaf()
            .unwrap()
            .names()
            .contains(&"10.71.80.99".to_owned())
    );
    assert_eq!(
        world.object(Site, "west")["status"]["endpoints"][0]["host"],
        "10.71.80.99"
    );
    let (mut world, ..) = with_users_server();
    world.set_address(Some("10.71.80.99"));
    world.settle();
    let noted = world.condition(RouterAccess, "skupper-router", "CredentialsFit");
    assert!(
        noted.contains("does not cover 10.71.80.99") && noted.contains(ADDRESS),
        "{noted}"
    );
    assert_eq!(world.certificate(SERVER).message, NOT_CONTROLLED);
}

#[test]
fn subject_alternative_names_of_the_router_access_are_wanted() {
    let (mut world, ..) = site_and_server();
    world.apply(
        RouterAccess,
        "skupper-router",
        json!({"spec": {"subjectAlternativeNames": ["west.example"]}}),
    );
    world.settle();
    assert!(
        world
            .credential(SERVER)
            .leaf()
            .unwrap()
            .names()
            .contains(&"west.example".to_owned())
    );
}

#[test]
fn wrong_ca_in_the_servers_ca_crt() {
    let (mut world, ca, mut server) = with_users_server();
    // Nothing says whom the user's CA signs: its own clients are trusted, the site's own CA is told to be not.
    let noted = world.condition(RouterAccess, "skupper-router", "CredentialsFit");
    assert!(
        noted
            .contains("the CA in Secret skupper-site-ca, which signs client credentials of this site, is not trusted here: ca.crt lists CN=the user"),
        "{noted}"
    );
    // The user brings the CA too, and the server does not trust it.
    let foreign = Ca::new("Foreign CA", world.now);
    server.ca_crt = foreign.credential.tls_crt.clone();
    world.apply_credential(SERVER, &server);
    world.apply_credential("skupper-site-ca", &ca.credential);
    world.settle();
    let said = world.certificate(SERVER);
    assert_eq!(said.reason, "Error");
    for piece in [NOT_CONTROLLED, "ca.crt", "Foreign CA", "the user's CA"] {
        assert!(said.message.contains(piece), "{}", said.message);
    }
    server.ca_crt = ca.credential.tls_crt.clone();
    world.apply_credential(SERVER, &server);
    world.settle();
    assert_eq!(world.certificate(SERVER).message, NOT_CONTROLLED);
    assert_eq!(
        world.condition(RouterAccess, "skupper-router", "CredentialsFit"),
        "absent"
    );
}

#[test]
fn a_ca_crt_that_trusts_no_client_of_this_site() {
    let (mut world, ..) = with_users_server();
    world.create(
        Certificate,
        "skupper-link",
        json!({"spec": {"ca": "skupper-site-ca", "client": true, "subject": "x"}}),
    );
    world.settle();
    let said = world.certificate(SERVER);
    assert_eq!(said.reason, "Error");
    assert!(
        said.message
            .contains("ca.crt trusts no client credential of this site. Secret skupper-link: "),
        "{}",
        said.message
    );
    assert!(said.message.contains("CN=west site CA"), "{}", said.message);
}

#[test]
fn tls_key_does_not_match() {
    let (mut world, ca, server) = with_users_server();
    let before = world.profiles()[SERVER].clone();
    let other = Credential {
        tls_key: ca.server(&[ADDRESS], world.now).tls_key,
        ..server
    };
    world.apply_credential(SERVER, &other);
    world.settle();
    let said = world.certificate(SERVER);
    assert_eq!(said.reason, "Error");
    assert!(
        said.message
            .contains("tls.key does not belong to the certificate in tls.crt"),
        "{}",
        said.message
    );
    assert!(
        world
            .condition(RouterAccess, "skupper-router", "Configured")
            .starts_with(
                "False/Error/TLS credentials secret \"skupper-site-server\" cannot be used: "
            )
    );
    // The router keeps the last revision that could be loaded.
    assert_eq!(world.profiles()[SERVER], before);
    assert!(
        world
            .router_config()
            .listeners
            .contains_key("skupper-router-inter-router")
    );
    assert_eq!(world.credential(SERVER), other);
}

#[test]
fn tls_secret_without_ca_crt() {
    let mut world = World::new();
    let ca = Ca::new("the user's CA", world.now);
    let server = Credential {
        ca_crt: Vec::new(),
        ..ca.server(&[ADDRESS], world.now)
    };
    world.apply_credential(SERVER, &server);
    world.create(Site, "west", json!({"spec": {"linkAccess": "default"}}));
    world.settle();
    let said = world.certificate(SERVER).message;
    assert!(
        said.starts_with(&format!(
            "{NOT_CONTROLLED}: ca.crt is missing or empty, expected "
        )),
        "{said}"
    );
    assert!(
        !world
            .router_config()
            .listeners
            .contains_key("skupper-router-inter-router")
    );
}

#[test]
fn secret_of_another_type() {
    let mut world = World::new();
    let ca = Ca::new("the user's CA", world.now);
    let server = ca.server(&[ADDRESS], world.now);
    let data = json!({"tls.crt": base64(&server.tls_crt), "tls.key": base64(&server.tls_key), "ca.crt": base64(&server.ca_crt)});
    world.create(
        Secret,
        SERVER,
        json!({"type": "example.com/x", "data": data}),
    );
    world.create(Site, "west", json!({"spec": {"linkAccess": "default"}}));
    world.settle();
    let said = world.certificate(SERVER).message;
    assert_eq!(
        said,
        format!(
            "{NOT_CONTROLLED}: it has the unsupported type example.com/x, expected kubernetes.io/tls or Opaque"
        )
    );
    let said = world.condition(RouterAccess, "skupper-router", "Configured");
    assert!(
        said.contains("has unsupported type example.com/x"),
        "{said}"
    );
}

#[test]
fn a_link_whose_secret_trusts_the_wrong_ca_shows_the_alert() {
    let mut east = links::with_link(&Ca::new("ca", World::new().now));
    links::report(
        &mut east,
        &json!([{"by": "us", "check": "issuer", "peer": "10.71.80.20:55671", "presented": "CN=west", "expected": "CN=ca", "firstSeconds": 1, "lastSeconds": 2}]),
    );
    east.settle();
    let said = east.condition(Link, "to-west", "Operational");
    assert_eq!(
        said,
        "False/Pending/Not operational: this site refused 10.71.80.20:55671: check issuer; presented CN=west; expected CN=ca"
    );
}
