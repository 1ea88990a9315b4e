//! More than two routers of both makes: each service is reached from each router, over whichever way there is.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::time::timeout;

use super::common::clients::{attached, run, send, text};
use super::common::trust::Use;
use super::common::{
    at, echo, free_port, inter_router_connector, inter_router_listener, secure_connector,
    secure_listener, server, tcp_connector, tcp_listener, with_role,
};
use super::credentials::{Credentials, name};
use super::links::{back_among_its_like, doubled, knows, linked, linked_by, moved, set};
use super::node::{Make, Node, are_here};
use super::traffic::{Open, address, exercise, long, reach};
use Make::{Ours, Theirs};

/// How long one attempt to reach a consumer waits.
const ATTEMPT: Duration = Duration::from_millis(500);
/// Octets of the longest flow between two routers, where it is one of many.
const SHORT: u64 = 1 << 20;
/// The same, where it is to be over soon.
const FEW: u64 = 64 * 1024;
/// In this time all routers are linked again with one that is back.
const CHANGES: Duration = Duration::from_millis(1200);

/// Interior routers: each has a service, and a listener for that of each other.
struct Net {
    nodes: Vec<Node>,
    /// Which of them has a connector to which before it.
    links: Links,
    /// By router, then by the service's router.
    entrances: Vec<Vec<u16>>,
    credentials: Option<Credentials>,
    _directory: tempfile::TempDir,
}

/// Whether a router connects to one before it.
type Links = fn(usize, usize) -> bool;

impl Net {
    /// Starts routers, by TLS or in the clear.
    fn start(makes: &[Make], links: Links, secure: bool) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let credentials = secure.then(|| Credentials::new(directory.path(), makes.len()));
        let echo = server(echo);
        let ports: Vec<u16> = makes.iter().map(|_| free_port()).collect();
        let (mut nodes, mut entrances) = (Vec::new(), Vec::new());
        for (number, make) in makes.iter().enumerate() {
            let listener = match secure {
                true => secure_listener("link", name(Use::Server)),
                false => inter_router_listener("link"),
            };
            let mut sections = vec![
                at(listener, ports[number]),
                tcp_connector(&service(number), echo),
            ];
            for other in (0..number).filter(|other| links(number, *other)) {
                let link = format!("to-{other}");
                sections.push(match secure {
                    true => secure_connector(&link, ports[other], name(Use::Client)),
                    false => inter_router_connector(&link, ports[other]),
                });
            }
            let own: Vec<u16> = makes.iter().map(|_| free_port()).collect();
            for (other, port) in own.iter().enumerate().filter(|(other, _)| *other != number) {
                sections.push(at(tcp_listener(&service(other)), *port));
            }
            let profiles = credentials.iter();
            sections.extend(profiles.flat_map(|credentials| credentials.sections(number)));
            let node = Node::start(*make, directory.path(), "interior", &id(number), &sections);
            nodes.push(node);
            entrances.push(own);
        }
        Net {
            nodes,
            links,
            entrances,
            credentials,
            _directory: directory,
        }
    }

    fn are_linked(&self, one: usize, other: usize) -> bool {
        one != other && (self.links)(one.max(other), one.min(other))
    }

    /// How many connections a router has to others.
    fn connections(&self, of: usize) -> usize {
        let others = 0..self.nodes.len();
        others.filter(|other| self.are_linked(of, *other)).count() * set("inter-router")
    }

    /// Waits until each router has all its connections and knows the shortest way to each other.
    fn settled(&self) {
        for (number, node) in self.nodes.iter().enumerate() {
            linked(node, self.connections(number));
            knows(node, &self.distances(number));
        }
    }

    fn distances(&self, from: usize) -> Vec<(String, u64)> {
        let others = (0..self.nodes.len()).filter(|other| *other != from);
        others
            .map(|other| match self.are_linked(from, other) {
                true => (id(other), 1),
                // These stand in a chain.
                false => (id(other), from.abs_diff(other) as u64),
            })
            .collect()
    }

    /// Flows between all these routers.
    fn exercise(&self, among: &[usize], octets: u64) {
        for (from, to) in pairs(among) {
            exercise(reach(self.entrances[from][to]), octets);
        }
    }

    /// Flows that stay open.
    fn open(&self, between: impl Iterator<Item = (usize, usize)>) -> Vec<Open> {
        between
            .map(|(from, to)| Open::at(reach(self.entrances[from][to])))
            .collect()
    }

    /// Renews the credentials of all routers, then makes the old ones invalid. Flows live as long as what they were begun with is
    /// valid, and new ones go by new connections.
    fn rotate(&mut self, all: &[usize]) {
        let Some(mut credentials) = self.credentials.take() else {
            return;
        };
        let each = || (0..).zip(&self.nodes);
        let mut old = self.open(pairs(all));
        credentials.renew(&self.nodes);
        let ordinal = credentials.ordinal;
        each().for_each(|(number, node)| doubled(node, self.connections(number), ordinal));
        each().for_each(|(_, node)| moved(node, ordinal));
        old.iter_mut().for_each(Open::ping);
        let mut new = self.open(pairs(all));
        old.iter_mut().for_each(Open::ping);
        credentials.expire(&self.nodes, Use::Client);
        old.into_iter().for_each(Open::ends);
        each().for_each(|(number, node)| linked_by(node, self.connections(number), ordinal));
        new.iter_mut().for_each(Open::ping);
        self.exercise(all, SHORT);
        new.iter_mut().for_each(Open::ping);
        self.credentials = Some(credentials);
    }
}

