//! What routers tell of the requests in flows, with clients and servers of HTTP that know nothing of it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that panics has failed"
)]

mod common;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::collector::{Observer, run};
use common::trust::{Ca, Files, Use};
use common::*;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::header::{HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::time_provider::DefaultTimeProvider;
use serde_json::{Value, json};
use skupper_client::{Client, Endpoint};
use skupper_management::{Kind, protocol as management};
use skupper_pki::TrustBundle;
use skupper_pki::tls::{Ciphers, ClientOptions, Versions, client_config, server_name};
use skupper_router::Router;
use skupper_router::agent::Agent;
use skupper_vanflow::{Attribute, Record, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

type Body = UnsyncBoxBody<Bytes, Infallible>;
type Flows = BTreeMap<String, Record>;

/// Answers with the length of what it was sent, `/missing` with 404.
async fn answer(request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let (missing, trailers) = match request.uri().path() {
        "/missing" => (true, false),
        path => (false, path == "/trailers"),
    };
    let empty = request.method() == "HEAD";
    let length = request
        .into_body()
        .collect()
        .await
        .unwrap()
        .to_bytes()
        .len();
    let response = Response::builder().status(if missing { 404 } else { 200 });
    let length = if empty {
        String::new()
    } else {
        length.to_string()
    };
    let mut body = vec![Ok(Frame::data(Bytes::from(length)))];
    if trailers {
        let status = (
            HeaderName::from_static("grpc-status"),
            HeaderValue::from_static("0"),
        );
        body.push(Ok(Frame::trailers(HeaderMap::from_iter([status]))));
    }
    Ok(response
        .body(StreamBody::new(futures::stream::iter(body)).boxed_unsync())
        .unwrap())
}

/// A server of HTTP/1, or of HTTP/2; its port.
async fn web_server(http2: bool) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let stream = TokioIo::new(stream);
            if http2 {
                let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                tokio::spawn(server.serve_connection(stream, service_fn(answer)));
            } else {
                let server = hyper::server::conn::http1::Builder::new();
                tokio::spawn(server.serve_connection(stream, service_fn(answer)));
            }
        }
    });
    port
}

/// A router with a service whose listener has that observer, and somebody who listens to its flows.
async fn observed(observer: &str, server: u16) -> (Router, SocketAddr, Observer) {
    let mut listener = tcp_listener("web");
    listener[1]["observer"] = json!(observer);
    observed_at(&[listener], server).await
}

/// The same with a listener that is given, and what that needs.
async fn observed_at(sections: &[Value], server: u16) -> (Router, SocketAddr, Observer) {
    let clients = json!(["listener", {"name": "clients", "host": "127.0.0.1", "port": "0"}]);
    let connector = tcp_connector("web", server);
    let router = router("r", &[sections, &[clients, connector]].concat());
    let mut collector = Observer::new(listener_port(&router, "clients"));
    // A router listens for who wants its flows before it tells of its listeners.
    collector
        .until("service", |status| {
            let mut addresses = status.addresses.iter();
            addresses.any(|address| address.listener_count == 1 && address.connector_count == 1)
        })
        .await;
    let port = open_port(&router, "web");
    (router, port, collector)
}

fn requests(flows: &Flows) -> Vec<&Record> {
    let mut requests: Vec<&Record> = flows
        .values()
        .filter(|record| record.kind == RecordType::BiflowApp)
        .collect();
    let number = |id: &str| id.split(':').nth(1).unwrap().parse::<u64>().unwrap();
    requests.sort_by_key(|request| number(&request.id));
    requests
}

fn all_have_ended(flows: &Flows) -> bool {
    requests(flows).iter().all(|request| request.has_ended())
}

fn have_ended(count: usize) -> impl Fn(&Flows) -> bool {
    move |flows| requests(flows).len() == count && all_have_ended(flows)
}

