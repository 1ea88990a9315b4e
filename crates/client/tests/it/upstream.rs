//! Against upstream's `skrouterd`, whose path stands in `SKROUTERD`: `SKROUTERD=… cargo test -p skupper-client -- --ignored`.

use std::{
    io::Write,
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::json;
use skupper_amqp::{Message, Properties, message::Body};
use skupper_client::{Client, ClientError, Endpoint, Incoming};
use skupper_management::{Attributes, Kind, protocol::Request};
use tokio::time::timeout;

use crate::free_port;

const BOUND: Duration = Duration::from_secs(30);

struct Skrouterd(Child, #[allow(dead_code)] tempfile::NamedTempFile);

impl Drop for Skrouterd {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(port: u16) -> Skrouterd {
    let program = std::env::var("SKROUTERD").expect("SKROUTERD names upstream's skrouterd");
    let mut file = tempfile::NamedTempFile::with_suffix(".conf").unwrap();
    let text = format!(
        "router {{\n  mode: interior\n  id: upstream\n}}\nlistener {{\n  host: 127.0.0.1\n  port: {port}\n  role: normal\n  \
         authenticatePeer: no\n  saslMechanisms: ANONYMOUS\n}}\n"
    );
    file.write_all(text.as_bytes()).unwrap();
    let mut command = Command::new(program);
    command
        .arg("-c")
        .arg(file.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    Skrouterd(command.spawn().unwrap(), file)
}

#[tokio::test]
#[ignore = "needs SKROUTERD"]
async fn upstreams_router_is_asked_changed_and_listened_to() {
    let port = free_port();
    let mut router = start(port);
    let client = Client::new(Endpoint::tcp("127.0.0.1", port), "test").with_timeout(BOUND);

    let routers = client.query(Kind::Router, &[]).await.unwrap();
    assert_eq!(routers[0]["id"], "upstream");

    // Made, seen, refused a second time, removed.
    let mut attributes = Attributes::new();
    for (name, value) in [
        ("host", json!("127.0.0.1")),
        ("port", json!(free_port().to_string())),
        ("address", json!("echo")),
    ] {
        attributes.insert(name.to_owned(), value);
    }
    let create = Request::create(Kind::TcpListener, "in", attributes);
    client.request(&create).await.unwrap();
    let names = client
        .query(Kind::TcpListener, &["name", "address"])
        .await
        .unwrap();
    assert_eq!(names.len(), 1);
    assert_eq!(
        (&names[0]["name"], &names[0]["address"]),
        (&json!("in"), &json!("echo"))
    );
    let again = client.request(&create).await.unwrap_err();
    assert!(matches!(again, ClientError::Reply(_)), "{again}");
    client
        .request(&Request::delete(Kind::TcpListener, "in"))
        .await
        .unwrap();
    assert_eq!(
        client.query(Kind::TcpListener, &["name"]).await.unwrap(),
        Vec::<Attributes>::new()
    );

    // A multicast address, as telemetry has it.
    let mut flows = client.subscribe("mc/test.flows");
    assert_eq!(
        timeout(BOUND, flows.next()).await.unwrap(),
        Some(Incoming::Attached)
    );
    for number in 0..1000_u64 {
        client
            .send(Message::with_value(Properties::to("mc/test.flows"), number))
            .await
            .unwrap();
        let Some(Incoming::Message(came)) = timeout(BOUND, flows.next()).await.unwrap() else {
            panic!("no message")
        };
        assert_eq!(came.body, Body::Value(number.into()));
    }
    let nowhere = client
        .send(Message::with_value(Properties::to("nowhere"), 1_u64))
        .await
        .unwrap_err();
    assert!(
        matches!(nowhere, ClientError::Undeliverable { .. }),
        "{nowhere}"
    );

    // The router is killed and comes back.
    router.0.kill().unwrap();
    router.0.wait().unwrap();
    let mut state = client.state();
    timeout(BOUND, state.wait_for(|state| state.router.is_none()))
        .await
        .unwrap()
        .unwrap();
    let _router = start(port);
    assert_eq!(
        client.query(Kind::Router, &["id"]).await.unwrap()[0]["id"],
        "upstream"
    );
    assert_eq!(
        timeout(BOUND, flows.next()).await.unwrap(),
        Some(Incoming::Attached)
    );
}
