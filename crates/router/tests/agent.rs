//! The management agent of a running router, asked by messages within the router, and its HTTP ports.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests say what they expect by failing"
)]

mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use std::sync::Arc;

use common::clients::client_listener;
use common::raw::Raw;
use common::trust::{Ca, Files, Use};
use common::*;
use rustls::time_provider::DefaultTimeProvider;
use serde_json::{Value, json};
use skupper_amqp::Message;
use skupper_amqp::connection::Event;
use skupper_management::protocol::{
    MANAGEMENT, QueryResult, Reply, Request, Status, address_of_router,
};
use skupper_management::{Attributes, Kind};
use skupper_pki::TrustBundle;
use skupper_pki::tls::{Ciphers, ClientOptions, Versions, client_config, server_name};
use skupper_router::Router;
use skupper_router::agent::{Agent, logging};
use skupper_router::core::Subscription;

/// A router with its agent, and who asks it.
struct Asked {
    // Dropped in this order: who asks, the agent, the router.
    replies: Subscription,
    agent: Agent,
    router: Router,
    asked: u64,
}

/// Where answers come, as an address of the router itself.
const REPLIES: &str = "replies";

impl Asked {
    fn new(id: &str, sections: &[Value]) -> Self {
        let router = router(id, sections);
        let agent = Agent::start(&router).unwrap();
        let replies = router.context().subscribe(&format!("_local/{REPLIES}"));
        Asked {
            replies,
            agent,
            router,
            asked: 0,
        }
    }

    fn ask_at(&mut self, address: &str, request: &Request) -> Reply {
        self.asked += 1;
        let reply_to = format!(
            "amqp:/_topo/0/{}/{REPLIES}",
            self.router.context().dispatch.me
        );
        let message = request.encode(address, &reply_to, self.asked);
        wait_for("agent", || {
            self.router
                .context()
                .dispatch
                .send_message(address, message.to_bytes())
                .ok()
        });
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        let received =
            runtime.block_on(async { tokio::time::timeout(PATIENCE, self.replies.next()).await });
        let message = Message::decode(&received.unwrap().unwrap().payload).unwrap();
        let id = message.properties.as_ref().unwrap().correlation_id.clone();
        assert_eq!(
            id,
            Some(self.asked.into()),
            "the answer to this question and no other"
        );
        Reply::decode(&message).unwrap()
    }

    fn ask(&mut self, request: &Request) -> Reply {
        self.ask_at(MANAGEMENT, request)
    }

    fn http_port(&self, listener: &str) -> u16 {
        self.agent.http_address(listener).unwrap().port()
    }

    fn rows(&mut self, kind: Kind) -> Vec<Attributes> {
        let request = Request::query(kind, &[]);
        let rows: QueryResult = self.ask(&request).into_rows(&request).unwrap();
        rows.entities().collect()
    }
}

fn map(value: Value) -> Attributes {
    value.as_object().unwrap().clone()
}

#[test]
fn a_router_tells_what_it_is_and_runs() {
    let mut asked = Asked::new(
        "A",
        &[tcp_listener("service"), inter_router_listener("link")],
    );
    let routers = asked.rows(Kind::Router);
    assert_eq!(routers.len(), 1, "control planes expect exactly one");
    assert_eq!(routers[0]["id"], "A");
    assert_eq!(routers[0]["mode"], "interior");
    let listeners = asked.rows(Kind::TcpListener);
    assert_eq!(listeners[0]["address"], "service");
    assert_eq!(listeners[0]["operStatus"], "down", "nobody serves it");
    let link = &asked.rows(Kind::Listener)[0];
    assert_eq!(
        (&link["refusals"], &link["refusalCount"]),
        (&json!([]), &json!(0))
    );
    let nodes = asked.ask_at(
        &address_of_router("A"),
        &Request::of_agent("GET-MGMT-NODES"),
    );
    assert_eq!(nodes.body, json!(["amqp:/_topo/0/A/$management"]));
    let addresses = asked.rows(Kind::Address);
    assert!(
        addresses
            .iter()
            .any(|address| address["name"] == "M$management"),
        "{addresses:?}"
    );
    let metrics = &asked.rows(Kind::RouterMetrics)[0];
    assert!(metrics["residentMemoryUsage"].as_u64().unwrap() > 0);
    assert_eq!(metrics["connectionCounters"]["tcp"], 0);
}

