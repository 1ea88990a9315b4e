//! The acceptance checks of the custom-certificate procedures (reference, kubernetes.md §9.10), each by its number. Row 11 is
//! the command line's.

use jiff::SignedDuration;
use k8s_openapi::api::core::v1::Secret;
use serde_json::json;
use skupper_api::StatusType;
use skupper_pki::judge::Severity;
use skupper_pki::{Expectation, KeyAlgorithm, Role, TrustBundle, judge};
use skupper_site::ObjectKind::{
    Certificate, ConfigMap, Link, Pod, RouterAccess, Secret as SecretKind, SecuredAccess, Site,
};
use skupper_site::names::NOT_CONTROLLED;

use crate::links;
use crate::material::Ca;
use crate::world::{ADDRESS, NAMESPACE, World};

/// A router pod that is ready.
pub(crate) fn router_pod() -> serde_json::Value {
    json!({
        "metadata": {"labels": {"skupper.io/component": "router", "skupper.io/type": "site", "application": "skupper-router"}},
        "status": {"phase": "Running", "podIP": "10.0.0.9", "conditions": [{"type": "Ready", "status": "True"}]},
    })
}

/// A site whose user brought a server certificate before it.
pub(crate) fn with_users_server() -> (World, Ca, skupper_pki::Credential) {
    let mut world = World::new();
    let ca = Ca::new("the user's CA", world.now);
    let server = ca.server(&[ADDRESS], world.now);
    world.apply_credential("skupper-site-server", &server);
    world.create(Pod, "skupper-router-1", router_pod());
    world.create(Site, "west", json!({"spec": {"linkAccess": "default"}}));
    world.settle();
    (world, ca, server)
}

#[test]
fn row_1_all_certificates_of_a_site_are_ready() {
    let world = World::with_site();
    let names: Vec<&str> = world
        .objects
        .keys()
        .filter(|(kind, _)| *kind == Certificate)
        .map(|(_, name)| name.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "skupper-local-ca",
            "skupper-local-server",
            "skupper-site-ca",
            "skupper-site-server"
        ]
    );
    for name in names {
        assert_eq!(
            world.condition(Certificate, name, "Ready"),
            "True/Ready/OK",
            "{name}"
        );
        assert_eq!(world.summary(Certificate, name), "Ready/OK");
        assert!(world.object(Certificate, name)["status"]["expiration"].is_string());
    }
}

#[test]
fn row_2_the_server_certificate_is_for_the_endpoints() {
    let world = World::with_site();
    let credential = world.credential("skupper-site-server");
    let leaf = credential.leaf().unwrap();
    assert_eq!(leaf.subject.common_name(), Some("skupper-router"));
    let mut names = leaf.names();
    names.sort();
    assert_eq!(
        names,
        [
            ADDRESS,
            &format!("IP:{ADDRESS}"),
            "skupper-router",
            &format!("skupper-router.{NAMESPACE}")
        ]
    );
    assert_eq!(
        credential.ca_crt,
        world.credential("skupper-site-ca").tls_crt
    );
    let trusted = TrustBundle::from_pem(&credential.ca_crt).unwrap();
    assert_eq!(
        judge(
            &credential,
            &Expectation::new(Role::Server, world.now).trusted_by(&trusted)
        ),
        []
    );
    assert_eq!(
        world.object(SecretKind, "skupper-site-server")["type"],
        "kubernetes.io/tls"
    );
}

#[test]
fn row_3_a_users_server_secret_is_left_alone_and_told_in_one_line() {
    let (world, _, server) = with_users_server();
    let condition = world.certificate("skupper-site-server");
    assert_eq!(
        condition.message,
        "Secret exists but is not controlled by skupper"
    );
    assert_eq!(
        (
            condition.reason.as_str(),
            world.summary(Certificate, "skupper-site-server").as_str()
        ),
        (
            "Ready",
            "Ready/Secret exists but is not controlled by skupper"
        )
    );
    assert_eq!(world.credential("skupper-site-server"), server);
    let secret: Secret = world.typed(SecretKind, "skupper-site-server");
    assert_eq!(
        (
            secret.metadata.annotations,
            secret.metadata.owner_references,
            secret.type_.as_deref()
        ),
        (None, None, Some("Opaque"))
    );
}

