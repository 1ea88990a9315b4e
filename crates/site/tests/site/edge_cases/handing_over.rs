//! Whose a Secret is, and what happens when it is replaced or deleted.

use jiff::SignedDuration;
use serde_json::json;
use skupper_pki::Credential;
use skupper_site::EventType;
use skupper_site::ObjectKind::{Certificate, ConfigMap, RouterAccess, Secret, Site};
use skupper_site::names::NOT_CONTROLLED;

use super::SERVER;
use crate::acceptance::with_users_server;
use crate::material::{Ca, days};
use crate::world::{ADDRESS, World, base64};

/// A site, and a credential for it that its user has not applied yet.
pub(super) fn site_and_server() -> (World, Ca, Credential) {
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
fn controller_down_while_a_secret_changes() {
    let (mut world, ca, _) = with_users_server();
    world.apply_credential(SERVER, &ca.server(&[ADDRESS], world.now));
    world.restart();
    world.settle();
    assert_eq!(world.profiles()[SERVER].ordinal, 1);
}
