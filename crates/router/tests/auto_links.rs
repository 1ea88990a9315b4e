//! Links that a router makes by itself to a container, which here is another router.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that panics has failed"
)]

mod common;

use common::clients::*;
use common::raw::Raw;
use common::*;
use serde_json::{Value, json};
use skupper_amqp::connection::Event;
use skupper_client::ClientError;
use skupper_management::agent::Store;
use skupper_management::{Attributes, Kind};
use skupper_router::Router;

/// A connector with the role `route-container` to a router that is none of this network.
fn container(port: u16) -> Value {
    json!(["connector", {"name": "to-broker", "role": "route-container", "host": "127.0.0.1", "port": port.to_string()}])
}

fn auto_link(name: &str, direction: &str, more: &Value) -> Value {
    let mut attributes = more.clone();
    attributes["name"] = json!(name);
    attributes["direction"] = json!(direction);
    json!(["autoLink", attributes])
}

fn entity(router: &Router, kind: Kind, name: &str) -> Attributes {
    let found = router.entities().find(kind, "name", name);
    found.into_iter().next().unwrap()
}

fn status(router: &Router, name: &str) -> (String, String) {
    let entity = entity(router, Kind::AutoLink, name);
    let text = |attribute: &str| {
        let text = entity.get(attribute).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    };
    (text("operStatus"), text("lastError"))
}

fn wait_for_status(router: &Router, name: &str, wanted: &str) {
    wait_for(wanted, || (status(router, name).0 == wanted).then_some(()));
}

#[test]
fn messages_leave_and_enter_by_automatic_links() {
    let broker = router("broker", &[client_listener()]);
    let gate = router(
        "gate",
        &[
            client_listener(),
            container(listener_port(&broker, "clients")),
            auto_link(
                "out",
                "out",
                &json!({"address": "outside", "externalAddress": "queue", "connection": "to-broker"}),
            ),
            auto_link(
                "in",
                "in",
                &json!({"address": "inside", "externalAddress": "feed", "containerId": "broker"}),
            ),
            auto_link(
                "elsewhere",
                "out",
                &json!({"address": "a", "containerId": "nobody"}),
            ),
        ],
    );
    for name in ["out", "in"] {
        wait_for_status(&gate, name, "active");
    }
    assert_eq!(
        status(&gate, "elsewhere"),
        ("inactive".to_owned(), String::new())
    );
    run(async {
        let (here, there) = (client(&gate, "here"), client(&broker, "there"));
        let mut queue = there.subscribe("queue");
        attached(&mut queue).await;
        let mut inside = here.subscribe("inside");
        attached(&mut inside).await;
        for n in 0..300 {
            let n = n.to_string();
            send(&here, "outside", &n).await;
            assert_eq!(text(&mut queue).await, n);
            send(&there, "feed", &n).await;
            assert_eq!(text(&mut inside).await, n);
        }
        let out = entity(&gate, Kind::AutoLink, "out");
        gate.entities().delete(Kind::AutoLink, &out).unwrap();
        let mut sent = Ok(());
        while sent.is_ok() {
            sent = here.send(message("outside", "late")).await;
        }
        assert!(
            matches!(sent, Err(ClientError::Undeliverable { .. })),
            "{sent:?}"
        );
    });
    let metrics = entity(&gate, Kind::RouterMetrics, "1");
    assert_eq!(metrics["autoLinkCount"], json!(2));
    let counts = |key: &str| {
        let address = entity(&gate, Kind::Address, key);
        ["Ingress", "Egress"].map(|way| {
            let count = &address[&format!("deliveries{way}RouteContainer")];
            count.as_u64().unwrap()
        })
    };
    assert_eq!(counts("Minside"), [300, 0]);
}

#[test]
fn a_refused_link_is_tried_again() {
    let closed =
        json!(["address", {"name": "closed", "prefix": "queue", "distribution": "unavailable"}]);
    let broker = router("broker", &[client_listener(), closed]);
    let port = listener_port(&broker, "clients");
    let link = auto_link(
        "out",
        "out",
        &json!({"address": "queue", "connection": "to-broker"}),
    );
    let gate = router("gate", &[container(port), link]);
    wait_for_status(&gate, "out", "failed");
    assert_eq!(status(&gate, "out").1, "Node not found");
    let closed = entity(&broker, Kind::ConfigAddress, "closed");
    broker
        .entities()
        .delete(Kind::ConfigAddress, &closed)
        .unwrap();
    wait_for_status(&gate, "out", "active");
}

/// A container that connects to the router gets the router's open before the links that the router attaches.
#[test]
fn a_container_that_connects_gets_its_links_behind_the_open() {
    let gate = router(
        "gate",
        &[
            json!(["listener", {"name": "broker", "role": "route-container", "host": "127.0.0.1", "port": "0"}]),
            auto_link(
                "in",
                "in",
                &json!({"address": "inside", "externalAddress": "feed", "connection": "broker"}),
            ),
        ],
    );
    let port = listener_port(&gate, "broker");
    let mut broker = Raw::open(connect(([127, 0, 0, 1], port).into()));
    let source = broker.wait("attach", |event| match event {
        Event::Attached { attach, .. } => Some(attach.source.clone()),
        _ => None,
    });
    assert_eq!(source.unwrap().address.as_deref(), Some("feed"));
}