#[test]
fn row_4_the_site_is_ready_with_the_users_certificate() {
    let (world, ..) = with_users_server();
    for (kind, name) in [
        (Site, "west"),
        (RouterAccess, "skupper-router"),
        (SecuredAccess, "skupper-router"),
    ] {
        assert_eq!(world.summary(kind, name), "Ready/OK", "{kind} {name}");
    }
    let endpoints = &world.object(Site, "west")["status"]["endpoints"];
    assert_eq!(
        *endpoints,
        json!([
            {"name": "inter-router", "host": ADDRESS, "port": "55671", "group": "skupper-router"},
            {"name": "edge", "host": ADDRESS, "port": "45671", "group": "skupper-router"},
        ])
    );
    let config = world.router_config();
    assert_eq!(
        config.listeners["skupper-router-inter-router"].ssl_profile,
        "skupper-site-server"
    );
    assert_eq!(world.profiles()["skupper-site-server"].ordinal, 0);
}

#[test]
fn row_5_a_link_with_the_users_credentials_becomes_ready() {
    let (_, ca, _) = with_users_server();
    let mut east = links::with_link(&ca);
    assert_eq!(
        east.condition(Link, "to-west", "Configured"),
        "True/Ready/OK"
    );
    assert_eq!(east.summary(Link, "to-west"), "Pending/Not Operational");
    links::network(&mut east, "up");
    east.settle();
    assert_eq!(
        east.condition(Link, "to-west", "Operational"),
        "True/Ready/OK"
    );
    assert_eq!(east.summary(Link, "to-west"), "Ready/OK");
    assert_eq!(
        east.object(Link, "to-west")["status"]["remoteSiteName"],
        "west"
    );
}

#[test]
fn row_6_a_foreign_ca_on_either_side_is_told_by_the_link() {
    let (_, ca, _) = with_users_server();
    let mut east = links::with_link(&ca);
    links::network(&mut east, "down");
    let sentence = "the server certificate is issued by CN=the user's CA, which is not among the CAs of ca.crt: CN=other";
    links::report(
        &mut east,
        &json!([{"by": "us", "check": "issuer", "peer": "10.71.80.20:55671", "message": sentence, "firstSeconds": 1, "lastSeconds": 1}]),
    );
    east.settle();
    assert_eq!(
        east.condition(Link, "to-west", "Configured"),
        "True/Ready/OK"
    );
    assert_eq!(
        east.condition(Link, "to-west", "Operational"),
        format!("False/Pending/Not operational: {sentence}")
    );
    assert_eq!(
        east.summary(Link, "to-west"),
        format!("Pending/Not operational: {sentence}")
    );
}

#[test]
fn row_7_a_host_that_is_not_covered_is_told_by_both_sides() {
    let (mut world, ca, _) = with_users_server();
    world.apply_credential(
        "skupper-site-server",
        &ca.server(&["other.example"], world.now),
    );
    world.settle();
    assert_eq!(
        world.certificate("skupper-site-server").message,
        NOT_CONTROLLED
    );
    assert_eq!(world.summary(RouterAccess, "skupper-router"), "Ready/OK");
    let noted = world.condition(RouterAccess, "skupper-router", "CredentialsFit");
    assert!(
        noted.starts_with("False/Error/")
            && noted.contains(&format!("does not cover {ADDRESS}"))
            && noted.contains("other.example"),
        "{noted}"
    );
    assert!(
        world
            .told("CredentialsUnfit")
            .iter()
            .any(|event| event.message.contains("other.example"))
    );
    world.apply_credential("skupper-site-server", &ca.server(&[ADDRESS], world.now));
    world.apply_credential("skupper-site-ca", &ca.credential);
    world.settle();
    assert_eq!(
        world.condition(RouterAccess, "skupper-router", "CredentialsFit"),
        "absent"
    );
}

