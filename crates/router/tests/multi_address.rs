//! Listeners of several addresses: which one a client gets, while addresses come and go and with them who serves them.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that panics has failed"
)]

mod common;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use common::collector::{Observer, run};
use common::*;
use serde_json::{Value, json};
use skupper_management::agent::handle;
use skupper_management::protocol::{Reply, Request, Status};
use skupper_management::{Attributes, Kind};
use skupper_router::Router;
use skupper_router::tcp::OperStatus;
use skupper_vanflow::{Attribute, RecordType};

const LISTENER: &str = "listener/multi";

/// The listener; its port is that of the "address" `multi`.
fn multi(strategy: &str) -> Value {
    json!(["tcpListener", {"name": LISTENER, "multiAddressStrategy": strategy, "host": "127.0.0.1", "port": "0"}])
}

/// One of its addresses.
fn address(name: &str, value: i64) -> Value {
    json!(["listenerAddress", {"name": format!("multi/{name}"), "address": name, "value": value, "listener": LISTENER}])
}

fn ask(router: &Router, request: &Request) -> Reply {
    handle(request, &mut *router.entities())
}

/// Makes an entity by management.
fn make(router: &Router, section: &Value) -> Reply {
    let kind = Kind::named(section[0].as_str().unwrap()).unwrap();
    let attributes = section[1].as_object().unwrap().clone();
    let name = attributes["name"].as_str().unwrap().to_owned();
    ask(router, &Request::create(kind, &name, attributes))
}

fn made(router: &Router, section: &Value) {
    let made = make(router, section);
    assert_eq!(made.status, Status::CREATED, "{made:?}");
}

fn removed(router: &Router, kind: Kind, name: &str) {
    let removed = ask(router, &Request::delete(kind, name));
    assert_eq!(removed.status, Status::NO_CONTENT, "{removed:?}");
}

fn shown(router: &Router, kind: Kind, name: &str) -> Attributes {
    let reply = ask(router, &Request::read(kind, name));
    reply.body.as_object().unwrap().clone()
}

/// Flows that began to an address, as management shows them.
fn opened(router: &Router, name: &str) -> u64 {
    let shown = shown(router, Kind::ListenerAddress, &format!("multi/{name}"));
    shown["connectionsOpened"].as_u64().unwrap()
}

/// A server that says who it is, and then what it hears.
fn server_of(name: &'static str) -> u16 {
    server(move |mut stream| {
        stream.write_all(name.as_bytes()).unwrap();
        echo(stream);
    })
}

/// Serves an address at a router, until it is told not to.
fn serve(router: &Router, name: &'static str) -> Server {
    let section = tcp_connector(name, server_of(name));
    made(router, &section);
    Server(section[1]["name"].as_str().unwrap().to_owned())
}

struct Server(String);

impl Server {
    fn goes(self, router: &Router) {
        removed(router, Kind::TcpConnector, &self.0);
    }
}

/// A client's flow, once its server has said who it is; none where the flow broke off.
fn begin(at: SocketAddr) -> Option<(TcpStream, String)> {
    let mut stream = TcpStream::connect(at).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut name = [0; 16];
    let count = stream.read(&mut name).ok().filter(|count| *count > 0)?;
    let name = String::from_utf8(name[..count].to_vec()).unwrap();
    Some((stream, name))
}

/// Who serves a client.
fn who(router: &Router) -> String {
    begin(open_port(router, "multi")).unwrap().1
}

/// Waits until clients are served by somebody: word of what changed goes its way.
fn served_by(router: &Router, name: &str) {
    wait_for(name, || {
        let at = router.entities().tcp_listener(LISTENER)?.bound()?;
        (begin(at)?.1 == name).then_some(())
    });
    // And stay with that.
    assert_eq!(who(router), name);
}

/// Waits until the router has seen that nobody serves an address. It has a listener of the address `marker`.
fn nobody_serves(router: &Router, name: &str) {
    let dispatch = &router.context().dispatch;
    let key = dispatch.key(name);
    wait_for("end of a destination", || {
        let forwarding = dispatch.forwarding.load();
        (!forwarding.is_reachable(&key)).then_some(())
    });
    // What is done for one change is done when the next is seen.
    let _marker = serve(router, "marker");
    open_port(router, "marker");
}

fn is_up(router: &Router) -> bool {
    router
        .entities()
        .tcp_listener(LISTENER)
        .unwrap()
        .oper_status()
        == OperStatus::Up
}

/// West with the listener, east beside it.
fn pair(west: &[Value]) -> (Router, Router) {
    let mut sections = vec![inter_router_listener("link")];
    sections.extend_from_slice(west);
    let west = router("west", &sections);
    let link = inter_router_connector("link", listener_port(&west, "link"));
    (west, router("east", &[link]))
}

#[test]
fn the_highest_priority_takes_over_and_gives_back() {
    // Listeners are made before their addresses, wherever those stand.
    let (west, east) = pair(&[address("low", 1), address("middle", 5), multi("priority")]);
    assert!(!is_up(&west));
    let low = serve(&east, "low");
    served_by(&west, "low");
    let port = open_port(&west, "multi");
    let middle = serve(&west, "middle");
    served_by(&west, "middle");
    // Nobody serves the next one yet.
    made(&west, &address("high", 9));
    assert_eq!(who(&west), "middle");
    let high = serve(&east, "high");
    served_by(&west, "high");
    high.goes(&east);
    served_by(&west, "middle");
    let (mut old, served) = begin(port).unwrap();
    assert_eq!(served, "middle");
    removed(&west, Kind::ListenerAddress, "multi/middle");
    assert_eq!(who(&west), "low");
    // A flow stays where it was begun to.
    old.write_all(b"still").unwrap();
    let mut heard = [0; 5];
    old.read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"still");
    low.goes(&east);
    // Somebody serves the middle one, which is none of the listener's any more.
    closed_port(&west, "multi");
    assert!(!is_up(&west));
    made(&west, &address("middle", 0));
    served_by(&west, "middle");
    assert_eq!(open_port(&west, "multi"), port, "clients know the port");
    middle.goes(&west);
    closed_port(&west, "multi");
}

