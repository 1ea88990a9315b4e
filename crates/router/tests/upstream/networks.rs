//! Two networks of two routers each, joined by a connection with the role `inter-network` between routers of either make.

use std::time::Instant;

use serde_json::{Value, json};

use super::common::clients::{run, serve, who};
use super::common::{
    at, echo, free_port, inter_router_connector, inter_router_listener, server, tcp_connector,
    tcp_listener, with_role,
};
use super::node::{Make, Node, are_here};
use super::traffic::{exercise, reach};
use Make::{Ours, Theirs};

/// Octets of a long flow.
const LONG: u64 = 4 << 20;

#[test]
fn two_networks() {
    for gates in [
        [Ours, Ours],
        [Ours, Theirs],
        [Theirs, Ours],
        [Theirs, Theirs],
    ] {
        // Behind each gate a router of the other make, so that what is told of the other network is, too.
        let mixed = gates.map(|make| if make == Ours { Theirs } else { Ours });
        let inner = if are_here(&mixed) { mixed } else { [Ours; 2] };
        if are_here(&gates) {
            let began = Instant::now();
            join(gates, inner);
            println!(
                "| two networks | {}, {} | {}, {} | {:.1} s |",
                gates[0],
                gates[1],
                inner[0],
                inner[1],
                began.elapsed().as_secs_f64()
            );
        }
    }
}

const NETWORKS: [&str; 2] = ["east", "west"];

fn auto_link(name: &str, more: Value) -> Value {
    let mut attributes = more;
    attributes["name"] = json!(name);
    attributes["direction"] = json!("in");
    attributes["connection"] = json!("border");
    json!(["autoLink", attributes])
}

/// East listens and has clients, west connects and has servers.
fn join(gates: [Make; 2], inner: [Make; 2]) {
    let directory = tempfile::tempdir().unwrap();
    let border = free_port();
    let entrance = free_port();
    let borders = [
        at(inter_router_listener("border"), border),
        inter_router_connector("border", border),
    ];
    let wanted = [
        Vec::new(),
        ["service", "echo"]
            .map(|address| auto_link(address, json!({"address": address})))
            .to_vec(),
    ];
    let services = [
        at(tcp_listener("echo"), entrance),
        tcp_connector("echo", server(echo)),
    ];
    let nets: Vec<[Node; 2]> = (0..2)
        .map(|end| {
            let network = json!(["network", {"networkId": NETWORKS[end]}]);
            let link = free_port();
            let folder = directory.path().join(NETWORKS[end]);
            std::fs::create_dir(&folder).unwrap();
            let external = format!("_xtopo/{}", NETWORKS[end]);
            let mut sections = vec![
                network.clone(),
                at(inter_router_listener("link"), link),
                with_role(borders[end].clone(), "inter-network"),
                auto_link("answers", json!({"externalAddress": external})),
            ];
            sections.extend_from_slice(&wanted[end]);
            let gate = Node::start(gates[end], &folder, "interior", "A", &sections);
            let sections = [
                network,
                inter_router_connector("link", link),
                services[end].clone(),
            ];
            let inner = Node::start(inner[end], &folder, "interior", "B", &sections);
            [gate, inner]
        })
        .collect();
    run(async {
        serve(nets[1][1].client("server"), "service", "the server").await;
        for node in &nets[0] {
            let asker = node.client("asker");
            assert_eq!(who(&asker, "service").await, "the server");
        }
        for (end, other) in [(0, 1), (1, 0)] {
            for node in &nets[end] {
                let asker = node.client("asker");
                for id in ["A", "B"] {
                    let address = format!("amqp:/_xtopo/{}/0/{id}/$management", NETWORKS[other]);
                    assert_eq!(who(&asker, &address).await, id);
                }
            }
        }
    });
    exercise(reach(entrance), LONG);
}
