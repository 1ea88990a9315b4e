//! Links: what the router is told, and what the Link says of the outcome.

use serde_json::{Value, json};
use skupper_site::ObjectKind::{ConfigMap, Link, Secret, Site};

use crate::material::{Ca, days};
use crate::world::{ADDRESS, World};

/// A linking site with a Link whose Secret is missing.
pub(crate) fn without_secret() -> World {
    let mut world = World::new();
    world.namespace = "east-ns".to_owned();
    world.create(Site, "east", json!({}));
    world.create(Link, "to-west", json!({"spec": link_spec()}));
    world.settle();
    world
}

pub(crate) fn link_spec() -> Value {
    json!({
        "cost": 1,
        "endpoints": [
            {"group": "skupper-router", "host": ADDRESS, "name": "edge", "port": "45671"},
            {"group": "skupper-router", "host": ADDRESS, "name": "inter-router", "port": "55671"},
        ],
        "tlsCredentials": "link-west",
    })
}

/// The same with a credential.
pub(crate) fn with_link(ca: &Ca) -> World {
    let mut world = without_secret();
    world.apply_credential("link-west", &ca.client("east", world.now));
    world.settle();
    world
}

/// What the adaptor sees of the network.
pub(crate) fn network(world: &mut World, status: &str) {
    let id = world.object(Site, "east")["metadata"]["uid"].clone();
    let network = json!({"siteStatus": [
        {"site": {"identity": "west-id", "name": "west", "namespace": "west-ns"},
         "routerStatus": [{"routerAccess": [{"identity": "access"}]}]},
        {"site": {"identity": id, "name": "east", "namespace": "east-ns"},
         "routerStatus": [{"links": [{"name": "to-west", "status": status, "peer": "access", "role": "inter-router"}]}]},
    ]});
    world.apply(
        ConfigMap,
        "skupper-network-status",
        json!({"data": {"NetworkStatus": network.to_string()}}),
    );
}

/// What our adaptor reports of the connector.
pub(crate) fn report(world: &mut World, refusals: &Value) {
    let report = json!({"router-1": {"connectors": {"to-west": {"connectionStatus": "CONNECTING", "refusals": refusals}}}});
    world.apply(
        ConfigMap,
        "skupper-router-report",
        json!({"data": {"report.json": report.to_string()}}),
    );
}

#[test]
fn a_link_that_goes_down_and_up_again_says_so() {
    let mut world = with_link(&Ca::new("ca", World::new().now));
    let states = [
        ("up", "Ready/OK"),
        ("down", "Pending/Not operational"),
        ("up", "Ready/OK"),
    ];
    for (status, summary) in states {
        network(&mut world, status);
        world.settle();
        assert_eq!(world.summary(Link, "to-west"), summary);
    }
    assert_eq!(world.object(Site, "east")["status"]["sitesInNetwork"], 2);
    // A router at the other end of which no site is known; what was refused earlier explains nothing.
    let id = world.object(Site, "east")["metadata"]["uid"].clone();
    let lonely = json!({"siteStatus": [{"site": {"identity": id, "name": "east"},
        "routerStatus": [{"links": [{"name": "to-west", "status": "up", "peer": "access"}]}]}]});
    world.apply(
        ConfigMap,
        "skupper-network-status",
        json!({"data": {"NetworkStatus": lonely.to_string()}}),
    );
    world.settle();
    let said = world.summary(Link, "to-west");
    assert!(
        said.starts_with(
            "Pending/Not operational: connected, but to a router of which no site is known"
        ),
        "{said}"
    );
    // A network that does not know the link (any more).
    world.apply(
        ConfigMap,
        "skupper-network-status",
        json!({"data": {"NetworkStatus": "{\"siteStatus\":null}"}}),
    );
    world.settle();
    assert_eq!(world.summary(Link, "to-west"), "Pending/Not operational");
}

#[test]
fn what_is_wrong_with_the_own_credential_is_told_with_its_dates() {
    let mut world = without_secret();
    let ca = Ca::new("ca", world.now);
    world.apply_credential(
        "link-west",
        &ca.leaf(
            "late",
            &[],
            false,
            true,
            days(1),
            world.now.checked_sub(days(3)).unwrap(),
        ),
    );
    world.settle();
    let said = world.condition(Link, "to-west", "Operational");
    assert!(
        said.starts_with("False/Pending/Not operational: this site's Secret link-west: "),
        "{said}"
    );
    assert!(
        said.contains("(CN=late) has expired: it was valid until 2026-11-23T00:00:00Z; "),
        "{said}"
    );
    assert_eq!(
        world.condition(Link, "to-west", "Configured"),
        "True/Ready/OK"
    );
    // It does not change while time passes.
    world.restart();
    world.advance(days(2));
    assert_eq!(world.condition(Link, "to-west", "Operational"), said);
}

#[test]
fn a_credential_that_cannot_be_loaded_is_not_given_to_the_router() {
    let mut world = with_link(&Ca::new("ca", World::new().now));
    let before = world.profiles()["link-west-profile"].clone();
    let garbled = json!({"data": {"tls.key": crate::world::base64(b"-----BEGIN PRIVATE KEY-----\n!!!\n-----END PRIVATE KEY-----\n")}});
    world.apply(Secret, "link-west", garbled);
    world.settle();
    let said = world.condition(Link, "to-west", "Configured");
    assert!(said.starts_with("False/Error/TLS credentials secret \"link-west\" cannot be used: tls.key cannot be read: line 2"), "{said}");
    // The router goes on with what it has.
    assert!(world.router_config().connectors.contains_key("to-west"));
    assert_eq!(world.profiles()["link-west-profile"], before);
}

