//! Two routers of either make, linked in every way: what each is, in the clear or by TLS, and which of them connects.

use std::thread;
use std::time::Instant;

use serde_json::{Value, json};

use super::common::trust::{Ca, Files, Use};
use super::common::{
    echo, free_port, inter_router_connector, inter_router_listener, secure_connector,
    secure_listener, server, tcp_connector, tcp_listener, with_role,
};
use super::node::{Make, Node, are_here};
use super::traffic::{Open, exercise, long, pass_messages, reach};

/// Clients of [`crowds_both_ways`], each with many flows.
const CLIENTS: usize = 8;
/// How often they come.
const ROUNDS: usize = 3;

/// What two linked routers are, the one that listens first, and the role of what links them.
struct Shape {
    name: &'static str,
    modes: [&'static str; 2],
    role: &'static str,
}

const INTERIOR: Shape = Shape {
    name: "interior – interior",
    modes: ["interior", "interior"],
    role: "inter-router",
};
const EDGE: Shape = Shape {
    name: "interior – edge",
    modes: ["interior", "edge"],
    role: "edge",
};
const MESH: Shape = Shape {
    name: "edge mesh",
    modes: ["edge", "edge"],
    role: "inter-edge",
};

#[test]
fn interior_routers() {
    every(&INTERIOR);
}

#[test]
fn edge_routers_at_interior_routers() {
    every(&EDGE);
}

#[test]
fn edge_routers_in_a_mesh() {
    every(&MESH);
}

fn every(shape: &Shape) {
    for listens in [Make::Ours, Make::Theirs] {
        for connects in [Make::Ours, Make::Theirs] {
            for secure in [false, true] {
                if are_here(&[listens, connects]) {
                    let began = Instant::now();
                    link(shape, [listens, connects], secure);
                    println!(
                        "| {} | {listens} | {connects} | {} | {:.1} s |",
                        shape.name,
                        if secure { "TLS" } else { "clear" },
                        began.elapsed().as_secs_f64()
                    );
                }
            }
        }
    }
}

/// The certificates of both ends.
struct Trust {
    ca: Ca,
    files: [Files; 2],
}

impl Trust {
    const NAMES: [&'static str; 2] = ["server", "client"];

    fn new(directory: &std::path::Path) -> Self {
        let ca = Ca::new("CA");
        let files = [0, 1].map(|end| Files::write(directory, Self::NAMES[end], &leaf(&ca, end)));
        Trust { ca, files }
    }

    fn profile(&self, end: usize) -> Value {
        self.files[end].profile(Self::NAMES[end])
    }

    /// New certificates, which new connections are to use; the old ones stay valid.
    fn renew(&self, nodes: &[Node; 2]) {
        for (end, node) in nodes.iter().enumerate() {
            self.files[end].replace(&leaf(&self.ca, end));
            let Value::Object(attributes) = self.files[end].attributes(Self::NAMES[end], 1, 0)
            else {
                panic!("attributes are a map")
            };
            node.update_profile(Self::NAMES[end], attributes);
        }
    }
}

fn leaf(ca: &Ca, end: usize) -> skupper_pki::Credential {
    match end {
        0 => ca.leaf(Use::Server, "server", &["127.0.0.1"]),
        _ => ca.leaf(Use::Client, "client", &[]),
    }
}

/// Two linked routers, each with a service for clients of the other.
struct Pair {
    nodes: [Node; 2],
    /// Where clients of each reach the service of the other.
    entrances: [u16; 2],
    _directory: tempfile::TempDir,
}

impl Pair {
    /// Starts the two; with TLS between them if there are certificates.
    fn start(shape: &Shape, makes: [Make; 2], trust: Option<&Trust>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let port = free_port();
        let mut listener = match trust {
            Some(_) => secure_listener("link", Trust::NAMES[0]),
            None => inter_router_listener("link"),
        };
        listener[1]["port"] = json!(port.to_string());
        let connector = match trust {
            Some(_) => secure_connector("link", port, Trust::NAMES[1]),
            None => inter_router_connector("link", port),
        };
        let echo = server(echo);
        let entrances = [free_port(), free_port()];
        let ids = ["LISTENS", "CONNECTS"];
        let links = [listener, connector];
        let nodes = [0, 1].map(|end| {
            let mut entrance = tcp_listener(ids[1 - end]);
            entrance[1]["port"] = json!(entrances[end].to_string());
            let link = with_role(links[end].clone(), shape.role);
            let mut sections = vec![link, entrance, tcp_connector(ids[end], echo)];
            sections.extend(trust.map(|trust| trust.profile(end)));
            let (make, mode) = (makes[end], shape.modes[end]);
            Node::start(make, directory.path(), mode, ids[end], &sections)
        });
        Pair {
            nodes,
            entrances,
            _directory: directory,
        }
    }
}

/// One link: traffic both ways, a renewal where there is TLS, the sudden end of whoever connects, and its return.
fn link(shape: &Shape, makes: [Make; 2], secure: bool) {
    let directory = tempfile::tempdir().unwrap();
    let trust = secure.then(|| Trust::new(directory.path()));
    let mut pair = Pair::start(shape, makes, trust.as_ref());
    let (nodes, entrances) = (&mut pair.nodes, pair.entrances);
    // Upstream's edge routers open no streams in a mesh.
    let streams = shape.role != MESH.role || makes == [Make::Ours; 2];
    let traffic = |nodes: &[Node; 2], octets| {
        pass_messages(&nodes[0], &nodes[1]);
        pass_messages(&nodes[1], &nodes[0]);
        if streams {
            for entrance in entrances {
                exercise(reach(entrance), octets);
            }
        }
    };
    traffic(nodes, long());
    let mut open = streams.then(|| entrances.map(|entrance| Open::at(reach(entrance))));
    if let Some(trust) = &trust {
        trust.renew(nodes);
        traffic(nodes, 1 << 20);
        open.iter_mut().flatten().for_each(Open::ping);
    }
    nodes[1].kill();
    open.into_iter().flatten().for_each(Open::ends);
    nodes[1].restart();
    traffic(nodes, 1 << 20);
}

/// Clients on both sides at once, with hundreds of flows that begin and end while others are long: links are used again as
/// soon as they may be.
#[test]
fn crowds_both_ways() {
    for makes in [
        [Make::Ours, Make::Ours],
        [Make::Ours, Make::Theirs],
        [Make::Theirs, Make::Ours],
    ] {
        if !are_here(&makes) {
            continue;
        }
        let pair = Pair::start(&INTERIOR, makes, None);
        for _ in 0..ROUNDS {
            let flows: Vec<_> = (0..CLIENTS)
                .map(|n| {
                    let entrance = reach(pair.entrances[n % 2]);
                    thread::spawn(move || exercise(entrance, 1 << 20))
                })
                .collect();
            for flow in flows {
                flow.join().unwrap();
            }
        }
    }
}
