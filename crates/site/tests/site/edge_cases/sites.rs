//! Sites and CAs.

use jiff::SignedDuration;
use serde_json::json;
use skupper_pki::Credential;
use skupper_site::ObjectKind::{Certificate, ConfigMap, RouterAccess, SecuredAccess, Site};
use skupper_site::names::NOT_CONTROLLED;

use super::SERVER;
use crate::acceptance::with_users_server;
use crate::material::Ca;
use crate::world::{ADDRESS, World};

#[test]
fn user_creates_a_certificate_first() {
    let mut world = World::new();
    let ca = json!({"spec": {"ca": "skupper-site-ca", "server": true, "subject": "mine", "hosts": ["mine.example"]}});
    world.create(Certificate, SERVER, ca);
    world.create(Site, "west", json!({"spec": {"linkAccess": "default"}}));
    world.settle();
    let refused =
        "False/Error/certificate \"skupper-site-server\" exists but is not controlled by skupper";
    assert_eq!(
        world.condition(SecuredAccess, "skupper-router", "Configured"),
        refused
    );
    assert_eq!(
        world
            .credential(SERVER)
            .leaf()
            .unwrap()
            .subject
            .common_name(),
        Some("mine")
    );
    assert!(
        world
            .router_config()
            .listeners
            .contains_key("skupper-router-inter-router")
    );
    assert_eq!(world.condition(Site, "west", "Configured"), "True/Ready/OK");
}

#[test]
fn site_recreated() {
    let (mut world, ca, _) = with_users_server();
    // A client Certificate of a user's own outlives the Site, and follows the new CA.
    world.create(
        Certificate,
        "observer",
        json!({"spec": {"ca": "skupper-local-ca", "client": true, "subject": "observer"}}),
    );
    world.settle();
    let old = world.credential("skupper-local-ca").leaf().unwrap();
    world.delete(Site, "west");
    world.settle();
    world.create(Site, "west", json!({"spec": {"linkAccess": "default"}}));
    world.settle();
    let new = world.credential("skupper-local-ca").leaf().unwrap();
    assert_ne!(old, new);
    let observer = world.credential("observer");
    assert!(observer.leaf().unwrap().is_issued_by(&new));
    assert_eq!(observer.trusted().unwrap()[0], new);
    assert_eq!(world.credential(SERVER).ca_crt, ca.credential.tls_crt);
}

#[test]
fn two_sites_in_a_namespace() {
    let mut world = World::with_site();
    world.advance(SignedDuration::from_secs(60));
    world.create(
        Site,
        "another",
        json!({"spec": {"linkAccess": "loadbalancer"}}),
    );
    world.settle();
    assert_eq!(
        world.condition(Site, "another", "Configured"),
        "False/Error/An active site already exists in the namespace (west)"
    );
    assert_eq!(world.condition(Site, "west", "Configured"), "True/Ready/OK");
    world.delete(Site, "west");
    world.settle();
    assert_eq!(
        world.condition(Site, "another", "Configured"),
        "True/Ready/OK"
    );
    let owner =
        &world.object(ConfigMap, "skupper-router")["metadata"]["ownerReferences"][0]["name"];
    assert_eq!(*owner, "another");
}

#[test]
fn ha_and_edge_are_refused_with_a_sentence() {
    let said = |spec: serde_json::Value| {
        let mut world = World::new();
        world.create(Site, "west", json!({"spec": spec}));
        world.settle();
        assert!(
            !world.has(ConfigMap, "skupper-router") && !world.has(RouterAccess, "skupper-router")
        );
        assert_eq!(world.object(Site, "west")["status"]["status"], "Error");
        world.condition(Site, "west", "Configured")
    };
    assert!(
        said(json!({"ha": true})).contains("spec.ha is true, but this controller runs one router")
    );
    assert!(
        said(json!({"edge": true, "linkAccess": "default"}))
            .contains("spec.edge is true, but this controller serves interior sites only")
    );
    assert_eq!(
        said(json!({"edge": true, "ha": true})),
        "False/Error/Edge sites cannot have HA enabled"
    );
    assert_eq!(
        said(json!({"linkAccess": "gateway"})),
        "False/Error/Unsupported value for LinkAccess: gateway"
    );
}

