//! Decisions over a table: a router `b` between `a` and `c`, with a dearer way to `d`; `d` is also behind `c`.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use skupper_routing::address::Naming;
use skupper_routing::choose::{Choice, Entry, Load, anycast_origin, balanced, closest, multicast};
use skupper_routing::control::{Forward, forward, is_control_only};
use skupper_routing::{
    AddressKey, Config, ControlMessage, Descriptor, Engine, Hello, Link, LinkId, LinkState,
    LinkStateUpdate, MobileChange, MobileUpdate, Origin, Output, RouterId, Table, Treatment,
};

const A: LinkId = LinkId(1);
const C: LinkId = LinkId(3);

fn id(text: &str) -> RouterId {
    RouterId::new(text).unwrap()
}

/// a — b — c — d in a row, as `b` sees it; `c` and `d` have `svc`, and all have `all`.
fn table() -> Arc<Table> {
    let now = Duration::ZERO;
    let mut engine = Engine::new(Config::new(id("b"), 1), now);
    for (peer, link) in [("a", A), ("c", C)] {
        engine.link_up(
            Link {
                id: link,
                cost: 1,
                ordinal: 0,
                peer: None,
            },
            now,
        );
        let hello = Hello {
            id: id(peer),
            instance: 1,
            seen: vec![id("b")],
        };
        engine.handle_message(link, ControlMessage::Hello(hello), now);
    }
    for (router, peers) in [("a", vec!["b"]), ("c", vec!["b", "d"]), ("d", vec!["c"])] {
        let peers: BTreeMap<RouterId, u32> = peers.into_iter().map(|peer| (id(peer), 1)).collect();
        let ls = LinkState {
            ls_seq: 1,
            peers: Arc::new(peers),
        };
        let update = LinkStateUpdate {
            id: id(router),
            instance: Some(1),
            ls,
        };
        engine.handle_message(C, ControlMessage::LinkStateUpdate(update), now);
    }
    for (router, keys) in [
        ("a", vec!["Mall", "Medge"]),
        ("c", vec!["Msvc", "Mall", "Medge"]),
        ("d", vec!["Msvc", "Mall", "Medge"]),
    ] {
        let describe = |key| Descriptor {
            key: AddressKey::parse(key).unwrap(),
            treatment: Some(Treatment::Balanced),
            producers: 0,
            // Those of one address are all behind edge routers, and all of a mesh but for those at `d`.
            sole_mesh: (key == "Medge")
                .then(|| if router == "d" { "other" } else { "mesh" }.into()),
        };
        let change = MobileChange::Exist(keys.into_iter().map(describe).collect());
        let update = MobileUpdate {
            id: id(router),
            mobile_seq: 1,
            change,
        };
        engine.handle_message(C, ControlMessage::MobileUpdate(update), now);
    }
    while engine.poll_output().is_some() {}
    Arc::clone(engine.table())
}

fn router_of<L>(table: &Table, choice: Option<Choice<L>>) -> Option<(String, LinkId)> {
    match choice? {
        Choice::Local(_) => None,
        Choice::Remote { router, link } => Some((table.route(router)?.id.to_string(), link)),
    }
}

#[test]
fn closest_takes_a_local_one_then_the_cheapest_that_can_be_used() {
    let table = table();
    let remotes = table.remotes(&AddressKey::mobile("svc")).map(|r| &**r);
    let local = closest(&table, &[7, 8], remotes, Origin::Here, 3, |_| true);
    assert_eq!(local, Some(Choice::Local(8)));
    let remote = closest::<u8>(&table, &[], remotes, Origin::Here, 5, |_| true);
    assert_eq!(router_of(&table, remote), Some(("c".into(), C)));
    assert_eq!(
        closest::<u8>(&table, &[], remotes, Origin::Here, 0, |link| link != C),
        None
    );
    assert_eq!(
        closest::<u8>(&table, &[], None, Origin::Here, 0, |_| true),
        None
    );
}