#[test]
fn connections_are_as_many_as_there_are_rows_of_them() {
    let port = server(echo);
    let mut asked = Asked::new(
        "A",
        &[
            tcp_listener("service"),
            tcp_connector("service", port),
            tcp_connector("unused", port),
            client_listener(),
        ],
    );
    let mut open = connect(open_port(&asked.router, "service"));
    open.write_all(b"x").unwrap();
    open.read_exact(&mut [0]).unwrap();
    // Both ends of the flow, and the connectors' places in the network.
    let rows = asked.rows(Kind::Connection);
    assert_eq!(rows.len(), 4);
    let client = rows.iter().find(|row| row["dir"] == "in").unwrap();
    let told = ["localSocket", "properties", "lastDlvSeconds"].map(|column| &client[column]);
    let at = open_port(&asked.router, "service").to_string();
    assert_eq!(told[..2], [&json!(at), &json!({"qd.adaptor": "tcp"})]);
    assert!(told[2].is_u64(), "{client:?}");
    let places = rows.iter().filter(|row| row["host"] == "egress-dispatch");
    let mut used: Vec<bool> = places
        .map(|row| row.contains_key("lastDlvSeconds"))
        .collect();
    used.sort_unstable();
    assert_eq!(used, [false, true], "one of them has had a flow");
    assert_eq!(asked.rows(Kind::RouterMetrics)[0]["connectionCount"], 4);
}

#[test]
fn a_connection_is_there_once_both_sides_have_opened_it() {
    let mut asked = Asked::new("A", &[client_listener()]);
    let port = listener_port(&asked.router, "clients");
    let at = SocketAddr::from(([127, 0, 0, 1], port));
    let mut silent = connect(at);
    silent.write_all(b"AMQP\x03\x01\x00\x00").unwrap();
    let number = wait_for("connection that is not open", || {
        let connections = asked.router.context().connections.all();
        Some(connections.first()?.number)
    });
    assert_eq!(asked.rows(Kind::Connection), []);
    assert_eq!(asked.rows(Kind::RouterMetrics)[0]["connectionCount"], 0);
    let of_it = |request: Request| Request {
        name: None,
        identity: Some(number.to_string()),
        ..request
    };
    let read = asked.ask(&of_it(Request::read(Kind::Connection, "")));
    assert_eq!(read.status, Status::NOT_FOUND);
    let close = Request::update(Kind::Connection, "", map(json!({"adminStatus": "deleted"})));
    assert_eq!(asked.ask(&of_it(close)).status, Status::BAD_REQUEST);
    let _open = Raw::open(connect(at));
    let rows = asked.rows(Kind::Connection);
    assert_eq!(rows.len(), 1);
    let told = ["container", "opened", "operStatus"].map(|column| &rows[0][column]);
    assert_eq!(told, [&json!("raw"), &json!(true), &json!("up")]);
    // Without SASL.
    assert_eq!(rows[0]["user"], "anonymous");
    assert_eq!(asked.rows(Kind::RouterMetrics)[0]["connectionCount"], 1);
}

#[test]
fn a_service_is_made_used_and_removed_by_management() {
    let port = server(echo);
    let mut asked = Asked::new("A", &[]);
    let listener = map(json!({"address": "echo", "host": "127.0.0.1", "port": 0}));
    let made = asked.ask(&Request::create(
        Kind::TcpListener,
        "listener/echo",
        listener.clone(),
    ));
    assert_eq!(made.status, Status::CREATED, "{made:?}");
    let connector = map(json!({"address": "echo", "host": "127.0.0.1", "port": port}));
    let made = asked.ask(&Request::create(
        Kind::TcpConnector,
        "connector/echo",
        connector,
    ));
    assert_eq!(made.body["port"], port.to_string(), "{made:?}");
    let address = open_port(&asked.router, "echo");
    assert_eq!(exchange(address, b"by management"), b"by management");
    let again = asked.ask(&Request::create(
        Kind::TcpListener,
        "listener/echo",
        listener,
    ));
    assert_eq!(again.status, Status::BAD_REQUEST);
    assert_eq!(
        asked
            .ask(&Request::delete(Kind::TcpConnector, "connector/echo"))
            .status,
        Status::NO_CONTENT
    );
    closed_port(&asked.router, "echo");
    assert_eq!(
        asked
            .ask(&Request::delete(Kind::TcpListener, "listener/echo"))
            .status,
        Status::NO_CONTENT
    );
    assert_eq!(
        asked
            .ask(&Request::delete(Kind::TcpListener, "listener/echo"))
            .status,
        Status::NOT_FOUND
    );
}

