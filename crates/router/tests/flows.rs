//! TCP flows across one and several routers.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that panics has failed"
)]

mod common;

use std::io::{Read, Write};
use std::net::Shutdown;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use common::*;
use skupper_management::Kind;
use skupper_management::agent::Store;
use skupper_router::Router;

#[test]
fn a_flow_within_one_router() {
    let port = server(echo);
    let router = router("A", &[tcp_listener("echo"), tcp_connector("echo", port)]);
    let address = open_port(&router, "echo");
    assert_eq!(exchange(address, b"hello"), b"hello");
}

#[test]
fn flows_in_both_directions_of_a_link() {
    let port = server(echo);
    let west = router(
        "west",
        &[
            inter_router_listener("link"),
            tcp_listener("east"),
            tcp_connector("west", port),
        ],
    );
    let link = listener_port(&west, "link");
    let east = router(
        "east",
        &[
            inter_router_connector("link", link),
            tcp_listener("west"),
            tcp_connector("east", port),
        ],
    );
    let to_east = open_port(&west, "east");
    let to_west = open_port(&east, "west");
    assert_eq!(exchange(to_east, b"to the east"), b"to the east");
    assert_eq!(exchange(to_west, b"to the west"), b"to the west");
}

/// Two routers with a link: `west` has the clients, `east` the server.
fn pair(address: &str, port: u16) -> (Router, Router) {
    let west = router(
        "west",
        &[inter_router_listener("link"), tcp_listener(address)],
    );
    let link = listener_port(&west, "link");
    let east = router(
        "east",
        &[
            inter_router_connector("link", link),
            tcp_connector(address, port),
        ],
    );
    (west, east)
}

#[test]
fn much_more_than_a_window_both_ways() {
    let (west, _east) = pair("echo", server(echo));
    let address = open_port(&west, "echo");
    assert_eq!(stream_through(address, 64 << 20), 64 << 20);
}

#[test]
fn two_hundred_flows_at_once() {
    let (west, _east) = pair("echo", server(echo));
    let address = open_port(&west, "echo");
    let flows: Vec<_> = (0..200)
        .map(|n: u32| {
            thread::spawn(move || {
                let octets: Vec<u8> = (0..100_000_u32).map(|i| (i * n) as u8).collect();
                assert!(exchange(address, &octets) == octets, "flow {n}");
            })
        })
        .collect();
    for flow in flows {
        flow.join().unwrap();
    }
}

#[test]
fn a_server_that_ends_first_is_heard_and_still_hears() {
    let port = server(|mut stream| {
        stream.write_all(b"greeting").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).unwrap();
        assert_eq!(heard, b"late words");
    });
    let (west, _east) = pair("greeter", port);
    let mut client = connect(open_port(&west, "greeter"));
    let mut greeting = Vec::new();
    client.read_to_end(&mut greeting).unwrap();
    assert_eq!(greeting, b"greeting");
    client.write_all(b"late words").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).unwrap();
    assert!(rest.is_empty());
}

#[test]
fn a_server_that_cannot_be_reached_closes_the_client() {
    let (west, _east) = pair("nobody", free_port());
    let mut client = connect(open_port(&west, "nobody"));
    // Either an end or a reset, but not silence.
    let mut octets = Vec::new();
    let _ = client.read_to_end(&mut octets);
    assert!(octets.is_empty());
}

#[test]
fn a_client_that_does_not_read_stops_the_server() {
    let (sent, watched) = mpsc::channel();
    let port = server(move |mut stream| {
        let block = vec![7; 64 * 1024];
        let mut total = 0_usize;
        stream
            .set_write_timeout(Some(Duration::from_secs(2)))
            .unwrap();
        while let Ok(count) = stream.write(&block) {
            total += count;
        }
        sent.send(total).unwrap();
    });
    let (west, _east) = pair("firehose", port);
    let client = connect(open_port(&west, "firehose"));
    let total = watched.recv_timeout(PATIENCE).unwrap();
    // The window, and what the sockets' own buffers hold.
    assert!(
        total < 64 << 20,
        "{total} octets were taken for a client that reads none"
    );
    drop(client);
}