#[test]
fn nothing_goes_back_where_it_came_from() {
    let table = table();
    let remotes = table.remotes(&AddressKey::mobile("svc")).map(|r| &**r);
    let from_a = closest::<u8>(&table, &[], remotes, table.origin(Some("0/a")), 0, |_| true);
    assert_eq!(router_of(&table, from_a), Some(("c".into(), C)));
    assert_eq!(
        closest::<u8>(&table, &[], remotes, table.origin(Some("0/d")), 0, |_| true),
        None
    );
    let unknown = table.origin(Some("0/stranger"));
    assert_eq!(
        (unknown, table.origin(Some("0/b")), table.origin(None)),
        (Origin::Unknown, Origin::Here, Origin::Here)
    );
    assert!(closest::<u8>(&table, &[], remotes, anycast_origin(unknown), 0, |_| true).is_some());
}

#[test]
fn balanced_takes_the_least_loaded_and_counts_the_way() {
    let table = table();
    let remotes = table.remotes(&AddressKey::mobile("svc")).map(|r| &**r);
    let load = |outstanding| {
        Some(Load {
            outstanding,
            capacity: 10,
        })
    };
    let choose = |locals: &[u64], remote: u64| {
        balanced(&table, locals, remotes, Origin::Here, 1, load, |_| {
            load(remote)
        })
    };
    assert_eq!(
        choose(&[0, 0, 5], 0),
        Some(Choice::Local(0)),
        "an idle one here goes before all others"
    );
    assert_eq!(
        router_of(&table, choose(&[2, 3], 0)),
        Some(("c".into(), C)),
        "one away is one more"
    );
    assert_eq!(
        choose(&[1, 3], 0),
        Some(Choice::Local(1)),
        "first found on a tie"
    );
    assert_eq!(choose(&[3, 9], 4), Some(Choice::Local(3)));
    assert_eq!(
        router_of(&table, choose(&[10, 12], 9)),
        Some(("c".into(), C)),
        "a full one only if all are"
    );
    assert_eq!(choose(&[10, 12], 30), Some(Choice::Local(10)));
    assert_eq!(
        balanced(&table, &[0_u64], None, Origin::Here, 0, |_| None, |_| None),
        None
    );
}

#[test]
fn multicast_goes_once_to_each_neighbour_on_the_way() {
    let table = table();
    let remotes = table.remotes(&AddressKey::mobile("all")).unwrap();
    assert_eq!(multicast(&table, remotes, Origin::Here, &[]), [A, C]);
    assert_eq!(
        multicast(&table, remotes, table.origin(Some("0/a")), &[]),
        [C]
    );
    assert_eq!(
        multicast(&table, remotes, table.origin(Some("0/d")), &[]),
        [A]
    );
    assert_eq!(
        multicast(
            &table,
            remotes,
            Origin::Here,
            &table.traced(["0/c", "0/d", "nonsense"])
        ),
        [A]
    );
    assert_eq!(multicast(&table, remotes, Origin::Unknown, &[]), []);
}

#[test]
fn what_comes_from_an_edge_mesh_does_not_go_where_there_is_only_that() {
    let table = table();
    let remotes = table.remotes(&AddressKey::mobile("edge")).unwrap();
    let from = |mesh| Entry {
        origin: Origin::Here,
        mesh,
    };
    let nearest = |entry| {
        let choice = closest::<u8>(&table, &[], Some(&**remotes), entry, 0, |_| true);
        router_of(&table, choice).map(|(router, _)| router)
    };
    assert_eq!(nearest(from(None)).as_deref(), Some("a"));
    assert_eq!(nearest(from(Some("mesh"))).as_deref(), Some("d"));
    assert_eq!(nearest(from(Some("other"))).as_deref(), Some("a"));
    let least = balanced::<u8>(
        &table,
        &[],
        Some(&**remotes),
        from(Some("mesh")),
        0,
        |_| None,
        |_| {
            Some(Load {
                outstanding: 0,
                capacity: 9,
            })
        },
    );
    assert_eq!(router_of(&table, least), Some(("d".into(), C)));
    let copies = |entry| multicast(&table, remotes, entry, &[]);
    assert_eq!(copies(from(None)), [A, C]);
    assert_eq!(copies(from(Some("mesh"))), [C]);
}

