//! AMQP over WebSocket, and files, at the HTTP ports of a router.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests say what they expect by failing"
)]

mod common;

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::sync::Arc;

use common::clients::{attached, message, run, text};
use common::trust::{Ca, Files, Use};
use common::*;
use futures::{SinkExt, StreamExt};
use rustls::time_provider::DefaultTimeProvider;
use serde_json::{Value, json};
use skupper_client::{Client, Endpoint};
use skupper_management::Kind;
use skupper_management::agent::Store;
use skupper_pki::TrustBundle;
use skupper_pki::tls::{Ciphers, ClientOptions, Identity, Versions, client_config, server_name};
use skupper_router::Router;
use skupper_router::agent::Agent;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::client::ClientRequestBuilder;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

/// A router with an HTTP port.
struct Served {
    agent: Agent,
    router: Router,
}

impl Served {
    fn new(more: Value, sections: &[Value]) -> Self {
        let mut listener = json!({"name": "web", "host": "127.0.0.1", "port": "0", "http": true});
        let more = more.as_object().cloned().unwrap();
        listener.as_object_mut().unwrap().extend(more);
        let mut all = sections.to_vec();
        all.push(json!(["listener", listener]));
        let router = router("A", &all);
        let agent = Agent::start(&router).unwrap();
        Served { agent, router }
    }

    fn address(&self) -> SocketAddr {
        self.agent.http_address("web").unwrap()
    }

    /// Status, head and body of a page, asked for with a path as it is.
    fn get(&self, path: &str) -> (u16, String, String) {
        self.ask("GET", path)
    }

    fn ask(&self, method: &str, path: &str) -> (u16, String, String) {
        let mut stream = connect(self.address());
        let request =
            format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head.to_ascii_lowercase(), body.to_owned())
    }
}

/// Asks for a WebSocket.
async fn upgrade<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    subprotocol: Option<&str>,
) -> Result<WebSocketStream<S>, Error> {
    let mut request = ClientRequestBuilder::new("ws://localhost/any".parse().unwrap());
    if let Some(subprotocol) = subprotocol {
        request = request.with_sub_protocol(subprotocol);
    }
    let (web, response) = client_async(request, stream).await?;
    let agreed = response.headers().get("sec-websocket-protocol");
    assert_eq!(agreed.and_then(|agreed| agreed.to_str().ok()), subprotocol);
    Ok(web)
}

/// Carries the octets of a client to a WebSocket and back, in messages of `piece` octets at most.
async fn carry<S: AsyncRead + AsyncWrite + Unpin>(
    mut client: TcpStream,
    web: WebSocketStream<S>,
    piece: usize,
) {
    let (mut sink, mut source) = web.split();
    let (mut reader, mut writer) = client.split();
    let mut room = vec![0; piece];
    loop {
        tokio::select! {
            read = reader.read(&mut room) => match read {
                Ok(count) if count > 0 => sink.send(Message::Binary(room[..count].to_vec().into())).await.unwrap(),
                _ => return drop(sink.close().await),
            },
            message = source.next() => match message {
                Some(Ok(Message::Binary(octets))) => writer.write_all(&octets).await.unwrap(),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                _ => return,
            },
        }
    }
}

/// A port from which clients are carried to an HTTP port, by TLS with a certificate if there is one.
fn bridge(
    to: SocketAddr,
    subprotocol: &'static str,
    piece: usize,
    tls: Option<Arc<rustls::ClientConfig>>,
) -> u16 {
    let (told, port) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        run(async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            told.send(listener.local_addr().unwrap().port()).unwrap();
            // Until the test's process ends.
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let stream = TcpStream::connect(to).await.unwrap();
                let Some(tls) = tls.clone() else {
                    let web = upgrade(stream, Some(subprotocol)).await.unwrap();
                    tokio::spawn(carry(client, web, piece));
                    continue;
                };
                let name = server_name("localhost").unwrap();
                let connector = tokio_rustls::TlsConnector::from(tls);
                let stream = connector.connect(name, stream).await.unwrap();
                let web = upgrade(stream, Some(subprotocol)).await.unwrap();
                tokio::spawn(carry(client, web, piece));
            }
        });
    });
    port.recv().unwrap()
}

