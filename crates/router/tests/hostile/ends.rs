//! Two routers, of which one is killed, stopped or cut off while flows go through both.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use serde_json::json;

use super::common::{PATIENCE, free_port, tcp_connector, wait_for};
use super::hub::{address, ping, reach, try_ping};
use super::routers::Router;

/// Flows of each kind that are under way when it happens.
const FLOWS: usize = 4;
/// First octets of a flow: what it is.
const PING: u8 = b'p';
const UP: u8 = b'u';
const DOWN: u8 = b'd';

/// How a stream ended for one who read it.
#[derive(Debug, PartialEq, Eq)]
enum Ending {
    /// As if all of it had come.
    InOrder,
    /// The reader was told that something is missing.
    Broken,
}

/// A client's router `west`, a server's router `east`, and what goes through both.
struct Two {
    west: Router,
    east: Router,
    client_port: u16,
    /// A stream that a server reads has begun.
    begun_at_servers: Receiver<()>,
    /// How it ended.
    ended_at_servers: Receiver<Ending>,
}

impl Two {
    /// `link` is the port that west connects to, if it is not east's own.
    fn new(east_port: u16, link: u16) -> Self {
        let (begun, begun_at_servers) = channel();
        let (ended, ended_at_servers) = channel();
        let server = super::common::server(move |stream| serve(stream, &begun, &ended));
        let client_port = free_port();
        let router_link = |kind: &str, port: u16| json!([kind, {"name": "link", "role": "inter-router", "host": "127.0.0.1", "port": port.to_string(), "idleTimeoutSeconds": 2}]);
        let listener = json!(["tcpListener", {"name": "tcp", "address": "echo", "host": "127.0.0.1", "port": client_port.to_string()}]);
        let east = [
            router_link("listener", east_port),
            tcp_connector("echo", server),
        ];
        let west = [router_link("connector", link), listener];
        Two {
            east: Router::start("east", &east),
            west: Router::start("west", &west),
            client_port,
            begun_at_servers,
            ended_at_servers,
        }
    }

    /// Something new goes through.
    fn serves(&self) {
        ping(&mut reach(address(self.client_port)));
    }

    fn serves_again(&self) {
        wait_for("service", || {
            try_ping(&mut reach(address(self.client_port))).ok()
        });
    }

    /// Starts flows that stream without end, some up and some down; what tells how those down end for their clients.
    fn load(&self) -> Vec<thread::JoinHandle<Ending>> {
        for _ in 0..FLOWS {
            let mut stream = reach(address(self.client_port));
            thread::spawn(move || {
                drop(stream.write_all(&[UP]));
                stream_without_end(stream);
            });
            self.begun_at_servers.recv_timeout(PATIENCE).unwrap();
        }
        let down = || {
            let mut stream = reach(address(self.client_port));
            stream.write_all(&[DOWN]).unwrap();
            let (begun, begins) = channel();
            let reader = thread::spawn(move || read(stream, || begun.send(()).unwrap()));
            begins.recv_timeout(PATIENCE).unwrap();
            reader
        };
        (0..FLOWS).map(|_| down()).collect()
    }

    /// Everybody who reads a stream is told that it has broken off: servers, and clients.
    fn all_break_off(&self, load: Vec<thread::JoinHandle<Ending>>) {
        for reader in load {
            assert_eq!(reader.join().unwrap(), Ending::Broken, "for a client");
        }
        for _ in 0..FLOWS {
            let ending = self.ended_at_servers.recv_timeout(PATIENCE).unwrap();
            assert_eq!(ending, Ending::Broken, "for a server");
        }
    }
}

/// A server of pings and of streams.
fn serve(mut stream: TcpStream, begun: &Sender<()>, ended: &Sender<Ending>) {
    let mut kind = [0];
    if stream.read_exact(&mut kind).is_err() {
        return;
    }
    // The test that asks may be over.
    match kind[0] {
        PING => {
            drop(stream.write_all(&kind));
            super::common::echo(stream);
        }
        DOWN => stream_without_end(stream),
        _ => drop(ended.send(read(stream, || begun.send(()).unwrap()))),
    }
}

