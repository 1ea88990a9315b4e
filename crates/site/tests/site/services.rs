//! Listeners and Connectors: what the router is told, Services, and statuses.

use jiff::SignedDuration;
use serde_json::{Value, json};
use skupper_site::ObjectKind::{ConfigMap, Connector, Listener, Pod, Secret, Service, Site};

use crate::material::Ca;
use crate::world::World;

pub(crate) fn listener(host: &str, port: i64, key: &str) -> Value {
    json!({"spec": {"host": host, "port": port, "routingKey": key}})
}

pub(crate) fn plain_site() -> World {
    let mut world = World::new();
    world.create(Site, "west", json!({}));
    world.settle();
    world
}

pub(crate) fn pod(name: &str, labels: Value, ip: &str) -> Value {
    let status = json!({"phase": "Running", "podIP": ip, "conditions": [{"type": "Ready", "status": "True"}]});
    json!({"metadata": {"name": name, "labels": labels}, "status": status})
}

#[test]
fn a_listener_gets_a_service_and_a_port() {
    let mut world = plain_site();
    world.create(Listener, "backend", listener("backend", 8080, "key"));
    world.create(Listener, "admin", listener("backend", 9090, "admin-key"));
    world.settle();
    let ports = world.object(Service, "backend")["spec"]["ports"]
        .as_array()
        .unwrap()
        .clone();
    let ports: Vec<_> = ports
        .iter()
        .map(|port| {
            (
                port["name"].as_str().unwrap(),
                port["port"].as_i64().unwrap(),
                port["targetPort"].as_i64().unwrap(),
            )
        })
        .collect();
    assert_eq!(ports, [("admin", 9090, 1024), ("backend", 8080, 1025)]);
    let config = world.router_config();
    assert_eq!(
        (
            config.tcp_listeners["listener/backend"].port.as_str(),
            config.tcp_listeners["listener/backend"].address.as_str()
        ),
        ("1025", "key")
    );
    assert_eq!(
        world.condition(Listener, "backend", "Configured"),
        "True/Ready/OK"
    );
    assert_eq!(world.summary(Listener, "backend"), "Pending/Not Matched");
    // One of the two goes: its port of the Service goes with it, the other keeps its own.
    world.delete(Listener, "admin");
    world.settle();
    let ports = &world.object(Service, "backend")["spec"]["ports"];
    assert_eq!(
        (
            ports.as_array().unwrap().len(),
            ports[0]["targetPort"].as_i64()
        ),
        (1, Some(1025))
    );
    world.delete(Listener, "backend");
    world.settle();
    assert!(!world.has(Service, "backend") && world.router_config().tcp_listeners.is_empty());
}

#[test]
fn a_listener_does_not_take_what_is_somebody_elses() {
    let mut world = plain_site();
    world.create(Service, "mine", json!({"spec": {"ports": [{"port": 80}]}}));
    world.create(Listener, "a", listener("mine", 8080, "key"));
    world.create(Listener, "b", listener("skupper-router-local", 8080, "key"));
    world.create(Listener, "c", listener("free", 8080, "key"));
    world.settle();
    world.advance(SignedDuration::from_secs(60));
    world.create(Listener, "aa", listener("free", 8080, "other"));
    world.create(Listener, "d", listener("Not_A_Name", 8080, "key"));
    world.create(Listener, "e", listener("e", 70000, "key"));
    world.settle();
    let said = |name: &str| world.condition(Listener, name, "Configured");
    assert_eq!(
        said("a"),
        "False/Error/Service mine already exists in namespace"
    );
    assert_eq!(
        said("b"),
        "False/Error/Service skupper-router-local already exists in namespace"
    );
    assert_eq!(said("c"), "True/Ready/OK");
    assert_eq!(
        said("aa"),
        "False/Error/Listener c with host free and port 8080 already exists in namespace"
    );
    assert!(
        said("d").contains("host \"Not_A_Name\" cannot be the name of a Service"),
        "{}",
        said("d")
    );
    assert_eq!(
        said("e"),
        "False/Error/port 70000 is not possible: expected a number from 1 to 65535"
    );
    assert!(
        world.object(Service, "mine")["metadata"]
            .get("labels")
            .is_none()
    );
    // The name is free again: the Listener is served without further ado.
    world.delete(Service, "mine");
    world.settle();
    assert_eq!(
        world.condition(Listener, "a", "Configured"),
        "True/Ready/OK"
    );
    assert!(world.has(Service, "mine"));
}

#[test]
fn a_service_of_a_listener_comes_back_when_it_is_deleted_or_changed() {
    let mut world = plain_site();
    world.create(Listener, "backend", listener("backend", 8080, "key"));
    world.settle();
    let before = world.object(Service, "backend")["spec"].clone();
    world.delete(Service, "backend");
    world.settle();
    assert_eq!(world.object(Service, "backend")["spec"], before);
    world.apply(
        Service,
        "backend",
        json!({"spec": {"selector": {"app": "other"}, "ports": [{"name": "x", "port": 1}]}}),
    );
    world.settle();
    assert_eq!(world.object(Service, "backend")["spec"], before);
}

