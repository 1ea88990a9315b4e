//! A machine that has nothing left, and peers that take what there is by doing nothing.

use std::io::Write;
use std::net::TcpStream;

use serde_json::json;

use super::common::{free_port, inter_router_connector, tcp_listener};
use super::either;
use super::hub::{Hub, address, ping, reach};
use super::process::Process;

/// A router that wants to link gets through, whoever else is there.
fn links(hub: &Hub) {
    let mut listener = tcp_listener("echo");
    let port = free_port();
    listener[1]["port"] = json!(port.to_string());
    let _other = Process::start(
        "other",
        &[inter_router_connector("link", hub.ports.link), listener],
    );
    ping(&mut reach(address(port)));
}

#[test]
fn no_descriptors_are_left() {
    let mut hub = Hub::limited(&[], Some(100));
    let clients: Vec<TcpStream> = (0..200).map(|_| hub.connect(hub.ports.tcp)).collect();
    hub.router.said("cannot accept on tcp");
    hub.serves_the_bystander();
    drop(clients);
    hub.serves_again();
    links(&hub);
}

#[test]
fn the_disk_for_the_log_is_full() {
    let full = json!(["log", {"module": "DEFAULT", "enable": "debug+", "outputFile": "/dev/full"}]);
    let ports = (free_port(), free_port());
    // What it says goes where nobody reads it: it is up when it serves.
    let echo = super::common::server(super::common::echo);
    let sections = [
        json!(["tcpListener", {"name": "tcp", "address": "echo", "host": "127.0.0.1", "port": ports.0.to_string()}]),
        json!(["listener", {"name": "clients", "host": "127.0.0.1", "port": ports.1.to_string()}]),
        super::common::tcp_connector("echo", echo),
        full,
    ];
    let mut router = Process::silent("full", &sections);
    for _ in 0..50 {
        ping(&mut reach(address(ports.0)));
        reach(address(ports.1)).write_all(b"garbage").unwrap();
    }
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
    let mut strangers = Vec::new();
    for port in [hub.ports.link, hub.ports.secure] {
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
    drop(strangers);
}

#[test]
fn strangers_are_sent_away_in_time() {
    use std::io::Read;
    let mut hub = Hub::new(&[]);
    let beginnings: [&[u8]; 3] = [b"A", b"AMQP\x03\x01\x00\x00", b"\x16\x03\x01\x02\x00\x01"];
    let mut strangers = Vec::new();
    for port in [
        hub.ports.link,
        hub.ports.secure,
        hub.ports.clients,
        hub.ports.edge,
    ] {
        for beginning in beginnings {
            let mut stranger = hub.connect(port);
            stranger.write_all(beginning).unwrap();
            strangers.push((port, beginning, stranger));
        }
    }
    for (port, beginning, mut stranger) in strangers {
        if let Err(error) = stranger.read_to_end(&mut Vec::new()) {
            let hangs = error.kind() == std::io::ErrorKind::WouldBlock;
            assert!(!hangs, "port {port} keeps who says {beginning:?}");
        }
    }
    hub.serves_others();
}