#[test]
fn floods_go_to_every_neighbour_and_differences_along_the_tree() {
    // `a` and `c` are neighbours of one another and `a` is dear: the way to it is by `c`.
    let (a, c, now) = (LinkId(1), LinkId(3), Duration::ZERO);
    let mut engine = Engine::new(Config::new(id("b"), 1), now);
    for (peer, link, cost) in [("a", a, 4), ("c", c, 1)] {
        let known = Link {
            id: link,
            cost,
            ordinal: 0,
            peer: None,
        };
        engine.link_up(known, now);
        let hello = Hello {
            id: id(peer),
            instance: 1,
            seen: vec![id("b")],
        };
        engine.handle_message(link, ControlMessage::Hello(hello), now);
    }
    for (router, peers) in [("a", [("b", 4), ("c", 1)]), ("c", [("a", 1), ("b", 1)])] {
        let peers = peers.iter().map(|(peer, cost)| (id(peer), *cost));
        let update = LinkStateUpdate {
            id: id(router),
            instance: Some(1),
            ls: LinkState {
                ls_seq: 1,
                peers: Arc::new(peers.collect()),
            },
        };
        engine.handle_message(c, ControlMessage::LinkStateUpdate(update), now);
    }
    while engine.poll_output().is_some() {}
    let table = Arc::clone(engine.table());
    assert_eq!(table.router("a").unwrap().1.link, Some(c));

    // Were `a` told only by the cheapest way, a break there would be hidden from it by the very tree that the break undoes.
    let naming = Naming::new("b", "");
    let onward = |to: &str, trace: &[&'static str]| {
        forward(&table, &naming, to, Some(trace[0]), trace.iter().copied()).links
    };
    let flood = "amqp:/_topo/0/all/qdrouter";
    assert_eq!(onward(flood, &["0/c"]), [a]);
    assert_eq!(onward(flood, &["0/a"]), [c]);
    assert_eq!(onward(flood, &["0/a", "0/c"]), []);
    assert_eq!(onward(flood, &["0/stranger"]), [a, c]);

    // Its own go the same ways.
    let later = Duration::from_secs(1);
    engine.address_up(AddressKey::mobile("x"), Treatment::Balanced, None, later);
    engine.handle_timeout(later + Duration::from_millis(10));
    let mut sent = Vec::new();
    while let Some(output) = engine.poll_output() {
        if let Output::Send { message, links, .. } = output {
            sent.push((message.opcode(), links));
        }
    }
    sent.retain(|(opcode, _)| matches!(*opcode, "RA" | "MAU"));
    assert_eq!(sent, [("MAU", vec![c]), ("RA", vec![a, c])]);
}

#[test]
fn control_messages_in_transit() {
    let table = table();
    let naming = Naming::new("b", "");
    let onward = |to: &str, ingress: &'static str, trace: &[&'static str]| {
        let Forward { here, links } =
            forward(&table, &naming, to, Some(ingress), trace.iter().copied());
        (here, links)
    };
    assert_eq!(
        onward("amqp:/_local/qdhello", "0/a", &["0/a"]),
        (true, vec![])
    );
    assert_eq!(
        onward("amqp:/_topo/0/all/qdrouter", "0/a", &["0/a"]),
        (true, vec![C])
    );
    assert_eq!(
        onward("amqp:/_topo/0/all/qdrouter", "0/x", &["0/x"]),
        (true, vec![A, C]),
        "a flood asks for no origin"
    );
    assert_eq!(
        onward("_topo/0/all/qdrouter.ma", "0/d", &["0/d", "0/c"]),
        (true, vec![A])
    );
    assert_eq!(
        onward("amqp:/_topo/0/d/qdrouter", "0/a", &["0/a"]),
        (false, vec![C])
    );
    assert_eq!(
        onward("amqp:/_topo/0/b/qdrouter", "0/a", &["0/a"]),
        (true, vec![])
    );
    assert_eq!(
        onward("amqp:/_topo/0/nobody/qdrouter", "0/a", &["0/a"]),
        (false, vec![])
    );
    assert_eq!(
        onward("amqp:/_topo/0/d/qdrouter", "0/a", &["0/a", "0/b", "0/c"]),
        (false, vec![]),
        "it goes round"
    );
    assert_eq!(onward("echo:8080", "0/a", &["0/a"]), (false, vec![]));
    assert!(is_control_only(&naming.key("amqp:/_topo/0/all/qdrouter")));
    assert!(!is_control_only(&naming.key("echo:8080")));
}
