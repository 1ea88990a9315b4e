//! Routers, clients and servers for tests: everything on loopback, every port made up by the system.
#![allow(dead_code, reason = "each test file uses its part")]

pub(crate) mod clients;
pub(crate) mod collector;
pub(crate) mod links;
pub(crate) mod raw;
pub(crate) mod trust;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use skupper_management::document::{Dialect, Document};
use skupper_router::{Options, Router};
use socket2::{Domain, Socket, Type};

/// Far longer than anything takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Starts an interior router with these sections.
pub(crate) fn router(id: &str, sections: &[Value]) -> Router {
    router_in_mode("interior", id, sections)
}

/// Starts an edge router with these sections.
pub(crate) fn edge_router(id: &str, sections: &[Value]) -> Router {
    router_in_mode("edge", id, sections)
}

/// Starts an interior router with these sections, in another way than usual.
pub(crate) fn router_with(id: &str, sections: &[Value], options: Options) -> Router {
    start(own("interior", id), sections, options)
}

/// Starts an interior router one of whose own attributes has this value.
pub(crate) fn router_whose(attribute: &str, value: Value, id: &str, sections: &[Value]) -> Router {
    let mut own = own("interior", id);
    own[attribute] = value;
    start(own, sections, Options::default())
}

fn router_in_mode(mode: &str, id: &str, sections: &[Value]) -> Router {
    start(own(mode, id), sections, Options::default())
}

fn own(mode: &str, id: &str) -> Value {
    json!({"id": id, "mode": mode, "workerThreads": 2})
}

fn start(own: Value, sections: &[Value], options: Options) -> Router {
    let mut document = vec![json!(["router", own])];
    document.extend_from_slice(sections);
    let text = Value::Array(document).to_string();
    let document = Document::parse(&text, Dialect::Json).unwrap();
    Router::start_with(&document, options).unwrap()
}

/// A listener for routers, on a port of the system's choice.
pub(crate) fn inter_router_listener(name: &str) -> Value {
    json!(["listener", {"name": name, "role": "inter-router", "host": "127.0.0.1", "port": "0"}])
}

/// A connector to another router.
pub(crate) fn inter_router_connector(name: &str, port: u16) -> Value {
    json!(["connector", {"name": name, "role": "inter-router", "host": "127.0.0.1", "port": port.to_string()}])
}

/// The same section for another role.
pub(crate) fn with_role(mut section: Value, role: &str) -> Value {
    section[1]["role"] = json!(role);
    section
}

/// The same section at a port that others are told of: one of the system's choice would not be known to them.
pub(crate) fn at(mut section: Value, port: u16) -> Value {
    section[1]["port"] = json!(port.to_string());
    section
}

/// A listener for routers that presents a profile and demands a certificate.
pub(crate) fn secure_listener(name: &str, profile: &str) -> Value {
    json!(["listener", {
        "name": name, "role": "inter-router", "host": "127.0.0.1", "port": "0",
        "sslProfile": profile, "saslMechanisms": "EXTERNAL", "authenticatePeer": true,
    }])
}

/// A connector to another router that presents a profile.
pub(crate) fn secure_connector(name: &str, port: u16, profile: &str) -> Value {
    json!(["connector", {
        "name": name, "role": "inter-router", "host": "127.0.0.1", "port": port.to_string(),
        "sslProfile": profile,
    }])
}

/// A listener for clients of an address.
pub(crate) fn tcp_listener(address: &str) -> Value {
    json!(["tcpListener", {"name": format!("listener/{address}"), "address": address, "host": "127.0.0.1", "port": "0"}])
}

/// A connector to a server of an address.
pub(crate) fn tcp_connector(address: &str, port: u16) -> Value {
    let name = format!("connector/{address}@{port}");
    json!(["tcpConnector", {"name": name, "address": address, "host": "127.0.0.1", "port": port.to_string()}])
}