#[test]
fn row_8_a_managed_secret_that_is_replaced_is_the_users_and_rotates() {
    let mut world = World::with_site();
    let ca = Ca::new("the user's CA", world.now);
    let server = ca.server(&[ADDRESS], world.now);
    let before = world.profiles()["skupper-site-server"].clone();
    world.delete(SecretKind, "skupper-site-server");
    world.settle();
    world.apply_credential("skupper-site-server", &server);
    world.settle();
    assert_eq!(
        world.certificate("skupper-site-server").message,
        NOT_CONTROLLED
    );
    assert_eq!(world.credential("skupper-site-server"), server);
    let after = world.profiles()["skupper-site-server"].clone();
    assert_eq!(
        (after.ordinal, after.oldest_valid_ordinal),
        (before.ordinal + 1, 0)
    );
    assert_eq!(
        world.router_config().ssl_profiles["skupper-site-server"].ordinal,
        after.ordinal
    );
}

#[test]
fn row_9_the_users_ca_signs_whatever_its_key() {
    for algorithm in [
        KeyAlgorithm::Rsa2048,
        KeyAlgorithm::EcdsaP256,
        KeyAlgorithm::EcdsaP384,
        KeyAlgorithm::Ed25519,
    ] {
        let mut world = World::new();
        let ca = Ca::of("the user's CA", algorithm, world.now);
        world.apply_credential("skupper-site-ca", &ca.credential);
        world.create(
            Site,
            "west",
            json!({"spec": {"linkAccess": "loadbalancer"}}),
        );
        world.settle();
        assert_eq!(world.certificate("skupper-site-ca").message, NOT_CONTROLLED);
        assert_eq!(
            world.condition(Certificate, "skupper-site-server", "Ready"),
            "True/Ready/OK",
            "{algorithm}"
        );
        let leaf = world.credential("skupper-site-server").leaf().unwrap();
        assert!(
            leaf.is_issued_by(&ca.credential.leaf().unwrap()),
            "{algorithm}"
        );
        assert_eq!(world.credential("skupper-site-ca"), ca.credential);
    }
}

#[test]
fn row_10_a_client_certificate_is_issued() {
    let mut world = World::with_site();
    let spec = json!({"ca": "skupper-site-ca", "client": true, "subject": "skupper.public.host"});
    world.create(Certificate, "skupper-link", json!({"spec": spec}));
    world.settle();
    assert_eq!(
        world.condition(Certificate, "skupper-link", "Ready"),
        "True/Ready/OK"
    );
    assert_eq!(
        world.object(SecretKind, "skupper-link")["type"],
        "kubernetes.io/tls"
    );
    let credential = world.credential("skupper-link");
    assert_eq!(
        credential.leaf().unwrap().subject.common_name(),
        Some("skupper.public.host")
    );
    let server = TrustBundle::from_pem(&world.credential("skupper-site-server").ca_crt).unwrap();
    assert_eq!(
        judge(
            &credential,
            &Expectation::new(Role::Client, world.now).trusted_by(&server)
        ),
        []
    );
    // A client certificate has clientAuth only.
    let as_server = judge(&credential, &Expectation::new(Role::Server, world.now));
    assert!(
        as_server
            .iter()
            .any(|finding| finding.severity == Severity::Unfit && finding.check() == "usage"),
        "{as_server:?}"
    );
    let life = credential
        .leaf()
        .unwrap()
        .not_after
        .duration_since(world.now);
    assert_eq!(life, SignedDuration::from_hours(24 * 1825));
}

#[test]
fn row_12_a_replaced_secret_raises_the_ordinal() {
    let (mut world, ca, _) = with_users_server();
    for expected in [(1, 0), (2, 0), (3, 1)] {
        world.apply_credential("skupper-site-server", &ca.server(&[ADDRESS], world.now));
        world.settle();
        let profile = &world.router_config().ssl_profiles["skupper-site-server"];
        assert_eq!((profile.ordinal, profile.oldest_valid_ordinal), expected);
    }
}