fn id(of: usize) -> String {
    format!("R{of}")
}

fn service(of: usize) -> String {
    format!("service-{of}")
}

/// Each with each other, both ways.
fn pairs(among: &[usize]) -> impl Iterator<Item = (usize, usize)> {
    let from = among.iter().copied();
    from.flat_map(move |from| among.iter().map(move |to| (from, *to)))
        .filter(|(from, to)| from != to)
}

/// All can talk to each other; the one in `fails` dies, those of `left` still can, and their flows know nothing of it; it comes
/// back.
fn survives(makes: &[Make], links: Links, secure: bool, fails: usize, left: &[usize]) {
    let began = Instant::now();
    let all: Vec<usize> = (0..makes.len()).collect();
    let mut net = Net::start(makes, links, secure);
    net.settled();
    net.exercise(&all, SHORT);
    let last = makes.len() - 1;
    for (from, to) in [(0, last), (last, 0)] {
        exercise(reach(net.entrances[from][to]), long());
    }
    net.rotate(&all);
    let mut living = net.open(pairs(left));
    let with_it = |(from, to): &(usize, usize)| *from == fails || *to == fails;
    let dying = net.open(pairs(&all).filter(with_it));
    net.nodes[fails].kill();
    dying.into_iter().for_each(Open::ends);
    living.iter_mut().for_each(Open::ping);
    net.exercise(left, SHORT);
    net.nodes[fails].restart();
    if makes[fails] == Theirs && left.iter().any(|other| makes[*other] == Theirs) {
        back_among_its_like(&net.nodes[fails], &net.distances(fails));
    }
    net.exercise(&all, SHORT);
    living.iter_mut().for_each(Open::ping);
    let makes: Vec<String> = makes.iter().map(Make::to_string).collect();
    println!(
        "| {} | {} | {fails} failed | {:.1} s |",
        makes.join(", "),
        if secure { "TLS" } else { "clear" },
        began.elapsed().as_secs_f64()
    );
}

const fn all(_: usize, _: usize) -> bool {
    true
}

const fn chain(one: usize, other: usize) -> bool {
    one == other + 1
}

#[test]
fn ours_in_a_mesh() {
    survives(&[Ours; 5], all, true, 2, &[0, 1, 3, 4]);
}

