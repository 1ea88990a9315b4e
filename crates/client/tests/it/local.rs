use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde_json::json;
use skupper_amqp::{Message, Properties, Value as Amqp, message::Body};
use skupper_client::{Client, ClientError, Endpoint, Incoming, Tls};
use skupper_management::{
    Attributes, Kind,
    protocol::{Reply, Request, Status},
};
use skupper_pki::{
    KeyAlgorithm, TrustBundle,
    issue::{CaRequest, Issuer, LeafRequest, issue_ca},
    tls::{
        Ciphers, ClientOptions, Identity, ServerOptions, Versions, client_config, server_config,
        server_name,
    },
};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::free_port;
use crate::router::Router;

/// Long enough for the slowest machine; nothing waits for it when all is well.
const BOUND: Duration = Duration::from_secs(30);

fn client(router: &Router) -> Client {
    Client::new(Endpoint::tcp("127.0.0.1", router.port), "test").with_timeout(BOUND)
}

/// Answers queries with so many rows, by pages.
fn table(rows: i64) -> impl Fn(&Request) -> Option<Reply> {
    move |request| {
        // Kinds of which there are few are asked for at once.
        let (from, count) = (request.offset.unwrap_or(0), request.count.unwrap_or(rows));
        let results: Vec<_> = (from..rows.min(from + count))
            .map(|n| json!([format!("entity-{n}"), n]))
            .collect();
        Some(Reply::new(
            Status::OK,
            json!({"attributeNames": ["name", "number"], "results": results}),
        ))
    }
}

fn message(to: &str, number: u64) -> Message {
    Message::with_value(Properties::to(to), number)
}

#[tokio::test]
async fn a_query_gets_all_rows_page_by_page() {
    for rows in [0, 3, 500, 1201] {
        let router = Router::start(None, table(rows)).await;
        let entities = client(&router)
            .query(Kind::Address, &["name", "number"])
            .await
            .unwrap();
        assert_eq!(entities.len() as i64, rows);
        if let Some(last) = entities.last() {
            assert_eq!(last["number"], rows - 1);
        }
    }
}

#[tokio::test]
async fn requests_at_once_get_each_its_own_answer() {
    let router = Router::start(None, |request| {
        Some(Reply::new(Status::CREATED, json!({"name": request.name})))
    })
    .await;
    let client = client(&router);
    let asked = (0..200).map(|number| {
        let client = client.clone();
        tokio::spawn(async move {
            let name = format!("entity-{number}");
            let request = Request::create(Kind::SslProfile, &name, Attributes::new());
            assert_eq!(client.request(&request).await.unwrap()["name"], *name);
        })
    });
    for asked in asked.collect::<Vec<_>>() {
        asked.await.unwrap();
    }
}

#[tokio::test]
async fn a_refusal_says_what_was_refused_and_why() {
    let router = Router::start(None, |_| {
        Some(Reply::refusal(Status::NOT_FOUND, "No entity with name=x"))
    })
    .await;
    let error = client(&router)
        .request(&Request::delete(Kind::Connector, "x"))
        .await
        .unwrap_err();
    assert!(matches!(error, ClientError::Reply(_)));
    assert_eq!(
        error.to_string(),
        "DELETE of connector `x` was refused with status 404: No entity with name=x"
    );
}

#[tokio::test]
async fn a_message_that_nobody_takes_comes_back() {
    let router = Router::start(None, |_| None).await;
    let client = client(&router);
    let error = client.send(message("nowhere", 1)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "nobody at nowhere took the message: released (no route to it)"
    );
    let elsewhere = client.with_agent("_topo/0/gone/$management");
    let error = elsewhere.request(&Request::log(1)).await.unwrap_err();
    assert!(
        matches!(error, ClientError::Undeliverable { address, .. } if address == "_topo/0/gone/$management")
    );
}