fn client(port: u16, name: &str) -> Client {
    Client::new(Endpoint::tcp("127.0.0.1", port), name).with_timeout(PATIENCE)
}

#[test]
fn messages_go_by_web_sockets_as_by_any_other_connection() {
    let served = Served::new(json!({}), &[]);
    // Frames begin and end anywhere in messages.
    let here = bridge(served.address(), "amqp", 7, None);
    let there = bridge(served.address(), "binary", 100_000, None);
    // More than fits into a message of a WebSocket, or the buffers on the way.
    let long = "0123456789".repeat(300_000);
    run(async {
        let (consumer, producer) = (client(here, "consumer"), client(there, "producer"));
        let mut arrivals = consumer.subscribe("queue");
        attached(&mut arrivals).await;
        for body in ["short", &long] {
            producer.send(message("queue", body)).await.unwrap();
            assert_eq!(text(&mut arrivals).await, body);
        }
        let connections = served
            .router
            .entities()
            .find(Kind::Connection, "container", "consumer");
        let connection = &connections[0];
        assert_eq!(
            (
                &connection["protocol"],
                &connection["isEncrypted"],
                &connection["user"]
            ),
            (&json!("amqp"), &json!(false), &json!("anonymous"))
        );
        assert!(
            connection["host"]
                .as_str()
                .unwrap()
                .starts_with("127.0.0.1:")
        );
    });
}

#[test]
fn who_is_known_by_his_certificate_is_so_at_a_web_socket() {
    let directory = tempfile::tempdir().unwrap();
    let ca = Ca::new("ca");
    let files = Files::write(
        directory.path(),
        "web",
        &ca.leaf(Use::Server, "server", &["localhost"]),
    );
    let more = json!({"sslProfile": "web", "requireSsl": true, "authenticatePeer": true});
    let served = Served::new(more, &[files.profile("web")]);
    let own = ca.leaf(Use::Client, "ann", &[]);
    let config = client_config(ClientOptions {
        identity: Some(Identity::load(&own).unwrap()),
        servers: TrustBundle::from_pem(&own.ca_crt).unwrap(),
        verify_name: true,
        alpn: Vec::new(),
        versions: Versions::default(),
        ciphers: Ciphers::default(),
        clock: Arc::new(DefaultTimeProvider),
    });
    let port = bridge(
        served.address(),
        "amqp",
        1000,
        Some(Arc::new(config.unwrap())),
    );
    let stream = connect(([127, 0, 0, 1], port).into());
    let _raw = raw::Raw::open_external(stream);
    let connections = served.router.entities().find(Kind::Connection, "dir", "in");
    let connection = &connections[0];
    assert_eq!(
        (
            &connection["sasl"],
            &connection["isEncrypted"],
            &connection["sslProto"],
            &connection["sslSsf"]
        ),
        (
            &json!("EXTERNAL"),
            &json!(true),
            &json!("TLSv1.3"),
            &json!(256)
        )
    );
    assert!(connection["user"].as_str().unwrap().contains("ann"));
    assert_eq!(connection["tlsOrdinal"], 0);
}

/// The status with which a WebSocket is refused.
fn refused(served: &Served, subprotocol: Option<&'static str>) -> u16 {
    let address = served.address();
    let mut status = 0;
    run(async {
        let stream = TcpStream::connect(address).await.unwrap();
        let Err(Error::Http(response)) = upgrade(stream, subprotocol).await else {
            panic!("a refusal was expected");
        };
        status = response.status().as_u16();
    });
    status
}