/// A router comes back and is found by two others at once, by the other two a little later. Whichever way is the best at a moment, and
/// whoever knows of it: flows that begin meanwhile are served.
#[test]
fn flows_that_begin_while_ways_change_are_served() {
    let mut net = Net::start(&[Ours; 5], all, true);
    net.settled();
    let rounds = match std::env::var_os("SKUPPER_HEAVY") {
        Some(_) => 100,
        None => 4,
    };
    for _ in 0..rounds {
        net.nodes[2].kill();
        net.exercise(&[0, 1, 3, 4], FEW);
        net.nodes[2].restart();
        for (from, to) in [(3, 2), (4, 2), (2, 3), (2, 4)] {
            reach(net.entrances[from][to]);
        }
        let began = Instant::now();
        while began.elapsed() < CHANGES {
            for (from, to) in [(3, 2), (4, 2), (2, 3), (2, 4)] {
                exercise(address(net.entrances[from][to]), FEW);
            }
        }
    }
}

#[test]
#[ignore = "needs SKROUTERD"]
fn three_in_a_mesh() {
    for secure in [false, true] {
        survives(&[Ours, Theirs, Ours], all, secure, 1, &[0, 2]);
        survives(&[Theirs, Ours, Theirs], all, secure, 1, &[0, 2]);
    }
}

#[test]
#[ignore = "needs SKROUTERD"]
fn five_in_a_mesh() {
    let makes = [Ours, Theirs, Ours, Theirs, Ours];
    survives(&makes, all, true, 1, &[0, 2, 3, 4]);
    let makes = [Theirs, Ours, Theirs, Ours, Theirs];
    survives(&makes, all, true, 3, &[0, 1, 2, 4]);
    survives(&makes, all, false, 0, &[1, 2, 3, 4]);
}

#[test]
#[ignore = "needs SKROUTERD"]
fn one_between_two() {
    survives(&[Theirs, Ours, Theirs], chain, true, 2, &[0, 1]);
    survives(&[Ours, Theirs, Ours], chain, true, 2, &[0, 1]);
}

#[test]
#[ignore = "needs SKROUTERD"]
fn five_in_a_chain() {
    let makes = [Ours, Theirs, Ours, Theirs, Ours];
    survives(&makes, chain, true, 4, &[0, 1, 2, 3]);
}

/// What an edge router without a connection to the interior sends to all goes to its peers in the mesh and not by them to the
/// interior.
fn stays_in_the_mesh(make: Make) {
    if !are_here(&[make]) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let (edges, peers) = (free_port(), free_port());
    let multicast = json!(["address", {"prefix": "mc", "distribution": "multicast"}]);
    let start = |mode: &str, id: &str, links: &[Value]| {
        let sections = [std::slice::from_ref(&multicast), links].concat();
        Node::start(make, directory.path(), mode, id, &sections)
    };
    let listener = at(with_role(inter_router_listener("edges"), "edge"), edges);
    let inner = start("interior", "INNER", &[listener]);
    let connector = with_role(inter_router_connector("up", edges), "edge");
    let listener = at(
        with_role(inter_router_listener("mesh"), "inter-edge"),
        peers,
    );
    let linked = start("edge", "LINKED", &[connector, listener]);
    let connector = with_role(inter_router_connector("mesh", peers), "inter-edge");
    let alone = start("edge", "ALONE", &[connector]);
    run(async {
        let consumers = [&inner, &linked].map(|node| node.client("consumer"));
        let mut news = consumers
            .each_ref()
            .map(|client| client.subscribe("mc/news"));
        for consumer in &mut news {
            attached(consumer).await;
        }
        let [inside, beside] = &mut news;
        let [producer, outsider] = [&linked, &alone].map(|node| node.client("producer"));
        // Until the way to the interior is there.
        loop {
            send(&producer, "mc/news", "first").await;
            if timeout(ATTEMPT, text(inside)).await.is_ok() {
                break;
            }
        }
        send(&outsider, "mc/news", "second").await;
        while text(beside).await != "second" {}
        send(&producer, "mc/news", "third").await;
        let mut next = text(inside).await;
        while next == "first" {
            next = text(inside).await;
        }
        assert_eq!(next, "third");
    });
}

#[test]
fn a_multicast_without_an_uplink_stays_in_the_mesh() {
    stays_in_the_mesh(Ours);
    stays_in_the_mesh(Theirs);
}