#[test]
fn an_unusable_ca_shows_on_the_site() {
    type Spoil = fn(&mut Credential);
    let unusable: [(&str, Spoil, &str); 4] = [
        (
            "no key",
            |ca| ca.tls_key.clear(),
            "failed to read PEM encoded data from \"tls.key\"; ",
        ),
        (
            "nothing",
            |ca| *ca = Credential::default(),
            "failed to read PEM encoded data from \"tls.crt\"; ",
        ),
        (
            "no CA",
            |ca| *ca = Ca::new("x", World::new().now).server(&["h"], World::new().now),
            "is not a CA certificate",
        ),
        ("garbage", |ca| ca.tls_crt = b"hello".to_vec(), "tls.crt"),
    ];
    for (what, spoil, expected) in unusable {
        let mut world = World::new();
        let mut ca = Ca::new("the user's CA", world.now).credential;
        spoil(&mut ca);
        world.apply_credential("skupper-site-ca", &ca);
        world.create(Site, "west", json!({"spec": {"linkAccess": "default"}}));
        world.settle();
        let prefix = "False/Error/error reading CA Certificate from Secret \"skupper-site-ca\": ";
        for said in [
            world.condition(Site, "west", "Configured"),
            world.condition(Certificate, SERVER, "Ready"),
        ] {
            assert!(
                said.starts_with(prefix) && said.contains(expected),
                "{what}: {said}"
            );
        }
        let said = world.condition(RouterAccess, "skupper-router", "Configured");
        assert!(
            said.contains("TLS credentials secret \"skupper-site-server\" not found")
                && said.contains(expected),
            "{what}: {said}"
        );
        assert!(
            world
                .certificate("skupper-site-ca")
                .message
                .starts_with(&format!("{NOT_CONTROLLED}: ")),
            "{what}"
        );
        // Mended, all is well.
        world.apply_credential(
            "skupper-site-ca",
            &Ca::new("the user's CA", world.now).credential,
        );
        world.settle();
        assert_eq!(
            world.condition(Site, "west", "Configured"),
            "True/Ready/OK",
            "{what}"
        );
        assert_eq!(
            world.certificate("skupper-site-ca").message,
            NOT_CONTROLLED,
            "{what}"
        );
    }
}

#[test]
fn a_ca_for_trust_only_is_fit_where_nothing_has_to_be_issued_from_it() {
    let mut world = World::new();
    let ca = Ca::new("the user's CA", world.now);
    world.apply_credential(
        "skupper-site-ca",
        &Credential {
            tls_key: Vec::new(),
            ..ca.credential.clone()
        },
    );
    world.apply_credential(SERVER, &ca.server(&[ADDRESS], world.now));
    world.create(Site, "west", json!({"spec": {"linkAccess": "default"}}));
    world.settle();
    assert_eq!(world.certificate("skupper-site-ca").message, NOT_CONTROLLED);
    assert_eq!(world.certificate(SERVER).message, NOT_CONTROLLED);
    assert_eq!(world.condition(Site, "west", "Configured"), "True/Ready/OK");
}

#[test]
fn a_missing_ca_is_named() {
    let mut world = World::new();
    world.create(
        Certificate,
        "c",
        json!({"spec": {"ca": "nobody", "client": true, "subject": "x"}}),
    );
    world.settle();
    assert_eq!(
        world.condition(Certificate, "c", "Ready"),
        "False/Error/CA \"west-ns/nobody\" not found"
    );
    // It works without a Site, and at once when the CA comes.
    world.apply_credential("nobody", &Ca::new("ca", world.now).credential);
    world.settle();
    assert_eq!(world.condition(Certificate, "c", "Ready"), "True/Ready/OK");
}

#[test]
fn a_site_that_cannot_be_served_keeps_what_upstream_made_for_it() {
    let mut world = World::with_site();
    world.create(
        skupper_site::ObjectKind::Listener,
        "l",
        json!({"spec": {"host": "l", "port": 1, "routingKey": "k"}}),
    );
    world.settle();
    let before = world.objects.clone();
    world.apply(Site, "west", json!({"spec": {"ha": true}}));
    world.writes.clear();
    world.settle();
    for write in &world.writes {
        assert!(
            matches!(write, skupper_site::Write::Status { .. }),
            "{write:?}"
        );
    }
    assert_eq!(world.objects.len(), before.len());
    world.apply(Site, "west", json!({"spec": {"ha": false}}));
    world.settle();
    assert_eq!(world.condition(Site, "west", "Configured"), "True/Ready/OK");
}

#[test]
fn a_site_that_is_being_deleted_is_gone_already() {
    let mut world = World::with_site();
    world.apply(Site, "west", json!({"metadata": {"deletionTimestamp": "2026-11-25T00:00:00Z", "finalizers": ["foregroundDeletion"]}}));
    world.delete(Certificate, "skupper-local-ca");
    world.settle();
    assert!(!world.has(Certificate, "skupper-local-ca"));
}