#[test]
fn row_12_with_upstreams_adaptor_the_annotation_says_so() {
    let mut world = World::new();
    world.settings.images.adaptor_is_ours = false;
    let ca = Ca::new("the user's CA", world.now);
    world.apply_credential("skupper-site-server", &ca.server(&[ADDRESS], world.now));
    world.create(Site, "west", json!({"spec": {"linkAccess": "default"}}));
    world.settle();
    let annotation = |world: &World, secret: &str| {
        world.object(SecretKind, secret)["metadata"]["annotations"]["internal.skupper.io/tls-profile-context"].clone()
    };
    assert_eq!(
        annotation(&world, "skupper-site-server"),
        r#"[{"profileName":"skupper-site-server","ordinal":0}]"#
    );
    assert_eq!(
        annotation(&world, "skupper-local-server"),
        r#"[{"profileName":"skupper-local-server","ordinal":0}]"#
    );
    world.apply_credential("skupper-site-server", &ca.server(&[ADDRESS], world.now));
    world.settle();
    assert_eq!(
        annotation(&world, "skupper-site-server"),
        r#"[{"profileName":"skupper-site-server","ordinal":1}]"#
    );
    assert_eq!(
        world.router_config().ssl_profiles["skupper-site-server"].ordinal,
        1
    );
}

#[test]
fn row_13_no_earlier_revision_stays_valid_if_the_site_says_so() {
    let (mut world, ca, _) = with_users_server();
    world.apply(
        Site,
        "west",
        json!({"spec": {"settings": {"tls-prior-valid-revisions": "0"}}}),
    );
    world.settle();
    world.apply_credential("skupper-site-server", &ca.server(&[ADDRESS], world.now));
    world.settle();
    let profile = &world.router_config().ssl_profiles["skupper-site-server"];
    assert_eq!((profile.ordinal, profile.oldest_valid_ordinal), (1, 1));
}

#[test]
fn row_14_the_users_secret_outlives_the_site() {
    let (mut world, _, server) = with_users_server();
    world.delete(Site, "west");
    world.settle();
    assert_eq!(world.credential("skupper-site-server"), server);
    assert!(
        !world.has(SecretKind, "skupper-site-ca") && !world.has(Certificate, "skupper-site-server")
    );
    assert!(!world.has(ConfigMap, "skupper-router"));
    // The same for one that was applied over ours.
    let mut world = World::with_site();
    world.apply_credential("skupper-site-server", &server);
    world.settle();
    world.delete(Site, "west");
    world.settle();
    assert_eq!(world.credential("skupper-site-server"), server);
}

#[test]
fn row_15_a_router_access_whose_secret_comes_later() {
    let mut world = World::new();
    world.create(Site, "west", json!({}));
    let spec = json!({"generateTlsCredentials": false, "tlsCredentials": "public", "roles": [{"name": "inter-router"}]});
    world.create(RouterAccess, "public", json!({"spec": spec}));
    world.settle();
    assert_eq!(
        world.condition(RouterAccess, "public", "Configured"),
        "False/Error/TLS credentials secret \"public\" not found"
    );
    assert_eq!(
        world.object(RouterAccess, "public")["status"]["endpoints"][0]["host"],
        ADDRESS
    );
    assert!(!world.has(Certificate, "public"));
    assert!(
        !world
            .router_config()
            .listeners
            .contains_key("public-inter-router")
    );
    let ca = Ca::new("the user's CA", world.now);
    world.apply_credential("public", &ca.server(&[ADDRESS], world.now));
    world.settle();
    assert_eq!(world.summary(RouterAccess, "public"), "Ready/OK");
    assert_eq!(
        world.router_config().listeners["public-inter-router"].port,
        55671
    );
}

#[test]
fn row_16_a_link_before_its_secret() {
    let ca = Ca::new("the user's CA", World::new().now);
    let mut east = links::without_secret();
    assert_eq!(
        east.condition(Link, "to-west", "Configured"),
        "False/Error/TLS credentials secret \"link-west\" not found"
    );
    assert!(east.router_config().connectors.is_empty());
    east.apply_credential("link-west", &ca.client("east", east.now));
    east.settle();
    assert_eq!(
        east.condition(Link, "to-west", "Configured"),
        "True/Ready/OK"
    );
    let connector = &east.router_config().connectors["to-west"];
    assert_eq!(
        (
            connector.host.as_str(),
            connector.port.as_str(),
            connector.ssl_profile.as_str()
        ),
        (ADDRESS, "55671", "link-west-profile")
    );
    assert_eq!(
        skupper_api::Kind::status(&east.typed::<skupper_api::Link>(Link, "to-west"))
            .unwrap()
            .status,
        Some(StatusType::Pending)
    );
}