#[test]
fn frames_of_one_connection_are_told_when_that_is_asked_for() {
    logging::install();
    let mut asked = Asked::new("traced", &[client_listener()]);
    let port = listener_port(&asked.router, "clients");
    let mut raw = Raw::open(connect(([127, 0, 0, 1], port).into()));
    let number = asked.router.context().connections.all()[0].number;
    let told = |frame: &str| {
        let expected = format!("[C{number}]:FRAME: {frame}");
        let mut lines = logging::recent(None).into_iter();
        lines.any(|line| line.module == "PROTOCOL" && line.text.starts_with(&expected))
    };
    let begin = |raw: &mut Raw| {
        raw.amqp.begin().unwrap();
        raw.wait("begin", |event| {
            matches!(event, Event::SessionBegun { .. }).then_some(())
        });
    };
    begin(&mut raw);
    assert!(!told("0 <- @begin(17)"));
    let update = |on: bool| {
        let wanted = json!({"enableProtocolTrace": on});
        Request {
            name: None,
            identity: Some(number.to_string()),
            ..Request::update(Kind::Connection, "", wanted.as_object().unwrap().clone())
        }
    };
    let reply = asked.ask(&update(true));
    assert_eq!(reply.status, Status::OK, "{}", reply.description);
    assert_eq!(asked.rows(Kind::Connection)[0]["enableProtocolTrace"], true);
    begin(&mut raw);
    wait_for("frames in the log", || {
        (told("1 <- @begin(17)") && told("1 -> @begin(17)")).then_some(())
    });
    assert_eq!(asked.ask(&update(false)).status, Status::OK);
    begin(&mut raw);
    assert!(!told("2 <- @begin(17)"));
}

#[test]
fn every_module_has_a_log_that_can_be_set() {
    let mut asked = Asked::new(
        "A",
        &[json!(["log", {"module": "ROUTER_MA", "enable": "error+"}])],
    );
    let logs = asked.rows(Kind::Log);
    assert_eq!(logs.len(), skupper_management::schema::MODULES.len());
    let of = |logs: &[Attributes], module: &str| {
        logs.iter()
            .find(|log| log["module"] == module)
            .cloned()
            .unwrap()
    };
    assert_eq!(of(&logs, "ROUTER_MA")["enable"], "error+");
    assert_eq!(of(&logs, "DEFAULT")["outputFile"], "stderr");
    assert_eq!(of(&logs, "ADDRESS_WATCH").get("enable"), None);

    let set = Request::update(
        Kind::Log,
        "log/ADDRESS_WATCH",
        map(json!({"enable": "trace+"})),
    );
    assert_eq!(asked.ask(&set).status, Status::OK);
    let logs = asked.rows(Kind::Log);
    assert_eq!(logs.len(), skupper_management::schema::MODULES.len());
    assert_eq!(of(&logs, "ADDRESS_WATCH")["enable"], "trace+");
    let wrong = Request::update(
        Kind::Log,
        "log/ADDRESS_WATCH",
        map(json!({"enable": "loud"})),
    );
    assert_eq!(asked.ask(&wrong).status, Status::BAD_REQUEST);
    let unopenable = Request::update(
        Kind::Log,
        "log/ADDRESS_WATCH",
        map(json!({"outputFile": "/nowhere/at/all"})),
    );
    let reply = asked.ask(&unopenable);
    assert!(
        reply
            .description
            .contains("Failed to open log file '/nowhere/at/all'"),
        "{reply:?}"
    );
    assert_eq!(
        asked.rows(Kind::LogStats).len(),
        skupper_management::schema::MODULES.len()
    );
    assert_eq!(asked.ask(&Request::log(5)).status, Status::OK);
}

fn http_listener(port: u16) -> Value {
    json!({"host": "127.0.0.1", "port": port, "http": true, "httpRootDir": "disabled"})
}

