//! A process without descriptors: clients hold all that they may, and links between routers come and go all the same.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::common::raw::Raw;
use super::common::{
    PATIENCE, at, connect, echo, free_port, inter_router_connector, inter_router_listener, server,
    tcp_connector, tcp_listener, wait_for,
};
use super::exhausted::links;
use super::hub::{Hub, address, ping, reach, try_ping};
use super::routers::Router;

/// What the log says, whoever wanted a descriptor first.
const SHORT: &str = "file descriptors are in use, and the other";
/// Between two strangers.
const PACE: Duration = Duration::from_millis(25);

#[test]
fn clients_wait_until_others_leave() {
    let mut hub = Hub::limited(&[], 100);
    let clients: Vec<TcpStream> = (0..200).map(|_| hub.connect(hub.ports.tcp)).collect();
    hub.router
        .said("88 of 100 file descriptors are in use, and the other 12 are kept for links");
    hub.serves_the_bystander();
    drop(clients);
    hub.serves_again();
    links(&hub);
    assert_eq!(hub.router.times_said(SHORT), 1);
}

/// Clients that are served, as many as the router has room for, and one who may have to wait.
fn hold_everything(hub: &Hub) -> (Vec<TcpStream>, TcpStream) {
    let mut clients = Vec::new();
    loop {
        let mut client = hub.connect(hub.ports.tcp);
        client.write_all(b"ping").unwrap();
        client.set_nonblocking(true).unwrap();
        let served = wait_for("service, or its end", || {
            let answered = matches!(client.peek(&mut [0; 4]), Ok(4));
            let over = hub.router.times_said("clients of tcp wait to be accepted") > 0;
            (answered || over).then_some(!over)
        });
        client.set_nonblocking(false).unwrap();
        if !served {
            return (clients, client);
        }
        client.read_exact(&mut [0; 4]).unwrap();
        clients.push(client);
    }
}

/// Comes to a port without a word, again and again, until the flag is set.
fn strangers(port: u16, enough: &Arc<AtomicBool>) -> thread::JoinHandle<()> {
    let enough = enough.clone();
    thread::spawn(move || {
        let mut silent = VecDeque::new();
        while !enough.load(Ordering::Acquire) {
            // A test that has failed ends the router.
            let Ok(stranger) = TcpStream::connect(address(port)) else {
                return;
            };
            silent.push_back(stranger);
            if silent.len() > 200 {
                silent.pop_front();
            }
            thread::sleep(PACE);
        }
    })
}

#[test]
fn lost_links_come_back_while_clients_hold_everything() {
    let (east_port, far) = (free_port(), free_port());
    let east = [
        at(inter_router_listener("link"), east_port),
        tcp_connector("far", server(echo)),
    ];
    let mut east = Router::start("east", &east);
    let mut hub = Hub::limited(&[inter_router_connector("east", east_port)], 128);
    let west = [
        inter_router_connector("hub", hub.ports.link),
        at(tcp_listener("far"), far),
    ];
    let mut west = Router::start("west", &west);
    let serves = || {
        wait_for("way from west through the hub to east", || {
            try_ping(&mut reach(address(far))).ok()
        });
    };
    serves();
    let mut before = reach(address(far));
    ping(&mut before);
    let (mut clients, last) = hold_everything(&hub);
    let waiting: Vec<TcpStream> = (0..200).map(|_| hub.connect(hub.ports.tcp)).collect();
    let stream = hub.connect(hub.ports.clients);
    let patient = thread::spawn(move || Raw::open(stream));
    let enough = Arc::<AtomicBool>::default();
    let strangers = strangers(hub.ports.link, &enough);
    // A flow through the hub goes on, and new ones begin.
    ping(&mut before);
    serves();
    // One link that the hub makes, and one that it takes.
    for router in [&mut east, &mut west] {
        router.kill();
        router.restart();
        serves();
    }
    // A probe is answered.
    let mut probe = hub.connect(hub.ports.http);
    probe
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    probe.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    // Nobody who was there had to leave.
    clients.iter_mut().for_each(ping);
    hub.serves_the_bystander();
    enough.store(true, Ordering::Release);
    strangers.join().unwrap();
    assert_eq!(hub.router.times_said(SHORT), 1);
    drop((clients, last, waiting));
    // Who has waited is served.
    patient.join().unwrap();
    hub.serves_again();
}

#[test]
fn who_cannot_be_connected_with_a_server_is_told() {
    let echoes = free_port();
    let hub = Hub::limited(&[], 100);
    let west: [Value; 2] = [
        inter_router_connector("hub", hub.ports.link),
        at(tcp_listener("echo"), echoes),
    ];
    let _west = Router::start("west", &west);
    ping(&mut reach(address(echoes)));
    let mut clients: Vec<TcpStream> = (0..200).map(|_| connect(address(echoes))).collect();
    let served = clients.iter_mut().filter_map(|client| {
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        match try_ping(client) {
            Ok(()) => Some(()),
            Err(error) => {
                assert_ne!(error.kind(), ErrorKind::WouldBlock, "it waits without end");
                None
            }
        }
    });
    let served = served.count();
    assert!((1..200).contains(&served), "{served} are served");
    hub.router
        .said("a client of echo is not connected with its server 127.0.0.1:");
    hub.router.said(SHORT);
    // Those who are, are to their end.
    drop(clients);
    wait_for("service", || try_ping(&mut reach(address(echoes))).ok());
    assert_eq!(hub.router.times_said(SHORT), 1);
}