#[tokio::test]
async fn no_router_and_no_answer_are_told_apart() {
    let silent = Router::start(None, |_| None).await;
    let short = Duration::from_millis(300);
    let client = client(&silent);
    // Connected first, so that the wait is for the answer only.
    let mut state = client.state();
    state
        .wait_for(|state| state.router.is_some())
        .await
        .unwrap();
    let error = client
        .with_timeout(short)
        .request(&Request::log(1))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "GET-LOG of org.amqp.management `self` at $management was not done within 0.3 s"
    );

    let port = free_port();
    let nobody = Client::new(Endpoint::tcp("127.0.0.1", port), "test").with_timeout(short);
    nobody
        .state()
        .wait_for(|state| state.error.is_some())
        .await
        .unwrap();
    let error = nobody
        .request(&Request::log(1))
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains(&format!("cannot connect to amqp://127.0.0.1:{port}: ")),
        "{error}"
    );
}

#[tokio::test]
async fn a_lost_connection_fails_what_was_asked_and_is_made_anew_with_its_subscriptions() {
    let silent = Arc::new(AtomicBool::new(true));
    let answers = silent.clone();
    let router = Router::start(None, move |_| {
        (!answers.load(Ordering::SeqCst)).then(|| Reply::new(Status::OK, json!([])))
    })
    .await;
    let client = client(&router);
    let mut subscription = client.subscribe("flows");
    assert_eq!(
        timeout(BOUND, subscription.next()).await.unwrap(),
        Some(Incoming::Attached)
    );
    let asking = tokio::spawn({
        let client = client.clone();
        async move { client.request(&Request::log(1)).await }
    });
    // The request is known to have gone when one after it was taken.
    client.send(message("flows", 0)).await.unwrap();
    assert!(matches!(
        timeout(BOUND, subscription.next()).await.unwrap(),
        Some(Incoming::Message(_))
    ));
    tokio::task::yield_now().await;
    client.send(message("flows", 1)).await.unwrap();
    router.cut.notify_waiters();
    let error = asking.await.unwrap().unwrap_err();
    assert!(matches!(error, ClientError::Lost { .. }), "{error}");

    silent.store(false, Ordering::SeqCst);
    client.request(&Request::log(1)).await.unwrap();
    assert_eq!(client.state().borrow().generation, 2);
    let mut seen = Vec::new();
    while seen.last() != Some(&Incoming::Attached) {
        seen.push(timeout(BOUND, subscription.next()).await.unwrap().unwrap());
    }
    client.send(message("flows", 2)).await.unwrap();
    let Some(Incoming::Message(came)) = timeout(BOUND, subscription.next()).await.unwrap() else {
        panic!("no message")
    };
    assert_eq!(came.body, Body::Value(Amqp::Ulong(2)));
}

#[tokio::test]
async fn a_subscriber_that_does_not_read_holds_the_router_back() {
    let router = Router::start(None, |_| None).await;
    let (sender, reader) = (client(&router), client(&router));
    let mut slow = sender.subscribe("slow");
    assert_eq!(
        timeout(BOUND, slow.next()).await.unwrap(),
        Some(Incoming::Attached)
    );
    for number in 0..600 {
        sender.send(message("slow", number)).await.unwrap();
    }
    assert_eq!(router.forwarded.load(Ordering::SeqCst), 250);
    for number in 0..600_u64 {
        let Some(Incoming::Message(came)) = timeout(BOUND, slow.next()).await.unwrap() else {
            panic!("no message")
        };
        assert_eq!(came.body, Body::Value(number.into()));
    }
    drop(slow);
    drop(reader);
    // Once unsubscribed, nobody is there. (The detach is on its way in order, before the next message.)
    assert!(matches!(
        sender.send(message("slow", 0)).await,
        Err(ClientError::Undeliverable { .. })
    ));
}

#[tokio::test]
async fn large_messages_travel_in_many_frames() {
    let router = Router::start(None, |request| {
        Some(Reply::new(Status::OK, request.body.clone()))
    })
    .await;
    let mut attributes = Attributes::new();
    attributes.insert("text".to_owned(), "x".repeat(3_000_000).into());
    let request = Request::create(Kind::SslProfile, "large", attributes.clone());
    assert_eq!(
        client(&router).request(&request).await.unwrap(),
        json!(attributes)
    );
}