/// What a request's record says, without times.
fn told(request: &Record) -> Value {
    let mut told = serde_json::Map::new();
    for (name, attribute) in [
        ("protocol", Attribute::PROTOCOL),
        ("method", Attribute::METHOD),
        ("result", Attribute::RESULT),
        ("reason", Attribute::REASON),
        ("for", Attribute::SOURCE_HOST),
    ] {
        let text = request.text(attribute);
        if !text.is_empty() {
            told.insert(name.to_owned(), text.into());
        }
    }
    for (name, attribute) in [
        ("octets", Attribute::OCTETS),
        ("octetsReverse", Attribute::OCTETS_REVERSE),
        ("stream", Attribute::STREAM_ID),
    ] {
        if let Some(number) = request
            .attributes
            .get(&attribute)
            .and_then(|datum| datum.number())
        {
            told.insert(name.to_owned(), number.into());
        }
    }
    told.into()
}

/// A body of known length.
fn whole(text: &'static str) -> Body {
    Full::from(text).boxed_unsync()
}

/// A body of eleven octets, of which nobody says beforehand how many they are.
fn pieces() -> Body {
    let pieces = ["hello ", "world"].map(|piece| Ok(Frame::data(Bytes::from(piece))));
    StreamBody::new(futures::stream::iter(pieces)).boxed_unsync()
}

fn request(method: &str, path: &str, body: Body) -> Request<Body> {
    let request = Request::builder()
        .method(method)
        .uri(format!("http://web{path}"));
    let request = request.header("X-Forwarded-For", "192.0.2.1, 192.0.2.2");
    request.body(body).unwrap()
}

/// What the requests' records of one flow say; all of them belong to it.
fn of_one_flow(flows: &Flows) -> Vec<Value> {
    let transport = flows
        .values()
        .find(|record| record.kind == RecordType::BiflowTport);
    let transport = transport.unwrap();
    for request in requests(flows) {
        assert_eq!(request.text(Attribute::PARENT), transport.id);
        assert!(request.number(Attribute::LATENCY) > 0, "{request:?}");
        assert!(request.number(Attribute::START_TIME) <= request.number(Attribute::END_TIME));
    }
    requests(flows).into_iter().map(told).collect()
}

async fn http1_requests(observer: &str) {
    let (_router, port, mut collector) = observed(observer, web_server(false).await).await;
    let stream = TokioIo::new(TcpStream::connect(port).await.unwrap());
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    for request in [
        request("GET", "/", whole("")),
        request("GET", "/missing", whole("")),
        request("POST", "/", pieces()),
        request("PUT", "/", whole("hello")),
        request("HEAD", "/", whole("")),
    ] {
        let response = sender.send_request(request).await.unwrap();
        response.into_body().collect().await.unwrap();
    }
    let flows = collector.flows_until(have_ended(5)).await;
    let request = |method, code, reason, octets, reverse| {
        json!({"protocol": "HTTP/1.1", "method": method, "result": code, "reason": reason, "for": "192.0.2.1",
               "octets": octets, "octetsReverse": reverse})
    };
    assert_eq!(
        of_one_flow(&flows),
        [
            request("GET", "200", "OK", 0, 1),
            request("GET", "404", "Not Found", 0, 1),
            request("POST", "200", "OK", 11, 2),
            request("PUT", "200", "OK", 5, 1),
            request("HEAD", "200", "OK", 0, 0),
        ]
    );
}

#[test]
fn requests_of_http1_are_told() {
    run(http1_requests("http1"));
}

#[test]
fn http1_is_recognised() {
    run(http1_requests("auto"));
}

