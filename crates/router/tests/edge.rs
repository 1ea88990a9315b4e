//! Edge routers, beside the interior and beside each other.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that panics has failed"
)]

mod common;

use std::io::{Read, Write};

use common::clients::*;
use common::raw::Raw;
use common::*;
use serde_json::{Value, json};
use skupper_amqp::connection::Event;
use skupper_amqp::{Attach, Open, Role as LinkRole, Symbol, Terminus};
use skupper_management::entity::Role;
use skupper_router::Router;
use skupper_routing::AddressKey;
use skupper_routing::address::Class;

fn edge_listener(name: &str) -> Value {
    with_role(inter_router_listener(name), "edge")
}

fn edge_connector(name: &str, port: u16) -> Value {
    with_role(inter_router_connector(name, port), "edge")
}

fn interior(id: &str, more: &[Value]) -> (Router, u16) {
    let mut sections = vec![edge_listener("edges")];
    sections.extend_from_slice(more);
    let router = router(id, &sections);
    let port = listener_port(&router, "edges");
    (router, port)
}

/// What a router answers to who wants to consume something: nothing, or why it must not.
fn consume(raw: &mut Raw, source: Terminus) -> Option<String> {
    let name = source.address.clone().unwrap();
    let session = raw.amqp.begin().unwrap();
    let attach = Attach::new(name, LinkRole::Receiver, source, Terminus::default());
    let id = raw.amqp.attach(session, attach).unwrap();
    let error = raw.wait("answer", |event| match event {
        Event::Attached { link, attach, .. } if *link == id && attach.source.is_some() => {
            Some(None)
        }
        Event::Detached { link, error } if *link == id => Some(error.clone()),
        _ => None,
    });
    error.map(|error| error.to_string())
}

/// At an edge router what is for another router would else be balanced among those who say that they consume it.
#[test]
fn nobody_gets_what_is_on_its_way_to_another_router() {
    let edge = edge_router("EDGE", &[client_listener()]);
    let port = listener_port(&edge, "clients");
    let mut raw = Raw::open(connect(([127, 0, 0, 1], port).into()));
    for (source, whose) in [
        ("amqp:/_topo/0/B/$management", Some("of another router")),
        ("_topo/0/B", Some("of another router")),
        (
            "amqp:/_edge/OTHER/own",
            Some("_edge/OTHER goes by the downlink of that edge router alone"),
        ),
        ("amqp:/_edge/EDGE/own", None),
        ("service", None),
    ] {
        let told = consume(&mut raw, Terminus::at(source));
        match whose {
            Some(whose) => assert!(told.is_some_and(|told| told.contains(whose)), "{source}"),
            None => assert_eq!(told, None, "{source}"),
        }
    }
}

#[test]
fn an_edge_router_gets_what_is_for_itself_alone() {
    let (_inner, edges) = interior("INT", &[]);
    let stream = connect(([127, 0, 0, 1], edges).into());
    let mut raw = Raw::open_as(stream, Open::new("EDGE"));
    let another = "of the edge router OTHER, but the peer's container-id is EDGE:";
    for (id, whose) in [("EDGE", None), ("OTHER", Some(another))] {
        let mut source = Terminus::at(id);
        source.capabilities = vec![Symbol::from_static("qd.router-edge-downlink")];
        let told = consume(&mut raw, source);
        assert_eq!(told.is_some(), whose.is_some(), "{told:?}");
        assert!(told.is_none_or(|told| told.contains(whose.unwrap())));
    }
    for edge in ["OTHER", "EDGE"] {
        let told = consume(&mut raw, Terminus::at(format!("_edge/{edge}").as_str()));
        let wanted = format!("_edge/{edge} goes by the downlink of that edge router alone");
        assert!(told.is_some_and(|told| told.contains(&wanted)));
    }
}

#[test]
fn flows_between_an_edge_router_and_the_interior() {
    let port = server(echo);
    let (inner, edges) = interior("INT", &[tcp_connector("in", port), tcp_listener("out")]);
    let sections = [
        edge_connector("up", edges),
        tcp_listener("in"),
        tcp_connector("out", port),
    ];
    let edge = edge_router("EDGE", &sections);
    exercise(&edge, "in");
    exercise(&inner, "out");
    drop(edge);
    closed_port(&inner, "out");
    let edge = edge_router("EDGE", &sections);
    exercise(&edge, "in");
    exercise(&inner, "out");
    drop(inner);
    closed_port(&edge, "in");
}

#[test]
fn flows_between_edge_routers_of_two_interior_ones() {
    let (west, west_edges) = interior("WEST", &[inter_router_listener("link")]);
    let link = inter_router_connector("link", listener_port(&west, "link"));
    let (_east, east_edges) = interior("EAST", &[link]);
    let port = server(echo);
    let near = edge_router(
        "E1",
        &[edge_connector("up", west_edges), tcp_listener("echo")],
    );
    let twin = edge_router(
        "E2",
        &[edge_connector("up", west_edges), tcp_listener("echo")],
    );
    let far = [
        edge_connector("up", east_edges),
        tcp_connector("echo", port),
        tcp_listener("echo"),
    ];
    let far = edge_router("E3", &far);
    for edge in [&near, &twin, &far] {
        exercise(edge, "echo");
    }
    drop(far);
    closed_port(&near, "echo");
    let _nearer = edge_router(
        "E4",
        &[
            edge_connector("up", west_edges),
            tcp_connector("echo", port),
        ],
    );
    exercise(&near, "echo");
    exercise(&twin, "echo");
}

