//! A peer of a running router: after a good beginning, frames that hold anything, at a listener of each role.
//!
//! The input is an octet that chooses the listener and whether the connection is opened properly first, then a list of
//! frames: an octet for the channel, two of length, the frame's body.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::OnceLock;
use std::time::Duration;

use bytes::BytesMut;
use serde_json::{Value, json};
use skupper_amqp::connection::{Config, Connection, Mechanism};
use skupper_amqp::{Map, Open};
use skupper_management::document::{Dialect, Document};
use skupper_router::Router;

/// A connection that is not over by then hangs.
const PATIENCE: Duration = Duration::from_secs(20);
const LISTENERS: [&str; 3] = ["inter-router", "normal", "edge"];
/// `close` without an error.
const CLOSE: [u8; 4] = [0x00, 0x53, 0x18, 0x45];

/// One router for all inputs; its listeners' addresses by role.
fn listeners() -> &'static (Router, Vec<SocketAddr>) {
    static ROUTER: OnceLock<(Router, Vec<SocketAddr>)> = OnceLock::new();
    ROUTER.get_or_init(|| {
        let mut sections = vec![json!(["router", {"id": "A", "mode": "interior", "workerThreads": 1}])];
        for role in LISTENERS {
            sections.push(json!(["listener", {"name": role, "role": role, "host": "127.0.0.1", "port": "0"}]));
        }
        sections.push(json!(["tcpListener", {"name": "tcp", "address": "echo", "host": "127.0.0.1", "port": "0"}]));
        let text = Value::Array(sections).to_string();
        let document = Document::parse(&text, Dialect::Json).unwrap();
        let router = Router::start(&document).unwrap();
        let bound = |role| router.entities().listener(role).unwrap().bound().unwrap();
        let addresses = LISTENERS.iter().map(|role| bound(role)).collect();
        (router, addresses)
    })
}

/// What a connector sends before its first frame of choice.
fn beginning(role: &str, proper: bool) -> Vec<u8> {
    let mut open = Open::new("fuzz");
    if role == "inter-router" {
        open.properties = Map::new().with_symbol("qd.annotations-version", 2_i32);
    }
    let mechanisms = vec![Mechanism::Anonymous("fuzz".to_owned())];
    let mut connection = Connection::new(Config::connector(open, mechanisms), Duration::ZERO);
    let mut sent = drain(&mut connection);
    // A listener's header, its mechanisms (ANONYMOUS), its outcome (ok), and the header that follows.
    let answer = b"AMQP\x03\x01\x00\x00\x00\x00\x00\x19\x02\x01\x00\x00\x00\x53\x40\xc0\x0c\x01\xa3\x09ANONYMOUS\
        \x00\x00\x00\x10\x02\x01\x00\x00\x00\x53\x44\xc0\x03\x01\x50\x00AMQP\x00\x01\x00\x00";
    connection.handle_input(&mut BytesMut::from(&answer[..]), Duration::ZERO);
    sent.extend(drain(&mut connection));
    if !proper {
        let header = sent
            .windows(8)
            .rposition(|octets| octets == b"AMQP\x00\x01\x00\x00");
        sent.truncate(header.unwrap() + 8);
    }
    sent
}

fn drain(connection: &mut Connection) -> Vec<u8> {
    use bytes::Buf;
    let waiting = connection.buffered_output();
    connection.output().copy_to_bytes(waiting).to_vec()
}

pub(crate) fn run(octets: &[u8]) {
    let [choice, rest @ ..] = octets else { return };
    let at = usize::from(choice >> 1) % LISTENERS.len();
    let mut sent = beginning(LISTENERS[at], choice % 2 == 0);
    let mut rest = rest;
    while let [channel, long, short, after @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*long, *short])).min(after.len());
        let (body, after) = after.split_at(length);
        rest = after;
        frame(&mut sent, *channel, body);
    }
    frame(&mut sent, 0, &CLOSE);
    let stream = TcpStream::connect(listeners().1[at]).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    // No port stays behind for each input.
    socket2::SockRef::from(&stream)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
    // The router may close, or reset, at any octet.
    drop((&stream).write_all(&sent));
    drop(stream.shutdown(Shutdown::Write));
    let mut answer = Vec::new();
    if let Err(error) = (&stream).read_to_end(&mut answer) {
        assert!(
            error.kind() != std::io::ErrorKind::WouldBlock,
            "the router does not end the connection"
        );
    }
}

fn frame(sent: &mut Vec<u8>, channel: u8, body: &[u8]) {
    sent.extend_from_slice(&(body.len() as u32 + 8).to_be_bytes());
    sent.extend_from_slice(&[2, 0, 0, channel]);
    sent.extend_from_slice(body);
}
