//! AMQP clients as ends of messages, across routers.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that panics has failed"
)]

mod common;

use std::sync::atomic::Ordering;

use common::clients::*;
use common::*;
use serde_json::json;
use skupper_client::{Client, ClientError, Subscription};
use skupper_router::Router;

fn pair() -> (Router, Router) {
    let multicast = json!(["address", {"prefix": "mc", "distribution": "multicast"}]);
    let west = router(
        "west",
        &[
            inter_router_listener("link"),
            client_listener(),
            multicast.clone(),
        ],
    );
    let link = inter_router_connector("link", listener_port(&west, "link"));
    let east = router("east", &[link, client_listener(), multicast]);
    (west, east)
}

#[test]
fn from_one_router_to_another() {
    let (west, east) = pair();
    run(async {
        let consumer = client(&east, "consumer");
        let mut queue = consumer.subscribe("queue");
        attached(&mut queue).await;
        let producer = client(&west, "producer");
        // More than the credit of any link.
        for n in 0..600 {
            send(&producer, "queue", &n.to_string()).await;
            assert_eq!(text(&mut queue).await, n.to_string());
        }
    });
}

#[test]
fn a_large_message_arrives_whole() {
    let (west, east) = pair();
    run(async {
        let consumer = client(&east, "consumer");
        let mut queue = consumer.subscribe("queue");
        attached(&mut queue).await;
        let body = "0123456789".repeat(200_000);
        send(&client(&west, "producer"), "queue", &body).await;
        assert!(text(&mut queue).await == body);
    });
}

/// Ten multicasts from one router, to two consumers there and to one at another. Who sent them, and the consumers.
async fn told(west: &Router, east: &Router) -> (Client, [Subscription; 3]) {
    let (here, there) = (client(west, "here"), client(east, "there"));
    let mut consumers = [
        here.subscribe("mc/news"),
        here.subscribe("mc/news"),
        there.subscribe("mc/news"),
    ];
    for consumer in &mut consumers {
        attached(consumer).await;
    }
    wait_for("consumer elsewhere", || {
        let forwarding = west.context().dispatch.forwarding.load();
        let key = west.context().dispatch.key("mc/news");
        forwarding.table.remotes(&key).map(|_| ())
    });
    let producer = client(west, "producer");
    for n in 0..10 {
        send(&producer, "mc/news", &n.to_string()).await;
    }
    (producer, consumers)
}

#[test]
fn a_multicast_reaches_every_consumer_once() {
    let (west, east) = pair();
    run(async {
        let (_, mut consumers) = told(&west, &east).await;
        for consumer in &mut consumers {
            for n in 0..10 {
                assert_eq!(text(consumer).await, n.to_string());
            }
        }
    });
}

/// Deliveries that came in, were given to consumers here, and went to another router.
fn counted(router: &Router, address: &str) -> [u64; 3] {
    let dispatch = &router.context().dispatch;
    let usage = dispatch.uses.of(&dispatch.key(address));
    [&usage.ingress, &usage.egress, &usage.transit].map(|count| count.load(Ordering::Relaxed))
}

#[test]
fn deliveries_are_counted_and_what_routers_say_to_each_other_is_not() {
    let (west, east) = pair();
    run(async {
        let (producer, mut consumers) = told(&west, &east).await;
        // What is addressed to a router itself, as requests of its agent are.
        let _within = east.context().subscribe("_local/agent");
        let agent = "_topo/0/east/agent";
        wait_for("agent", || {
            let dispatch = &east.context().dispatch;
            let forwarding = dispatch.forwarding.load();
            forwarding.locals.get(&dispatch.key(agent)).map(|_| ())
        });
        send(&producer, agent, "a request").await;
        for consumer in &mut consumers {
            for n in 0..10 {
                assert_eq!(text(consumer).await, n.to_string());
            }
        }
        assert_eq!(counted(&west, "mc/news"), [10, 20, 10]);
        assert_eq!(counted(&east, "mc/news"), [0, 10, 0]);
        assert_eq!(counted(&west, agent), [1, 0, 1]);
        let totals = &west.context().dispatch.uses.totals;
        let totals = [&totals.ingress, &totals.egress, &totals.transit]
            .map(|count| count.load(Ordering::Relaxed));
        assert_eq!(totals, [11, 20, 11]);
    });
}

#[test]
fn nobody_takes_what_nobody_consumes() {
    let (west, _east) = pair();
    run(async {
        let sent = client(&west, "producer")
            .send(message("nobody", "hello"))
            .await;
        assert!(
            matches!(sent, Err(ClientError::Undeliverable { .. })),
            "{sent:?}"
        );
    });
}