#[test]
fn long_names_become_names_of_ports() {
    let mut world = plain_site();
    let name = format!("{}.with.dots", "n".repeat(80));
    world.create(Listener, &name, listener("backend", 8080, "key"));
    world.settle();
    let port = &world.object(Service, "backend")["spec"]["ports"][0]["name"];
    assert!(
        port.as_str().unwrap().starts_with("l-") && port.as_str().unwrap().len() == 18,
        "{port}"
    );
}

#[test]
fn a_listener_waits_for_its_credential() {
    let mut world = plain_site();
    world.create(
        Listener,
        "tls",
        json!({"spec": {"host": "tls", "port": 443, "routingKey": "k", "tlsCredentials": "cred"}}),
    );
    world.settle();
    assert_eq!(
        world.condition(Listener, "tls", "Configured"),
        "False/Error/TLS credentials secret \"cred\" not found"
    );
    assert!(world.has(Service, "tls") && world.router_config().tcp_listeners.is_empty());
    let ca = Ca::new("ca", world.now);
    world.apply_credential("cred", &ca.server(&["tls"], world.now));
    world.settle();
    assert_eq!(
        world.condition(Listener, "tls", "Configured"),
        "True/Ready/OK"
    );
    assert_eq!(
        world.router_config().tcp_listeners["listener/tls"].ssl_profile,
        "cred"
    );
}

#[test]
fn a_connector_follows_its_pods() {
    let mut world = plain_site();
    world.create(
        Connector,
        "backend",
        json!({"spec": {"routingKey": "key", "selector": "app=backend", "port": 8080}}),
    );
    world.settle();
    // Upstream says nothing here, for ever.
    assert_eq!(
        world.condition(Connector, "backend", "Configured"),
        "False/Error/No matches for selector"
    );
    world.create(
        Pod,
        "backend-1",
        pod("backend-1", json!({"app": "backend"}), "10.0.0.1"),
    );
    world.create(
        Pod,
        "other",
        pod("other", json!({"app": "other"}), "10.0.0.2"),
    );
    let mut unready = pod("backend-2", json!({"app": "backend"}), "10.0.0.3");
    unready["status"]["conditions"] = json!([{"type": "Ready", "status": "False"}]);
    world.create(Pod, "backend-2", unready);
    world.settle();
    assert_eq!(
        world.condition(Connector, "backend", "Configured"),
        "True/Ready/OK"
    );
    assert_eq!(
        world.object(Connector, "backend")["status"]["selectedPods"],
        json!([{"name": "backend-1", "ip": "10.0.0.1"}])
    );
    let config = world.router_config();
    let connector = &config.tcp_connectors["connector/backend@10.0.0.1"];
    let uid = world.object(Pod, "backend-1")["metadata"]["uid"]
        .as_str()
        .unwrap();
    assert_eq!(
        (
            connector.host.as_str(),
            connector.port.as_str(),
            connector.process_id.as_str()
        ),
        ("10.0.0.1", "8080", uid)
    );
    assert_eq!(config.tcp_connectors.len(), 1);
    world.apply(
        Connector,
        "backend",
        json!({"spec": {"includeNotReadyPods": true, "exposePodsByName": true}}),
    );
    world.settle();
    let names: Vec<String> = world.router_config().tcp_connectors.into_keys().collect();
    assert_eq!(
        names,
        [
            "connector/backend@10.0.0.1",
            "connector/backend@10.0.0.3",
            "connector/backend@backend-1",
            "connector/backend@backend-2"
        ]
    );
    world.delete(Pod, "backend-1");
    world.delete(Pod, "backend-2");
    world.settle();
    assert_eq!(
        world.condition(Connector, "backend", "Configured"),
        "False/Error/No matches for selector"
    );
    assert!(
        world.object(Connector, "backend")["status"]
            .get("selectedPods")
            .is_none()
    );
}

#[test]
fn a_connector_to_a_host_and_one_to_nothing() {
    let mut world = plain_site();
    world.create(
        Connector,
        "host",
        json!({"spec": {"routingKey": "key", "host": "db.example", "port": 5432}}),
    );
    world.create(
        Connector,
        "nothing",
        json!({"spec": {"routingKey": "key", "host": "", "port": 5432}}),
    );
    world.create(
        Connector,
        "garbled",
        json!({"spec": {"routingKey": "key", "selector": "a in (", "port": 5432}}),
    );
    world.settle();
    assert_eq!(
        world.condition(Connector, "host", "Configured"),
        "True/Ready/OK"
    );
    assert_eq!(
        world.router_config().tcp_connectors["connector/host@db.example"].address,
        "key"
    );
    assert_eq!(
        world.condition(Connector, "nothing", "Configured"),
        "False/Error/Connector must define a non-empty spec.host or spec.selector"
    );
    assert!(
        world
            .condition(Connector, "garbled", "Configured")
            .contains("is not a label selector")
    );
}

