//! The Site itself, kinds that are not served, limits, and what the cluster refuses.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;
use skupper_site::ObjectKind::{
    AccessGrant, AccessToken, AttachedConnector, AttachedConnectorBinding, ConfigMap, Connector,
    Deployment, Listener, MultiKeyListener, Pod, RouterAccess, Secret, Service, ServiceAccount,
    Site,
};
use skupper_site::Write;

use crate::acceptance::router_pod;
use crate::services::{listener, plain_site};
use crate::world::World;

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