#[test]
fn a_web_socket_is_for_amqp_and_where_the_listener_has_it() {
    let served = Served::new(json!({}), &[]);
    assert_eq!(refused(&served, None), 400);
    assert_eq!(refused(&served, Some("mqtt")), 400);
    let without = Served::new(json!({"websockets": false}), &[]);
    assert_eq!(refused(&without, Some("amqp")), 403);
    // A port that cannot have TLS does not let in who needs it, and tells its health all the same.
    let secure = Served::new(json!({"requireSsl": true, "healthz": true}), &[]);
    assert_eq!(refused(&secure, Some("amqp")), 403);
    assert_eq!(secure.get("/healthz").0, 200);
    // What is no AMQP ends the connection, and the listener tells why.
    run(async {
        for nonsense in [
            Message::Text("AMQP".into()),
            Message::Binary(vec![7; 100].into()),
        ] {
            let stream = TcpStream::connect(served.address()).await.unwrap();
            let mut web = upgrade(stream, Some("amqp")).await.unwrap();
            web.send(nonsense).await.unwrap();
            let end = async { while let Some(Ok(_)) = web.next().await {} };
            tokio::time::timeout(PATIENCE, end).await.unwrap();
        }
    });
    let listener = served.router.entities().listener("web").unwrap();
    wait_for("refusals", || {
        (listener.refusals.snapshot().total() == 2).then_some(())
    });
}

#[test]
fn files_are_served_from_beneath_their_directory_and_from_nowhere_else() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("console");
    std::fs::create_dir_all(root.join("sub")).unwrap();
    for (path, content) in [
        ("secret.txt", "not for you"),
        ("console/index.html", "<p>console</p>"),
        ("console/sub/a.json", "{}"),
        ("console-secret.txt", "not for you"),
    ] {
        std::fs::write(directory.path().join(path), content).unwrap();
    }
    let served = Served::new(json!({"httpRootDir": root.to_str().unwrap()}), &[]);
    let page = |path: &str| {
        let (status, head, body) = served.get(path);
        assert_eq!(status, 200, "{path}: {head}");
        let kind = head
            .lines()
            .find_map(|line| line.strip_prefix("content-type: "));
        (kind.unwrap().to_owned(), body)
    };
    assert_eq!(
        page("/"),
        ("text/html".to_owned(), "<p>console</p>".to_owned())
    );
    assert_eq!(
        page("/sub/a.json"),
        ("application/json".to_owned(), "{}".to_owned())
    );
    assert_eq!(page("/healthz").1, "OK\n");
    for path in [
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/%2e%2e%2fsecret.txt",
        "/sub/../../secret.txt",
        "/sub/..%5c..%5csecret.txt",
        "/../console-secret.txt",
        "//etc/passwd",
        "/%2fetc/passwd",
        "/sub%00/a.json",
        "/nothing",
    ] {
        let (status, _, body) = served.get(path);
        assert!((400..500).contains(&status), "{path}: {status} {body}");
        assert!(
            !body.contains("not for you") && !body.contains("root:"),
            "{path}"
        );
    }
}

#[test]
fn what_is_no_regular_file_is_not_there_and_holds_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    std::fs::create_dir(root.join("sub")).unwrap();
    for fifo in ["fifo", "sub/index.html"] {
        let made = Command::new("mkfifo").arg(root.join(fifo)).status();
        assert!(made.unwrap().success());
    }
    let _socket = UnixListener::bind(root.join("socket")).unwrap();
    symlink("/dev/zero", root.join("device")).unwrap();
    symlink("fifo", root.join("link")).unwrap();
    std::fs::write(root.join("file"), "a file").unwrap();
    let served = Served::new(json!({"httpRootDir": root.to_str().unwrap()}), &[]);
    for path in ["/fifo", "/sub/", "/socket", "/device", "/link"] {
        for method in ["GET", "HEAD"] {
            let (status, head, body) = served.ask(method, path);
            assert_eq!(
                (status, body.as_str()),
                (404, ""),
                "{method} {path}: {head}"
            );
        }
    }
    assert_eq!(served.get("/file").2, "a file");
}

#[test]
fn a_relative_directory_begins_where_the_router_works() {
    let served = Served::new(json!({"httpRootDir": "tests/common"}), &[]);
    assert_eq!(served.get("/mod.rs").0, 200);
    assert_eq!(served.get("/main.rs").0, 404);
}

#[test]
fn pages_that_are_switched_off_are_not_there() {
    for (off, other) in [("healthz", "metrics"), ("metrics", "healthz")] {
        let served = Served::new(json!({off: false}), &[]);
        assert_eq!(served.get(&format!("/{off}")).0, 404);
        assert_eq!(served.get(&format!("/{other}")).0, 200);
    }
}
