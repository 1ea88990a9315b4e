//! More than two routers of both makes: each service is reached from each router, over whichever way there is.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::timeout;

use super::common::clients::{attached, run, send, text};
use super::common::{
    echo, free_port, inter_router_connector, inter_router_listener, server, tcp_connector,
    tcp_listener, with_role,
};
use super::node::{Make, Node, are_here};
use super::traffic::{exercise, reach};
use Make::{Ours, Theirs};

/// How long one attempt to reach a consumer waits.
const ATTEMPT: Duration = Duration::from_millis(500);

/// Interior routers: each has a service, and a listener for that of each other.
struct Net {
    nodes: Vec<Node>,
    /// By router, then by the service's router.
    entrances: Vec<Vec<u16>>,
    _directory: tempfile::TempDir,
}

impl Net {
    /// Starts routers, of which each connects to those before it that `links` says.
    fn start(makes: &[Make], links: impl Fn(usize, usize) -> bool) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let echo = server(echo);
        let ports: Vec<u16> = makes.iter().map(|_| free_port()).collect();
        let (mut nodes, mut entrances) = (Vec::new(), Vec::new());
        for (number, make) in makes.iter().enumerate() {
            let mut listener = inter_router_listener("link");
            listener[1]["port"] = json!(ports[number].to_string());
            let mut sections = vec![listener, tcp_connector(&service(number), echo)];
            for other in (0..number).filter(|other| links(number, *other)) {
                let name = format!("to-{other}");
                sections.push(inter_router_connector(&name, ports[other]));
            }
            let own: Vec<u16> = makes.iter().map(|_| free_port()).collect();
            for (other, port) in own.iter().enumerate().filter(|(other, _)| *other != number) {
                let mut entrance = tcp_listener(&service(other));
                entrance[1]["port"] = json!(port.to_string());
                sections.push(entrance);
            }
            let id = format!("R{number}");
            let node = Node::start(*make, directory.path(), "interior", &id, &sections);
            nodes.push(node);
            entrances.push(own);
        }
        Net {
            nodes,
            entrances,
            _directory: directory,
        }
    }

    /// Flows between all these routers.
    fn exercise(&self, among: &[usize], octets: u64) {
        for from in among {
            for to in among.iter().filter(|to| *to != from) {
                exercise(reach(self.entrances[*from][*to]), octets);
            }
        }
    }
}

fn service(of: usize) -> String {
    format!("service-{of}")
}

/// All can talk to each other; the one in `fails` dies, those of `left` still can; it comes back.
fn survives(makes: &[Make], links: impl Fn(usize, usize) -> bool, fails: usize, left: &[usize]) {
    if !are_here(makes) {
        return;
    }
    let all: Vec<usize> = (0..makes.len()).collect();
    let mut net = Net::start(makes, links);
    net.exercise(&all, 1 << 20);
    net.nodes[fails].kill();
    net.exercise(left, 1 << 20);
    net.nodes[fails].restart();
    net.exercise(&all, 1 << 20);
    let makes: Vec<String> = makes.iter().map(Make::to_string).collect();
    println!("| {} | {fails} failed |", makes.join(", "));
}

const fn all(_: usize, _: usize) -> bool {
    true
}

const fn chain(one: usize, other: usize) -> bool {
    one == other + 1
}

#[test]
fn ours_in_a_mesh() {
    survives(&[Ours; 5], all, 2, &[0, 1, 3, 4]);
}

#[test]
fn three_in_a_mesh() {
    survives(&[Ours, Theirs, Ours], all, 1, &[0, 2]);
    survives(&[Theirs, Ours, Theirs], all, 1, &[0, 2]);
}

#[test]
fn five_in_a_mesh() {
    let makes = [Ours, Theirs, Ours, Theirs, Ours];
    survives(&makes, all, 1, &[0, 2, 3, 4]);
    let makes = [Theirs, Ours, Theirs, Ours, Theirs];
    survives(&makes, all, 3, &[0, 1, 2, 4]);
}

#[test]
fn one_between_two() {
    survives(&[Theirs, Ours, Theirs], chain, 2, &[0, 1]);
    survives(&[Ours, Theirs, Ours], chain, 2, &[0, 1]);
}

#[test]
fn five_in_a_chain() {
    let makes = [Ours, Theirs, Ours, Theirs, Ours];
    survives(&makes, chain, 4, &[0, 1, 2, 3]);
}

/// What an edge router without a connection to the interior sends to all goes to its peers in the mesh and not by them to the
/// interior.
fn stays_in_the_mesh(make: Make) {
    if !are_here(&[make]) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let (edges, peers) = (free_port(), free_port());
    let at = |mut section: Value, role: &str, port: u16| {
        section[1]["port"] = json!(port.to_string());
        with_role(section, role)
    };
    let multicast = json!(["address", {"prefix": "mc", "distribution": "multicast"}]);
    let start = |mode: &str, id: &str, links: &[Value]| {
        let sections = [std::slice::from_ref(&multicast), links].concat();
        Node::start(make, directory.path(), mode, id, &sections)
    };
    let listener = at(inter_router_listener("edges"), "edge", edges);
    let inner = start("interior", "INNER", &[listener]);
    let connector = with_role(inter_router_connector("up", edges), "edge");
    let listener = at(inter_router_listener("mesh"), "inter-edge", peers);
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
