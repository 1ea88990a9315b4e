//! More than two routers of both makes: each service is reached from each router, over whichever way there is.

use serde_json::json;

use super::common::{
    echo, free_port, inter_router_connector, inter_router_listener, server, tcp_connector,
    tcp_listener,
};
use super::node::{Make, Node, are_here};
use super::traffic::{exercise, reach};
use Make::{Ours, Theirs};

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