/// The status line and body of a page.
fn get(port: u16, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().to_owned(), body.to_owned())
}

#[test]
fn health_and_metrics_are_served() {
    let mut section = http_listener(0);
    section["name"] = json!("@9090");
    let asked = Asked::new(
        "A",
        &[
            json!(["listener", section]),
            tcp_listener("service"),
            tcp_connector("server", 9),
        ],
    );
    let port = asked.http_port("@9090");
    assert_eq!(
        get(port, "/healthz"),
        ("HTTP/1.1 200 OK".to_owned(), "OK\n".to_owned())
    );
    let (status, metrics) = get(port, "/metrics");
    assert_eq!(status, "HTTP/1.1 200 OK");
    assert!(
        metrics.contains("# TYPE qdr_routers_total gauge\nqdr_routers_total 0\n"),
        "{metrics}"
    );
    assert!(
        metrics.contains("\nqdr_tcp_service_connections 1\n"),
        "{metrics}"
    );
    let service = "skupper_router_tcp_listener_connections_opened_total{listener=\"listener/service\",address=\"service\"} 0";
    assert!(metrics.contains(service), "{metrics}");
    let server = "skupper_router_tcp_connector_connections_opened_total{connector=\"connector/server@9\",address=\"server\"} 0";
    assert!(metrics.contains(server), "{metrics}");
    assert!(get(port, "/other").0.contains("404"));
    drop(asked);
    assert!(
        TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))).is_err(),
        "the port closed with the agent"
    );
}

/// Sends a request by a connection that is kept; the response, of which the body is the line `OK` or one that tells what is wrong.
fn say(stream: &mut TcpStream, request: &str) -> String {
    stream.write_all(request.as_bytes()).unwrap();
    let mut response = Vec::new();
    let mut octet = [0];
    let whole = |response: &[u8]| {
        let text = String::from_utf8_lossy(response);
        let body = text
            .split_once("\r\n\r\n")
            .map(|(_, body)| body.ends_with('\n'));
        body == Some(true)
    };
    while !whole(&response) {
        stream.read_exact(&mut octet).unwrap();
        response.extend_from_slice(&octet);
    }
    String::from_utf8(response).unwrap()
}