#[test]
fn a_connector_with_tls_uses_the_ca_alone_or_all_of_the_credential() {
    let mut world = plain_site();
    let ca = Ca::new("ca", world.now);
    world.create(
        Secret,
        "ca-only",
        json!({"type": "Opaque", "data": {"ca.crt": crate::world::base64(&ca.credential.tls_crt)}}),
    );
    world.apply_credential("full", &ca.client("c", world.now));
    let spec = |secret: &str, client: bool| json!({"spec": {"routingKey": "k", "host": "h", "port": 1, "tlsCredentials": secret, "useClientCert": client, "verifyHostname": client}});
    world.create(Connector, "plain", spec("ca-only", false));
    world.create(Connector, "client", spec("full", true));
    world.settle();
    let config = world.router_config();
    assert_eq!(config.ssl_profiles["ca-only-profile"].cert_file, "");
    assert_eq!(
        config.ssl_profiles["full"].cert_file,
        "/etc/skupper-router-certs/full/tls.crt"
    );
    assert_eq!(
        config.tcp_connectors["connector/plain@h"].verify_hostname.0,
        Some(false)
    );
    assert_eq!(
        config.tcp_connectors["connector/client@h"]
            .verify_hostname
            .0,
        Some(true)
    );
    assert_eq!(world.profiles()["ca-only-profile"].secret, "ca-only");
}

#[test]
fn the_network_says_who_matches() {
    let mut world = plain_site();
    world.create(Listener, "backend", listener("backend", 8080, "key"));
    world.create(
        Connector,
        "c",
        json!({"spec": {"routingKey": "key", "host": "h", "port": 1}}),
    );
    let network = |listeners: Value, connectors: Value| {
        let document = json!({"siteStatus": [{"site": {"identity": "e", "name": "east"}, "routerStatus": [{"listeners": listeners, "connectors": connectors}]}]});
        json!({"data": {"NetworkStatus": document.to_string()}})
    };
    world.apply(
        ConfigMap,
        "skupper-network-status",
        network(json!([]), json!([])),
    );
    world.settle();
    assert_eq!(
        world.summary(Listener, "backend"),
        "Pending/No matching connectors"
    );
    assert_eq!(
        world.summary(Connector, "c"),
        "Pending/No matching listeners"
    );
    let matched = network(
        json!([{"name": "listener/x", "address": "key"}]),
        json!([{"destHost": "1.2.3.4", "address": "key"}]),
    );
    world.apply(ConfigMap, "skupper-network-status", matched);
    world.settle();
    assert_eq!(world.summary(Listener, "backend"), "Ready/OK");
    assert_eq!(world.summary(Connector, "c"), "Ready/OK");
    assert_eq!(
        world.object(Listener, "backend")["status"]["hasMatchingConnector"],
        true
    );
    let services = &world.object(Site, "west")["status"]["network"][0]["services"];
    assert_eq!(
        *services,
        json!([{"routingKey": "key", "connectors": ["1.2.3.4"], "listeners": ["listener/x"]}])
    );
}

#[test]
fn remote_pods_are_exposed_by_their_names() {
    let mut world = plain_site();
    world.create(Listener, "db", json!({"spec": {"host": "db", "port": 5432, "routingKey": "db", "exposePodsByName": true, "observer": "none"}}));
    let network = |targets: &[&str]| {
        let connectors: Vec<Value> = targets
            .iter()
            .map(|target| json!({"destHost": "1.2.3.4", "address": format!("db.{target}")}))
            .collect();
        let document = json!({"siteStatus": [{"site": {"identity": "e"}, "routerStatus": [{"connectors": connectors}]}]});
        json!({"data": {"NetworkStatus": document.to_string()}})
    };
    world.apply(
        ConfigMap,
        "skupper-network-status",
        network(&["db-0", "db-1", "Not a name!"]),
    );
    world.settle();
    assert!(world.has(Service, "db-0") && world.has(Service, "db-1"));
    let config = world.router_config();
    assert_eq!(config.tcp_listeners.len(), 3);
    let target = &config.tcp_listeners["listener/db@db-1"];
    assert_eq!(
        (target.address.as_str(), target.observer.as_str()),
        ("db.db-1", "none")
    );
    world.apply(ConfigMap, "skupper-network-status", network(&["db-1"]));
    world.settle();
    assert!(!world.has(Service, "db-0") && world.has(Service, "db-1"));
    assert_eq!(
        world.router_config().tcp_listeners["listener/db@db-1"].port,
        target.port
    );
}
