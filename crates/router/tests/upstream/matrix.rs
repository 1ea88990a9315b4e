//! Two routers of either make, linked in every way: what each is, in the clear or by TLS, and which of them connects.

use std::thread;
use std::time::Instant;

use super::common::trust::Use;
use super::common::{
    at, echo, free_port, inter_router_connector, inter_router_listener, secure_connector,
    secure_listener, server, tcp_connector, tcp_listener, with_role,
};
use super::credentials::{Credentials, name};
use super::links::{back_among_its_like, doubled, linked, linked_by, moved, set};
use super::node::{Make, Node, are_here};
use super::traffic::{EndsFirst, Open, exercise, long, pass_messages, reach};

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

/// Two linked routers, each with services for clients of the other.
struct Pair<'a> {
    shape: &'a Shape,
    makes: [Make; 2],
    nodes: [Node; 2],
    /// Where clients of each reach the echo of the other.
    echoes: [u16; 2],
    /// The same for the server that ends first.
    ends: [u16; 2],
    ends_first: EndsFirst,
    _directory: tempfile::TempDir,
}

const IDS: [&str; 2] = ["LISTENS", "CONNECTS"];

impl<'a> Pair<'a> {
    /// Starts the two; with TLS between them if there are credentials.
    fn start(shape: &'a Shape, makes: [Make; 2], credentials: Option<&Credentials>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let port = free_port();
        let listener = match credentials {
            Some(_) => secure_listener("link", name(Use::Server)),
            None => inter_router_listener("link"),
        };
        let connector = match credentials {
            Some(_) => secure_connector("link", port, name(Use::Client)),
            None => inter_router_connector("link", port),
        };
        let (echo, ends_first) = (server(echo), EndsFirst::start());
        let (echoes, ends) = ([free_port(), free_port()], [free_port(), free_port()]);
        let links = [at(listener, port), connector];
        let nodes = [0, 1].map(|end| {
            let (own, other) = (IDS[end], IDS[1 - end]);
            let mut sections = vec![
                with_role(links[end].clone(), shape.role),
                at(tcp_listener(other), echoes[end]),
                at(tcp_listener(&ends_of(other)), ends[end]),
                tcp_connector(own, echo),
                tcp_connector(&ends_of(own), ends_first.port),
            ];
            sections.extend(
                credentials
                    .iter()
                    .flat_map(|credentials| credentials.sections(end)),
            );
            Node::start(
                makes[end],
                directory.path(),
                shape.modes[end],
                own,
                &sections,
            )
        });
        Pair {
            shape,
            makes,
            nodes,
            echoes,
            ends,
            ends_first,
            _directory: directory,
        }
    }

    /// Upstream's edge routers open no streams in a mesh.
    fn has_streams(&self) -> bool {
        self.shape.role != MESH.role || self.makes == [Make::Ours; 2]
    }

    /// Flows and messages both ways; messages alone of as many octets where there are no flows.
    fn traffic(&self, octets: u64) {
        let by_messages = if self.has_streams() { 0 } else { octets };
        pass_messages(&self.nodes[0], &self.nodes[1], by_messages);
        pass_messages(&self.nodes[1], &self.nodes[0], by_messages);
        if self.has_streams() {
            for end in [0, 1] {
                exercise(reach(self.echoes[end]), octets);
                self.ends_first.exercise(reach(self.ends[end]));
            }
        }
    }

    /// A flow each way, where there are any.
    fn open(&self) -> Vec<Open> {
        let echoes = self.echoes.iter().filter(|_| self.has_streams());
        echoes.map(|port| Open::at(reach(*port))).collect()
    }

    /// Renews the credentials of both ends, then makes the old of one end invalid. Flows live as long as what they were begun with is
    /// valid, and new ones go by new connections.
    fn rotate(&self, credentials: &mut Credentials, expires: Use) {
        let Shape { role, .. } = self.shape;
        let [listens, connects] = &self.nodes;
        // Upstream's connectors between edge routers take a new credential when they connect again.
        let is_renewed = *role != MESH.role || self.makes[1] == Make::Ours;
        // What goes on in a mesh goes by the connection that was there first, as long as it is.
        let is_moved = *role != MESH.role;
        let count = set(role);
        linked_by(listens, count, credentials.ordinal);
        linked(connects, count);
        let mut old = self.open();
        credentials.renew(&self.nodes);
        let ordinal = credentials.ordinal;
        for node in self.nodes.iter().filter(|_| is_renewed) {
            doubled(node, count, ordinal);
        }
        for node in self.nodes.iter().filter(|_| is_moved) {
            moved(node, ordinal);
        }
        old.iter_mut().for_each(Open::ping);
        let mut new = if is_moved { self.open() } else { Vec::new() };
        self.traffic(1 << 20);
        old.iter_mut().for_each(Open::ping);
        let expires = if is_renewed { expires } else { Use::Server };
        credentials.expire(&self.nodes, expires);
        old.into_iter().for_each(Open::ends);
        linked_by(listens, count, ordinal);
        match is_renewed {
            true => linked_by(connects, count, ordinal),
            false => linked(connects, count),
        }
        new.iter_mut().for_each(Open::ping);
        self.traffic(1 << 20);
        new.iter_mut().for_each(Open::ping);
    }

    /// The sudden end of one router, and its return.
    fn restart(&mut self, end: usize) {
        let open = self.open();
        self.nodes[end].kill();
        open.into_iter().for_each(Open::ends);
        self.nodes[end].restart();
        if self.makes == [Make::Theirs; 2] && self.shape.role == INTERIOR.role {
            back_among_its_like(&self.nodes[end], &[(IDS[1 - end].to_owned(), 1)]);
        }
        self.traffic(1 << 20);
    }
}

fn ends_of(id: &str) -> String {
    format!("{id}-ends")
}

/// One link: traffic both ways, renewals where there is TLS, the sudden end of each router, and its return.
fn link(shape: &Shape, makes: [Make; 2], secure: bool) {
    let directory = tempfile::tempdir().unwrap();
    let mut credentials = secure.then(|| Credentials::new(directory.path(), 2));
    let mut pair = Pair::start(shape, makes, credentials.as_ref());
    pair.traffic(long());
    if let Some(credentials) = &mut credentials {
        pair.rotate(credentials, Use::Client);
        pair.rotate(credentials, Use::Server);
    }
    pair.restart(1);
    pair.restart(0);
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
                    let entrance = reach(pair.echoes[n % 2]);
                    thread::spawn(move || exercise(entrance, 1 << 20))
                })
                .collect();
            for flow in flows {
                flow.join().unwrap();
            }
        }
    }
}
