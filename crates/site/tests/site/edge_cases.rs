//! The edge cases of the reference (kubernetes.md §9.11), in the column "better", as far as §12 of the issue does not decide
//! otherwise.

use jiff::SignedDuration;
use serde_json::json;
use skupper_pki::Credential;
use skupper_site::EventType;
use skupper_site::ObjectKind::{
    Certificate, ConfigMap, Link, RouterAccess, Secret, SecuredAccess, Site,
};
use skupper_site::names::NOT_CONTROLLED;

use crate::acceptance::with_users_server;
use crate::links;
use crate::material::{Ca, days};
use crate::world::{ADDRESS, World, base64};

const SERVER: &str = "skupper-site-server";

/// A site, and a credential for it that its user has not applied yet.
fn site_and_server() -> (World, Ca, Credential) {
    let world = World::with_site();
    let ca = Ca::new("the user's CA", world.now);
    let server = ca.server(&[ADDRESS], world.now);
    (world, ca, server)
}

fn assert_handed_over(world: &World, server: &Credential) {
    assert_eq!(world.credential(SERVER), *server);
    assert_eq!(
        world.condition(Certificate, SERVER, "Ready"),
        format!("True/Ready/{NOT_CONTROLLED}")
    );
    let meta = &world.object(Secret, SERVER)["metadata"];
    assert!(meta.get("ownerReferences").is_none(), "{meta}");
    let marks = meta["annotations"].as_object().cloned().unwrap_or_default();
    assert!(
        marks
            .keys()
            .all(|key| !key.starts_with("internal.skupper.io/")),
        "{meta}"
    );
}

#[test]
fn server_secret_after_site_by_apply() {
    let (mut world, _, server) = site_and_server();
    world.apply_credential(SERVER, &server);
    let writes = world.settle();
    assert_handed_over(&world, &server);
    // Marks off, status, ConfigMap: three writes, of which one to the Secret.
    assert!(writes <= 4, "{writes} writes");
    assert_eq!(world.told("HandedOver").len(), 1);
}

#[test]
fn server_secret_after_site_by_replace_with_type() {
    let (mut world, _, server) = site_and_server();
    let data = json!({"tls.crt": base64(&server.tls_crt), "tls.key": base64(&server.tls_key), "ca.crt": base64(&server.ca_crt)});
    world.replace(
        Secret,
        SERVER,
        json!({"type": "kubernetes.io/tls", "data": data}),
    );
    world.settle();
    assert_handed_over(&world, &server);
}

#[test]
fn server_secret_after_site_by_replace_force() {
    let (mut world, _, server) = site_and_server();
    world.delete(Secret, SERVER);
    world.apply_credential(SERVER, &server);
    world.settle();
    assert_handed_over(&world, &server);
}

#[test]
fn server_secret_after_site_by_delete_and_create_within_the_grace() {
    let (mut world, _, server) = site_and_server();
    world.delete(Secret, SERVER);
    world.settle();
    assert!(!world.has(Secret, SERVER));
    let waiting = world.certificate(SERVER);
    assert_eq!(waiting.reason, "Pending");
    assert!(
        waiting
            .message
            .contains("was deleted: skupper issues one at 2026-11-25T00:00:30Z"),
        "{}",
        waiting.message
    );
    // The router keeps its files.
    assert!(
        world
            .router_config()
            .listeners
            .contains_key("skupper-router-inter-router")
    );
    world.advance(SignedDuration::from_secs(29));
    assert!(!world.has(Secret, SERVER));
    world.apply_credential(SERVER, &server);
    world.settle();
    assert_handed_over(&world, &server);
}

#[test]
fn a_deleted_managed_secret_is_issued_again_after_the_grace() {
    let (mut world, ..) = site_and_server();
    world.delete(Secret, SERVER);
    world.settle();
    world.restart();
    world.advance(SignedDuration::from_secs(30));
    assert_eq!(
        world.condition(Certificate, SERVER, "Ready"),
        "True/Ready/OK"
    );
    assert_eq!(world.told("UserSecretDeleted").len(), 0);
}