#[test]
fn http_ports_come_and_go_by_management() {
    let mut asked = Asked::new("A", &[]);
    let made = asked.ask(&Request::create(
        Kind::Listener,
        "web",
        map(http_listener(0)),
    ));
    assert_eq!(made.status, Status::CREATED, "{made:?}");
    let port = asked.http_port("web");
    assert_eq!(get(port, "/healthz").1, "OK\n");
    let mut kept = TcpStream::connect(("127.0.0.1", port)).unwrap();
    kept.set_read_timeout(Some(PATIENCE)).unwrap();
    assert!(say(&mut kept, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").contains(" 200 "));
    assert_eq!(
        asked.ask(&Request::delete(Kind::Listener, "web")).status,
        Status::NO_CONTENT
    );
    // Who has come before asks a listener that is gone.
    let upgrade = "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: amqp\r\n\r\n";
    assert!(say(&mut kept, upgrade).contains(" 503 "));
    // The same port can be opened again at once.
    let again = asked.ask(&Request::create(
        Kind::Listener,
        "web",
        map(http_listener(port)),
    ));
    assert_eq!(again.status, Status::CREATED);
    assert_eq!(asked.http_port("web"), port);
    assert_eq!(get(port, "/healthz").1, "OK\n");
}

#[test]
fn a_port_that_is_taken_is_told_at_the_start() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let mut section = http_listener(port);
    section["name"] = json!("@9090");
    let router = router("A", &[json!(["listener", section])]);
    let error = Agent::start(&router).err().unwrap().to_string();
    assert!(
        error.contains(&format!(
            "Error listening for HTTP on 127.0.0.1:{port} (@9090)"
        )),
        "{error}"
    );
}

#[test]
fn an_agent_is_asked_through_another_router() {
    let mut west = Asked::new("west", &[inter_router_listener("link")]);
    let link = listener_port(&west.router, "link");
    let _east = Asked::new("east", &[inter_router_connector("link", link)]);
    wait_for("both routers", || {
        (west.rows(Kind::Node).len() == 2).then_some(())
    });
    let request = Request::query(Kind::Router, &["id"]);
    let reply = west.ask_at(&address_of_router("east"), &request);
    assert_eq!(
        reply.into_rows(&request).unwrap().results,
        [[json!("east")]]
    );
    let connections = west.rows(Kind::Connection);
    let control = connections
        .iter()
        .find(|row| row["container"] == "east" && row["role"] == "inter-router")
        .unwrap();
    assert!(control["lastDlvSeconds"].is_u64(), "routers talk by it");
    let links = west.rows(Kind::Link);
    for direction in ["in", "out"] {
        let of = |kind: &str| -> Vec<&Value> {
            let own = |link: &&Attributes| link["linkDir"] == direction && link["linkType"] == kind;
            links
                .iter()
                .filter(own)
                .map(|link| &link["priority"])
                .collect()
        };
        assert_eq!(of("router-control"), [9]);
        assert_eq!(of("inter-router"), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    }
    let listener = &west.rows(Kind::Listener)[0];
    assert_eq!(listener["role"], "inter-router");
}

/// What a router presents on an HTTP port, and the page that it serves there, to a client that trusts `ca`.
fn get_securely(port: u16, ca: &skupper_pki::Credential) -> Result<(String, String), String> {
    let config = client_config(ClientOptions {
        identity: None,
        servers: TrustBundle::from_pem(&ca.ca_crt).unwrap(),
        verify_name: true,
        alpn: Vec::new(),
        versions: Versions::default(),
        ciphers: Ciphers::default(),
        clock: Arc::new(DefaultTimeProvider),
    });
    let name = server_name("localhost").unwrap();
    let mut session = rustls::ClientConnection::new(Arc::new(config.unwrap()), name).unwrap();
    let mut socket = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut response = Vec::new();
    {
        let mut stream = rustls::Stream::new(&mut session, &mut socket);
        let request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        stream
            .write_all(request)
            .map_err(|error| error.to_string())?;
        stream
            .read_to_end(&mut response)
            .map_err(|error| error.to_string())?;
    }
    let presented = session.peer_certificates().unwrap()[0].clone();
    let presented = skupper_pki::Certificate::from_der(&presented).unwrap();
    Ok((
        presented.subject.to_string(),
        String::from_utf8(response).unwrap(),
    ))
}

#[test]
fn an_http_port_follows_rotations() {
    let directory = tempfile::tempdir().unwrap();
    let ca = Ca::new("ca");
    let first = ca.leaf(Use::Server, "first", &["localhost"]);
    let files = Files::write(directory.path(), "web", &first);
    let mut section = http_listener(0);
    section["name"] = json!("web");
    section["sslProfile"] = json!("web");
    section["requireSsl"] = json!(true);
    let mut asked = Asked::new("A", &[files.profile("web"), json!(["listener", section])]);
    let port = asked.http_port("web");
    let (presented, page) = get_securely(port, &first).unwrap();
    assert!(
        presented.contains("first") && page.ends_with("OK\n"),
        "{presented}: {page}"
    );

    files.replace(&ca.leaf(Use::Server, "second", &["localhost"]));
    let update = Request::update(Kind::SslProfile, "web", map(files.attributes("web", 1, 0)));
    assert_eq!(asked.ask(&update).status, Status::OK);
    assert!(get_securely(port, &first).unwrap().0.contains("second"));

    let stranger = Ca::new("stranger").leaf(Use::Server, "stranger", &["localhost"]);
    assert!(
        get_securely(port, &stranger).is_err(),
        "who trusts another CA is not served"
    );
    let credential = &asked.rows(Kind::SslProfile)[0]["credential"];
    assert_eq!(
        (&credential["state"], &credential["ordinalInUse"]),
        (&json!("inUse"), &json!(1))
    );
    assert!(
        credential["subject"].as_str().unwrap().contains("second"),
        "{credential}"
    );

    // Without TLS the port says nothing, for so it is configured.
    let mut plain = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))).unwrap();
    plain.set_read_timeout(Some(PATIENCE)).unwrap();
    plain.write_all(b"GET /healthz HTTP/1.0\r\n\r\n").unwrap();
    let mut said = Vec::new();
    // It may be cut rather than closed.
    let _ = plain.read_to_end(&mut said);
    assert!(!String::from_utf8_lossy(&said).contains("OK"));
}