#[test]
fn the_port_follows_the_address() {
    let port = server(echo);
    let west = router(
        "west",
        &[inter_router_listener("link"), tcp_listener("echo")],
    );
    let link = listener_port(&west, "link");
    let sections = [
        inter_router_connector("link", link),
        tcp_connector("echo", port),
    ];
    for _ in 0..3 {
        let east = router("east", &sections);
        let address = open_port(&west, "echo");
        assert_eq!(exchange(address, b"here"), b"here");
        let mut open = connect(address);
        drop(east);
        closed_port(&west, "echo");
        // The flow ends with the router that served it.
        let _ = open.read_to_end(&mut Vec::new());
    }
}

#[test]
fn through_a_router_in_the_middle() {
    let port = server(echo);
    let middle = router("middle", &[inter_router_listener("link")]);
    let link = listener_port(&middle, "link");
    let west = router(
        "west",
        &[inter_router_connector("link", link), tcp_listener("echo")],
    );
    let east = router(
        "east",
        &[
            inter_router_connector("link", link),
            tcp_connector("echo", port),
        ],
    );
    let address = open_port(&west, "echo");
    assert_eq!(exchange(address, b"far away"), b"far away");
    assert_eq!(stream_through(address, 16 << 20), 16 << 20);
    drop(east);
    closed_port(&west, "echo");
}

/// Which timer runs for each established socket with one of these ports, as the system shows it: `02` is for asking a peer
/// that says nothing (the field `tr` of `/proc/net/tcp`). Local port, remote port, timer.
fn timers(ports: [u16; 2]) -> Vec<(u16, u16, String)> {
    let sockets = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let established = sockets.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let port = |field: &str| u16::from_str_radix(field.rsplit(':').next()?, 16).ok();
        let (local, remote) = (port(fields[1])?, port(fields[2])?);
        let timer = fields[5].split(':').next()?.to_owned();
        (fields[3] == "01").then_some((local, remote, timer))
    });
    let of_them = |port: &u16| ports.contains(port);
    established
        .filter(|(local, remote, _)| of_them(local) || of_them(remote))
        .collect()
}

#[test]
fn a_workload_that_vanishes_is_asked_for() {
    let server_port = server(echo);
    let router = router(
        "A",
        &[tcp_listener("echo"), tcp_connector("echo", server_port)],
    );
    let at = open_port(&router, "echo");
    let mut client = connect(at);
    client.write_all(b"ping").unwrap();
    client.read_exact(&mut [0; 4]).unwrap();
    let client_port = client.local_addr().unwrap().port();
    // While octets are on their way another timer runs.
    wait_for("timers of the router's sockets", || {
        let timers = timers([client_port, server_port]);
        let asks = |own: &dyn Fn(u16, u16) -> bool| {
            let mut sockets = timers.iter();
            sockets.any(|(local, remote, timer)| own(*local, *remote) && timer == "02")
        };
        let of_client = asks(&|local, remote| (local, remote) == (at.port(), client_port));
        let of_server = asks(&|_, remote| remote == server_port);
        (of_client && of_server).then_some(())
    });
}

#[test]
fn a_deleted_connector_closes_its_flows() {
    let (west, east) = pair("echo", server(echo));
    let mut client = connect(open_port(&west, "echo"));
    client.write_all(b"ping").unwrap();
    let mut pong = [0; 4];
    client.read_exact(&mut pong).unwrap();
    {
        let mut entities = east.entities();
        let name = entities
            .configured(Kind::TcpConnector)
            .next()
            .unwrap()
            .clone();
        entities.delete(Kind::TcpConnector, &name).unwrap();
    }
    let _ = client.read_to_end(&mut Vec::new());
    closed_port(&west, "echo");
}
