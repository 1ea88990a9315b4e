//! Listeners, Connectors, access types, kinds that are not served, limits.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::{Value, json};
use skupper_site::ObjectKind::{
    AccessGrant, AccessToken, AttachedConnector, AttachedConnectorBinding, ConfigMap, Connector,
    Deployment, Listener, MultiKeyListener, Pod, Route, RouterAccess, Secret, SecuredAccess,
    Service, ServiceAccount, Site,
};
use skupper_site::Write;

use crate::acceptance::router_pod;
use crate::material::Ca;
use crate::world::{NAMESPACE, World};

fn listener(host: &str, port: i64, key: &str) -> Value {
    json!({"spec": {"host": host, "port": port, "routingKey": key}})
}

fn plain_site() -> World {
    let mut world = World::new();
    world.create(Site, "west", json!({}));
    world.settle();
    world
}

fn pod(name: &str, labels: Value, ip: &str) -> Value {
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

#[test]
fn access_types_give_their_endpoints() {
    let endpoints = |world: &World| {
        let all = world.object(Site, "west")["status"]["endpoints"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        all.iter()
            .map(|one| {
                format!(
                    "{}={}:{}",
                    one["name"].as_str().unwrap(),
                    one["host"].as_str().unwrap(),
                    one["port"].as_str().unwrap()
                )
            })
            .collect::<Vec<_>>()
    };
    let mut world = World::new();
    world.address = None;
    world.create(
        Site,
        "west",
        json!({"spec": {"linkAccess": "loadbalancer"}}),
    );
    world.settle();
    assert_eq!(
        world.condition(Site, "west", "Resolved"),
        "False/Pending/Pending"
    );
    world.apply(Site, "west", json!({"spec": {"linkAccess": "local"}}));
    world.settle();
    assert_eq!(
        endpoints(&world),
        [
            format!("inter-router=skupper-router.{NAMESPACE}:55671"),
            format!("edge=skupper-router.{NAMESPACE}:45671")
        ]
    );
    world.apply(Site, "west", json!({"spec": {"linkAccess": "nodeport"}}));
    world.settle();
    assert_eq!(
        endpoints(&world),
        ["inter-router=10.71.0.1:30000", "edge=10.71.0.1:30001"]
    );
    world.apply(Site, "west", json!({"spec": {"linkAccess": "none"}}));
    world.settle();
    assert!(
        endpoints(&world).is_empty()
            && !world.has(RouterAccess, "skupper-router")
            && !world.has(SecuredAccess, "skupper-router")
    );
    assert!(
        !world
            .router_config()
            .listeners
            .contains_key("skupper-router-edge")
    );
}

#[test]
fn routes_are_made_and_their_hosts_are_the_endpoints() {
    let mut world = World::new();
    world.create(Site, "west", json!({"spec": {"linkAccess": "route"}}));
    world.settle();
    let said = world.condition(SecuredAccess, "skupper-router", "Configured");
    assert!(said.contains("access type route needs OpenShift"), "{said}");
    world.settings.access.has_routes = true;
    world.settle();
    let route = world.object(Route, "skupper-router-inter-router").clone();
    assert_eq!(
        route["spec"],
        json!({"port": {"targetPort": "inter-router"}, "to": {"kind": "Service", "name": "skupper-router", "weight": 100},
            "tls": {"termination": "passthrough", "insecureEdgeTerminationPolicy": "None"}})
    );
    // As OpenShift would answer.
    for role in ["inter-router", "edge"] {
        let status =
            json!({"ingress": [{"host": format!("{role}.apps.example"), "routerName": "default"}]});
        world.apply(Route, &format!("skupper-router-{role}"), json!({"spec": {"host": format!("{role}.apps.example"), "wildcardPolicy": "None"}, "status": status}));
    }
    world.settle();
    let endpoints = &world.object(Site, "west")["status"]["endpoints"];
    assert_eq!(
        (endpoints[0]["host"].as_str(), endpoints[0]["port"].as_str()),
        (Some("inter-router.apps.example"), Some("443"))
    );
    assert!(
        world
            .credential("skupper-site-server")
            .leaf()
            .unwrap()
            .names()
            .contains(&"edge.apps.example".to_owned())
    );
    // Exposed in another way, the Routes go.
    world.apply(Site, "west", json!({"spec": {"linkAccess": "local"}}));
    world.settle();
    assert!(!world.has(Route, "skupper-router-edge"));
}

#[test]
fn an_access_type_that_is_not_enabled_is_refused() {
    let mut world = plain_site();
    let spec = json!({"accessType": "gateway", "generateTlsCredentials": true, "tlsCredentials": "x", "roles": [{"name": "inter-router"}]});
    world.create(RouterAccess, "other", json!({"spec": spec}));
    world.settle();
    let said = world.condition(SecuredAccess, "other", "Configured");
    assert_eq!(
        said,
        "False/Error/unsupported access type \"gateway\": this controller has local, loadbalancer, nodeport, route"
    );
    assert!(
        world
            .condition(RouterAccess, "other", "Configured")
            .contains("unsupported access type \"gateway\"")
    );
}

#[test]
fn peers_that_were_refused_stand_in_a_condition_of_their_own() {
    let mut world = World::with_site();
    assert_eq!(world.summary(RouterAccess, "skupper-router"), "Ready/OK");
    let refusals = json!([{"by": "us", "check": "tls", "peer": "10.0.0.66:1", "message": "no TLS from 10.0.0.66", "count": 41, "firstSeconds": 1, "lastSeconds": 1}]);
    let report = json!({"r": {"listeners": {"skupper-router-inter-router": {"refusalCount": 41, "refusals": refusals}, "amqps": {"refusals": refusals}}}});
    world.apply(
        ConfigMap,
        "skupper-router-report",
        json!({"data": {"report.json": report.to_string()}}),
    );
    world.settle();
    let said = world.condition(RouterAccess, "skupper-router", "Refusals");
    assert_eq!(
        said,
        "True/Error/41 connections were refused. no TLS from 10.0.0.66 (41 times, last 1970-01-01T00:00:01Z)"
    );
    assert_eq!(world.summary(RouterAccess, "skupper-router"), "Ready/OK");
    world.delete(ConfigMap, "skupper-router-report");
    world.settle();
    assert_eq!(
        world.condition(RouterAccess, "skupper-router", "Refusals"),
        "absent"
    );
}

#[test]
fn kinds_that_are_not_served_say_so() {
    let mut world = World::new();
    world.create(
        MultiKeyListener,
        "x",
        json!({"spec": {"host": "h", "port": 1, "strategy": {"priority": {"routingKeys": ["a"]}}}}),
    );
    world.create(
        AttachedConnector,
        "x",
        json!({"spec": {"siteNamespace": "s", "port": 1, "selector": "a=b"}}),
    );
    world.create(
        AttachedConnectorBinding,
        "x",
        json!({"spec": {"connectorNamespace": "s", "routingKey": "k"}}),
    );
    world.create(AccessGrant, "x", json!({}));
    world.create(
        AccessToken,
        "x",
        json!({"spec": {"url": "https://h", "code": "c", "ca": "x"}}),
    );
    world.settle();
    for kind in [
        MultiKeyListener,
        AttachedConnector,
        AttachedConnectorBinding,
        AccessToken,
    ] {
        let said = world.summary(kind, "x");
        assert!(
            said.starts_with("Error/")
                && said.contains("are not served by this controller yet: use "),
            "{kind}: {said}"
        );
    }
    assert_eq!(
        world.summary(AccessGrant, "x"),
        "Error/AccessGrants are not enabled"
    );
}

#[test]
fn without_a_site_everything_says_so() {
    let mut world = World::new();
    world.create(Listener, "l", listener("l", 1, "k"));
    world.create(
        Connector,
        "c",
        json!({"spec": {"routingKey": "k", "host": "h", "port": 1}}),
    );
    let spec = json!({"tlsCredentials": "x", "roles": [{"name": "inter-router"}]});
    world.create(RouterAccess, "r", json!({"spec": spec}));
    world.settle();
    for (kind, name) in [(Listener, "l"), (Connector, "c"), (RouterAccess, "r")] {
        assert_eq!(
            world.condition(kind, name, "Configured"),
            "False/Error/No active site in namespace",
            "{kind}"
        );
    }
    world.create(Site, "west", json!({}));
    world.settle();
    assert_eq!(
        world.condition(Listener, "l", "Configured"),
        "True/Ready/OK"
    );
    world.delete(Site, "west");
    world.settle();
    assert_eq!(
        world.summary(Listener, "l"),
        "Error/No active site in namespace"
    );
    assert!(!world.has(Service, "l"));
}

#[test]
fn the_site_tells_of_its_pods() {
    let mut world = plain_site();
    assert_eq!(
        world.summary(Site, "west"),
        "Pending/No router pod is ready"
    );
    let mut waiting = router_pod();
    waiting["status"] = json!({"phase": "Pending", "conditions": [{"type": "Ready", "status": "False", "message": "containers with unready status: [router]"}]});
    world.create(Pod, "p", waiting);
    world.settle();
    assert_eq!(
        world.summary(Site, "west"),
        "Pending/containers with unready status: [router]"
    );
    world.apply(Pod, "p", router_pod());
    world.settle();
    assert_eq!(world.summary(Site, "west"), "Ready/OK");
}

#[test]
fn what_the_api_server_refuses_is_told() {
    let mut world = World::new();
    world.create(Site, "west", json!({}));
    world.failures.insert(
        (skupper_site::ObjectKind::Role, "skupper-router".to_owned()),
        "roles is forbidden".to_owned(),
    );
    world.settle();
    assert_eq!(
        world.condition(Site, "west", "Configured"),
        "False/Error/Role skupper-router could not be written: roles is forbidden"
    );
    world.failures.clear();
    world.settle();
    assert_eq!(world.condition(Site, "west", "Configured"), "True/Ready/OK");
    world.failures.insert(
        (Secret, "skupper-site-ca".to_owned()),
        "secrets is forbidden".to_owned(),
    );
    world.settle();
    assert_eq!(
        world.certificate("skupper-site-ca").message,
        "Secret skupper-site-ca could not be written: secrets is forbidden"
    );
}

#[test]
fn a_configuration_that_is_too_large_is_not_written() {
    let mut world = plain_site();
    let before = world.object(ConfigMap, "skupper-router").clone();
    for index in 0..30 {
        let host = "h".repeat(40_000);
        world.create(
            Connector,
            &format!("c{index}"),
            json!({"spec": {"routingKey": "key", "host": host, "port": 1}}),
        );
    }
    world.settle();
    assert_eq!(*world.object(ConfigMap, "skupper-router"), before);
    let said = world.condition(Site, "west", "Configured");
    assert!(
        said.contains("that fit into a ConfigMap: reduce the number of Listeners, Connectors"),
        "{said}"
    );
}

#[test]
fn a_service_account_of_the_users_own_is_used() {
    let mut world = World::new();
    world.create(Site, "west", json!({"spec": {"serviceAccount": "mine"}}));
    world.settle();
    assert!(!world.has(ServiceAccount, "skupper-router"));
    assert_eq!(
        world.object(Deployment, "skupper-router")["spec"]["template"]["spec"]["serviceAccountName"],
        "mine"
    );
}

#[test]
fn a_size_is_applied_and_taken_back() {
    let mut world = plain_site();
    let sizing = json!({"metadata": {"name": "m", "labels": {"skupper.io/site-sizing": "medium"}, "annotations": {"skupper.io/default-site-sizing": ""}},
        "data": {"router-cpu-request": "0.5"}});
    world.outside.sizings = BTreeMap::from([(
        "m".to_owned(),
        Arc::new(serde_json::from_value(sizing).unwrap()),
    )]);
    world.settle();
    let resources = |world: &World| {
        world.object(Deployment, "skupper-router")["spec"]["template"]["spec"]["containers"][0]["resources"].clone()
    };
    assert_eq!(resources(&world), json!({"requests": {"cpu": "0.5"}}));
    // The API server spells it differently: no reason to write again.
    world.edit(&(Deployment, "skupper-router".to_owned()), |deployment| {
        deployment["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"]["cpu"] =
            "500m".into();
    });
    assert_eq!(world.settle(), 0);
    // What is not wanted any more is applied away (the stand-in only sees that an apply is made).
    world.outside.sizings.clear();
    let plan = world.plan();
    assert!(
        matches!(
            &plan.writes[..],
            [Write::Apply {
                kind: Deployment,
                ..
            }]
        ),
        "{plan:?}"
    );
}

#[test]
fn settings_of_the_site_reach_the_router() {
    let mut world = plain_site();
    let digest = |world: &World| {
        world.object(Deployment, "skupper-router")["spec"]["template"]["metadata"]["annotations"]["skupper.io/config-digest"].clone()
    };
    let before = digest(&world);
    world.apply(Site, "west", json!({"spec": {"settings": {"router-data-connection-count": "4", "router-logging": "ROUTER:debug"}}}));
    world.settle();
    let config = world.router_config();
    assert_eq!(config.router.data_connection_count, "4");
    assert_eq!(config.logs["ROUTER"].enable, "debug+");
    assert_ne!(digest(&world), before);
}

#[test]
fn a_site_with_ten_services_costs_few_writes() {
    let mut world = World::new();
    world.create(Site, "site", json!({"spec": {}}));
    world.settle();
    for index in 0..5 {
        world.create(
            Listener,
            &format!("l{index}"),
            listener(&format!("svc-{index}"), 8080, &format!("key-{index}")),
        );
        world.settle();
        world.create(Connector, &format!("c{index}"), json!({"spec": {"routingKey": format!("key-{index}"), "selector": format!("app=app-{index}"), "port": 8080}}));
        world.settle();
    }
    assert!(world.writes.len() <= 45, "{} writes", world.writes.len());
    // A controller that starts over it writes nothing.
    world.restart();
    assert_eq!(world.settle(), 0);
}

#[test]
fn strangers_at_the_port_cause_at_most_one_write_in_ten_seconds() {
    let mut world = World::with_site();
    let before = world.writes.len();
    for second in 0..120_u64 {
        let refusals = json!([{"by": "us", "check": "tls", "peer": format!("10.0.0.{second}:1"), "message": "no TLS", "count": 1,
            "firstSeconds": second, "lastSeconds": second}]);
        let listeners =
            json!({"skupper-router-edge": {"refusalCount": second + 1, "refusals": refusals}});
        let report = json!({"r": {"listeners": listeners}});
        world.apply(
            ConfigMap,
            "skupper-router-report",
            json!({"data": {"report.json": report.to_string()}}),
        );
        world.settle();
        world.advance(SignedDuration::from_secs(1));
    }
    let writes = world.writes.len() - before;
    assert!((10..=13).contains(&writes), "{writes} writes");
    world.advance(SignedDuration::from_secs(10));
    assert!(
        world
            .condition(RouterAccess, "skupper-router", "Refusals")
            .starts_with("True/Error/120 connections were refused.")
    );
    assert_eq!(world.summary(RouterAccess, "skupper-router"), "Ready/OK");
}

#[test]
fn what_a_router_cannot_do_is_told_by_what_wants_it() {
    let mut world = plain_site();
    world.create(Pod, "r", router_pod());
    world.create(Listener, "backend", listener("backend", 8080, "key"));
    let report = json!({"r": {
        "tcpListeners": {"listener/backend": {"operStatus": "down", "connectionMsg": "Address already in use"}},
        "problems": ["the router refused CREATE of tcpListener \"listener/backend\""],
    }});
    world.apply(
        ConfigMap,
        "skupper-router-report",
        json!({"data": {"report.json": report.to_string()}}),
    );
    world.settle();
    assert_eq!(
        world.condition(Listener, "backend", "Configured"),
        "False/Error/the router cannot listen: Address already in use"
    );
    let said = world.condition(Site, "west", "Configured");
    assert_eq!(
        said,
        "False/Error/router pod r: the router refused CREATE of tcpListener \"listener/backend\""
    );
    // While no router is ready, what an adaptor cannot do yet is no news.
    world.delete(Pod, "r");
    world.settle();
    assert_eq!(world.condition(Site, "west", "Configured"), "True/Ready/OK");
}