fn stream_without_end(mut stream: TcpStream) {
    let block: Vec<u8> = (0..=250).cycle().take(251 * 64).collect();
    while stream.write_all(&block).is_ok() {}
}

/// Reads a stream, octet for octet; tells when it begins, and how it ended.
fn read(mut stream: TcpStream, begun: impl FnOnce()) -> Ending {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut begun = Some(begun);
    let mut buffer = vec![0; 64 * 1024];
    let mut at = 0_usize;
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return Ending::InOrder,
            Ok(count) => {
                for octet in &buffer[..count] {
                    assert_eq!(usize::from(*octet), at % 251, "octet {at}");
                    at += 1;
                }
                if let Some(begun) = begun.take() {
                    begun();
                }
            }
            Err(error) => {
                assert_ne!(
                    error.kind(),
                    ErrorKind::WouldBlock,
                    "nobody tells the reader"
                );
                return Ending::Broken;
            }
        }
    }
}

#[test]
fn an_end_is_killed_under_load() {
    let port = free_port();
    let mut two = Two::new(port, port);
    let load = two.load();
    two.east.kill();
    for reader in load {
        assert_eq!(reader.join().unwrap(), Ending::Broken);
    }
    for _ in 0..FLOWS {
        // What the kernel says for a killed process is up to it.
        two.ended_at_servers.recv_timeout(PATIENCE).unwrap();
    }
    two.west
        .said(&format!("Connection to 127.0.0.1:{port} lost: "));
    two.east.restart();
    // The port may still be open for a moment.
    two.serves_again();
    let load = two.load();
    two.west.kill();
    for _ in 0..FLOWS {
        let ending = two.ended_at_servers.recv_timeout(PATIENCE).unwrap();
        assert_eq!(ending, Ending::Broken);
    }
    load.into_iter().for_each(|reader| drop(reader.join()));
    two.west.restart();
    // The port may still be open for a moment.
    two.serves_again();
    two.east.said("closed");
}

#[test]
fn an_end_is_stopped_and_goes_on() {
    let port = free_port();
    let two = Two::new(port, port);
    let load = two.load();
    two.east.signal("STOP");
    for reader in load {
        assert_eq!(reader.join().unwrap(), Ending::Broken);
    }
    two.west
        .said("lost: amqp:resource-limit-exceeded local-idle-timeout expired");
    two.east.signal("CONT");
    // It answers by the connections that it had, until it has seen that they are gone.
    two.serves_again();
}

/// A way between two routers that can stop to carry anything without a sign.
fn relay(to: u16, open: &Arc<AtomicBool>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let open = open.clone();
    thread::spawn(move || {
        for near in listener.incoming().flatten() {
            let Ok(far) = TcpStream::connect(address(to)) else {
                continue;
            };
            for (from, to) in [(&near, &far), (&far, &near)] {
                let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                let open = open.clone();
                thread::spawn(move || carry(from, to, &open));
            }
        }
    });
    port
}

fn carry(mut from: TcpStream, mut to: TcpStream, open: &AtomicBool) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count) = from.read(&mut buffer) {
        if !open.load(Ordering::Acquire) {
            // Neither octets nor ends pass, for as long as this connection lives.
            wait_for("end of the cut", || {
                open.load(Ordering::Acquire).then_some(())
            });
            break;
        }
        if count == 0 || to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    drop(to.shutdown(Shutdown::Both));
}

#[test]
fn the_way_between_them_swallows_everything() {
    let open = Arc::new(AtomicBool::new(true));
    let port = free_port();
    let two = Two::new(port, relay(port, &open));
    let load = two.load();
    open.store(false, Ordering::Release);
    two.all_break_off(load);
    two.west
        .said("lost: amqp:resource-limit-exceeded local-idle-timeout expired");
    two.east
        .said("closed: amqp:resource-limit-exceeded local-idle-timeout expired");
    open.store(true, Ordering::Release);
    two.serves();
}
