//! AMQP clients as ends of messages, across routers.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that panics has failed"
)]

mod common;

use common::clients::*;
use common::*;
use serde_json::json;
use skupper_client::ClientError;
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

#[test]
fn a_multicast_reaches_every_consumer_once() {
    let (west, east) = pair();
    run(async {
        let (here, there) = (client(&west, "here"), client(&east, "there"));
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
        let producer = client(&west, "producer");
        for n in 0..10 {
            send(&producer, "mc/news", &n.to_string()).await;
        }
        for consumer in &mut consumers {
            for n in 0..10 {
                assert_eq!(text(consumer).await, n.to_string());
            }
        }
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