#[test]
fn weights_are_followed_among_who_serves() {
    let addresses = [address("one", 1), address("three", 3), address("none", 0)];
    let mut sections = vec![multi("weighted"), tcp_listener("marker")];
    sections.extend(addresses);
    let (west, east) = pair(&sections);
    let none = serve(&west, "none");
    served_by(&west, "none");
    let one = serve(&east, "one");
    served_by(&west, "one");
    let three = serve(&east, "three");
    let mut seen = BTreeSet::new();
    wait_for("both", || {
        seen.insert(who(&west));
        (seen.len() == 2).then_some(())
    });
    seen.extend((0..50).map(|_| who(&west)));
    // One without weight serves nobody whom another could serve.
    assert!(seen.iter().eq(["one", "three"]), "{seen:?}");
    let listener = shown(&west, Kind::TcpListener, LISTENER);
    let of_each = ["one", "three", "none"].map(|name| opened(&west, name));
    assert_eq!(listener["connectionsOpened"], of_each.iter().sum::<u64>());
    three.goes(&east);
    nobody_serves(&west, "three");
    let before = opened(&west, "three");
    for _ in 0..20 {
        assert_eq!(who(&west), "one");
    }
    assert_eq!(opened(&west, "three"), before);
    one.goes(&east);
    served_by(&west, "none");
    none.goes(&west);
    closed_port(&west, "multi");
}

#[test]
fn at_an_edge_router_too() {
    let inner = router("INT", &[with_role(inter_router_listener("edges"), "edge")]);
    let uplink = with_role(
        inter_router_connector("up", listener_port(&inner, "edges")),
        "edge",
    );
    let edge = edge_router(
        "EDGE",
        &[
            uplink,
            multi("priority"),
            address("low", 1),
            address("high", 2),
        ],
    );
    let low = serve(&inner, "low");
    served_by(&edge, "low");
    let high = serve(&inner, "high");
    served_by(&edge, "high");
    high.goes(&inner);
    served_by(&edge, "low");
    low.goes(&inner);
    closed_port(&edge, "multi");
}

#[test]
fn what_cannot_be_is_refused() {
    let router = router(
        "A",
        &[multi("weighted"), tcp_listener("single"), address("one", 1)],
    );
    let refused = |section: &Value, why: &str| {
        let refused = make(&router, section);
        assert!(!refused.status.is_success());
        assert!(refused.description.contains(why), "{refused:?}");
    };
    let both = "Exactly one of the 'address' or 'multiAddressStrategy' field must be set";
    let mut listener = multi("priority");
    listener[1]["name"] = json!("another");
    listener[1]["address"] = json!("service");
    refused(&listener, both);
    let mut listener = multi("none");
    listener[1]["name"] = json!("another");
    refused(&listener, both);
    let mut of = address("two", 2);
    of[1]["listener"] = json!("listener/single");
    let why = "Must not assign new address to non multi-address listener listener/single";
    refused(&of, why);
    of[1]["listener"] = json!("no listener");
    refused(&of, "Listener for new address does not exist no listener");
    let delete = Request::delete(Kind::TcpListener, LISTENER);
    let kept = ask(&router, &delete);
    let why = format!("listenerAddress entities exist for  multi-address listener {LISTENER}");
    assert!(kept.description.contains(&why), "{kept:?}");
    removed(&router, Kind::ListenerAddress, "multi/one");
    removed(&router, Kind::TcpListener, LISTENER);
    refused(
        &address("one", 1),
        "Listener for new address does not exist",
    );
}

#[test]
fn each_address_is_told_of_as_a_listener() {
    let clients = json!(["listener", {"name": "clients", "host": "127.0.0.1", "port": "0"}]);
    let router = router(
        "A",
        &[
            clients,
            multi("priority"),
            address("low", 1),
            address("high", 2),
        ],
    );
    let _low = serve(&router, "low");
    served_by(&router, "low");
    run(async {
        let mut observer = Observer::new(listener_port(&router, "clients"));
        let of = |address: &'static str| {
            move |record: &skupper_vanflow::Record| {
                record.kind == RecordType::Listener
                    && record.text(Attribute::VAN_ADDRESS) == address
            }
        };
        let high = observer.record_until("high", of("high")).await;
        assert_eq!(high.text(Attribute::NAME), LISTENER);
        let low = observer.record_until("low", of("low")).await;
        assert_ne!(low.id, high.id);
        let (_client, _) = begin(open_port(&router, "multi")).unwrap();
        let own = low.id.clone();
        let flow = observer.flow_until(move |flow| flow.text(Attribute::PARENT) == own);
        flow.await;
        let counted = |record: &skupper_vanflow::Record| {
            record.id == low.id && record.number(Attribute::FLOW_COUNT_L4) == opened(&router, "low")
        };
        observer.record_until("a count", counted).await;
    });
}