async fn http2_requests(observer: &str) {
    let (_router, port, mut collector) = observed(observer, web_server(true).await).await;
    let stream = TokioIo::new(TcpStream::connect(port).await.unwrap());
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream);
    let (mut sender, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    for request in [
        request("GET", "/", whole("")),
        request("GET", "/missing", whole("")),
        request("POST", "/trailers", pieces()),
        request("PUT", "/", whole("hello")),
        request("HEAD", "/", whole("")),
    ] {
        let response = sender.send_request(request).await.unwrap();
        response.into_body().collect().await.unwrap();
    }
    let flows = collector.flows_until(have_ended(5)).await;
    let request = |stream, method, code, octets, reverse| {
        json!({"protocol": "HTTP/2", "method": method, "result": code, "for": "192.0.2.1",
               "octets": octets, "octetsReverse": reverse, "stream": stream})
    };
    assert_eq!(
        of_one_flow(&flows),
        [
            request(1, "GET", "200", 0, 1),
            request(3, "GET", "404", 0, 1),
            request(5, "POST", "200", 11, 2),
            request(7, "PUT", "200", 5, 1),
            request(9, "HEAD", "200", 0, 0),
        ]
    );
}

#[test]
fn requests_of_http2_are_told() {
    run(http2_requests("http2"));
}

#[test]
fn http2_is_recognised() {
    run(http2_requests("auto"));
}

#[test]
fn many_requests_at_once_in_one_connection_of_http2() {
    run(async {
        let (_router, port, mut collector) = observed("auto", web_server(true).await).await;
        let stream = TokioIo::new(TcpStream::connect(port).await.unwrap());
        let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream);
        let (sender, connection) = handshake.await.unwrap();
        tokio::spawn(connection);
        let requests_at_once = (0..200).map(|_| {
            let mut sender = sender.clone();
            async move {
                let response = sender.send_request(request("POST", "/", pieces())).await;
                response.unwrap().into_body().collect().await.unwrap();
            }
        });
        futures::future::join_all(requests_at_once).await;
        let flows = collector.flows_until(have_ended(200)).await;
        for (request, stream) in of_one_flow(&flows).into_iter().zip((1u64..).step_by(2)) {
            let expected = json!({"protocol": "HTTP/2", "method": "POST", "result": "200", "for": "192.0.2.1",
                                  "octets": 11, "octetsReverse": 2, "stream": stream});
            assert_eq!(request, expected);
        }
    });
}

#[test]
fn requests_within_the_listeners_tls_are_told() {
    run(async {
        let home = tempfile::tempdir().unwrap();
        let leaf = Ca::new("CA").leaf(Use::Server, "web", &["127.0.0.1"]);
        let profile = Files::write(home.path(), "web", &leaf).profile("web");
        let mut listener = tcp_listener("web");
        listener[1]["sslProfile"] = json!("web");
        let server = web_server(true).await;
        let (_router, port, mut collector) = observed_at(&[profile, listener], server).await;
        let config = client_config(ClientOptions {
            identity: None,
            servers: TrustBundle::from_pem(&leaf.ca_crt).unwrap(),
            verify_name: true,
            alpn: vec![b"h2".to_vec()],
            versions: Versions::default(),
            ciphers: Ciphers::default(),
            clock: Arc::new(DefaultTimeProvider),
        });
        let connector = TlsConnector::from(Arc::new(config.unwrap()));
        let stream = TcpStream::connect(port).await.unwrap();
        let stream = connector.connect(server_name("127.0.0.1").unwrap(), stream);
        let stream = TokioIo::new(stream.await.unwrap());
        let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream);
        let (mut sender, connection) = handshake.await.unwrap();
        tokio::spawn(connection);
        let response = sender.send_request(request("GET", "/", whole("")));
        response.await.unwrap().into_body().collect().await.unwrap();
        let flows = collector.flows_until(have_ended(1)).await;
        let expected = json!({"protocol": "HTTP/2", "method": "GET", "result": "200", "for": "192.0.2.1",
                              "octets": 0, "octetsReverse": 1, "stream": 1});
        assert_eq!(of_one_flow(&flows), [expected]);
    });
}

/// Whether it is told that a flow brought so many octets back. Requests in them are told before that.
fn have_brought(octets: u64, flows: &Flows) -> bool {
    let mut flows = flows.values();
    flows.any(|flow| {
        flow.kind == RecordType::BiflowTport && flow.number(Attribute::OCTETS_REVERSE) >= octets
    })
}

