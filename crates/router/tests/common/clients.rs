//! AMQP clients of routers.

use std::time::Duration;

use serde_json::{Value, json};
use skupper_amqp::{Message, Properties};
use skupper_client::{Client, ClientError, Endpoint, Incoming, Subscription};
use skupper_router::Router;

use super::{PATIENCE, listener_port};

pub(crate) fn client_listener() -> Value {
    json!(["listener", {"name": "clients", "host": "127.0.0.1", "port": "0"}])
}

pub(crate) fn client(router: &Router, name: &str) -> Client {
    let port = listener_port(router, "clients");
    Client::new(Endpoint::tcp("127.0.0.1", port), name).with_timeout(PATIENCE)
}

pub(crate) fn message(to: &str, body: &str) -> Message {
    Message::with_value(Properties::to(to), body)
}

pub(crate) async fn attached(subscription: &mut Subscription) {
    assert_eq!(next(subscription).await, Incoming::Attached);
}

pub(crate) async fn next(subscription: &mut Subscription) -> Incoming {
    tokio::time::timeout(PATIENCE, subscription.next())
        .await
        .unwrap()
        .unwrap()
}

pub(crate) async fn text(subscription: &mut Subscription) -> String {
    match next(subscription).await {
        Incoming::Message(message) => match message.body {
            skupper_amqp::message::Body::Value(value) => value.as_str().unwrap().to_owned(),
            other => panic!("a text was expected, {other:?} came"),
        },
        Incoming::Attached => panic!("a message was expected"),
    }
}

/// Sends until somebody takes it: the news of a consumer takes its time.
pub(crate) async fn send(client: &Client, to: &str, body: &str) {
    loop {
        match client.send(message(to, body)).await {
            Ok(()) => return,
            Err(ClientError::Undeliverable { .. }) => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

pub(crate) fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(test);
}
