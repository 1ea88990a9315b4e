//! A disk that is full, and peers that take what there is by doing nothing.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use serde_json::json;

use super::common::{free_port, inter_router_connector, tcp_listener, wait_for};
use super::either;
use super::hub::{Hub, address, ping, reach};
use super::routers::Router;

/// A router that wants to link gets through, whoever else is there.
pub(crate) fn links(hub: &Hub) {
    let mut listener = tcp_listener("echo");
    let port = free_port();
    listener[1]["port"] = json!(port.to_string());
    let _other = Router::start(
        "other",
        &[inter_router_connector("link", hub.ports.link), listener],
    );
    ping(&mut reach(address(port)));
}

#[test]
fn the_disk_for_the_log_is_full() {
    let full = json!(["log", {"module": "DEFAULT", "enable": "debug+", "outputFile": "/dev/full"}]);
    let ports = (free_port(), free_port());
    // Its log goes where nobody reads it: it is up when it serves.
    let echo = super::common::server(super::common::echo);
    let sections = [
        json!(["tcpListener", {"name": "tcp", "address": "echo", "host": "127.0.0.1", "port": ports.0.to_string()}]),
        json!(["listener", {"name": "clients", "host": "127.0.0.1", "port": ports.1.to_string()}]),
        super::common::tcp_connector("echo", echo),
        full,
    ];
    let mut router = Router::silent("full", &sections);
    for _ in 0..50 {
        ping(&mut reach(address(ports.0)));
        reach(address(ports.1)).write_all(b"garbage").unwrap();
    }
    let told = "cannot write the log to /dev/full: No space left on device";
    router.said(told);
    assert_eq!(router.times_said(told), 1);
    assert!(router.lives());
}

#[test]
fn many_flows_are_idle() {
    let mut hub = Hub::new(&[]);
    let count = either(300, 4_000);
    let mut clients: Vec<TcpStream> = (0..count).map(|_| hub.connect(hub.ports.tcp)).collect();
    clients.iter_mut().for_each(ping);
    hub.serves_others();
    hub.has_not_grown();
    links(&hub);
}

#[test]
fn strangers_say_nothing_or_almost_nothing() {
    let mut hub = Hub::new(&[]);
    let count = either(1_500, 5_000);
    let beginnings: [&[u8]; 4] = [
        b"",
        b"A",
        b"AMQP\x03\x01\x00\x00",
        b"\x16\x03\x01\x02\x00\x01",
    ];
    // TLS sends away who begins with something else.
    let slow = [beginnings[0], beginnings[3]];
    let mut strangers = Vec::new();
    for (port, beginnings) in [
        (hub.ports.link, &beginnings[..]),
        (hub.ports.secure, &beginnings[..]),
        (hub.ports.tls, &slow[..]),
    ] {
        for at in 0..count {
            let mut stranger = hub.connect(port);
            // Those who came first may be gone by now.
            drop(stranger.write_all(beginnings[at % beginnings.len()]));
            strangers.push(stranger);
        }
    }
    links(&hub);
    hub.serves_others();
    hub.has_not_grown();
    hub.router.said("have not opened");
    hub.router.said("have not ended their TLS handshakes");
    let mut client = hub.secured(hub.ports.tls);
    client.write_all(b"ping").unwrap();
    let mut pong = [0; 4];
    client.read_exact(&mut pong).unwrap();
    assert_eq!(&pong, b"ping");
    drop(strangers);
}

/// Whether the router ends a connection, by an end or a reset.
fn is_ended(mut stream: impl Read) -> bool {
    stream
        .read_to_end(&mut Vec::new())
        .map_err(|error| error.kind())
        != Err(ErrorKind::WouldBlock)
}

#[test]
fn strangers_are_sent_away_in_time() {
    let mut hub = Hub::new(&[]);
    let beginnings: [&[u8]; 3] = [b"A", b"AMQP\x03\x01\x00\x00", b"\x16\x03\x01\x02\x00\x01"];
    let mut strangers = Vec::new();
    for port in [
        hub.ports.link,
        hub.ports.secure,
        hub.ports.clients,
        hub.ports.edge,
        hub.ports.tls,
    ] {
        for beginning in beginnings {
            let mut stranger = hub.connect(port);
            stranger.write_all(beginning).unwrap();
            strangers.push((port, beginning, stranger));
        }
    }
    for (port, beginning, stranger) in strangers {
        assert!(
            is_ended(stranger),
            "port {port} keeps who says {beginning:?}"
        );
    }
    hub.router
        .said("did not open the connection within 2 s: check that it speaks AMQP");
    hub.router.said("did not finish the TLS handshake within");
    hub.serves_others();
}

#[test]
fn who_is_slow_after_tls_is_sent_away_in_time() {
    let mut hub = Hub::new(&[]);
    let beginnings: [&[u8]; 4] = [
        b"",
        b"AMQP\x03\x01",
        b"AMQP\x03\x01\x00\x00\x00\x00",
        b"AMQP\x00\x01\x00\x00\x00\x00\x00\x20\x02\x00",
    ];
    let strangers = beginnings.map(|beginning| {
        let mut stranger = hub.secured(hub.ports.private);
        stranger.write_all(beginning).unwrap();
        (beginning, stranger)
    });
    // One who always has something more to say, but never all of it: a frame that is long, octet by octet.
    let mut talker = hub.secured(hub.ports.private);
    talker
        .write_all(b"AMQP\x00\x01\x00\x00\x00\x00\x01\xff\x02\x00\x00\x00")
        .unwrap();
    wait_for("an end of patience", || {
        let more = talker.write_all(b"\x00").and_then(|()| talker.flush());
        more.is_err().then_some(())
    });
    for (beginning, stranger) in strangers {
        assert!(is_ended(stranger), "{beginning:?}");
    }
    hub.serves_others();
    hub.router.said("Timeout waiting for initial handshake");
}

#[test]
fn who_never_ends_a_request_is_sent_away_in_time() {
    let mut hub = Hub::new(&[]);
    let beginnings: [&[u8]; 3] = [b"", b"GET /heal", b"GET /healthz HTTP/1.1\r\nHost: h"];
    let strangers = beginnings.map(|beginning| {
        let mut stranger = hub.connect(hub.ports.http);
        stranger.write_all(beginning).unwrap();
        (beginning, stranger)
    });
    let mut talker = hub.connect(hub.ports.http);
    talker.write_all(b"GET /healthz HTTP/1.1\r\nX: ").unwrap();
    wait_for("an end of patience", || {
        thread::sleep(Duration::from_millis(20));
        talker.write_all(b"x").is_err().then_some(())
    });
    for (beginning, stranger) in strangers {
        assert!(is_ended(stranger), "{beginning:?}");
    }
    // Whoever asks in time is answered.
    let mut prober = hub.connect(hub.ports.http);
    prober
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    prober.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    hub.router.said("a request of HTTP/1 was expected");
    hub.serves_others();
}