#[tokio::test]
async fn tls_and_sasl_external_prove_who_is_who() {
    let now = jiff::Timestamp::now();
    let lifetime = jiff::SignedDuration::from_hours(1);
    let ca = CaRequest {
        subject: "test CA".to_owned(),
        lifetime,
        algorithm: KeyAlgorithm::default(),
    };
    let ca = issue_ca(&ca, now).unwrap();
    let leaf = |subject: &str, server: bool| {
        let request = LeafRequest {
            subject: subject.to_owned(),
            hosts: if server {
                vec!["router.test".to_owned()]
            } else {
                Vec::new()
            },
            server,
            client: !server,
            lifetime,
            algorithm: KeyAlgorithm::default(),
        };
        Issuer::of(&ca).issue(&request, now).unwrap().credential()
    };
    let (server, client) = (leaf("router.test", true), leaf("adaptor", false));
    let bundle = || TrustBundle::from_pem(&server.ca_crt).unwrap();
    let clock = || Arc::new(rustls::time_provider::DefaultTimeProvider);
    let accept = server_config(ServerOptions {
        identity: Identity::load(&server).unwrap(),
        clients: Some(bundle()),
        alpn: Vec::new(),
        versions: Versions::default(),
        ciphers: Ciphers::default(),
        clock: clock(),
    });
    let connect = |name: &str| {
        let options = ClientOptions {
            identity: Some(Identity::load(&client).unwrap()),
            servers: bundle(),
            verify_name: true,
            alpn: Vec::new(),
            versions: Versions::default(),
            ciphers: Ciphers::default(),
            clock: clock(),
        };
        let config = Arc::new(client_config(options).unwrap());
        Tls {
            config,
            server_name: server_name(name).unwrap(),
            client_certificate: true,
        }
    };
    let router = Router::start(Some(TlsAcceptor::from(Arc::new(accept.unwrap()))), table(3)).await;

    let right = Client::new(
        Endpoint::tls("127.0.0.1", router.port, connect("router.test")),
        "test",
    );
    assert_eq!(right.query(Kind::Listener, &[]).await.unwrap().len(), 3);
    assert_eq!(*router.mechanisms.lock().unwrap(), ["EXTERNAL"]);

    let wrong = Client::new(
        Endpoint::tls("127.0.0.1", router.port, connect("other.test")),
        "test",
    );
    let mut state = wrong.state();
    let state = timeout(BOUND, state.wait_for(|state| state.error.is_some()))
        .await
        .unwrap()
        .unwrap()
        .clone();
    let error = state.error.unwrap();
    let start = format!("TLS with amqps://127.0.0.1:{} failed: ", router.port);
    assert!(error.starts_with(&start), "{error}");
}

#[tokio::test]
async fn what_refuses_or_hangs_is_named_in_the_state() {
    // Takes the connection and closes it at once.
    let router = Router::start(None, table(1)).await;
    router.deaf.store(true, Ordering::SeqCst);
    let shut = client(&router);
    let mut state = shut.state();
    let error = timeout(BOUND, state.wait_for(|state| state.error.is_some()))
        .await
        .unwrap()
        .unwrap()
        .error
        .clone();
    let error = error.unwrap();
    assert!(
        error.contains("ended: ") || error.contains("broke: "),
        "{error}"
    );
    router.deaf.store(false, Ordering::SeqCst);
    assert_eq!(shut.query(Kind::Listener, &[]).await.unwrap().len(), 1);

    // Takes the connection and says nothing.
    let mute = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut endpoint = Endpoint::tcp("127.0.0.1", mute.local_addr().unwrap().port());
    endpoint.connect_timeout = Duration::from_millis(200);
    let hanging = Client::new(endpoint, "test");
    let mut state = hanging.state();
    let error = timeout(BOUND, state.wait_for(|state| state.error.is_some()))
        .await
        .unwrap()
        .unwrap()
        .error
        .clone();
    assert!(error.unwrap().ends_with("was not done within 0.2 s"));
}