#[test]
fn what_is_no_http_passes_and_is_no_request() {
    run(async {
        for observer in ["auto", "http1", "http2"] {
            let (_router, port, mut collector) = observed(observer, server(echo)).await;
            let octets: Vec<u8> = (0..=255).cycle().take(100_000).collect();
            let sent = octets.clone();
            let came = tokio::task::spawn_blocking(move || exchange(port, &sent)).await;
            assert_eq!(came.unwrap(), octets);
            let flows = collector
                .flows_until(|flows| have_brought(100_000, flows))
                .await;
            assert_eq!(requests(&flows), Vec::<&Record>::new());
        }
    });
}

#[test]
fn an_answer_that_cannot_be_read_ends_the_observation_and_not_the_flow() {
    run(async {
        // A server that echoes a request answers with what is no answer.
        let (_router, port, mut collector) = observed("auto", server(echo)).await;
        let question = b"GET / HTTP/1.1\r\n\r\n".repeat(1000);
        let sent = question.clone();
        let came = tokio::task::spawn_blocking(move || exchange(port, &sent)).await;
        assert_eq!(came.unwrap(), question);
        let flows = collector
            .flows_until(|flows| requests(flows).iter().any(|request| request.has_ended()));
        for request in requests(&flows.await) {
            let expected =
                json!({"protocol": "HTTP/1.1", "method": "GET", "octets": 0, "octetsReverse": 0});
            assert_eq!(told(request), expected);
        }
    });
}

#[test]
fn a_request_is_told_while_it_waits_and_to_whoever_comes_later() {
    run(async {
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = silent.local_addr().unwrap().port();
        let (router, port, mut collector) = observed("auto", server).await;
        let mut client = TcpStream::connect(port).await.unwrap();
        client
            .write_all(b"GET /slow HTTP/1.0\r\n\r\n")
            .await
            .unwrap();
        let (mut server, _) = silent.accept().await.unwrap();
        server.read_exact(&mut [0; 22]).await.unwrap();
        let is_open =
            |flows: &Flows| matches!(requests(flows).as_slice(), [request] if !request.has_ended());
        collector.flows_until(is_open).await;
        let mut late = Observer::new(listener_port(&router, "clients"));
        late.flows_until(is_open).await;
        server
            .write_all(b"HTTP/1.0 203 Slowly\r\n\r\nhello")
            .await
            .unwrap();
        drop(server);
        client.read_to_end(&mut Vec::new()).await.unwrap();
        drop(client);
        for collector in [&mut collector, &mut late] {
            let ended =
                collector.flow_until(|flow| flow.kind == RecordType::BiflowApp && flow.has_ended());
            let ended = ended.await;
            assert_eq!(ended.text(Attribute::RESULT), "203");
            assert_eq!(ended.number(Attribute::OCTETS_REVERSE), 5);
        }
    });
}

#[test]
fn the_observer_of_a_listener_can_be_changed() {
    run(async {
        let (router, port, mut collector) = observed("none", web_server(false).await).await;
        let _agent = Agent::start(&router).unwrap();
        let manager = Client::new(
            Endpoint::tcp("127.0.0.1", listener_port(&router, "clients")),
            "manager",
        );
        for (observer, count) in [("none", 0), ("http1", 1)] {
            let attributes = json!({"observer": observer}).as_object().unwrap().clone();
            let update = management::Request::update(Kind::TcpListener, "listener/web", attributes);
            let start = Instant::now();
            // The router knows of its agent a moment after that has started.
            while let Err(error) = manager.request(&update).await {
                assert!(start.elapsed() < PATIENCE, "{error}");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            let stream = TokioIo::new(TcpStream::connect(port).await.unwrap());
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(stream).await.unwrap();
            tokio::spawn(connection);
            let response = sender.send_request(request("GET", "/", whole("")));
            response.await.unwrap().into_body().collect().await.unwrap();
            drop(sender);
            let flows = collector
                .flows_until(|flows| have_brought(1, flows) && requests(flows).len() >= count)
                .await;
            assert_eq!(requests(&flows).len(), count, "{flows:#?}");
        }
    });
}
