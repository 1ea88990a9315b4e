//! One of two routers is replaced, as an upgrade does it, while clients come without a pause.

use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use serde_json::{Value, json};

use super::common::{echo, free_port, server, tcp_connector, wait_for};
use super::hub::{address, ping, reach, try_ping};
use super::process::Process;

/// Clients that come one after another, each on a thread.
const CLIENTS: usize = 3;

/// A router of the servers' site, to which another connects at a port.
fn of_servers(id: &str, port: u16, service: u16) -> Process {
    let link = json!(["listener", {"name": "link", "role": "inter-router", "host": "127.0.0.1", "port": port.to_string()}]);
    Process::start(id, &[link, tcp_connector("echo", service)])
}

#[test]
fn no_client_notices() {
    let service = server(echo);
    let ports = [free_port(), free_port()];
    let mut pair = [
        of_servers("east-1", ports[0], service),
        of_servers("east-2", ports[1], service),
    ];
    let client_port = free_port();
    let connector = |port: u16| json!(["connector", {"name": format!("link-{port}"), "role": "inter-router", "host": "127.0.0.1", "port": port.to_string()}]);
    let listener = json!(["tcpListener", {"name": "tcp", "address": "echo", "host": "127.0.0.1", "port": client_port.to_string()}]);
    let sections: [Value; 3] = [connector(ports[0]), connector(ports[1]), listener];
    let west = Process::start("west", &sections);
    for neighbour in ["neighbor east-1 is up", "neighbor east-2 is up"] {
        west.said(neighbour);
    }
    ping(&mut reach(address(client_port)));
    let (stop, served) = (AtomicBool::new(false), AtomicUsize::new(0));
    let client = || {
        while !stop.load(Ordering::Acquire) {
            let mut stream = TcpStream::connect(address(client_port)).unwrap();
            try_ping(&mut stream).unwrap();
            served.fetch_add(1, Ordering::Relaxed);
        }
    };
    let more = |count: usize| {
        let from = served.load(Ordering::Relaxed);
        wait_for("clients", || {
            (served.load(Ordering::Relaxed) >= from + count).then_some(())
        });
    };
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(client)).collect();
        // Streams that are under way through both when they go: enough that both have some.
        for router in &mut pair {
            more(50);
            let mut under_way: Vec<TcpStream> =
                (0..6).map(|_| reach(address(client_port))).collect();
            under_way.iter_mut().for_each(ping);
            router.signal("TERM");
            router.said("streams are under way");
            more(50);
            under_way.iter_mut().for_each(ping);
            drop(under_way);
            assert!(router.ended_in_order());
            more(50);
            router.restart();
            router.said("neighbor west is up");
        }
        more(50);
        stop.store(true, Ordering::Release);
        for client in clients {
            client.join().unwrap();
        }
    });
}

#[test]
fn who_stays_is_cut_in_time_or_by_a_second_signal() {
    let port = free_port();
    let service = server(echo);
    let listener = json!(["tcpListener", {"name": "tcp", "address": "echo", "host": "127.0.0.1", "port": port.to_string()}]);
    let mut router = Process::start("alone", &[listener, tcp_connector("echo", service)]);
    let mut stays = reach(address(port));
    ping(&mut stays);
    router.signal("TERM");
    router.said("2 streams are under way");
    ping(&mut stays);
    router.signal("TERM");
    assert!(router.ended_in_order());
    assert!(try_ping(&mut stays).is_err());
}
