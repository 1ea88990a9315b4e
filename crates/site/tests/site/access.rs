//! How a router is exposed, and who was refused at its port.

use jiff::SignedDuration;
use serde_json::json;
use skupper_site::ObjectKind::{ConfigMap, Route, RouterAccess, SecuredAccess, Site};

use crate::services::plain_site;
use crate::world::{NAMESPACE, World};

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
    // Whenever they come: an operator may install them later.
    world.outside.has_routes = true;
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