/// The port of an AMQP listener.
pub(crate) fn listener_port(router: &Router, name: &str) -> u16 {
    router
        .entities()
        .listener(name)
        .unwrap()
        .bound()
        .unwrap()
        .port()
}

/// A port that nobody listens on, until somebody is told of it. The system chose it, and gives it to nobody else as long as these
/// tests run: a socket here is bound to it, and never listens, which leaves it to whoever says its number.
pub(crate) fn free_port() -> u16 {
    static BOUND: Mutex<Vec<Socket>> = Mutex::new(Vec::new());
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_reuse_address(true).unwrap();
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    socket.bind(&any.into()).unwrap();
    let bound = socket.local_addr().unwrap().as_socket().unwrap();
    BOUND.lock().unwrap().push(socket);
    bound.port()
}

/// Waits until something is there.
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "no {what} within {PATIENCE:?}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until a TCP listener's port is open.
pub(crate) fn open_port(router: &Router, address: &str) -> SocketAddr {
    let name = format!("listener/{address}");
    wait_for("open port", || {
        router.entities().tcp_listener(&name)?.bound()
    })
}

/// Waits until a TCP listener's port is closed.
pub(crate) fn closed_port(router: &Router, address: &str) {
    let name = format!("listener/{address}");
    wait_for("closed port", || {
        router
            .entities()
            .tcp_listener(&name)?
            .bound()
            .is_none()
            .then_some(())
    });
}

/// A connection that gives up rather than hang.
pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Serves each client on a thread of its own; returns the port.
pub(crate) fn server(serve: impl Fn(TcpStream) + Clone + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let serve = serve.clone();
            thread::spawn(move || serve(stream));
        }
    });
    port
}

/// Sends back what comes, then ends.
pub(crate) fn echo(mut stream: TcpStream) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return,
            Ok(count) => {
                if stream.write_all(&buffer[..count]).is_err() {
                    return;
                }
            }
        }
    }
}

/// Sends octets, ends, and returns what comes back.
pub(crate) fn exchange(address: SocketAddr, octets: &[u8]) -> Vec<u8> {
    let mut stream = connect(address);
    stream.write_all(octets).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    answer
}

/// Sends octets in many pieces while it reads what comes back; returns how many octets came back as they were sent.
pub(crate) fn stream_through(address: SocketAddr, total: usize) -> usize {
    let stream = connect(address);
    let mut writer = stream.try_clone().unwrap();
    let sender = thread::spawn(move || {
        let block: Vec<u8> = (0..64 * 1024_u32).map(|n| pattern(n as usize)).collect();
        let mut left = total;
        while left > 0 {
            let count = left.min(block.len());
            writer.write_all(&block[..count]).unwrap();
            left -= count;
        }
        writer.shutdown(std::net::Shutdown::Write).unwrap();
    });
    let mut reader = stream;
    let mut buffer = vec![0; 256 * 1024];
    let mut at = 0;
    loop {
        let count = reader.read(&mut buffer).unwrap();
        if count == 0 {
            break;
        }
        for octet in &buffer[..count] {
            assert_eq!(*octet, pattern(at % (64 * 1024)), "octet {at}");
            at += 1;
        }
    }
    sender.join().unwrap();
    at
}

/// Flows through a router's address that leads to an echo: a short one, a long one, many at once.
pub(crate) fn exercise(router: &Router, address: &str) {
    let at = open_port(router, address);
    assert_eq!(exchange(at, b"hello"), b"hello");
    assert_eq!(stream_through(at, 4 << 20), 4 << 20);
    let flows: Vec<_> = (0..20_u8)
        .map(|n| thread::spawn(move || assert_eq!(exchange(at, &vec![n; 9_000]), vec![n; 9_000])))
        .collect();
    for flow in flows {
        flow.join().unwrap();
    }
}

fn pattern(at: usize) -> u8 {
    (at * 31 + at / 251) as u8
}