#[test]
fn upstreams_router_is_quoted() {
    let mut world = with_link(&Ca::new("ca", World::new().now));
    let text = "Connection to 10.71.80.20:55671 failed: amqp:connection:framing-error SSL Failure: certificate verify failed";
    let report = json!({"router-1": {"connectors": {"to-west": {"connectionStatus": "CONNECTING", "connectionMsg": text}}}});
    world.apply(
        ConfigMap,
        "skupper-router-report",
        json!({"data": {"report.json": report.to_string()}}),
    );
    world.settle();
    assert_eq!(
        world.condition(Link, "to-west", "Operational"),
        format!("False/Pending/Not operational: the router says: {text}")
    );
}

#[test]
fn endpoints_that_cannot_be_used_are_refused_with_a_sentence() {
    let cases = [
        (json!([]), "spec.endpoints has none named inter-router"),
        (
            json!([{"name": "inter-router", "port": "1"}]),
            "the endpoint inter-router has no host",
        ),
        (
            json!([{"name": "inter-router", "host": "h", "port": "amqps"}]),
            "the endpoint inter-router has the port \"amqps\", expected a number from 1 to 65535",
        ),
        (
            json!([{"name": "inter-router", "host": "h", "port": "65536"}]),
            "the endpoint inter-router has the port \"65536\"",
        ),
    ];
    for (endpoints, expected) in cases {
        let mut world = with_link(&Ca::new("ca", World::new().now));
        world.apply(Link, "to-west", json!({"spec": {"endpoints": endpoints}}));
        world.settle();
        let said = world.condition(Link, "to-west", "Configured");
        assert!(
            said.starts_with("False/Error/") && said.contains(expected),
            "{said}"
        );
        assert!(world.router_config().connectors.is_empty());
    }
}

#[test]
fn a_proxy_is_configured_from_its_secret() {
    let mut world = with_link(&Ca::new("ca", World::new().now));
    world.apply(
        Link,
        "to-west",
        json!({"spec": {"settings": {"proxy-configuration": "proxy"}}}),
    );
    world.settle();
    assert_eq!(
        world.condition(Link, "to-west", "Configured"),
        "False/Error/Secret not found for proxy configuration"
    );
    let text = |text: &str| crate::world::base64(text.as_bytes());
    let data = json!({"host": text("proxy.example"), "port": text("3128"), "username": text("me"), "password": text("secret")});
    world.create(
        Secret,
        "proxy",
        json!({"type": "kubernetes.io/basic-auth", "data": data}),
    );
    world.settle();
    assert_eq!(
        world.condition(Link, "to-west", "Configured"),
        "True/Ready/OK"
    );
    let config = world.router_config();
    assert_eq!(config.connectors["to-west"].proxy_profile, "proxy");
    let proxy = &config.proxy_profiles["proxy"];
    assert_eq!(
        (
            proxy.host.as_str(),
            proxy.port.as_str(),
            proxy.username.as_str()
        ),
        ("proxy.example", "3128", "me")
    );
    assert_eq!(
        proxy.password,
        "file:/etc/skupper-router-proxies/proxy/password.txt"
    );
}

#[test]
fn without_a_site_links_say_so_and_a_deleted_link_leaves_the_router() {
    let mut world = with_link(&Ca::new("ca", World::new().now));
    world.delete(Link, "to-west");
    world.settle();
    let config = world.router_config();
    assert!(config.connectors.is_empty() && !config.ssl_profiles.contains_key("link-west-profile"));
    world.create(Link, "to-west", json!({"spec": link_spec()}));
    world.delete(Site, "east");
    world.settle();
    assert_eq!(
        world.summary(Link, "to-west"),
        "Error/No active site in namespace"
    );
}

#[test]
fn an_approaching_end_is_told_30_7_and_1_days_before_and_when_it_has_come() {
    let mut world = without_secret();
    let ca = Ca::new("ca", world.now);
    world.apply_credential("link-west", &ca.client("east", world.now));
    world.settle();
    let told = |world: &World| {
        world
            .told("Expiring")
            .iter()
            .filter(|event| event.object == "to-west")
            .count()
    };
    for (day, expected) in [(59, 0), (61, 1), (82, 1), (84, 2), (88, 2), (89, 3)] {
        let start = crate::world::at("2026-11-25T00:00:01Z");
        world.advance(
            start
                .checked_add(days(day))
                .unwrap()
                .duration_since(world.now),
        );
        assert_eq!(told(&world), expected, "day {day}");
    }
    world.advance(days(2));
    assert_eq!(world.told("Expired").len(), 1);
    let event = world.told("Expired")[0];
    assert!(event.message.starts_with("the certificate in Secret link-west, used by Link to-west, has ended: it is valid until 2027-02-23T"), "{}", event.message);
    let end = world
        .expirations
        .iter()
        .find(|one| one.secret == "link-west")
        .unwrap();
    assert_eq!(
        (end.not_after, end.managed),
        (crate::world::at("2027-02-23T00:00:00Z"), false)
    );
}
