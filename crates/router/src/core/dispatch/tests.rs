//! What is on its way while the routers do not agree yet.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use skupper_routing::{
    Config, ControlMessage, Descriptor, Engine, Hello, Link, LinkState, LinkStateUpdate,
    MobileChange, MobileUpdate,
};

use super::*;
use crate::transit::inbox::Taken;

const NOW: Duration = Duration::from_secs(1);

fn id(text: &str) -> RouterId {
    RouterId::new(text).unwrap()
}

/// A triangle of this router, FROM and TO, who has a service. FROM goes to TO without this router.
struct Triangle {
    dispatch: Dispatch,
    from: Arc<ConnectionHandle>,
    to: Arc<ConnectionHandle>,
}

impl Triangle {
    fn new(treatment: Treatment) -> Self {
        let mut engine = Engine::new(Config::new(id("me"), 1), Duration::ZERO);
        let handles = [("FROM", 1), ("TO", 2)].map(|(peer, number)| {
            let link = LinkId(number);
            let up = Link {
                id: link,
                cost: 1,
                ordinal: 0,
                peer: Some(id(peer)),
            };
            engine.link_up(up, NOW);
            let hello = Hello {
                id: id(peer),
                instance: 1,
                seen: vec![id("me")],
            };
            engine.handle_message(link, ControlMessage::Hello(hello), NOW);
            let others = ["me", "FROM", "TO"].into_iter();
            let peers: BTreeMap<_, _> = others
                .filter(|other| *other != peer)
                .map(|other| (id(other), 1))
                .collect();
            let update = LinkStateUpdate {
                id: id(peer),
                instance: Some(1),
                ls: LinkState {
                    ls_seq: 1,
                    peers: Arc::new(peers),
                },
            };
            engine.handle_message(link, ControlMessage::LinkStateUpdate(update), NOW);
            ConnectionHandle::new(number, 0, Role::InterRouter, true, "link".into(), None)
        });
        while engine.poll_output().is_some() {}
        let key = AddressKey::parse("Mservice").unwrap();
        let update = MobileUpdate {
            id: id("TO"),
            mobile_seq: 1,
            change: MobileChange::Exist(vec![Descriptor {
                key,
                treatment: Some(treatment),
                producers: 0,
                sole_mesh: None,
            }]),
        };
        engine.handle_message(LinkId(2), ControlMessage::MobileUpdate(update), NOW);
        while engine.poll_output().is_some() {}
        let neighbours = handles.clone().map(|control| {
            let data = Vec::new();
            (LinkId(control.number), Neighbour { control, data })
        });
        let dispatch = Dispatch::new(id("me"), "", false, treatment);
        dispatch.forwarding.store(Arc::new(Forwarding {
            table: engine.table().clone(),
            locals: Locals::default(),
            neighbours: Arc::new(HashMap::from(neighbours)),
            uplink: None,
        }));
        let [from, to] = handles;
        Triangle { dispatch, from, to }
    }

    /// Sends what has gone through these routers; who gets it.
    fn send(&self, address: &str, trace: &[&str]) -> Option<&'static str> {
        self.send_but(address, trace, &[])
    }

    /// The same of what has come back by these ways.
    fn send_but(&self, address: &str, trace: &[&str], tried: &[Way]) -> Option<&'static str> {
        let mut message = Message::tcp_stream();
        tried.iter().for_each(|way| message.tried.add(*way));
        message.annotations.ingress = trace.first().map(|entry| (*entry).into());
        message.annotations.trace = trace.iter().map(|entry| (*entry).into()).collect();
        let (_producer, consumer) = pipe(message);
        let key = AddressKey::parse(address).unwrap();
        let sent = self.dispatch.send_at_once(&key, consumer);
        let got = |handle: &ConnectionHandle| {
            let mut taken = Taken::default();
            let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
            handle.inbox().take(&mut taken, &mut cx);
            !taken.commands.is_empty()
        };
        let to = match (got(&self.from), got(&self.to)) {
            (true, false) => Some("FROM"),
            (false, true) => Some("TO"),
            (false, false) => None,
            (true, true) => panic!("it went both ways"),
        };
        assert_eq!(sent.is_ok(), to.is_some());
        to
    }
}

#[test]
fn what_came_by_a_way_that_is_not_the_best_any_more_goes_on_where_it_has_not_been() {
    for treatment in [Treatment::Closest, Treatment::Balanced] {
        let triangle = Triangle::new(treatment);
        for address in ["RTO", "Mservice"] {
            assert_eq!(triangle.send(address, &[]), Some("TO"), "own, {address}");
            // FROM has not heard yet that TO is its neighbour.
            assert_eq!(triangle.send(address, &["0/FROM"]), Some("TO"), "{address}");
        }
        assert_eq!(triangle.send("Mservice", &["0/FROM", "0/TO"]), None);
        // Somebody here has given it back: FROM has a way of its own to TO.
        let here = [Way::Destination(1)];
        assert_eq!(triangle.send_but("Mservice", &["0/FROM"], &here), None);
        assert_eq!(triangle.send_but("Mservice", &[], &here), Some("TO"));
    }
}

#[test]
fn what_is_for_a_router_turns_back_once() {
    let triangle = Triangle::new(Treatment::Closest);
    for (address, trace, to) in [
        ("RFROM", &["0/FROM"][..], Some("FROM")),
        ("RTO", &["0/FROM", "0/TO"], Some("TO")),
        ("RFROM", &["0/FROM", "0/me", "0/FROM"], None),
        ("RTO", &["0/FROM", "0/TO", "0/me", "0/TO"], None),
        // Where it has not been it goes all the same.
        ("RTO", &["0/FROM", "0/me", "0/FROM"], Some("TO")),
    ] {
        assert_eq!(triangle.send(address, trace), to, "{address}, {trace:?}");
    }
}
