//! AMQP clients of routers.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use skupper_amqp::{Message, Properties};
use skupper_client::{Client, ClientError, Endpoint, Incoming, Subscription};
use skupper_management::Kind;
use skupper_management::protocol::{Reply, Request, Status};
use skupper_router::Router;

use super::{PATIENCE, listener_port};

/// An answer that is not there by then was lost: whoever was to give it may not have known the way yet.
const ANSWER: Duration = Duration::from_secs(5);

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

/// Answers who it is to whoever asks at an address as [`who`] does, as long as the test runs.
pub(crate) async fn serve(client: Client, address: &str, name: &str) {
    let mut requests = client.subscribe(address);
    attached(&mut requests).await;
    let body = json!({"attributeNames": ["id"], "results": [[name]]});
    tokio::spawn(async move {
        while let Some(incoming) = requests.next().await {
            let Incoming::Message(message) = incoming else {
                continue;
            };
            let answer = Reply::new(Status::OK, body.clone());
            let answer = || answer.encode(&Request::decode(&message));
            // The news of who asks may be on its way still.
            while let Err(ClientError::Undeliverable { .. }) = client.send(answer()).await {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    });
}

/// Who answers at an address, a router's agent or a [server](serve): asks until somebody does.
pub(crate) async fn who(client: &Client, address: &str) -> String {
    let client = client.clone().with_agent(address).with_timeout(ANSWER);
    let began = Instant::now();
    loop {
        match client.query(Kind::Router, &["id"]).await {
            Ok(rows) => return rows[0]["id"].as_str().unwrap().to_owned(),
            Err(error) => assert!(began.elapsed() < PATIENCE, "{address}: {error}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub(crate) fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(test)
}
