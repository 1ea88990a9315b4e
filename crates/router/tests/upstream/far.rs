//! Two routers of either make a long way from each other, and a server that stops taking for a while: the sender may be a long
//! way ahead by then, and nothing of it may be lost, nor the connection that other flows share.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::common::{
    PATIENCE, at, echo, free_port, inter_router_connector, inter_router_listener, server,
    tcp_connector, tcp_listener, wait_for,
};
use super::node::{Make, Node, are_here};
use super::traffic::{Open, count, reach, send_numbers};

/// Half a round trip.
const WAY: Duration = Duration::from_millis(40);
/// Octets that the server takes before it stops.
const BEFORE: u64 = 48 << 20;
/// Octets in all.
const ALL: u64 = BEFORE + (16 << 20);
/// Far longer than what is under way needs to arrive.
const PAUSE: Duration = Duration::from_secs(2);

#[test]
fn a_server_stops_for_a_while() {
    for makes in [
        [Make::Ours, Make::Ours],
        [Make::Ours, Make::Theirs],
        [Make::Theirs, Make::Ours],
    ] {
        if are_here(&makes) {
            stop_for_a_while(makes);
        }
    }
}

/// From a client at the first to a server at the second, which has the listener for the link.
fn stop_for_a_while([near, far]: [Make; 2]) {
    let directory = tempfile::tempdir().unwrap();
    let (stopped, stops) = channel();
    let (counted, counts) = channel();
    let slow = server(move |mut stream| {
        let mut paused = false;
        let octets = count(&mut stream, |octets| {
            if octets >= BEFORE && !paused {
                paused = true;
                stopped.send(()).unwrap();
                thread::sleep(PAUSE);
            }
        });
        counted.send(octets).unwrap();
    });
    let port = free_port();
    let sections = [
        at(inter_router_listener("link"), port),
        tcp_connector("slow", slow),
        tcp_connector("echo", server(echo)),
    ];
    let _far = Node::start(far, directory.path(), "interior", "FAR", &sections);
    let entrances = [free_port(), free_port()];
    let [slow, echo] = [0, 1].map(|n| at(tcp_listener(["slow", "echo"][n]), entrances[n]));
    let link = inter_router_connector("link", relay(port));
    let _near = Node::start(
        near,
        directory.path(),
        "interior",
        "NEAR",
        &[link, slow, echo],
    );

    let mut other = Open::at(reach(entrances[1]));
    let entrance = ("127.0.0.1", entrances[0]);
    let flow = wait_for("open port", || TcpStream::connect(entrance).ok());
    let began = Instant::now();
    let sender = thread::spawn(move || send_numbers(flow, ALL));
    stops.recv_timeout(PATIENCE).unwrap();
    println!(
        "| {near} → {far} | {:.0} Mb/s |",
        BEFORE as f64 * 8e-6 / began.elapsed().as_secs_f64()
    );
    // The sender goes on until it may not; the other flow is served all the while.
    for _ in 0..10 {
        other.ping();
    }
    assert_eq!(
        counts.recv_timeout(PATIENCE).unwrap(),
        ALL,
        "{near} to {far}"
    );
    sender.join().unwrap();
    other.ping();
}

/// A long way to a port: where it begins.
fn relay(to: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let begins = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for near in listener.incoming().flatten() {
            // The router's peer tries again where there is nobody yet.
            if let Ok(far) = TcpStream::connect(("127.0.0.1", to)) {
                way(near.try_clone().unwrap(), far.try_clone().unwrap());
                way(far, near);
            }
        }
    });
    begins
}

type Piece = (Instant, Vec<u8>);

fn way(from: TcpStream, to: TcpStream) {
    to.set_nodelay(true).unwrap();
    let (pieces, due) = channel();
    thread::spawn(move || take(from, &pieces));
    thread::spawn(move || give(to, &due));
}

fn take(mut from: TcpStream, pieces: &Sender<Piece>) {
    let mut block = vec![0; 256 * 1024];
    while let Ok(count) = from.read(&mut block)
        && count > 0
        && pieces
            .send((Instant::now() + WAY, block[..count].to_vec()))
            .is_ok()
    {}
}

fn give(mut to: TcpStream, due: &Receiver<Piece>) {
    for (at, octets) in due {
        thread::sleep(at.saturating_duration_since(Instant::now()));
        if to.write_all(&octets).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