#[test]
fn marks_removed_by_hand_hand_it_over() {
    let (mut world, _, server) = site_and_server();
    world.replace(Secret, SERVER, {
        let mut secret = world.object(Secret, SERVER).clone();
        secret["metadata"] = json!({});
        secret
    });
    world.settle();
    assert_eq!(world.certificate(SERVER).message, NOT_CONTROLLED);
    world.apply_credential(SERVER, &server);
    world.settle();
    assert_handed_over(&world, &server);
}

#[test]
fn a_foreign_owner_means_the_users() {
    let (mut world, _, server) = site_and_server();
    world.delete(Secret, SERVER);
    world.apply_credential(SERVER, &server);
    world.create(
        ConfigMap,
        "stands-for-a-cert-manager-certificate",
        json!({}),
    );
    let uid =
        world.object(ConfigMap, "stands-for-a-cert-manager-certificate")["metadata"]["uid"].clone();
    let owner = json!([{"apiVersion": "cert-manager.io/v1", "kind": "Certificate", "name": "x", "uid": uid, "controller": true}]);
    world.apply(
        Secret,
        SERVER,
        json!({"metadata": {"ownerReferences": owner}}),
    );
    world.settle();
    let before = world.object(Secret, SERVER).clone();
    assert_eq!(world.certificate(SERVER).message, NOT_CONTROLLED);
    world.advance(days(80));
    assert_eq!(*world.object(Secret, SERVER), before);
}

#[test]
fn users_data_replaced_later_rotates_and_shows_the_new_end() {
    let (mut world, ca, _) = with_users_server();
    let end = |world: &World| world.object(Certificate, SERVER)["status"]["expiration"].clone();
    let before = end(&world);
    world.apply_credential(
        SERVER,
        &ca.leaf("longer", &[ADDRESS], true, false, days(200), world.now),
    );
    world.settle();
    assert_ne!(end(&world), before);
    assert_eq!(world.profiles()[SERVER].ordinal, 1);
    // `ca.crt` alone is a rotation too.
    let other = Ca::new("other", world.now);
    let mut both = world.credential(SERVER);
    both.ca_crt.extend_from_slice(&other.credential.tls_crt);
    world.apply_credential(SERVER, &both);
    world.settle();
    assert_eq!(world.profiles()[SERVER].ordinal, 2);
}

#[test]
fn user_secret_deleted() {
    let (mut world, ..) = with_users_server();
    world.delete(Secret, SERVER);
    world.settle();
    let said = world.certificate(SERVER).message;
    assert!(
        said.starts_with(
            "Secret skupper-site-server provided by its user was deleted: skupper issues one at "
        ),
        "{said}"
    );
    assert!(!world.has(Secret, SERVER));
    world.advance(SignedDuration::from_secs(31));
    assert_eq!(
        world.condition(Certificate, SERVER, "Ready"),
        "True/Ready/OK"
    );
    let [event] = world.told("UserSecretDeleted")[..] else {
        panic!("one Event, not {:?}", world.events)
    };
    assert_eq!((event.type_, event.kind), (EventType::Warning, Certificate));
    assert!(
        world
            .credential(SERVER)
            .leaf()
            .unwrap()
            .is_issued_by(&world.credential("skupper-site-ca").leaf().unwrap())
    );
}

#[test]
fn user_secret_deleted_without_generation() {
    let mut world = World::new();
    let ca = Ca::new("ca", world.now);
    world.create(Site, "west", json!({}));
    world.apply_credential("public", &ca.server(&[ADDRESS], world.now));
    let spec = json!({"generateTlsCredentials": false, "tlsCredentials": "public", "roles": [{"name": "inter-router", "port": 55671}]});
    world.create(RouterAccess, "public", json!({"spec": spec}));
    world.settle();
    world.delete(Secret, "public");
    world.settle();
    world.advance(days(1));
    assert_eq!(
        world.condition(RouterAccess, "public", "Configured"),
        "False/Error/TLS credentials secret \"public\" not found\nthe router goes on with the credential that it has, until its pod ends"
    );
    // The listeners stay while the router has the files.
    assert!(
        world
            .router_config()
            .listeners
            .contains_key("public-inter-router")
    );
}

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
fn controller_down_while_a_secret_changes() {
    let (mut world, ca, _) = with_users_server();
    world.apply_credential(SERVER, &ca.server(&[ADDRESS], world.now));
    world.restart();
    world.settle();
    assert_eq!(world.profiles()[SERVER].ordinal, 1);
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
