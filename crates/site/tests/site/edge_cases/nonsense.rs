//! What makes no sense at all, in one namespace: every object says what is wrong with it, and all comes to rest.

use serde_json::json;
use skupper_site::ObjectKind::{Certificate, ConfigMap, Connector, Link, Listener, Secret, Site};

use crate::world::{World, base64};

fn secret(world: &mut World, name: &str, data: &[(&str, &str)]) {
    let data: serde_json::Map<String, serde_json::Value> = data
        .iter()
        .map(|(key, text)| ((*key).to_owned(), base64(text.as_bytes()).into()))
        .collect();
    world.create(Secret, name, json!({"data": data}));
}

#[test]
fn nonsense_is_told_where_it_stands() {
    let mut world = World::new();
    let noise = "-----BEGIN CERTIFICATE-----\n\u{1}\u{7f}ä\r\n".repeat(20_000);
    secret(
        &mut world,
        "noise",
        &[
            ("tls.crt", &noise),
            ("tls.key", "-----BEGIN CERTIFICATE-----\nMIIB"),
            ("ca.crt", "\n\n"),
        ],
    );
    secret(&mut world, "empty", &[]);
    for name in ["noise", "empty"] {
        let endpoint = json!({"name": "inter-router", "host": "10.1.1.1", "port": "55671"});
        world.create(
            Link,
            name,
            json!({"spec": {"tlsCredentials": name, "endpoints": [endpoint]}}),
        );
        world.create(
            Certificate,
            &format!("from-{name}"),
            json!({"spec": {"ca": name, "client": true, "subject": name}}),
        );
    }
    world.create(
        Connector,
        "selector",
        json!({"spec": {"routingKey": "k", "selector": "a in (((", "port": 1}}),
    );
    world.create(
        Listener,
        "long",
        json!({"spec": {"routingKey": "k".repeat(2_000), "host": "h".repeat(63), "port": 1}}),
    );
    world.create(
        ConfigMap,
        "template",
        json!({"metadata": {"labels": {"skupper.io/label-template": "true"}}, "data": {"labelSelector": "!!!"}}),
    );
    world.create(
        Site,
        "west",
        json!({"spec": {"linkAccess": "local", "settings": {"tls-ca-lifetime": "-1", "tls-key-algorithm": "rot13"}}}),
    );
    world.settle();
    let told = [
        (Link, "noise", "Configured", "tls.crt cannot be read"),
        (Link, "empty", "Configured", "tls.crt is missing or empty"),
        (Certificate, "from-noise", "Ready", "noise"),
        (Certificate, "from-empty", "Ready", "empty"),
        (Connector, "selector", "Configured", "selector"),
        (Site, "west", "Configured", "tls-ca-lifetime"),
        (Site, "west", "Configured", "tls-key-algorithm"),
    ];
    for (kind, name, condition, wanted) in told {
        let said = world.condition(kind, name, condition);
        assert!(
            said.contains(wanted) && said.len() < 4_000,
            "{kind} {name}: {said}"
        );
    }
    let said = world.condition(Link, "noise", "Configured");
    let (_, more) = said.rsplit_once(". and ").unwrap();
    let more: usize = more.split(' ').next().unwrap().parse().unwrap();
    assert!(more > 1_000, "of 20,000 faults: {said}");
}
