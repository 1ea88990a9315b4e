//! Routers are replaced, one of two at a time, as an upgrade does it, while clients come without a pause.

use std::collections::VecDeque;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use serde_json::{Value, json};

use super::common::{connect, echo, free_port, server, tcp_connector, wait_for};
use super::hub::{address, ping, reach, try_ping};
use super::routers::Router;

/// Clients that come one after another, each on a thread.
const CLIENTS: usize = 3;

/// Clients that come without a pause.
#[derive(Default)]
struct Clients {
    stop: AtomicBool,
    served: AtomicUsize,
}

impl Clients {
    /// One after another; each has to be served.
    fn come(&self, port: u16) {
        while !self.stop.load(Ordering::Acquire) {
            let mut stream = connect(address(port));
            try_ping(&mut stream).unwrap();
            self.served.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until so many more have been served.
    fn more(&self, count: usize) {
        let from = self.served.load(Ordering::Relaxed);
        wait_for("clients", || {
            (self.served.load(Ordering::Relaxed) >= from + count).then_some(())
        });
    }
}

/// Sends clients home when it is dropped: also where the test has failed, or it would wait for them without end.
struct Home<'c>(&'c Clients);

impl Drop for Home<'_> {
    fn drop(&mut self) {
        self.0.stop.store(true, Ordering::Release);
    }
}

/// A server that counts who comes; its port and the count.
fn counting() -> (u16, Arc<AtomicUsize>) {
    let came = Arc::<AtomicUsize>::default();
    let count = came.clone();
    let port = server(move |stream| {
        count.fetch_add(1, Ordering::Relaxed);
        echo(stream);
    });
    (port, came)
}

/// Waits until somebody more has come: then the router before the server is known to serve.
fn one_more(came: &AtomicUsize) {
    let before = came.load(Ordering::Relaxed);
    wait_for("client of the server", || {
        (came.load(Ordering::Relaxed) > before).then_some(())
    });
}

/// A router of the servers' site, to which another connects at a port.
fn of_servers(id: &str, port: u16, service: u16) -> Router {
    let link = json!(["listener", {"name": "link", "role": "inter-router", "host": "127.0.0.1", "port": port.to_string()}]);
    Router::start(id, &[link, tcp_connector("echo", service)])
}

#[test]
fn no_client_notices() {
    let ports = [free_port(), free_port()];
    let servers = [counting(), counting()];
    let mut pair = [
        of_servers("east-1", ports[0], servers[0].0),
        of_servers("east-2", ports[1], servers[1].0),
    ];
    let client_port = free_port();
    let connector = |port: u16| json!(["connector", {"name": format!("link-{port}"), "role": "inter-router", "host": "127.0.0.1", "port": port.to_string()}]);
    let listener = json!(["tcpListener", {"name": "tcp", "address": "echo", "host": "127.0.0.1", "port": client_port.to_string()}]);
    let sections: [Value; 3] = [connector(ports[0]), connector(ports[1]), listener];
    let west = Router::start("west", &sections);
    for neighbour in ["neighbor east-1 is up", "neighbor east-2 is up"] {
        west.said(neighbour);
    }
    ping(&mut reach(address(client_port)));
    let clients = Clients::default();
    thread::scope(|scope| {
        let home = Home(&clients);
        let running: Vec<_> = (0..CLIENTS)
            .map(|_| scope.spawn(|| clients.come(client_port)))
            .collect();
        // Streams that are under way through both when they go: enough that both have some.
        for (router, (_, came)) in pair.iter_mut().zip(&servers) {
            one_more(came);
            clients.more(50);
            let mut under_way: Vec<TcpStream> =
                (0..6).map(|_| reach(address(client_port))).collect();
            under_way.iter_mut().for_each(ping);
            router.signal("TERM");
            router.said("streams are under way");
            clients.more(50);
            under_way.iter_mut().for_each(ping);
            drop(under_way);
            assert!(router.ended_in_order());
            clients.more(50);
            router.restart();
            one_more(came);
        }
        clients.more(50);
        drop(home);
        for client in running {
            client.join().unwrap();
        }
    });
}

/// The clients' side of two: two routers at the same port, as the pods of a Service are. Each is replaced by a new process that
/// opens the port while it still serves; then it is told to stop.
#[test]
fn no_client_notices_where_its_port_is_taken_over() {
    let link = free_port();
    let _east = of_servers("east", link, server(echo));
    let port = free_port();
    let west = |number: usize| {
        let connector = json!(["connector", {"name": "link", "role": "inter-router", "host": "127.0.0.1", "port": link.to_string()}]);
        let listener = json!(["tcpListener", {"name": "tcp", "address": "echo", "host": "127.0.0.1", "port": port.to_string()}]);
        let router = Router::sharing_ports(&format!("west-{number}"), &[connector, listener]);
        router.said("neighbor east is up");
        router
    };
    let mut routers = VecDeque::from([west(1), west(2)]);
    ping(&mut reach(address(port)));
    let clients = Clients::default();
    thread::scope(|scope| {
        let home = Home(&clients);
        let running: Vec<_> = (0..CLIENTS)
            .map(|_| scope.spawn(|| clients.come(port)))
            .collect();
        for number in 3..=6 {
            clients.more(50);
            let new = west(number);
            clients.more(50);
            let mut old = routers.pop_front().unwrap();
            old.signal("TERM");
            assert!(old.ended_in_order());
            routers.push_back(new);
            clients.more(50);
        }
        drop(home);
        for client in running {
            client.join().unwrap();
        }
    });
}

#[test]
fn who_stays_is_cut_in_time_or_by_a_second_signal() {
    let port = free_port();
    let service = server(echo);
    let listener = json!(["tcpListener", {"name": "tcp", "address": "echo", "host": "127.0.0.1", "port": port.to_string()}]);
    let mut router = Router::start("alone", &[listener, tcp_connector("echo", service)]);
    let mut stays = reach(address(port));
    ping(&mut stays);
    router.signal("TERM");
    router.said("2 streams are under way");
    ping(&mut stays);
    router.signal("TERM");
    assert!(router.ended_in_order());
    assert!(try_ping(&mut stays).is_err());
}