#[test]
fn another_interior_router_takes_over() {
    let (first, first_edges) = interior(
        "FIRST",
        &[tcp_listener("echo"), inter_router_listener("link")],
    );
    let link = inter_router_connector("link", listener_port(&first, "link"));
    let (second, second_edges) = interior("SECOND", &[tcp_listener("echo"), link]);
    let sections = [
        edge_connector("up-1", first_edges),
        edge_connector("up-2", second_edges),
        tcp_connector("echo", server(echo)),
    ];
    let edge = edge_router("EDGE", &sections);
    exercise(&first, "echo");
    exercise(&second, "echo");
    drop(first);
    // The port may still be open for a moment.
    wait_for("an echo by the other router", || {
        let address = second.entities().tcp_listener("listener/echo")?.bound()?;
        let mut stream = std::net::TcpStream::connect(address).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(b"x").ok()?;
        stream.read_exact(&mut [0]).ok()
    });
    exercise(&second, "echo");
    drop(edge);
    closed_port(&second, "echo");
}

#[test]
fn flows_in_a_mesh_of_edge_routers() {
    let port = server(echo);
    let listener = with_role(inter_router_listener("mesh"), "inter-edge");
    let west = edge_router(
        "WEST",
        &[listener, tcp_listener("east"), tcp_connector("west", port)],
    );
    let mesh = inter_router_connector("mesh", listener_port(&west, "mesh"));
    let mesh = with_role(mesh, "inter-edge");
    let sections = [mesh, tcp_listener("west"), tcp_connector("east", port)];
    let east = edge_router("EAST", &sections);
    exercise(&west, "east");
    exercise(&east, "west");
    drop(east);
    closed_port(&west, "east");
}

#[test]
fn a_multicast_within_a_mesh_comes_once_to_everybody() {
    let multicast = json!(["address", {"prefix": "mc", "distribution": "multicast"}]);
    let (inner, edges) = interior("INT", &[client_listener(), multicast.clone()]);
    let listener = with_role(inter_router_listener("mesh"), "inter-edge");
    let common = [client_listener(), multicast, edge_connector("up", edges)];
    let west = edge_router("WEST", &[&common[..], &[listener]].concat());
    let mesh = inter_router_connector("mesh", listener_port(&west, "mesh"));
    let mesh = with_role(mesh, "inter-edge");
    let east = edge_router("EAST", &[&common[..], &[mesh]].concat());
    run(async {
        let consumers = [&inner, &west, &east].map(|router| client(router, "consumer"));
        let mut news = consumers
            .each_ref()
            .map(|client| client.subscribe("mc/news"));
        for consumer in &mut news {
            attached(consumer).await;
        }
        let key = west.context().dispatch.key("mc/news");
        wait_for("consumer in the mesh", || {
            let forwarding = west.context().dispatch.forwarding.load();
            let links = forwarding.locals.get(&key).map(|local| local.links.len());
            (links == Some(2)).then_some(())
        });
        wait_for("one name of the mesh", || {
            let name = |router: &Router| router.context().dispatch.mesh.load_full();
            let known = inner.context().connections.all();
            let known = known.iter().filter(|handle| handle.role == Role::Edge);
            let known: Vec<_> = known.map(|handle| handle.mesh.load_full()).collect();
            let same = known.iter().all(|known| *known == name(&west));
            (known.len() == 2 && same && name(&west) == name(&east)).then_some(())
        });
        let producer = client(&west, "producer");
        for n in 0..10 {
            send(&producer, "mc/news", &n.to_string()).await;
        }
        for consumer in &mut news {
            for n in 0..10 {
                assert_eq!(text(consumer).await, n.to_string());
            }
        }
    });
}

/// What upstream's edge router says of itself, as it was recorded: until its first transfer, and that.
fn recorded() -> [&'static [u8]; 2] {
    let all = include_bytes!("../../amqp/tests/data/edge-connector.bin");
    let (header, transfer) = (8, 0x14);
    let mut at = 0;
    loop {
        let size = match &all[at..at + 4] {
            b"AMQP" => header,
            size => u32::from_be_bytes(size.try_into().unwrap()) as usize,
        };
        if size > header && all[at + 10] == transfer {
            return [&all[..at], &all[at..at + size]];
        }
        at += size;
    }
}

#[test]
fn an_edge_router_of_upstreams_is_known_by_what_it_said() {
    let (inner, edges) = interior("INT", &[tcp_connector("inner", server(echo))]);
    let mut peer = connect(([127, 0, 0, 1], edges).into());
    let [links, mesh] = recorded();
    peer.write_all(links).unwrap();
    let naming = inner.context().dispatch.naming();
    for key in [naming.key("outer"), AddressKey::new(Class::Edge, "E")] {
        wait_for("destination at the edge router", || {
            let forwarding = inner.context().dispatch.forwarding.load();
            forwarding.locals.get(&key).map(|_| ())
        });
    }
    // There is credit for it now.
    peer.write_all(mesh).unwrap();
    wait_for("its mesh", || {
        let all = inner.context().connections.all();
        let mesh = all.iter().find_map(|handle| handle.mesh.load_full());
        mesh.filter(|mesh| ***mesh == *"j8CatGfr1jlYa7P")
    });
    // It is told that what it produces for is reachable: a string, and true.
    let (mut said, mut some) = (Vec::new(), [0; 4096]);
    while !said.windows(7).any(|octets| octets == b"MinnerA") {
        let count = peer.read(&mut some).unwrap();
        assert!(count > 0, "{}", said.escape_ascii());
        said.extend_from_slice(&some[..count]);
    }
}
